//! Runs with arms that are told what to take: who is started when, what is kept, and what a failure costs.

use std::cell::{Cell, RefCell};

use super::*;
use crate::document::BENCH;
use crate::measure::BatchSample;
use crate::session::Silent;
use crate::sys::clock::Fake;

pub(crate) const POOL: &str = "pool/mean-f32/plain@baseline/128x384/t1";
pub(crate) const NORM: &str = "normalize/l2-f32/plain@baseline/128x384/t1";
pub(crate) const CHAIN: &str = "clock/chain-u64/plain@baseline/4096/t1";

pub(crate) fn case(text: &str) -> Case {
    text.parse().unwrap()
}

/// An arm whose runs take what it was told when it was started.
pub(crate) struct Told {
    pub(crate) seconds: f64,
    pub(crate) fails: Option<&'static str>,
}

impl measure::Arm for Told {
    fn sample(&mut self, iterations: u64) -> Result<BatchSample, ArmError> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "small"
        )]
        let wall_nanoseconds = (self.seconds * iterations as f64 * 1e9).round() as u64;
        Ok(BatchSample {
            wall_nanoseconds,
            cpu_nanoseconds: Some(wall_nanoseconds),
            involuntary_switches: Some(0),
            wait_nanoseconds: Some(0),
            cpu: Some(0),
            iterations,
        })
    }
}

impl Prepared for Told {
    fn check(&mut self) -> Result<(), ArmError> {
        let wrong = |why: &str| ArmError { who: "worker".to_owned(), why: why.to_owned() };
        self.fails.map_or(Ok(()), |why| Err(wrong(why)))
    }
}

fn plan(runs: usize) -> RunsPlan {
    RunsPlan {
        cases: vec![case(POOL), case(NORM)],
        references: [("int".to_owned(), case(CHAIN))].into(),
        runs,
        ..RunsPlan::default()
    }
}

fn measured(plan: &RunsPlan, start: &Starter<'_>) -> anyhow::Result<Runs> {
    measure_runs(plan, start, &Fake::default(), &Stop::default(), &mut Silent)
}

#[test]
fn every_run_starts_every_case_afresh_and_keeps_the_references_alive() {
    let log = RefCell::new(Vec::new());
    let start = |case: &Case, seed: u64| -> Result<Box<dyn Prepared>, ArmError> {
        log.borrow_mut().push((case.to_string(), seed));
        Ok(Box::new(Told { seconds: 1e-4, fails: None }))
    };
    let runs = measured(&RunsPlan { input_seed: 5, ..plan(3) }, &start).unwrap();
    assert!(runs.failed.is_empty() && runs.unsettled.is_empty());
    assert_eq!(runs.runs.len(), 3);
    for run in &runs.runs {
        let mut arms: Vec<_> = run.arms.iter().map(|arm| (arm.case.to_string(), &*arm.arm)).collect();
        arms.sort();
        let expected =
            [(NORM, BENCH), (NORM, "int"), (POOL, BENCH), (POOL, "int")].map(|(c, arm)| (c.to_owned(), arm));
        assert_eq!(arms, expected);
        assert!(run.arms.iter().all(|arm| arm.wall_seconds.len() == MOST_ROUNDS && arm.iterations == 3));
        assert!(
            run.arms.iter().all(|arm| arm.cause.len() == MOST_ROUNDS && arm.cpu_seconds.len() == MOST_ROUNDS)
        );
    }
    let log = log.into_inner();
    assert!(log.iter().all(|(_, seed)| *seed == 5));
    let count = |text: &str| log.iter().filter(|(case, _)| case == text).count();
    assert_eq!((count(POOL), count(NORM), count(CHAIN)), (3, 3, 3));
    assert!(log.chunks(3).all(|run| run[0].0 == CHAIN), "the references come first: {log:?}");
}

#[test]
fn samples_keep_the_length_of_the_first_run_or_of_the_baseline() {
    let starts = Cell::new(0);
    let start = |_: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        starts.set(starts.get() + 1);
        // The second run is disturbed from its start and would be sized otherwise.
        Ok(Box::new(Told { seconds: if starts.get() > 3 { 2e-4 } else { 1e-4 }, fails: None }))
    };
    let plan = RunsPlan { iterations: [(case(NORM), 7)].into(), ..plan(2) };
    let runs = measured(&plan, &start).unwrap();
    for run in &runs.runs {
        let of = |text: &str, name: &str| {
            run.of_case(&case(text)).find(|arm| arm.arm == name).map(|arm| arm.iterations)
        };
        assert_eq!((of(POOL, BENCH), of(NORM, BENCH), of(POOL, "int")), (Some(3), Some(7), Some(3)));
    }
}

#[test]
fn rounds_follow_the_cost_of_all_arms() {
    let rounds = |seconds| plan(1).block(seconds).rounds;
    assert_eq!((rounds(1e-3), rounds(0.05), rounds(10.0)), (20, 10, 3));
    assert_eq!(RunsPlan { most_rounds: 6, ..plan(1) }.block(1e-3).rounds, 6);
}

#[test]
fn a_case_that_fails_once_is_in_no_run() {
    let starts = Cell::new(0);
    let start = |case: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        let pool = case.to_string() == POOL;
        starts.set(starts.get() + u32::from(pool));
        let fails = (pool && starts.get() == 2).then_some("wrong answer: 1 instead of 2");
        Ok(Box::new(Told { seconds: 1e-4, fails }))
    };
    let runs = measured(&plan(3), &start).unwrap();
    assert_eq!(starts.get(), 2, "it is not tried again");
    assert_eq!(runs.failed, [(case(POOL), "wrong answer: 1 instead of 2".to_owned())].into());
    assert_eq!(runs.runs.len(), 3);
    assert!(runs.runs.iter().all(|run| run.arms.iter().all(|arm| arm.case == case(NORM))));
    let outcomes = outcomes(&plan(3).cases, &runs);
    assert!(
        matches!(&outcomes[0], crate::document::Outcome::Failed(omission) if omission.why.contains("wrong"))
    );
    assert!(matches!(&outcomes[1], crate::document::Outcome::Measured(m) if m.seconds.samples.len() == 3));
}

#[test]
fn without_a_reference_nothing_is_measured() {
    let start = |case: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        if case.to_string() == CHAIN {
            return Err(ArmError { who: "perfkit".to_owned(), why: "gave no answer within 20 s".to_owned() });
        }
        Ok(Box::new(Told { seconds: 1e-4, fails: None }))
    };
    let error = format!("{:#}", measured(&plan(3), &start).unwrap_err());
    assert!(error.contains("reference kernel int") && error.contains("gave no answer"), "{error}");
}

#[test]
fn a_stop_keeps_the_runs_that_are_complete() {
    let stop = Stop::default();
    let starts = Cell::new(0);
    let start = |_: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        starts.set(starts.get() + 1);
        if starts.get() == 5 {
            stop.request();
        }
        Ok(Box::new(Told { seconds: 1e-4, fails: None }))
    };
    let runs = measure_runs(&plan(3), &start, &Fake::default(), &stop, &mut Silent).unwrap();
    assert_eq!(runs.runs.len(), 1);
}

#[test]
fn the_reference_that_moves_with_a_case_divides_it() {
    // The host slows down by 4 % from run to run; the case and the chain alike, the other reference not at all.
    let starts = Cell::new(0);
    let plan = RunsPlan {
        cases: vec![case(POOL)],
        references: [("dram".to_owned(), case(NORM)), ("int".to_owned(), case(CHAIN))].into(),
        runs: 5,
        ..RunsPlan::default()
    };
    let start = |case: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        let run = starts.get() / 3;
        starts.set(starts.get() + 1);
        let slowed = if case.to_string() == NORM { 1.0 } else { 1.04_f64.powi(run) };
        Ok(Box::new(Told { seconds: 1e-4 * slowed, fails: None }))
    };
    let runs = measured(&plan, &start).unwrap().runs;
    let normaliser = normaliser(&runs, &case(POOL), plan.references.keys()).unwrap();
    assert_eq!(normaliser.chosen, "int");
    let spreads = &normaliser.between_run_spread;
    assert!(spreads["int"] < 1e-4 && spreads["dram"] > 0.05 && spreads["none"] > 0.05, "{spreads:?}");
    let alone = log_values(&runs, &case(POOL), crate::document::NO_REFERENCE);
    assert!((alone[4] - alone[0] - 4.0 * 1.04_f64.ln()).abs() < 1e-3);
    assert!(log_values(&runs, &case(POOL), "l2").iter().all(|value| value.is_nan()));
    assert_eq!(super::normaliser(&runs[..2], &case(POOL), plan.references.keys()), None);
}
