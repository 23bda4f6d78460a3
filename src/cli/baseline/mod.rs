//! `perfkit baseline`: what is recorded, accepted, listed and looked back on.

mod history;
mod record;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Context, Exit};
use crate::document::{Document, read_baseline, read_document};
use crate::machine::{Source, detect};
use crate::render;
use crate::session::baseline::{list, lock, path_of, root, store_again};
use crate::session::settings::{Settings, load_here};

/// Stored JSON baselines
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit baseline record ci              measure the suite `ci` in five runs and store it for this machine\n  perfkit baseline record ci --runs 8 --spread 60s\n  perfkit baseline list\n  perfkit baseline show ci\n  perfkit baseline accept ci --from new.json --reason 'int8 path traded for accuracy'\n  perfkit baseline history --case 'matmul/*'\n\nExit codes: 0 stored or shown, 1 a case got slower and no --reason says why, 2 bad input, 4 unoptimised build,\n5 no such baseline."
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Measure a suite in several runs and store it as this machine's baseline
    Record(record::Args),
    /// Take a measured document, or a baseline stored elsewhere, as the baseline, and say why
    Accept {
        /// Name of the baseline
        name: String,
        /// The document
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Why the change is accepted; stored with the baseline
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Every stored baseline
    List,
    /// One of this machine's
    Show {
        /// Name of the baseline
        name: String,
    },
    /// A folder of baselines over time, and where the level of a case changed
    History(history::Args),
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let settings = load_here()?;
    match &args.action {
        Action::Record(args) => record::run(args, &settings, context),
        Action::Accept { name, from, reason } => accept(name, from, reason, &settings, context),
        Action::List => list_all(&settings, context),
        Action::Show { name } => show(name, &settings, context),
        Action::History(args) => history::run(args, &settings, context),
    }
}

fn accept(
    name: &str,
    from: &Path,
    reason: &str,
    settings: &Settings,
    context: &mut Context<'_>,
) -> anyhow::Result<Exit> {
    anyhow::ensure!(!reason.trim().is_empty(), "--reason is empty: say why the change is accepted");
    let mut baseline = read_baseline(from)?;
    if !baseline.document.run.optimised {
        context.note("an unoptimised build's document is no baseline");
        return Ok(Exit::Unfit);
    }
    baseline.reason = Some(reason.to_owned());
    let path = path_of(&root(settings), &baseline.document.machine, name)?;
    let _lock = lock(&path)?;
    let bytes = store_again(&path, &baseline, from)?;
    let runs = baseline.runs.len();
    told(context, &path, bytes, &format!("accepted, {runs} runs"), json!({}))
}

/// Says what became of the file at `path`; `more` goes into the JSON.
fn told(
    context: &mut Context<'_>,
    path: &Path,
    bytes: usize,
    what: &str,
    more: serde_json::Value,
) -> anyhow::Result<Exit> {
    if context.json {
        let shown = path.iter().rev().take(3).collect::<Vec<_>>();
        let shown: PathBuf = shown.into_iter().rev().collect();
        let mut printed = json!({ "schema": "perfkit.baseline-change/1", "path": shown, "what": what, "size_bytes": bytes });
        if let (Some(printed), serde_json::Value::Object(more)) = (printed.as_object_mut(), more) {
            printed.extend(more);
        }
        writeln!(context.out, "{}", serde_json::to_string_pretty(&printed)?)?;
    } else {
        let size = crate::units::bytes(bytes as u64);
        writeln!(context.out, "{}: {what}, {size}", path.display())?;
    }
    Ok(Exit::Fine)
}

fn list_all(settings: &Settings, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let stored = list(&root(settings))?;
    if context.json {
        let rows: Vec<_> = stored
            .iter()
            .map(|s| match &s.baseline {
                Ok(b) => json!({ "machine": s.machine, "name": s.name, "started": b.document.run.started, "cases": b.document.measured().count(), "runs": b.runs.len(), "problem": null }),
                Err(why) => json!({ "machine": s.machine, "name": s.name, "started": null, "cases": null, "runs": null, "problem": why }),
            })
            .collect();
        let printed = json!({ "schema": "perfkit.baselines/1", "baselines": rows });
        writeln!(context.out, "{}", serde_json::to_string_pretty(&printed)?)?;
        return Ok(Exit::Fine);
    }
    if stored.is_empty() {
        writeln!(context.out, "no baseline is stored; `perfkit baseline record ci` makes one")?;
    }
    for s in stored {
        let about = match &s.baseline {
            Ok(b) => {
                let run = &b.document.run;
                let cases = b.document.measured().count();
                format!("{cases} cases, {} runs, {}, {}", b.runs.len(), run.started, run.tool)
            }
            Err(why) => format!("unreadable: {why}"),
        };
        writeln!(context.out, "{}/{}: {about}", s.machine, s.name)?;
    }
    Ok(Exit::Fine)
}

fn show(name: &str, settings: &Settings, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let path = path_of(&root(settings), &detect(Source::Live), name)?;
    if !path.is_file() {
        context.note(&format!(
            "no baseline {name:?} of this machine; `perfkit baseline record {name}` makes one"
        ));
        return Ok(Exit::NoBaseline);
    }
    let document: Document = read_document(&path)?;
    if context.json {
        let text = serde_json::to_string_pretty(&render::json::with_derived(&document)?)?;
        writeln!(context.out, "{text}")?;
    } else {
        write!(
            context.out,
            "{}",
            render::terminal::kernels(&document, context.color, super::output::width())
        )?;
    }
    Ok(Exit::Fine)
}
