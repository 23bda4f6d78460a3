//! One writer of a baseline at a time: a second is refused before it has measured anything.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Taking the lock is tried again when its file was replaced meanwhile.
const TRIES: usize = 100;

/// The right to write a baseline, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Held open: the system's lock ends with it, also when the process is killed.
    _file: File,
}

/// Takes the right to write the baseline at `path`. Its folder is made where it is missing, so that a folder that cannot
/// be written is found out first.
///
/// # Errors
/// Another process has it, or the folder cannot be written.
pub fn lock(path: &Path) -> anyhow::Result<Lock> {
    super::make_folder_of(path)?;
    let name = path.file_name().context("the path names no file")?.to_string_lossy();
    let file = path.with_file_name(format!(".{name}.lock"));
    for _ in 0..TRIES {
        if let Some(lock) = try_lock(&file, path)? {
            return Ok(lock);
        }
    }
    bail!("cannot lock {}: its lock file keeps changing", path.display())
}

/// `None` where the file that was locked is no longer the one of that name: its owner removed it in between.
fn try_lock(file: &Path, baseline: &Path) -> anyhow::Result<Option<Lock>> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(file);
    let handle = opened.with_context(|| format!("cannot write {}", baseline.display()))?;
    match handle.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another perfkit is writing {}: let it end first", baseline.display())
        }
        // Some shared file systems know no locks. Writing is all or nothing there too.
        Err(TryLockError::Error(_)) => {}
    }
    let same = std::fs::metadata(file).and_then(|named| {
        handle.metadata().map(|held| (named.dev(), named.ino()) == (held.dev(), held.ino()))
    });
    Ok(same.unwrap_or(false).then(|| Lock { path: file.to_path_buf(), _file: handle }))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held: who opened it before finds out that it is another file by now.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine/ci.json");
        let first = lock(&path).unwrap();
        let error = lock(&path).unwrap_err().to_string();
        assert!(error.contains("another perfkit is writing"), "{error}");
        drop(first);
        drop(lock(&path).unwrap());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("machine"), "a file").unwrap();
        let error = format!("{:#}", lock(&folder.path().join("machine/ci.json")).unwrap_err());
        assert!(error.contains("cannot make"), "{error}");
    }
}
