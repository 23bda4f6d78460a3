//! The always-on control: blocks of the base against itself, which must show no difference.
//!
//! Where they do, the way of measuring favours an arm (a slot, an order, a path's length), and every verdict of that
//! host and run falls with it. The evidence is the verdicts' own, pooled over the suite and kept per host: a bias is a
//! property of the host and the harness, and one case's few control blocks would never show it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::e_process::{Side, SignEvidence, float, ln_required, reachable};
use super::{Margins, effect};
use crate::analysis::compare::Margin;

/// Differences below this are no bias: layouts and page placements differ by as much between two equal processes.
const SMALLEST_THRESHOLD: f64 = 0.001;

/// Control blocks below which nothing is said at any level.
const FEWEST_BLOCKS: usize = 7;

/// What the control blocks say of the measuring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ControlVerdict {
    /// No bias is shown by blocks that could have shown one.
    Holds,
    /// The blocks could not have shown a bias, however large.
    #[default]
    #[serde(rename = "too few")]
    TooFew,
    /// The base differs from itself.
    Failed,
}

/// The verdict on the control with what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlJudgement {
    /// The verdict.
    pub verdict: ControlVerdict,
    /// Control blocks judged.
    pub blocks: usize,
    /// `ln E` of a bias on either side: the mean of the two one-sided evidences.
    pub ln_e: f64,
    /// The median log ratio of base against base.
    pub effect: Option<f64>,
}

/// The rule: what counts as a bias, and at which level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    threshold: f64,
    alpha: f64,
}

impl Control {
    /// The control of a comparison with this margin: a bias that could carry an unchanged program over it, at 5 %.
    #[must_use]
    pub fn new(margin: Margin) -> Self {
        Self { threshold: Margins::from(margin).lower.max(SMALLEST_THRESHOLD.ln_1p()), alpha: 0.05 }
    }

    /// The log ratio beyond which base against base is biased.
    #[must_use]
    pub const fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The fewest control blocks that can be judged: when all of them lie on one side.
    #[must_use]
    pub fn blocks_needed(&self) -> usize {
        reachable(self.alpha / 2.0).max(FEWEST_BLOCKS)
    }

    /// Judges the pooled control blocks, log ratios of base against base. They may be judged after every block.
    #[must_use]
    pub fn judge(&self, values: &[f64]) -> ControlJudgement {
        let blocks = values.iter().filter(|value| value.is_finite()).count();
        let sides = [(self.threshold, Side::Above), (-self.threshold, Side::Below)];
        let evidence = sides.map(|(threshold, side)| SignEvidence::of(values, threshold, side));
        let failed = evidence.iter().any(|&ln_e| ln_e >= ln_required(self.alpha / 2.0));
        let verdict = if failed {
            ControlVerdict::Failed
        } else if blocks < self.blocks_needed() {
            ControlVerdict::TooFew
        } else {
            ControlVerdict::Holds
        };
        ControlJudgement { verdict, blocks, ln_e: ln_mean(evidence), effect: effect(values) }
    }
}

fn ln_mean(ln_e: [f64; 2]) -> f64 {
    let largest = ln_e[0].max(ln_e[1]);
    largest + (ln_e.iter().map(|&x| (x - largest).exp()).sum::<f64>() / float(ln_e.len())).ln()
}
