//! Annotations of a GitHub Actions run: workflow commands, a line each (escaped as the runner's toolkit does:
//! <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>).
//!
//! A step shows ten of each level, so the summary goes first and the last of a level tells how many are behind it.

use super::Gate;
use crate::analysis::budget::BudgetVerdict;
use crate::analysis::compare::{Change, ComparisonReport, Verdict};
use crate::render::page::sentences;
use crate::render::words;

/// Annotations of one level that a step shows, less the summary and the one that tells of more.
const SHOWN: usize = 8;

/// How much an annotation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

struct Annotation {
    level: Level,
    title: String,
    text: String,
}

/// The commands, for standard output.
pub(super) fn annotations(report: &ComparisonReport) -> String {
    let gate = Gate::of(report);
    let level = match gate {
        Gate::Open => Level::Notice,
        Gate::Undecided => Level::Warning,
        Gate::Shut | Gate::Void => Level::Error,
    };
    let mut out = line(&Annotation {
        level,
        title: format!("perfkit: {}", report.verdict),
        text: format!("{}. {}.", sentences::headline(report), sentences::tally(report)),
    });
    let all = of_cases(report, gate);
    for level in [Level::Error, Level::Warning] {
        let of_level: Vec<&Annotation> = all.iter().filter(|annotation| annotation.level == level).collect();
        for annotation in of_level.iter().take(SHOWN) {
            out.push_str(&line(annotation));
        }
        let more = of_level.len().saturating_sub(SHOWN);
        if more > 0 {
            let text = format!("{more} more like these are in the comparison's JSON");
            out.push_str(&line(&Annotation { level, title: "perfkit".to_owned(), text }));
        }
    }
    out
}

/// Slower cases, broken budgets and grown counts are errors where the gate fails and warnings where it does not.
fn of_cases(report: &ComparisonReport, gate: Gate) -> Vec<Annotation> {
    let bad = if gate == Gate::Shut { Level::Error } else { Level::Warning };
    let failed = report.failed.iter().map(|failure| Annotation {
        level: Level::Error,
        title: format!("failed: {}", failure.case),
        text: failure.why.clone(),
    });
    let mut all: Vec<Annotation> = failed.collect();
    let mut changes: Vec<&Change> = report.changes.iter().collect();
    changes.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(b.ratio.value.total_cmp(&a.ratio.value)));
    for change in changes {
        let level = match change.verdict {
            Verdict::Slower => Some(bad),
            Verdict::Inconclusive => Some(Level::Warning),
            Verdict::Faster | Verdict::Equivalent => None,
        };
        if let Some(level) = level {
            let title = format!("{}: {}", sentences::verdict_words(change), change.case);
            all.push(Annotation { level, title, text: text(change) });
        }
        for count in change.counts.iter().filter(|count| sentences::grew_beyond(count, report)) {
            let title = format!("{} grew: {}", count.counter, change.case);
            let text = format!("{} to {} ({})", count.base, count.candidate, count.source);
            all.push(Annotation { level: bad, title, text });
        }
        for tail in change.tails.iter().filter(|tail| tail.verdict == Verdict::Slower) {
            let title = format!("{} slower: {}", sentences::quantile(tail.quantile), change.case);
            let text = format!("{} ({})", words::change(tail.ratio.value), sentences::ends(&tail.ratio));
            all.push(Annotation { level: bad, title, text });
        }
    }
    for budget in report.budgets.iter().filter(|budget| budget.verdict == BudgetVerdict::Broken) {
        let measured = budget.measured.as_deref().unwrap_or("nothing");
        let text = format!("{}; measured {measured}. {}", budget.budget, budget.detail);
        all.push(Annotation { level: bad, title: format!("budget broken: {}", budget.name), text });
    }
    all
}

fn text(change: &Change) -> String {
    let ratio = change.ratio;
    let could = match change.verdict {
        Verdict::Inconclusive => sentences::could_have_shown(&[change]),
        Verdict::Slower | Verdict::Faster | Verdict::Equivalent => String::new(),
    };
    let why = match change.reason.as_deref() {
        Some(reason) => format!("; {}", sentences::reason(reason)),
        None => String::new(),
    };
    format!(
        "time {} ({}){could}{why}; {}",
        words::change(ratio.value),
        sentences::ends(&ratio),
        change.evidence
    )
}

fn line(annotation: &Annotation) -> String {
    let level = match annotation.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let title = property(&words::shorten(&annotation.title, 200));
    format!("::{level} title={title}::{}\n", data(&words::shorten(&annotation.text, 1000)))
}

/// The text behind the second pair of colons.
fn data(text: &str) -> String {
    let visible: String =
        text.chars().map(|c| if c.is_control() && !matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
    visible.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
