//! A comparison: every case's ratio with its interval, against the margin.

use super::charts::{bar_chart, beyond, top};
use super::{Axis, Data, Figure, Ink, Interval, Mark, Number, Series};
use crate::analysis::compare::{Change, ComparisonReport, Verdict};
use crate::render::facts::usable;
use crate::render::page::sentences;
use crate::render::words;

/// Each change with its interval, the worst first.
#[must_use]
pub fn comparison(report: &ComparisonReport) -> Figure {
    let good = |change: &&Change| {
        let ratio = change.ratio;
        usable(ratio.value) && usable(ratio.low) && usable(ratio.high)
    };
    let (mut rows, left_out) =
        top(report.changes.iter().filter(good).collect(), |c| (c.ratio.value.ln()).abs());
    rows.sort_by(|a, b| b.ratio.value.total_cmp(&a.ratio.value));
    let verdicts = [
        (Verdict::Slower, "slower", Ink::Bad),
        (Verdict::Faster, "faster", Ink::Good),
        (Verdict::Inconclusive, "inconclusive", Ink::Warn),
        (Verdict::Equivalent, "equivalent", Ink::Muted),
    ];
    let series = verdicts.into_iter().filter_map(|(verdict, name, ink)| {
        let of_verdict = rows.iter().enumerate().filter(|(_, change)| change.verdict == verdict);
        let intervals: Vec<Interval> =
            of_verdict.map(|(category, change)| interval(category, change)).collect();
        (!intervals.is_empty()).then(|| Series {
            name: Some(name.to_owned()),
            ink,
            data: Data::Intervals(intervals),
        })
    });
    let margin = 1.0 + report.upper_margin.clamp(0.0, 1.0);
    let ends =
        rows.iter().flat_map(|c| [c.ratio.low, c.ratio.high]).chain([0.97, 1.03, margin, 1.0 / margin]);
    let mut figure = bar_chart(
        "comparison",
        "Candidate against baseline",
        format!(
            "Ratio of median times; right of 1 is slower. {} The outer lines are the margin of equivalence{}.",
            sentences::interval(report.mode),
            beyond(left_out)
        ),
        rows.iter().map(|change| change.case.clone()).collect(),
        Axis::log("Time of the candidate over time of the baseline", ends, 1.01, Number::Factor),
        series.collect(),
    );
    figure.marks.push(Mark { x: 1.0, label: "no change".to_owned() });
    // Without words of their own, which would stand on those in the middle where the margin is narrow.
    figure.marks.extend([1.0 / margin, margin].map(|x| Mark { x, label: String::new() }));
    figure
}

fn interval(category: usize, change: &Change) -> Interval {
    let ratio = change.ratio;
    Interval {
        category,
        low: ratio.low,
        value: ratio.value,
        high: ratio.high,
        label: Some(words::change(ratio.value)),
        hover: format!(
            "{}\n{}: {} ({})\n{}",
            change.case,
            sentences::verdict_words(change),
            words::change(ratio.value),
            sentences::ends(&ratio),
            change.evidence
        ),
    }
}
