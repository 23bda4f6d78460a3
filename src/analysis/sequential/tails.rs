//! Tail latencies, judged by choice only: the log ratio of a quantile, one value a block, for the verdict's own
//! evidence.
//!
//! The ninety-ninth percentile of a handful of samples is their maximum, which is whatever the scheduler did. So a
//! block speaks of a quantile only with enough samples to bound it on both sides.

use crate::stats;

/// The confidence at which a block must be able to bound its quantile.
const CONFIDENCE: f64 = 0.95;

/// The log ratio of the `q` quantiles of one block's arms. `None` where an arm has fewer finite samples than a
/// two-sided interval of 95 % needs ([`samples_needed`](stats::samples_needed)), where a quantile is not positive, or
/// where `q` is none.
#[must_use]
pub fn block_quantile_ratio(base: &[f64], candidate: &[f64], q: f64) -> Option<f64> {
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    let quantile = |samples: &[f64]| {
        let sorted = stats::sorted(samples);
        let enough = sorted.len() >= stats::samples_needed(q, CONFIDENCE);
        let value = stats::quantile_of_sorted(&sorted, q)?;
        (enough && value > 0.0).then_some(value)
    };
    let ratio = (quantile(candidate)? / quantile(base)?).ln();
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_needs_the_samples_of_an_interval() {
        let base: Vec<f64> = (1..=72).map(f64::from).collect();
        let candidate: Vec<f64> = base.iter().map(|x| 2.0 * x).collect();
        let ratio = block_quantile_ratio(&base, &candidate, 0.95).unwrap();
        assert!((ratio - 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!(block_quantile_ratio(&base[1..], &candidate, 0.95), None);
        assert_eq!(block_quantile_ratio(&base, &candidate[1..], 0.95), None);
        assert_eq!(block_quantile_ratio(&base, &candidate, 0.99), None);
        assert!(block_quantile_ratio(&base, &candidate, 0.5).is_some());
    }

    #[test]
    fn what_is_no_quantile_gives_no_ratio() {
        let samples = [1.0; 400];
        for q in [0.0, 1.0, -0.5, 2.0, f64::NAN] {
            assert_eq!(block_quantile_ratio(&samples, &samples, q), None, "{q}");
        }
        assert_eq!(block_quantile_ratio(&[0.0; 400], &samples, 0.5), None);
        assert_eq!(block_quantile_ratio(&[f64::NAN; 400], &samples, 0.5), None);
    }

    proptest! {
        #[test]
        fn any_numbers_are_taken(
            base in prop::collection::vec(any::<f64>(), 0..100),
            candidate in prop::collection::vec(any::<f64>(), 0..100),
            q in any::<f64>(),
        ) {
            prop_assert!(block_quantile_ratio(&base, &candidate, q).is_none_or(f64::is_finite));
        }
    }
}
