//! Snapshots in one file: what is written reads back to the same machine, without what names its owner.

use std::fs;
use std::io::Read;
use std::path::Path;

use perfkit::document::{Machine, to_json};
use perfkit::machine::{Source, detect, detect_archive, snapshot};

use crate::roots::{ONLINE, cpu, root};
use crate::snapshots;

/// The machine that an archive reads back to, and the archive's bytes unpacked.
fn read_back(bytes: &[u8]) -> (Machine, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machine.tar.gz");
    fs::write(&path, bytes).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    (detect_archive(&path).unwrap(), plain)
}

fn assert_same(a: &Machine, b: &Machine, what: &str) {
    let (a, b) = (to_json(a).unwrap(), to_json(b).unwrap());
    let differing = a.lines().zip(b.lines()).find(|(a, b)| a != b);
    assert!(a == b, "{what}: {differing:?}");
}

#[test]
fn a_snapshot_of_a_folder_reads_back_to_the_same_document() {
    let folder = root(&[
        (ONLINE, "0-1"),
        (
            "proc/cpuinfo",
            "processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 85\nflags : lm sse2 avx2\nSerial : 00c0ffee\n",
        ),
        ("proc/version", "Linux version 6.1.0 (somebody@somewhere) (gcc) #1"),
        ("proc/sys/kernel/hostname", "somewhere\n"),
        ("proc/self/cgroup", "0::/kubepods/pod0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f/somewhere\n"),
        (
            "proc/self/mountinfo",
            "1 1 0:1 / /cg rw - cgroup2 none rw\n2 1 0:2 / /home/somebody rw - nfs box:/x rw\n",
        ),
        ("cg/kubepods/pod0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f/cpu.max", "150000 100000"),
        ("cg/kubepods/pod0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f/somewhere/cpu.max", "max"),
        ("proc/self/status", "Name:\tsecret\nCpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n"),
        ("sys/class/dmi/id/product_name", "Server 1"),
        ("sys/class/dmi/id/product_uuid", "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"),
        ("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"),
    ]);
    cpu(folder.path(), 0, "1", 0, &[(0, 1, "Data", "32K", "1")]);
    cpu(folder.path(), 1, "2", 0, &[(0, 1, "Data", "32K", "2")]);
    let mut bytes = Vec::new();
    let told = snapshot(Some(folder.path()), &mut bytes).unwrap();
    let (again, plain) = read_back(&bytes);
    assert_same(&told, &again, "what was told and what is read back");
    assert_same(&detect(Source::Root(folder.path())), &again, "the folder and its snapshot");
    assert_eq!(again.limits.quota_cpus, Some(1.5));
    let text = String::from_utf8_lossy(&plain);
    for private in ["c0ffee", "somebody", "somewhere", "0a1b2c3d", "secret", "nfs"] {
        assert!(!text.contains(private), "{private}");
    }
    let mut second = Vec::new();
    let _ = snapshot(Some(folder.path()), &mut second).unwrap();
    assert_eq!(bytes, second, "the same machine gives the same file");
}

#[test]
fn every_snapshot_of_files_survives_being_packed() {
    for machine in snapshots::snapshots("sysfs", "root") {
        let mut bytes = Vec::new();
        let _ = snapshot(Some(&machine.path()), &mut bytes).unwrap();
        let (again, _) = read_back(&bytes);
        assert_same(&detect(Source::Root(&machine.path())), &again, &machine.name);
    }
}

#[test]
fn a_snapshot_of_this_machine_reads_back_and_names_nobody() {
    let mut bytes = Vec::new();
    let told = snapshot(None, &mut bytes).unwrap();
    let (again, plain) = read_back(&bytes);
    assert_same(&told, &again, "this machine and its snapshot");
    assert_eq!(told.fingerprint, detect(Source::Live).fingerprint);
    let text = String::from_utf8_lossy(&plain);
    let mut private = Vec::new();
    for file in ["/etc/machine-id", "/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/product_serial"] {
        private.extend(fs::read_to_string(file));
    }
    for interface in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        private.extend(fs::read_to_string(interface.path().join("address")));
    }
    for variable in ["HOME", "USER", "LOGNAME"] {
        private.extend(std::env::var(variable));
    }
    private.extend(fs::read_to_string("/proc/sys/kernel/hostname"));
    for value in private.iter().map(|value| value.trim()) {
        // Addresses of nothing, and names such as `vm` or `root`, are parts of ordinary words.
        let telling = value.len() > 5 && value.chars().any(|c| !matches!(c, '0' | ':'));
        assert!(!telling || !text.contains(value), "{value}");
    }
}

#[test]
fn a_root_in_which_nothing_was_found_is_a_snapshot_too() {
    let mut bytes = Vec::new();
    let told = snapshot(Some(Path::new("/nonexistent")), &mut bytes).unwrap();
    assert_same(&told, &read_back(&bytes).0, "nothing");
}

#[test]
fn archives_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for bytes in [&b""[..], b"text", b"\x1f\x8b\x08\0broken", &[0; 2048]] {
        fs::write(&path, bytes).unwrap();
        assert!(detect_archive(&path).is_err(), "{bytes:?}");
    }
    assert!(detect_archive(Path::new("/nonexistent")).is_err());
}
