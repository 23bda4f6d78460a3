//! Vectors of signed bytes: exact 32-bit sums.

use super::{Measure, check_pairs, each_pair};
use crate::simd::{DotI8, DotI8Op, Tier, TierUnavailable, dispatch_i8};

mod reference;
mod rows;

pub use reference::{plain_cosine_i8_pairs, plain_i8_pairs, reference_cosine_i8_pairs, reference_i8_pairs};
pub use rows::{cosine_i8_rows, dot_i8_rows, dot_i8_top, i8_rows};

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
    i8_pairs(tier, Sum::Dot, a, b, a.len(), &mut out)?;
    Ok(out[0])
}

/// A sum over a pair of vectors of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// The dot product.
    Dot,
    /// The sum of the squared differences.
    SquaredL2,
}

impl Measure {
    /// The sum that a measure of bytes is; a cosine is a quotient of three.
    #[must_use]
    pub const fn sum(self) -> Option<Sum> {
        match self {
            Self::Dot => Some(Sum::Dot),
            Self::SquaredL2 => Some(Sum::SquaredL2),
            Self::Cosine => None,
        }
    }
}

/// `sum` of every row of `left` with every row of `right`, rows of `width` bytes: `out[i * rights + j]`.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When an input is not whole rows, rows are longer than [`LONGEST_BYTES`], or `out` does not hold one number a pair.
pub fn i8_pairs(
    tier: Tier,
    sum: Sum,
    left: &[i8],
    right: &[i8],
    width: usize,
    out: &mut [i32],
) -> Result<(), TierUnavailable> {
    match sum {
        Sum::Dot => pairs::<Dot>(tier, left, right, width, out),
        Sum::SquaredL2 => pairs::<SquaredL2>(tier, left, right, width, out),
    }
}

/// Like [`i8_pairs`], the cosine, from exact sums; 0 where one vector is zero.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`i8_pairs`].
pub fn cosine_i8_pairs(
    tier: Tier,
    left: &[i8],
    right: &[i8],
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    pairs::<Cosine>(tier, left, right, width, out)
}

fn pairs<M: PairMeasure>(
    tier: Tier,
    left: &[i8],
    right: &[i8],
    width: usize,
    out: &mut [M::Answer],
) -> Result<(), TierUnavailable> {
    assert!(width <= LONGEST_BYTES, "sums of longer vectors do not fit 32 bits");
    if width == 0 {
        assert!(left.is_empty() && right.is_empty(), "vectors of no bytes hold none");
        out.fill(M::Answer::default());
        return Ok(());
    }
    check_pairs(left.len(), right.len(), width, out.len());
    dispatch_i8(tier, Pairs::<M> { left, right, width, out })
}

struct Pairs<'a, M: PairMeasure> {
    left: &'a [i8],
    right: &'a [i8],
    width: usize,
    out: &'a mut [M::Answer],
}

impl<M: PairMeasure> DotI8Op for Pairs<'_, M> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotI8>(self, s: S) {
        each_pair(self.left, self.right, self.width, self.out, |a, b| M::of(s, a, b));
    }
}

/// What two vectors are compared by.
trait PairMeasure {
    /// That of two empty vectors is its default.
    type Answer: Copy + Default;
    /// Whether it takes the vectors' own squares.
    const SQUARES: bool;
    /// From `a b`, `a a` and `b b`, of which the squares are any number where they are not taken.
    fn of_sums(sums: [i32; 3]) -> Self::Answer;
    #[inline(always)]
    fn of<S: DotI8>(s: S, a: &[i8], b: &[i8]) -> Self::Answer {
        Self::of_sums(if Self::SQUARES { three_dots(s, a, b) } else { [one_dot(s, a, b), 0, 0] })
    }
}

struct Dot;

impl PairMeasure for Dot {
    type Answer = i32;
    const SQUARES: bool = false;
    #[inline(always)]
    fn of_sums([dot, _, _]: [i32; 3]) -> i32 {
        dot
    }
}

struct SquaredL2;

impl PairMeasure for SquaredL2 {
    type Answer = i32;
    const SQUARES: bool = true;
    #[inline(always)]
    fn of_sums([dot, aa, bb]: [i32; 3]) -> i32 {
        // (a - b)^2 = a^2 + b^2 - 2 a b, exactly, and modulo 2^32 on the way.
        aa.wrapping_add(bb).wrapping_sub(dot.wrapping_mul(2))
    }
}

struct Cosine;

impl PairMeasure for Cosine {
    type Answer = f32;
    const SQUARES: bool = true;
    #[inline(always)]
    fn of_sums(sums: [i32; 3]) -> f32 {
        cosine_of(sums)
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

#[cfg(test)]
mod tests;
