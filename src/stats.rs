//! Order statistics and their intervals.
//!
//! Verdicts rest on medians and ranks: on a shared machine the mean of a sample is decided by whoever
//! pre-empted it.

/// What a list of positive samples says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of samples.
    pub count: usize,
    /// The middle sample.
    pub median: f64,
    /// Lower end of the 95 % interval of the median (the smallest sample when there are too few).
    pub low: f64,
    /// Upper end of the same interval.
    pub high: f64,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
    /// Median absolute deviation over the median.
    pub spread: f64,
}

impl Summary {
    /// Summarises samples; `None` without any.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let median = median_of_sorted(&sorted);
        let (low, high) = quantile_interval(&sorted, 0.5, 0.95).unwrap_or((min, max));
        let deviations: Vec<f64> = sorted.iter().map(|x| (x - median).abs()).collect();
        let spread = if median == 0.0 { 0.0 } else { self::median(&deviations).unwrap_or(0.0) / median };
        Some(Self { count: sorted.len(), median, low, high, min, max, spread })
    }
}

/// The finite samples in ascending order.
#[must_use]
pub fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = samples.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle of the samples, or `None` without any.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let sorted = sorted(samples);
    if sorted.is_empty() { None } else { Some(median_of_sorted(&sorted)) }
}

/// The index of the sample that is the median (the lower one of two).
#[must_use]
pub fn median_index(samples: &[f64]) -> usize {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by(|&a, &b| samples[a].total_cmp(&samples[b]));
    order.get((samples.len().max(1) - 1) / 2).copied().unwrap_or(0)
}

/// The estimator of Hodges and Lehmann (1963): the median of the means of all pairs, each value with itself among them;
/// `None` without values.
///
/// Of normal values it has a third less variance than their median, and up to 29 % of the values may lie anywhere. The values are few: there are `n (n + 1) / 2` means.
#[must_use]
pub fn hodges_lehmann(values: &[f64]) -> Option<f64> {
    let pairs =
        values.iter().enumerate().flat_map(|(i, a)| values[i..].iter().map(|b| f64::midpoint(*a, *b)));
    median(&pairs.collect::<Vec<f64>>())
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The `q` quantile of sorted samples by the nearest rank (the smallest sample with at least a share `q` at or
/// below it), or `None` without samples.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank between 1 and the sample count"
    )]
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    Some(sorted[rank.min(sorted.len()) - 1])
}

/// A distribution-free interval of the `q` quantile by order statistics: ranks `l` and `u` with
/// `P(l <= Binomial(n, q) < u) >= confidence`. `None` when the samples are too few for a two-sided one.
#[must_use]
pub fn quantile_interval(sorted: &[f64], q: f64, confidence: f64) -> Option<(f64, f64)> {
    let n = sorted.len();
    if n == 0 {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let cdf = binomial_cdf(n, q);
    // The lower end is the largest rank l with P(X < l) <= tail; the upper the smallest u with P(X >= u) <= tail.
    let lower = (1..=n).rev().find(|&l| cdf[l - 1] <= tail)?;
    let upper = (1..=n).find(|&u| 1.0 - cdf[u - 1] <= tail)?;
    Some((sorted[lower - 1], sorted[upper - 1]))
}

/// Samples needed before [`quantile_interval`] can answer for `q`.
#[must_use]
pub fn samples_needed(q: f64, confidence: f64) -> usize {
    let tail = (1.0 - confidence) / 2.0;
    let extreme = q.max(1.0 - q);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
    let needed = (tail.ln() / extreme.ln()).ceil() as usize;
    needed
}

/// The 95 % interval of a probability of which `hits` of `trials` came true (Clopper and Pearson 1934, exact): `[0, 1]`
/// without a trial.
#[must_use]
pub fn proportion_interval(hits: usize, trials: usize) -> [f64; 2] {
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are small")]
    let quantile = |p: f64, a: usize, b: usize| {
        statrs::distribution::Beta::new(a as f64, b as f64)
            .map_or(f64::NAN, |beta| statrs::distribution::ContinuousCDF::inverse_cdf(&beta, p))
    };
    let misses = trials.saturating_sub(hits);
    [
        if hits == 0 { 0.0 } else { quantile(0.025, hits, misses + 1) },
        if misses == 0 { 1.0 } else { quantile(0.975, hits + 1, misses) },
    ]
}

/// `P(X <= k)` for `k` in `0..n`, X binomial with `n` trials of probability `p`.
fn binomial_cdf(n: usize, p: f64) -> Vec<f64> {
    let mut total = 0.0;
    #[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^52")]
    let log_choose = |k: usize| (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum::<f64>();
    (0..n)
        .map(|k| {
            #[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^52")]
            let log_p = log_choose(k) + k as f64 * p.ln() + (n - k) as f64 * (1.0 - p).ln();
            total += log_p.exp();
            total
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimator_of_hodges_and_lehmann_is_the_median_of_the_pairs_means() {
        assert_eq!(hodges_lehmann(&[]), None);
        assert_eq!(hodges_lehmann(&[3.0]), Some(3.0));
        // Means: 1, 1.5, 2.5, 2, 3, 4, the middle of which lies between 2 and 2.5.
        assert_eq!(hodges_lehmann(&[1.0, 2.0, 4.0]), Some(2.25));
        // Two of seven values may lie anywhere.
        let steady = [1.0, 1.0, 1.0, 1.0, 1.0];
        let values: Vec<f64> = steady.into_iter().chain([1e9, -1e9]).collect();
        assert_eq!(hodges_lehmann(&values), Some(1.0));
    }

    #[test]
    fn the_median_interval_has_the_textbook_ranks() {
        // Conover's table: n = 20, q = 0.5, 95 %: ranks 6 and 15.
        let sorted: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(quantile_interval(&sorted, 0.5, 0.95), Some((6.0, 15.0)));
        assert_eq!(quantile_interval(&sorted[..5], 0.5, 0.95), None);
        assert_eq!(quantile_interval(&sorted[..6], 0.5, 0.95), Some((1.0, 6.0)));
    }

    #[test]
    fn tails_say_how_many_samples_they_need() {
        assert_eq!(samples_needed(0.95, 0.95), 72);
        assert_eq!(samples_needed(0.99, 0.95), 368);
        let short: Vec<f64> = (0..71).map(f64::from).collect();
        assert_eq!(quantile_interval(&short, 0.95, 0.95), None);
        let enough: Vec<f64> = (0..72).map(f64::from).collect();
        assert!(quantile_interval(&enough, 0.95, 0.95).is_some());
    }

    #[test]
    fn proportions_have_their_exact_interval() {
        // Clopper and Pearson's: 0 of 300 is below 1.22 %, 5 of 100 between 1.64 and 11.28 %.
        let [low, high] = proportion_interval(0, 300);
        assert!(low == 0.0 && (high - 0.012_22).abs() < 1e-4, "{high}");
        let [low, high] = proportion_interval(5, 100);
        assert!((low - 0.016_43).abs() < 1e-4 && (high - 0.112_83).abs() < 1e-4, "{low} {high}");
        assert_eq!(proportion_interval(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn summaries_ignore_what_is_not_a_number() {
        let summary = Summary::of(&[3.0, f64::NAN, 1.0, 2.0]).unwrap();
        assert_eq!((summary.count, summary.median, summary.min, summary.max), (3, 2.0, 1.0, 3.0));
        assert!(Summary::of(&[]).is_none());
    }
}
