//! Stored baselines: `baselines/<machine-slug>/<suite>.json` beside the settings file.

mod compact;
mod folder;
mod lock;
mod record;
mod replace;
mod source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::document::{
    Baseline, KeptSamples, Machine, ReadError, read_baseline, read_samples, to_compressed_json, to_json_line,
    write_atomically,
};

use super::settings::Settings;

pub use folder::read_folder;
pub use lock::{Lock, lock};
pub use record::{RecordRequest, record};
pub use replace::{Replacement, compare_with_old};
pub use source::source_of;

/// The folder of baselines.
pub const FOLDER: &str = "baselines";
/// What the name of a file of compressed samples ends with, instead of `.json`.
const SAMPLES_ENDING: &str = "samples.json.gz";

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

/// The file of compressed samples beside a baseline.
#[must_use]
pub fn samples_path(baseline: &Path) -> PathBuf {
    baseline.with_extension(SAMPLES_ENDING)
}

/// Writes a baseline as measured, its samples as `baseline.samples` says; its folder is made where it is missing.
/// Answers the bytes of the document, which version control is to hold.
pub fn store(path: &Path, baseline: &Baseline) -> anyhow::Result<usize> {
    let (kept, raw) = compact::compact(baseline);
    // One line: numbers of a run are not read by people, and version control keeps the file.
    let text = to_json_line(&kept)?;
    make_folder_of(path)?;
    let beside = samples_path(path);
    if let Some(raw) = &raw {
        write(&beside, &to_compressed_json(raw)?)?;
    }
    write(path, text.as_bytes())?;
    if raw.is_none() {
        // Those of the baseline that was here before.
        let _ = std::fs::remove_file(&beside);
    }
    Ok(text.len())
}

/// Writes a baseline that was stored elsewhere, with its samples where they lie compressed beside it.
pub fn store_again(path: &Path, baseline: &Baseline, from: &Path) -> anyhow::Result<usize> {
    let beside = samples_path(from);
    let mut whole = baseline.clone();
    if baseline.samples == KeptSamples::Compressed && beside.is_file() {
        let samples = read_samples(&beside)?;
        ensure!(
            samples.baseline == baseline.document.run.id,
            "{} holds the samples of another baseline: remove it, or take the one that belongs to {}",
            beside.display(),
            from.display()
        );
        whole.runs = samples.runs;
    } else if baseline.samples == KeptSamples::Compressed {
        whole.samples = KeptSamples::None;
    }
    store(path, &whole)
}

fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// A stored baseline, as far as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The machine's slug.
    pub machine: String,
    /// Its name.
    pub name: String,
    /// The baseline, or why it cannot be read.
    pub baseline: Result<Box<Baseline>, String>,
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
                    baseline: read_baseline(&file).map(Box::new).map_err(|e: ReadError| e.to_string()),
                });
            }
        }
    }
    found.sort_by(|a, b| (&a.machine, &a.name).cmp(&(&b.machine, &b.name)));
    Ok(found)
}

/// What is in a folder; nothing where it is none.
pub(super) fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let read = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(read.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn last_word(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}
