//! A comparison, in every form that was asked for.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::analysis::compare::ComparisonReport;
use crate::cli::Context;
use crate::document::write_atomically;
use crate::render::comparison::format;
use crate::render::terminal;

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
    // To the terminal first: a folder that cannot be written must not lose what was measured.
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(report)?)?;
    } else {
        let text = terminal::comparison(report, context.color, crate::cli::output::width());
        context.out.write_all(text.as_bytes())?;
    }
    if output.github {
        github(report, context)?;
    }
    for (name, path) in [("markdown", &output.markdown), ("junit", &output.junit), ("html", &output.html)] {
        let Some(path) = path else { continue };
        write_atomically(path, written(name, report)?.as_bytes()).with_context(|| {
            format!("cannot write {}: choose a folder that exists and is writable", path.display())
        })?;
        context.note(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// Annotations are lines of standard output that GitHub obeys; with `--json` that holds one document and nothing else.
fn github(report: &ComparisonReport, context: &mut Context<'_>) -> anyhow::Result<()> {
    if !context.json {
        context.out.write_all(written("github", report)?.as_bytes())?;
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(Path::new(&path));
    let mut file = file.context("cannot write the job summary that GITHUB_STEP_SUMMARY names")?;
    file.write_all(written("summary", report)?.as_bytes()).context("cannot write the job summary")
}

fn written(name: &str, report: &ComparisonReport) -> anyhow::Result<String> {
    let format = format(name).with_context(|| format!("no format {name}"))?;
    Ok((format.write)(report)?)
}
