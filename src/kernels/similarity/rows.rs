//! Scans: one query against many rows of floats.

use super::number::{F32, Number, WithoutDenormals};
use super::pairs::{Products, SquaredDifferences, Term, one_sum};
use super::top::{Hit, Largest, Order, ROWS_AT_ONCE, Smallest, Top};
use super::{Measure, cosine_of};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// The dot product of `query` with every row of `rows`: `out.len()` rows of `query.len()` numbers.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not one row a number of `out`.
pub fn dot_rows(tier: Tier, query: &[f32], rows: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    rows_of::<F32>(tier, Measure::Dot, query, rows, out)
}

/// `measure` of `query` with every row of `rows`: `out.len()` rows of `query.len()` numbers. Denormal numbers may count as
/// zero, as [`normalize::l2`](crate::kernels::normalize::l2) says.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not one row a number of `out`.
pub fn rows_of<N: Number>(
    tier: Tier,
    measure: Measure,
    query: &[N::Stored],
    rows: &[N::Stored],
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(rows.len(), query.len() * out.len(), "one row a number of the output");
    dispatch(tier, Rows::<N> { measure, query, rows, out })
}

/// The rows of which `measure` with `query` is best (largest; smallest for [`Measure::SquaredL2`]), best first, in `best`;
/// how many there are is returned: `best.len()`, or fewer where there are not so many rows with a number. Of equal
/// ones those that stand first. A row whose measure is not a number is none of the best.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not whole rows of `query.len()` numbers, which is not zero.
pub fn top_of<N: Number>(
    tier: Tier,
    measure: Measure,
    query: &[N::Stored],
    rows: &[N::Stored],
    best: &mut [Hit<f32>],
) -> Result<usize, TierUnavailable> {
    assert!(!query.is_empty() && rows.len().is_multiple_of(query.len()), "the table is whole rows");
    dispatch(tier, TopRows::<N> { measure, query, rows, best })
}

struct Rows<'a, N: Number> {
    measure: Measure,
    query: &'a [N::Stored],
    rows: &'a [N::Stored],
    out: &'a mut [f32],
}

impl<N: Number> SimdOp for Rows<'_, N> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { measure, query, rows, out } = self;
        if query.is_empty() {
            out.fill(0.0);
            return;
        }
        Query::<WithoutDenormals<N>>::new(s, measure, query).scores(s, rows, out);
    }
}

struct TopRows<'a, N: Number> {
    measure: Measure,
    query: &'a [N::Stored],
    rows: &'a [N::Stored],
    best: &'a mut [Hit<f32>],
}

impl<N: Number> SimdOp for TopRows<'_, N> {
    type Output = usize;

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> usize {
        match self.measure {
            Measure::Dot | Measure::Cosine => self.best_of::<S, Largest>(s),
            Measure::SquaredL2 => self.best_of::<S, Smallest>(s),
        }
    }
}

impl<N: Number> TopRows<'_, N> {
    #[inline(always)]
    fn best_of<S: Simd, O: Order>(self, s: S) -> usize {
        let query = Query::<WithoutDenormals<N>>::new(s, self.measure, self.query);
        let mut scores = [0.0; ROWS_AT_ONCE];
        let mut top = Top::<O, f32>::new(self.best);
        for rows in self.rows.chunks(ROWS_AT_ONCE * self.query.len()) {
            let scores = &mut scores[..rows.len() / self.query.len()];
            query.scores(s, rows, scores);
            top.offer(scores);
        }
        top.found()
    }
}

/// Rows that a scan reads side by side: each load of the query serves all of them, and their sums do not wait for
/// each other.
const SIDE_BY_SIDE: usize = 4;

/// How far ahead of a scan its rows are asked for, in bytes: far enough for memory, near enough to stay in L1. The
/// streams that hardware follows end at each page of 4 KiB.
const BYTES_AHEAD: usize = 8 << 10;

/// What is known of a query before the first row.
struct Query<'a, N: Number> {
    measure: Measure,
    numbers: &'a [N::Stored],
    square: f32,
}

impl<'a, N: Number> Query<'a, N> {
    #[inline(always)]
    fn new<S: Simd>(s: S, measure: Measure, numbers: &'a [N::Stored]) -> Self {
        let square = match measure {
            Measure::Cosine => one_sum::<S, N, Products>(s, numbers, numbers),
            Measure::Dot | Measure::SquaredL2 => 0.0,
        };
        Self { measure, numbers, square }
    }

    /// The measures of as many rows as `out` holds numbers.
    #[inline(always)]
    fn scores<S: Simd>(&self, s: S, rows: &[N::Stored], out: &mut [f32]) {
        match self.measure {
            Measure::Dot => self.each_group::<S, Products, false>(s, rows, out),
            Measure::SquaredL2 => self.each_group::<S, SquaredDifferences, false>(s, rows, out),
            Measure::Cosine => self.each_group::<S, Products, true>(s, rows, out),
        }
    }

    #[inline(always)]
    fn each_group<S: Simd, T: Term, const LENGTHS: bool>(&self, s: S, rows: &[N::Stored], out: &mut [f32]) {
        let width = self.numbers.len();
        let groups = rows.chunks_exact(SIDE_BY_SIDE * width);
        let rest = groups.remainder();
        let mut out = out.chunks_exact_mut(SIDE_BY_SIDE);
        for (group, out) in groups.zip(&mut out) {
            let (sums, squares) = four_rows::<S, N, T, LENGTHS>(s, self.numbers, group);
            let sums = s.sum_four(sums);
            if LENGTHS {
                let squares = s.sum_four(squares);
                for ((out, sum), square) in out.iter_mut().zip(sums).zip(squares) {
                    *out = cosine_of(sum, self.square, square);
                }
            } else {
                out.copy_from_slice(&sums);
            }
        }
        for (row, out) in rest.chunks_exact(width).zip(out.into_remainder()) {
            *out = one_sum::<S, N, T>(s, self.numbers, row);
            if LENGTHS {
                *out = cosine_of(*out, self.square, one_sum::<S, N, Products>(s, row, row));
            }
        }
    }
}

/// The sums of terms of `query` with the four rows that `group` holds one after the other, and the rows' sums of
/// squares where `LENGTHS` asks for them.
#[inline(always)]
fn four_rows<S: Simd, N: Number, T: Term, const LENGTHS: bool>(
    s: S,
    query: &[N::Stored],
    group: &[N::Stored],
) -> ([S::F32; SIDE_BY_SIDE], [S::F32; SIDE_BY_SIDE]) {
    let (top, bottom) = group.split_at(2 * query.len());
    let (first, second) = top.split_at(query.len());
    let (third, fourth) = bottom.split_at(query.len());
    let whole = query.len() / S::LANES * S::LANES;
    let ahead = BYTES_AHEAD / size_of::<N::Stored>();
    let (mut sums, mut squares) = ([s.zero(); SIDE_BY_SIDE], [s.zero(); SIDE_BY_SIDE]);
    let mut add = |at: usize, q: S::F32, row: S::F32| {
        sums[at] = T::add(s, q, row, sums[at]);
        if LENGTHS {
            squares[at] = s.mul_add(row, row, squares[at]);
        }
    };
    let vectors = query.chunks_exact(S::LANES);
    let tail = vectors.remainder();
    let zipped = first.chunks_exact(S::LANES).zip(second.chunks_exact(S::LANES));
    let zipped = zipped.zip(third.chunks_exact(S::LANES)).zip(fourth.chunks_exact(S::LANES));
    for (q, (((a, b), c), d)) in vectors.zip(zipped) {
        // Of a type of two bytes, every line is asked for twice, which costs less than to ask whether it was.
        for row in [a, b, c, d] {
            s.prefetch_beyond(row, ahead);
        }
        let q = N::load(s, q);
        add(0, q, N::load(s, a));
        add(1, q, N::load(s, b));
        add(2, q, N::load(s, c));
        add(3, q, N::load(s, d));
    }
    if !tail.is_empty() {
        let q = N::load_partial(s, tail);
        add(0, q, N::load_partial(s, &first[whole..]));
        add(1, q, N::load_partial(s, &second[whole..]));
        add(2, q, N::load_partial(s, &third[whole..]));
        add(3, q, N::load_partial(s, &fourth[whole..]));
    }
    (sums, squares)
}
