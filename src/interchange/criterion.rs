//! criterion's `target/criterion` tree: a folder a benchmark at any depth, in it a folder a set (`new`, `base`, or a name
//! given with `--save-baseline`), in that `benchmark.json` with the ids and `sample.json` with the samples (criterion
//! 0.8.2; the files have had these fields since 0.3).
//!
//! A set is known by its two files and its own name, so that no list of names is needed; `change` and `report` hold
//! neither file. Times are nanoseconds of all iterations of a sample. A benchmark with a measurement of its own (cycles,
//! say) writes the same files and does not tell: its ratios are right and its unit is not.

use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::{self, Wanted};
use super::{ImportError, Imported, ImportedBenchmark, plausible};

const IDS: &str = "benchmark.json";
const SAMPLE: &str = "sample.json";
const AGAIN: &str = "run `cargo bench` again, or name another folder";
const IDS_WANTED: Wanted = Wanted { what: "criterion's benchmark.json", remedy: AGAIN, limit_bytes: 1 << 20 };
const SAMPLE_WANTED: Wanted =
    Wanted { what: "criterion's sample.json", remedy: AGAIN, limit_bytes: 64 << 20 };
const TREE_WANTED: Wanted = Wanted {
    what: "a folder of criterion's results",
    remedy: "name the target/criterion that `cargo bench` made",
    limit_bytes: 0,
};
/// Folders below each other: group, function, parameter and set are four, and names with `/` make no more.
const DEPTH_LIMIT: usize = 12;
/// Entries in all.
const ENTRY_LIMIT: usize = 200_000;

#[derive(Deserialize)]
struct Ids {
    full_id: String,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Reads a tree. A benchmark whose samples are absent or unusable is left out with a note.
///
/// # Errors
/// The folder cannot be read, holds no benchmark or too much, or one of its files is not criterion's.
pub fn read(root: &Path) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let folders = set_folders(root, &mut imported.notes)?;
    for folder in &folders {
        add(root, folder, &mut imported)?;
    }
    if imported.sets.is_empty() {
        let why = match imported.notes.first() {
            Some(note) => format!("it holds no usable benchmark ({note})"),
            None => format!("it holds no {IDS}"),
        };
        return Err(TREE_WANTED.but(root, why));
    }
    Ok(imported)
}

/// The id and the samples of one benchmark, from the bytes of its two files.
///
/// # Errors
/// Why the samples cannot be used; `Invalid` where a file is not criterion's at all.
pub fn parse(ids: &[u8], sample: &[u8]) -> Result<(String, ImportedBenchmark), Unusable> {
    let ids: Ids = serde_json::from_slice(ids).map_err(|error| Unusable::Ids(error.to_string()))?;
    let sample: Sample =
        serde_json::from_slice(sample).map_err(|error| Unusable::Sample(error.to_string()))?;
    if sample.iters.len() != sample.times.len() {
        let (iterations, times) = (sample.iters.len(), sample.times.len());
        return Err(Unusable::Sample(format!("{iterations} counts of iterations for {times} times")));
    }
    let samples: Vec<f64> = sample.times.iter().zip(&sample.iters).map(|(ns, n)| ns * 1e-9 / n).collect();
    if samples.is_empty() {
        return Err(Unusable::Values(ids.full_id, "it has no samples".to_owned()));
    }
    if let Some(at) = samples.iter().position(|seconds| !plausible(*seconds)) {
        let (ns, n) = (sample.times[at], sample.iters[at]);
        let why = format!("{ns:e} ns over {n:e} iterations are no time of an iteration");
        return Err(Unusable::Values(ids.full_id, why));
    }
    Ok((ids.full_id, ImportedBenchmark { samples, notes: Vec::new() }))
}

/// Why the two files of a benchmark cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// `benchmark.json` is not criterion's.
    Ids(String),
    /// `sample.json` is not criterion's.
    Sample(String),
    /// The benchmark of this id has samples that are no times.
    Values(String, String),
}

fn add(root: &Path, folder: &Path, imported: &mut Imported) -> Result<(), ImportError> {
    let (ids_path, sample_path) = (folder.join(IDS), folder.join(SAMPLE));
    let shown = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
    if !sample_path.exists() {
        imported.notes.push(format!("{shown} was left out: it has no {SAMPLE}"));
        return Ok(());
    }
    let (ids, sample) = (file::read(&ids_path, IDS_WANTED)?, file::read(&sample_path, SAMPLE_WANTED)?);
    match parse(&ids, &sample) {
        Err(Unusable::Ids(why)) => return Err(IDS_WANTED.but(&ids_path, why)),
        Err(Unusable::Sample(why)) => return Err(SAMPLE_WANTED.but(&sample_path, why)),
        Err(Unusable::Values(_, why)) => imported.notes.push(format!("{shown} was left out: {why}")),
        Ok((id, benchmark)) => {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            match imported.sets.entry(name).or_default().entry(id) {
                Entry::Vacant(place) => {
                    place.insert(benchmark);
                }
                Entry::Occupied(place) => {
                    imported
                        .notes
                        .push(format!("{shown} was left out: {:?} is in that set already", place.key()));
                }
            }
        }
    }
    Ok(())
}

/// Every folder with a `benchmark.json`, in order. Links are not followed: a link to a folder above would never end.
fn set_folders(root: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, ImportError> {
    let mut found = Vec::new();
    let mut entries = 0;
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|cause| cannot_list(&folder, cause))? {
            let entry = entry.map_err(|cause| cannot_list(&folder, cause))?;
            let kind = entry.file_type().map_err(|cause| cannot_list(&folder, cause))?;
            entries += 1;
            if entries > ENTRY_LIMIT {
                return Err(TREE_WANTED.but(root, format!("it has more than {ENTRY_LIMIT} files")));
            }
            if kind.is_dir() && depth == DEPTH_LIMIT {
                let shown = entry.path().strip_prefix(root).unwrap_or(&folder).display().to_string();
                notes.push(format!("{shown} was left out: criterion's folders do not lie so deep"));
            } else if kind.is_dir() {
                open.push((entry.path(), depth + 1));
            } else if entry.file_name() == IDS {
                found.push(folder.clone());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn cannot_list(folder: &Path, cause: std::io::Error) -> ImportError {
    if cause.kind() == std::io::ErrorKind::NotADirectory {
        return TREE_WANTED.but(folder, "it is no folder");
    }
    ImportError::Io { path: folder.to_owned(), cause }
}
