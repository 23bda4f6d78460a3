//! Readers of other tools' results, one file each, behind one table.
//!
//! What they read was measured in a way that nobody here saw: there is no machine, no conditions and, above all, one
//! run. So an import holds samples and names, nothing else, and no gate may rest on it. Files come from anywhere: a reader
//! bounds what it opens, walks into no link, and answers with an error that names the file instead of a guess.

pub mod criterion;
mod file;
pub mod hyperfine;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A format that can be imported.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name, as in `--import NAME:PATH`.
    pub name: &'static str,
    /// What its path names, in a few words.
    pub about: &'static str,
    /// What a baseline inside one import is.
    pub baselines: Baselines,
    /// Reads a path.
    pub read: fn(&Path) -> Result<Imported, ImportError>,
}

/// What can be the baseline of a candidate that lies in the same import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baselines {
    /// Another of its sets; the candidate is the set of this name.
    Sets(&'static str),
    /// One of its benchmarks, for every other in the only set there is.
    Benchmarks(&'static str),
}

impl Baselines {
    /// The set that holds the candidate.
    #[must_use]
    pub const fn candidate(self) -> &'static str {
        match self {
            Self::Sets(name) | Self::Benchmarks(name) => name,
        }
    }
}

/// Every format. Adding one is a file and a row.
pub static FORMATS: &[Format] = &[
    Format {
        name: "criterion",
        about: "a target/criterion folder",
        baselines: Baselines::Sets("new"),
        read: criterion::read,
    },
    Format {
        name: "hyperfine",
        about: "a file that hyperfine wrote with --export-json",
        baselines: Baselines::Benchmarks(hyperfine::SET),
        read: hyperfine::read,
    },
];

/// The format with this name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Benchmarks by id.
pub type Benchmarks = BTreeMap<String, ImportedBenchmark>;

/// What a path held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// Benchmarks by set: a saved baseline's name, `new`, or the only one.
    pub sets: BTreeMap<String, Benchmarks>,
    /// What was left out, and why; paths in it start at the imported folder.
    pub notes: Vec<String>,
}

/// A benchmark of another tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportedBenchmark {
    /// Seconds per iteration of each sample, in the order of measuring. Each is [`plausible`].
    pub samples: Vec<f64>,
    /// What a reader must know of these samples.
    pub notes: Vec<String>,
}

/// Two sets of benchmarks side by side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairs<'a> {
    /// Benchmarks in both, by id: baseline, then candidate.
    pub both: Vec<(&'a str, &'a ImportedBenchmark, &'a ImportedBenchmark)>,
    /// Ids in the baseline alone.
    pub missing: Vec<&'a str>,
    /// Ids in the candidate alone.
    pub new: Vec<&'a str>,
}

/// Pairs the benchmarks of two sets by id.
#[must_use]
pub fn pairs<'a>(baseline: &'a Benchmarks, candidate: &'a Benchmarks) -> Pairs<'a> {
    let only = |these: &'a Benchmarks, others: &Benchmarks| {
        these.keys().filter(|id| !others.contains_key(*id)).map(String::as_str).collect()
    };
    Pairs {
        both: baseline
            .iter()
            .filter_map(|(id, before)| Some((id.as_str(), before, candidate.get(id)?)))
            .collect(),
        missing: only(baseline, candidate),
        new: only(candidate, baseline),
    }
}

/// Why a path could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder could not be opened or read.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why; part of the sentence already, so not its source.
        cause: std::io::Error,
    },
    /// It is not what the format says.
    #[error("{path} is not {wanted}: {why}; {remedy}", path = path.display())]
    Invalid {
        /// Which file or folder.
        path: PathBuf,
        /// What it should have been.
        wanted: &'static str,
        /// Why it is not.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// Whether a number can be the seconds of one iteration: from a femtosecond to thirty years. Beyond, ratios of such
/// numbers leave the range of a double, and no clock has measured them.
#[must_use]
pub fn plausible(seconds: f64) -> bool {
    (1e-15..=1e9).contains(&seconds)
}
