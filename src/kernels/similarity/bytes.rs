//! Vectors of signed bytes: exact 32-bit sums.

use super::top::{Hit, Largest, ROWS_AT_ONCE, Top};
use super::{check_pairs, each_pair};
use crate::simd::{DotI8, DotI8Op, Tier, TierUnavailable, dispatch_i8};

/// The longest vectors whose sums fit 32 bits: squared differences are up to 255^2.
pub const LONGEST_BYTES: usize = 32_768;

/// The dot product of two vectors of equal length, at most [`LONGEST_BYTES`].
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ or are too large.
pub fn dot_i8(tier: Tier, a: &[i8], b: &[i8]) -> Result<i32, TierUnavailable> {
    assert_eq!(a.len(), b.len(), "vectors of equal length");
    let mut out = [0];
    dot_i8_pairs(tier, a, b, a.len(), &mut out)?;
    Ok(out[0])
}

/// The dot product of every row of `left` with every row of `right`, rows of `width` bytes: `out[i * rights + j]`.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When an input is not whole rows, rows are longer than [`LONGEST_BYTES`], or `out` does not hold one number a pair.
pub fn dot_i8_pairs(
    tier: Tier,
    left: &[i8],
    right: &[i8],
    width: usize,
    out: &mut [i32],
) -> Result<(), TierUnavailable> {
    if check(left.len(), right.len(), width, out.len()) {
        out.fill(0);
        return Ok(());
    }
    dispatch_i8(tier, DotPairs { left, right, width, out })
}

/// Like [`dot_i8_pairs`], the sum of the squared differences.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`dot_i8_pairs`].
pub fn squared_l2_i8_pairs(
    tier: Tier,
    left: &[i8],
    right: &[i8],
    width: usize,
    out: &mut [i32],
) -> Result<(), TierUnavailable> {
    if check(left.len(), right.len(), width, out.len()) {
        out.fill(0);
        return Ok(());
    }
    dispatch_i8(tier, L2Pairs { left, right, width, out })
}

/// Like [`dot_i8_pairs`], the cosine, from exact sums; 0 where one vector is zero.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`dot_i8_pairs`].
pub fn cosine_i8_pairs(
    tier: Tier,
    left: &[i8],
    right: &[i8],
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    if check(left.len(), right.len(), width, out.len()) {
        out.fill(0.0);
        return Ok(());
    }
    dispatch_i8(tier, CosinePairs { left, right, width, out })
}

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

/// Whether vectors of no bytes are compared, which is no work.
fn check(left: usize, right: usize, width: usize, out: usize) -> bool {
    assert!(width <= LONGEST_BYTES, "sums of longer vectors do not fit 32 bits");
    if width == 0 {
        assert!(left == 0 && right == 0, "vectors of no bytes hold none");
        return true;
    }
    check_pairs(left, right, width, out);
    false
}

struct DotPairs<'a> {
    left: &'a [i8],
    right: &'a [i8],
    width: usize,
    out: &'a mut [i32],
}

impl DotI8Op for DotPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) {
        each_pair(self.left, self.right, self.width, self.out, |a, b| one_dot(s, a, b));
    }
}

struct L2Pairs<'a> {
    left: &'a [i8],
    right: &'a [i8],
    width: usize,
    out: &'a mut [i32],
}

impl DotI8Op for L2Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) {
        // (a - b)^2 = a^2 + b^2 - 2 a b, exactly, and modulo 2^32 on the way.
        each_pair(self.left, self.right, self.width, self.out, |a, b| {
            let [dot, aa, bb] = three_dots(s, a, b);
            aa.wrapping_add(bb).wrapping_sub(dot.wrapping_mul(2))
        });
    }
}

struct CosinePairs<'a> {
    left: &'a [i8],
    right: &'a [i8],
    width: usize,
    out: &'a mut [f32],
}

impl DotI8Op for CosinePairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) {
        each_pair(self.left, self.right, self.width, self.out, |a, b| cosine_of(three_dots(s, a, b)));
    }
}

/// The cosine from the three exact sums. Their product needs more than 32 bits, and double precision holds it all but
/// exactly.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is meant")]
fn cosine_of([dot, aa, bb]: [i32; 3]) -> f32 {
    let lengths = (f64::from(aa) * f64::from(bb)).sqrt();
    if lengths == 0.0 { 0.0 } else { (f64::from(dot) / lengths) as f32 }
}

/// The most bytes of a vector of any tier.
const MOST_BYTES: usize = 64;

/// The last bytes of a vector, fewer than a register holds, with zeros behind them.
#[inline(always)]
fn padded<S: DotI8>(s: S, rest: &[i8]) -> S::Signed {
    let mut bytes = [0; MOST_BYTES];
    bytes[..rest.len()].copy_from_slice(rest);
    s.load_signed(&bytes)
}

#[inline(always)]
fn one_dot<S: DotI8>(s: S, a: &[i8], b: &[i8]) -> i32 {
    let zero = s.splat_i32(0);
    let (mut sum, mut excess) = (zero, zero);
    let (a_vectors, b_vectors) = (a.chunks_exact(4 * S::LANES), b.chunks_exact(4 * S::LANES));
    let (a_rest, b_rest) = (a_vectors.remainder(), b_vectors.remainder());
    for (a, b) in a_vectors.zip(b_vectors) {
        let (a, b) = (s.load_signed(a), s.load_signed(b));
        sum = s.dot_i8(sum, a, b);
        excess = excess_step(s, excess, a);
    }
    if !a_rest.is_empty() {
        let (a, b) = (padded(s, a_rest), padded(s, b_rest));
        sum = s.dot_i8(sum, a, b);
        excess = excess_step(s, excess, a);
    }
    s.sum_i32(s.sub_i32(sum, excess))
}

/// `excess` and what a product with `a` is too large by.
#[inline(always)]
fn excess_step<S: DotI8>(s: S, excess: S::I32, a: S::Signed) -> S::I32 {
    if S::EXCESS == 0 { excess } else { s.dot_i8(excess, a, s.no_bytes()) }
}

/// The sums of a pair: `a b`, `a a` and `b b`, and what those with `a` and with `b` on the left are too large by.
#[derive(Clone, Copy)]
struct Sums<S: DotI8> {
    ab: S::I32,
    aa: S::I32,
    bb: S::I32,
    a_excess: S::I32,
    b_excess: S::I32,
}

impl<S: DotI8> Sums<S> {
    #[inline(always)]
    fn step(self, s: S, a: S::Signed, b: S::Signed) -> Self {
        Self {
            ab: s.dot_i8(self.ab, a, b),
            aa: s.dot_i8(self.aa, a, a),
            bb: s.dot_i8(self.bb, b, b),
            a_excess: excess_step(s, self.a_excess, a),
            b_excess: excess_step(s, self.b_excess, b),
        }
    }
}

/// `a b`, `a a` and `b b` in one pass.
#[inline(always)]
fn three_dots<S: DotI8>(s: S, a: &[i8], b: &[i8]) -> [i32; 3] {
    let zero = s.splat_i32(0);
    let mut sums = Sums { ab: zero, aa: zero, bb: zero, a_excess: zero, b_excess: zero };
    let (a_vectors, b_vectors) = (a.chunks_exact(4 * S::LANES), b.chunks_exact(4 * S::LANES));
    let (a_rest, b_rest) = (a_vectors.remainder(), b_vectors.remainder());
    for (a, b) in a_vectors.zip(b_vectors) {
        sums = sums.step(s, s.load_signed(a), s.load_signed(b));
    }
    if !a_rest.is_empty() {
        sums = sums.step(s, padded(s, a_rest), padded(s, b_rest));
    }
    let Sums { ab, aa, bb, a_excess, b_excess } = sums;
    let [ab, aa, bb, _] =
        s.sum_four_i32([s.sub_i32(ab, a_excess), s.sub_i32(aa, a_excess), s.sub_i32(bb, b_excess), zero]);
    [ab, aa, bb]
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

/// A sum over the bytes of every pair, exact: `term` of each two bytes, in 64 bits.
fn exact_pairs(left: &[i8], right: &[i8], width: usize, term: fn(i64, i64) -> i64) -> Vec<i64> {
    let one =
        |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(&a, &b)| term(i64::from(a), i64::from(b))).sum::<i64>();
    let width = width.max(1);
    left.chunks_exact(width).flat_map(|a| right.chunks_exact(width).map(move |b| one(a, b))).collect()
}

/// The dot product (`Dot`) or the sum of squared differences of every pair, exact.
///
/// # Panics
/// When a sum does not fit 32 bits.
#[must_use]
pub fn reference_i8_pairs(sum: Sum, left: &[i8], right: &[i8], width: usize) -> Vec<i32> {
    let sums = match sum {
        Sum::Dot => exact_pairs(left, right, width, |a, b| a * b),
        Sum::SquaredL2 => exact_pairs(left, right, width, |a, b| (a - b) * (a - b)),
    };
    sums.into_iter().map(|sum| i32::try_from(sum).expect("rows are at most the longest")).collect()
}

/// A sum over a pair of vectors of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// The dot product.
    Dot,
    /// The sum of the squared differences.
    SquaredL2,
}

/// The cosine of every pair in double precision; 0 where one vector is zero.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sums are below 2^31")]
pub fn reference_cosine_i8_pairs(left: &[i8], right: &[i8], width: usize) -> Vec<f64> {
    let lengths = |rows: &[i8]| -> Vec<f64> {
        let squares =
            rows.chunks_exact(width.max(1)).map(|row| exact_pairs(row, row, width, |a, b| a * b)[0]);
        squares.map(|square| (square as f64).sqrt()).collect()
    };
    let (lefts, rights) = (lengths(left), lengths(right));
    let products = lefts.iter().flat_map(|a| rights.iter().map(move |b| a * b));
    let dots = exact_pairs(left, right, width, |a, b| a * b);
    dots.into_iter().zip(products).map(|(dot, p)| if p == 0.0 { 0.0 } else { dot as f64 / p }).collect()
}

/// `sum` of every pair by iterators, as the compiler builds them.
///
/// # Panics
/// As for [`dot_i8_pairs`], and when `width` is 0.
pub fn plain_i8_pairs(sum: Sum, left: &[i8], right: &[i8], width: usize, out: &mut [i32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    let terms = |a: &[i8], b: &[i8], term: fn(i32, i32) -> i32| {
        a.iter().zip(b).map(|(&a, &b)| term(i32::from(a), i32::from(b))).sum()
    };
    match sum {
        Sum::Dot => each_pair(left, right, width, out, |a, b| terms(a, b, |a, b| a * b)),
        Sum::SquaredL2 => {
            each_pair(left, right, width, out, |a, b| terms(a, b, |a, b| (a - b) * (a - b)));
        }
    }
}

/// The cosine of every pair by iterators, as the compiler builds them.
///
/// # Panics
/// As for [`plain_i8_pairs`].
pub fn plain_cosine_i8_pairs(left: &[i8], right: &[i8], width: usize, out: &mut [f32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    let dot =
        |a: &[i8], b: &[i8]| -> i32 { a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum() };
    each_pair(left, right, width, out, |a, b| cosine_of([dot(a, b), dot(a, a), dot(b, b)]));
}

#[cfg(test)]
mod tests {
    use super::super::top::{Best, best_by_sorting};
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    /// All values, the extremes often.
    fn bytes(len: usize, seed: u64) -> Vec<i8> {
        let mut rng = Rng::new(seed);
        (0..len)
            .map(|_| match rng.next_u64().to_le_bytes()[..2] {
                [0..64, _] => i8::MIN,
                [64..96, _] => i8::MAX,
                [_, byte] => byte.cast_signed(),
                _ => 0,
            })
            .collect()
    }

    const WIDTHS: [usize; 20] =
        [0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 131, 383, 384, 1027];

    #[test]
    fn sums_are_exact_and_cosines_right_on_every_tier() {
        let mut failures = Vec::new();
        for width in WIDTHS {
            let (left, right) = (bytes(2 * width, 1), bytes(3 * width, 2));
            let (mut out, mut cosines) = ([i32::MIN; 6], [f32::NAN; 6]);
            let pairs = if width == 0 { 0 } else { 6 };
            let dots = reference_i8_pairs(Sum::Dot, &left, &right, width);
            let squares = reference_i8_pairs(Sum::SquaredL2, &left, &right, width);
            let angles = reference_cosine_i8_pairs(&left, &right, width);
            let mut judge = |name: String, right: bool| {
                if !right {
                    failures.push(format!("{name} width {width}"));
                }
            };
            for tier in Tier::available() {
                let (out, cosines) = (&mut out[..pairs], &mut cosines[..pairs]);
                dot_i8_pairs(tier, &left, &right, width, out).unwrap();
                judge(format!("{tier} dot"), *out == dots);
                squared_l2_i8_pairs(tier, &left, &right, width, out).unwrap();
                judge(format!("{tier} l2"), *out == squares);
                cosine_i8_pairs(tier, &left, &right, width, cosines).unwrap();
                judge(format!("{tier} cosine"), compare_floats(&*cosines, &angles, 1e-7, 1e-9).is_ok());
            }
            if width > 0 {
                plain_i8_pairs(Sum::Dot, &left, &right, width, &mut out);
                judge("plain dot".to_owned(), out[..] == dots);
                plain_i8_pairs(Sum::SquaredL2, &left, &right, width, &mut out);
                judge("plain l2".to_owned(), out[..] == squares);
                plain_cosine_i8_pairs(&left, &right, width, &mut cosines);
                judge("plain cosine".to_owned(), compare_floats(&cosines, &angles, 1e-7, 1e-9).is_ok());
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn scans_are_exact_for_any_number_of_rows_and_find_the_best() {
        for width in WIDTHS.into_iter().filter(|&width| width > 0) {
            for rows in [0, 1, 3, 4, 5, 11, 300] {
                let (query, table) = (bytes(width, 3), bytes(rows * width, 4));
                let reference = reference_i8_pairs(Sum::Dot, &query, &table, width);
                let best = best_by_sorting(&reference, 10, Best::Largest);
                for tier in Tier::available() {
                    let mut out = vec![i32::MIN; rows];
                    dot_i8_rows(tier, &query, &table, &mut out).unwrap();
                    assert_eq!(out, reference, "{tier} {rows}x{width}");
                    let mut hits = [Hit::default(); 10];
                    let found = dot_i8_top(tier, &query, &table, &mut hits).unwrap();
                    assert_eq!(hits[..found], best, "{tier} {rows}x{width}");
                }
            }
        }
    }

    #[test]
    fn the_longest_vectors_of_extremes_do_not_overflow() {
        let (low, high) = (vec![i8::MIN; LONGEST_BYTES], vec![i8::MAX; LONGEST_BYTES]);
        for tier in Tier::available() {
            assert_eq!(dot_i8(tier, &low, &low), Ok(16_384 * 32_768), "{tier}");
            let mut out = [0];
            squared_l2_i8_pairs(tier, &low, &high, LONGEST_BYTES, &mut out).unwrap();
            assert_eq!(out, [255 * 255 * 32_768], "{tier}");
            let mut cosine = [0.0];
            cosine_i8_pairs(tier, &low, &high, LONGEST_BYTES, &mut cosine).unwrap();
            assert_eq!(cosine, [-1.0], "{tier}");
        }
    }
}
