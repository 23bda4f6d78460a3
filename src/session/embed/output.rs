//! Embeddings into a file or a pipe: JSON lines, or a NumPy array; a file appears whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

/// Bytes of the array's header: a fixed size, so that the number of rows can be filled in at the end.
const NPY_HEADER: usize = 128;

#[derive(Serialize)]
struct Row<'a> {
    index: u64,
    embedding: &'a [f32],
}

/// Where embeddings go.
pub(super) enum Output<'a> {
    /// JSON lines to a pipe.
    Pipe(&'a mut dyn Write),
    /// JSON lines to a file.
    JsonLines(WholeFile),
    /// A NumPy array of f32.
    Npy(WholeFile),
}

impl<'a> Output<'a> {
    /// `-` is the pipe, `.npy` an array, everything else JSON lines.
    pub(super) fn open(path: &str, pipe: &'a mut dyn Write) -> anyhow::Result<Self> {
        if path == "-" {
            return Ok(Self::Pipe(pipe));
        }
        let mut file = WholeFile::create(Path::new(path))?;
        if path.to_ascii_lowercase().ends_with(".npy") {
            file.write(&[0; NPY_HEADER])?;
            Ok(Self::Npy(file))
        } else {
            Ok(Self::JsonLines(file))
        }
    }

    pub(super) fn row(&mut self, index: u64, embedding: &[f32]) -> anyhow::Result<()> {
        match self {
            Self::Pipe(pipe) => {
                serde_json::to_writer(&mut *pipe, &Row { index, embedding })?;
                pipe.write_all(b"\n")?;
            }
            Self::JsonLines(file) => {
                let mut line = serde_json::to_vec(&Row { index, embedding })?;
                line.push(b'\n');
                file.write(&line)?;
            }
            Self::Npy(file) => {
                let bytes: Vec<u8> = embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
                file.write(&bytes)?;
            }
        }
        Ok(())
    }

    /// Makes the file appear, with so many rows of `dimensions`.
    pub(super) fn finish(self, rows: u64, dimensions: usize) -> anyhow::Result<()> {
        match self {
            Self::Pipe(pipe) => Ok(pipe.flush()?),
            Self::JsonLines(file) => file.finish(None),
            Self::Npy(file) => file.finish(Some(npy_header(rows, dimensions))),
        }
    }
}

/// Version 1.0 of NumPy's format: magic, version, length of the rest, and a Python dictionary padded with blanks.
fn npy_header(rows: u64, dimensions: usize) -> Vec<u8> {
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(118_u16.to_le_bytes());
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimensions}), }}");
    header.extend(dictionary.as_bytes());
    header.resize(NPY_HEADER - 1, b' ');
    header.push(b'\n');
    header
}

/// A file under a temporary name beside its own until it is finished; dropped before that, it disappears.
pub(super) struct WholeFile {
    writer: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl WholeFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        anyhow::ensure!(!path.is_dir(), "cannot write {shown}: it is a folder; give a file");
        let name = path.file_name().with_context(|| format!("cannot write {shown}: it names no file"))?;
        let temporary =
            path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        let file = File::create(&temporary).with_context(|| {
            format!("cannot write {shown}; check that its folder exists and may be written")
        })?;
        Ok(Self { writer: BufWriter::new(file), temporary, path: path.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let path = &self.path;
        self.writer.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    fn finish(mut self, start: Option<Vec<u8>>) -> anyhow::Result<()> {
        let shown = self.path.display().to_string();
        let complete = || -> std::io::Result<()> {
            if let Some(start) = start {
                self.writer.seek(SeekFrom::Start(0))?;
                self.writer.write_all(&start)?;
            }
            self.writer.flush()?;
            self.writer.get_ref().sync_all()?;
            std::fs::rename(&self.temporary, &self.path)
        };
        complete().with_context(|| format!("cannot write {shown}"))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // After a rename there is nothing of this name left to remove.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_the_header_that_numpy_reads() {
        let header = npy_header(3, 2);
        assert_eq!(header.len(), NPY_HEADER);
        assert_eq!(&header[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert!(header[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"));
        assert_eq!(header.last(), Some(&b'\n'));
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.npy");
        let shown = path.to_str().unwrap();
        let mut pipe = Vec::new();
        let mut output = Output::open(shown, &mut pipe).unwrap();
        output.row(0, &[1.0, 2.0]).unwrap();
        drop(output);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut output = Output::open(shown, &mut pipe).unwrap();
        output.row(0, &[1.0, 2.0]).unwrap();
        output.finish(1, 2).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), NPY_HEADER + 8);
        assert_eq!(bytes[NPY_HEADER..], [1.0_f32.to_le_bytes(), 2.0_f32.to_le_bytes()].concat());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
