//! Small roots made for a test.

use std::fs;
use std::path::Path;

use perfkit::document::Machine;
use perfkit::machine::{Source, detect};
use tempfile::TempDir;

/// The file that names the online CPUs.
pub(crate) const ONLINE: &str = "sys/devices/system/cpu/online";

/// A folder in memory where there is one: these tests write many thousands of small files.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A root with the files named.
pub(crate) fn root(files: &[(&str, &str)]) -> TempDir {
    let folder = folder();
    add(folder.path(), files);
    folder
}

pub(crate) fn add(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub(crate) fn machine(folder: &TempDir) -> Machine {
    let machine = detect(Source::Root(folder.path()));
    assert_every_null_has_a_reason(&machine);
    machine
}

pub(crate) fn assert_every_null_has_a_reason(machine: &Machine) {
    for field in machine.null_fields() {
        assert!(
            machine.unknown.iter().any(|u| u.field == field && !u.reason.is_empty()),
            "{field} has no reason"
        );
    }
}

/// The files of a CPU: its threads, its package, and caches as (index, level, type, size, sharing mask).
pub(crate) fn cpu(
    root: &Path,
    cpu: u32,
    siblings: &str,
    package: u32,
    caches: &[(u32, u32, &str, &str, &str)],
) {
    let folder = format!("sys/devices/system/cpu/cpu{cpu}");
    add(
        root,
        &[
            (&format!("{folder}/topology/thread_siblings"), siblings),
            (&format!("{folder}/topology/physical_package_id"), &package.to_string()),
            (&format!("{folder}/topology/core_id"), "0"),
        ],
    );
    for (index, level, kind, size, shared) in caches {
        let cache = format!("{folder}/cache/index{index}");
        add(
            root,
            &[
                (&format!("{cache}/level"), &level.to_string()),
                (&format!("{cache}/type"), kind),
                (&format!("{cache}/size"), size),
                (&format!("{cache}/shared_cpu_map"), shared),
                (&format!("{cache}/coherency_line_size"), "64"),
                (&format!("{cache}/ways_of_associativity"), "8"),
            ],
        );
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut folders = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path())
            } else {
                files.push(entry.path())
            }
        }
    }
    files.sort();
    files
}
