//! The sampling loop on a clock that moves only when told: counts are exact.

use std::cell::Cell;

use super::*;
use crate::sys::Clock;
use crate::sys::clock::Fake;
use crate::workload::{Mismatch, OutputMut, Workload};

/// Takes `cost(run number)` nanoseconds of the fake clock per run.
struct Scripted<'a> {
    clock: &'a Fake,
    runs: u64,
    cost: fn(u64) -> u64,
    wrong_from: u64,
    staged: bool,
    output: [f32; 1],
}

impl<'a> Scripted<'a> {
    fn new(clock: &'a Fake, cost: fn(u64) -> u64) -> Self {
        Self { clock, runs: 0, cost, wrong_from: u64::MAX, staged: false, output: [1.0] }
    }
}

impl Workload for Scripted<'_> {
    fn run(&mut self) {
        self.clock.advance((self.cost)(self.runs));
        self.runs += 1;
    }

    fn facts(&mut self) -> Facts {
        if !self.staged {
            return Facts::default();
        }
        Facts { stages: vec![("encode", 1e-6)], tokens: Some(self.runs), ..Facts::default() }
    }

    fn check(&self) -> Result<(), Mismatch> {
        if self.runs >= self.wrong_from {
            return Err(Mismatch { element: 3, got: 1.0, reference: 2.0, tolerance: 0.0 });
        }
        Ok(())
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.output)
    }
}

fn plan() -> Plan {
    Plan {
        warm_up_seconds: 1e-3,
        sample_seconds: 1e-4,
        budget_seconds: 1e-2,
        min_samples: 5,
        max_samples: 1000,
    }
}

fn never() -> bool {
    false
}

#[test]
fn a_steady_workload_gives_the_samples_that_fit_the_budget() {
    let clock = Fake::default();
    // 10 us a run, 100 us a sample: 10 iterations, 100 samples in 10 ms.
    let samples = sample(&mut Scripted::new(&clock, |_| 10_000), &plan(), &clock, &never).unwrap();
    assert_eq!((samples.iterations, samples.seconds.len()), (10, 100));
    assert!(samples.seconds.iter().all(|s| (s - 1e-5).abs() < 1e-15));
    assert_eq!(samples.records.len(), 100);
    assert!(samples.settled && samples.facts.is_empty());
}

#[test]
fn the_smallest_and_the_largest_count_bound_the_budget() {
    let clock = Fake::default();
    let slow = sample(&mut Scripted::new(&clock, |_| 50_000_000), &plan(), &clock, &never).unwrap();
    assert_eq!((slow.iterations, slow.seconds.len()), (1, 5), "a run longer than the budget");
    let few = Plan { max_samples: 7, ..plan() };
    let fast = sample(&mut Scripted::new(&clock, |_| 10_000), &few, &clock, &never).unwrap();
    assert_eq!(fast.seconds.len(), 7);
}

#[test]
fn a_batch_is_never_below_a_thousand_clock_steps() {
    let clock = Fake::default();
    let eager = Plan { sample_seconds: 0.0, ..plan() };
    let samples = sample(&mut Scripted::new(&clock, |_| 3), &eager, &clock, &never).unwrap();
    // The fake clock's step is 1 ns: 1000 ns at 3 ns a run.
    assert_eq!(samples.iterations, 334);
}

#[test]
fn warm_up_waits_until_two_windows_agree_and_says_when_they_never_do() {
    let clock = Fake::default();
    // 24 cold runs at triple cost: they end inside the second window of half a millisecond.
    let warming = sample(
        &mut Scripted::new(&clock, |run| if run < 24 { 30_000 } else { 10_000 }),
        &plan(),
        &clock,
        &never,
    )
    .unwrap();
    assert!(warming.settled);
    assert!(warming.seconds.iter().all(|s| (s - 1e-5).abs() < 1e-15), "a cold run was sampled");
    // It gets slower without end, by more than the tolerance from window to window.
    let drifting =
        sample(&mut Scripted::new(&clock, |run| 10_000 + run * 1_000), &plan(), &clock, &never).unwrap();
    assert!(!drifting.settled);
}

#[test]
fn a_wrong_answer_is_refused_before_and_after_timing() {
    let clock = Fake::default();
    for wrong_from in [0, 400] {
        let mut workload = Scripted { wrong_from, ..Scripted::new(&clock, |_| 10_000) };
        let answer = sample(&mut workload, &plan(), &clock, &never);
        assert_eq!(answer.unwrap_err().element, 3, "wrong from run {wrong_from}");
    }
}

#[test]
fn a_stop_request_keeps_what_there_is() {
    let clock = Fake::default();
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        clock.now() > 5_000_000
    };
    let samples = sample(&mut Scripted::new(&clock, |_| 10_000), &plan(), &clock, &stop).unwrap();
    assert!(!samples.seconds.is_empty() && samples.seconds.len() < 100, "{} samples", samples.seconds.len());
    let at_once = sample(&mut Scripted::new(&clock, |_| 10_000), &plan(), &clock, &|| true).unwrap();
    assert!(at_once.seconds.is_empty());
}

#[test]
fn a_workload_with_stages_has_facts_for_every_sample() {
    let clock = Fake::default();
    let mut workload = Scripted { staged: true, ..Scripted::new(&clock, |_| 10_000) };
    let samples = sample(&mut workload, &plan(), &clock, &never).unwrap();
    assert_eq!(samples.iterations, 1);
    assert_eq!(samples.facts.len(), samples.seconds.len());
    let tokens: Vec<_> = samples.facts.iter().map(|f| f.tokens).collect();
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "facts of one sample stand at another");
}
