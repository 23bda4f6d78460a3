//! Pairs of vectors of floats, each by itself.

use super::number::{F32, Number};
use super::{Measure, check_pairs, cosine_of, each_pair};
use crate::kernels::normalize::add_pairwise;
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// The dot product of two vectors of equal length.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn dot(tier: Tier, a: &[f32], b: &[f32]) -> Result<f32, TierUnavailable> {
    one(tier, Measure::Dot, a, b)
}

/// The cosine of the angle between two vectors of equal length; 0 where one of them is zero.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn cosine(tier: Tier, a: &[f32], b: &[f32]) -> Result<f32, TierUnavailable> {
    one(tier, Measure::Cosine, a, b)
}

/// The sum of the squared differences of two vectors of equal length.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn squared_l2(tier: Tier, a: &[f32], b: &[f32]) -> Result<f32, TierUnavailable> {
    one(tier, Measure::SquaredL2, a, b)
}

fn one(tier: Tier, measure: Measure, a: &[f32], b: &[f32]) -> Result<f32, TierUnavailable> {
    assert_eq!(a.len(), b.len(), "vectors of equal length");
    let mut out = [0.0];
    pairs(tier, measure, a, b, a.len(), &mut out)?;
    Ok(out[0])
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
    pairs_of::<F32>(tier, measure, left, right, width, out)
}

/// [`pairs`] of vectors stored as another type of number.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`pairs`].
pub fn pairs_of<N: Number>(
    tier: Tier,
    measure: Measure,
    left: &[N::Stored],
    right: &[N::Stored],
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    if width == 0 {
        assert!(left.is_empty() && right.is_empty(), "vectors of no numbers hold none");
        out.fill(0.0);
        return Ok(());
    }
    check_pairs(left.len(), right.len(), width, out.len());
    dispatch(tier, Pairs::<N> { measure, left, right, width, out })
}

struct Pairs<'a, N: Number> {
    measure: Measure,
    left: &'a [N::Stored],
    right: &'a [N::Stored],
    width: usize,
    out: &'a mut [f32],
}

impl<N: Number> SimdOp for Pairs<'_, N> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { measure, left, right, width, out } = self;
        match measure {
            Measure::Dot => each_pair(left, right, width, out, |a, b| one_sum::<S, N, Products>(s, a, b)),
            Measure::SquaredL2 => {
                each_pair(left, right, width, out, |a, b| one_sum::<S, N, SquaredDifferences>(s, a, b));
            }
            Measure::Cosine => each_pair(left, right, width, out, |a, b| one_cosine::<S, N>(s, a, b)),
        }
    }
}

/// What a pair of numbers adds to a sum.
pub(super) trait Term {
    /// `sum` and the term of `a` and `b`.
    fn add<S: Simd>(s: S, a: S::F32, b: S::F32, sum: S::F32) -> S::F32;
}

/// `a * b`.
pub(super) struct Products;

/// `(a - b)^2`. Not by three dot products, which cancel where vectors are close.
pub(super) struct SquaredDifferences;

impl Term for Products {
    #[inline(always)]
    fn add<S: Simd>(s: S, a: S::F32, b: S::F32, sum: S::F32) -> S::F32 {
        s.mul_add(a, b, sum)
    }
}

impl Term for SquaredDifferences {
    #[inline(always)]
    fn add<S: Simd>(s: S, a: S::F32, b: S::F32, sum: S::F32) -> S::F32 {
        let difference = s.sub(a, b);
        s.mul_add(difference, difference, sum)
    }
}

/// The sum of the terms of a pair.
#[inline(always)]
pub(super) fn one_sum<S: Simd, N: Number, T: Term>(s: S, a: &[N::Stored], b: &[N::Stored]) -> f32 {
    // Eight sums that do not wait for each other cover the latency of two FMA pipes.
    let mut sums = [s.zero(); 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8 * S::LANES), b.chunks_exact(8 * S::LANES));
    let (a, b) = (a_blocks.remainder(), b_blocks.remainder());
    for (a, b) in a_blocks.zip(b_blocks) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = T::add(s, N::load(s, &a[i * S::LANES..]), N::load(s, &b[i * S::LANES..]), *sum);
        }
    }
    // By number, never by a counter: an array that a loop indexes lives in memory, not in registers.
    let (a_vectors, b_vectors) = (a.chunks_exact(S::LANES), b.chunks_exact(S::LANES));
    let (a_tail, b_tail) = (a_vectors.remainder(), b_vectors.remainder());
    for (a, b) in a_vectors.zip(b_vectors) {
        sums[0] = T::add(s, N::load(s, a), N::load(s, b), sums[0]);
    }
    if !a_tail.is_empty() {
        sums[1] = T::add(s, N::load_partial(s, a_tail), N::load_partial(s, b_tail), sums[1]);
    }
    s.sum(add_pairwise(s, sums))
}

/// The three sums in one pass over both vectors.
#[inline(always)]
fn one_cosine<S: Simd, N: Number>(s: S, a: &[N::Stored], b: &[N::Stored]) -> f32 {
    let mut sums = [[s.zero(); 4]; 3];
    let (a_blocks, b_blocks) = (a.chunks_exact(4 * S::LANES), b.chunks_exact(4 * S::LANES));
    let (a, b) = (a_blocks.remainder(), b_blocks.remainder());
    for (a, b) in a_blocks.zip(b_blocks) {
        for i in 0..4 {
            let (x, y) = (N::load(s, &a[i * S::LANES..]), N::load(s, &b[i * S::LANES..]));
            sums[0][i] = s.mul_add(x, y, sums[0][i]);
            sums[1][i] = s.mul_add(x, x, sums[1][i]);
            sums[2][i] = s.mul_add(y, y, sums[2][i]);
        }
    }
    let four = |v: [S::F32; 4]| s.add(s.add(v[0], v[2]), s.add(v[1], v[3]));
    let [dot, aa, bb, _] = s.sum_four([four(sums[0]), four(sums[1]), four(sums[2]), s.zero()]);
    if a.is_empty() {
        return cosine_of(dot, aa, bb);
    }
    let rest = |a, b| one_sum::<S, N, Products>(s, a, b);
    cosine_of(dot + rest(a, b), aa + rest(a, a), bb + rest(b, b))
}
