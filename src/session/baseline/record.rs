//! Recording a baseline: several runs of a suite beside the reference kernels, and by which of them each case is divided.

use crate::document::{Baseline, Case, KeptSamples, Machine, Omission, Outcome, Source};
use crate::measure::Plan;
use crate::session::recorder::{Beginning, Recorder};
use crate::session::references::references;
use crate::session::runs::{MOST_ROUNDS, Runs, RunsPlan, Starter, measure_runs, normaliser, outcomes};
use crate::session::{Observer, Stop};
use crate::sys::Monotonic;

/// What to record.
#[derive(Debug, Clone)]
pub struct RecordRequest {
    /// How the document begins; its seed is the one of inputs and orders.
    pub beginning: Beginning,
    /// The cases.
    pub cases: Vec<Case>,
    /// Asked for and not to be had here.
    pub skipped: Vec<Omission>,
    /// Runs.
    pub runs: usize,
    /// Seconds between two runs.
    pub pause_seconds: f64,
    /// How long the rounds of a case last, and how many there are at most.
    pub plan: Plan,
    /// What becomes of the samples.
    pub samples: KeptSamples,
    /// What is measured, where version control tells.
    pub source: Option<Source>,
}

/// Measures a baseline; `None` when it was stopped.
///
/// # Errors
/// A reference kernel failed.
pub fn record(
    request: &RecordRequest,
    machine: Machine,
    start: &Starter<'_>,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Option<Baseline>> {
    let seed = request.beginning.seed;
    let plan = RunsPlan {
        cases: request.cases.clone(),
        references: references(&machine),
        runs: request.runs,
        pause_seconds: request.pause_seconds,
        block_seconds: request.plan.budget_seconds,
        most_rounds: request.plan.max_samples.min(MOST_ROUNDS),
        input_seed: seed,
        order_seed: seed,
        ..RunsPlan::default()
    };
    let effective_cpus = machine.limits.effective_cpus;
    let mut recorder = Recorder::new(machine, request.beginning.clone(), effective_cpus, stop, observer);
    let runs = measure_runs(&plan, start, &Monotonic::new(), stop, recorder.observer)?;
    if stop.requested() {
        return Ok(None);
    }
    for omission in &request.skipped {
        recorder.add(Outcome::Skipped(omission.clone()))?;
    }
    for outcome in outcomes(&request.cases, &runs) {
        recorder.add(outcome)?;
    }
    let document = recorder.finish()?;
    let Runs { runs, .. } = runs;
    let normaliser = |case: &Case| normaliser(&runs, case, plan.references.keys());
    let normalisers = document.measured().filter_map(|m| normaliser(&m.case)).collect();
    Ok(Some(Baseline {
        normalisers,
        references: plan.references,
        source: request.source.clone(),
        samples: request.samples,
        runs,
        ..Baseline::of_document(document)
    }))
}
