//! The rule for deterministic counters (allocations, bytes, instructions): they are compared exactly, but for a
//! tolerance of what a run of the same program differs by.

use crate::stats;

/// What a counter of the same program may differ by: a share of it and a constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountTolerance {
    /// Of the larger count.
    pub share: f64,
    /// On top, in the counter's unit.
    pub absolute: f64,
}

impl CountTolerance {
    /// For sizes in bytes: 0.1 % and 128 bytes, above what repeated runs of one program differ by (0.033 % has been
    /// reported), and above an environment that is longer by a variable.
    pub const BYTES: Self = Self { share: 0.001, absolute: 128.0 };
    /// For counts: 0.1 % and one.
    pub const COUNTS: Self = Self { share: 0.001, absolute: 1.0 };

    fn of(self, count: f64) -> f64 {
        self.share * count.abs() + self.absolute
    }
}

/// What two arms' counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountVerdict {
    /// Within the tolerance.
    Same,
    /// The candidate counts more.
    Grew,
    /// The candidate counts less.
    Shrank,
    /// An arm's own blocks differ by more than the tolerance: this is no deterministic counter, and the rule is not for
    /// it.
    Unsteady,
}

/// Compares the counts of two arms, one value a block. `None` where an arm has no count, or one that is no number.
#[must_use]
pub fn compare_counts(base: &[f64], candidate: &[f64], tolerance: CountTolerance) -> Option<CountVerdict> {
    let known = |arm: &[f64]| !arm.is_empty() && arm.iter().all(|count| count.is_finite());
    if !known(base) || !known(candidate) {
        return None;
    }
    if [base, candidate].into_iter().any(|arm| range(arm) > tolerance.of(largest(arm))) {
        return Some(CountVerdict::Unsteady);
    }
    let (before, after) = (stats::median(base)?, stats::median(candidate)?);
    let tolerated = tolerance.of(before.abs().max(after.abs()));
    Some(if after - before > tolerated {
        CountVerdict::Grew
    } else if before - after > tolerated {
        CountVerdict::Shrank
    } else {
        CountVerdict::Same
    })
}

fn largest(arm: &[f64]) -> f64 {
    arm.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn range(arm: &[f64]) -> f64 {
    largest(arm) - arm.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_are_compared_exactly_but_for_a_tolerance() {
        let bytes = |base: &[f64], candidate: &[f64]| compare_counts(base, candidate, CountTolerance::BYTES);
        assert_eq!(bytes(&[0.0; 3], &[128.0; 3]), Some(CountVerdict::Same));
        assert_eq!(bytes(&[0.0; 3], &[129.0; 3]), Some(CountVerdict::Grew));
        assert_eq!(bytes(&[1e6; 3], &[1_001_128.0; 3]), Some(CountVerdict::Same));
        assert_eq!(bytes(&[1e6; 3], &[1_001_200.0; 3]), Some(CountVerdict::Grew));
        assert_eq!(bytes(&[1_001_200.0; 3], &[1e6; 3]), Some(CountVerdict::Shrank));
        let counts =
            |base: f64, candidate: f64| compare_counts(&[base], &[candidate], CountTolerance::COUNTS);
        assert_eq!(counts(12.0, 13.0), Some(CountVerdict::Same));
        assert_eq!(counts(12.0, 14.0), Some(CountVerdict::Grew));
    }

    #[test]
    fn an_unsteady_counter_gets_no_verdict() {
        let verdict =
            |base: &[f64], candidate: &[f64]| compare_counts(base, candidate, CountTolerance::COUNTS);
        assert_eq!(verdict(&[100.0, 120.0], &[100.0; 2]), Some(CountVerdict::Unsteady));
        assert_eq!(verdict(&[100.0; 2], &[900.0, 120.0]), Some(CountVerdict::Unsteady));
        assert_eq!(verdict(&[100.0, 101.0], &[100.0; 2]), Some(CountVerdict::Same));
        assert_eq!(verdict(&[], &[1.0]), None);
        assert_eq!(verdict(&[1.0], &[f64::NAN]), None);
        assert_eq!(verdict(&[f64::INFINITY], &[1.0]), None);
    }

    proptest! {
        #[test]
        fn exchanged_arms_give_the_opposite(base in prop::collection::vec(0.0..1e9_f64, 1..5), shift in -1e6..1e6_f64) {
            let candidate: Vec<f64> = base.iter().map(|count| count + shift).collect();
            let verdict = |a: &[f64], b: &[f64]| compare_counts(a, b, CountTolerance::BYTES).unwrap();
            let opposite = match verdict(&base, &candidate) {
                CountVerdict::Grew => CountVerdict::Shrank,
                CountVerdict::Shrank => CountVerdict::Grew,
                CountVerdict::Same => CountVerdict::Same,
                CountVerdict::Unsteady => CountVerdict::Unsteady,
            };
            prop_assert_eq!(verdict(&candidate, &base), opposite);
        }
    }
}
