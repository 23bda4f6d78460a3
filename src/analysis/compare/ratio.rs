//! Ratios of medians and their intervals.

use super::RatioInterval;
use crate::stats::{self, Summary};

/// A ratio with how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The ratio and its interval.
    pub interval: RatioInterval,
    /// Whether the samples suffice for an interval of 95 %; without, it is the range and no verdict rests on it.
    pub trusted: bool,
    /// Samples, spread, pairing.
    pub evidence: String,
}

/// The median of the ratios of samples with the same index, and its order-statistic interval. `None` without samples.
#[must_use]
pub fn paired_ratio(baseline: &[f64], candidate: &[f64]) -> Option<Estimate> {
    let ratios: Vec<f64> = baseline.iter().zip(candidate).map(|(old, new)| new / old).collect();
    let summary = Summary::of(&ratios)?;
    // Two copies of the same samples differ by nothing, however few they are.
    let constant = summary.min == summary.max;
    Some(Estimate {
        interval: RatioInterval { value: summary.median, low: summary.low, high: summary.high },
        trusted: constant || enough(summary.count),
        evidence: format!("{} samples of one run, paired by index", summary.count),
    })
}

/// Candidate's median over baseline's. The interval adds the relative half-widths of the two medians'
/// order-statistic intervals in quadrature, in the logarithm: exact for independent normal medians, and on the safe
/// side of the wider one otherwise. `None` without samples on both sides.
#[must_use]
pub fn ratio_of_medians(baseline: &[f64], candidate: &[f64]) -> Option<Estimate> {
    let (old, new) = (Summary::of(baseline)?, Summary::of(candidate)?);
    let value = new.median / old.median;
    let down = (new.median / new.low).ln().hypot((old.high / old.median).ln());
    let up = (new.high / new.median).ln().hypot((old.median / old.low).ln());
    Some(Estimate {
        interval: RatioInterval { value, low: value * (-down).exp(), high: value * up.exp() },
        trusted: enough(old.count) && enough(new.count),
        evidence: format!(
            "{} and {} samples, spread {} and {}{}",
            old.count,
            new.count,
            crate::units::percent(old.spread),
            crate::units::percent(new.spread),
            if enough(old.count.min(new.count)) { "" } else { ": too few for an interval of 95 %" },
        ),
    })
}

fn enough(count: usize) -> bool {
    count >= stats::samples_needed(0.5, 0.95)
}
