//! Budgets: limits that a project sets itself, and how the measured cases stand against them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a budget came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetVerdict {
    /// The end of the interval that matters is inside.
    Met,
    /// The other end is outside too.
    Broken,
    /// The limit lies inside the interval.
    Inconclusive,
    /// No case in the document answers it.
    NotMeasured,
}

/// One row of the budget table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetResult {
    /// Name in perfkit.toml.
    pub name: String,
    /// The limit with its unit, for people: `at most 100 ms`.
    pub budget: String,
    /// The measured value with its unit, for people.
    pub measured: Option<String>,
    /// How it came out.
    pub verdict: BudgetVerdict,
    /// The case that answered, and anything a reader must know.
    pub detail: String,
}
