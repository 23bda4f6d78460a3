//! `tune matmul`: every strategy of a matrix product timed in turn over sizes, where each begins to pay, and the profile
//! that keeps it for the kernels.

use std::num::NonZeroUsize;

use super::matmul_profile::{Profile, keep};
use crate::analysis::tune::{pays_from, raised};
use crate::catalog::{
    Crossover, StrategyTrial, USUAL_PARALLEL_WORK, Way, measure_crossover, set_parallel_work,
};
use crate::document::{
    Machine, MatmulSize, MatmulTuning, RowsCrossover, Tier, Tuning, TuningLimits, Unknown,
};
use crate::session::{Observer, Stop};
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Monotonic, Rng, Team};

/// A sample multiplies until it took so long, and once at least.
const SAMPLE_NANOSECONDS: u64 = 50_000;
/// Times of a size are the fastest of so many samples at least: what disturbs only adds.
const FEWEST_SAMPLES: usize = 5;
/// ... and of no more than so many.
const MOST_SAMPLES: usize = 60;
/// A size and a pass may take so long, once the fewest samples are there.
const SIZE_SECONDS: f64 = 0.3;

/// What to search.
#[derive(Debug, Clone)]
pub struct MatmulPlan {
    /// Rows and columns of the products, in rising order.
    pub sizes: Vec<usize>,
    /// Threads of the parallel strategy.
    pub threads: NonZeroUsize,
    /// Of the operands and the order of turns.
    pub seed: u64,
    /// Whether what is found is kept for the kernels.
    pub keep: bool,
}

/// Runs the search.
///
/// # Errors
/// Threads cannot be started, or the profile cannot be written.
pub fn tune_matmul(
    plan: &MatmulPlan,
    machine: &Machine,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<Tuning> {
    let clock = Monotonic::new();
    let start = clock.now();
    let tier = Tier::best_f32();
    let mut tuning = Tuning::begin("matmul", "matrix products", machine, plan.seed, TuningLimits::default());
    let mut found =
        MatmulTuning { tier: tier.to_string(), threads: plan.threads.get(), ..MatmulTuning::default() };
    let team = Team::new(plan.threads)?;
    // What is chosen is learned here, whatever an older profile says.
    set_parallel_work(USUAL_PARALLEL_WORK);
    let mut crossover = measure_crossover(tier)?;
    let mut rng = Rng::new(plan.seed);
    observer.phase("strategies", plan.sizes.len(), 0.0);
    for &size in &plan.sizes {
        if stop.requested() {
            tuning.interrupted = true;
            break;
        }
        observer.step(&size);
        let mut trial = StrategyTrial::new(size, tier, &team, plan.seed)?;
        let ways = [Way::Direct, Way::Packing, Way::Packed, Way::Parallel];
        let ways = if plan.threads.get() > 1 { &ways[..] } else { &ways[..3] };
        let seconds = fastest(&mut trial, ways, &crossover, &mut rng, &clock, stop);
        found.sizes.push(MatmulSize {
            size,
            direct_seconds: seconds[0],
            packing_seconds: seconds[1],
            packed_seconds: seconds[2],
            parallel_seconds: seconds.get(3).copied(),
            ..MatmulSize::default()
        });
    }
    decide(&mut found, &mut crossover);
    let profile = Profile::of(machine, tier, plan.threads, &crossover, found.parallel_work);
    if plan.threads.get() > 1 {
        set_parallel_work(found.parallel_work.unwrap_or(usize::MAX));
    }
    observer.phase("choice beside direct", found.sizes.len(), 0.0);
    for row in &mut found.sizes {
        if stop.requested() {
            tuning.interrupted = true;
            break;
        }
        observer.step(&row.size);
        let mut trial = StrategyTrial::new(row.size, tier, &team, plan.seed)?;
        let (strategy, shared) = trial.choice(&crossover);
        row.choice = strategy.name().to_owned();
        row.shared = shared;
        let seconds = fastest(&mut trial, &[Way::Direct, Way::Chosen], &crossover, &mut rng, &clock, stop);
        (row.direct_beside_seconds, row.chosen_seconds) = (seconds[0], seconds[1]);
    }
    if plan.keep && !tuning.interrupted {
        keep(&profile)?;
        found.kept = true;
    }
    tuning.seconds = as_seconds(clock.now().saturating_sub(start));
    tuning.matmul = Some(found);
    Ok(tuning)
}

/// The shortest seconds of a product by each way, in turn, in an order that is drawn anew every time.
fn fastest(
    trial: &mut StrategyTrial,
    ways: &[Way],
    crossover: &Crossover,
    rng: &mut Rng,
    clock: &Monotonic,
    stop: &Stop,
) -> Vec<f64> {
    let mut timed = |way: Way, times: u64| {
        let start = clock.now();
        for _ in 0..times {
            trial.multiply(way, crossover);
        }
        clock.now().saturating_sub(start)
    };
    let times: Vec<u64> = ways
        .iter()
        .map(|&way| {
            // The first touches memory, the second is warm.
            timed(way, 1);
            SAMPLE_NANOSECONDS.div_ceil(timed(way, 1).max(1)).clamp(1, 10_000)
        })
        .collect();
    let start = clock.now();
    let mut best = vec![f64::INFINITY; ways.len()];
    let mut order: Vec<usize> = (0..ways.len()).collect();
    for sample in 0..MOST_SAMPLES {
        let spent = as_seconds(clock.now().saturating_sub(start));
        if sample >= FEWEST_SAMPLES && (spent > SIZE_SECONDS || stop.requested()) {
            break;
        }
        rng.shuffle(&mut order);
        for &i in &order {
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            let seconds = as_seconds(timed(ways[i], times[i])) / times[i] as f64;
            best[i] = best[i].min(seconds);
        }
    }
    best
}

/// Where each strategy pays, from the times.
fn decide(found: &mut MatmulTuning, crossover: &mut Crossover) {
    let sizes: Vec<usize> = found.sizes.iter().map(|row| row.size).collect();
    let pairs: Vec<(f64, f64)> =
        found.sizes.iter().map(|row| (row.direct_seconds, row.packing_seconds)).collect();
    found.packing_from_size = pays_from(&sizes, &pairs);
    let pairs: Option<Vec<(f64, f64)>> =
        found.sizes.iter().map(|row| Some((row.packed_seconds, row.parallel_seconds?))).collect();
    found.parallel_from_size = pairs.as_ref().and_then(|pairs| pays_from(&sizes, pairs));
    found.parallel_work = found.parallel_from_size.map(|size| size * size * size);
    for (operand, rows) in crossover.kinds_mut() {
        let of_kind = |row: &&MatmulSize| Crossover::kind(row.size, row.size) == operand;
        let seen: Vec<(usize, f64, f64)> = found
            .sizes
            .iter()
            .filter(of_kind)
            .map(|row| (row.size, row.direct_seconds, row.packing_seconds))
            .collect();
        *rows = raised(*rows, &seen);
        let rows = (*rows < usize::MAX).then_some(*rows);
        found.crossovers.push(RowsCrossover { operand: operand.to_owned(), rows });
    }
    let mut null = |field: &str, reason: &str| {
        found.unknown.push(Unknown { field: format!("matmul.{field}"), reason: reason.to_owned() });
    };
    if found.packing_from_size.is_none() {
        null("packing_from_size", "packing was not faster at the largest size that was measured");
    }
    if found.threads < 2 {
        null("parallel_from_size", "there is one thread");
    } else if found.parallel_from_size.is_none() {
        null("parallel_from_size", "threads were not faster at the largest size that was measured");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Silent;

    #[test]
    fn every_size_has_every_strategy_and_a_choice() {
        let plan = MatmulPlan {
            sizes: vec![8, 16, 48],
            threads: NonZeroUsize::new(2).unwrap(),
            seed: 3,
            keep: false,
        };
        let tuning = tune_matmul(&plan, &Machine::default(), &mut Silent, &Stop::default()).unwrap();
        let found = tuning.matmul.unwrap();
        assert_eq!(found.sizes.iter().map(|row| row.size).collect::<Vec<_>>(), [8, 16, 48]);
        for row in &found.sizes {
            let seconds = [row.direct_seconds, row.packing_seconds, row.packed_seconds, row.chosen_seconds];
            assert!(seconds.iter().all(|seconds| *seconds > 0.0 && seconds.is_finite()), "{row:?}");
            assert!(row.parallel_seconds.unwrap() > 0.0 && row.of_direct() > 0.0);
            assert!(["direct", "packing"].contains(&&*row.choice), "{row:?}");
        }
        assert_eq!(found.crossovers.len(), 5);
        assert!(!found.kept);
    }

    #[test]
    fn what_lost_to_the_direct_form_is_not_chosen() {
        let row = |size, direct_seconds, packing_seconds, packed_seconds, parallel| MatmulSize {
            size,
            direct_seconds,
            packing_seconds,
            packed_seconds,
            parallel_seconds: Some(parallel),
            ..MatmulSize::default()
        };
        let mut found = MatmulTuning {
            threads: 2,
            sizes: vec![
                row(64, 5.0, 6.0, 5.1, 9.0),
                row(128, 39.0, 43.0, 38.0, 41.0),
                row(256, 330.0, 300.0, 290.0, 170.0),
                row(512, 2900.0, 2500.0, 2300.0, 1200.0),
            ],
            ..MatmulTuning::default()
        };
        let mut crossover = Crossover { small: 40, aligned: 100, ragged: 90, large: 80, competing: 20 };
        decide(&mut found, &mut crossover);
        assert_eq!((found.packing_from_size, found.parallel_from_size), (Some(256), Some(256)));
        assert_eq!(found.parallel_work, Some(256 * 256 * 256));
        assert_eq!((crossover.small, crossover.aligned), (65, 129));
        assert_eq!((crossover.ragged, crossover.competing), (90, 20));
    }
}
