//! Evidence about a median that may be looked at after every value: the sign e-process.
//!
//! Under "at most half of the values lie beyond the threshold" the process never gains on average, so by Ville's
//! inequality it exceeds `1/alpha` at any time with a probability of at most `alpha`, whatever the distribution and
//! whenever one stops (Robbins 1970; Howard and Ramdas 2022, "Sequential estimation of quantiles"). Only the signs
//! enter: an outlier counts as one value, however far out.
//!
//! The wealth is `E = 2^n * integral over p in [1/2, 1] of 2 p^s (1-p)^(n-s) dp` for `s` of `n` values beyond. A uniform
//! prior on p keeps half of it on coins that favour the other side; here all of it is on this side, which is what
//! makes the test one-sided.

use statrs::function::beta::ln_beta;

/// The side of a threshold on which values speak for the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The claim: the median lies above the threshold.
    Above,
    /// The claim: the median lies below the threshold.
    Below,
}

/// How many of how many values lie strictly beyond a threshold. A tie speaks against the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignEvidence {
    beyond: usize,
    values: usize,
}

impl SignEvidence {
    /// `ln E` of the claim that the median lies on this side of the threshold.
    #[must_use]
    pub fn of(values: &[f64], threshold: f64, side: Side) -> f64 {
        Self::count(values, threshold, side).ln_e()
    }

    /// Counts the values beyond the threshold; what is not a finite number is not a value.
    #[must_use]
    pub fn count(values: &[f64], threshold: f64, side: Side) -> Self {
        let finite = values.iter().filter(|value| value.is_finite());
        let beyond = finite.clone().filter(|&&value| match side {
            Side::Above => value > threshold,
            Side::Below => value < threshold,
        });
        Self { beyond: beyond.count(), values: finite.count() }
    }

    /// The evidence of counts. More beyond than there are values counts as all of them.
    #[must_use]
    pub fn from_counts(beyond: usize, values: usize) -> Self {
        Self { beyond: beyond.min(values), values }
    }

    /// The logarithm of the evidence: 0 without values, finite always.
    ///
    /// For whole counts the incomplete beta function is a binomial tail, and `E` a finite sum. It is taken on the side
    /// where its terms fall, relative to the largest, so that nothing overflows and nothing cancels; the continued
    /// fraction of the general function would need more terms than libraries grant it from about `n = 10^5` on.
    #[must_use]
    pub fn ln_e(self) -> f64 {
        let (s, n) = (float(self.beyond), float(self.values));
        let against = self.values - self.beyond;
        if self.beyond <= against {
            return falling_tail(self.beyond, self.values).ln() - (n + 1.0 - s).ln();
        }
        // The two one-sided integrals add up to twice the one over [0, 1]: `2^(n+1) B(s+1, n-s+1)`.
        let whole = (n + 1.0) * std::f64::consts::LN_2 + ln_beta(s + 1.0, n - s + 1.0);
        let other = falling_tail(against, self.values).ln() - (s + 1.0).ln();
        whole + (-(other - whole).exp()).ln_1p()
    }
}

/// The sum of `C(n+1, k) / C(n+1, m)` over `k` from `m` down to 0, for `m` up to `n/2`: each term is smaller than the
/// one before it.
fn falling_tail(m: usize, n: usize) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in (1..=m).rev() {
        term *= float(k) / float(n + 2 - k);
        sum += term;
        if term < sum * f64::EPSILON / 4.0 {
            break;
        }
    }
    sum
}

/// The logarithm of the evidence that shows a claim at level `alpha`.
#[must_use]
pub fn ln_required(alpha: f64) -> f64 {
    -alpha.ln()
}

/// The fewest values that can show a claim at level `alpha`: when all of them agree. `usize::MAX` where none can.
#[must_use]
pub fn reachable(alpha: f64) -> usize {
    // The evidence of agreement is `(2^(n+1) - 1) / (n+1)`: 1,100 values are past the smallest positive level.
    (1..1100).find(|&n| SignEvidence::from_counts(n, n).ln_e() >= ln_required(alpha)).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts of values are far below 2^52")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::function::beta::beta_reg;

    /// The definition by the general function, for counts where that converges.
    fn by_definition(s: usize, n: usize) -> f64 {
        let (a, b) = (float(s) + 1.0, float(n - s) + 1.0);
        (float(n) + 1.0) * std::f64::consts::LN_2 + ln_beta(a, b) + beta_reg(b, a, 0.5).ln()
    }

    #[test]
    fn the_closed_form_is_the_integral() {
        for n in [0, 1, 2, 3, 7, 20, 60, 301] {
            for s in 0..=n {
                let (closed, integral) = (SignEvidence::from_counts(s, n).ln_e(), by_definition(s, n));
                assert!((closed - integral).abs() < 1e-9, "{s} of {n}: {closed} against {integral}");
            }
        }
    }

    #[test]
    fn small_cases_are_those_computed_by_hand() {
        let e = |s, n| SignEvidence::from_counts(s, n).ln_e().exp();
        assert_eq!(SignEvidence::of(&[], 0.0, Side::Above), 0.0);
        for (s, n, expected) in [(1, 1, 1.5), (0, 1, 0.5), (7, 7, 255.0 / 8.0), (6, 7, 247.0 / 56.0)] {
            assert!((e(s, n) - expected).abs() < 1e-9, "{s} of {n}: {} not {expected}", e(s, n));
        }
    }

    #[test]
    fn the_reachable_minimum_is_known_beforehand() {
        assert_eq!([reachable(0.05), reachable(0.01), reachable(0.025)], [7, 9, 8]);
        assert_eq!([reachable(0.0), reachable(f64::NAN)], [usize::MAX; 2]);
        assert!(reachable(f64::MIN_POSITIVE) < 1100);
    }

    #[test]
    fn a_million_values_are_no_trouble() {
        let n = 1_000_000;
        let mut last = f64::NEG_INFINITY;
        for s in (0..=n)
            .step_by(50_000)
            .chain([499_999, 500_000, 500_001, 501_000, 503_000])
            .collect::<std::collections::BTreeSet<_>>()
        {
            let ln_e = SignEvidence::from_counts(s, n).ln_e();
            assert!(ln_e.is_finite() && ln_e > last, "{s} of {n}: {ln_e} after {last}");
            last = ln_e;
        }
        // All agree: ln((2^(n+1) - 1) / (n + 1)).
        let expected = (float(n) + 1.0) * std::f64::consts::LN_2 - (float(n) + 1.0).ln();
        assert!((last - expected).abs() < 1e-6, "{last} not {expected}");
        // An even split: sqrt(pi / 2n) by Stirling's formula.
        let even = SignEvidence::from_counts(n / 2, n).ln_e();
        let stirling = 0.5 * (std::f64::consts::PI / (2.0 * float(n))).ln();
        assert!((even - stirling).abs() < 2e-3, "{even} not {stirling}");
    }

    proptest! {
        /// A fair game: over the next toss of a fair coin the evidence neither gains nor loses on average.
        #[test]
        fn a_fair_coin_gains_nothing(n in 0_usize..400, share in 0.0..1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count up to n")]
            let s = (share * float(n + 1)) as usize;
            let e = |s, n| SignEvidence::from_counts(s, n).ln_e();
            let now = e(s, n);
            let next = 0.5 * ((e(s + 1, n + 1) - now).exp() + (e(s, n + 1) - now).exp());
            prop_assert!((next - 1.0).abs() < 1e-9, "{s} of {n}: {next}");
        }

        #[test]
        fn what_is_no_number_is_no_value(values in prop::collection::vec(any::<f64>(), 0..60), threshold in any::<f64>()) {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            for side in [Side::Above, Side::Below] {
                let ln_e = SignEvidence::of(&values, threshold, side);
                prop_assert!(ln_e.is_finite());
                prop_assert_eq!(ln_e, SignEvidence::of(&finite, threshold, side));
            }
        }
    }
}
