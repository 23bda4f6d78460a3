//! Against the runs of a stored baseline; what they cannot vouch for is paired with the base revision.

use std::path::Path;

use anyhow::Context as _;

use super::{Answer, Args};
use crate::analysis::budget;
use crate::analysis::compare::{CaseFailure, Change, ComparisonReport, Decision, Margin, Mode, ONE_RUN_NOTE};
use crate::cli::Context;
use crate::cli::progress::{Progress, stop_on_interrupt};
use crate::document::{Baseline, Machine};
use crate::machine::{Source, detect};
use crate::measure::Program;
use crate::session::regress::builds::Builder;
use crate::session::regress::{
    CounterChoice, Judged, PairRequest, Sides, StoredRequest, judge_stored, judge_suite,
};
use crate::session::settings::{ProgramSettings, Settings};
use crate::session::{Observer, Stop, random_seed};

/// The name of this program's own file, as its `[program]` has it.
const OWN_NAME: &str = env!("CARGO_PKG_NAME");

pub(super) fn run(
    baseline: &Baseline,
    args: &Args,
    settings: &Settings,
    context: &Context<'_>,
) -> anyhow::Result<Answer> {
    let machine = detect(Source::Live);
    let margin = args.margin(settings);
    let seed = args.seed.unwrap_or_else(random_seed);
    let request = StoredRequest {
        runs: args.runs,
        margin,
        seed,
        allow_mismatch: args.allow_mismatch,
        can_pair: own_program(settings).is_some(),
        ..StoredRequest::default()
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = judge_stored(baseline, &machine, &request, &stop, &mut progress);
    let answer = answer
        .and_then(|judged| escalated(judged, args, settings, margin, seed, &machine, &stop, &mut progress));
    progress.finish();
    let (judged, paired) = answer?;
    Ok(Answer {
        report: report(judged, &paired, args, settings, margin, seed),
        interrupted: stop.requested(),
    })
}

/// The settings say how to build this very program: then a base revision can be measured beside it.
fn own_program(settings: &Settings) -> Option<&ProgramSettings> {
    let program = settings.program.as_ref()?;
    Path::new(&program.binary).file_name().is_some_and(|name| name == OWN_NAME).then_some(program)
}

/// Judges in pairs what the stored runs cannot vouch for, where the base revision can be built. Answers the paired
/// changes, which stand in the place of the others.
#[expect(clippy::too_many_arguments, reason = "what a comparison needs, handed on as it is")]
fn escalated(
    mut judged: Judged,
    args: &Args,
    settings: &Settings,
    margin: Margin,
    seed: u64,
    machine: &Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<(Judged, Vec<Change>)> {
    let (Some(program), Some(commit)) = (own_program(settings), judged.base_commit.clone()) else {
        return Ok((judged, Vec::new()));
    };
    if judged.escalate.is_empty() || stop.requested() {
        return Ok((judged, Vec::new()));
    }
    observer.note(&format!(
        "{} case(s) are paired with the base revision, which is built first",
        judged.escalate.len()
    ));
    let builder = Builder::new(program, &settings.project())?;
    let base = match builder.program_of(&commit) {
        Ok(base) => base,
        Err(why) => {
            judged
                .notes
                .push(format!("the base revision could not be built, so nothing was paired: {why:#}"));
            return Ok((judged, Vec::new()));
        }
    };
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let request = PairRequest {
        sides: Sides::Programs {
            relinked: builder.relinked(&commit, 1..crate::session::regress::layout::RELINKS + 1)?,
            base,
            candidate: Program::new(own),
            cases: judged.escalate.clone(),
        },
        margin,
        budget_seconds: args.time,
        tails: args.tails,
        seed,
        trace: false,
        patience_seconds: args.patience,
        counters: CounterChoice::Auto,
    };
    let (paired, _) = judge_suite(&request, machine, stop, observer)?;
    judged.notes.extend(paired.notes);
    Ok((judged, paired.changes))
}

fn report(
    mut judged: Judged,
    paired: &[Change],
    args: &Args,
    settings: &Settings,
    margin: Margin,
    seed: u64,
) -> ComparisonReport {
    for change in &mut judged.comparison.changes {
        if let Some(better) = paired.iter().find(|paired| paired.case == change.case) {
            *change =
                Change { evidence: format!("paired with the base: {}", better.evidence), ..better.clone() };
        }
    }
    let budgets = judged
        .candidate
        .as_ref()
        .map(|document| budget::judge(document, &settings.budgets))
        .unwrap_or_default();
    let broken = args.enforce_budgets && budget::any_broken(&budgets);
    let decision = Decision::of(&judged.comparison, judged.advisory, broken);
    let mut report = ComparisonReport::new(&judged.comparison, margin, budgets, decision, judged.advisory);
    report.mode = Mode::Stored;
    report.seed = Some(seed);
    report.notes.retain(|note| note != ONE_RUN_NOTE);
    report.notes.extend(judged.notes);
    report.failed = judged.failed.into_iter().map(|(case, why)| CaseFailure { case, why }).collect();
    if !report.failed.is_empty() {
        report.verdict = "failed".to_owned();
        report.exit_code = Decision::Failed.exit_code();
    }
    report
}
