//! `perfkit regress`.

use std::path::{Path, PathBuf};

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::analysis::budget;
use crate::analysis::compare::{ComparisonReport, Decision, Margin, Refusal, compare};
use crate::document::{Conditions, Document, Run, read_document};
use crate::machine::{Source, detect};
use crate::render;
use crate::session::baseline::{path_of, root};
use crate::session::regress::measure_again;
use crate::session::settings::{Settings, load_here};

/// Judge a candidate against a baseline
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit regress --baseline ci                          measure the baseline's cases again, and judge\n  perfkit regress --baseline old.json --candidate new.json\n  perfkit regress --baseline ci --max-regression 0.1 --json\n\nExit codes: 0 no regression, 1 slower (or a broken budget that is enforced), 3 inconclusive, 4 unoptimised build,\n5 no baseline or another machine's."
)]
pub(super) struct Args {
    /// A document, or the name of a stored baseline of this machine
    #[arg(long, value_name = "FILE|NAME")]
    baseline: String,
    /// The document to judge; without it the baseline's cases are measured now
    #[arg(long, value_name = "FILE")]
    candidate: Option<PathBuf>,
    /// The largest slowdown that is tolerated, as a share (default: perfkit.toml's, 0.05)
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    max_regression: Option<f64>,
    /// Compare documents of different machines; the verdict is then advisory (exit 0 or 3)
    #[arg(long)]
    allow_mismatch: bool,
    /// Fail (exit 1) when a budget of perfkit.toml is broken
    #[arg(long)]
    enforce_budgets: bool,
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=10.0).contains(&share) => Ok(share),
        _ => Err("a share between 0 and 10, such as 0.05".to_owned()),
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let settings = load_here()?;
    let margin = args.max_regression.map_or_else(|| settings.margin(), Margin::around);
    let Some(path) = baseline_path(&args.baseline, &settings)? else {
        return no_baseline(&args.baseline, margin, context);
    };
    let baseline = read_document(&path)?;
    let candidate = match &args.candidate {
        Some(path) => read_document(path)?,
        None => match refused_beforehand(&baseline, args.allow_mismatch) {
            Some(document) => document,
            None => {
                let stop = stop_on_interrupt();
                let mut progress = Progress::new(context);
                let answer = measure_again(&baseline, detect(Source::Live), margin, &stop, &mut progress);
                progress.finish();
                let document = answer?;
                if stop.requested() {
                    return Ok(Exit::Interrupted);
                }
                document
            }
        },
    };
    let comparison = compare(&baseline, &candidate, margin);
    let advisory = args.allow_mismatch && matches!(comparison.refused, Some(Refusal::OtherMachine(_)));
    let budgets = budget::judge(&candidate, &settings.budgets);
    let broken = args.enforce_budgets && budget::any_broken(&budgets);
    let decision = Decision::of(&comparison, advisory, broken);
    let mut report = ComparisonReport::new(&comparison, margin, budgets, decision, advisory);
    report.notes.extend(candidate.conditions.notes.iter().cloned());
    print(&report, context)?;
    Ok(exit(decision))
}

fn no_baseline(name: &str, margin: Margin, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let why = if names_a_file(name) {
        format!("there is no file {name}; `perfkit bench --out {name}` makes one")
    } else {
        format!("no baseline {name:?} of this machine; `perfkit baseline record {name}` makes one")
    };
    if context.json {
        let report = ComparisonReport::without_baseline(&why, margin);
        writeln!(context.out, "{}", serde_json::to_string_pretty(&report)?)?;
    }
    context.note(&why);
    Ok(Exit::NoBaseline)
}

/// An empty candidate of this machine and build, where comparing it would be refused anyway: then nothing is measured.
fn refused_beforehand(baseline: &Document, allow_mismatch: bool) -> Option<Document> {
    let machine = detect(Source::Live);
    let here = Document {
        schema: Document::SCHEMA.to_owned(),
        run: Run { optimised: !cfg!(debug_assertions), ..Run::default() },
        machine,
        conditions: Conditions::default(),
        outcomes: Vec::new(),
    };
    let other_machine = here.machine.fingerprint != baseline.machine.fingerprint && !allow_mismatch;
    (other_machine || !here.run.optimised || !baseline.run.optimised).then_some(here)
}

fn exit(decision: Decision) -> Exit {
    match decision {
        Decision::Failed => Exit::Usage,
        Decision::Unfit => Exit::Unfit,
        Decision::NoBaseline => Exit::NoBaseline,
        Decision::Regression => Exit::Regression,
        Decision::Inconclusive => Exit::Inconclusive,
        Decision::Fine => Exit::Fine,
    }
}

/// A file where there is one of that name, else the stored baseline of this machine, else nothing.
fn baseline_path(text: &str, settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let file = Path::new(text);
    if file.is_file() || names_a_file(text) {
        return Ok(file.exists().then(|| file.to_path_buf()));
    }
    let path = path_of(&root(settings), &detect(Source::Live), text)?;
    Ok(path.is_file().then_some(path))
}

fn names_a_file(text: &str) -> bool {
    text.contains(['/', '.'])
}

fn print(report: &ComparisonReport, context: &mut Context<'_>) -> anyhow::Result<()> {
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    let text = render::terminal::comparison(report, context.color, super::output::width());
    write!(context.out, "{text}")?;
    Ok(())
}
