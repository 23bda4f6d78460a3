//! A block: fresh arms, warmed up, then rounds of one sample of each in drawn order.
//!
//! The order is drawn for the block and kept in it: a sample that follows one of its own arm finds its data in the
//! caches, and one that follows the other arm's does not, so every sample of a block follows the other arm's.
//!
//! The samples of a round are neighbours in time, so what drifts on the host (frequency, neighbours) is in all of them
//! and leaves their ratio alone. What does not drift within a process (page placement, alignment) is the same in every
//! round of a block: the block, not the sample, is the unit that a verdict counts.

use super::{BatchSample, Plan};
use crate::stats;
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Rng};

/// A sample lasts at least so long ...
const SAMPLE_SECONDS: f64 = 3e-4;
/// ... and at least so many steps of the clock.
const CLOCK_STEPS: f64 = 1000.0;
/// A block's rounds last about so long, as far as the next three constants allow.
const BLOCK_SECONDS: f64 = 0.0125;
/// More rounds make a block's median no better than the difference between processes.
const MOST_ROUNDS: usize = 25;
/// Fewer are at the mercy of one disturbed sample.
const FEWEST_ROUNDS: usize = 5;
/// Costly calls have fewer rounds than that, so that a block's rounds stay below this.
const LONGEST_BLOCK_SECONDS: f64 = 0.3;
/// Two neighbouring windows of the warm-up agree when their medians differ by no more than this share.
const SETTLED_WITHIN: f64 = 0.03;
/// Warm-up takes at least so many runs, unless they last longer than [`WARM_UP_SECONDS`].
const WARM_UP_RUNS: u64 = 30;
/// See [`WARM_UP_RUNS`].
const WARM_UP_SECONDS: f64 = 0.002;
/// A warm-up that has not settled by then ends unsettled.
const WARM_UP_CAP_SECONDS: f64 = 0.3;
/// ... but it sees at least so many windows, however long a run takes.
const FEWEST_WINDOWS: usize = 3;
/// No batch has more runs; a workload that the clock cannot see is stopped by this.
const MOST_ITERATIONS: u64 = 1 << 32;

/// Something that can be sampled beside others.
pub trait Arm {
    /// Times `iterations` runs.
    ///
    /// # Errors
    /// It failed; nothing more can be asked of it.
    fn sample(&mut self, iterations: u64) -> Result<BatchSample, ArmError>;
}

/// An arm that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{who}: {why}")]
pub struct ArmError {
    /// Which program.
    pub who: String,
    /// What it did.
    pub why: String,
}

/// How a block is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlan {
    /// Rounds.
    pub rounds: usize,
    /// Runs in each sample, the same for every arm.
    pub iterations: u64,
}

impl BlockPlan {
    /// A plan for an arm whose runs take so long; `fewest_rounds` where a quantile needs more than a median.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small positive counts, clamped"
    )]
    pub fn for_run_of(
        seconds: f64,
        arms: usize,
        clock_step_seconds: f64,
        fewest_rounds: Option<usize>,
    ) -> Self {
        let target = SAMPLE_SECONDS.max(CLOCK_STEPS * clock_step_seconds);
        let iterations = (target / seconds.max(1e-12)).ceil().clamp(1.0, MOST_ITERATIONS as f64) as u64;
        let round = seconds * iterations as f64 * arms.max(1) as f64;
        let usual = ((BLOCK_SECONDS / round) as usize).clamp(FEWEST_ROUNDS, MOST_ROUNDS);
        let affordable = ((LONGEST_BLOCK_SECONDS / round) as usize).max(1);
        Self { rounds: usual.min(affordable).max(fewest_rounds.unwrap_or(1)), iterations }
    }

    /// A plan for one arm alone, whose runs take so long: as many samples as a [`Plan`] asks for.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small positive counts, clamped"
    )]
    pub fn alone(seconds: f64, plan: &Plan, clock_step_seconds: f64) -> Self {
        let target = plan.sample_seconds.max(CLOCK_STEPS * clock_step_seconds);
        let iterations = (target / seconds.max(1e-12)).ceil().clamp(1.0, MOST_ITERATIONS as f64) as u64;
        let rounds = plan.budget_seconds / (seconds.max(1e-12) * iterations as f64);
        let most = plan.max_samples.max(plan.min_samples);
        Self { rounds: (rounds as usize).clamp(plan.min_samples, most), iterations }
    }
}

/// What a block gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// The samples of each arm, in the order of the rounds.
    pub arms: Vec<Vec<BatchSample>>,
    /// Whether each arm's warm-up settled.
    pub settled: Vec<bool>,
    /// From the start of the warm-up to the last sample.
    pub sampling_seconds: f64,
}

/// Seconds that a run of an arm takes, by doubling a batch until it lasts half a sample. The first run, which touches
/// what was never touched, counts for nothing.
///
/// # Errors
/// The arm failed.
pub fn run_seconds(arm: &mut dyn Arm) -> Result<f64, ArmError> {
    arm.sample(1)?;
    let mut iterations = 1;
    loop {
        let sample = arm.sample(iterations)?;
        if sample.batch_seconds() >= SAMPLE_SECONDS / 2.0 || iterations >= MOST_ITERATIONS {
            // The faster of two: one of them may have been pre-empted.
            return Ok(sample.running_seconds().min(arm.sample(iterations)?.running_seconds()));
        }
        iterations *= 2;
    }
}

/// Measures a block of arms that are prepared and alive.
///
/// # Errors
/// An arm failed.
pub fn block(
    arms: &mut [&mut dyn Arm],
    plan: &BlockPlan,
    clock: &dyn Clock,
    rng: &mut Rng,
) -> Result<Block, ArmError> {
    let start = clock.now();
    let settled = warm_up(arms, plan.iterations)?;
    let mut samples = vec![Vec::with_capacity(plan.rounds); arms.len()];
    let mut order: Vec<usize> = (0..arms.len()).collect();
    rng.shuffle(&mut order);
    for _ in 0..plan.rounds {
        for &arm in &order {
            samples[arm].push(arms[arm].sample(plan.iterations)?);
        }
    }
    let sampling_seconds = as_seconds(clock.now().saturating_sub(start));
    Ok(Block { arms: samples, settled, sampling_seconds })
}

/// One execution of each arm, in random order: a block of arms that end with their work, as commands do.
///
/// # Errors
/// An arm failed.
pub fn single_round(arms: &mut [&mut dyn Arm], clock: &dyn Clock, rng: &mut Rng) -> Result<Block, ArmError> {
    let start = clock.now();
    let mut samples = vec![Vec::new(); arms.len()];
    let mut order: Vec<usize> = (0..arms.len()).collect();
    rng.shuffle(&mut order);
    for &arm in &order {
        samples[arm].push(arms[arm].sample(1)?);
    }
    let sampling_seconds = as_seconds(clock.now().saturating_sub(start));
    Ok(Block { settled: vec![true; arms.len()], arms: samples, sampling_seconds })
}

/// Runs the arms in turn until the medians of the last two windows of each agree.
fn warm_up(arms: &mut [&mut dyn Arm], iterations: u64) -> Result<Vec<bool>, ArmError> {
    let mut progress: Vec<WarmUp> = arms.iter().map(|_| WarmUp::default()).collect();
    while progress.iter().any(|arm| !arm.done()) {
        for (arm, progress) in arms.iter_mut().zip(&mut progress).filter(|(_, progress)| !progress.done()) {
            progress.take(arm.sample(iterations)?);
        }
    }
    Ok(progress.iter().map(|arm| arm.settled).collect())
}

/// One arm's warm-up: windows of samples and their medians.
#[derive(Debug, Default)]
struct WarmUp {
    runs: u64,
    seconds: f64,
    window: Vec<f64>,
    medians: Vec<f64>,
    settled: bool,
}

impl WarmUp {
    /// Samples of a window: one where a run is long.
    fn window_length(&self, sample: &BatchSample) -> usize {
        if sample.batch_seconds() > WARM_UP_SECONDS / 2.0 { 1 } else { 3 }
    }

    fn take(&mut self, sample: BatchSample) {
        self.runs += sample.iterations;
        self.seconds += sample.batch_seconds();
        self.window.push(sample.running_seconds());
        if self.window.len() < self.window_length(&sample) {
            return;
        }
        let median = stats::median(&self.window);
        self.window.clear();
        let agrees = |a: f64, b: f64| (a - b).abs() <= SETTLED_WITHIN * a.min(b);
        self.settled = self.medians.last().zip(median).is_some_and(|(&a, b)| agrees(a, b));
        self.medians.extend(median);
    }

    fn done(&self) -> bool {
        let long_enough = self.runs >= WARM_UP_RUNS || self.seconds >= WARM_UP_SECONDS;
        let given_up = self.seconds >= WARM_UP_CAP_SECONDS && self.medians.len() >= FEWEST_WINDOWS;
        (self.settled && long_enough && self.window.is_empty()) || given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::Fake;

    /// An arm whose runs take what a function of their number says, on a fake clock.
    struct Scripted<'a> {
        clock: &'a Fake,
        runs: u64,
        nanoseconds: fn(u64) -> u64,
        log: &'a std::cell::RefCell<Vec<char>>,
        name: char,
    }

    impl Arm for Scripted<'_> {
        fn sample(&mut self, iterations: u64) -> Result<BatchSample, ArmError> {
            self.log.borrow_mut().push(self.name);
            let wall_nanoseconds: u64 = (0..iterations).map(|i| (self.nanoseconds)(self.runs + i)).sum();
            self.runs += iterations;
            self.clock.advance(wall_nanoseconds);
            Ok(BatchSample { wall_nanoseconds, iterations, ..BatchSample::default() })
        }
    }

    /// The median over the rounds of `ln(b / a)`.
    fn effect(block: &Block) -> f64 {
        let ratio = |(a, b): (&BatchSample, &BatchSample)| (b.seconds() / a.seconds()).ln();
        stats::median(&block.arms[0].iter().zip(&block.arms[1]).map(ratio).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_block_pairs_its_arms_round_by_round_in_drawn_order() {
        let (clock, log) = (Fake::default(), std::cell::RefCell::new(Vec::new()));
        let arm = |name, nanoseconds| Scripted { clock: &clock, runs: 0, nanoseconds, log: &log, name };
        let (mut a, mut b) = (arm('a', |_| 100_000), arm('b', |_| 102_000));
        let plan = BlockPlan { rounds: 30, iterations: 3 };
        let mut rng = Rng::new(7);
        let mut began_with_a = 0;
        for _ in 0..30 {
            let block = block(&mut [&mut a, &mut b], &plan, &clock, &mut rng).unwrap();
            assert_eq!((block.arms[0].len(), block.arms[1].len()), (30, 30));
            assert!((effect(&block) - 1.02_f64.ln()).abs() < 1e-12);
            assert_eq!(block.settled, [true, true]);
            let log = log.borrow();
            let rounds = &log[log.len() - 60..];
            assert!(rounds.windows(2).all(|pair| pair[0] != pair[1]), "no arm follows itself");
            began_with_a += usize::from(rounds[0] == 'a');
        }
        assert!((5..=25).contains(&began_with_a), "the order is drawn: {began_with_a} of 30 began with a");
    }

    #[test]
    fn a_drift_of_the_host_leaves_the_effect_alone() {
        let (clock, log) = (Fake::default(), std::cell::RefCell::new(Vec::new()));
        // Both get slower by 1 % with every run: the pairs do not see it, up to the drift within a round.
        let arm = |name, nanoseconds| Scripted { clock: &clock, runs: 0, nanoseconds, log: &log, name };
        let (mut a, mut b) = (arm('a', |run| 100_000 + 1000 * run), arm('b', |run| 100_000 + 1000 * run));
        let plan = BlockPlan { rounds: 20, iterations: 1 };
        let block = block(&mut [&mut a, &mut b], &plan, &clock, &mut Rng::new(3)).unwrap();
        assert!(effect(&block).abs() < 1e-9);
    }

    #[test]
    fn a_warm_up_that_never_settles_ends_and_says_so() {
        let (clock, log) = (Fake::default(), std::cell::RefCell::new(Vec::new()));
        let mut arm = Scripted {
            clock: &clock,
            runs: 0,
            nanoseconds: |run| 300_000 << run.min(20),
            log: &log,
            name: 'a',
        };
        let plan = BlockPlan { rounds: 5, iterations: 1 };
        let block = block(&mut [&mut arm], &plan, &clock, &mut Rng::new(1)).unwrap();
        assert_eq!(block.settled, [false]);
    }

    #[test]
    fn plans_follow_the_cost_of_a_run() {
        let plan = |seconds| BlockPlan::for_run_of(seconds, 2, 2e-8, None);
        assert_eq!(plan(1e-6), BlockPlan { rounds: 20, iterations: 300 });
        assert_eq!(plan(4e-4), BlockPlan { rounds: 15, iterations: 1 });
        assert_eq!(plan(1e-3).rounds, 6);
        assert_eq!(plan(2e-2).rounds, 5);
        assert_eq!(plan(0.04).rounds, 3, "five rounds would take 0.4 s");
        assert_eq!(plan(3.0), BlockPlan { rounds: 1, iterations: 1 });
        assert_eq!(BlockPlan::for_run_of(1e-6, 2, 2e-8, Some(72)).rounds, 72);
    }

    #[test]
    fn an_arm_alone_has_the_samples_that_its_plan_asks_for() {
        let plan = |seconds| BlockPlan::alone(seconds, &Plan::QUICK, 2e-8);
        assert_eq!(plan(1e-6), BlockPlan { rounds: 300, iterations: 300 });
        assert_eq!(plan(4e-3), BlockPlan { rounds: 30, iterations: 1 });
        assert_eq!(plan(3.0), BlockPlan { rounds: 8, iterations: 1 });
        assert!(plan(0.0).iterations > 0);
    }

    #[test]
    fn a_run_is_sized_by_doubling() {
        let (clock, log) = (Fake::default(), std::cell::RefCell::new(Vec::new()));
        let mut arm = Scripted {
            clock: &clock,
            runs: 0,
            nanoseconds: |run| if run == 0 { 9_000_000 } else { 50 },
            log: &log,
            name: 'a',
        };
        assert!((run_seconds(&mut arm).unwrap() - 50e-9).abs() < 1e-15);
    }
}
