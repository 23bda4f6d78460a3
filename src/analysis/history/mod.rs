//! `perfkit.history/1`: a folder of baselines as one series a case, and where its level changed.
//!
//! A point is a run. Where all baselines of a machine have a reference kernel in common, points are divided by it: a
//! level of the host that lasted for a week is no change of the code. Baselines of different machines, or with other
//! reference kernels, are never in one series.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::changepoint::{ChangePoint, LONGEST_HISTORY, Options, change_points};
use crate::document::{BENCH, Baseline, Case, CasePattern, NO_REFERENCE};

/// The JSON of `baseline history`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// `perfkit.history/1`.
    pub schema: String,
    /// The baselines, by date.
    pub baselines: Vec<Entry>,
    /// One a case and machine.
    pub series: Vec<Series>,
    /// Files that are no baselines, and why.
    pub unreadable: Vec<Unreadable>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// A baseline of the history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its path below the folder.
    pub file: String,
    /// UTC.
    pub started: String,
    /// `perfkit 0.1.0`.
    pub tool: String,
    /// The commit, where it is known.
    pub commit: Option<String>,
    /// The machine's slug and the beginning of its fingerprint.
    pub machine: String,
}

/// A file that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    /// Its path below the folder.
    pub file: String,
    /// Why.
    pub why: String,
}

/// One case over time, on one machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The case.
    pub case: String,
    /// As in [`Entry`].
    pub machine: String,
    /// The reference kernel that points are divided by, or `none`.
    pub reference: String,
    /// The points, by date.
    pub points: Vec<Point>,
    /// Where the level changed.
    pub changes: Vec<LevelChange>,
}

/// A run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The index of its baseline.
    pub baseline: usize,
    /// What the case took in it: the lower quartile of its samples without what they waited for a CPU.
    pub seconds: f64,
    /// The value of the series: seconds, or a share of the reference kernel's.
    pub value: f64,
}

/// A change of level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelChange {
    /// The index of the first point of the new level.
    pub point: usize,
    /// Of that point's baseline.
    pub started: String,
    /// Of that point's baseline.
    pub tool: String,
    /// Of that point's baseline.
    pub commit: Option<String>,
    /// The level after over the level before: above 1 is slower.
    pub ratio: f64,
    /// How likely a change as large is without one, corrected for the number of places it was looked for.
    pub p_value: f64,
}

/// A baseline with the path that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated {
    /// Below the folder.
    pub file: String,
    /// What was read.
    pub baseline: Baseline,
}

impl History {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.history/1";
}

/// The history of the cases that a pattern means (all without one). A baseline that stands in several files counts once.
#[must_use]
pub fn history(mut dated: Vec<Dated>, unreadable: Vec<Unreadable>, pattern: Option<&CasePattern>) -> History {
    dated.sort_by(|a, b| {
        let key = |d: &Dated| (d.baseline.document.run.started.clone(), d.file.clone());
        key(a).cmp(&key(b))
    });
    let mut notes = Vec::new();
    let mut seen = BTreeSet::new();
    dated.retain(|one| {
        let run = &one.baseline.document.run.id;
        let fresh = run.is_empty() || seen.insert(run.clone());
        if !fresh {
            notes.push(format!("{} is a copy of a baseline that is here already", one.file));
        }
        fresh
    });
    let baselines: Vec<Entry> = dated.iter().map(entry).collect();
    let mut series = Vec::new();
    let machines: BTreeSet<&String> = baselines.iter().map(|entry| &entry.machine).collect();
    for machine in machines {
        let own: Vec<usize> = (0..baselines.len()).filter(|&i| baselines[i].machine == *machine).collect();
        let cases: BTreeSet<&Case> =
            own.iter().flat_map(|&i| dated[i].baseline.document.measured().map(|m| &m.case)).collect();
        for case in cases.into_iter().filter(|case| pattern.is_none_or(|pattern| pattern.matches(case))) {
            series.push(one_series(case, machine, &own, &dated, &baselines, &mut notes));
        }
    }
    History { schema: History::SCHEMA.to_owned(), baselines, series, unreadable, notes }
}

fn entry(dated: &Dated) -> Entry {
    let document = &dated.baseline.document;
    let fingerprint: String = document.machine.fingerprint.chars().take(12).collect();
    Entry {
        file: dated.file.clone(),
        started: document.run.started.clone(),
        tool: document.run.tool.clone(),
        commit: dated.baseline.source.as_ref().map(|source| source.commit.clone()),
        machine: format!("{} {fingerprint}", document.machine.slug()),
    }
}

fn one_series(
    case: &Case,
    machine: &str,
    own: &[usize],
    dated: &[Dated],
    baselines: &[Entry],
    notes: &mut Vec<String>,
) -> Series {
    let having = |&&i: &&usize| dated[i].baseline.document.measured().any(|m| m.case == *case);
    let having: Vec<usize> = own.iter().filter(having).copied().collect();
    let reference = common_reference(case, having.iter().map(|&i| &dated[i].baseline));
    let mut points: Vec<Point> =
        having.iter().flat_map(|&i| points(i, case, &dated[i].baseline, &reference)).collect();
    if points.len() > LONGEST_HISTORY {
        notes.push(format!("{case}: the last {LONGEST_HISTORY} of {} runs were looked at", points.len()));
        points.drain(..points.len() - LONGEST_HISTORY);
    }
    // Logarithms: a level that doubles and one that halves are changes of one size.
    let values: Vec<f64> = points.iter().map(|point| point.value.ln()).collect();
    let found = change_points(&values, Options::default()).unwrap_or_default();
    let changes = found.iter().map(|change| level_change(change, &points, baselines)).collect();
    Series { case: case.to_string(), machine: machine.to_owned(), reference, points, changes }
}

fn level_change(change: &ChangePoint, points: &[Point], baselines: &[Entry]) -> LevelChange {
    let entry = &baselines[points[change.index].baseline];
    LevelChange {
        point: change.index,
        started: entry.started.clone(),
        tool: entry.tool.clone(),
        commit: entry.commit.clone(),
        ratio: (change.after - change.before).exp(),
        p_value: change.p_value,
    }
}

/// The reference that most of the baselines divide the case by, if all of them have it, of one size and tool.
fn common_reference<'a>(case: &Case, baselines: impl Iterator<Item = &'a Baseline> + Clone) -> String {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for normaliser in baselines.clone().flat_map(|b| &b.normalisers).filter(|n| n.case == *case) {
        *votes.entry(&normaliser.chosen).or_default() += 1;
    }
    let identity = |baseline: &'a Baseline, name: &str| {
        Some((baseline.references.get(name)?, &baseline.document.run.tool))
    };
    let shared = |name: &str| {
        let mut identities = baselines.clone().map(|baseline| identity(baseline, name));
        let first = identities.next().flatten();
        first.is_some() && identities.all(|identity| identity == first)
    };
    let chosen = votes.into_iter().max_by_key(|&(_, count)| count).map(|(name, _)| name);
    chosen.filter(|name| shared(name)).unwrap_or(NO_REFERENCE).to_owned()
}

/// The runs of a case; a document without runs is one.
fn points(index: usize, case: &Case, baseline: &Baseline, reference: &str) -> Vec<Point> {
    let of_run = |run: &crate::document::BaselineRun| {
        let of = |name: &str| run.of_case(case).find(|arm| arm.arm == name)?.quiet();
        let seconds = of(BENCH)?;
        let divisor = if reference == NO_REFERENCE { 1.0 } else { of(reference)? };
        Some(Point { baseline: index, seconds, value: seconds / divisor })
    };
    if baseline.runs.is_empty() {
        let samples = baseline.document.measured().find(|m| m.case == *case).map(|m| &m.seconds.samples);
        let seconds = samples.and_then(|samples| crate::stats::median(samples));
        return seconds
            .map(|seconds| Point { baseline: index, seconds, value: seconds })
            .into_iter()
            .collect();
    }
    baseline.runs.iter().filter_map(of_run).collect()
}
