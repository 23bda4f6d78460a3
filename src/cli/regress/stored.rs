//! Against the runs of a stored baseline; what they cannot vouch for is paired with the base revision.

use std::path::Path;

use anyhow::Context as _;

use super::paired::{built_base, request};
use super::{Answer, Args};
use crate::analysis::budget;
use crate::analysis::compare::{CaseFailure, Change, ComparisonReport, Decision, Margin, Mode, ONE_RUN_NOTE};
use crate::cli::Context;
use crate::cli::progress::{Progress, stop_on_interrupt};
use crate::document::Baseline;
use crate::machine::{Source, detect};
use crate::measure::Program;
use crate::session::random_seed;
use crate::session::regress::builds::Builder;
use crate::session::regress::{Judged, PairRequest, Sides, StoredRequest, judge_stored, judge_suite};
use crate::session::settings::{ProgramSettings, Settings};

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
    let stored = StoredRequest {
        runs: args.runs,
        margin,
        seed,
        allow_mismatch: args.allow_mismatch,
        can_pair: own_program(settings).is_some(),
        ..StoredRequest::default()
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = judge_stored(baseline, &machine, &stored, &stop, &mut progress).and_then(|judged| {
        let paired = match pairing(&judged, settings, args, margin, seed, context)? {
            Pairing::Ready(pairs, _builder) if !stop.requested() => {
                Some(judge_suite(&pairs, &machine, &stop, &mut progress)?.0)
            }
            Pairing::Ready(..) | Pairing::NotNeeded => None,
            Pairing::NoBase(why) => return Ok((judged, None, Some(why))),
        };
        Ok((judged, paired, None))
    });
    progress.finish();
    let (judged, paired, note) = answer?;
    let mut report = report(judged, paired, args, settings, margin, seed);
    report.notes.extend(note);
    Ok(Answer { report, interrupted: stop.requested() })
}

/// The settings say how to build this very program: then a base revision can be measured beside it.
fn own_program(settings: &Settings) -> Option<&ProgramSettings> {
    let program = settings.program.as_ref()?;
    Path::new(&program.binary).file_name().is_some_and(|name| name == OWN_NAME).then_some(program)
}

/// What is paired with the base revision.
enum Pairing<'a> {
    /// The cases that stored runs cannot vouch for; the builder keeps its programs from being replaced.
    Ready(Box<PairRequest>, Builder<'a>),
    /// They vouch for all, or the revision is unknown, or nothing says how to build it.
    NotNeeded,
    /// The revision does not build.
    NoBase(String),
}

fn pairing<'a>(
    judged: &Judged,
    settings: &'a Settings,
    args: &Args,
    margin: Margin,
    seed: u64,
    context: &Context<'_>,
) -> anyhow::Result<Pairing<'a>> {
    let (Some(program), Some(commit)) = (own_program(settings), &judged.base_commit) else {
        return Ok(Pairing::NotNeeded);
    };
    if judged.escalate.is_empty() {
        return Ok(Pairing::NotNeeded);
    }
    context.note(&format!(
        "{} case(s) are paired with the base revision, which is built first",
        judged.escalate.len()
    ));
    let builder = Builder::new(program, &settings.project())?;
    let (base, relinked) = match built_base(&builder, commit, args.layout, context) {
        Ok(built) => built,
        Err(why) => {
            let why = format!("the base revision could not be built, so nothing was paired: {why:#}");
            return Ok(Pairing::NoBase(why));
        }
    };
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let cases = judged.escalate.clone();
    let sides = Sides::Programs { base, candidate: Program::new(own), relinked, cases };
    Ok(Pairing::Ready(Box::new(request(sides, margin, seed, args)), builder))
}

fn report(
    mut judged: Judged,
    paired: Option<ComparisonReport>,
    args: &Args,
    settings: &Settings,
    margin: Margin,
    seed: u64,
) -> ComparisonReport {
    let paired = paired.unwrap_or_default();
    for change in &mut judged.comparison.changes {
        if let Some(better) = paired.changes.iter().find(|paired| paired.case == change.case) {
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
    report.notes.extend(judged.notes.into_iter().chain(paired.notes));
    report.control = paired.control;
    report.failed = judged.failed.into_iter().map(|(case, why)| CaseFailure { case, why }).collect();
    report.failed.extend(paired.failed);
    if !report.failed.is_empty() {
        report.verdict = "failed".to_owned();
        report.exit_code = Decision::Failed.exit_code();
    } else if paired.exit_code == Decision::Unfit.exit_code() {
        // A control that failed, or a base without optimisation: then no verdict of the pairs stands.
        report.verdict = paired.verdict;
        report.exit_code = paired.exit_code;
        report.refused = paired.refused;
    }
    report
}
