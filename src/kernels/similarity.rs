//! How alike two vectors are: dot product, cosine, Hamming distance; for one pair, for all pairs of two sets, and for
//! one query against many rows.
//!
//! A single call on a few hundred numbers takes some ten nanoseconds, of which entering a tier is a good part:
//! whoever compares many should call the forms for many.

use super::normalize::{add_pairwise, sum_of_squares};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

mod bits;

pub use bits::{hamming, hamming_pairs, plain_hamming_pairs, reference_hamming_pairs};

/// The dot product of two vectors of equal length.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn dot(tier: Tier, a: &[f32], b: &[f32]) -> Result<f32, TierUnavailable> {
    let mut out = [0.0];
    pairs(tier, Measure::Dot, a, b, a.len(), &mut out)?;
    Ok(out[0])
}

/// The cosine of the angle between two vectors of equal length; 0 where one of them is zero.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn cosine(tier: Tier, a: &[f32], b: &[f32]) -> Result<f32, TierUnavailable> {
    let mut out = [0.0];
    pairs(tier, Measure::Cosine, a, b, a.len(), &mut out)?;
    Ok(out[0])
}

/// What is computed of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The dot product.
    Dot,
    /// The cosine; 0 where one vector is zero.
    Cosine,
}

/// `measure` of every row of `left` with every row of `right`, each pair by itself: `out[i * rights + j]`.
///
/// Rows are `width` numbers. Nothing is shared between pairs, so that the time is that of so many single calls
/// without their entry; a matrix product is the fast way to a large table.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When an input is not whole rows or `out` does not hold one number a pair.
pub fn pairs(
    tier: Tier,
    measure: Measure,
    left: &[f32],
    right: &[f32],
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    if width == 0 {
        assert!(left.is_empty() && right.is_empty(), "vectors of no numbers hold none");
        out.fill(0.0);
        return Ok(());
    }
    check_pairs(left.len(), right.len(), width, out.len());
    dispatch(tier, Pairs { measure, left, right, width, out })
}

fn check_pairs(left: usize, right: usize, width: usize, out: usize) {
    assert!(left.is_multiple_of(width) && right.is_multiple_of(width), "both sides are whole rows");
    assert_eq!((left / width) * (right / width), out, "the output is one number a pair");
}

/// The dot product of `query` with every row of `rows`: `out.len()` rows of `query.len()` numbers.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not one row a number of `out`.
pub fn dot_rows(tier: Tier, query: &[f32], rows: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    assert_eq!(rows.len(), query.len() * out.len(), "one row a number of the output");
    dispatch(tier, DotRows { query, rows, out })
}

struct Pairs<'a> {
    measure: Measure,
    left: &'a [f32],
    right: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl SimdOp for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        match self.measure {
            Measure::Dot => {
                each_pair(self.left, self.right, self.width, self.out, |a, b| one_dot(simd, a, b))
            }
            Measure::Cosine => {
                each_pair(self.left, self.right, self.width, self.out, |a, b| one_cosine(simd, a, b));
            }
        }
    }
}

/// Calls `measure` for every row of `left` with every row of `right`.
#[inline(always)]
fn each_pair<T, R>(left: &[T], right: &[T], width: usize, out: &mut [R], measure: impl Fn(&[T], &[T]) -> R) {
    let rights = right.len() / width;
    if rights == 0 {
        return;
    }
    for (a, out) in left.chunks_exact(width).zip(out.chunks_exact_mut(rights)) {
        for (b, out) in right.chunks_exact(width).zip(out) {
            *out = measure(a, b);
        }
    }
}

#[inline(always)]
fn one_dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    // Eight sums that do not wait for each other cover the latency of two FMA pipes.
    let mut sums = [simd.zero(); 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8 * S::LANES), b.chunks_exact(8 * S::LANES));
    let (a, b) = (a_blocks.remainder(), b_blocks.remainder());
    for (a, b) in a_blocks.zip(b_blocks) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = simd.mul_add(simd.load(&a[i * S::LANES..]), simd.load(&b[i * S::LANES..]), *sum);
        }
    }
    // By number, never by a counter: an array that a loop indexes lives in memory, not in registers.
    let (a_vectors, b_vectors) = (a.chunks_exact(S::LANES), b.chunks_exact(S::LANES));
    let (a_tail, b_tail) = (a_vectors.remainder(), b_vectors.remainder());
    for (a, b) in a_vectors.zip(b_vectors) {
        sums[0] = simd.mul_add(simd.load(a), simd.load(b), sums[0]);
    }
    if !a_tail.is_empty() {
        sums[1] = simd.mul_add(simd.load_partial(a_tail), simd.load_partial(b_tail), sums[1]);
    }
    simd.sum(add_pairwise(simd, sums))
}

/// The three sums in one pass over both vectors.
#[inline(always)]
fn one_cosine<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [[simd.zero(); 4]; 3];
    let (a_blocks, b_blocks) = (a.chunks_exact(4 * S::LANES), b.chunks_exact(4 * S::LANES));
    let (a, b) = (a_blocks.remainder(), b_blocks.remainder());
    for (a, b) in a_blocks.zip(b_blocks) {
        for i in 0..4 {
            let (x, y) = (simd.load(&a[i * S::LANES..]), simd.load(&b[i * S::LANES..]));
            sums[0][i] = simd.mul_add(x, y, sums[0][i]);
            sums[1][i] = simd.mul_add(x, x, sums[1][i]);
            sums[2][i] = simd.mul_add(y, y, sums[2][i]);
        }
    }
    let four = |v: [S::F32; 4]| simd.sum(simd.add(simd.add(v[0], v[2]), simd.add(v[1], v[3])));
    let (dot, aa, bb) = (four(sums[0]), four(sums[1]), four(sums[2]));
    if a.is_empty() {
        return cosine_of(dot, aa, bb);
    }
    cosine_of(dot + one_dot(simd, a, b), aa + sum_of_squares(simd, a), bb + sum_of_squares(simd, b))
}

/// The cosine from the three sums. The roots are taken one by one: a product of two large sums would overflow.
#[inline(always)]
fn cosine_of(dot: f32, aa: f32, bb: f32) -> f32 {
    let lengths = aa.sqrt() * bb.sqrt();
    if lengths == 0.0 { 0.0 } else { dot / lengths }
}

struct DotRows<'a> {
    query: &'a [f32],
    rows: &'a [f32],
    out: &'a mut [f32],
}

/// Rows that a scan reads side by side: each load of the query serves all of them, and their sums do not wait for
/// each other.
const SIDE_BY_SIDE: usize = 4;

impl SimdOp for DotRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let width = self.query.len();
        if width == 0 {
            self.out.fill(0.0);
            return;
        }
        let groups = self.rows.chunks_exact(SIDE_BY_SIDE * width);
        let mut out = self.out.chunks_exact_mut(SIDE_BY_SIDE);
        let rest = groups.remainder();
        for (group, out) in groups.zip(&mut out) {
            out.copy_from_slice(&four_dots(simd, self.query, group));
        }
        for (row, out) in rest.chunks_exact(width).zip(out.into_remainder()) {
            *out = one_dot(simd, self.query, row);
        }
    }
}

/// The dot products of `query` with the four rows that `group` holds one after the other.
#[inline(always)]
fn four_dots<S: Simd>(simd: S, query: &[f32], group: &[f32]) -> [f32; SIDE_BY_SIDE] {
    let (top, bottom) = group.split_at(2 * query.len());
    let (first, second) = top.split_at(query.len());
    let (third, fourth) = bottom.split_at(query.len());
    let rows = [first, second, third, fourth];
    let whole = query.len() / S::LANES * S::LANES;
    let mut sums = [simd.zero(); SIDE_BY_SIDE];
    let vectors = query.chunks_exact(S::LANES);
    let tail = vectors.remainder();
    let zipped = first.chunks_exact(S::LANES).zip(second.chunks_exact(S::LANES));
    let zipped = zipped.zip(third.chunks_exact(S::LANES)).zip(fourth.chunks_exact(S::LANES));
    for (q, (((a, b), c), d)) in vectors.zip(zipped) {
        let q = simd.load(q);
        sums[0] = simd.mul_add(q, simd.load(a), sums[0]);
        sums[1] = simd.mul_add(q, simd.load(b), sums[1]);
        sums[2] = simd.mul_add(q, simd.load(c), sums[2]);
        sums[3] = simd.mul_add(q, simd.load(d), sums[3]);
    }
    if !tail.is_empty() {
        let q = simd.load_partial(tail);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = simd.mul_add(q, simd.load_partial(&row[whole..]), *sum);
        }
    }
    [simd.sum(sums[0]), simd.sum(sums[1]), simd.sum(sums[2]), simd.sum(sums[3])]
}

/// `measure` of every pair in double precision; arguments and rules are those of [`pairs`].
#[must_use]
pub fn reference_pairs(measure: Measure, left: &[f32], right: &[f32], width: usize) -> Vec<f64> {
    let product =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let one = |a: &[f32], b: &[f32]| match measure {
        Measure::Dot => product(a, b),
        Measure::Cosine => {
            let lengths = product(a, a).sqrt() * product(b, b).sqrt();
            if lengths == 0.0 { 0.0 } else { product(a, b) / lengths }
        }
    };
    let width = width.max(1);
    left.chunks_exact(width).flat_map(|a| right.chunks_exact(width).map(move |b| one(a, b))).collect()
}

/// `measure` of every pair by iterators, as the compiler builds them; arguments and rules are those of [`pairs`].
///
/// # Panics
/// As for [`pairs`], and when `width` is 0.
pub fn plain_pairs(measure: Measure, left: &[f32], right: &[f32], width: usize, out: &mut [f32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    match measure {
        Measure::Dot => each_pair(left, right, width, out, product),
        Measure::Cosine => {
            each_pair(left, right, width, out, |a, b| cosine_of(product(a, b), product(a, a), product(b, b)))
        }
    }
}

/// The dot product of every pair, one element at a time by index, each addition after the one before it.
///
/// # Panics
/// As for [`plain_pairs`].
pub fn scalar_dot_pairs(left: &[f32], right: &[f32], width: usize, out: &mut [f32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    each_pair(left, right, width, out, |a, b| {
        let mut sum = 0.0;
        for i in 0..width {
            sum += a[i] * b[i];
        }
        sum
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect()
    }

    /// Widths around the lanes and the blocks of every tier, and real ones.
    const WIDTHS: [usize; 20] =
        [1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 31, 35, 127, 128, 129, 383, 384, 1024];

    #[test]
    fn every_measure_on_every_tier_equals_its_reference() {
        let mut failures = Vec::new();
        for measure in [Measure::Dot, Measure::Cosine] {
            for width in WIDTHS {
                let (left, right) = (numbers(2 * width, 1), numbers(3 * width, 2));
                let reference = reference_pairs(measure, &left, &right, width);
                // A sum of n products of at most 1 is off by at most n roundings of a partial sum; for random signs
                // partial sums stay near the root of n.
                let tolerance = 4.0 * (width as f64).powf(1.5) * f64::from(f32::EPSILON);
                let mut judge = |name: String, out: &[f32]| {
                    if let Err(mismatch) = compare_floats(out, &reference, 1e-6, tolerance) {
                        failures.push(format!("{name} {measure:?} {width}: {mismatch}"));
                    }
                };
                let mut out = [f32::NAN; 6];
                for tier in Tier::available() {
                    pairs(tier, measure, &left, &right, width, &mut out).unwrap();
                    judge(tier.to_string(), &out);
                }
                plain_pairs(measure, &left, &right, width, &mut out);
                judge("plain".to_owned(), &out);
                if measure == Measure::Dot {
                    scalar_dot_pairs(&left, &right, width, &mut out);
                    judge("scalar".to_owned(), &out);
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn a_scan_equals_its_reference_for_any_number_of_rows() {
        let mut failures = Vec::new();
        for width in WIDTHS {
            for rows in [0, 1, 3, 4, 5, 11] {
                let (query, data) = (numbers(width, 1), numbers(rows * width, 2));
                let reference = reference_pairs(Measure::Dot, &query, &data, width);
                let tolerance = 4.0 * (width as f64).powf(1.5) * f64::from(f32::EPSILON);
                for tier in Tier::available() {
                    let mut out = vec![f32::NAN; rows];
                    dot_rows(tier, &query, &data, &mut out).unwrap();
                    if let Err(mismatch) = compare_floats(&out, &reference, 1e-6, tolerance) {
                        failures.push(format!("{tier} {rows}x{width}: {mismatch}"));
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn empty_and_zero_vectors_have_answers() {
        for tier in Tier::available() {
            assert_eq!(dot(tier, &[], &[]), Ok(0.0));
            assert_eq!(cosine(tier, &[], &[]), Ok(0.0));
            assert_eq!(cosine(tier, &[0.0; 37], &[1.0; 37]), Ok(0.0), "{tier}");
            assert_eq!(dot(tier, &[2.0; 37], &[3.0; 37]), Ok(222.0), "{tier}");
            assert!((cosine(tier, &[2.0; 37], &[3.0; 37]).unwrap() - 1.0).abs() < 1e-6, "{tier}");
            let mut out = [f32::NAN; 2];
            dot_rows(tier, &[], &[], &mut out).unwrap();
            assert_eq!(out, [0.0; 2], "{tier}");
        }
    }

    #[test]
    fn what_is_not_a_number_reaches_the_answer() {
        for tier in Tier::available() {
            let mut a = [1.0; 37];
            a[36] = f32::NAN;
            assert!(dot(tier, &a, &[1.0; 37]).unwrap().is_nan(), "{tier}");
            assert!(cosine(tier, &a, &[1.0; 37]).unwrap().is_nan(), "{tier}");
        }
    }
}
