//! JUnit XML for continuous integration: a test case for each change and each budget, and for a document alone one for
//! each case.

use super::comparison;
use super::html::escape;
use super::page::Extras;
use crate::analysis::budget::{BudgetResult, BudgetVerdict};
use crate::document::{Document, Outcome};
use crate::stats::Summary;

/// What became of a test case.
#[derive(Default)]
pub(super) enum Result {
    /// Nothing to object to.
    #[default]
    Passed,
    /// A gate fails on it; why.
    Failed(String),
    /// Nothing was shown; why.
    Skipped(String),
    /// It could not be judged at all; why.
    Errored(String),
}

/// A test case.
#[derive(Default)]
pub(super) struct Test {
    /// What was tested.
    pub(super) name: String,
    /// How long, where that means something.
    pub(super) seconds: f64,
    /// What became of it.
    pub(super) result: Result,
}

/// Writes the verdicts there are, and the outcomes of the document.
#[must_use]
pub(super) fn write(document: &Document, extras: &Extras<'_>) -> String {
    let mut suites = vec![("cases", document.outcomes.iter().map(of_outcome).collect::<Vec<_>>())];
    if !extras.budgets.is_empty() {
        suites.push(("budgets", extras.budgets.iter().map(of_budget).collect()));
    }
    if let Some(report) = extras.comparison {
        suites.extend(comparison::junit::suites(report));
    }
    write_suites(&suites)
}

/// The file: every suite with its counts, and the sums of all.
pub(super) fn write_suites(suites: &[(&str, Vec<Test>)]) -> String {
    let all = || suites.iter().flat_map(|(_, tests)| tests);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"perfkit\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        all().count(),
        all().filter(|test| matches!(test.result, Result::Failed(_))).count(),
        all().filter(|test| matches!(test.result, Result::Errored(_))).count(),
    );
    for (name, tests) in suites {
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

/// A budget's test.
pub(super) fn of_budget(budget: &BudgetResult) -> Test {
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

fn write_suite(out: &mut String, name: &str, tests: &[Test]) {
    let failures = tests.iter().filter(|test| matches!(test.result, Result::Failed(_))).count();
    let errors = tests.iter().filter(|test| matches!(test.result, Result::Errored(_))).count();
    let skipped = tests.iter().filter(|test| matches!(test.result, Result::Skipped(_))).count();
    out.push_str(&format!(
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n",
        tests.len()
    ));
    for test in tests {
        let head = format!(
            "    <testcase classname=\"perfkit.{name}\" name=\"{}\" time=\"{:.9}\"",
            escape(&test.name),
            if test.seconds.is_finite() { test.seconds } else { 0.0 }
        );
        out.push_str(&match &test.result {
            Result::Passed => format!("{head}/>\n"),
            Result::Failed(why) => told(&head, "failure", name, why),
            Result::Errored(why) => told(&head, "error", name, why),
            Result::Skipped(why) => format!("{head}><skipped message=\"{}\"/></testcase>\n", escape(why)),
        });
    }
    out.push_str("  </testsuite>\n");
}

/// The reason as attribute and as text: some readers show the one, some the other.
fn told(head: &str, element: &str, kind: &str, why: &str) -> String {
    let why = escape(why);
    format!("{head}><{element} type=\"{kind}\" message=\"{why}\">{why}</{element}></testcase>\n")
}
