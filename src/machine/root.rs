//! Reads files below a root: `/` of this machine, or the folder of a snapshot.
//!
//! What lies below the root is not trusted: a file is read up to a limit and only when it is a regular file, no link
//! leads out of the root, and whatever cannot be read is simply not there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::archive::{Archive, Entry};
use crate::sys::files::open_regular;
use crate::units::CpuList;

/// A folder that holds `sys`, `proc` and perhaps more, or an archive of one.
#[derive(Debug)]
pub(super) struct Root {
    place: Place,
    /// What has been read, where it is to be kept.
    record: Option<RefCell<Archive>>,
    /// Folders of a snapshot without links, and `None` for those outside: most files share theirs with others.
    folders: RefCell<HashMap<String, Option<PathBuf>>>,
    /// What files held.
    files: RefCell<HashMap<String, Vec<u8>>>,
}

#[derive(Debug)]
enum Place {
    Live,
    Folder(PathBuf),
    Archive(Archive),
}

impl Root {
    /// No file that says something about a machine is longer (`/proc/cpuinfo` has about 1.5 KiB a CPU).
    const LIMIT_BYTES: u64 = 16 << 20;
    /// Longer files are not kept in memory: they are few, and read once anyway.
    const REMEMBERED_BYTES: usize = 1 << 20;
    /// No folder that says something has more entries.
    const LIMIT_ENTRIES: usize = 1 << 16;

    /// The root of this machine.
    pub(super) fn live() -> Self {
        Self::at(Place::Live)
    }

    fn at(place: Place) -> Self {
        Self { place, record: None, folders: RefCell::default(), files: RefCell::default() }
    }

    /// A snapshot's folder; a folder that does not exist is an empty one.
    pub(super) fn snapshot(path: &Path) -> Self {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Self::at(Place::Folder(path))
    }

    /// A snapshot in memory.
    pub(super) fn archive(archive: Archive) -> Self {
        Self::at(Place::Archive(archive))
    }

    /// The same, keeping what is read from now on.
    pub(super) fn recording(self) -> Self {
        Self { record: Some(RefCell::default()), ..self }
    }

    /// What has been read.
    pub(super) fn into_record(self) -> Archive {
        self.record.map(RefCell::into_inner).unwrap_or_default()
    }

    fn keep(&self, relative: &str, entry: impl FnOnce() -> Entry) {
        if let Some(record) = &self.record {
            record.borrow_mut().insert(relative, entry());
        }
    }

    /// The file or folder at `relative`, links followed, unless it does not exist or lies outside the root. An archive
    /// has none: it is asked itself.
    fn resolve(&self, relative: &str) -> Option<PathBuf> {
        let relative = relative.trim_start_matches('/');
        if relative.contains('\0') || Path::new(relative).components().any(|c| c.as_os_str() == "..") {
            return None;
        }
        match &self.place {
            Place::Live => Some(Path::new("/").join(relative)),
            Place::Folder(root) => {
                let (folder, name) = relative.rsplit_once('/').unwrap_or(("", relative));
                step(root, &self.real_folder(root, folder)?, name)
            }
            Place::Archive(_) => None,
        }
    }

    /// A folder below the root of a snapshot without links. Each is looked at once, a step below the one that holds it: to
    /// resolve every path from the top would take a dozen system calls a file.
    fn real_folder(&self, root: &Path, relative: &str) -> Option<PathBuf> {
        if relative.is_empty() {
            return Some(root.to_owned());
        }
        if let Some(known) = self.folders.borrow().get(relative) {
            return known.clone();
        }
        let (folder, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        let found = self.real_folder(root, folder).and_then(|folder| step(root, &folder, name));
        self.folders.borrow_mut().insert(relative.to_owned(), found.clone());
        found
    }

    /// The bytes of a file, the first 16 MiB at most. Each file is read once, so that all facts are of one moment.
    pub(super) fn bytes(&self, relative: &str) -> Option<Vec<u8>> {
        if let Some(known) = self.files.borrow().get(relative) {
            return Some(known.clone());
        }
        let bytes = self.read(relative)?;
        if bytes.len() <= Self::REMEMBERED_BYTES {
            self.files.borrow_mut().insert(relative.to_owned(), bytes.clone());
        }
        Some(bytes)
    }

    fn read(&self, relative: &str) -> Option<Vec<u8>> {
        let bytes = match &self.place {
            Place::Archive(archive) => match archive.get(relative)? {
                Entry::File(bytes) => bytes.clone(),
                Entry::Folder | Entry::Link(_) => return None,
            },
            Place::Live | Place::Folder(_) => {
                let file = open_regular(&self.resolve(relative)?).ok()?;
                let mut bytes = Vec::new();
                // Some files of sysfs exist and refuse to be read: absent, as far as we are concerned.
                file.take(Self::LIMIT_BYTES).read_to_end(&mut bytes).ok()?;
                bytes
            }
        };
        self.keep(relative, || Entry::File(bytes.clone()));
        Some(bytes)
    }

    /// The text of a file without white space and NULs around it; `None` also where nothing else is in it.
    pub(super) fn text(&self, relative: &str) -> Option<String> {
        let bytes = self.bytes(relative)?;
        let text = String::from_utf8_lossy(&bytes);
        let trimmed = trim(&text);
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The file's text as a number or whatever else can be parsed.
    pub(super) fn parse<T: FromStr>(&self, relative: &str) -> Option<T> {
        self.text(relative)?.parse().ok()
    }

    /// A set of CPUs from the mask file, or from the list file where that alone is there. (Some kernels wrote lists of
    /// caches that name one CPU beside masks that are right.)
    pub(super) fn cpus(&self, list: &str, mask: &str) -> Option<CpuList> {
        self.text(mask).and_then(|text| parse_mask(&text)).or_else(|| self.parse(list))
    }

    /// Names in a folder, sorted.
    pub(super) fn names(&self, relative: &str) -> Vec<String> {
        let names = match &self.place {
            Place::Archive(archive) => archive.names(relative),
            Place::Live | Place::Folder(_) => {
                let Some(entries) = self.resolve(relative).and_then(|path| fs::read_dir(path).ok()) else {
                    return Vec::new();
                };
                let mut names: Vec<String> = entries
                    .take(Self::LIMIT_ENTRIES)
                    .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                    .collect();
                names.sort_unstable();
                names
            }
        };
        self.keep(relative, || Entry::Folder);
        for name in &names {
            self.keep(&format!("{relative}/{name}"), || Entry::Folder);
        }
        names
    }

    /// The numbers `n` for which the folder has an entry `{prefix}{n}`, ascending.
    pub(super) fn numbered(&self, relative: &str, prefix: &str) -> Vec<u32> {
        let mut numbers: Vec<u32> = self
            .names(relative)
            .iter()
            .filter_map(|name| name.strip_prefix(prefix)?.parse().ok())
            .filter(|&n| n < CpuList::LIMIT)
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether there is anything at `relative`.
    pub(super) fn exists(&self, relative: &str) -> bool {
        let exists = match &self.place {
            Place::Archive(archive) => archive.get(relative).is_some(),
            Place::Live | Place::Folder(_) => self.resolve(relative).is_some_and(|path| path.exists()),
        };
        if exists {
            self.keep(relative, || Entry::Folder);
        }
        exists
    }

    /// The host's name, which is looked at only to leave it out of a snapshot: it is not kept.
    pub(super) fn host_name(&self) -> Option<String> {
        let path = self.resolve("proc/sys/kernel/hostname")?;
        let mut text = String::new();
        open_regular(&path).ok()?.take(256).read_to_string(&mut text).ok()?;
        Some(trim(&text).to_owned()).filter(|name| !name.is_empty())
    }

    /// Where a link points to, as written; it is not followed.
    pub(super) fn link(&self, relative: &str) -> Option<String> {
        let target = match &self.place {
            Place::Archive(archive) => match archive.get_unfollowed(relative)? {
                Entry::Link(target) => target.clone(),
                Entry::Folder | Entry::File(_) => return None,
            },
            Place::Live | Place::Folder(_) => {
                let (folder, name) = relative.rsplit_once('/')?;
                fs::read_link(self.resolve(folder)?.join(name)).ok()?.into_os_string().into_string().ok()?
            }
        };
        self.keep(relative, || Entry::Link(target.clone()));
        Some(target)
    }
}

/// The entry `name` of a folder without links: itself, or what it links to, unless that lies outside the root or links to
/// itself.
fn step(root: &Path, folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    if name.is_empty() || name == "." {
        return Some(folder.to_owned());
    }
    if fs::symlink_metadata(&path).ok()?.is_symlink() {
        fs::canonicalize(path).ok().filter(|target| target.starts_with(root))
    } else {
        Some(path)
    }
}

/// `text` without white space and NULs at its ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
}

/// Reads Linux's mask format: words of 32 bits in hexadecimal, the highest first.
pub(super) fn parse_mask(text: &str) -> Option<CpuList> {
    let mut cpus = CpuList::default();
    for (position, word) in trim(text).rsplit(',').enumerate() {
        let base = u32::try_from(position).ok()?.checked_mul(32).filter(|&base| base < CpuList::LIMIT)?;
        let bits = u64::from_str_radix(trim(word).trim_start_matches("0x"), 16).ok()?;
        for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
            cpus.insert(base + bit);
        }
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn masks_read_from_the_right_and_end_in_anything() {
        for (mask, cpus) in [
            ("00000000,00000101", "0,8"),
            ("ff\n\0", "0-7"),
            ("0000,00000001,00000000", "32"),
            ("1fff", "0-12"),
            ("0", ""),
        ] {
            assert_eq!(parse_mask(mask).unwrap().to_string(), cpus, "{mask}");
        }
        assert_eq!(parse_mask("xyz"), None);
        assert_eq!(parse_mask(&"1,".repeat(5000)), None);
    }

    #[test]
    fn nothing_outside_the_root_is_read() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("inside"), "1\n\0").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("out")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        symlink("inside", folder.path().join("in")).unwrap();
        let root = Root::snapshot(folder.path());
        assert_eq!(root.text("inside").as_deref(), Some("1"));
        assert_eq!(root.text("/in").as_deref(), Some("1"));
        for absent in ["out", "loop", "folder", "missing", "../secret", "a\0b"] {
            assert_eq!(root.text(absent), None, "{absent}");
        }
        assert!(!root.exists("out") && root.exists("folder"));
        assert_eq!(root.names("out"), Vec::<String>::new());
    }
}
