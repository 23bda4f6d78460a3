//! Advice from measured facts, each with its evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Case, Document};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The rule: `huge-pages`.
    pub rule: String,
    /// What to do, as an instruction.
    pub action: String,
    /// Why, with the numbers.
    pub why: String,
    /// The measured cases behind it.
    pub evidence: Vec<Case>,
    /// The effect: a factor on speed where it was measured or computed from measurements, else null and `why` says so.
    pub expected_effect: Option<f64>,
    /// How the effect is known: `measured`, `computed from ...`, `not measured`.
    pub effect_source: String,
}

/// What every rule says of a document, best effect first.
#[must_use]
pub fn recommend(document: &Document) -> Vec<Recommendation> {
    let _ = document;
    Vec::new()
}
