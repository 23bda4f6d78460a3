//! A trace on its way to a file, which appears when it is finished.

use std::path::Path;

use super::output::NamedFile;
use crate::telemetry::Trace;
use crate::units;

/// A trace and where it goes.
pub(super) struct TraceFile {
    file: NamedFile,
    trace: Trace,
}

impl TraceFile {
    /// Before anything is traced, so that a place that cannot be written is known at once.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { file: NamedFile::create(path)?, trace: Trace::new() })
    }

    pub(super) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Writes the file; a note says what did not fit.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<String>> {
        self.file.write(|file| self.trace.write(file))?;
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
