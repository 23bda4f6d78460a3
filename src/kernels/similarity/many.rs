//! Many queries against many rows: the scores by a matrix product, and the best of each query out of them.

use std::num::NonZeroUsize;

use super::top::{Hit, Largest, Top};
use crate::kernels::matmul::{self, PackedBytes, PackedMatrix};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};
use crate::sys::Team;

/// Queries whose scores are written before the best are looked for among them: enough that the table is not read from
/// memory for a few at a time, few enough that the scores of a table that fits a cache fit it too.
pub const QUERIES_AT_ONCE: usize = 64;

/// Scores from which a second thread pays: looking through them takes longer than to wake it.
const PARALLEL_SCORES: usize = 1 << 19;

/// What stands behind the last hit of a query where there are fewer rows with a number than places.
pub const NO_ROW: usize = usize::MAX;

/// The rows with the largest dot products with each of `queries`, largest first, as many as `best` has places a query; of
/// equal ones those that stand first. A row whose product is not a number is none of them, and a place that none takes
/// is of row [`NO_ROW`].
///
/// `table` holds its rows packed as columns ([`Layout::NxK`](matmul::Layout::NxK)); `scores` is room for every row with
/// [`QUERIES_AT_ONCE`] queries, or with all where they are fewer.
///
/// # Panics
/// When `queries` is not whole rows, `best` not as many places for each, or `scores` too small.
pub fn dot_many_top(
    team: &Team,
    queries: &[f32],
    table: &PackedMatrix,
    scores: &mut [f32],
    best: &mut [Hit<f32>],
) {
    let of = Extents { tier: table.tier(), width: table.k(), rows: table.n() };
    many_top(team, of, queries, scores, best, |queries, count, scores| {
        matmul::gemm(team, queries, count, table, None, scores);
    });
}

/// As [`dot_many_top`] of signed bytes, exact.
///
/// # Panics
/// As for [`dot_many_top`].
pub fn dot_many_top_i8(
    team: &Team,
    queries: &[i8],
    table: &PackedBytes,
    scores: &mut [i32],
    best: &mut [Hit<i32>],
) {
    let of = Extents { tier: table.tier(), width: table.k(), rows: table.n() };
    many_top(team, of, queries, scores, best, |queries, count, scores| {
        matmul::gemm_bytes(team, queries, count, table, scores);
    });
}

/// What is known of a packed table.
#[derive(Clone, Copy)]
struct Extents {
    tier: Tier,
    width: usize,
    rows: usize,
}

fn many_top<A, T: Copy + Default + PartialOrd + Send + Sync>(
    team: &Team,
    Extents { tier, width, rows }: Extents,
    queries: &[A],
    scores: &mut [T],
    best: &mut [Hit<T>],
    product: impl Fn(&[A], usize, &mut [T]),
) {
    if queries.is_empty() {
        assert!(best.is_empty(), "no queries have no hits");
        return;
    }
    assert!(width > 0 && queries.len().is_multiple_of(width), "queries are whole rows of the table's width");
    let count = queries.len() / width;
    assert!(best.len().is_multiple_of(count), "every query has as many places");
    let Some(places) = NonZeroUsize::new(best.len() / count) else { return };
    let blocks = queries.chunks(QUERIES_AT_ONCE * width).zip(best.chunks_mut(QUERIES_AT_ONCE * places.get()));
    for (queries, best) in blocks {
        let count = queries.len() / width;
        let scores = &mut scores[..count * rows];
        product(queries, count, scores);
        let scores = &*scores;
        let alone = Team::single();
        let team = if scores.len() < PARALLEL_SCORES { &alone } else { team };
        team.for_each_chunk(best, places, |query, best| {
            let scores = &scores[query * rows..][..rows];
            let found: Result<usize, TierUnavailable> = dispatch(tier, Largests { scores, best });
            let found = found.expect("packing tested the tier");
            best[found..].fill(Hit { row: NO_ROW, score: T::default() });
        });
    }
}

/// The largest of scores that are there already.
struct Largests<'a, T> {
    scores: &'a [T],
    best: &'a mut [Hit<T>],
}

impl<T: Copy + PartialOrd> SimdOp for Largests<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> usize {
        let mut top = Top::<Largest, T>::new(self.best);
        top.offer(self.scores);
        top.found()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Best, F32, Measure, Sum, best_by_sorting, reference_i8_pairs, reference_pairs};
    use super::*;
    use crate::kernels::matmul::Layout;
    use crate::sys::Rng;

    #[test]
    fn the_best_of_every_query_are_those_of_a_sort() {
        let team = Team::new(NonZeroUsize::new(2).unwrap()).unwrap();
        for (queries, rows, width) in [(1, 1, 1), (3, 40, 17), (64, 100, 64), (65, 7, 33), (150, 300, 20)] {
            let mut rng = Rng::new(1);
            let mut bytes = |len: usize| -> Vec<i8> {
                (0..len).map(|_| rng.next_u64().to_le_bytes()[7].cast_signed() / 32).collect()
            };
            let (left, table) = (bytes(queries * width), bytes(rows * width));
            let exact = reference_i8_pairs(Sum::Dot, &left, &table, width);
            let floats = |bytes: &[i8]| -> Vec<f32> { bytes.iter().map(|&byte| f32::from(byte)).collect() };
            let (wide_left, wide_table) = (floats(&left), floats(&table));
            // Sums of small whole numbers are exact in single precision too, and many of them are equal.
            let same = reference_pairs::<F32>(Measure::Dot, &wide_left, &wide_table, width);
            assert!(same.iter().zip(&exact).all(|(&a, &b)| a == f64::from(b)));
            let mut scores = vec![0; queries.min(QUERIES_AT_ONCE) * rows];
            let mut wide_scores = vec![0.0; scores.len()];
            for tier in Tier::available() {
                let rows_of = |hits: &[usize], query: usize, name: &str| {
                    let sorted = best_by_sorting(&exact[query * rows..][..rows], 10, Best::Largest);
                    let mut want: Vec<usize> = sorted.iter().map(|hit| hit.row).collect();
                    want.resize(10, NO_ROW);
                    assert_eq!(hits, want, "{name} {tier} query {query} of {queries}x{rows}x{width}");
                };
                if let Ok(table) = PackedBytes::pack(tier, &table, width, rows, Layout::NxK) {
                    let mut best = vec![Hit::default(); 10 * queries];
                    dot_many_top_i8(&team, &left, &table, &mut scores, &mut best);
                    for (query, hits) in best.chunks_exact(10).enumerate() {
                        rows_of(&hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), query, "bytes");
                    }
                }
                if let Ok(table) = PackedMatrix::pack(tier, &wide_table, width, rows, Layout::NxK) {
                    let mut best = vec![Hit::default(); 10 * queries];
                    dot_many_top(&team, &wide_left, &table, &mut wide_scores, &mut best);
                    for (query, hits) in best.chunks_exact(10).enumerate() {
                        rows_of(&hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), query, "floats");
                    }
                }
            }
        }
    }
}
