//! Baseline against candidate: a ratio with its interval, a verdict from the interval against a margin.
//!
//! The interval covers the noise inside one run a side. It does not cover what changes between runs (page placement,
//! neighbours on a shared host, frequency), which no number of samples of one run can show: the margin must be wider
//! than that, and [`ONE_RUN_NOTE`] says so wherever a verdict is printed.

mod change;
mod ratio;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Case, Document, Measurement};

pub use change::{Change, CountChange, CountVerdict, Layout, Sequential, TailChange};
pub use ratio::{Estimate, paired_ratio, ratio_of_medians};
pub use report::{CaseFailure, ComparisonReport, ControlReport, Decision, Mode};

/// What a reader of a verdict from one run a side must know.
pub const ONE_RUN_NOTE: &str =
    "one run a side: the intervals cover the noise within a run, not the drift between runs";

/// What an interval says against a margin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The slowdown is shown to exceed the margin.
    Slower,
    /// The speed-up is shown to exceed the margin.
    Faster,
    /// The difference is shown to lie inside the margin.
    Equivalent,
    /// Neither is shown.
    #[default]
    Inconclusive,
}

impl Verdict {
    /// As in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::Equivalent => "equivalent",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A ratio and its 95 % interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RatioInterval {
    /// Of the medians.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Which differences matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// A slowdown (or speed-up) shown to exceed this share is a verdict.
    pub lower: f64,
    /// A difference shown to be below this share is equivalence.
    pub upper: f64,
}

impl Margin {
    /// The margin around the largest slowdown that is tolerated: a quarter of it to either side, at least half a
    /// percent.
    #[must_use]
    pub fn around(max_regression: f64) -> Self {
        let radius = (max_regression / 4.0).max(0.005);
        Self { lower: (max_regression - radius).max(0.0), upper: max_regression + radius }
    }

    /// The verdict on an interval.
    #[must_use]
    pub fn verdict(&self, ratio: &RatioInterval) -> Verdict {
        if ratio.low > 1.0 + self.lower {
            Verdict::Slower
        } else if ratio.high < 1.0 / (1.0 + self.lower) {
            Verdict::Faster
        } else if ratio.low >= 1.0 / (1.0 + self.upper) && ratio.high <= 1.0 + self.upper {
            Verdict::Equivalent
        } else {
            Verdict::Inconclusive
        }
    }
}

impl Default for Margin {
    fn default() -> Self {
        Self::around(0.05)
    }
}

/// Why two documents must not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// They come from machines with different fingerprints.
    OtherMachine(String),
    /// One of them was made by an unoptimised build.
    Unoptimised(String),
    /// They have no case in common.
    NothingInCommon(String),
}

impl Refusal {
    /// The sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::OtherMachine(why) | Self::Unoptimised(why) | Self::NothingInCommon(why) => why,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// `perfkit.comparison/1` before the words.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Cases in both.
    pub changes: Vec<Change>,
    /// Cases measured in the baseline alone.
    pub missing: Vec<String>,
    /// Cases measured in the candidate alone.
    pub new: Vec<String>,
    /// Why the two must not be compared, if so. The changes are computed all the same: they are advisory then.
    pub refused: Option<Refusal>,
    /// Baseline's and candidate's fingerprint.
    pub machines: [String; 2],
}

impl Comparison {
    /// The worst verdict: slower, then inconclusive, then faster or equivalent.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.changes.iter().any(|change| change.verdict == verdict);
        [Verdict::Slower, Verdict::Inconclusive, Verdict::Faster]
            .into_iter()
            .find(|&verdict| any(verdict))
            .unwrap_or(Verdict::Equivalent)
    }
}

/// Compares two documents. The two of one run (the same run id) are paired sample by sample.
#[must_use]
pub fn compare(baseline: &Document, candidate: &Document, margin: Margin) -> Comparison {
    let by_case = |document: &Document| -> BTreeMap<Case, Measurement> {
        document.measured().map(|m| (m.case.clone(), m.clone())).collect()
    };
    let (old, new) = (by_case(baseline), by_case(candidate));
    let same_run = !baseline.run.id.is_empty() && baseline.run.id == candidate.run.id;
    let changes: Vec<Change> = old
        .iter()
        .filter_map(|(case, before)| change(case, before, new.get(case)?, same_run, margin))
        .collect();
    Comparison {
        missing: old.keys().filter(|case| !new.contains_key(case)).map(Case::to_string).collect(),
        new: new.keys().filter(|case| !old.contains_key(case)).map(Case::to_string).collect(),
        refused: refusal(baseline, candidate, changes.is_empty()),
        machines: [baseline.machine.fingerprint.clone(), candidate.machine.fingerprint.clone()],
        changes,
    }
}

fn refusal(baseline: &Document, candidate: &Document, nothing: bool) -> Option<Refusal> {
    for (document, side) in [(baseline, "baseline"), (candidate, "candidate")] {
        if !document.run.optimised {
            return Some(Refusal::Unoptimised(format!(
                "the {side} was measured with an unoptimised build, which says nothing about speed: use `cargo build --release`"
            )));
        }
    }
    if baseline.machine.fingerprint != candidate.machine.fingerprint {
        return Some(Refusal::OtherMachine(format!(
            "the baseline belongs to another machine ({}, fingerprint {}; here {}, {}): record one here, or pass --allow-mismatch for an advisory comparison",
            baseline.machine.slug(),
            short(&baseline.machine.fingerprint),
            candidate.machine.slug(),
            short(&candidate.machine.fingerprint),
        )));
    }
    nothing.then(|| Refusal::NothingInCommon("the two documents have no measured case in common".to_owned()))
}

fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(12).collect()
}

fn change(
    case: &Case,
    before: &Measurement,
    after: &Measurement,
    same_run: bool,
    margin: Margin,
) -> Option<Change> {
    let (old, new) = (&before.seconds.samples, &after.seconds.samples);
    let paired = same_run && old.len() == new.len();
    let estimate = if paired { paired_ratio(old, new) } else { ratio_of_medians(old, new) }?;
    let verdict = if estimate.trusted { margin.verdict(&estimate.interval) } else { Verdict::Inconclusive };
    Some(Change {
        case: case.to_string(),
        verdict,
        ratio: estimate.interval,
        // What stands at the lower margin with its lower end: the observed effect drops out of it.
        minimum_detectable_effect: Some(
            (1.0 + margin.lower) * estimate.interval.value / estimate.interval.low.max(f64::MIN_POSITIVE)
                - 1.0,
        ),
        evidence: estimate.evidence,
        ..Change::default()
    })
}
