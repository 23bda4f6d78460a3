//! `perfkit.comparison/1`: a comparison as scripts read it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Comparison, Margin, ONE_RUN_NOTE, Refusal, Verdict};
use crate::analysis::budget::BudgetResult;
use crate::analysis::sequential::control::ControlVerdict;

/// The JSON of `regress`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonReport {
    /// `perfkit.comparison/1`.
    pub schema: String,
    /// How the two sides came to be compared.
    pub mode: Mode,
    /// `slower`, `faster`, `equivalent`, `inconclusive`, or `refused`.
    pub verdict: String,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// Why the two were not to be compared, where so.
    pub refused: Option<String>,
    /// No gate may rest on it: the machines differ, or the values are another tool's without runs.
    pub advisory: bool,
    /// The seed of every random choice, where there was one.
    #[serde(default)]
    pub seed: Option<u64>,
    /// A slowdown shown to exceed this share is `slower`.
    pub lower_margin: f64,
    /// A difference shown to be below this share is `equivalent`.
    pub upper_margin: f64,
    /// Cases in both.
    pub changes: Vec<Change>,
    /// Cases that could not be judged, because a side failed.
    #[serde(default)]
    pub failed: Vec<CaseFailure>,
    /// Cases measured in the baseline alone.
    pub missing: Vec<String>,
    /// Cases measured in the candidate alone.
    pub new: Vec<String>,
    /// Fingerprints of baseline and candidate.
    pub machines: [String; 2],
    /// The control: base against base, in blocks among the others.
    #[serde(default)]
    pub control: Option<ControlReport>,
    /// The budgets, judged on the candidate.
    pub budgets: Vec<BudgetResult>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// A case without a verdict, because a side crashed, hung, or gave a wrong answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseFailure {
    /// Which.
    pub case: String,
    /// What happened, and to which side.
    pub why: String,
}

/// How two sides came to be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Two stored documents, one run each.
    #[default]
    Documents,
    /// A stored baseline of several runs against new runs, by prediction interval.
    Stored,
    /// Two programs in alternation, by sequential test.
    Paired,
    /// Commands in alternation; one execution is one block.
    Commands,
    /// Results of another tool.
    Import,
}

impl Mode {
    /// As in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Stored => "stored",
            Self::Paired => "paired",
            Self::Commands => "commands",
            Self::Import => "import",
        }
    }
}

/// What measuring the base against itself said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlReport {
    /// What they say; where it is `failed`, every verdict is void.
    pub verdict: ControlVerdict,
    /// Blocks of this run.
    pub blocks: usize,
    /// Blocks kept of earlier runs on this host, judged together with these.
    pub host_blocks: usize,
    /// Natural logarithm of the larger e-value, of "the base is slower than itself" and "faster than itself".
    pub ln_e: f64,
}

/// What decides the exit code; of several the first that applies in the order of INTERFACE's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A side failed, or what was given cannot be used.
    Failed,
    /// An unoptimised build.
    Unfit,
    /// Another machine or workload.
    NoBaseline,
    /// A regression or an enforced budget.
    Regression,
    /// Neither shown.
    Inconclusive,
    /// Nothing to object to.
    Fine,
}

impl Decision {
    /// From a comparison: `advisory` where a mismatch of machines is allowed, `broken_budget` where budgets are
    /// enforced and one is broken. An advisory comparison never fails a gate.
    #[must_use]
    pub fn of(comparison: &Comparison, advisory: bool, broken_budget: bool) -> Self {
        match &comparison.refused {
            Some(Refusal::Unoptimised(_)) => return Self::Unfit,
            Some(Refusal::NothingInCommon(_)) => return Self::NoBaseline,
            Some(Refusal::OtherMachine(_)) if !advisory => return Self::NoBaseline,
            Some(Refusal::OtherMachine(_)) | None => {}
        }
        match comparison.verdict() {
            _ if broken_budget => Self::Regression,
            Verdict::Slower | Verdict::Inconclusive if advisory => Self::Inconclusive,
            Verdict::Slower => Self::Regression,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Faster | Verdict::Equivalent => Self::Fine,
        }
    }

    /// Its exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Regression => 1,
            Self::Failed => 2,
            Self::Inconclusive => 3,
            Self::Unfit => 4,
            Self::NoBaseline => 5,
        }
    }
}

impl ComparisonReport {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.comparison/1";

    /// What is said where there is nothing to compare with.
    #[must_use]
    pub fn without_baseline(why: &str, margin: Margin) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            verdict: "refused".to_owned(),
            exit_code: Decision::NoBaseline.exit_code(),
            refused: Some(why.to_owned()),
            lower_margin: margin.lower,
            upper_margin: margin.upper,
            ..Self::default()
        }
    }

    /// A comparison with its decision.
    #[must_use]
    pub fn new(
        comparison: &Comparison,
        margin: Margin,
        budgets: Vec<BudgetResult>,
        decision: Decision,
        advisory: bool,
    ) -> Self {
        let refused = comparison.refused.as_ref().filter(|_| !advisory).map(ToString::to_string);
        let mut notes = vec![ONE_RUN_NOTE.to_owned()];
        if advisory && let Some(why) = &comparison.refused {
            notes.push(format!("advisory: {why}"));
        }
        Self {
            schema: Self::SCHEMA.to_owned(),
            verdict: if refused.is_some() { "refused" } else { comparison.verdict().name() }.to_owned(),
            exit_code: decision.exit_code(),
            refused,
            advisory,
            lower_margin: margin.lower,
            upper_margin: margin.upper,
            changes: comparison.changes.clone(),
            missing: comparison.missing.clone(),
            new: comparison.new.clone(),
            machines: comparison.machines.clone(),
            budgets,
            notes,
            ..Self::default()
        }
    }
}
