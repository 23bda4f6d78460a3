//! `perfkit recommend`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Context, Exit};
use crate::analysis::recommend::recommend;
use crate::document::read_document;
use crate::render;

/// Where `run` leaves its document.
pub(super) const LATEST: &str = "reports/latest/results.json";

/// Advice, each with the measured facts behind it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit recommend                       from the last `perfkit run`\n  perfkit recommend --from results.json --json"
)]
pub(super) struct Args {
    /// A document measured before (default: the last run's, reports/latest/results.json)
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let path = args.from.as_deref().unwrap_or(Path::new(LATEST));
    anyhow::ensure!(
        args.from.is_some() || path.is_file(),
        "there is no {LATEST}: measure with `perfkit run --quick` first, or name a document with --from"
    );
    let document = read_document(path)?;
    let advice = recommend(&document);
    if context.json {
        let printed = json!({
            "schema": "perfkit.recommendations/1",
            "run": document.run.id,
            "recommendations": advice,
        });
        writeln!(context.out, "{}", serde_json::to_string_pretty(&printed)?)?;
    } else if advice.is_empty() {
        writeln!(context.out, "no rule has anything to say about these measurements")?;
    } else {
        write!(
            context.out,
            "{}",
            render::terminal::recommendations(&advice, context.color, super::output::width())
        )?;
    }
    Ok(Exit::Fine)
}
