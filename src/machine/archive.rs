//! A snapshot in one file: a tar archive, compressed by gzip or not, read into memory and never unpacked to a disk.
//!
//! Its paths and links are resolved among its own entries, so that nothing outside of it can be reached. What is larger
//! than a snapshot can be is refused.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use crate::sys::files::open_regular;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File(Vec<u8>),
    /// Where it points to, as written.
    Link(String),
}

/// Entries by their paths, without a leading `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Archive {
    entries: BTreeMap<String, Entry>,
}

/// The file is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be opened or read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is packed in another way.
    #[error("it is packed by {0}: unpack it and name the folder (tar and tar.gz are read as they are)")]
    OtherPacking(&'static str),
    /// It holds more than a snapshot can.
    #[error("it holds more than a snapshot of a machine can: {0}")]
    TooLarge(&'static str),
    /// Nothing in it is a snapshot's.
    #[error("it holds no folder sys, proc or perfkit")]
    NoRoot,
}

/// Bytes after unpacking.
const LIMIT_BYTES: u64 = 512 << 20;
/// Files, folders and links.
const LIMIT_ENTRIES: usize = 2_000_000;
/// Links that lead to links.
const LIMIT_LINKS: usize = 40;

impl Archive {
    /// Reads the file; its root is the folder that holds `sys`, `proc` or `perfkit`.
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let mut file = open_regular(path)?;
        let mut start = [0_u8; 6];
        let length = file.read(&mut start)?;
        let start = &start[..length];
        let other = [
            (&[0xfd, b'7', b'z', b'X', b'Z'][..], "xz"),
            (b"BZh", "bzip2"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"PK\x03\x04", "zip"),
        ];
        if let Some((_, name)) = other.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(ArchiveError::OtherPacking(name));
        }
        let file = open_regular(path)?;
        if start.starts_with(&[0x1f, 0x8b]) {
            Self::read(flate2::read::MultiGzDecoder::new(file))
        } else {
            Self::read(file)
        }
    }

    fn read(stream: impl Read) -> Result<Self, ArchiveError> {
        // One byte more than allowed shows that there is more.
        let mut tar = tar::Archive::new(stream.take(LIMIT_BYTES + 1));
        let mut archive = Self::default();
        let mut total = 0_u64;
        for entry in tar.entries()? {
            let mut entry = entry?;
            total = total.saturating_add(entry.size());
            if total > LIMIT_BYTES {
                return Err(ArchiveError::TooLarge("512 MiB"));
            }
            if archive.entries.len() >= LIMIT_ENTRIES {
                return Err(ArchiveError::TooLarge("two million entries"));
            }
            let Some(path) = entry.path().ok().and_then(|path| normalize(&path.to_string_lossy())) else {
                continue;
            };
            let kind = entry.header().entry_type();
            let content = if kind.is_dir() {
                Entry::Folder
            } else if kind.is_symlink() {
                let Some(target) = entry.link_name().ok().flatten() else { continue };
                Entry::Link(target.to_string_lossy().into_owned())
            } else if kind.is_file() || kind.is_contiguous() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Entry::File(bytes)
            } else {
                continue;
            };
            archive.entries.insert(path, content);
        }
        archive.below_its_root().ok_or(ArchiveError::NoRoot)
    }

    /// The entries below the shallowest folder that holds one of a snapshot's.
    fn below_its_root(self) -> Option<Self> {
        let root_of = |path: &String| {
            let parts: Vec<&str> = path.split('/').collect();
            let at = parts.iter().position(|part| matches!(*part, "sys" | "proc" | "perfkit"))?;
            Some((at, parts[..at].join("/")))
        };
        let (_, root) = self.entries.keys().filter_map(root_of).min()?;
        let below = |(path, entry): (String, Entry)| {
            let rest = if root.is_empty() { &*path } else { path.strip_prefix(&*root)?.strip_prefix('/')? };
            Some((rest.to_owned(), entry))
        };
        Some(Self { entries: self.entries.into_iter().filter_map(below).collect() })
    }

    /// The entry at a path, links followed.
    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        const FOLDER: &Entry = &Entry::Folder;
        let real = self.resolve(path)?;
        match self.entries.get(&real) {
            Some(entry) => Some(entry),
            None => self.has_below(&real).then_some(FOLDER),
        }
    }

    /// The entry at a path, a link as it stands there.
    pub(super) fn get_unfollowed(&self, path: &str) -> Option<&Entry> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.resolve(folder)?;
        self.entries.get(&join(&folder, name))
    }

    /// Names in a folder.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Some(real) = self.resolve(path) else { return Vec::new() };
        let start = if real.is_empty() { String::new() } else { format!("{real}/") };
        let mut names: Vec<String> = Vec::new();
        for (path, _) in self.entries.range(start.clone()..) {
            let Some(rest) = path.strip_prefix(&*start) else { break };
            let name = rest.split('/').next().unwrap_or_default();
            if !name.is_empty() && names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Puts an entry at a path; a file or link is not replaced by a folder.
    pub(super) fn insert(&mut self, path: &str, entry: Entry) {
        let Some(path) = normalize(path) else { return };
        if entry == Entry::Folder && self.entries.contains_key(&path) {
            return;
        }
        self.entries.insert(path, entry);
    }

    /// Every entry, to be altered.
    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = (&String, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// The same with other paths.
    pub(super) fn renamed(self, rename: impl Fn(&str) -> String) -> Self {
        Self { entries: self.entries.into_iter().map(|(path, entry)| (rename(&path), entry)).collect() }
    }

    /// Writes a compressed tar archive; the same entries give the same bytes.
    pub(super) fn write(&self, to: impl Write) -> std::io::Result<()> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(to, flate2::Compression::best()));
        for (path, entry) in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_mtime(0);
            match entry {
                Entry::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    tar.append_data(&mut header, path, std::io::empty())?;
                }
                Entry::File(bytes) => {
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, &**bytes)?;
                }
                Entry::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)?;
                }
            }
        }
        tar.into_inner()?.finish()?.flush()
    }

    fn has_below(&self, path: &str) -> bool {
        let start = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.entries.range(start.clone()..).next().is_some_and(|(path, _)| path.starts_with(&*start))
    }

    /// The path without links, or `None` where one leads out or nowhere.
    fn resolve(&self, path: &str) -> Option<String> {
        let mut waiting: Vec<String> = components(path);
        let mut real = String::new();
        let mut links = 0;
        while let Some(name) = waiting.pop() {
            if name == ".." {
                // Above the root there is nothing.
                if real.is_empty() {
                    return None;
                }
                real.truncate(real.rfind('/').unwrap_or(0));
                continue;
            }
            let next = join(&real, &name);
            match self.entries.get(&next) {
                Some(Entry::Link(target)) => {
                    links += 1;
                    if links > LIMIT_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        real.clear();
                    }
                    waiting.extend(components(target));
                }
                Some(Entry::File(_)) if !waiting.is_empty() => return None,
                Some(Entry::Folder | Entry::File(_)) | None => real = next,
            }
        }
        Some(real)
    }
}

/// The names of a path, the first last.
fn components(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".").rev().map(str::to_owned).collect()
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The path without `.` and empty names, or `None` for one that leads up or is nothing.
fn normalize(path: &str) -> Option<String> {
    let mut names = components(path);
    names.reverse();
    (!names.is_empty() && names.iter().all(|name| name != "..")).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, Entry)]) -> Archive {
        let mut archive = Archive::default();
        for (path, entry) in entries {
            archive.insert(path, entry.clone());
        }
        archive
    }

    fn file(text: &str) -> Entry {
        Entry::File(text.as_bytes().to_vec())
    }

    fn link(target: &str) -> Entry {
        Entry::Link(target.to_owned())
    }

    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        let archive = archive(&[
            ("sys/bus/cpu/cpu0", link("../../devices/cpu0")),
            ("sys/devices/cpu0/online", file("1")),
            ("sys/absolute", link("/sys/devices")),
            ("sys/out", link("../../etc")),
            ("sys/loop", link("loop")),
            ("sys/ring", link("ring/ring/ring")),
        ]);
        assert_eq!(archive.get("sys/bus/cpu/cpu0/online"), Some(&file("1")));
        assert_eq!(archive.get("/sys/absolute/cpu0/online"), Some(&file("1")));
        assert_eq!(archive.get("sys/absolute/cpu0"), Some(&Entry::Folder));
        assert_eq!(archive.names("sys/absolute"), ["cpu0"]);
        for nothing in
            ["sys/out", "sys/loop", "sys/ring", "sys/devices/cpu0/online/x", "../sys", "sys/missing"]
        {
            assert_eq!(archive.get(nothing), None, "{nothing}");
        }
        assert_eq!(archive.get_unfollowed("sys/loop"), Some(&link("loop")));
    }

    #[test]
    fn an_archive_reads_back_what_was_written_wherever_its_root_lies() {
        let whole = archive(&[
            ("proc/cpuinfo", file("processor : 0\n")),
            ("sys/a/b", link("../c")),
            ("sys/empty", Entry::Folder),
            (&format!("sys/{}/x", "long".repeat(60)), file("1")),
        ]);
        let mut bytes = Vec::new();
        whole.write(&mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.tar.gz");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Archive::open(&path).unwrap(), whole);
        let deeper = whole.clone().renamed(|path| format!("machine/root/{path}"));
        let mut bytes = Vec::new();
        deeper.write(&mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Archive::open(&path).unwrap(), whole);
        std::fs::write(&path, &bytes[..20]).unwrap();
        assert!(Archive::open(&path).is_err());
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            // What follows the last entry may be missing; an entry may not.
            assert!(Archive::open(&path).map_or(true, |read| read == whole), "{cut}");
        }
    }

    #[test]
    fn other_files_are_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (bytes, says) in [(&b"\xfd7zXZ\0rest"[..], "xz"), (b"BZh9", "bzip2"), (b"PK\x03\x04", "zip")] {
            std::fs::write(&path, bytes).unwrap();
            let error = Archive::open(&path).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("unpack"), "{error}");
        }
        assert!(Archive::open(folder.path()).is_err());
    }
}
