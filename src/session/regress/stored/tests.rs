//! Stored mode on runs that were made up or recorded: what is a verdict, what is not, and why.

use std::cell::Cell;

use super::*;
use crate::analysis::compare::Verdict;
use crate::analysis::fixtures;
use crate::document::{Arm, BENCH, Source};
use crate::measure::ArmError;
use crate::session::Silent;
use crate::session::runs::tests::{CHAIN, NORM, POOL, Told, case};
use crate::session::runs::{Prepared, normaliser};
use crate::sys::Rng;

/// A run in which the case and its references took so long.
fn run(index: usize, arms: &[(&str, f64)]) -> BaselineRun {
    let arm = |&(name, seconds): &(&str, f64)| Arm {
        median_seconds: Some(seconds),
        quiet_seconds: Some(seconds),
        iterations: 3,
        ..Arm::new(case(POOL), name)
    };
    BaselineRun { id: format!("{index}"), arms: arms.iter().map(arm).collect(), ..BaselineRun::default() }
}

/// Runs of a host that drifts, a reference that drifts with it, one that does not, and noise of a thousandth.
fn runs(seed: u64, count: usize, host: f64, slowdown: f64) -> Vec<BaselineRun> {
    let mut rng = Rng::new(seed);
    let mut noisy = |seconds: f64| seconds * (0.001 * rng.normal()).exp();
    (0..count)
        .map(|index| {
            let host = host * (1.0 + 0.01 * f64::from(u32::try_from(index).unwrap() % 3));
            run(
                index,
                &[(BENCH, noisy(1e-4 * host * slowdown)), ("int", noisy(2e-4 * host)), ("dram", noisy(5e-3))],
            )
        })
        .collect()
}

fn judged(
    stored: &[BaselineRun],
    new: &[BaselineRun],
    reference: &str,
    margin: Margin,
) -> crate::analysis::compare::Change {
    let case = case(POOL);
    let runs = CaseRuns {
        case: &case,
        stored,
        new,
        reference: reference.to_owned(),
        nearest: Some("int".to_owned()),
    };
    judge_case(&runs, margin)
}

const PERCENT: f64 = 0.01;

#[test]
fn a_matched_reference_takes_the_hosts_drift_out() {
    let margin = Margin::around(PERCENT);
    let stored = runs(1, 5, 1.0, 1.0);
    for (slowdown, verdict) in [(1.0, Verdict::Equivalent), (1.05, Verdict::Slower), (0.95, Verdict::Faster)]
    {
        // By now the host is slower by a fifth.
        let change = judged(&stored, &runs(2, 3, 1.2, slowdown), "int", margin);
        assert_eq!((change.verdict, &change.reason), (verdict, &None), "{slowdown}: {change:?}");
        assert!((change.ratio.value / slowdown - 1.0).abs() < 0.005, "{change:?}");
        assert!(change.ratio.low < change.ratio.value && change.ratio.value < change.ratio.high);
        assert!(
            change.evidence.starts_with("5 stored and 3 new runs, divided by int, spread"),
            "{}",
            change.evidence
        );
        assert!(
            change.minimum_detectable_effect.is_some_and(|effect| effect > margin.lower && effect < 0.03)
        );
    }
}

#[test]
fn a_case_without_a_reference_is_not_blamed_for_the_host() {
    let (stored, new) = (runs(1, 5, 1.0, 1.0), runs(2, 3, 1.2, 1.0));
    let change = judged(&stored, &new, "none", Margin::around(PERCENT));
    assert_eq!(change.verdict, Verdict::Inconclusive, "{change:?}");
    assert!(change.ratio.low < 1.0 && change.evidence.contains("not divided"), "{change:?}");
    // Where no reference moved, the same slowdown is the case's own.
    let change = judged(&stored, &runs(2, 3, 1.0, 1.2), "none", Margin::around(PERCENT));
    assert_eq!(change.verdict, Verdict::Slower, "{change:?}");
    // A spread beyond what any reference holds still says nothing, unless the shift is many times larger.
    let wild: Vec<BaselineRun> = [1.0, 1.1, 0.9, 1.05, 1.0]
        .iter()
        .enumerate()
        .map(|(i, wobble)| run(i, &[(BENCH, 1e-4 * wobble), ("int", 2e-4), ("dram", 5e-3)]))
        .collect();
    for reference in ["none", "int"] {
        let change = judged(&wild, &runs(2, 3, 1.0, 1.2), reference, Margin::around(PERCENT));
        assert_eq!(change.verdict, Verdict::Inconclusive);
        assert!(change.reason.unwrap().contains("no reference kernel moves with it"));
        let change = judged(&wild, &runs(2, 3, 1.0, 4.0), reference, Margin::around(PERCENT));
        assert_eq!((change.verdict, change.reason), (Verdict::Slower, None));
    }
}

#[test]
fn a_small_slowdown_is_shown_and_fails_nothing() {
    let change = judged(&runs(1, 9, 1.0, 1.0), &runs(2, 9, 1.0, 1.015), "int", Margin::around(PERCENT));
    assert_eq!(
        (change.verdict, change.reason.as_deref()),
        (Verdict::Inconclusive, Some(ADVISORY)),
        "{change:?}"
    );
    assert!(change.ratio.low > 1.005 && change.ratio.high < 1.0 + ADVISORY_BELOW);
}

#[test]
fn what_cannot_be_predicted_says_why() {
    let margin = Margin::around(PERCENT);
    for (stored, new, reference, words) in [
        (runs(1, 2, 1.0, 1.0), runs(2, 3, 1.0, 1.0), "int", "2 stored runs of the 3"),
        (runs(1, 5, 1.0, 1.0), runs(2, 3, 1.0, 1.0), "l2", "lacks"),
        (runs(1, 5, 1.0, 1.0), Vec::new(), "int", "lacks"),
    ] {
        let change = judged(&stored, &new, reference, margin);
        assert_eq!(change.verdict, Verdict::Inconclusive);
        assert!(change.reason.as_deref().unwrap().contains(words), "{change:?}");
        let text = serde_json::to_string(&change).unwrap();
        assert!(serde_json::from_str::<crate::analysis::compare::Change>(&text).is_ok(), "{text}");
    }
}

/// A baseline of one case that took 0.1 ms beside an integer chain of 0.2 ms, in five runs.
fn baseline() -> Baseline {
    let mut document = fixtures::document(vec![
        fixtures::measured(POOL, 1e-4, fixtures::cost(1.0, 1.0, 0.0, 1.0)),
        fixtures::measured("pool/gone-f32/plain@baseline/8x8/t1", 1e-4, fixtures::cost(1.0, 1.0, 0.0, 1.0)),
    ]);
    document.run.tool = crate::session::recorder::tool();
    let runs = runs(1, 5, 1.0, 1.0);
    Baseline {
        references: [("dram".to_owned(), case(NORM)), ("int".to_owned(), case(CHAIN))].into(),
        normalisers: normaliser(&runs, &case(POOL), ["int".to_owned()].iter()).into_iter().collect(),
        source: Some(Source { commit: "c0ffee".to_owned(), dirty: false }),
        runs,
        ..Baseline::of_document(document)
    }
}

fn request() -> StoredRequest {
    StoredRequest { optimised: true, margin: Margin::around(PERCENT), ..StoredRequest::default() }
}

/// Judges with arms that take what `seconds` says; answers what came out and how often the case was started.
fn judged_with(
    baseline: &Baseline,
    request: &StoredRequest,
    seconds: impl Fn(usize) -> f64,
) -> (Judged, usize) {
    let starts = Cell::new(0);
    let start = |case: &Case, seed: u64| -> Result<Box<dyn Prepared>, ArmError> {
        assert_eq!(seed, baseline.document.run.seed, "the inputs are the baseline's");
        let seconds = match &*case.to_string() {
            CHAIN => 2e-4,
            NORM => 5e-3,
            _ => {
                starts.set(starts.get() + 1);
                seconds(starts.get())
            }
        };
        Ok(Box::new(Told { seconds, fails: None }))
    };
    let judged =
        judge_with(&start, baseline, &baseline.document.machine, request, &Stop::default(), &mut Silent)
            .unwrap();
    (judged, starts.get())
}

#[test]
fn an_unchanged_case_is_measured_once_and_an_unknown_one_is_missing() {
    let baseline = baseline();
    let (judged, starts) = judged_with(&baseline, &request(), |_| 1e-4);
    assert_eq!(starts, NEW_RUNS);
    assert_eq!(judged.comparison.changes[0].verdict, Verdict::Equivalent, "{:?}", judged.comparison.changes);
    assert_eq!(judged.comparison.missing, ["pool/gone-f32/plain@baseline/8x8/t1"]);
    assert!(judged.escalate.is_empty() && judged.failed.is_empty() && !judged.interrupted);
    assert_eq!(judged.candidate.unwrap().measured().next().unwrap().seconds.samples.len(), NEW_RUNS);
    // The samples are as long as those of the baseline.
    assert!(judged.runs.iter().flat_map(|run| &run.arms).all(|arm| arm.iterations == 3));
}

#[test]
fn a_slower_case_is_paired_where_it_can_be() {
    let request = StoredRequest { can_pair: true, ..request() };
    let (judged, starts) = judged_with(&baseline(), &request, |_| 1.1e-4);
    assert_eq!(
        (starts, judged.escalate, judged.base_commit),
        (NEW_RUNS, vec![POOL.to_owned()], Some("c0ffee".to_owned()))
    );
    assert_eq!(judged.comparison.changes[0].verdict, Verdict::Slower);
    // A tree with changes cannot be built again: it is confirmed instead.
    let mut dirty = baseline();
    dirty.source = Some(Source { commit: "c0ffee".to_owned(), dirty: true });
    let (judged, starts) = judged_with(&dirty, &request, |_| 1.1e-4);
    assert_eq!((starts, judged.escalate.len(), judged.base_commit), (2 * NEW_RUNS, 0, None));
}

#[test]
fn a_slower_case_stands_only_when_more_runs_say_so_too() {
    let (judged, starts) = judged_with(&baseline(), &request(), |_| 1.1e-4);
    assert_eq!((starts, judged.comparison.changes[0].verdict), (2 * NEW_RUNS, Verdict::Slower));
    assert!(judged.notes[0].contains("1 of 1 verdicts stand"), "{:?}", judged.notes);
    // What the host did to the first runs is gone in the next.
    let (judged, starts) =
        judged_with(&baseline(), &request(), |start| if start <= NEW_RUNS { 1.05e-4 } else { 1e-4 });
    assert_eq!(starts, 2 * NEW_RUNS);
    assert_ne!(judged.comparison.changes[0].verdict, Verdict::Slower);
    assert!(judged.notes[0].contains("0 of 1 verdicts stand"), "{:?}", judged.notes);
    assert!(judged.comparison.changes[0].evidence.contains("5 stored and 6 new runs"));
}

#[test]
fn another_machine_or_build_is_refused_before_anything_is_measured() {
    let mut foreign = baseline();
    foreign.document.machine.fingerprint = "elsewhere".to_owned();
    let here = fixtures::machine();
    let judge = |baseline: &Baseline, request: &StoredRequest| {
        let never =
            |_: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> { panic!("nothing is to be started") };
        judge_with(&never, baseline, &here, request, &Stop::default(), &mut Silent).unwrap()
    };
    let refused = judge(&foreign, &request()).comparison.refused;
    assert!(matches!(refused, Some(Refusal::OtherMachine(_))), "{refused:?}");
    let slow_build = StoredRequest { optimised: false, ..request() };
    assert!(matches!(judge(&baseline(), &slow_build).comparison.refused, Some(Refusal::Unoptimised(_))));
    let mut unknown = baseline();
    unknown.document.outcomes.remove(0);
    assert!(matches!(judge(&unknown, &request()).comparison.refused, Some(Refusal::NothingInCommon(_))));
}

#[test]
fn a_mismatch_that_is_allowed_is_advisory() {
    let baseline = baseline();
    let mut elsewhere = baseline.clone();
    elsewhere.document.machine.fingerprint = "elsewhere".to_owned();
    let start = |case: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        let seconds = if case.to_string() == CHAIN { 2e-4 } else { 1e-4 };
        Ok(Box::new(Told { seconds, fails: None }))
    };
    let request = StoredRequest { allow_mismatch: true, ..request() };
    let machine = &baseline.document.machine;
    let judged = judge_with(&start, &elsewhere, machine, &request, &Stop::default(), &mut Silent).unwrap();
    assert!(judged.advisory && judged.comparison.refused.is_some() && !judged.comparison.changes.is_empty());
}

#[test]
fn references_of_another_version_say_nothing() {
    let mut older = baseline();
    older.document.run.tool = "perfkit 0.0.1".to_owned();
    let (judged, _) = judged_with(&older, &request(), |_| 2e-4);
    let change = &judged.comparison.changes[0];
    assert_eq!(change.verdict, Verdict::Inconclusive);
    assert!(change.reason.as_deref().unwrap().contains("perfkit 0.0.1"), "{change:?}");
}

#[test]
fn a_case_that_fails_has_no_verdict() {
    let start = |case: &Case, _: u64| -> Result<Box<dyn Prepared>, ArmError> {
        let fails = (case.to_string() == POOL).then_some("wrong answer: 1 instead of 2");
        Ok(Box::new(Told { seconds: 1e-4, fails }))
    };
    let baseline = baseline();
    let machine = &baseline.document.machine;
    let judged = judge_with(&start, &baseline, machine, &request(), &Stop::default(), &mut Silent).unwrap();
    assert!(judged.comparison.changes.is_empty());
    assert_eq!(judged.failed, [(POOL.to_owned(), "wrong answer: 1 instead of 2".to_owned())].into());
}
