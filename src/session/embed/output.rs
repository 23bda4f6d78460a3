//! Embeddings into a file or a pipe: JSON lines, or a NumPy array; a file appears whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::document::WholeFile;
use crate::engines::quantized::{Coded, OutputPrecision};

/// Bytes of the array's header: a fixed size, so that the number of rows can be filled in at the end.
const NPY_HEADER: usize = 128;

/// A line of JSON; bytes have the scale that makes numbers of them.
#[derive(Serialize)]
struct Row<T> {
    index: u64,
    embedding: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f32>,
}

fn line(index: u64, vector: Coded<'_>) -> serde_json::Result<Vec<u8>> {
    let mut line = match vector {
        Coded::F32(embedding) => serde_json::to_vec(&Row { index, embedding, scale: None }),
        Coded::Int8 { bytes, scale } => {
            serde_json::to_vec(&Row { index, embedding: bytes, scale: Some(scale) })
        }
        Coded::Binary(embedding) => serde_json::to_vec(&Row { index, embedding, scale: None }),
    }?;
    line.push(b'\n');
    Ok(line)
}

/// Where embeddings go.
pub(super) enum Output<'a> {
    /// JSON lines to a pipe.
    Pipe(&'a mut dyn Write),
    /// JSON lines to a file.
    JsonLines(NamedFile),
    /// A NumPy array.
    Npy(NamedFile),
}

impl<'a> Output<'a> {
    /// `-` is the pipe, `.npy` an array, everything else JSON lines.
    pub(super) fn open(path: &str, pipe: &'a mut dyn Write) -> anyhow::Result<Self> {
        if path == "-" {
            return Ok(Self::Pipe(pipe));
        }
        let mut file = NamedFile::create(Path::new(path))?;
        if Self::is_array(path) {
            file.write(|file| file.write_all(&[0; NPY_HEADER]))?;
            Ok(Self::Npy(file))
        } else {
            Ok(Self::JsonLines(file))
        }
    }

    /// Whether `path` is an array, whose rows have no numbers of their own.
    pub(super) fn is_array(path: &str) -> bool {
        path.to_ascii_lowercase().ends_with(".npy")
    }

    pub(super) fn row(&mut self, index: u64, vector: Coded<'_>) -> anyhow::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.write_all(&line(index, vector)?)?,
            Self::JsonLines(file) => {
                let line = line(index, vector)?;
                file.write(|file| file.write_all(&line))?;
            }
            Self::Npy(file) => {
                let bytes: Vec<u8> = match vector {
                    Coded::F32(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
                    Coded::Int8 { bytes, .. } => bytes.iter().map(|byte| byte.cast_unsigned()).collect(),
                    Coded::Binary(bytes) => bytes.to_vec(),
                };
                file.write(|file| file.write_all(&bytes))?;
            }
        }
        Ok(())
    }

    /// What was written to a pipe so far is seen at its other end.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pipe(pipe) => Ok(pipe.flush()?),
            Self::JsonLines(_) | Self::Npy(_) => Ok(()),
        }
    }

    /// Makes the file appear, with so many rows of vectors of `dimensions` in a precision.
    pub(super) fn finish(
        self,
        rows: u64,
        dimensions: usize,
        precision: OutputPrecision,
    ) -> anyhow::Result<()> {
        match self {
            Self::Pipe(pipe) => Ok(pipe.flush()?),
            Self::JsonLines(file) => file.finish(None),
            Self::Npy(file) => file.finish(Some(&npy_header(rows, dimensions, precision))),
        }
    }
}

/// Version 1.0 of NumPy's format: magic, version, length of the rest, and a Python dictionary padded with blanks.
fn npy_header(rows: u64, dimensions: usize, precision: OutputPrecision) -> Vec<u8> {
    let (kind, columns) = match precision {
        OutputPrecision::F32 => ("<f4", dimensions),
        OutputPrecision::Int8 => ("|i1", dimensions),
        OutputPrecision::Binary => ("|u1", precision.vector_bytes(dimensions)),
    };
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(118_u16.to_le_bytes());
    let dictionary = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    header.extend(dictionary.as_bytes());
    header.resize(NPY_HEADER - 1, b' ');
    header.push(b'\n');
    header
}

/// A file that appears when it is finished; its errors name it.
pub(super) struct NamedFile {
    file: WholeFile,
    path: PathBuf,
}

impl NamedFile {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = WholeFile::create(path).with_context(|| {
            let remedy = if path.is_dir() { "" } else { "; check that its folder exists and may be written" };
            format!("cannot write {}{remedy}", path.display())
        })?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut WholeFile) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        write(&mut self.file).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Makes it appear, with other bytes at its start where there are any.
    pub(super) fn finish(self, start: Option<&[u8]>) -> anyhow::Result<()> {
        self.file.finish(start).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_the_header_that_numpy_reads() {
        let header = npy_header(3, 2, OutputPrecision::F32);
        assert_eq!(header.len(), NPY_HEADER);
        assert_eq!(&header[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert!(header[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"));
        assert_eq!(header.last(), Some(&b'\n'));
        for (precision, words) in [(OutputPrecision::Int8, "'|i1', "), (OutputPrecision::Binary, "'|u1', ")] {
            let header = String::from_utf8_lossy(&npy_header(3, 12, precision)).into_owned();
            let columns = if precision == OutputPrecision::Int8 { "(3, 12)" } else { "(3, 2)" };
            assert!(header.contains(words) && header.contains(columns), "{header}");
        }
    }

    #[test]
    fn lines_carry_bytes_as_numbers_and_their_scale() {
        let lines = [
            line(3, Coded::F32(&[0.5])).unwrap(),
            line(4, Coded::Int8 { bytes: &[-127, 3], scale: 0.25 }).unwrap(),
            line(5, Coded::Binary(&[255, 0])).unwrap(),
        ];
        assert_eq!(lines[0], b"{\"index\":3,\"embedding\":[0.5]}\n");
        assert_eq!(lines[1], b"{\"index\":4,\"embedding\":[-127,3],\"scale\":0.25}\n");
        assert_eq!(lines[2], b"{\"index\":5,\"embedding\":[255,0]}\n");
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.npy");
        let shown = path.to_str().unwrap();
        let mut pipe = Vec::new();
        let mut output = Output::open(shown, &mut pipe).unwrap();
        output.row(0, Coded::F32(&[1.0, 2.0])).unwrap();
        drop(output);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut output = Output::open(shown, &mut pipe).unwrap();
        output.row(0, Coded::F32(&[1.0, 2.0])).unwrap();
        output.finish(1, 2, OutputPrecision::F32).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), NPY_HEADER + 8);
        assert_eq!(bytes[NPY_HEADER..], [1.0_f32.to_le_bytes(), 2.0_f32.to_le_bytes()].concat());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
