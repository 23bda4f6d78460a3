//! A snapshot without what names its owner. Files are reduced to the lines that `detect` reads; UUIDs, hardware addresses
//! and other long identifiers are replaced, the same by the same, so that paths and the texts that name them still agree.

use std::collections::BTreeMap;

use super::archive::{Archive, Entry};
use super::{cloud, memory, smbios};

/// The archive without private facts; `host` is the host's name.
pub(super) fn without_private_facts(mut archive: Archive, host: Option<&str>) -> Archive {
    for (path, entry) in archive.entries_mut() {
        if let Entry::File(bytes) = entry {
            *bytes = reduced(path, bytes);
        }
    }
    let mut names = Names { known: BTreeMap::new(), host: host.filter(|name| name.len() > 2) };
    for (path, entry) in archive.entries_mut() {
        match entry {
            Entry::File(bytes) => {
                // Binary tables were reduced field by field.
                if let Ok(text) = std::str::from_utf8(bytes) {
                    *bytes = names.replace(text, names_groups(path)).into_bytes();
                }
            }
            Entry::Link(target) => *target = names.replace(target, false),
            Entry::Folder => {}
        }
    }
    let names = std::cell::RefCell::new(names);
    archive.renamed(|path| names.borrow_mut().replace(path, !path.starts_with("sys/devices")))
}

/// Files whose text names control groups and mount points, where a host's name may stand.
fn names_groups(path: &str) -> bool {
    path.starts_with("proc/self/") || path.starts_with("proc/1/") || path == "proc/mounts"
}

/// A file with nothing in it but what is read of it.
fn reduced(path: &str, bytes: &[u8]) -> Vec<u8> {
    let text = || String::from_utf8_lossy(bytes);
    let lines = |keep: &dyn Fn(&str) -> bool| -> Vec<u8> {
        text()
            .lines()
            .filter(|line| keep(line))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
            .into_bytes()
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    match path {
        "proc/cpuinfo" => lines(&|line| !line.trim_start().to_ascii_lowercase().starts_with("serial")),
        "proc/version" => without_builder(&text()).into_bytes(),
        "proc/stat" => lines(&|line| line.starts_with("cpu ")),
        "proc/self/status" => {
            lines(&|line| line.starts_with("Cpus_allowed") || line.starts_with("Mems_allowed"))
        }
        "proc/self/mountinfo" => text().lines().filter_map(mountinfo_line).collect::<String>().into_bytes(),
        "proc/self/mounts" | "proc/mounts" => {
            text().lines().filter_map(mounts_line).collect::<String>().into_bytes()
        }
        "proc/self/auxv" => memory::page_size_alone(bytes),
        cloud::INSTANCE_DATA => cloud::without_private_facts(bytes),
        // A table's header names who wrote it; the rest is the board maker's.
        _ if path.starts_with("sys/firmware/acpi/tables/") => bytes[..bytes.len().min(36)].to_vec(),
        _ if path.ends_with("/pci.ids") => pci_ids(&text()).into_bytes(),
        _ if path.starts_with(smbios::ENTRIES) && name == "raw" => smbios::without_private_facts(bytes),
        _ if path.starts_with("proc/driver/nvidia/gpus/") && name == "information" => {
            lines(&|line| line.starts_with("Model:"))
        }
        _ if name == "uevent" => lines(&|line| line.starts_with("PCI_SLOT_NAME=")),
        _ => bytes.to_vec(),
    }
}

/// `Linux version 6.1.0 (user@host) (gcc ...)` without the first bracket.
fn without_builder(text: &str) -> String {
    let Some((before, rest)) = text.split_once('(') else { return text.to_owned() };
    match rest.split_once(')') {
        Some((builder, after)) if builder.contains('@') => format!("{before}(){after}"),
        _ => text.to_owned(),
    }
}

/// The lines of control groups, and of `/` without the folders and disks that its options name.
fn mountinfo_line(line: &str) -> Option<String> {
    let (place, kind) = line.split_once(" - ")?;
    let file_system = kind.split(' ').next()?;
    let point = place.split(' ').nth(4)?;
    if file_system.starts_with("cgroup") || ["cpuset", "fuse.lxcfs"].contains(&file_system) {
        return Some(format!("{line}\n"));
    }
    (point == "/").then(|| {
        let fields: Vec<&str> = place.split(' ').take(6).collect();
        format!("{} - {file_system} none rw\n", fields.join(" "))
    })
}

fn mounts_line(line: &str) -> Option<String> {
    let file_system = line.split(' ').nth(2)?;
    (file_system.starts_with("cgroup") || file_system == "cpuset").then(|| format!("{line}\n"))
}

/// The makers whose devices are looked up.
fn pci_ids(text: &str) -> String {
    let mut wanted = false;
    let keep = |line: &&str| {
        if line.starts_with(|c: char| c.is_ascii_hexdigit()) {
            wanted = ["10de", "1002", "8086"].iter().any(|vendor| line.starts_with(vendor));
        }
        wanted && !line.starts_with("\t\t") && !line.starts_with('#')
    };
    text.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

/// Identifiers and what stands for them.
struct Names<'h> {
    known: BTreeMap<String, String>,
    host: Option<&'h str>,
}

/// Words of this many hexadecimal digits name something; CPU masks have commas after eight.
const LONG: usize = 23;

impl Names<'_> {
    fn replace(&mut self, text: &str, host: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            out.push_str(&self.word(word));
            let next = after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&after[..next]);
            rest = &after[next..];
        }
        match self.host.filter(|_| host) {
            Some(name) => replace_whole(&out, name),
            None => out,
        }
    }

    /// A word of hexadecimal digits, hyphens, colons and underscores: identifiers in it are replaced. Letters before one
    /// may be digits too, as the last of `pod` and `libpod`.
    fn word(&mut self, word: &str) -> String {
        let pairs = || word.split(':').all(|part| part.len() == 2);
        if word.len() == 17 && word.split(':').count() == 6 && pairs() {
            return self.stand_in(word);
        }
        if let Some(range) = uuid(word) {
            let (start, end) = (range.start, range.end);
            return format!("{}{}{}", &word[..start], self.stand_in(&word[range]), self.word(&word[end..]));
        }
        let mut out = String::with_capacity(word.len());
        for part in word.split_inclusive(['-', ':', '_']) {
            let long = part.len() > LONG;
            out.push_str(&if long { self.stand_in(part) } else { part.to_owned() });
        }
        out
    }

    /// The digits replaced by the number of the identifier, the rest as it stood.
    fn stand_in(&mut self, word: &str) -> String {
        let number = self.known.len() + 1;
        let make = || {
            let places = word.chars().filter(char::is_ascii_hexdigit).count();
            let mut digits: Vec<char> = format!("{number:0places$}").chars().rev().take(places).collect();
            word.chars()
                .map(|c| if c.is_ascii_hexdigit() { digits.pop().unwrap_or('0') } else { c })
                .collect()
        };
        self.known.entry(word.to_owned()).or_insert_with(make).clone()
    }
}

fn is_part(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, '-' | ':' | '_')
}

/// Where a word has eight, four, four, four and twelve digits, with hyphens or, as systemd writes them, underscores
/// between.
fn uuid(word: &str) -> Option<std::ops::Range<usize>> {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    const LENGTH: usize = 36;
    let at = |start: &usize| {
        let text = word.get(*start..start + LENGTH)?;
        let groups = text.split(['-', '_']).map(str::len);
        groups.eq(GROUPS).then_some(*start..start + LENGTH)
    };
    (0..word.len()).find_map(|start| at(&start))
}

/// `name` where it is no part of a longer word.
fn replace_whole(text: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if joins(before.chars().next_back()) || joins(after.chars().next()) {
            name
        } else {
            "host"
        });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_replaced_the_same_by_the_same() {
        let mut names = Names { known: BTreeMap::new(), host: Some("vault7") };
        let pod = "kubepods/podab12cd34-ab12-cd34-ab12-ab12cd34ab12/";
        let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for private in [pod, long, "02:42:ac:11:00:02", "/lxc/vault7/x"] {
            let replaced = names.replace(private, true);
            assert_ne!(replaced, private);
            assert_eq!(names.replace(private, true), replaced);
        }
        assert!(names.replace(pod, true).starts_with("kubepods/pod"), "{}", names.replace(pod, true));
        for plain in [
            "00000000,ffffffff,00000000,00000000\n",
            "0000:01:00.0",
            "docker/x vault75",
            "node0 dead beef decade",
            "0x00000000410fd0c1",
        ] {
            assert_eq!(names.replace(plain, true), plain);
        }
    }

    #[test]
    fn files_keep_what_is_read_of_them() {
        let kept = |path: &str, text: &str| String::from_utf8(reduced(path, text.as_bytes())).unwrap();
        assert_eq!(kept("proc/cpuinfo", "processor : 0\nSerial\t: 00ff\n"), "processor : 0\n");
        assert_eq!(
            kept("proc/version", "Linux version 6.1 (me@box) (gcc) #1"),
            "Linux version 6.1 () (gcc) #1"
        );
        assert_eq!(
            kept(
                "proc/self/mountinfo",
                "22 1 254:0 / / rw - ext4 /dev/disk/by-uuid/1 rw\n23 1 0:1 / /home/me rw - nfs x rw\n24 1 0:2 / /cg rw - cgroup2 c rw\n"
            ),
            "22 1 254:0 / / rw - ext4 none rw\n24 1 0:2 / /cg rw - cgroup2 c rw\n"
        );
        assert_eq!(
            kept("proc/self/status", "Name:\tme\nCpus_allowed_list:\t0-3\n"),
            "Cpus_allowed_list:\t0-3\n"
        );
        assert_eq!(
            kept("sys/x/device/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n"),
            "PCI_SLOT_NAME=0000:03:00.0\n"
        );
    }
}
