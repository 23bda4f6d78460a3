//! Reading and writing documents: schema steps, whole files or none.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::Document;

/// Files beyond this are not read: no document of ours is that large.
const LIMIT_BYTES: u64 = 256 << 20;

/// A document that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot read {path}: {cause}")]
    Io {
        /// Which file.
        path: String,
        /// Why; part of the sentence already, so not its source.
        cause: std::io::Error,
    },
    /// It is not a document of ours.
    #[error("{path} is not a perfkit results document: {why}")]
    Invalid {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// A newer perfkit wrote it.
    #[error("{path} has schema {schema}; this perfkit reads {known} and older: use a newer perfkit")]
    Newer {
        /// Which file.
        path: String,
        /// What it says.
        schema: String,
        /// What we read.
        known: &'static str,
    },
}

/// Reads a results document.
pub fn read_document(path: &Path) -> Result<Document, ReadError> {
    let shown = path.display().to_string();
    let io = |cause| ReadError::Io { path: shown.clone(), cause };
    let metadata = fs::metadata(path).map_err(io)?;
    let invalid = |why: String| ReadError::Invalid { path: shown.clone(), why };
    if metadata.len() > LIMIT_BYTES {
        return Err(invalid(format!("{} bytes are more than any document has", metadata.len())));
    }
    let text = fs::read_to_string(path).map_err(io)?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| invalid(e.to_string()))?;
    let schema = value.get("schema").and_then(|s| s.as_str()).unwrap_or_default().to_owned();
    match schema.strip_prefix("perfkit.results/").map(str::parse::<u32>) {
        Some(Ok(1)) => {}
        Some(Ok(2..)) => {
            return Err(ReadError::Newer { path: shown.clone(), schema, known: Document::SCHEMA });
        }
        _ => return Err(invalid(format!("its schema is {schema:?}, wanted {:?}", Document::SCHEMA))),
    }
    let document: Document = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
    for measurement in document.measured() {
        let bad = |x: &f64| !x.is_finite() || *x <= 0.0;
        if measurement.seconds.samples.is_empty() || measurement.seconds.samples.iter().any(bad) {
            return Err(invalid(format!(
                "{} has a sample that is not a positive number, or none",
                measurement.case
            )));
        }
    }
    Ok(document)
}

/// Pretty JSON with a newline at the end.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}

/// JSON on one line with a newline at the end: for files that people do not read.
pub fn to_json_line<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| text + "\n")
}

/// Writes a file whole or not at all: to a temporary file beside it, then renamed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().ok_or_else(|| std::io::Error::other("the path names no file"))?;
    let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// The JSON Schema of a document type.
#[must_use]
pub fn schema_of<T: schemars::JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}
