//! What is kept between runs: files that appear whole, and the hash of weights that nobody changed since it was taken.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::tensors::{Tensors, hash_bytes};
use crate::sys::clock::unix_seconds;

/// A file that was changed less than so many seconds ago may be changed again without a new time.
const SETTLED_SECONDS: i64 = 3;

/// Writes a file that appears whole, by a rename, whoever else writes the same. A cache that cannot be written is none.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) {
    if path.parent().is_none_or(|folder| std::fs::create_dir_all(folder).is_err()) {
        return;
    }
    // A name of this process and thread, so that two writers never share a file; the later rename wins, with the same
    // contents.
    let own = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let own: String = own.chars().filter(char::is_ascii_alphanumeric).collect();
    let temporary = path.with_extension(format!("{own}.part"));
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
}

/// A hash of what the system knows of files without reading them: device, number, size, and the times of the last change
/// of contents and of anything else. `None` where one is not there, or was changed just now.
pub(super) fn stamp<P: AsRef<Path>>(files: &[P]) -> Option<u64> {
    let now = i64::try_from(unix_seconds()).ok()?;
    let mut hash = 0;
    for file in files {
        let facts = std::fs::metadata(file).ok()?;
        let changed = facts.mtime().max(facts.ctime());
        if changed > now - SETTLED_SECONDS {
            return None;
        }
        let outline = format!(
            "{} {} {} {}.{} {}.{}",
            facts.dev(),
            facts.ino(),
            facts.size(),
            facts.mtime(),
            facts.mtime_nsec(),
            facts.ctime(),
            facts.ctime_nsec()
        );
        hash = hash_bytes(hash, outline.as_bytes());
    }
    Some(hash)
}

/// The hash of all weights. Of files that were not changed since, the one that was taken before: to read a model of a
/// hundred megabytes takes longer than everything else at a start.
pub(super) fn content_hash(folder: &Path, tensors: &dyn Tensors) -> Option<u64> {
    let files = tensors.files();
    let stamp = if files.is_empty() { None } else { stamp(&files) };
    let Some(stamp) = stamp else { return tensors.hash("") };
    let place = folder.join(format!("weights-{stamp:016x}"));
    if let Some(known) = read_word(&place) {
        return Some(known);
    }
    let hash = tensors.hash("")?;
    let check = hash_bytes(stamp, &hash.to_le_bytes());
    write_whole(&place, &[hash.to_le_bytes(), check.to_le_bytes()].concat());
    Some(hash)
}

/// The hash that a file holds beside a check of it; the file's name is part of the check.
fn read_word(place: &Path) -> Option<u64> {
    let bytes: [u8; 16] = std::fs::read(place).ok()?.try_into().ok()?;
    let name = place.file_name()?.to_str()?.strip_prefix("weights-")?;
    let stamp = u64::from_str_radix(name, 16).ok()?;
    let (hash, check) = bytes.split_at(8);
    (hash_bytes(stamp, hash).to_le_bytes() == check)
        .then(|| Some(u64::from_le_bytes(hash.try_into().ok()?)))?
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::EngineError;
    use super::super::tensors::Table;
    use super::*;
    use crate::tensor::AlignedBuffer;

    /// Weights that count how often they are hashed.
    struct Counted {
        file: std::path::PathBuf,
        hashed: Cell<u32>,
    }

    // One thread has it.
    struct Shared(std::sync::Mutex<Counted>, std::path::PathBuf);

    impl Tensors for Shared {
        fn tensor(&self, _: &str, _: &[usize]) -> Result<AlignedBuffer<f32>, EngineError> {
            Err(EngineError::Input(String::new()))
        }
        fn table(&self, _: &str, _: usize, _: usize) -> Result<Table, EngineError> {
            Err(EngineError::Input(String::new()))
        }
        fn stored_dtype(&self) -> &'static str {
            "f32"
        }
        fn hash(&self, _: &str) -> Option<u64> {
            let counted = self.0.lock().unwrap();
            counted.hashed.set(counted.hashed.get() + 1);
            Some(hash_bytes(0, &std::fs::read(&counted.file).ok()?))
        }
        fn files(&self) -> Vec<&Path> {
            vec![&self.1]
        }
    }

    #[test]
    fn weights_are_hashed_once_while_nobody_changes_them() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, file) = (folder.path().join("cache"), folder.path().join("model"));
        std::fs::write(&file, b"weights").unwrap();
        let hashed = Cell::new(0);
        let shared = Shared(std::sync::Mutex::new(Counted { file: file.clone(), hashed }), file.clone());
        let count = || shared.0.lock().unwrap().hashed.get();
        // Written just now, nothing is believed of it.
        let first = content_hash(&cache, &shared).unwrap();
        assert_eq!((content_hash(&cache, &shared), count()), (Some(first), 2));
        assert_eq!(stamp(&[&file]), None);
        assert_eq!(stamp(&[folder.path().join("absent")]), None);
        // A file of long ago: this program's own sources.
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("LICENSE-MIT");
        let Some(stamp) = stamp(&[&source]) else { return };
        let shared =
            Shared(std::sync::Mutex::new(Counted { file: source.clone(), hashed: Cell::new(0) }), source);
        let count = || shared.0.lock().unwrap().hashed.get();
        let right = content_hash(&cache, &shared).unwrap();
        assert_eq!((content_hash(&cache, &shared), count()), (Some(right), 1));
        // What was kept is damaged: it is taken anew.
        let place = cache.join(format!("weights-{stamp:016x}"));
        std::fs::write(&place, [7; 16]).unwrap();
        assert_eq!((content_hash(&cache, &shared), count()), (Some(right), 2));
        assert_eq!((content_hash(&cache, &shared), count()), (Some(right), 2));
    }
}
