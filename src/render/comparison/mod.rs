//! The formats of a verdict: for programs, for a pull request, for what a pipeline shows.
//!
//! All are written from one [`ComparisonReport`], and whether something *fails* is the exit code's business alone: no
//! format calls a run failed that the command let pass.

mod comment;
mod github;
pub(super) mod junit;
#[cfg(test)]
mod tests;

use std::io;

use super::{html, page};
use crate::analysis::compare::ComparisonReport;
use crate::document::to_json;

/// A format that a comparison is written in.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonFormat {
    /// Its name, as in the option that asks for it.
    pub name: &'static str,
    /// The usual ending of its files.
    pub extension: &'static str,
    /// Writes it.
    pub write: fn(&ComparisonReport) -> io::Result<String>,
}

/// Every format. Adding one is a function and a row.
pub static FORMATS: &[ComparisonFormat] = &[
    ComparisonFormat { name: "json", extension: "json", write: |report| Ok(to_json(report)?) },
    // A comment on a pull or merge request; its first line lets a program find it again.
    ComparisonFormat { name: "markdown", extension: "md", write: |report| Ok(comment::comment(report)) },
    ComparisonFormat { name: "junit", extension: "xml", write: |report| Ok(junit::write(report)) },
    // Workflow commands of GitHub Actions, for standard output.
    ComparisonFormat { name: "github", extension: "txt", write: |report| Ok(github::annotations(report)) },
    // The page of a job, for the file that GITHUB_STEP_SUMMARY names.
    ComparisonFormat { name: "summary", extension: "md", write: |report| Ok(comment::summary(report)) },
    ComparisonFormat { name: "html", extension: "html", write: write_html },
];

/// The format with this name.
#[must_use]
pub fn format(name: &str) -> Option<&'static ComparisonFormat> {
    FORMATS.iter().find(|format| format.name == name)
}

fn write_html(report: &ComparisonReport) -> io::Result<String> {
    Ok(html::write(&page::comparison_page(report), &to_json(report)?))
}

/// What the exit code means for a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// It passes.
    Open,
    /// Nothing was shown either way.
    Undecided,
    /// It fails: a regression or a broken budget.
    Shut,
    /// There is no verdict at all.
    Void,
}

impl Gate {
    const fn of(report: &ComparisonReport) -> Self {
        match report.exit_code {
            0 => Self::Open,
            1 => Self::Shut,
            3 => Self::Undecided,
            _ => Self::Void,
        }
    }
}
