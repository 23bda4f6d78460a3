//! Verdicts on documents made for them.

use super::*;
use crate::analysis::fixtures::{cost, document, measured};

const CASE: &str = "pool/mean-f32/rows@avx512/8x8/t1";

fn one(seconds: f64) -> Document {
    document(vec![measured(CASE, seconds, cost(1.0, 1.0, 0.0, 1.0))])
}

fn other_run(seconds: f64) -> Document {
    let mut document = one(seconds);
    document.run.id = "two".to_owned();
    document
}

#[test]
fn a_document_against_itself_is_equivalent_exactly() {
    let document = one(1e-3);
    let change = &compare(&document, &document, Margin::around(0.0)).changes[0];
    assert_eq!(change.verdict, Verdict::Equivalent);
    assert_eq!((change.ratio.low, change.ratio.value, change.ratio.high), (1.0, 1.0, 1.0));
}

#[test]
fn a_copy_with_one_case_slower_says_which() {
    let mut document = one(1e-3);
    let other = measured("norm/layernorm-f32/rows@avx512/8x8/t1", 1e-3, cost(1.0, 1.0, 0.0, 1.0));
    document.outcomes.push(crate::document::Outcome::Measured(Box::new(other)));
    let mut copy = document.clone();
    if let crate::document::Outcome::Measured(m) = &mut copy.outcomes[0] {
        m.seconds.samples.iter_mut().for_each(|s| *s *= 1.1);
    }
    let comparison = compare(&document, &copy, Margin::default());
    let verdicts: Vec<_> =
        comparison.changes.iter().map(|c| (c.case.split('/').next().unwrap(), c.verdict)).collect();
    assert_eq!(verdicts, [("norm", Verdict::Equivalent), ("pool", Verdict::Slower)]);
    assert_eq!(comparison.verdict(), Verdict::Slower);
}

#[test]
fn the_interval_against_the_margin_decides() {
    // The default margin: slower above 3.75 %, equivalent within 6.25 %.
    for (factor, verdict) in [
        (1.0, Verdict::Equivalent),
        (1.02, Verdict::Equivalent),
        (1.10, Verdict::Slower),
        (0.90, Verdict::Faster),
    ] {
        let comparison = compare(&one(1e-3), &other_run(factor * 1e-3), Margin::default());
        assert_eq!(comparison.changes[0].verdict, verdict, "{factor}");
        assert!(comparison.changes[0].minimum_detectable_effect.unwrap() < 0.05);
    }
    let mut noisy = other_run(1e-3);
    if let crate::document::Outcome::Measured(m) = &mut noisy.outcomes[0] {
        m.seconds.samples = (0..8).map(|i| 1e-3 * (1.0 + 0.1 * f64::from(i % 4))).collect();
    }
    let change = &compare(&one(1e-3), &noisy, Margin::default()).changes[0];
    assert_eq!(change.verdict, Verdict::Inconclusive);
    assert!(change.minimum_detectable_effect.unwrap() > 0.05);
}

#[test]
fn fewer_samples_than_an_interval_needs_give_no_verdict() {
    let mut few = other_run(2e-3);
    if let crate::document::Outcome::Measured(m) = &mut few.outcomes[0] {
        m.seconds.samples.truncate(5);
    }
    assert_eq!(compare(&one(1e-3), &few, Margin::default()).changes[0].verdict, Verdict::Inconclusive);
}

#[test]
fn missing_and_new_cases_are_listed() {
    let other = document(vec![measured("pool/mean-f32/rows@avx2/8x8/t1", 1e-3, cost(1.0, 1.0, 0.0, 1.0))]);
    let comparison = compare(&one(1e-3), &other, Margin::default());
    assert_eq!((comparison.missing.len(), comparison.new.len()), (1, 1));
    assert!(matches!(comparison.refused, Some(Refusal::NothingInCommon(_))));
}

#[test]
fn other_machines_and_unoptimised_builds_are_refused() {
    let mut foreign = other_run(1e-3);
    foreign.machine.fingerprint = "g".to_owned();
    let refused = compare(&one(1e-3), &foreign, Margin::default()).refused;
    assert!(matches!(refused, Some(Refusal::OtherMachine(_))));
    foreign.run.optimised = false;
    let refused = compare(&one(1e-3), &foreign, Margin::default()).refused;
    assert!(matches!(refused, Some(Refusal::Unoptimised(_))));
}
