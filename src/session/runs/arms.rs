//! An arm of a run: samples of its own length, the caches warmed before each, and its line in the document.

use crate::analysis::causes::{SampleFacts, classify};
use crate::document::{Arm as DocumentArm, Case};
use crate::measure::{Arm, ArmError, BatchSample, BlockPlan, run_seconds};
use crate::sys::Clock;
use crate::sys::clock::as_seconds;

use super::Prepared;

/// A run shorter than this is made once, untimed, before each sample: the other arms of the round have driven its
/// data out of the caches, and which of them ran last must not decide what it costs.
const WARMED_BELOW_SECONDS: f64 = 0.01;

/// A prepared case with the length of its samples: the arms of a block run at very different rates.
pub(super) struct Batched {
    prepared: Box<dyn Prepared>,
    name: String,
    iterations: u64,
    run_seconds: f64,
}

impl Batched {
    /// Sizes an arm; with `iterations` as it was sized before.
    pub(super) fn new(
        mut prepared: Box<dyn Prepared>,
        name: &str,
        iterations: Option<u64>,
        clock: &dyn Clock,
    ) -> Result<Self, ArmError> {
        let run_seconds = run_seconds(&mut *prepared).map_err(|error| named(error, name))?;
        let step = as_seconds(clock.precision());
        let sized = || BlockPlan::for_run_of(run_seconds, 1, step, None).iterations;
        let iterations = iterations.filter(|&count| count > 0).unwrap_or_else(sized);
        Ok(Self { prepared, name: name.to_owned(), iterations, run_seconds })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn iterations(&self) -> u64 {
        self.iterations
    }

    /// What a sample takes with all that belongs to it.
    #[expect(clippy::cast_precision_loss, reason = "iterations of a sample fit in 53 bits")]
    pub(super) fn sample_seconds(&self) -> f64 {
        let warming = if self.is_warmed() { 1.0 } else { 0.0 };
        self.run_seconds * (self.iterations as f64 + warming)
    }

    pub(super) fn check(&mut self) -> Result<(), ArmError> {
        self.prepared.check().map_err(|error| named(error, &self.name))
    }

    fn is_warmed(&self) -> bool {
        self.run_seconds < WARMED_BELOW_SECONDS
    }
}

impl Arm for Batched {
    fn sample(&mut self, batches: u64) -> Result<BatchSample, ArmError> {
        if self.is_warmed() {
            self.prepared.sample(1).map_err(|error| named(error, &self.name))?;
        }
        let count = self.iterations.saturating_mul(batches);
        self.prepared.sample(count).map_err(|error| named(error, &self.name))
    }
}

/// All arms are processes of one program: the arm's name tells them apart.
fn named(error: ArmError, name: &str) -> ArmError {
    ArmError { who: name.to_owned(), ..error }
}

/// The samples of an arm as a document keeps them. What was counted for some of them only is left out.
pub(super) fn document_arm(
    case: &Case,
    name: &str,
    samples: &[BatchSample],
    stolen_ticks: Option<u64>,
) -> DocumentArm {
    let facts: Vec<SampleFacts> = samples.iter().map(facts).collect();
    DocumentArm {
        wall_seconds: facts.iter().map(|sample| sample.wall).collect(),
        cpu_seconds: facts.iter().map(|sample| sample.cpu).collect::<Option<_>>().unwrap_or_default(),
        wait_seconds: facts.iter().map(waited).collect::<Option<_>>().unwrap_or_default(),
        involuntary_switches: facts.iter().map(|f| f.switches).collect::<Option<_>>().unwrap_or_default(),
        iterations: samples.first().map_or(0, |sample| sample.iterations),
        cpu: facts.iter().map(|sample| sample.cpu_id).collect(),
        cause: classify(&facts, stolen_ticks),
        ..DocumentArm::new(case.clone(), name)
    }
}

/// What the thread waited for a CPU within the sample. The counter is read around it, a moment before its clock: what it
/// shows beyond the time that was not spent on a CPU fell into that moment.
fn waited(sample: &SampleFacts) -> Option<f64> {
    let off_cpu = (sample.wall - sample.cpu?).max(0.0);
    Some(sample.wait?.min(off_cpu))
}

/// Per iteration.
fn facts(sample: &BatchSample) -> SampleFacts {
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
    let per_iteration = |nanoseconds: u64| as_seconds(nanoseconds) / sample.iterations.max(1) as f64;
    SampleFacts {
        wall: sample.seconds(),
        cpu: sample.cpu_nanoseconds.map(per_iteration),
        switches: sample.involuntary_switches,
        wait: sample.wait_nanoseconds.map(per_iteration),
        cpu_id: sample.cpu,
    }
}
