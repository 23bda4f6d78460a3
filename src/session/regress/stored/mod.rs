//! Stored mode: the cases of a baseline in new runs, judged run against run by a prediction interval.
//!
//! A slowdown is never believed at once. Where the base revision can be built the case goes on to the paired engine;
//! otherwise it is measured in as many fresh runs again, and only what all of them together still show stands.

mod comparable;
mod decide;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::analysis::compare::{Comparison, Margin, Refusal};
use crate::document::{Baseline, BaselineRun, Case, Document, Machine};
use crate::measure::Program;
use crate::session::recorder::{Beginning, Recorder};
use crate::session::runs::{Starter, outcomes, workers};
use crate::session::{Observer, Stop};
use trial::Trial;

pub use comparable::why_incomparable;
pub use decide::{ADVISORY, ADVISORY_BELOW, CaseRuns, judge_case};

/// New runs, where nothing else is asked for.
pub const NEW_RUNS: usize = 3;

/// How to judge by stored runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRequest {
    /// Whose workers measure; without one this program's own.
    pub program: Option<Program>,
    /// New runs.
    pub runs: usize,
    /// Which differences matter.
    pub margin: Margin,
    /// The seed of every order. Inputs have the baseline's.
    pub seed: u64,
    /// Seconds between two runs.
    pub pause_seconds: f64,
    /// Judge although the machine is another one; the verdict is then advisory.
    pub allow_mismatch: bool,
    /// A base revision can be built and paired: what came out slower is then named for that instead of being confirmed.
    pub can_pair: bool,
    /// The workers are of an optimised build: without, there is no verdict.
    pub optimised: bool,
}

impl Default for StoredRequest {
    fn default() -> Self {
        Self {
            program: None,
            runs: NEW_RUNS,
            margin: Margin::default(),
            seed: 1,
            pause_seconds: 0.0,
            allow_mismatch: false,
            can_pair: false,
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The changes; where it is refused and not advisory, none, and nothing was measured.
    pub comparison: Comparison,
    /// The machines differ and that was allowed.
    pub advisory: bool,
    /// Cases to judge in pairs against the base commit: slower, or slower by less than stored runs can vouch for.
    pub escalate: Vec<String>,
    /// The commit of the baseline, where it is known and its tree was clean.
    pub base_commit: Option<String>,
    /// Cases whose worker failed, and how.
    pub failed: BTreeMap<String, String>,
    /// The new runs as a document, for budgets; `None` where nothing was measured.
    pub candidate: Option<Document>,
    /// The new runs.
    pub runs: Vec<BaselineRun>,
    /// It was stopped: the changes rest on the runs completed until then.
    pub interrupted: bool,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Measures the cases of a baseline in new runs and judges them. What a refusal says beforehand is not measured.
///
/// # Errors
/// This program cannot be found, or a reference kernel failed.
pub fn judge_stored(
    baseline: &Baseline,
    machine: &Machine,
    request: &StoredRequest,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Judged> {
    let program = match &request.program {
        Some(program) => program.clone(),
        None => Program::new(std::env::current_exe().context("cannot find this program's own file")?),
    };
    judge_with(&workers(program), baseline, machine, request, stop, observer)
}

/// [`judge_stored`] with arms from wherever `start` has them.
fn judge_with(
    start: &Starter<'_>,
    baseline: &Baseline,
    machine: &Machine,
    request: &StoredRequest,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Judged> {
    let refused = comparable::refusal(baseline, machine, request);
    let advisory = request.allow_mismatch && matches!(refused, Some(Refusal::OtherMachine(_)));
    if refused.is_some() && !advisory {
        return Ok(unmeasured(baseline, machine, refused));
    }
    let (cases, missing) = comparable::known_cases(baseline);
    if cases.is_empty() {
        let nothing = Refusal::NothingInCommon("this perfkit knows no case of the baseline".to_owned());
        return Ok(unmeasured(baseline, machine, Some(nothing)));
    }
    let beginning = Beginning {
        command: "regress".to_owned(),
        suite: baseline.document.run.suite.clone(),
        seed: request.seed,
        journal: None,
    };
    let effective_cpus = machine.limits.effective_cpus;
    let mut recorder = Recorder::new(machine.clone(), beginning, effective_cpus, stop, observer);
    let trial = Trial::of(baseline, request, start, stop);
    let done = trial.run(&cases, recorder.observer)?;
    for outcome in outcomes(&cases, &done.runs) {
        recorder.add(outcome)?;
    }
    let nothing = unmeasured(baseline, machine, refused);
    Ok(Judged {
        comparison: Comparison {
            changes: done.changes,
            missing: missing.iter().map(Case::to_string).collect(),
            ..nothing.comparison
        },
        advisory,
        escalate: done.escalate,
        failed: done.runs.failed.iter().map(|(case, why)| (case.to_string(), why.clone())).collect(),
        candidate: Some(recorder.finish()?),
        runs: done.runs.runs,
        interrupted: stop.requested(),
        notes: done.notes,
        ..nothing
    })
}

fn unmeasured(baseline: &Baseline, machine: &Machine, refused: Option<Refusal>) -> Judged {
    Judged {
        comparison: Comparison {
            changes: Vec::new(),
            missing: Vec::new(),
            new: Vec::new(),
            refused,
            machines: [baseline.document.machine.fingerprint.clone(), machine.fingerprint.clone()],
        },
        advisory: false,
        escalate: Vec::new(),
        base_commit: comparable::clean_commit(baseline),
        failed: BTreeMap::new(),
        candidate: None,
        runs: Vec::new(),
        interrupted: false,
        notes: Vec::new(),
    }
}
