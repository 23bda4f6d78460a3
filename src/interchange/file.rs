//! Reads a file of somebody else's whole, if it is a file and not too large.

use std::fs::{File, metadata};
use std::io::Read;
use std::path::Path;

use super::ImportError;

/// What a file should be, and what to do where it is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// `criterion's sample.json`.
    pub(super) what: &'static str,
    /// `run the benchmarks again`.
    pub(super) remedy: &'static str,
    /// Larger files are refused.
    pub(super) limit_bytes: u64,
}

impl Wanted {
    /// The error that says that `path` is something else.
    pub(super) fn but(self, path: &Path, why: impl Into<String>) -> ImportError {
        ImportError::Invalid {
            path: path.to_owned(),
            wanted: self.what,
            why: why.into(),
            remedy: self.remedy,
        }
    }
}

/// The bytes of a regular file. A pipe or a device is refused before it is opened, since opening or reading one may never
/// end; the limit holds for what is read, not only for the length the file claims.
pub(super) fn read(path: &Path, wanted: Wanted) -> Result<Vec<u8>, ImportError> {
    let io = |cause| ImportError::Io { path: path.to_owned(), cause };
    let facts = metadata(path).map_err(io)?;
    if !facts.is_file() {
        let why = if facts.is_dir() { "it is a folder" } else { "it is no regular file" };
        return Err(wanted.but(path, why));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(wanted.limit_bytes + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > wanted.limit_bytes {
        let limit = crate::units::bytes(wanted.limit_bytes);
        return Err(wanted.but(path, format!("it has more than {limit}")));
    }
    Ok(bytes)
}
