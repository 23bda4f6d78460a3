//! Runs of a suite: in each of them every case in a fresh process, the reference kernels in the same rounds.
//!
//! All cases are measured once before any is measured again, so that what the host does over minutes falls between the
//! runs of a case, where a comparison looks for it, and not inside one of them. The reference kernels have processes of
//! their own, fresh in every run: page placement and layout are drawn anew for them too.

mod arms;
mod outcome;
#[cfg(test)]
pub(crate) mod tests;
mod values;

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::document::{Arm, BaselineRun, Case};
use crate::measure::{self, ArmError, BlockPlan, Program, WorkerProcess};
use crate::sys::clock::{unix_seconds, utc_timestamp};
use crate::sys::process::Start;
use crate::sys::resources::steal_ticks;
use crate::sys::{Clock, Rng};

use super::{Observer, Stop, random_seed};
use arms::Batched;

pub use outcome::outcomes;
pub use values::{log_values, normaliser};

/// A block of a case and its references lasts about so long, warm-up apart, where nothing else is asked for, ...
pub const BLOCK_SECONDS: f64 = 0.5;
/// ... within so many rounds: what more of them would tell is lost in the spread between runs.
pub const MOST_ROUNDS: usize = 20;
/// A median of fewer is at the mercy of one pre-empted sample.
const FEWEST_ROUNDS: usize = 3;
/// Process start, preparation and warm-up are expected to take so long, for the progress bar.
const PREPARE_SECONDS: f64 = 0.3;

/// A case prepared in a process of its own.
pub trait Prepared: measure::Arm {
    /// Compares its last answer with the reference.
    ///
    /// # Errors
    /// The answer is wrong.
    fn check(&mut self) -> Result<(), ArmError>;
}

impl Prepared for WorkerProcess {
    fn check(&mut self) -> Result<(), ArmError> {
        Self::check(self)
    }
}

/// Starts a fresh process and has it prepare a case with inputs from a seed.
pub type Starter<'a> = dyn Fn(&Case, u64) -> Result<Box<dyn Prepared>, ArmError> + 'a;

/// A worker of this very program that gives no answer for so long hangs.
const PATIENCE_SECONDS: f64 = 120.0;

/// Starts workers of a program.
pub fn workers(program: Program) -> impl Fn(&Case, u64) -> Result<Box<dyn Prepared>, ArmError> {
    move |case, seed| {
        let mut worker = WorkerProcess::start(&program, &Start::default(), PATIENCE_SECONDS)?;
        worker.prepare(&case.to_string(), seed)?;
        Ok(Box::new(worker))
    }
}

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub struct RunsPlan {
    /// The cases, each once in every run.
    pub cases: Vec<Case>,
    /// The reference kernels, by the names of their arms.
    pub references: BTreeMap<String, Case>,
    /// Runs.
    pub runs: usize,
    /// Seconds between two runs.
    pub pause_seconds: f64,
    /// The rounds of a case last about so long.
    pub block_seconds: f64,
    /// ... and are no more than these.
    pub most_rounds: usize,
    /// The seed of all inputs.
    pub input_seed: u64,
    /// The seed of every order.
    pub order_seed: u64,
    /// Iterations in a sample of each case. What is not here is sized at its first run and stays: the first iteration
    /// of a sample is a slow one, and its share must not differ between runs.
    pub iterations: BTreeMap<Case, u64>,
}

impl Default for RunsPlan {
    fn default() -> Self {
        Self {
            cases: Vec::new(),
            references: BTreeMap::new(),
            runs: 1,
            pause_seconds: 0.0,
            block_seconds: BLOCK_SECONDS,
            most_rounds: MOST_ROUNDS,
            input_seed: 1,
            order_seed: 1,
            iterations: BTreeMap::new(),
        }
    }
}

impl RunsPlan {
    /// The rounds that a block has time for. Every arm is sized already, so one "run" of it is a whole sample.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count, clamped")]
    fn block(&self, round_seconds: f64) -> BlockPlan {
        let affordable = (self.block_seconds / round_seconds.max(1e-9)) as usize;
        BlockPlan { rounds: affordable.min(self.most_rounds).max(FEWEST_ROUNDS), iterations: 1 }
    }
}

/// What runs gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs {
    /// The runs that were completed, without the cases that failed in any.
    pub runs: Vec<BaselineRun>,
    /// Cases that failed, and how.
    pub failed: BTreeMap<Case, String>,
    /// In how many runs a case's warm-up did not settle.
    pub unsettled: BTreeMap<Case, usize>,
}

/// Measures runs. A stop leaves the runs completed until then.
///
/// # Errors
/// A reference kernel failed: without it nothing is comparable.
pub fn measure_runs(
    plan: &RunsPlan,
    start: &Starter<'_>,
    clock: &dyn Clock,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Runs> {
    let mut session = Session {
        plan,
        start,
        clock,
        rng: Rng::new(plan.order_seed),
        iterations: plan.iterations.clone(),
        result: Runs::default(),
    };
    for index in 0..plan.runs {
        if index > 0 {
            pause(plan.pause_seconds, stop);
        }
        if stop.requested() {
            break;
        }
        observer.phase(&format!("run {} of {}", index + 1, plan.runs), plan.cases.len(), expected(plan));
        let run = session.run(stop, observer)?;
        if !stop.requested() {
            session.result.runs.push(run);
        }
    }
    let Runs { mut runs, failed, unsettled } = session.result;
    for run in &mut runs {
        run.arms.retain(|arm| !failed.contains_key(&arm.case));
    }
    Ok(Runs { runs, failed, unsettled })
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn expected(plan: &RunsPlan) -> f64 {
    plan.cases.len() as f64 * (plan.block_seconds + PREPARE_SECONDS)
}

/// Waits, and looks every now and then whether it should.
fn pause(seconds: f64, stop: &Stop) {
    const LOOK_SECONDS: f64 = 0.05;
    let mut left = seconds;
    while left > 0.0 && !stop.requested() {
        std::thread::sleep(std::time::Duration::from_secs_f64(left.min(LOOK_SECONDS)));
        left -= LOOK_SECONDS;
    }
}

/// What lives as long as all runs.
struct Session<'a> {
    plan: &'a RunsPlan,
    start: &'a Starter<'a>,
    clock: &'a dyn Clock,
    rng: Rng,
    iterations: BTreeMap<Case, u64>,
    result: Runs,
}

impl Session<'_> {
    fn run(&mut self, stop: &Stop, observer: &mut dyn Observer) -> anyhow::Result<BaselineRun> {
        let mut run = BaselineRun {
            id: format!("{:016x}", random_seed()),
            started: utc_timestamp(unix_seconds()),
            arms: Vec::new(),
        };
        let mut references = Vec::new();
        for (name, case) in &self.plan.references {
            references.push(self.prepare(case, name).with_context(|| format!("reference kernel {name}"))?);
        }
        let failed = &self.result.failed;
        let mut order: Vec<&Case> =
            self.plan.cases.iter().filter(|case| !failed.contains_key(*case)).collect();
        self.rng.shuffle(&mut order);
        for case in order {
            if stop.requested() {
                break;
            }
            observer.step(case);
            match self.case(case, &mut references) {
                Ok(arms) => run.arms.extend(arms),
                Err(error) if self.plan.references.contains_key(&error.who) => {
                    return Err(error).context("a reference kernel failed");
                }
                Err(error) => {
                    observer.note(&format!("{case} failed: {}", error.why));
                    self.result.failed.insert(case.clone(), error.why);
                }
            }
        }
        run.arms.sort_by(|a, b| a.case.cmp(&b.case));
        Ok(run)
    }

    /// A fresh process with a case, and how long its samples are.
    fn prepare(&mut self, case: &Case, name: &str) -> Result<Batched, ArmError> {
        let prepared = (self.start)(case, self.plan.input_seed)?;
        let known = self.iterations.get(case).copied();
        let sized = Batched::new(prepared, name, known, self.clock)?;
        self.iterations.insert(case.clone(), sized.iterations());
        Ok(sized)
    }

    /// One block of a case beside the references.
    fn case(&mut self, case: &Case, references: &mut [Batched]) -> Result<Vec<Arm>, ArmError> {
        let mut bench = self.prepare(case, crate::document::BENCH)?;
        let round: f64 = references.iter().chain([&bench]).map(Batched::sample_seconds).sum();
        let names: Vec<String> =
            std::iter::once(&bench).chain(&*references).map(|arm| arm.name().to_owned()).collect();
        let mut arms: Vec<&mut dyn measure::Arm> = vec![&mut bench];
        arms.extend(references.iter_mut().map(|arm| arm as &mut dyn measure::Arm));
        let stolen = steal_ticks();
        let block = measure::block(&mut arms, &self.plan.block(round), self.clock, &mut self.rng)?;
        let stolen = stolen.zip(steal_ticks()).map(|((before, _), (after, _))| after.saturating_sub(before));
        bench.check()?;
        if !block.settled.first().copied().unwrap_or(true) {
            *self.result.unsettled.entry(case.clone()).or_default() += 1;
        }
        let arms = names.iter().zip(&block.arms);
        Ok(arms.map(|(name, samples)| arms::document_arm(case, name, samples, stolen)).collect())
    }
}
