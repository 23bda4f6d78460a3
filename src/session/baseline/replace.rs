//! What recording over a baseline would change. A slower case is not taken for the new normal in passing: that needs a
//! reason, as it does by `accept`.

use std::collections::BTreeSet;

use crate::analysis::compare::{Change, Margin};
use crate::document::{Baseline, Case};
use crate::session::regress::stored::{CaseRuns, judge_case, why_incomparable};
use crate::stats;

/// What a new baseline changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replacement {
    /// Cases that only the new one has.
    pub added: Vec<String>,
    /// Cases that only the old one has.
    pub dropped: Vec<String>,
    /// Cases whose median moved by more than the upper margin.
    pub moved: Vec<Change>,
    /// Of all cases those for which a reason is needed: slower, beyond the margin and what runs differ by anyway.
    pub slower: Vec<String>,
    /// Why the two could not be compared run by run, where so; medians were compared then.
    pub incomparable: Option<String>,
}

/// Compares a new baseline with the one that it would replace.
#[must_use]
pub fn compare_with_old(old: &Baseline, new: &Baseline, margin: Margin) -> Replacement {
    let cases = |baseline: &Baseline| -> BTreeSet<Case> {
        baseline.document.measured().map(|m| m.case.clone()).collect()
    };
    let (before, after) = (cases(old), cases(new));
    let only = |a: &BTreeSet<Case>, b: &BTreeSet<Case>| a.difference(b).map(Case::to_string).collect();
    let mut replacement = Replacement {
        added: only(&after, &before),
        dropped: only(&before, &after),
        incomparable: why_incomparable(old, new),
        ..Replacement::default()
    };
    for case in before.intersection(&after) {
        let change = if replacement.incomparable.is_some() {
            medians(case, old, new)
        } else {
            judge_case(&CaseRuns::of(case, old, &new.runs), margin)
        };
        let moved =
            change.ratio.value > 1.0 + margin.upper || change.ratio.value < 1.0 / (1.0 + margin.upper);
        if change.ratio.low > 1.0 + margin.lower && (replacement.incomparable.is_none() || moved) {
            replacement.slower.push(case.to_string());
        }
        if moved {
            replacement.moved.push(change);
        }
    }
    replacement
}

/// The medians alone, as an interval without a width: nothing is known of how far they differ from run to run.
fn medians(case: &Case, old: &Baseline, new: &Baseline) -> Change {
    let median = |baseline: &Baseline| {
        let samples = baseline.document.measured().find(|m| m.case == *case).map(|m| &m.seconds.samples);
        samples.and_then(|samples| stats::median(samples))
    };
    let ratio = median(new).zip(median(old)).map_or(1.0, |(new, old)| new / old);
    Change {
        case: case.to_string(),
        ratio: crate::analysis::compare::RatioInterval { value: ratio, low: ratio, high: ratio },
        evidence: "medians only".to_owned(),
        ..Change::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{baseline, changed};
    use super::*;

    fn compared(old: &Baseline, new: &Baseline) -> Replacement {
        compare_with_old(old, new, Margin::around(0.01))
    }

    #[test]
    fn what_is_slower_needs_a_reason_and_what_is_faster_none() {
        let old = baseline(5, 1e-3);
        for (seconds, moved, slower) in [(1e-3, 0, 0), (1.1e-3, 1, 1), (0.9e-3, 1, 0)] {
            let replacement = compared(&old, &baseline(5, seconds));
            assert_eq!(replacement.incomparable, None);
            assert_eq!((replacement.moved.len(), replacement.slower.len()), (moved, slower), "{seconds}");
            assert!(replacement.added.is_empty() && replacement.dropped.is_empty());
        }
    }

    #[test]
    fn cases_that_come_and_go_are_named() {
        let (old, mut new) = (baseline(5, 1e-3), baseline(5, 1e-3));
        changed(&mut new, "pool/mean-f32/rows@avx512/16x16/t1");
        let replacement = compared(&old, &new);
        assert_eq!(replacement.added, ["pool/mean-f32/rows@avx512/16x16/t1"]);
        assert_eq!(replacement.dropped, ["pool/mean-f32/rows@avx512/8x8/t1"]);
        assert!(replacement.moved.is_empty() && replacement.slower.is_empty());
    }

    #[test]
    fn an_old_format_is_compared_by_medians() {
        let old = Baseline::of_document(baseline(0, 1e-3).document);
        let replacement = compared(&old, &baseline(5, 1.3e-3));
        assert!(replacement.incomparable.is_some());
        assert_eq!((replacement.moved.len(), replacement.slower.len()), (1, 1));
        let replacement = compared(&old, &baseline(5, 1.01e-3));
        assert_eq!((replacement.moved.len(), replacement.slower.len()), (0, 0), "within the upper margin");
    }

    #[test]
    fn another_tool_or_tier_of_reference_is_said() {
        let (old, mut new) = (baseline(5, 1e-3), baseline(5, 1e-3));
        new.document.run.tool = "perfkit 9.0.0".to_owned();
        assert!(compared(&old, &new).incomparable.unwrap().contains("9.0.0"));
        let mut new = baseline(5, 1e-3);
        new.references.clear();
        assert!(compared(&old, &new).incomparable.is_some());
    }
}
