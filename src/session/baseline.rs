//! Stored baselines: `baselines/<machine-slug>/<suite>.json` beside the settings file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::document::{
    Arm, Baseline, BaselineRun, Document, Machine, ReadError, read_document, to_json_line, write_atomically,
};

use super::settings::Settings;

/// The folder of baselines.
pub const FOLDER: &str = "baselines";

/// Where baselines lie: beside the settings file, or in the working directory.
#[must_use]
pub fn root(settings: &Settings) -> PathBuf {
    let beside = settings.path.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    beside.unwrap_or_default().join(FOLDER)
}

/// The file of a machine's baseline by name. A name is one plain word: it becomes part of a path.
pub fn path_of(root: &Path, machine: &Machine, name: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(
        !name.is_empty() && name.len() <= 64 && name.chars().all(plain),
        "{name:?} is no name of a baseline: letters, digits, - and _ only"
    );
    Ok(root.join(machine.slug()).join(format!("{name}.json")))
}

/// Writes a baseline; its folder is made where it is missing.
pub fn store(path: &Path, document: Document, arms: Vec<Arm>, reason: Option<String>) -> anyhow::Result<()> {
    let run = BaselineRun { id: document.run.id.clone(), started: document.run.started.clone(), arms };
    let runs = if run.arms.is_empty() { Vec::new() } else { vec![run] };
    // One line: numbers of a run are not read by people, and version control keeps the file.
    let text = to_json_line(&Baseline { document, runs, reason })?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    write_atomically(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// A stored baseline, as far as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The machine's slug.
    pub machine: String,
    /// Its name.
    pub name: String,
    /// The document, or why it cannot be read.
    pub document: Result<Box<Document>, String>,
}

/// Every baseline under a root, by machine and name. A missing root holds none.
pub fn list(root: &Path) -> anyhow::Result<Vec<Stored>> {
    let mut found = Vec::new();
    for machine in entries(root)? {
        for file in entries(&machine)? {
            if file.extension().is_some_and(|extension| extension == "json") {
                found.push(Stored {
                    machine: last_word(&machine),
                    name: file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
                    document: read_document(&file).map(Box::new).map_err(|e: ReadError| e.to_string()),
                });
            }
        }
    }
    found.sort_by(|a, b| (&a.machine, &a.name).cmp(&(&b.machine, &b.name)));
    Ok(found)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let read = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(read.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn last_word(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{cost, document, measured};

    #[test]
    fn a_baseline_survives_a_round_trip_and_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let document =
            document(vec![measured("pool/mean-f32/rows@avx512/8x8/t1", 1e-3, cost(1.0, 1.0, 0.0, 1.0))]);
        let path = path_of(folder.path(), &document.machine, "ci").unwrap();
        assert!(list(folder.path()).unwrap().is_empty());
        store(&path, document.clone(), Vec::new(), Some("first".to_owned())).unwrap();
        let read = read_document(&path).unwrap();
        let (was, is) = (document.measured().next().unwrap(), read.measured().next().unwrap());
        assert_eq!((&read.run, &is.case), (&document.run, &was.case));
        for (a, b) in was.seconds.samples.iter().zip(&is.seconds.samples) {
            assert!((a / b - 1.0).abs() < 1e-12, "{a} was read as {b}");
        }
        let listed = list(folder.path()).unwrap();
        assert_eq!((listed.len(), listed[0].name.as_str()), (1, "ci"));
        std::fs::write(&path, "{").unwrap();
        assert!(list(folder.path()).unwrap()[0].document.is_err());
    }

    #[test]
    fn a_name_never_leaves_its_folder() {
        for name in ["", "../x", "a/b", "a.b", " "] {
            assert!(path_of(Path::new("b"), &Machine::default(), name).is_err(), "{name:?}");
        }
    }
}
