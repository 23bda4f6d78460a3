//! One query against many rows.

use super::super::top::{Hit, Largest, ROWS_AT_ONCE, Top};
use super::{Cosine, Dot, LONGEST_BYTES, PairMeasure, SquaredL2, Sum, excess_step, one_dot, padded};
use crate::simd::{DotI8, DotI8Op, Tier, TierUnavailable, dispatch_i8};

/// The dot product of `query` with every row of `rows`: `out.len()` rows of `query.len()` bytes.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not one row a number of `out`, or rows are longer than [`LONGEST_BYTES`].
pub fn dot_i8_rows(tier: Tier, query: &[i8], rows: &[i8], out: &mut [i32]) -> Result<(), TierUnavailable> {
    scan::<Dot>(tier, query, rows, out)
}

/// `sum` of `query` with every row of `rows`: `out.len()` rows of `query.len()` bytes.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`dot_i8_rows`].
pub fn i8_rows(
    tier: Tier,
    sum: Sum,
    query: &[i8],
    rows: &[i8],
    out: &mut [i32],
) -> Result<(), TierUnavailable> {
    match sum {
        Sum::Dot => scan::<Dot>(tier, query, rows, out),
        Sum::SquaredL2 => scan::<SquaredL2>(tier, query, rows, out),
    }
}

/// The cosine of `query` with every row of `rows`, from exact sums; 0 where one of the two is zero.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`dot_i8_rows`].
pub fn cosine_i8_rows(tier: Tier, query: &[i8], rows: &[i8], out: &mut [f32]) -> Result<(), TierUnavailable> {
    scan::<Cosine>(tier, query, rows, out)
}

fn scan<M: PairMeasure>(
    tier: Tier,
    query: &[i8],
    rows: &[i8],
    out: &mut [M::Answer],
) -> Result<(), TierUnavailable> {
    assert_eq!(rows.len(), query.len() * out.len(), "one row a number of the output");
    assert!(query.len() <= LONGEST_BYTES, "sums of longer vectors do not fit 32 bits");
    dispatch_i8(tier, Rows::<M> { query, rows, out })
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

struct Rows<'a, M: PairMeasure> {
    query: &'a [i8],
    rows: &'a [i8],
    out: &'a mut [M::Answer],
}

impl<M: PairMeasure> DotI8Op for Rows<'_, M> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) {
        if self.query.is_empty() {
            self.out.fill(M::Answer::default());
            return;
        }
        Query::new::<S, M>(s, self.query).scores::<S, M>(s, self.rows, self.out);
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
        let query = Query::new::<S, Dot>(s, self.query);
        let mut block = [0; ROWS_AT_ONCE];
        let mut top = Top::<Largest, i32>::new(self.best);
        for rows in self.rows.chunks(ROWS_AT_ONCE * self.query.len()) {
            let block = &mut block[..rows.len() / self.query.len()];
            query.scores::<S, Dot>(s, rows, block);
            top.offer(block);
        }
        top.found()
    }
}

/// Rows that a scan reads side by side.
const SIDE_BY_SIDE: usize = 4;

/// How far ahead of a scan its rows are asked for.
const BYTES_AHEAD: usize = 8 << 10;

/// What is known of a query before the first row.
struct Query<'a> {
    bytes: &'a [i8],
    /// What its products with any row are too large by.
    excess: i32,
    /// Its own sum of squares, where the measure takes it.
    square: i32,
}

impl<'a> Query<'a> {
    #[inline(always)]
    fn new<S: DotI8, M: PairMeasure>(s: S, bytes: &'a [i8]) -> Self {
        let excess = bytes.iter().map(|&q| i32::from(q)).sum::<i32>() * S::EXCESS;
        Self { bytes, excess, square: if M::SQUARES { one_dot(s, bytes, bytes) } else { 0 } }
    }

    /// The measures of as many rows as `out` has places.
    #[inline(always)]
    fn scores<S: DotI8, M: PairMeasure>(&self, s: S, rows: &[i8], out: &mut [M::Answer]) {
        let width = self.bytes.len();
        let groups = rows.chunks_exact(SIDE_BY_SIDE * width);
        let rest = groups.remainder();
        let mut out = out.chunks_exact_mut(SIDE_BY_SIDE);
        for (group, out) in groups.zip(&mut out) {
            let sums = four_rows::<S, M>(s, self.bytes, group);
            let dots = s.sum_four_i32(sums.products).map(|sum| sum.wrapping_sub(self.excess));
            let squares = if M::SQUARES { sums.squares(s) } else { [0; SIDE_BY_SIDE] };
            for ((out, dot), square) in out.iter_mut().zip(dots).zip(squares) {
                *out = M::of_sums([dot, self.square, square]);
            }
        }
        for (row, out) in rest.chunks_exact(width).zip(out.into_remainder()) {
            *out = M::of(s, self.bytes, row);
        }
    }
}

/// The sums of four rows: with the query, each too large by the query's excess; and where the measure takes them those
/// with themselves, with what these are too large by.
struct Sums<S: DotI8> {
    products: [S::I32; SIDE_BY_SIDE],
    squares: [S::I32; SIDE_BY_SIDE],
    excesses: [S::I32; SIDE_BY_SIDE],
}

impl<S: DotI8> Sums<S> {
    /// The next bytes of row `at`.
    #[inline(always)]
    fn step<M: PairMeasure>(&mut self, s: S, at: usize, query: S::Signed, row: S::Signed) {
        self.products[at] = s.dot_i8(self.products[at], query, row);
        if M::SQUARES {
            self.squares[at] = s.dot_i8(self.squares[at], row, row);
            self.excesses[at] = excess_step(s, self.excesses[at], row);
        }
    }

    #[inline(always)]
    fn squares(&self, s: S) -> [i32; SIDE_BY_SIDE] {
        let mut exact = self.squares;
        for (square, &excess) in exact.iter_mut().zip(&self.excesses) {
            *square = s.sub_i32(*square, excess);
        }
        s.sum_four_i32(exact)
    }
}

#[inline(always)]
fn four_rows<S: DotI8, M: PairMeasure>(s: S, query: &[i8], group: &[i8]) -> Sums<S> {
    let (top, bottom) = group.split_at(2 * query.len());
    let (first, second) = top.split_at(query.len());
    let (third, fourth) = bottom.split_at(query.len());
    let whole = query.len() / (4 * S::LANES) * (4 * S::LANES);
    let zero = [s.splat_i32(0); SIDE_BY_SIDE];
    let mut sums = Sums { products: zero, squares: zero, excesses: zero };
    let vectors = query.chunks_exact(4 * S::LANES);
    let tail = vectors.remainder();
    let zipped = first.chunks_exact(4 * S::LANES).zip(second.chunks_exact(4 * S::LANES));
    let zipped = zipped.zip(third.chunks_exact(4 * S::LANES)).zip(fourth.chunks_exact(4 * S::LANES));
    for (q, (((a, b), c), d)) in vectors.zip(zipped) {
        for row in [a, b, c, d] {
            s.prefetch_beyond(row, BYTES_AHEAD);
        }
        let q = s.load_signed(q);
        // By number, never by a counter: an array that a loop indexes lives in memory, not in registers.
        sums.step::<M>(s, 0, q, s.load_signed(a));
        sums.step::<M>(s, 1, q, s.load_signed(b));
        sums.step::<M>(s, 2, q, s.load_signed(c));
        sums.step::<M>(s, 3, q, s.load_signed(d));
    }
    if !tail.is_empty() {
        let q = padded(s, tail);
        sums.step::<M>(s, 0, q, padded(s, &first[whole..]));
        sums.step::<M>(s, 1, q, padded(s, &second[whole..]));
        sums.step::<M>(s, 2, q, padded(s, &third[whole..]));
        sums.step::<M>(s, 3, q, padded(s, &fourth[whole..]));
    }
    sums
}
