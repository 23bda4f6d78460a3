//! JUnit XML of a comparison: a test case for each change, count, tail and budget, and for what makes all of it void.

use super::Gate;
use crate::analysis::compare::{Change, ComparisonReport, CountChange, CountVerdict, Verdict};
use crate::render::junit::{Result, Test, of_budget, write_suites};
use crate::render::page::sentences;
use crate::render::words;

/// A file of its own.
pub(super) fn write(report: &ComparisonReport) -> String {
    let mut suites = suites(report);
    if !report.budgets.is_empty() {
        let gate = Gate::of(report);
        let tests = report.budgets.iter().map(of_budget);
        suites.push(("budgets", tests.map(|test| gated(test, gate)).collect()));
    }
    write_suites(&suites)
}

/// The suites, for a report that has others beside them.
pub(in crate::render) fn suites(report: &ComparisonReport) -> Vec<(&'static str, Vec<Test>)> {
    let gate = Gate::of(report);
    let mut cases: Vec<Test> = report.changes.iter().map(|change| of_change(change, report)).collect();
    cases.extend(report.missing.iter().map(|case| Test {
        name: case.clone(),
        seconds: 0.0,
        result: Result::Skipped("measured in the baseline alone".to_owned()),
    }));
    let counts = report.changes.iter().flat_map(|change| counts(change, report)).collect();
    let tails = report.changes.iter().flat_map(tails).collect();
    let mut suites = vec![("comparison", cases), ("counts", counts), ("tails", tails)];
    suites.retain(|(name, tests)| *name == "comparison" || !tests.is_empty());
    for test in suites.iter_mut().flat_map(|(_, tests)| tests) {
        *test = gated(std::mem::take(test), gate);
    }
    if let Some((_, cases)) = suites.first_mut() {
        cases.extend(void(report));
    }
    suites
}

/// A failure where the gate fails; where it does not (advice, a budget that is not enforced), the words without it.
fn gated(test: Test, gate: Gate) -> Test {
    match test.result {
        Result::Failed(why) if gate != Gate::Shut => {
            Test { result: Result::Skipped(format!("not enforced: {why}")), ..test }
        }
        result => Test { result, ..test },
    }
}

/// A refusal, a failed control, cases in which a side failed: errors, since nothing was judged.
fn void(report: &ComparisonReport) -> Vec<Test> {
    let error =
        |name: &str, why: String| Test { name: name.to_owned(), seconds: 0.0, result: Result::Errored(why) };
    let refused = report.refused.iter().map(|why| error("comparable", why.clone()));
    let control = report.control.iter().filter(|_| sentences::control_failed(report));
    let control = control.map(|control| error("control", sentences::control(control)));
    let failed = report.failed.iter().map(|failure| error(&failure.case, failure.why.clone()));
    refused.chain(control).chain(failed).collect()
}

fn of_change(change: &Change, report: &ComparisonReport) -> Test {
    let words = || {
        let ratio = change.ratio;
        let reason = change.reason.as_deref().map(|why| format!(" {}.", sentences::reason(why)));
        format!(
            "{}: time {} ({}).{} {}",
            change.verdict.name(),
            words::change(ratio.value),
            sentences::ends(&ratio),
            reason.unwrap_or_default(),
            change.evidence
        )
    };
    // Whoever asks for `--inconclusive fail` has cases that fail by being undecided.
    let strict = Gate::of(report) == Gate::Shut && report.verdict == Verdict::Inconclusive.name();
    let result = match change.verdict {
        Verdict::Inconclusive if strict => Result::Failed(words()),
        verdict => result(verdict, words),
    };
    let seconds = change.sequential.as_ref().map_or(0.0, |sequential| sequential.sampling_seconds);
    Test { name: change.case.clone(), seconds, result }
}

fn result(verdict: Verdict, words: impl Fn() -> String) -> Result {
    match verdict {
        Verdict::Slower => Result::Failed(words()),
        Verdict::Inconclusive => Result::Skipped(words()),
        Verdict::Faster | Verdict::Equivalent => Result::Passed,
    }
}

/// Counts that vary by themselves are no tests.
fn counts(change: &Change, report: &ComparisonReport) -> Vec<Test> {
    let steady = change.counts.iter().filter(|count| count.verdict != CountVerdict::Unsteady);
    let test = |count: &CountChange| Test {
        name: format!("{} {}", change.case, count.counter),
        seconds: 0.0,
        result: if sentences::grew_beyond(count, report) {
            Result::Failed(format!("{} to {} ({})", count.base, count.candidate, count.source))
        } else {
            Result::Passed
        },
    };
    steady.map(test).collect()
}

fn tails(change: &Change) -> Vec<Test> {
    let test = |tail: &crate::analysis::compare::TailChange| {
        let words = || {
            format!(
                "{}: {} ({})",
                tail.verdict.name(),
                words::change(tail.ratio.value),
                sentences::ends(&tail.ratio)
            )
        };
        let name = format!("{} {}", change.case, sentences::quantile(tail.quantile));
        Test { name, seconds: 0.0, result: result(tail.verdict, words) }
    };
    change.tails.iter().map(test).collect()
}
