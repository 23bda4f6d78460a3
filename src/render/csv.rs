//! One row a case, with the figures that `--json` derives, for spreadsheets.

use super::facts::Facts;
use crate::document::{Document, Origin, Outcome};

const COLUMNS: [&str; 19] = [
    "document",
    "case",
    "family",
    "origin",
    "outcome",
    "samples",
    "median_seconds",
    "low_seconds",
    "high_seconds",
    "flops",
    "core_bytes",
    "flops_per_second",
    "bytes_per_second",
    "intensity",
    "ceiling",
    "fraction_of_roof",
    "speedup_over_plain",
    "texts_per_second",
    "why",
];

/// Writes the cases of named documents.
#[must_use]
pub(super) fn write(documents: &[(String, &Document)]) -> String {
    let mut out = COLUMNS.join(",") + "\n";
    for (name, document) in documents {
        let facts = Facts::of(document);
        for outcome in &document.outcomes {
            let cells: Vec<String> = row(name, &facts, outcome).iter().map(|text| quote(text)).collect();
            out.push_str(&cells.join(","));
            out.push('\n');
        }
    }
    out
}

fn row(name: &str, facts: &Facts<'_>, outcome: &Outcome) -> [String; 19] {
    let case = outcome.case();
    let number =
        |value: Option<f64>| value.filter(|v| v.is_finite()).map(|v| format!("{v}")).unwrap_or_default();
    let (word, origin, why) = match outcome {
        Outcome::Measured(measurement) => ("measured", measurement.origin, ""),
        Outcome::Skipped(omission) => ("skipped", omission.origin, &*omission.why),
        Outcome::Failed(omission) => ("failed", omission.origin, &*omission.why),
    };
    let origin = match origin {
        Origin::Perfkit => "perfkit",
        Origin::Peer => "peer",
        Origin::Worker => "worker",
    };
    let time = facts.time(case);
    let measurement = facts.measurement(case);
    let placement = facts.placements.iter().find(|placement| placement.case == *case);
    [
        name.to_owned(),
        case.to_string(),
        case.family().to_owned(),
        origin.to_owned(),
        word.to_owned(),
        time.map(|t| t.count.to_string()).unwrap_or_default(),
        number(time.map(|t| t.median)),
        number(time.map(|t| t.low)),
        number(time.map(|t| t.high)),
        number(measurement.map(|m| m.cost.flops)),
        number(measurement.map(|m| m.cost.core_bytes)),
        number(placement.and_then(|p| p.flops_per_second)),
        number(placement.and_then(|p| p.bytes_per_second)),
        number(placement.and_then(|p| p.intensity)),
        placement.and_then(|p| p.ceiling.as_ref()).map(|c| c.name.clone()).unwrap_or_default(),
        number(placement.and_then(|p| p.fraction.as_ref().ok().copied())),
        number(placement.and_then(|p| p.speedup_over_plain)),
        number(measurement.and_then(super::facts::texts_per_second)),
        why.to_owned(),
    ]
}

/// A cell after RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe before it.
fn quote(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '@', '-', '\t', '\r']) && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
