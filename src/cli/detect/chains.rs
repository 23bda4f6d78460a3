//! Two chains of dependent one-cycle instructions, one behind the other, and the clock that they give together.
//!
//! The second one is of other instructions than the first: were one of them not what it is taken for on some processor (fused,
//! folded when it is renamed, or slower), the two would disagree, and there is no answer.

use std::hint::black_box;
use std::sync::Arc;

use crate::catalog::{self, Resources, Workload};
use crate::document::{Case, Machine, ParseCaseError};
use crate::stats;
use crate::sys::Team;
use crate::sys::clock::{as_seconds, monotonic_nanoseconds, thread_cpu_nanoseconds};

/// The first chain: some 40 us, so that both take less than any processor needs to change its clock.
pub(super) const CASE: &str = "clock/chain-u64/plain@baseline/65536/t1";
/// Steps of the second one, of two instructions each.
const STEPS: u32 = 65536;
/// A reading counts when its thread had the core for this share of its time.
const UNDISTURBED: f64 = 0.99;
/// A clock is held by the chains that come this close to it ...
const WITHIN: f64 = 0.02;
/// ... which must be this share of all: a clock that nothing holds is none.
const HELD: f64 = 0.2;
/// The chains must agree this well.
const AGREEMENT: f64 = 0.02;

/// Both chains, ready to run.
pub(super) struct Chains {
    first: Box<dyn Workload>,
    cycles: f64,
    second_is_first: bool,
}

/// The time of both, one right behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    hertz: f64,
    second_hertz: f64,
    /// CPU time over wall time.
    share: f64,
}

impl Reading {
    /// The clock by the first chain.
    pub(super) const fn hertz(&self) -> f64 {
        self.hertz
    }
}

impl Chains {
    pub(super) fn new(machine: &Arc<Machine>) -> Result<Self, String> {
        let mut first = prepared(machine, CASE)?;
        let cycles =
            first.facts().extra.get("cycles").copied().ok_or("the chain does not know its cycles")?;
        Ok(Self { first, cycles, second_is_first: false })
    }

    /// Runs both. They take turns in going first: a clock that changes meanwhile favours neither.
    pub(super) fn read(&mut self) -> Reading {
        self.second_is_first = !self.second_is_first;
        let cpu = thread_cpu_nanoseconds();
        let start = monotonic_nanoseconds();
        let early = if self.second_is_first { self.run_second() } else { self.run_first() };
        let late = if self.second_is_first { self.run_first() } else { self.run_second() };
        let wall = as_seconds(monotonic_nanoseconds().saturating_sub(start));
        let share = as_seconds(thread_cpu_nanoseconds().saturating_sub(cpu)) / wall;
        let (hertz, second_hertz) = if self.second_is_first { (late, early) } else { (early, late) };
        Reading { hertz, second_hertz, share }
    }

    fn run_first(&mut self) -> f64 {
        let start = monotonic_nanoseconds();
        self.first.run();
        self.cycles / as_seconds(monotonic_nanoseconds().saturating_sub(start))
    }

    fn run_second(&self) -> f64 {
        let start = monotonic_nanoseconds();
        black_box(second_chain(black_box(1), black_box(STEPS), black_box(0x5a5a), black_box(3)));
        2.0 * f64::from(STEPS) / as_seconds(monotonic_nanoseconds().saturating_sub(start))
    }
}

/// Or, then subtraction, each waiting for the one before. The operands come from outside, so that nothing is known of them.
fn second_chain(seed: u64, steps: u32, bits: u64, less: u64) -> u64 {
    let mut value = seed;
    for _ in 0..steps {
        value = (value | bits).wrapping_sub(less);
    }
    value
}

pub(super) fn prepared(machine: &Arc<Machine>, case: &str) -> Result<Box<dyn Workload>, String> {
    let case: Case = case.parse().map_err(|error: ParseCaseError| error.to_string())?;
    let benchmark =
        catalog::find(&case.benchmark).ok_or_else(|| format!("the catalog has no {}", case.benchmark))?;
    let resources = Resources { team: Team::single(), seed: 1, machine: Arc::clone(machine) };
    benchmark.prepare(&case, &resources).map_err(|error| error.to_string())
}

/// A clock and how steady it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    /// What the fastest tenth of the chains reaches.
    pub(super) hertz: f64,
    /// What a quarter does not reach.
    pub(super) low_hertz: f64,
    /// The second chain's clock over the first's.
    pub(super) second_chain: f64,
}

/// The clock that undisturbed readings give.
pub(super) fn clock_of(readings: &[Reading]) -> Result<Clock, String> {
    let undisturbed: Vec<&Reading> = readings.iter().filter(|reading| reading.share >= UNDISTURBED).collect();
    if undisturbed.len() * 2 < readings.len() || undisturbed.is_empty() {
        let lost = readings.len() - undisturbed.len();
        return Err(format!(
            "the core was taken away in {lost} of {} chains: measure when the machine is idle",
            readings.len()
        ));
    }
    let sorted = stats::sorted(&undisturbed.iter().map(|reading| reading.hertz).collect::<Vec<_>>());
    let quantile = |q: f64| stats::quantile_of_sorted(&sorted, q).ok_or("no chain has a time");
    let (low_hertz, hertz) = (quantile(0.25)?, quantile(0.9)?);
    let held = sorted.iter().filter(|rate| (*rate / hertz - 1.0).abs() <= WITHIN).count();
    #[expect(clippy::cast_precision_loss, reason = "readings are few")]
    if (held as f64) < HELD * sorted.len() as f64 {
        let (slow, fast) = (crate::units::hertz(low_hertz), crate::units::hertz(hertz));
        return Err(format!(
            "no clock was held: it moved between {slow} and {fast}, or the hypervisor took the core away"
        ));
    }
    // A clock that moves between two chains makes single pairs differ: both reach the same highest one.
    let second = stats::sorted(&undisturbed.iter().map(|reading| reading.second_hertz).collect::<Vec<_>>());
    let second_chain = stats::quantile_of_sorted(&second, 0.9).ok_or("no chain has a time")? / hertz;
    if (second_chain - 1.0).abs() > AGREEMENT {
        return Err(format!(
            "two chains of one-cycle instructions disagree: one gives {second_chain:.3} of the other's clock"
        ));
    }
    Ok(Clock { hertz, low_hertz, second_chain })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Both chains at a clock.
    pub(in crate::cli::detect) fn reading(hertz: f64, share: f64) -> Reading {
        Reading { hertz, second_hertz: hertz, share }
    }

    #[test]
    fn a_clock_that_is_held_is_told_and_one_that_is_not_is_none() {
        let steady: Vec<Reading> = (0..20).map(|i| reading(4e9 - f64::from(i % 3) * 1e6, 1.0)).collect();
        let clock = clock_of(&steady).unwrap();
        assert!((clock.hertz / 4e9 - 1.0).abs() < 1e-3 && clock.low_hertz <= clock.hertz);
        // A host that changes between two clocks: the higher one is reached again and again.
        let steps: Vec<Reading> =
            (0..40).map(|i| reading(if i % 3 == 0 { 3.482e9 } else { 3.183e9 }, 1.0)).collect();
        let clock = clock_of(&steps).unwrap();
        assert_eq!((clock.hertz, clock.low_hertz), (3.482e9, 3.183e9));
        let stolen: Vec<Reading> = steady.iter().map(|r| Reading { share: 0.7, ..*r }).collect();
        assert!(clock_of(&stolen).unwrap_err().contains("taken away in 20 of 20"));
        let moving: Vec<Reading> = (0..40).map(|i| reading(4e9 / (1.0 + f64::from(i) / 20.0), 1.0)).collect();
        assert!(clock_of(&moving).unwrap_err().contains("no clock was held"));
        let apart: Vec<Reading> =
            steady.iter().map(|r| Reading { second_hertz: r.hertz * 1.05, ..*r }).collect();
        assert!(clock_of(&apart).unwrap_err().contains("disagree"));
        assert!(clock_of(&[]).is_err());
    }

    #[test]
    fn the_second_chain_is_what_it_says() {
        let mut value = 1_u64;
        for _ in 0..1000 {
            value = (value | 0x5a5a).wrapping_sub(3);
        }
        assert_eq!(second_chain(1, 1000, 0x5a5a, 3), value);
    }
}
