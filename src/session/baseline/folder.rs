//! Every baseline below a folder, for a history. What is none of them is named and not passed over.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::analysis::history::{Dated, Unreadable};
use crate::document::read_baseline;

/// No folder of baselines is deeper.
const DEEPEST: usize = 16;

/// The baselines below a folder with their paths in it, and the JSON files that are no baselines. Links to folders are
/// not followed.
///
/// # Errors
/// There is no such folder, or one of those below it cannot be read.
pub fn read_folder(folder: &Path) -> anyhow::Result<(Vec<Dated>, Vec<Unreadable>)> {
    ensure!(folder.is_dir(), "{} is no folder", folder.display());
    let (mut dated, mut unreadable) = (Vec::new(), Vec::new());
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((here, depth)) = folders.pop() {
        for path in super::entries(&here)? {
            if path.is_dir() && !path.is_symlink() && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let file = below(folder, &path);
                match read_baseline(&path) {
                    Ok(baseline) => dated.push(Dated { file, baseline }),
                    Err(error) => unreadable.push(Unreadable { file, why: error.why() }),
                }
            }
        }
    }
    unreadable.sort_by(|a, b| a.file.cmp(&b.file));
    Ok((dated, unreadable))
}

fn below(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).map_or_else(|_| PathBuf::from("?"), Path::to_path_buf).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{store, tests::baseline};
    use super::*;

    #[test]
    fn nested_folders_are_read_and_what_is_no_baseline_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for day in ["2026-01-01", "2026-01-02"] {
            store(&folder.path().join(day).join("machine/ci.json"), &baseline(3, 1e-3)).unwrap();
        }
        std::fs::write(folder.path().join("broken.json"), "{").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no JSON").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        let (dated, unreadable) = read_folder(folder.path()).unwrap();
        let mut files: Vec<&str> = dated.iter().map(|d| &*d.file).collect();
        files.sort_unstable();
        assert_eq!(files, ["2026-01-01/machine/ci.json", "2026-01-02/machine/ci.json"]);
        assert_eq!(unreadable.len(), 1);
        assert_eq!(unreadable[0].file, "broken.json");
        assert!(!unreadable[0].why.contains(&folder.path().display().to_string()), "{}", unreadable[0].why);
        assert!(read_folder(&folder.path().join("nowhere")).is_err());
    }
}
