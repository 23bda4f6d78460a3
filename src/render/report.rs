//! The formats of a report, and a folder with all that a person opens.

use std::io;
use std::path::{Path, PathBuf};

use super::figure::{self, Figure};
use super::page::{self, Extras};
use super::{csv, html, json, junit, markdown};
use crate::document::{Document, to_json, write_atomically};

/// What a format is written from: the first document is the one that verdicts speak of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The documents with their names.
    pub documents: &'a [(String, &'a Document)],
    /// What was computed beside the first.
    pub extras: Extras<'a>,
}

impl Source<'_> {
    /// What there is to say: of one document everything, of several a comparison of their figures.
    #[must_use]
    pub fn page(&self) -> page::Page {
        match self.documents {
            [(_, document)] => page::page(document, &self.extras),
            documents => page::side_by_side(documents),
        }
    }
}

/// A format that a report is written in.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name, as in the option that asks for it.
    pub name: &'static str,
    /// The usual ending of its files.
    pub extension: &'static str,
    /// Writes it.
    pub write: fn(&Source<'_>) -> io::Result<String>,
}

/// Every format. Adding one is a function and a row.
pub static FORMATS: &[Format] = &[
    Format { name: "html", extension: "html", write: write_html },
    Format { name: "markdown", extension: "md", write: |source| Ok(markdown::write(&source.page())) },
    Format { name: "csv", extension: "csv", write: |source| Ok(csv::write(source.documents)) },
    Format { name: "junit", extension: "xml", write: write_junit },
    Format { name: "json", extension: "json", write: write_json },
];

/// The format with this name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

fn write_html(source: &Source<'_>) -> io::Result<String> {
    let mut page = source.page();
    if let [(_, document)] = source.documents {
        page.sections.push(page::dashboard(document, &source.extras));
    }
    Ok(html::write(&page, &data(source)?.to_string()))
}

fn write_junit(source: &Source<'_>) -> io::Result<String> {
    let (_, document) = source.documents.first().ok_or_else(|| io::Error::other("no document"))?;
    Ok(junit::write(document, &source.extras))
}

fn write_json(source: &Source<'_>) -> io::Result<String> {
    Ok(to_json(&data(source)?)?)
}

/// One document as itself, several as a list.
fn data(source: &Source<'_>) -> io::Result<serde_json::Value> {
    let mut all = Vec::new();
    for (_, document) in source.documents {
        all.push(json::with_derived(document)?);
    }
    Ok(match <[serde_json::Value; 1]>::try_from(all) {
        Ok([only]) => only,
        Err(several) => serde_json::Value::Array(several),
    })
}

/// The pictures of a document that have something to show.
#[must_use]
pub fn figures(document: &Document) -> Vec<Figure> {
    let figures = [
        figure::roofline(document),
        figure::fractions(document),
        figure::speedups(document),
        figure::stages(document),
        figure::bandwidth(document),
        figure::latency(document),
        figure::throughput_by_batch(document),
        figure::throughput_by_sequence(document),
    ];
    figures.into_iter().filter(|figure| !figure.is_empty()).collect()
}

/// Writes each picture of a document to `folder` as PNG and SVG, each whole or not at all. Answers the paths written.
///
/// # Errors
/// When the folder or a file in it cannot be written; the error names it.
pub fn write_charts(document: &Document, folder: &Path) -> io::Result<Vec<PathBuf>> {
    make_folder(folder)?;
    let mut paths = Vec::new();
    for figure in figures(document) {
        let png = figure.to_png()?;
        let svg = figure.to_svg()?;
        for (extension, bytes) in [("png", png), ("svg", svg.into_bytes())] {
            paths.push(write_file(&folder.join(format!("{}.{extension}", figure.name)), &bytes)?);
        }
    }
    Ok(paths)
}

/// Writes `report.html` and the charts (`roofline`, `kernels`, `speedups`, `pipeline`, `bandwidth`, `latency` and others, each as
/// `.png` and `.svg`; a chart without data is left out) to `folder`, each whole or not at all. Answers the paths written.
///
/// # Errors
/// When the folder or a file in it cannot be written; the error names it.
pub fn write_all(document: &Document, extras: &Extras<'_>, folder: &Path) -> io::Result<Vec<PathBuf>> {
    make_folder(folder)?;
    let documents = [("results".to_owned(), document)];
    let page = write_html(&Source { documents: &documents, extras: *extras })?;
    let mut paths = vec![write_file(&folder.join("report.html"), page.as_bytes())?];
    paths.extend(write_charts(document, folder)?);
    Ok(paths)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| named(folder, &error))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    write_atomically(path, bytes).map_err(|error| named(path, &error))?;
    Ok(path.to_owned())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}
