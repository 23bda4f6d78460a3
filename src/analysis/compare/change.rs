//! What became of one case: its verdict, and all that the verdict rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RatioInterval, Verdict};

/// A case that both sides have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which: the text of a case, or whatever a program of the user's calls its own.
    pub case: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why nothing more was shown, with every inconclusive verdict that has a reason of its own: `layout`, `budget`,
    /// `one run a side`, `no verdict from an import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Candidate over baseline, in time: above 1 is slower.
    pub ratio: RatioInterval,
    /// The smallest slowdown that this many samples of this spread could have shown.
    pub minimum_detectable_effect: Option<f64>,
    /// How the interval came about: samples, spread, pairing.
    pub evidence: String,
    /// The sequential test, where the two sides were measured in pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
    /// What merely laying out the same code differently does, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Tail latencies, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tails: Vec<TailChange>,
    /// Counts: instructions, allocations, bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<CountChange>,
}

/// The evidence of a sequential test over blocks; a block is a fresh process of either side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sequential {
    /// Blocks of base against candidate.
    pub blocks: usize,
    /// Rounds in each: one sample of either side, in drawn order.
    pub rounds_per_block: usize,
    /// Seconds of warming up and sampling, process starts and preparation left out.
    pub sampling_seconds: f64,
    /// Wall seconds with everything.
    pub seconds: f64,
    /// Natural logarithm of the e-value against "not slower than the lower margin".
    pub ln_e_slower: f64,
    /// The same against "not faster than the lower margin".
    pub ln_e_faster: f64,
    /// The same against "different by the upper margin or more".
    pub ln_e_equivalent: f64,
    /// Correlation of neighbouring blocks, from ten on.
    pub lag1_autocorrelation: Option<f64>,
    /// Neighbouring blocks were correlated and merged.
    pub merged: bool,
    /// Share of the samples in which the scheduler took the CPU away.
    pub preempted_fraction: f64,
    /// Sides whose warm-up did not settle, in any block.
    #[serde(default)]
    pub unsettled_blocks: usize,
    /// ln(candidate / base) of every block, in order.
    #[serde(default)]
    pub block_effects: Vec<f64>,
}

/// The spread of builds of the same code that differ in layout alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Layout {
    /// Builds measured: the base linked again with its functions in another order.
    pub builds: usize,
    /// The fastest of them over the base.
    pub low: f64,
    /// The slowest of them over the base.
    pub high: f64,
}

impl Layout {
    /// Whether a ratio could be layout alone.
    #[must_use]
    pub fn explains(&self, ratio: f64) -> bool {
        (self.low.min(1.0)..=self.high.max(1.0)).contains(&ratio)
    }
}

/// A quantile of samples, block against block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TailChange {
    /// 0.95 or 0.99.
    pub quantile: f64,
    /// By the same sequential test as the median's.
    pub verdict: Verdict,
    /// Candidate over base.
    pub ratio: RatioInterval,
}

/// A counter that is the same at every run of the same code, compared exactly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CountChange {
    /// `instructions`, `allocations`, `allocated bytes`, `peak rss bytes`.
    pub counter: String,
    /// `perf_event`, `valgrind`, `allocator`, `system`.
    pub source: String,
    /// The tier whose code was counted, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Of the base.
    pub base: f64,
    /// Of the candidate.
    pub candidate: f64,
    /// The verdict.
    pub verdict: CountVerdict,
}

/// What two counts say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CountVerdict {
    /// Equal within the tolerance of a deterministic counter.
    Same,
    /// More in the candidate.
    Grew,
    /// Fewer in the candidate.
    Shrank,
    /// It differs between runs of one side: no verdict.
    #[default]
    Unsteady,
}
