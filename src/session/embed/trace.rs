//! A trace on its way to a file, which appears when it is finished.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use super::output::WholeFile;
use crate::telemetry::Trace;
use crate::units;

/// A trace and where it goes.
pub(super) struct TraceFile {
    file: WholeFile,
    trace: Trace,
}

impl TraceFile {
    /// Before anything is traced, so that a place that cannot be written is known at once.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { file: WholeFile::create(path)?, trace: Trace::new() })
    }

    pub(super) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Writes the file; a note says what did not fit.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<String>> {
        let mut buffered = BufWriter::new(Writer(&mut self.file));
        self.trace.write(&mut buffered).and_then(|()| buffered.flush()).context("cannot write the trace")?;
        drop(buffered);
        self.file.finish(None)?;
        let (kept, dropped) = (self.trace.events() as u64, self.trace.dropped());
        Ok((dropped > 0).then(|| {
            format!(
                "the trace is full at {} events: {} later ones were left out",
                units::count(kept),
                units::count(dropped)
            )
        }))
    }
}

struct Writer<'a>(&'a mut WholeFile);

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
