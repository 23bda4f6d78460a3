//! `perfkit.selftest/1`: how trustworthy measuring is on a host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Conditions;

/// What the trials of a self-test gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selftest {
    /// `perfkit.selftest/1`.
    pub schema: String,
    /// `perfkit 0.1.0`.
    pub tool: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The machine's fingerprint.
    pub machine: String,
    /// The build was optimised; if not, the trials mean nothing.
    pub optimised: bool,
    /// Neighbours that disturbed on purpose.
    pub noise_neighbours: usize,
    /// The clock.
    pub timer: Timer,
    /// What disturbed, as counted while the trials went on.
    pub noise: Conditions,
    /// Trials of a program against itself.
    pub aa: AaTrials,
    /// Trials of a program against a slower one.
    pub dial: Vec<DialTrials>,
    /// Suites of unchanged cases.
    pub suites: Option<SuiteTrials>,
    /// It was interrupted: trials are missing.
    pub interrupted: bool,
}

impl Selftest {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.selftest/1";
}

/// The clock that times samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timer {
    /// The smallest step that it was seen to make.
    pub precision_seconds: f64,
}

/// Trials of a program against itself: any `slower` or `faster` is false.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AaTrials {
    /// Trials with an answer.
    pub trials: usize,
    /// Called slower.
    pub false_slower: usize,
    /// Called faster.
    pub false_faster: usize,
    /// Shown to be as fast as itself.
    pub equivalent: usize,
    /// Nothing shown within the budget.
    pub inconclusive: usize,
    /// Trials without an answer: a side failed, or the control did.
    pub failed: usize,
    /// 95 % interval of the share of false `slower` (Clopper and Pearson).
    pub bound: [f64; 2],
    /// The same case by case.
    #[serde(default)]
    pub cases: Vec<AaCase>,
}

/// The trials of one case against itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AaCase {
    /// Its name: `spin`, `dram`, ...
    pub name: String,
    /// What was run.
    pub case: String,
    /// Trials with an answer.
    pub trials: usize,
    /// Called slower.
    pub false_slower: usize,
    /// Called faster.
    pub false_faster: usize,
    /// Shown to be as fast as itself.
    pub equivalent: usize,
    /// The same within [`AaCase::goal_seconds`] of sampling.
    pub equivalent_in_goal: usize,
    /// Sampling seconds in which equivalence should be shown.
    pub goal_seconds: f64,
    /// 95 % interval of the share shown equivalent within the goal.
    pub equivalent_bound: [f64; 2],
    /// Median of the sampling seconds.
    pub seconds_median: Option<f64>,
}

/// Trials of a case against a slower one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DialTrials {
    /// The case's name: `spin`, `dram`, ...
    pub name: String,
    /// `BASE=CANDIDATE`, as `regress --case` takes it.
    pub case: String,
    /// The slowdown that the two cases' work differs by, as a share.
    pub slowdown: f64,
    /// `--max-regression` of the trials.
    pub max_regression: f64,
    /// Trials with an answer.
    pub trials: usize,
    /// Called slower.
    pub found: usize,
    /// The same within [`DialTrials::goal_seconds`] of sampling.
    pub found_in_goal: usize,
    /// Sampling seconds in which it should be found.
    pub goal_seconds: f64,
    /// Called faster.
    pub false_faster: usize,
    /// Shown to be equivalent: between the margins that is right too.
    pub equivalent: usize,
    /// 95 % interval of the share found within the goal (Clopper and Pearson).
    pub bound: [f64; 2],
    /// Median of the measured slowdowns.
    pub measured_slowdown: Option<f64>,
    /// Median of the sampling seconds of the trials that found it.
    pub seconds_median: Option<f64>,
}

/// Suites of unchanged cases: none should be called slower.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteTrials {
    /// Suites with an answer.
    pub suites: usize,
    /// Cases in each.
    pub cases: usize,
    /// Suites in which any case was called slower.
    pub any_false_slower: usize,
    /// 95 % interval of that share.
    pub bound: [f64; 2],
    /// Cases called slower, over all suites.
    pub false_slower: usize,
    /// Cases shown equivalent, over all suites.
    pub equivalent: usize,
}
