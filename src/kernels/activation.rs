//! Activations: elementwise functions between matrix products.
//!
//! GELU by its definition (erf) and by the tanh and sigmoid forms that some models were trained with, ReLU, SiLU; and `e^x`,
//! erf and tanh alone.
//! GELU and SiLU are computed as `max(x, 0) - |x| * tail(|x|)`, where the tail is the share that the gate holds back:
//! the large part of the answer is then exact, and the error is that of a small, smooth correction.

mod pieces;
mod reference;

pub use reference::*;

use super::lanes::{Lanewise, map, map_in_place};
use super::math::{erf, exp, exp_share, polynomial, tanh};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Operations of one `e^x` by [`super::math::exp`] with a table: three FMA and a subtraction reduce the argument; an FMA, a
/// product and an FMA are the rest. As everywhere here, the count is that of the form that needs the fewest; tiers
/// without tables do more for the same answer. Comparisons, selections, signs, lookups and the scaling by a power of two are
/// not arithmetic on data.
pub const EXP_FLOPS: f64 = 7.0 + 5.0;
/// Operations per element of [`exp_of`]: an addition more.
pub const EXP_OF_FLOPS: f64 = EXP_FLOPS + 1.0;
/// Operations of one `e^x` where small terms may be less exact: an FMA, a fraction and five FMA.
pub const EXP_SHARE_FLOPS: f64 = 2.0 + 1.0 + 10.0;
/// Operations per element of [`gelu_erf`] and [`gelu_tanh`] in pieces: three bounds, the piece and the distance from its middle,
/// four FMA and a subtraction.
pub const GELU_FLOPS: f64 = 3.0 + 2.0 + 8.0 + 1.0;
/// Operations per element of [`gelu_quick`]: a product more than [`silu`].
pub const GELU_QUICK_FLOPS: f64 = SILU_FLOPS + 1.0;
/// Operations per element of [`erf_of`]: an absolute value, an addition, a square, four FMA and a product near zero; elsewhere a bound,
/// seven FMA, a product, `e^x` and a subtraction; both are computed, and one is taken.
pub const ERF_FLOPS: f64 = (2.0 + 1.0 + 8.0 + 1.0) + (1.0 + 14.0 + 1.0 + EXP_FLOPS + 1.0);
/// Operations per element of [`tanh_of`]: an addition, a square, three FMA, a product and an FMA near zero; elsewhere a product, `e^x`,
/// two additions, a quotient and a subtraction; both are computed, and one is taken.
pub const TANH_FLOPS: f64 = (1.0 + 1.0 + 6.0 + 1.0 + 2.0) + (1.0 + EXP_FLOPS + 2.0 + 1.0 + 1.0);
/// Operations per element of [`silu`]: two bounds, `e^x`, the sum and the quotient of the gate, and the final FMA.
pub const SILU_FLOPS: f64 = 2.0 + EXP_SHARE_FLOPS + 2.0 + 2.0;
/// Operations per element of [`relu`]: one maximum.
pub const RELU_FLOPS: f64 = 1.0;

/// `ln(erfc(a / sqrt(2)) / 2)` on `0..=13.3`, a weighted minimax fit (Remez) under the error of `a` times the tail
/// (7.8e-8), and of at most 5.5 % of the tail where that is below 1.4e-6. The leading coefficient is negative, so
/// that the tail keeps falling beyond the fit.
const LN_NORMAL_TAIL: [f32; 8] = [
    -0.693_140_2,
    -0.797_977_45,
    -0.317_902_74,
    -0.037_175_097,
    0.005_726_66,
    -0.000_586_145_5,
    3.364_500_3e-5,
    -7.938_383_5e-7,
];
/// From here on every tail is below the smallest normal number, and zero.
const TAIL_END: f32 = 100.0;
/// `2 sqrt(2 / pi)`, and 0.044715 times it: the argument of the tanh form, doubled.
const TANH_LINEAR: f32 = 1.595_769;
const TANH_CUBIC: f32 = 0.071_354_814;
/// The factor of the sigmoid form (Hendrycks and Gimpel, 2016, arXiv:1606.08415, section 2).
const QUICK: f32 = 1.702;
/// Below it `e^x` counts as zero.
const FLOOR: f32 = -87.0;

/// `x (1 + erf(x / sqrt(2))) / 2`.
#[derive(Debug, Clone, Copy)]
struct GeluErf;

impl Lanewise for GeluErf {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        if S::LOOKS_UP {
            return pieces::NORMAL.taken_from(s, x);
        }
        let (x, a) = tail_argument(s, x);
        let tail = exp_share(s, polynomial(s, a, &LN_NORMAL_TAIL), FLOOR);
        without_tail(s, x, a, tail)
    }
}

/// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
#[derive(Debug, Clone, Copy)]
struct GeluTanh;

impl Lanewise for GeluTanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        if S::LOOKS_UP {
            return pieces::LOGISTIC.taken_from(s, x);
        }
        // (1 + tanh(y)) / 2 is the logistic function of 2 y.
        let (x, a) = tail_argument(s, x);
        let inner = s.mul_add(s.mul(a, a), s.splat(-TANH_CUBIC), s.splat(-TANH_LINEAR));
        without_tail(s, x, a, logistic_tail(s, s.mul(inner, a)))
    }
}

/// `x / (1 + e^-x)`.
#[derive(Debug, Clone, Copy)]
struct Silu;

impl Lanewise for Silu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        let (x, a) = tail_argument(s, x);
        without_tail(s, x, a, logistic_tail(s, s.sub(s.zero(), a)))
    }
}

/// `x / (1 + e^(-1.702 x))`.
#[derive(Debug, Clone, Copy)]
struct GeluQuick;

impl Lanewise for GeluQuick {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        let (x, a) = tail_argument(s, x);
        without_tail(s, x, a, logistic_tail(s, s.mul(a, s.splat(-QUICK))))
    }
}

/// `erf(x)`.
#[derive(Debug, Clone, Copy)]
struct Erf;

impl Lanewise for Erf {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        erf(s, x)
    }
}

/// `tanh(x)`.
#[derive(Debug, Clone, Copy)]
struct Tanh;

impl Lanewise for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        tanh(s, x)
    }
}

/// `max(x, 0)`.
#[derive(Debug, Clone, Copy)]
struct Relu;

impl Lanewise for Relu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.max(s.zero(), x)
    }
}

/// Lost in the sum with any number that the answer depends on.
const TINY: f32 = 1e-30;

/// `e^x`.
#[derive(Debug, Clone, Copy)]
struct Exp;

impl Lanewise for Exp {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        // A denormal number becomes a normal one, and e to either is one.
        exp(s, s.add(x, s.splat(TINY)))
    }
}

/// What is smaller counts as zero, which is within the promised error: its square, and half of the smallest normal
/// numbers, are denormal, and each operation on such a number takes a hundred cycles on some cores.
const SMALL: f32 = f32::from_bits((127 - 60) << 23);

/// `x`, or zero where it is small; and its magnitude, bounded so that its product with a tail of zero is zero even for an
/// infinity. `min` hands on a NaN.
#[inline(always)]
fn tail_argument<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let magnitude = s.abs(x);
    let small = s.less(magnitude, s.splat(SMALL));
    let a = s.min(s.splat(TAIL_END), magnitude);
    (s.select(small, s.zero(), x), s.select(small, s.zero(), a))
}

/// `e^y / (1 + e^y)` for `y <= 0`.
#[inline(always)]
fn logistic_tail<S: Simd>(s: S, y: S::F32) -> S::F32 {
    let e = exp_share(s, y, FLOOR);
    s.div(e, s.add(s.splat(1.0), e))
}

/// `max(x, 0) - a * tail`.
#[inline(always)]
fn without_tail<S: Simd>(s: S, x: S::F32, a: S::F32, tail: S::F32) -> S::F32 {
    s.mul_add(s.mul(a, s.splat(-1.0)), tail, s.max(s.zero(), x))
}

struct Map<'a, F> {
    function: F,
    input: &'a [f32],
    out: &'a mut [f32],
}

impl<F: Lanewise> SimdOp for Map<'_, F> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        map(s, self.function, self.input, self.out);
    }
}

struct MapInPlace<'a, F> {
    function: F,
    data: &'a mut [f32],
}

impl<F: Lanewise> SimdOp for MapInPlace<'_, F> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        map_in_place(s, self.function, self.data);
    }
}

fn run<F: Lanewise>(tier: Tier, function: F, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    assert_eq!(input.len(), out.len(), "input and output are of one length");
    dispatch(tier, Map { function, input, out })
}

/// GELU by its definition, `x (1 + erf(x / sqrt(2))) / 2`, within 5e-7 absolute; `-inf` gives 0.
///
/// # Panics
/// Where the slices differ in length.
pub fn gelu_erf(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, GeluErf, input, out)
}

/// [`gelu_erf`] over its own input.
pub fn gelu_erf_in_place(tier: Tier, data: &mut [f32]) -> Result<(), TierUnavailable> {
    dispatch(tier, MapInPlace { function: GeluErf, data })
}

/// GELU's tanh form, `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, within 5e-7 absolute; `-inf` gives 0.
///
/// # Panics
/// Where the slices differ in length.
pub fn gelu_tanh(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, GeluTanh, input, out)
}

/// [`gelu_tanh`] over its own input.
pub fn gelu_tanh_in_place(tier: Tier, data: &mut [f32]) -> Result<(), TierUnavailable> {
    dispatch(tier, MapInPlace { function: GeluTanh, data })
}

/// `max(x, 0)`, exactly; not a number where the input is none.
///
/// # Panics
/// Where the slices differ in length.
pub fn relu(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, Relu, input, out)
}

/// [`relu`] over its own input.
pub fn relu_in_place(tier: Tier, data: &mut [f32]) -> Result<(), TierUnavailable> {
    dispatch(tier, MapInPlace { function: Relu, data })
}

/// `x / (1 + e^-x)`, within 5e-7 absolute; `-inf` gives 0.
///
/// # Panics
/// Where the slices differ in length.
pub fn silu(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, Silu, input, out)
}

/// [`silu`] over its own input.
pub fn silu_in_place(tier: Tier, data: &mut [f32]) -> Result<(), TierUnavailable> {
    dispatch(tier, MapInPlace { function: Silu, data })
}

/// GELU's sigmoid form, `x / (1 + e^(-1.702 x))`, within 5e-7 absolute; `-inf` gives 0.
///
/// # Panics
/// Where the slices differ in length.
pub fn gelu_quick(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, GeluQuick, input, out)
}

/// [`gelu_quick`] over its own input.
pub fn gelu_quick_in_place(tier: Tier, data: &mut [f32]) -> Result<(), TierUnavailable> {
    dispatch(tier, MapInPlace { function: GeluQuick, data })
}

/// The error function of every element, by [`super::math::erf`].
///
/// # Panics
/// Where the slices differ in length.
pub fn erf_of(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, Erf, input, out)
}

/// The hyperbolic tangent of every element, by [`super::math::tanh`].
///
/// # Panics
/// Where the slices differ in length.
pub fn tanh_of(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, Tanh, input, out)
}

/// `e^x` of every element, by [`super::math::exp`].
///
/// # Panics
/// Where the slices differ in length.
pub fn exp_of(tier: Tier, input: &[f32], out: &mut [f32]) -> Result<(), TierUnavailable> {
    run(tier, Exp, input, out)
}

/// [`exp_of`] over its own input.
pub fn exp_in_place(tier: Tier, data: &mut [f32]) -> Result<(), TierUnavailable> {
    dispatch(tier, MapInPlace { function: Exp, data })
}

#[cfg(test)]
mod tests;
