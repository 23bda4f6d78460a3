//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file under a temporary name beside its own until it is finished; dropped before that, it disappears.
///
/// A link stays one: what it leads to is replaced. What is no regular file (`/dev/null`, `/dev/stdout`, a named pipe) is
/// written to as it is, since a rename would put a file in its place.
#[derive(Debug)]
pub struct WholeFile {
    writer: BufWriter<File>,
    place: Option<Place>,
}

/// Where a file is to appear.
#[derive(Debug)]
struct Place {
    temporary: PathBuf,
    path: PathBuf,
}

impl Place {
    /// `None` where `path` is there and is no regular file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let path = match fs::metadata(path) {
            Ok(facts) if facts.is_dir() => return Err(io::Error::other("it is a folder; give a file")),
            Ok(facts) if !facts.is_file() => return Ok(None),
            Ok(_) => fs::canonicalize(path)?,
            Err(_) => path.to_owned(),
        };
        let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        let temporary =
            path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        Ok(Some(Self { temporary, path }))
    }
}

impl WholeFile {
    /// Begins one.
    ///
    /// # Errors
    /// `path` is a folder or names no file, or nothing may be written there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let place = Place::of(path)?;
        let file = match &place {
            Some(place) => File::create(&place.temporary)?,
            None => OpenOptions::new().write(true).open(path)?,
        };
        Ok(Self { writer: BufWriter::new(file), place })
    }

    /// Makes it appear, with other bytes at its start where there are any.
    ///
    /// # Errors
    /// The rest of it could not be written; nothing appears then.
    pub fn finish(mut self, start: Option<&[u8]>) -> io::Result<()> {
        if let Some(start) = start {
            self.writer.seek(SeekFrom::Start(0))?;
            self.writer.write_all(start)?;
        }
        self.writer.flush()?;
        let Some(place) = &self.place else { return Ok(()) };
        self.writer.get_ref().sync_all()?;
        fs::rename(&place.temporary, &place.path)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // After a rename there is nothing of this name left to remove.
        if let Some(place) = &self.place {
            let _ = fs::remove_file(&place.temporary);
        }
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// As for [`WholeFile`].
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.finish(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"....rest").unwrap();
        assert!(!path.exists());
        drop(file);
        assert!(names(folder.path()).is_empty());
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"....rest").unwrap();
        file.finish(Some(b"head")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"headrest");
        assert_eq!(names(folder.path()), ["out"]);
        for no_file in [folder.path(), &folder.path().join("..")] {
            assert!(WholeFile::create(no_file).unwrap_err().to_string().contains("folder"));
        }
        assert!(WholeFile::create(&folder.path().join("absent/out")).is_err());
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["file", "link"]);
    }

    #[test]
    fn what_is_no_regular_file_is_written_to_and_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let read = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::read(pipe).unwrap())
        };
        write_atomically(&pipe, b"through").unwrap();
        assert_eq!(read.join().unwrap(), b"through");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(names(folder.path()), ["pipe"]);
    }
}
