//! The interval of the median that belongs to the sign evidence, and the effect inside it.

use super::e_process::{SignEvidence, ln_required};
use crate::stats;

/// The interval of the median that holds at every number of values at once, each end at level `alpha`. `None` where the
/// values are too few to bound the median on either side.
///
/// It holds the thresholds that the evidence does not refute. As the evidence depends on a threshold through a count
/// alone, the ends are values: with `s` the smallest count that refutes, the lower end is the `s`-th value from the
/// top. So "the median lies above m" is shown at `alpha` exactly when the lower end is above m.
#[must_use]
pub fn median_sequence(values: &[f64], alpha: f64) -> Option<(f64, f64)> {
    let sorted = stats::sorted(values);
    let count = refuting_count(sorted.len(), alpha)?;
    Some((sorted[sorted.len() - count], sorted[count - 1]))
}

/// The smallest count beyond a threshold, of `n` values, that refutes it at level `alpha`.
fn refuting_count(n: usize, alpha: f64) -> Option<usize> {
    let required = ln_required(alpha);
    let refutes = |s: usize| SignEvidence::from_counts(s, n).ln_e() >= required;
    if n == 0 || !refutes(n) {
        return None;
    }
    // The evidence grows with the count: halve the range between one that does not refute and one that does.
    let (mut below, mut enough) = (0, n);
    while enough - below > 1 {
        let middle = usize::midpoint(below, enough);
        if refutes(middle) {
            enough = middle;
        } else {
            below = middle;
        }
    }
    Some(enough)
}

/// The effect that the values show: their median, which is what the interval bounds and always lies inside it.
///
/// The estimator of Hodges and Lehmann is less noisy where the values are symmetric, but where they are skewed it
/// estimates another quantity, and can lie outside the interval printed beside it.
#[must_use]
pub fn effect(values: &[f64]) -> Option<f64> {
    stats::median(values)
}

#[cfg(test)]
mod tests {
    use super::super::e_process::{Side, reachable};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_few_values_bound_nothing() {
        let values: Vec<f64> = (1..=7).map(f64::from).collect();
        assert_eq!(median_sequence(&values[..6], 0.05), None);
        assert_eq!(median_sequence(&values, 0.05), Some((1.0, 7.0)));
        assert_eq!(median_sequence(&[], 0.05), None);
        assert_eq!(median_sequence(&[f64::NAN; 30], 0.05), None);
        assert_eq!(reachable(0.05), 7);
    }

    proptest! {
        /// The interval and the tests say the same of any threshold, those at a value included.
        #[test]
        fn the_interval_inverts_the_tests(
            values in prop::collection::vec(-8_i32..8, 1..60),
            threshold in -9_i32..9,
            alpha in 0.001..0.3_f64,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let threshold = f64::from(threshold);
            let shown = |side| SignEvidence::of(&values, threshold, side) >= ln_required(alpha);
            let interval = median_sequence(&values, alpha);
            prop_assert_eq!(shown(Side::Above), interval.is_some_and(|(low, _)| low > threshold));
            prop_assert_eq!(shown(Side::Below), interval.is_some_and(|(_, high)| high < threshold));
        }

        #[test]
        fn the_effect_lies_inside(values in prop::collection::vec(any::<f64>(), 0..80)) {
            if let Some((low, high)) = median_sequence(&values, 0.05) {
                let effect = effect(&values).unwrap();
                prop_assert!(low <= effect && effect <= high);
            }
        }
    }
}
