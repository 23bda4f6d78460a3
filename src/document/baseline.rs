//! A baseline: a results document with the runs behind it, each beside reference kernels of the same minutes.
//!
//! The document's own samples are then one number a run: between runs lies the noise that a comparison must know, and
//! no number of samples inside one of them shows it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Case, Document, causes};
use crate::stats;

/// A `perfkit.results/1` document with `runs`; readers of results read it as the document alone.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Baseline {
    /// What was measured.
    #[serde(flatten)]
    pub document: Document,
    /// The runs behind it.
    #[serde(default)]
    pub runs: Vec<BaselineRun>,
    /// The reference kernels that were measured in the same rounds, by the names of their arms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub references: BTreeMap<String, Case>,
    /// By which of them each case is divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalisers: Vec<Normaliser>,
    /// What was built, where version control told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Where the samples are.
    #[serde(default)]
    pub samples: KeptSamples,
    /// Why it replaced the one before, where it was accepted by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a baseline has beside its document.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    runs: Vec<BaselineRun>,
    references: BTreeMap<String, Case>,
    normalisers: Vec<Normaliser>,
    source: Option<Source>,
    samples: KeptSamples,
    reason: Option<String>,
}

impl<'de> Deserialize<'de> for Baseline {
    /// Read in two: `flatten` would hold the document in a form in which the keys of a map are text alone, and the
    /// machine has maps by size.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let document = Document::deserialize(&value).map_err(de::Error::custom)?;
        let Beside { runs, references, normalisers, source, samples, reason } =
            Beside::deserialize(value).map_err(de::Error::custom)?;
        Ok(Self { document, runs, references, normalisers, source, samples, reason })
    }
}

impl Baseline {
    /// A document without runs.
    #[must_use]
    pub fn of_document(document: Document) -> Self {
        Self {
            document,
            runs: Vec::new(),
            references: BTreeMap::new(),
            normalisers: Vec::new(),
            source: None,
            samples: KeptSamples::default(),
            reason: None,
        }
    }

    /// Whether it can be judged by its runs: reference kernels were measured beside the cases. Older baselines hold
    /// the samples of a single run and are compared as documents.
    #[must_use]
    pub fn has_run_level_values(&self) -> bool {
        !self.runs.is_empty() && !self.references.is_empty()
    }
}

/// The revision that was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The commit checked out.
    pub commit: String,
    /// Whether the working tree differed from it, baselines apart.
    pub dirty: bool,
}

/// What a case's seconds are divided by, so that what slows the whole host drops out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Normaliser {
    /// The case.
    pub case: Case,
    /// The arm's name; `none` where no reference kernel moves with the case.
    pub chosen: String,
    /// Standard deviation between runs of the logarithm of the normalised seconds, by candidate.
    pub between_run_spread: BTreeMap<String, f64>,
}

/// The name of dividing by nothing.
pub const NO_REFERENCE: &str = "none";
/// The arm of the case itself; every other name is a reference kernel's.
pub const BENCH: &str = "bench";

/// Where the samples behind the medians are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeptSamples {
    /// In the document, rounded.
    #[default]
    Inline,
    /// In a compressed file beside it.
    Compressed,
    /// Nowhere: medians alone.
    None,
}

/// One run of a suite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BaselineRun {
    /// The run's id.
    pub id: String,
    /// UTC.
    pub started: String,
    /// Every case's samples.
    pub arms: Vec<Arm>,
}

impl BaselineRun {
    /// The arms that were measured in the rounds of a case, by name.
    pub fn of_case<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a Arm> {
        self.arms.iter().filter(move |arm| arm.case == *case)
    }
}

/// The samples of one case in one run, and what the system counted beside each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// Which case's rounds.
    pub case: Case,
    /// What ran in them: the case itself (`bench`), or a reference kernel by its name.
    #[serde(default = "bench", skip_serializing_if = "is_bench")]
    pub arm: String,
    /// Seconds per iteration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wall_seconds: Vec<f64>,
    /// CPU seconds per iteration, of all threads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu_seconds: Vec<f64>,
    /// Seconds per iteration in which the measuring thread could have run and waited for a CPU: at most what its wall
    /// time exceeds its CPU time by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_seconds: Vec<f64>,
    /// Times the scheduler took a CPU away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub involuntary_switches: Vec<u64>,
    /// Iterations of each sample.
    #[serde(default)]
    pub iterations: u64,
    /// The CPU that each sample ended on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu: Vec<Option<u32>>,
    /// What each sample suffered from. None is ever deleted.
    ///
    /// Written as the indices of the disturbed samples by cause: `{"preempted": [3, 17]}`.
    #[serde(default, with = "causes", skip_serializing_if = "causes::none")]
    #[schemars(with = "BTreeMap<String, Vec<u32>>")]
    pub cause: Vec<Cause>,
    /// The median, where the samples are not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_seconds: Option<f64>,
    /// [`Arm::quiet`], where the samples are not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_seconds: Option<f64>,
}

impl Arm {
    /// An arm without samples.
    #[must_use]
    pub fn new(case: Case, arm: &str) -> Self {
        Self {
            case,
            arm: arm.to_owned(),
            wall_seconds: Vec::new(),
            cpu_seconds: Vec::new(),
            wait_seconds: Vec::new(),
            involuntary_switches: Vec::new(),
            iterations: 0,
            cpu: Vec::new(),
            cause: Vec::new(),
            median_seconds: None,
            quiet_seconds: None,
        }
    }

    /// The median seconds per iteration: of the samples, or as it was kept without them.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        stats::median(&self.wall_seconds).or(self.median_seconds)
    }

    /// The lower quartile of the samples' wall time without what they waited for a CPU, or as it was kept without them.
    ///
    /// It is what a run is worth to a comparison of runs. The median is decided by the neighbours as soon as they
    /// disturb every second sample, and a call of some milliseconds on a busy host is pre-empted more often than not.
    #[must_use]
    pub fn quiet(&self) -> Option<f64> {
        let waits = self.wait_seconds.iter().copied().chain(std::iter::repeat(0.0));
        let ran = |(wall, wait): (&f64, f64)| if wait < *wall { wall - wait } else { *wall };
        let ran: Vec<f64> = self.wall_seconds.iter().zip(waits).map(ran).collect();
        stats::quantile_of_sorted(&stats::sorted(&ran), 0.25).or(self.quiet_seconds)
    }
}

fn bench() -> String {
    BENCH.to_owned()
}

fn is_bench(arm: &String) -> bool {
    arm == BENCH
}

/// The raw samples of a baseline, kept compressed beside it (`<name>.samples.json.gz`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplesDocument {
    /// `perfkit.samples/1`.
    pub schema: String,
    /// The id of the baseline's run: samples of another recording are not this baseline's.
    pub baseline: String,
    /// The runs with all their samples.
    pub runs: Vec<BaselineRun>,
}

impl SamplesDocument {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.samples/1";
}

/// What disturbed a sample. Of several causes the first in this order that is known to hold, undisturbed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Nothing that could be counted.
    Undisturbed,
    /// The scheduler gave the CPU to somebody else.
    Preempted,
    /// The host took the CPU from the virtual machine.
    Stolen,
    /// The thread moved to another CPU.
    Migrated,
    /// Beyond the outer Tukey fence, of unknown cause: 3 interquartile ranges above the upper quartile.
    Severe,
    /// Beyond the inner fence, of unknown cause: 1.5 interquartile ranges above.
    Mild,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_written_in_lower_case() {
        let all = [
            Cause::Undisturbed,
            Cause::Preempted,
            Cause::Stolen,
            Cause::Migrated,
            Cause::Severe,
            Cause::Mild,
        ];
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, r#"["undisturbed","preempted","stolen","migrated","severe","mild"]"#);
        assert_eq!(serde_json::from_str::<Vec<Cause>>(&text).unwrap(), all);
    }
}
