//! `perfkit baseline`.

use std::path::PathBuf;

use serde_json::json;

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::document::{Document, read_document};
use crate::machine::{Source, detect};
use crate::render;
use crate::session::baseline::{list, path_of, root, store};
use crate::session::bench::{Request, Roofs, bench};
use crate::session::selection::Selection;
use crate::session::settings::{Settings, Suite, load_here};
use crate::session::{Beginning, random_seed};

/// Stored JSON baselines
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit baseline record ci              measure the suite `ci` and store it for this machine\n  perfkit baseline list\n  perfkit baseline show ci\n  perfkit baseline accept ci --from new.json --reason 'int8 path traded for accuracy'"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Measure a suite and store it as this machine's baseline
    Record {
        /// Name of the baseline
        name: String,
        /// Suite of perfkit.toml (default: the one of the baseline's name, else `ci`)
        #[arg(long)]
        suite: Option<String>,
        /// The seed of inputs and order (random without)
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Take a measured document as the baseline, and say why
    Accept {
        /// Name of the baseline
        name: String,
        /// The document
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Why the change is accepted; stored with the baseline
        #[arg(long)]
        reason: String,
    },
    /// Every stored baseline
    List,
    /// One of this machine's
    Show {
        /// Name of the baseline
        name: String,
    },
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let settings = load_here()?;
    match &args.action {
        Action::Record { name, suite, seed } => {
            record(name, suite.as_deref(), seed.unwrap_or_else(random_seed), &settings, context)
        }
        Action::Accept { name, from, reason } => accept(name, from, reason, &settings, context),
        Action::List => list_all(&settings, context),
        Action::Show { name } => show(name, &settings, context),
    }
}

fn suite_of<'a>(
    name: &str,
    asked: Option<&str>,
    settings: &'a Settings,
) -> anyhow::Result<(String, &'a Suite)> {
    let name = match asked {
        Some(suite) => suite,
        None if settings.suites.contains_key(name) => name,
        None => "ci",
    };
    Ok((name.to_owned(), settings.suite(name)?))
}

fn record(
    name: &str,
    suite: Option<&str>,
    seed: u64,
    settings: &Settings,
    context: &mut Context<'_>,
) -> anyhow::Result<Exit> {
    context.warn_if_unoptimised();
    let machine = detect(Source::Live);
    let path = path_of(&root(settings), &machine, name)?;
    let (suite_name, suite) = suite_of(name, suite, settings)?;
    let selection =
        Selection { filters: suite.cases.clone(), ..Selection::usual(&machine, suite.extensiveness) };
    let request = Request {
        selection,
        plan: suite.plan.clone(),
        roofs: Roofs::Selected,
        cpus: None,
        beginning: Beginning {
            command: format!("baseline record {name}"),
            suite: Some(suite_name),
            seed,
            journal: None,
        },
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = bench(&request, machine, &stop, &mut progress);
    progress.finish();
    let (document, arms) = answer?;
    if stop.requested() {
        context.note("interrupted: the baseline is left as it was");
        return Ok(Exit::Interrupted);
    }
    if !document.run.optimised {
        context.note("an unoptimised build records no baseline");
        return Ok(Exit::Unfit);
    }
    let cases = document.measured().count();
    store(&path, document, arms, None)?;
    told(context, &path, &format!("{cases} cases recorded"))
}

fn accept(
    name: &str,
    from: &std::path::Path,
    reason: &str,
    settings: &Settings,
    context: &mut Context<'_>,
) -> anyhow::Result<Exit> {
    anyhow::ensure!(!reason.trim().is_empty(), "--reason is empty: say why the change is accepted");
    let document = read_document(from)?;
    if !document.run.optimised {
        context.note("an unoptimised build's document is no baseline");
        return Ok(Exit::Unfit);
    }
    let path = path_of(&root(settings), &document.machine, name)?;
    store(&path, document, Vec::new(), Some(reason.to_owned()))?;
    told(context, &path, "accepted")
}

fn told(context: &mut Context<'_>, path: &std::path::Path, what: &str) -> anyhow::Result<Exit> {
    if context.json {
        let shown = path.iter().rev().take(3).collect::<Vec<_>>();
        let shown: PathBuf = shown.into_iter().rev().collect();
        writeln!(
            context.out,
            "{}",
            json!({ "schema": "perfkit.baseline-change/1", "path": shown, "what": what })
        )?;
    } else {
        writeln!(context.out, "{}: {what}", path.display())?;
    }
    Ok(Exit::Fine)
}

fn list_all(settings: &Settings, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let stored = list(&root(settings))?;
    if context.json {
        let rows: Vec<_> = stored
            .iter()
            .map(|s| match &s.document {
                Ok(d) => json!({ "machine": s.machine, "name": s.name, "started": d.run.started, "cases": d.measured().count(), "problem": null }),
                Err(why) => json!({ "machine": s.machine, "name": s.name, "started": null, "cases": null, "problem": why }),
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
        let about = match &s.document {
            Ok(d) => format!("{} cases, {}, {}", d.measured().count(), d.run.started, d.run.tool),
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
