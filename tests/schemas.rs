//! The JSON Schemas under `schemas/` are what the types say.

use perfkit::analysis::analytic::Analytic;
use perfkit::analysis::history::History;
use perfkit::document::{
    Baseline, Document, Machine, MachineComparison, SamplesDocument, Selftest, Trace, Tuning, schema_of,
    to_json,
};
use perfkit::render::json::ComparisonDocument;

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut stale = Vec::new();
    for (name, schema) in [
        ("machine", schema_of::<Machine>()),
        ("machine-comparison", schema_of::<MachineComparison>()),
        ("results", schema_of::<Document>()),
        ("baseline", schema_of::<Baseline>()),
        ("samples", schema_of::<SamplesDocument>()),
        ("history", schema_of::<History>()),
        ("comparison", schema_of::<ComparisonDocument>()),
        ("selftest", schema_of::<Selftest>()),
        ("analytic", schema_of::<Analytic>()),
        ("trace", schema_of::<Trace>()),
        ("tuning", schema_of::<Tuning>()),
    ] {
        let path = folder.join(format!("perfkit.{name}.1.json"));
        let text = to_json(&schema).unwrap();
        if update {
            std::fs::write(&path, &text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(path.display().to_string());
        }
    }
    assert!(stale.is_empty(), "run `UPDATE_SCHEMAS=1 cargo test --test schemas`: {stale:?}");
}
