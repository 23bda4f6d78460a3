//! Opening files that others made.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file for reading; a folder, device or named pipe is an error, and none of them is waited for.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK a named pipe would wait for a writer for ever. Regular files do not know the flag.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_open() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open_regular(folder.path()).is_err());
        let path = folder.path().join("file");
        std::fs::write(&path, "x").unwrap();
        assert!(open_regular(&path).is_ok());
        assert!(open_regular(Path::new("/dev/null")).is_err());
    }
}
