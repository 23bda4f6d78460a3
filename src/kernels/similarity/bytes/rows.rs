//! One query against many rows.

use super::super::top::{Hit, Largest, ROWS_AT_ONCE, Top};
use super::{LONGEST_BYTES, one_dot, padded};
use crate::simd::{DotI8, DotI8Op, Tier, TierUnavailable, dispatch_i8};

/// The dot product of `query` with every row of `rows`: `out.len()` rows of `query.len()` bytes.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not one row a number of `out`, or rows are longer than [`LONGEST_BYTES`].
pub fn dot_i8_rows(tier: Tier, query: &[i8], rows: &[i8], out: &mut [i32]) -> Result<(), TierUnavailable> {
    assert_eq!(rows.len(), query.len() * out.len(), "one row a number of the output");
    assert!(query.len() <= LONGEST_BYTES, "sums of longer vectors do not fit 32 bits");
    dispatch_i8(tier, Rows { query, rows, out })
}

/// The rows with the largest dot products with `query`, largest first, in `best`; how many is returned. Of equal ones
/// those that stand first.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not whole rows of `query.len()` bytes, which is not zero, or longer than [`LONGEST_BYTES`].
pub fn dot_i8_top(
    tier: Tier,
    query: &[i8],
    rows: &[i8],
    best: &mut [Hit<i32>],
) -> Result<usize, TierUnavailable> {
    assert!(!query.is_empty() && rows.len().is_multiple_of(query.len()), "the table is whole rows");
    assert!(query.len() <= LONGEST_BYTES, "sums of longer vectors do not fit 32 bits");
    dispatch_i8(tier, TopRows { query, rows, best })
}

struct Rows<'a> {
    query: &'a [i8],
    rows: &'a [i8],
    out: &'a mut [i32],
}

impl DotI8Op for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) {
        if self.query.is_empty() {
            self.out.fill(0);
            return;
        }
        scores(s, self.query, excess_of(s, self.query), self.rows, self.out);
    }
}

struct TopRows<'a> {
    query: &'a [i8],
    rows: &'a [i8],
    best: &'a mut [Hit<i32>],
}

impl DotI8Op for TopRows<'_> {
    type Output = usize;

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) -> usize {
        let excess = excess_of(s, self.query);
        let mut block = [0; ROWS_AT_ONCE];
        let mut top = Top::<Largest, i32>::new(self.best);
        for rows in self.rows.chunks(ROWS_AT_ONCE * self.query.len()) {
            let block = &mut block[..rows.len() / self.query.len()];
            scores(s, self.query, excess, rows, block);
            top.offer(block);
        }
        top.found()
    }
}

/// What the products of a query with any row are too large by.
#[inline(always)]
fn excess_of<S: DotI8>(_: S, query: &[i8]) -> i32 {
    query.iter().map(|&q| i32::from(q)).sum::<i32>() * S::EXCESS
}

/// Rows that a scan reads side by side.
const SIDE_BY_SIDE: usize = 4;

/// How far ahead of a scan its rows are asked for.
const BYTES_AHEAD: usize = 8 << 10;

#[inline(always)]
fn scores<S: DotI8>(s: S, query: &[i8], excess: i32, rows: &[i8], out: &mut [i32]) {
    let width = query.len();
    let groups = rows.chunks_exact(SIDE_BY_SIDE * width);
    let rest = groups.remainder();
    let mut out = out.chunks_exact_mut(SIDE_BY_SIDE);
    for (group, out) in groups.zip(&mut out) {
        for (out, sum) in out.iter_mut().zip(s.sum_four_i32(four_rows(s, query, group))) {
            *out = sum.wrapping_sub(excess);
        }
    }
    for (row, out) in rest.chunks_exact(width).zip(out.into_remainder()) {
        *out = one_dot(s, query, row);
    }
}

/// The sums of the products of `query` with four rows, each too large by the query's excess.
#[inline(always)]
fn four_rows<S: DotI8>(s: S, query: &[i8], group: &[i8]) -> [S::I32; SIDE_BY_SIDE] {
    let (top, bottom) = group.split_at(2 * query.len());
    let (first, second) = top.split_at(query.len());
    let (third, fourth) = bottom.split_at(query.len());
    let whole = query.len() / (4 * S::LANES) * (4 * S::LANES);
    let mut sums = [s.splat_i32(0); SIDE_BY_SIDE];
    let vectors = query.chunks_exact(4 * S::LANES);
    let tail = vectors.remainder();
    let zipped = first.chunks_exact(4 * S::LANES).zip(second.chunks_exact(4 * S::LANES));
    let zipped = zipped.zip(third.chunks_exact(4 * S::LANES)).zip(fourth.chunks_exact(4 * S::LANES));
    for (q, (((a, b), c), d)) in vectors.zip(zipped) {
        for row in [a, b, c, d] {
            s.prefetch_beyond(row, BYTES_AHEAD);
        }
        let q = s.load_signed(q);
        sums[0] = s.dot_i8(sums[0], q, s.load_signed(a));
        sums[1] = s.dot_i8(sums[1], q, s.load_signed(b));
        sums[2] = s.dot_i8(sums[2], q, s.load_signed(c));
        sums[3] = s.dot_i8(sums[3], q, s.load_signed(d));
    }
    if !tail.is_empty() {
        let q = padded(s, tail);
        for (sum, row) in sums.iter_mut().zip([first, second, third, fourth]) {
            *sum = s.dot_i8(*sum, q, padded(s, &row[whole..]));
        }
    }
    sums
}
