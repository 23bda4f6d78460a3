//! Advice from measured facts, each with its evidence.
//!
//! A rule is one function and one row of [`RULES`]; it speaks only when the document holds the measurements behind
//! it, and names them.

mod conditions;
mod embedding;
mod instructions;
mod libraries;
mod memory;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Case, Document, Measurement};
use crate::stats;

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

/// A rule by name.
pub struct Rule {
    /// As in [`Recommendation::rule`].
    pub name: &'static str,
    /// What it says of a document, or nothing.
    speak: fn(&Document) -> Option<Advice>,
}

/// Every rule.
pub static RULES: &[Rule] = &[
    Rule { name: "huge-pages", speak: memory::huge_pages },
    Rule { name: "memory-bound-threads", speak: memory::bandwidth_does_not_scale },
    Rule { name: "threads-above-quota", speak: conditions::threads_above_quota },
    Rule { name: "disturbed-host", speak: conditions::disturbed_host },
    Rule { name: "batch-size", speak: embedding::batch_knee },
    Rule { name: "sort-by-length", speak: embedding::padding_waste },
    Rule { name: "int8", speak: instructions::int8_is_worth_it },
    Rule { name: "library-dispatch", speak: libraries::dispatch },
    Rule { name: "library-choice", speak: libraries::choice },
    Rule { name: "widest-vectors", speak: instructions::widest_vectors },
    Rule { name: "vector-kernels", speak: instructions::vectors_over_plain },
];

/// What every rule says of a document, best effect first, those without a measured effect last.
#[must_use]
pub fn recommend(document: &Document) -> Vec<Recommendation> {
    let mut advice: Vec<Recommendation> =
        RULES.iter().filter_map(|rule| Some((rule.speak)(document)?.named(rule.name))).collect();
    let effect = |r: &Recommendation| r.expected_effect.unwrap_or(0.0);
    advice.sort_by(|a, b| effect(b).total_cmp(&effect(a)));
    advice
}

/// What a rule says.
struct Advice {
    action: String,
    why: String,
    evidence: Vec<Case>,
    effect: Effect,
}

/// How large, and how that is known.
enum Effect {
    /// Both ways were measured: a factor on speed.
    Measured(f64),
    /// A factor computed from measurements, in words.
    Computed(f64, &'static str),
    /// Not measured.
    Unknown,
}

impl Advice {
    fn named(self, rule: &str) -> Recommendation {
        let (expected_effect, effect_source) = match self.effect {
            Effect::Measured(factor) => (Some(factor), "measured".to_owned()),
            Effect::Computed(factor, how) => (Some(factor), format!("computed from {how}")),
            Effect::Unknown => (None, "not measured".to_owned()),
        };
        Recommendation {
            rule: rule.to_owned(),
            action: self.action,
            why: self.why,
            evidence: self.evidence,
            expected_effect,
            effect_source,
        }
    }
}

/// The median of a measurement's samples, which every document has.
fn median(measurement: &Measurement) -> f64 {
    stats::median(&measurement.seconds.samples).unwrap_or(f64::NAN)
}

/// `1.23x`.
fn factor(value: f64) -> String {
    format!("{}x", crate::units::significant(value, 3))
}
