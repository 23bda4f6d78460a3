//! The decision of stored mode: recorded runs in, a verdict out. Nothing is measured here.
//!
//! A case's value in a run is `ln(bench / reference)`, with the reference that it followed best when the baseline was
//! recorded. The new runs' mean is set against the stored runs' mean by the spread *between* runs; what samples of one
//! run differ by says nothing about the next run and is not used.
//!
//! The interval is only as good as the reference. Runs of a few minutes do not show how far a case drifts over hours,
//! so where no reference holds it still, the interval is widened by what is known of the drift.

use crate::analysis::compare::{Change, Margin, RatioInterval, Verdict};
use crate::analysis::prediction::{Interval, STORED_RUNS_NEEDED, predict};
use crate::document::{Baseline, BaselineRun, Case, NO_REFERENCE};
use crate::session::runs::{log_values, normaliser};
use crate::units::significant;

/// Runs of some minutes ago and of now are not known to differ by less, however well those of each side agree: layouts
/// and page placements are drawn anew for every process.
const RESOLUTION: f64 = 0.003;
/// Of the interval, on each side.
const CONFIDENCE: f64 = 0.975;
/// A case whose runs differ by more, however it is divided, moves with something that no reference kernel sees.
const STEADY_WITHIN: f64 = 0.015;
/// The interval of such a case is wider by so many of its spreads. By three, 60 runs of a DRAM stream on a busy host gave
/// 6 % false verdicts at a margin of 1 %; by five, under 2 % in any of ten cases.
const UNSTEADY_SPREADS: f64 = 5.0;
/// A slowdown that is shown to be smaller fails no gate by stored runs alone.
pub const ADVISORY_BELOW: f64 = 0.03;
/// The reason of such a verdict.
pub const ADVISORY: &str = "stored mode is advisory below 3 %: pair it";
/// The reason of no verdict on an unsteady case.
const UNSTEADY: &str =
    "no reference kernel moves with it: its runs differ by more than 1.5 % however it is divided";

/// The runs of one case.
#[derive(Debug, Clone)]
pub struct CaseRuns<'a> {
    /// Which.
    pub case: &'a Case,
    /// The runs of the baseline.
    pub stored: &'a [BaselineRun],
    /// The runs of now.
    pub new: &'a [BaselineRun],
    /// The arm by which they are divided, or `none`.
    pub reference: String,
    /// The reference kernel that it follows best, although not well enough to be divided by.
    pub nearest: Option<String>,
}

impl<'a> CaseRuns<'a> {
    /// The runs of a case of a baseline, divided as it says; where it does not say, by what its runs say.
    #[must_use]
    pub fn of(case: &'a Case, baseline: &'a Baseline, new: &'a [BaselineRun]) -> Self {
        let said = baseline.normalisers.iter().find(|n| n.case == *case).cloned();
        let known = said.or_else(|| normaliser(&baseline.runs, case, baseline.references.keys()));
        let nearest = known.as_ref().and_then(|normaliser| {
            let references = normaliser.between_run_spread.iter().filter(|(name, _)| *name != NO_REFERENCE);
            references.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(name, _)| name.clone())
        });
        let reference = known.map_or_else(|| NO_REFERENCE.to_owned(), |normaliser| normaliser.chosen);
        Self { case, stored: &baseline.runs, new, reference, nearest }
    }

    fn values(&self, reference: &str) -> (Vec<f64>, Vec<f64>) {
        (log_values(self.stored, self.case, reference), log_values(self.new, self.case, reference))
    }

    /// How far the nearest reference kernel itself moved between then and now: what an undivided case may have moved by
    /// without any change of its own.
    fn host_moved(&self) -> Option<f64> {
        let (bench, bench_now) = self.values(NO_REFERENCE);
        let (divided, divided_now) = self.values(self.nearest.as_ref()?);
        // ln(bench) - ln(bench / reference) = ln(reference)
        let (then, now) = (mean(&bench) - mean(&divided), mean(&bench_now) - mean(&divided_now));
        Some((now - then).abs()).filter(|moved| moved.is_finite())
    }
}

/// Judges one case.
#[must_use]
pub fn judge_case(runs: &CaseRuns<'_>, margin: Margin) -> Change {
    let (stored, new) = runs.values(&runs.reference);
    let Some(interval) = predict(&stored, &new, RESOLUTION, CONFIDENCE) else {
        return unpredicted(runs, &stored, &new);
    };
    let spread = interval.spread;
    let interval = widened(interval, drift(runs, spread));
    let ratio =
        RatioInterval { value: interval.effect.exp(), low: interval.low.exp(), high: interval.high.exp() };
    let (verdict, reason) = match margin.verdict(&ratio) {
        Verdict::Slower if ratio.high < 1.0 + ADVISORY_BELOW => (Verdict::Inconclusive, Some(ADVISORY)),
        Verdict::Inconclusive if spread > STEADY_WITHIN => (Verdict::Inconclusive, Some(UNSTEADY)),
        verdict => (verdict, None),
    };
    Change {
        case: runs.case.to_string(),
        verdict,
        reason: reason.map(str::to_owned),
        ratio,
        // What stands at the lower margin with its lower end: the observed effect drops out of it.
        minimum_detectable_effect: Some((1.0 + margin.lower) * (interval.effect - interval.low).exp() - 1.0),
        evidence: evidence(runs, &stored, &new, Some(spread)),
        ..Change::default()
    }
}

/// What the case may have drifted by between the two sides, beyond what its runs differ by.
fn drift(runs: &CaseRuns<'_>, spread: f64) -> f64 {
    let host = if runs.reference == NO_REFERENCE { runs.host_moved().unwrap_or(0.0) } else { 0.0 };
    host + if spread > STEADY_WITHIN { UNSTEADY_SPREADS * spread } else { 0.0 }
}

fn widened(interval: Interval, by: f64) -> Interval {
    Interval { low: interval.low - by, high: interval.high + by, ..interval }
}

/// Without a prediction: the range of what was seen, and no verdict.
fn unpredicted(runs: &CaseRuns<'_>, stored: &[f64], new: &[f64]) -> Change {
    let why = if stored.len() < STORED_RUNS_NEEDED {
        format!("{} stored runs of the {STORED_RUNS_NEEDED} that a prediction needs", stored.len())
    } else {
        "a run lacks the case or its reference kernel".to_owned()
    };
    let lowest = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::min);
    let highest = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::max);
    let range = [mean(new) - mean(stored), lowest(new) - highest(stored), highest(new) - lowest(stored)];
    let known = range.iter().all(|effect| effect.is_finite());
    let [value, low, high] = if known { range.map(f64::exp) } else { [1.0, 0.0, 0.0] };
    Change {
        case: runs.case.to_string(),
        verdict: Verdict::Inconclusive,
        reason: Some(why),
        ratio: RatioInterval { value, low, high },
        evidence: evidence(runs, stored, new, None),
        ..Change::default()
    }
}

fn evidence(runs: &CaseRuns<'_>, stored: &[f64], new: &[f64], spread: Option<f64>) -> String {
    let divided = if runs.reference == NO_REFERENCE {
        "not divided by a reference".to_owned()
    } else {
        format!("divided by {}", runs.reference)
    };
    let spread = spread.map(|spread| format!(", spread between runs {} %", significant(100.0 * spread, 2)));
    let spread = spread.unwrap_or_default();
    format!("{} stored and {} new runs, {divided}{spread}", stored.len(), new.len())
}

fn mean(values: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are small")]
    let count = values.len() as f64;
    values.iter().sum::<f64>() / count
}
