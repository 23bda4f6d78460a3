//! `perfkit.results/1`: what was measured, on what machine, under which conditions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, Cost, Machine};

/// A results document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// `perfkit.results/1`.
    pub schema: String,
    /// When and how.
    pub run: Run,
    /// On what.
    pub machine: Machine,
    /// Under which conditions.
    pub conditions: Conditions,
    /// One entry a case.
    pub outcomes: Vec<Outcome>,
}

impl Document {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.results/1";

    /// The measured cases.
    pub fn measured(&self) -> impl Iterator<Item = &Measurement> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Measured(measurement) => Some(&**measurement),
            Outcome::Skipped(_) | Outcome::Failed(_) => None,
        })
    }
}

/// When and how a document was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Random, so that two documents of one run are recognised.
    pub id: String,
    /// `perfkit 0.1.0`.
    pub tool: String,
    /// The subcommand and its mode: `run --quick`.
    pub command: String,
    /// UTC.
    pub started: String,
    /// Wall-clock seconds from start to end.
    pub seconds: f64,
    /// The seed of every random choice.
    pub seed: u64,
    /// The build was optimised; if not, no verdict is given.
    pub optimised: bool,
    /// It was interrupted: cases at the end are missing.
    pub interrupted: bool,
    /// The suite of perfkit.toml, if one was named.
    pub suite: Option<String>,
}

/// What may have disturbed the run, as counted while it went on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// The smallest step of the clock, seconds.
    pub clock_precision_seconds: f64,
    /// Load average of one minute at the start.
    pub load_average_at_start: Option<f64>,
    /// Share of CPU time that the hypervisor took during the run.
    pub steal_fraction: Option<f64>,
    /// Periods in which the cgroup's quota stopped us during the run.
    pub throttled_periods: Option<u64>,
    /// Share of wall time in which some task waited for a CPU (PSI), during the run.
    pub cpu_pressure_fraction: Option<f64>,
    /// Times the scheduler took the CPU away from the measuring thread.
    pub involuntary_switches: Option<u64>,
    /// The CPUs the run was pinned to (`--cpus`), where it was.
    pub pinned_cpus: Option<String>,
    /// CPUs that the thread counts were chosen from: min(affinity, cpuset, quota).
    pub effective_cpus: usize,
    /// Largest relative change of a ceiling between its first and last measurement.
    pub ceiling_drift: Option<f64>,
    /// What else a reader should know before comparing.
    pub notes: Vec<String>,
}

/// Who made the code that was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// This project.
    #[default]
    Perfkit,
    /// Another library.
    Peer,
    /// A program of the user's, over the worker protocol.
    Worker,
}

/// A peer and how it was used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Its name.
    pub library: String,
    /// Its version, as it says itself.
    pub version: String,
    /// The kernel it chose on this CPU, where it tells.
    pub dispatched: Option<String>,
    /// `as-installed` or the documented mode used.
    pub mode: String,
    /// The name of its file, where it is one; its folder is the machine's own business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How it was found: `the loader`, `python3's packages`, the variable that names it, or `built in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// What the mode sets, as a user would: `OPENBLAS_CORETYPE=SKYLAKEX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// What a program does in the mode beside what it sets, as a command: `pack weights once (...)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practice: Option<String>,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// It ran and its answer was right.
    Measured(Box<Measurement>),
    /// It cannot run here.
    Skipped(Omission),
    /// It ran and something was wrong.
    Failed(Omission),
}

impl Outcome {
    /// The case.
    #[must_use]
    pub fn case(&self) -> &Case {
        match self {
            Self::Measured(measurement) => &measurement.case,
            Self::Skipped(omission) | Self::Failed(omission) => &omission.case,
        }
    }
}

/// A case without figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Omission {
    /// Which.
    pub case: Case,
    /// Whose.
    #[serde(default)]
    pub origin: Origin,
    /// Why, in a sentence that says what to do where something can be done.
    pub why: String,
}

/// A case with its raw samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// Which.
    pub case: Case,
    /// Whose.
    #[serde(default)]
    pub origin: Origin,
    /// The peer, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// Seconds per iteration, one number a sample.
    pub seconds: SampleSeconds,
    /// What one iteration costs, counted from the shape.
    pub cost: Cost,
    /// Iterations in each sample.
    pub iterations: u64,
    /// CPU seconds over wall seconds of the timed samples (above 1 with several threads).
    #[serde(default)]
    pub cpu_wall_ratio: Option<f64>,
    /// Page faults inside the timed samples; anything but 0 is worth a look.
    #[serde(default)]
    pub minor_faults: u64,
    /// Times the scheduler took the CPU away inside the timed samples.
    #[serde(default)]
    pub involuntary_switches: u64,
    /// Seconds of each stage of the sample with the median total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<BTreeMap<String, f64>>,
    /// Seconds of that sample by its own pair of clock reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_seconds: Option<f64>,
    /// Tokens per iteration, without padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Texts per iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<u64>,
    /// Peak resident size of a fresh process that did only this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
    /// Latency of single calls, where they were sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Other facts, by name with the unit last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, f64>,
    /// What a reader must know beside the figure (for the built-in model: its vectors mean nothing).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Raw samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleSeconds {
    /// Seconds per iteration.
    pub samples: Vec<f64>,
}

/// Seconds of single calls, one number a call, for quantiles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Seconds per call.
    pub calls: Vec<f64>,
}
