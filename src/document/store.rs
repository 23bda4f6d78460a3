//! Reading documents and putting them into words: schema steps, limits.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::{Baseline, Document, SamplesDocument, Tuning, checked, strict};

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
    #[error("{path} is not a perfkit {kind} document: {why}")]
    Invalid {
        /// Which file.
        path: String,
        /// What it was read as: `results`, `tuning`, `samples`, `trace`.
        kind: &'static str,
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

impl ReadError {
    /// The sentence without the path, for documents that name files in their own way.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Io { cause, .. } => format!("cannot be read: {cause}"),
            Self::Invalid { kind, why, .. } => format!("is not a perfkit {kind} document: {why}"),
            Self::Newer { schema, known, .. } => {
                format!("has schema {schema}; this perfkit reads {known} and older: use a newer perfkit")
            }
        }
    }
}

/// Reads a results document.
///
/// # Errors
/// It cannot be read, is no such document, or a newer perfkit wrote it.
pub fn read_document(path: &Path) -> Result<Document, ReadError> {
    let value = read_value(path)?;
    let document: Document =
        serde_json::from_value(value).map_err(|e| invalid(path, Document::SCHEMA, e.to_string()))?;
    checked::document(&document).map_err(|why| invalid(path, Document::SCHEMA, why))?;
    Ok(document)
}

/// Reads a search over settings.
///
/// # Errors
/// It cannot be read, is no such document, or a newer perfkit wrote it.
pub fn read_tuning(path: &Path) -> Result<Tuning, ReadError> {
    let value = read_value_of(path, Tuning::SCHEMA)?;
    serde_json::from_value(value).map_err(|e| invalid(path, Tuning::SCHEMA, e.to_string()))
}

/// Reads a baseline: a results document, with its runs where it has any. What a hand has changed in it is refused where
/// the parts no longer fit each other.
///
/// # Errors
/// It cannot be read, is no such document, or a newer perfkit wrote it.
pub fn read_baseline(path: &Path) -> Result<Baseline, ReadError> {
    let value = read_value(path)?;
    let mut baseline: Baseline =
        serde_json::from_value(value).map_err(|e| invalid(path, Document::SCHEMA, e.to_string()))?;
    checked::document(&baseline.document).map_err(|why| invalid(path, Document::SCHEMA, why))?;
    checked::baseline(&baseline).map_err(|why| invalid(path, Document::SCHEMA, why))?;
    checked::fill_causes(&mut baseline.runs);
    Ok(baseline)
}

/// The JSON of a file of schema `perfkit.results/1`.
fn read_value(path: &Path) -> Result<serde_json::Value, ReadError> {
    read_value_of(path, Document::SCHEMA)
}

/// The JSON of a file of a schema of version 1.
fn read_value_of(path: &Path, known: &'static str) -> Result<serde_json::Value, ReadError> {
    let mut text = String::new();
    open(path, known)?.read_to_string(&mut text).map_err(|cause| io_error(path, cause))?;
    let value = strict::value(&text).map_err(|e| invalid(path, known, e.to_string()))?;
    let schema = value.get("schema").and_then(|s| s.as_str()).unwrap_or_default().to_owned();
    let kind = known.trim_end_matches(|c: char| c.is_ascii_digit());
    match schema.strip_prefix(kind).map(str::parse::<u32>) {
        Some(Ok(1)) => Ok(value),
        Some(Ok(2..)) => Err(ReadError::Newer { path: shown(path), schema, known }),
        _ => Err(invalid(path, known, format!("its schema is {schema:?}, wanted {known:?}"))),
    }
}

/// A regular file that is not larger than any document.
fn open(path: &Path, schema: &'static str) -> Result<fs::File, ReadError> {
    let metadata = fs::metadata(path).map_err(|cause| io_error(path, cause))?;
    if !metadata.is_file() {
        // A named pipe would be waited for without end.
        return Err(invalid(path, schema, "it is no regular file".to_owned()));
    }
    if metadata.len() > LIMIT_BYTES {
        return Err(invalid(
            path,
            schema,
            format!("{} bytes are more than any document has", metadata.len()),
        ));
    }
    fs::File::open(path).map_err(|cause| io_error(path, cause))
}

/// Reads the compressed samples beside a baseline.
///
/// # Errors
/// They cannot be read, or are not what they should be.
pub fn read_samples(path: &Path) -> Result<SamplesDocument, ReadError> {
    let mut text = String::new();
    // A small file may unpack to any size.
    let mut unpacked = GzDecoder::new(open(path, SamplesDocument::SCHEMA)?).take(LIMIT_BYTES);
    unpacked.read_to_string(&mut text).map_err(|cause| io_error(path, cause))?;
    let value = strict::value(&text).map_err(|e| invalid(path, SamplesDocument::SCHEMA, e.to_string()))?;
    let mut samples: SamplesDocument =
        serde_json::from_value(value).map_err(|e| invalid(path, SamplesDocument::SCHEMA, e.to_string()))?;
    if samples.schema != SamplesDocument::SCHEMA {
        let schema: String = samples.schema.chars().take(60).collect();
        return Err(invalid(
            path,
            SamplesDocument::SCHEMA,
            format!("its schema is {schema:?}, wanted {:?}", SamplesDocument::SCHEMA),
        ));
    }
    samples
        .runs
        .iter()
        .try_for_each(checked::run)
        .map_err(|why| invalid(path, SamplesDocument::SCHEMA, why))?;
    checked::fill_causes(&mut samples.runs);
    Ok(samples)
}

/// A value as compressed JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn to_compressed_json<T: Serialize>(value: &T) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut packed, value)?;
    packed.finish()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn io_error(path: &Path, cause: std::io::Error) -> ReadError {
    ReadError::Io { path: shown(path), cause }
}

/// Words out of the file may be as long as it is, and hold what a terminal obeys.
fn invalid(path: &Path, schema: &'static str, why: String) -> ReadError {
    let why = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    ReadError::Invalid { path: shown(path), kind: kind_of(schema), why }
}

/// `results` of `perfkit.results/1`.
pub(super) fn kind_of(schema: &'static str) -> &'static str {
    schema.split(['.', '/']).nth(1).unwrap_or(schema)
}

/// Pretty JSON with a newline at the end.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}

/// JSON on one line with a newline at the end: for files that people do not read.
pub fn to_json_line<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| text + "\n")
}

/// The JSON Schema of a document type.
#[must_use]
pub fn schema_of<T: schemars::JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}
