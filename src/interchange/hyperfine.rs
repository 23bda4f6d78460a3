//! hyperfine's `--export-json`: commands, each with the wall seconds of every run (read from files of 1.15 and 1.20).
//!
//! A sample is one execution of the command with everything: process start, work, exit.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::file::{self, Wanted};
use super::{Benchmarks, ImportError, Imported, ImportedBenchmark, plausible};

/// The only set of an import.
pub const SET: &str = "commands";

const WANTED: Wanted = Wanted {
    what: "hyperfine's JSON",
    remedy: "write one with `hyperfine --export-json FILE COMMAND...`",
    limit_bytes: 64 << 20,
};

#[derive(Deserialize)]
struct File {
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    command: String,
    /// Absent from files that hold summaries alone.
    #[serde(default)]
    times: Option<Vec<f64>>,
    /// `null` where a signal ended the process.
    #[serde(default)]
    exit_codes: Vec<Option<i64>>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

/// Reads a file.
///
/// # Errors
/// The file cannot be read, is not hyperfine's, or holds no command with times.
pub fn read(path: &Path) -> Result<Imported, ImportError> {
    let bytes = file::read(path, WANTED)?;
    parse(&bytes).map_err(|why| WANTED.but(path, why))
}

/// The bytes of a file. A command that has no usable times is left out with a note.
///
/// # Errors
/// Why they are not hyperfine's JSON, or hold nothing to compare.
pub fn parse(bytes: &[u8]) -> Result<Imported, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.results.is_empty() {
        return Err("it holds no results".to_owned());
    }
    let names = names(&file.results);
    let mut notes = Vec::new();
    let mut commands = Benchmarks::new();
    for (name, entry) in names.into_iter().zip(file.results) {
        match command(entry) {
            Err(why) => notes.push(format!("{name:?} was left out: {why}")),
            // The same command twice, with the same parameters, has no name that tells which is meant.
            Ok(_) if commands.contains_key(&name) => {
                notes.push(format!("{name:?} is there more than once: the first was taken"));
            }
            Ok(benchmark) => {
                commands.insert(name, benchmark);
            }
        }
    }
    if commands.is_empty() {
        return Err(format!("it holds no command with usable times ({})", notes.join("; ")));
    }
    Ok(Imported { sets: [(SET.to_owned(), commands)].into(), notes })
}

/// What each entry is called: its command, with the parameters where one name (`--command-name`) stands for several.
fn names(entries: &[Entry]) -> Vec<String> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        *count.entry(&entry.command).or_default() += 1;
    }
    let name = |entry: &Entry| {
        if count.get(&*entry.command) == Some(&1) || entry.parameters.is_empty() {
            return entry.command.clone();
        }
        let pairs: Vec<String> =
            entry.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} ({})", entry.command, pairs.join(", "))
    };
    entries.iter().map(name).collect()
}

fn command(entry: Entry) -> Result<ImportedBenchmark, String> {
    let samples = entry.times.filter(|times| !times.is_empty()).ok_or("it has no times")?;
    if let Some(bad) = samples.iter().find(|seconds| !plausible(**seconds)) {
        return Err(format!("{bad:e} seconds are no time of a run"));
    }
    let failed = entry.exit_codes.iter().filter(|code| **code != Some(0)).count();
    let notes = match failed {
        0 => Vec::new(),
        _ => vec![format!("{failed} of {} runs ended with an error", entry.exit_codes.len())],
    };
    Ok(ImportedBenchmark { samples, notes })
}
