//! What `--json` adds to the stored facts, and the document of a comparison.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::facts::{Facts, texts_per_second, tokens_per_second};
use crate::analysis::engines::engine_ratios;
use crate::analysis::peers::findings;
use crate::analysis::roofline::Placement;
use crate::document::{Case, Document, Measurement, Outcome};
use crate::stats::{self, Summary};

/// `perfkit.comparison/1`.
pub use crate::analysis::compare::ComparisonReport as ComparisonDocument;

/// The document with a `derived` object beside each measured outcome, and what follows of the libraries of others under
/// `peers` and of embedding engines under `engines`: what is computed when printed and never stored.
///
/// # Errors
/// When a value cannot be written as JSON, which no document of ours holds.
pub fn with_derived(document: &Document) -> serde_json::Result<Value> {
    let facts = Facts::of(document);
    let placements: HashMap<&Case, &Placement> = facts.placements.iter().map(|p| (&p.case, p)).collect();
    let mut value = serde_json::to_value(document)?;
    if let Some(outcomes) = value.get_mut("outcomes").and_then(Value::as_array_mut) {
        for (written, outcome) in outcomes.iter_mut().zip(&document.outcomes) {
            let (Outcome::Measured(measurement), Some(object)) = (outcome, written.as_object_mut()) else {
                continue;
            };
            let derived = derived(measurement, placements.get(&measurement.case).copied());
            object.insert("derived".to_owned(), Value::Object(derived));
        }
    }
    let findings = findings(document);
    if let Some(object) = value.as_object_mut().filter(|_| !findings.is_empty()) {
        object.insert("peers".to_owned(), serde_json::to_value(findings)?);
    }
    let engines = engine_ratios(document);
    if let Some(object) = value.as_object_mut().filter(|_| !engines.is_empty()) {
        object.insert("engines".to_owned(), serde_json::to_value(engines)?);
    }
    Ok(value)
}

fn derived(measurement: &Measurement, placement: Option<&Placement>) -> Map<String, Value> {
    let mut out = Map::new();
    let mut say = |name: &str, value: Value| out.insert(name.to_owned(), value);
    let time = Summary::of(&measurement.seconds.samples);
    say("median_seconds", json!(time.map(|t| t.median)));
    say("low_seconds", json!(time.map(|t| t.low)));
    say("high_seconds", json!(time.map(|t| t.high)));
    let rate = |count: f64| time.filter(|_| count > 0.0).map(|t| count / t.median);
    say("flops_per_second", json!(rate(measurement.cost.flops)));
    say("bytes_per_second", json!(rate(measurement.cost.core_bytes)));
    say("intensity", json!(measurement.cost.intensity()));
    if let Some(placement) = placement {
        let ceiling = placement.ceiling.as_ref().map(
            |ceiling| json!({ "name": ceiling.name, "case": ceiling.case, "per_second": ceiling.per_second }),
        );
        say("ceiling", json!(ceiling));
        say("attainable_per_second", json!(placement.attainable));
        say("fraction_of_roof", json!(placement.fraction.as_ref().ok()));
        if let Err(why) = &placement.fraction {
            say("unknown", json!([{ "field": "fraction_of_roof", "reason": why }]));
        }
        let speedup = placement.speedup_over_plain.map(|factor| json!({ "factor": factor, "base": "plain" }));
        say("speedup", json!(speedup));
    }
    if measurement.texts.is_some() {
        say("texts_per_second", json!(texts_per_second(measurement)));
        say("tokens_per_second", json!(tokens_per_second(measurement)));
    }
    if let Some(latency) = &measurement.latency {
        let sorted = stats::sorted(&latency.calls);
        let quantiles = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];
        let object: Map<String, Value> =
            quantiles.iter().map(|&(name, q)| (name.to_owned(), quantile(&sorted, q))).collect();
        say("latency", Value::Object(object));
    }
    out
}

/// A quantile with its interval, or `null` seconds with the number of calls that would be needed.
fn quantile(sorted: &[f64], q: f64) -> Value {
    match (stats::quantile_of_sorted(sorted, q), stats::quantile_interval(sorted, q, 0.95)) {
        (Some(seconds), Some((low, high))) => {
            json!({ "seconds": seconds, "low_seconds": low, "high_seconds": high })
        }
        (Some(_) | None, _) => {
            json!({ "seconds": null, "calls_needed": stats::samples_needed(q, 0.95), "calls": sorted.len() })
        }
    }
}
