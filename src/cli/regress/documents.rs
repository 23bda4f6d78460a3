//! Against a document, or a stored baseline.

use std::path::{Path, PathBuf};

use super::{Answer, Args};
use crate::analysis::budget;
use crate::analysis::compare::{ComparisonReport, Decision, Margin, Refusal, compare};
use crate::cli::Context;
use crate::cli::progress::{Progress, stop_on_interrupt};
use crate::document::{Conditions, Document, Run, read_baseline, read_document};
use crate::machine::{Source, detect};
use crate::session::baseline::{path_of, root};
use crate::session::regress::measure_again;
use crate::session::settings::Settings;

/// Judges a document, or new measurements, against a baseline by name or file.
pub(super) fn run(
    baseline: &str,
    args: &Args,
    settings: &Settings,
    context: &mut Context<'_>,
) -> anyhow::Result<Answer> {
    let margin = args.margin_of_one_run(settings);
    let Some(path) = baseline_path(baseline, settings)? else {
        return Ok(no_baseline(baseline, margin, context));
    };
    let baseline = read_baseline(&path)?;
    if args.candidate.is_none() && baseline.has_run_level_values() {
        return super::stored::run(&baseline, args, settings, context);
    }
    let baseline = baseline.document;
    let candidate = match &args.candidate {
        Some(path) => read_document(Path::new(path))?,
        None => match refused_beforehand(&baseline, args.allow_mismatch) {
            Some(document) => document,
            None => {
                let stop = stop_on_interrupt();
                let mut progress = Progress::new(context);
                let answer = measure_again(&baseline, detect(Source::Live), margin, &stop, &mut progress);
                progress.finish();
                let document = answer?;
                if stop.requested() {
                    let report = judged(&baseline, &document, margin, args, settings);
                    return Ok(Answer { report, interrupted: true });
                }
                document
            }
        },
    };
    Ok(judged(&baseline, &candidate, margin, args, settings).into())
}

fn judged(
    baseline: &Document,
    candidate: &Document,
    margin: Margin,
    args: &Args,
    settings: &Settings,
) -> ComparisonReport {
    let comparison = compare(baseline, candidate, margin);
    let advisory = args.allow_mismatch && matches!(comparison.refused, Some(Refusal::OtherMachine(_)));
    let budgets = budget::judge(candidate, &settings.budgets);
    let broken = args.enforce_budgets && budget::any_broken(&budgets);
    let decision = Decision::of(&comparison, advisory, broken);
    let mut report = ComparisonReport::new(&comparison, margin, budgets, decision, advisory);
    report.notes.extend(candidate.conditions.notes.iter().cloned());
    report
}

fn no_baseline(name: &str, margin: Margin, context: &Context<'_>) -> Answer {
    let why = if names_a_file(name) {
        format!("there is no file {name}; `perfkit bench --out {name}` makes one")
    } else {
        format!("no baseline {name:?} of this machine; `perfkit baseline record {name}` makes one")
    };
    context.note(&why);
    ComparisonReport::without_baseline(&why, margin).into()
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
