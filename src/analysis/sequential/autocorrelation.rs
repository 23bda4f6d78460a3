//! Whether neighbouring blocks tell the same story twice, and what is done about it.
//!
//! The sign evidence takes each value as a fresh toss. On a host whose disturbances outlive a block, neighbours agree
//! for that reason alone, and the evidence overstates itself; means of neighbouring blocks depend on each other less.

use std::borrow::Cow;

use super::e_process::float;

/// Below this many values a correlation of neighbours cannot be told from chance, and is not looked at.
pub const BLOCKS_BEFORE_CHECK: usize = 10;

/// The correlation of each value's rank with the next one's. `None` below [`BLOCKS_BEFORE_CHECK`] finite values, or
/// where all are equal.
///
/// Ranks and not the values: one outlier of many spreads would hide any dependence among the rest, and the verdict
/// does not see more than the order either.
#[must_use]
pub fn lag1(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.len() < BLOCKS_BEFORE_CHECK {
        return None;
    }
    let middle = (float(finite.len()) + 1.0) / 2.0;
    let centred: Vec<f64> = ranks(&finite).iter().map(|rank| rank - middle).collect();
    let variance: f64 = centred.iter().map(|x| x * x).sum();
    let neighbours: f64 = centred.windows(2).map(|pair| pair[0] * pair[1]).sum();
    (variance > 0.0).then(|| neighbours / variance)
}

/// Ranks from 1, equal values sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut next = 1;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = float(2 * next + ties.len() - 1) / 2.0;
        ties.iter().for_each(|&index| ranks[index] = rank);
        next += ties.len();
    }
    ranks
}

/// The values with neighbours merged two by two, again and again while they depend on each other; the values as they
/// are where they do not. A value without a partner waits for it outside.
#[must_use]
pub fn merge_dependent(values: &[f64]) -> Cow<'_, [f64]> {
    let mut merged = Cow::Borrowed(values);
    while lag1(&merged).is_some_and(|correlation| correlation > tolerated(merged.len())) {
        merged =
            merged.chunks_exact(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect::<Vec<_>>().into();
    }
    merged
}

/// What independent values exceed in one look of twenty, and never less than what changes the error rates noticeably.
fn tolerated(count: usize) -> f64 {
    (1.645 / float(count).sqrt()).max(0.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_trend_is_dependence_and_an_alternation_is_not() {
        let trend: Vec<f64> = (0..12).map(f64::from).collect();
        let alternation: Vec<f64> = (0..12).map(|i| f64::from(i % 2)).collect();
        assert!(lag1(&trend).unwrap() > 0.5);
        assert!(lag1(&alternation).unwrap() < -0.5);
        assert_eq!(merge_dependent(&trend).len(), 6);
        assert_eq!(merge_dependent(&alternation).len(), 12);
    }

    #[test]
    fn few_or_equal_values_have_no_correlation() {
        assert_eq!(lag1(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), None);
        assert_eq!(lag1(&[1.0; 30]), None);
    }

    #[test]
    fn one_outlier_hides_nothing() {
        let mut values: Vec<f64> = (0..20).map(|i| f64::from(i / 5)).collect();
        values[7] = 1e9;
        assert!(lag1(&values).unwrap() > 0.5, "{:?}", lag1(&values));
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    proptest! {
        #[test]
        fn any_numbers_are_taken(values in prop::collection::vec(any::<f64>(), 0..80)) {
            let correlation = lag1(&values);
            prop_assert!(correlation.is_none_or(|r| (-1.0..=1.0).contains(&r)), "{correlation:?}");
            prop_assert!(merge_dependent(&values).len() <= values.len());
        }
    }
}
