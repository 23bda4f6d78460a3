//! The sampling loop: warm up, check, sample, check.

use super::batch::time_batch;
use super::{Plan, Record, Samples};
use crate::stats;
use crate::sys::Clock;
use crate::sys::clock::{as_seconds, process_cpu_nanoseconds};
use crate::sys::resources::process_usage;
use crate::sys::threads::current_cpu;
use crate::workload::{Facts, Mismatch, Workload};

/// Two neighbouring warm-up windows agree when their medians differ by no more than this share.
const SETTLED_WITHIN: f64 = 0.03;
/// A batch lasts at least this many steps of the clock, so that reading it costs under 0.2 %.
const CLOCK_STEPS: u64 = 1000;
/// Warm-up gives up on settling after this many times its planned length.
const WARM_UP_CAP: f64 = 4.0;
/// No batch has more iterations; a workload that the clock cannot see is stopped by this.
const MAX_BATCH: u64 = 1 << 32;

/// Warms up, checks the answer, samples, and checks again. Stops early (keeping what there is) when `stop` says so.
///
/// Only `Workload::run` stands between the two clock readings of a sample; CPU time, faults and switches are read
/// just outside them. A workload with stages is sampled one run at a time, so that every sample has its own stages.
pub fn sample(
    workload: &mut dyn Workload,
    plan: &Plan,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
) -> Result<Samples, Mismatch> {
    let warm = warm_up(workload, plan, clock, stop);
    workload.check()?;
    let mut samples = Samples { iterations: warm.batch, settled: warm.settled, ..Samples::default() };
    let mut totals = Totals::default();
    let end = clock.now().saturating_add(nanoseconds(plan.budget_seconds));
    while samples.seconds.len() < plan.max_samples && !stop() {
        if clock.now() >= end && samples.seconds.len() >= plan.min_samples {
            break;
        }
        take_one(workload, clock, warm.batch, &mut samples, &mut totals);
        if warm.staged {
            samples.facts.push(workload.facts());
        }
    }
    workload.check()?;
    if !warm.staged {
        let facts = workload.facts();
        samples.facts.extend((facts != Facts::default()).then_some(facts));
    }
    samples.cpu_wall_ratio = (totals.wall > 0).then(|| ratio(totals.cpu, totals.wall));
    Ok(samples)
}

/// Sums over the timed samples.
#[derive(Default)]
struct Totals {
    wall: u64,
    cpu: u64,
}

fn take_one(
    workload: &mut dyn Workload,
    clock: &dyn Clock,
    batch: u64,
    samples: &mut Samples,
    totals: &mut Totals,
) {
    let usage_before = process_usage();
    let cpu_before = process_cpu_nanoseconds();
    let wall = time_batch(workload, clock, batch);
    let cpu = process_cpu_nanoseconds().saturating_sub(cpu_before);
    let usage = process_usage();
    let switches = usage.involuntary_switches.saturating_sub(usage_before.involuntary_switches);
    samples.minor_faults += usage.minor_faults.saturating_sub(usage_before.minor_faults);
    samples.involuntary_switches += switches;
    totals.wall += wall;
    totals.cpu += cpu;
    // A reading of zero is a clock that did not move; its step is then the honest upper bound.
    samples.seconds.push(per_iteration(wall.max(clock.precision()), batch));
    samples.records.push(Record {
        cpu_seconds: per_iteration(cpu, batch),
        involuntary_switches: switches,
        cpu: current_cpu(),
    });
}

/// What the warm-up found out.
struct Warm {
    batch: u64,
    settled: bool,
    staged: bool,
}

fn warm_up(workload: &mut dyn Workload, plan: &Plan, clock: &dyn Clock, stop: &dyn Fn() -> bool) -> Warm {
    let start = clock.now();
    let least = nanoseconds(plan.warm_up_seconds);
    let cap = nanoseconds(plan.warm_up_seconds * WARM_UP_CAP);
    let elapsed = || clock.now().saturating_sub(start);
    // The first run touches what was never touched: it counts as warm-up, never as an estimate.
    workload.run();
    let staged = has_stages(&workload.facts());
    let target = nanoseconds(plan.sample_seconds).max(CLOCK_STEPS * clock.precision());
    let (mut batch, mut fastest) =
        if staged { (1, f64::INFINITY) } else { size_batch(workload, clock, target, stop) };
    let mut previous: Option<f64> = None;
    let mut settled = false;
    while !stop() {
        let window = window(workload, clock, batch, least / 2, stop);
        fastest = window.iter().copied().fold(fastest, f64::min);
        let median = stats::median(&window);
        settled = previous.zip(median).is_some_and(|(a, b)| (a - b).abs() <= SETTLED_WITHIN * a.min(b));
        previous = median;
        if (elapsed() >= least && settled) || elapsed() >= cap {
            break;
        }
    }
    if !staged {
        batch = batch_for(target, fastest);
    }
    Warm { batch, settled, staged }
}

fn has_stages(facts: &Facts) -> bool {
    !facts.stages.is_empty() || facts.total_seconds.is_some() || facts.device_seconds.is_some()
}

/// Doubles the batch until it lasts half of `target`, then returns the batch that should last all of it.
fn size_batch(
    workload: &mut dyn Workload,
    clock: &dyn Clock,
    target: u64,
    stop: &dyn Fn() -> bool,
) -> (u64, f64) {
    let mut batch = 1;
    loop {
        let wall = time_batch(workload, clock, batch);
        if wall >= target / 2 || batch >= MAX_BATCH || stop() {
            let each = per_iteration(wall.max(1), batch) * 1e9;
            return (batch_for(target, each), each);
        }
        batch *= 2;
    }
}

/// Iterations so that a batch lasts at least `target` nanoseconds at `each` nanoseconds an iteration.
fn batch_for(target: u64, each: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a positive count, capped right after"
    )]
    let batch = (target as f64 / each).ceil() as u64;
    batch.clamp(1, MAX_BATCH)
}

/// Nanoseconds per iteration of the batches that fit into `length` nanoseconds; at least one.
fn window(
    workload: &mut dyn Workload,
    clock: &dyn Clock,
    batch: u64,
    length: u64,
    stop: &dyn Fn() -> bool,
) -> Vec<f64> {
    let start = clock.now();
    let mut each = Vec::new();
    loop {
        each.push(per_iteration(time_batch(workload, clock, batch).max(1), batch) * 1e9);
        if clock.now().saturating_sub(start) >= length || stop() || each.len() >= 10_000 {
            return each;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "plans last seconds; the cast saturates"
)]
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
fn per_iteration(nanoseconds: u64, batch: u64) -> f64 {
    as_seconds(nanoseconds) / batch as f64
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a case fit in 53 bits")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}
