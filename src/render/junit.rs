//! JUnit XML for continuous integration: a test case for each change and each budget, and for a document alone one for
//! each case.

use super::html::escape;
use super::page::Extras;
use crate::analysis::budget::{BudgetResult, BudgetVerdict};
use crate::analysis::compare::{Change, Comparison, Verdict};
use crate::document::{Document, Outcome};
use crate::stats::Summary;

/// What became of a test case.
enum Result {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A test case.
struct Test {
    name: String,
    seconds: f64,
    result: Result,
}

/// Writes the verdicts there are, and the outcomes of the document.
#[must_use]
pub(super) fn write(document: &Document, extras: &Extras<'_>) -> String {
    let mut suites = vec![("cases", document.outcomes.iter().map(of_outcome).collect::<Vec<_>>())];
    if !extras.budgets.is_empty() {
        suites.push(("budgets", extras.budgets.iter().map(of_budget).collect()));
    }
    if let Some(comparison) = extras.comparison {
        suites.push(("comparison", of_comparison(comparison)));
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"perfkit\">\n");
    for (name, tests) in &suites {
        write_suite(&mut out, name, tests);
    }
    out.push_str("</testsuites>\n");
    out
}

fn of_outcome(outcome: &Outcome) -> Test {
    let (seconds, result) = match outcome {
        Outcome::Measured(m) => (Summary::of(&m.seconds.samples).map_or(0.0, |s| s.median), Result::Passed),
        Outcome::Skipped(omission) => (0.0, Result::Skipped(omission.why.clone())),
        Outcome::Failed(omission) => (0.0, Result::Failed(omission.why.clone())),
    };
    Test { name: outcome.case().to_string(), seconds, result }
}

fn of_budget(budget: &BudgetResult) -> Test {
    let words = || {
        let measured = budget.measured.as_deref().unwrap_or("nothing measured");
        format!("{}: measured {measured}. {}", budget.budget, budget.detail)
    };
    let result = match budget.verdict {
        BudgetVerdict::Met => Result::Passed,
        BudgetVerdict::Broken => Result::Failed(words()),
        BudgetVerdict::Inconclusive | BudgetVerdict::NotMeasured => Result::Skipped(words()),
    };
    Test { name: budget.name.clone(), seconds: 0.0, result }
}

fn of_comparison(comparison: &Comparison) -> Vec<Test> {
    let mut tests: Vec<Test> = comparison.changes.iter().map(of_change).collect();
    if let Some(why) = &comparison.refused {
        tests.push(Test {
            name: "comparable".to_owned(),
            seconds: 0.0,
            result: Result::Failed(why.to_string()),
        });
    }
    tests.extend(comparison.missing.iter().map(|case| Test {
        name: case.clone(),
        seconds: 0.0,
        result: Result::Skipped("measured in the baseline alone".to_owned()),
    }));
    tests
}

fn of_change(change: &Change) -> Test {
    let words = || {
        let ratio = change.ratio;
        format!("ratio {:.3} ({:.3} to {:.3}); {}", ratio.value, ratio.low, ratio.high, change.evidence)
    };
    let result = match change.verdict {
        Verdict::Slower => Result::Failed(words()),
        Verdict::Faster | Verdict::Equivalent => Result::Passed,
        Verdict::Inconclusive => Result::Skipped(words()),
    };
    Test { name: change.case.clone(), seconds: 0.0, result }
}

fn write_suite(out: &mut String, name: &str, tests: &[Test]) {
    let failures = tests.iter().filter(|test| matches!(test.result, Result::Failed(_))).count();
    let skipped = tests.iter().filter(|test| matches!(test.result, Result::Skipped(_))).count();
    out.push_str(&format!(
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n",
        tests.len()
    ));
    for test in tests {
        let head = format!(
            "    <testcase classname=\"perfkit.{name}\" name=\"{}\" time=\"{:.9}\"",
            escape(&test.name),
            test.seconds
        );
        out.push_str(&match &test.result {
            Result::Passed => format!("{head}/>\n"),
            Result::Failed(why) => format!("{head}><failure message=\"{}\"/></testcase>\n", escape(why)),
            Result::Skipped(why) => format!("{head}><skipped message=\"{}\"/></testcase>\n", escape(why)),
        });
    }
    out.push_str("  </testsuite>\n");
}
