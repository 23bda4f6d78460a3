//! Activations: elementwise functions between matrix products.
//!
//! GELU by its definition (erf) and by the tanh form that some models were trained with, ReLU, SiLU, and `e^x` alone.
//! GELU and SiLU are computed as `max(x, 0) - |x| * tail(|x|)`, where the tail is the share that the gate holds back:
//! the large part of the answer is then exact, and the error is that of a small, smooth correction.

use super::lanes::{Lanewise, map, map_in_place};
use super::math::{exp, exp_share, polynomial, reference_erfc};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Operations of one `e^x` by [`super::math::exp`]: three FMA and a subtraction reduce the argument; an addition, two
/// products and four FMA are the polynomial. Comparisons, selections, signs and the scaling by a power of two are not
/// arithmetic on data.
pub const EXP_FLOPS: f64 = 7.0 + 11.0;
/// Operations of one `e^x` where small terms may be less exact: an FMA less.
pub const EXP_SHARE_FLOPS: f64 = EXP_FLOPS - 2.0;
/// Operations per element of [`gelu_erf`]: two bounds, seven FMA and two products of the polynomial, `e^x` and the final
/// FMA.
pub const GELU_ERF_FLOPS: f64 = 2.0 + 16.0 + EXP_SHARE_FLOPS + 2.0;
/// Operations per element of [`gelu_tanh`]: two bounds, a square, an FMA, a product, `e^x`, the sum and the quotient of
/// the gate, and the final FMA.
pub const GELU_TANH_FLOPS: f64 = 2.0 + 4.0 + EXP_SHARE_FLOPS + 2.0 + 2.0;
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
/// Below it `e^x` counts as zero.
const FLOOR: f32 = -87.0;

/// `x (1 + erf(x / sqrt(2))) / 2`.
#[derive(Debug, Clone, Copy)]
struct GeluErf;

impl Lanewise for GeluErf {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        let a = tail_argument(s, x);
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
        // (1 + tanh(y)) / 2 is the logistic function of 2 y.
        let a = tail_argument(s, x);
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
        let a = tail_argument(s, x);
        without_tail(s, x, a, logistic_tail(s, s.sub(s.zero(), a)))
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

/// `e^x`.
#[derive(Debug, Clone, Copy)]
struct Exp;

impl Lanewise for Exp {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        exp(s, x)
    }
}

/// `|x|`, bounded so that its product with a tail of zero is zero even for an infinity. `min` hands on a NaN.
#[inline(always)]
fn tail_argument<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.min(s.splat(TAIL_END), s.abs(x))
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

/// GELU in double precision.
#[must_use]
pub fn reference_gelu_erf(x: f64) -> f64 {
    // The tail by erfc, so that negative numbers keep their relative accuracy; -inf has the limit.
    if x == f64::NEG_INFINITY { 0.0 } else { 0.5 * x * reference_erfc(-x * std::f64::consts::FRAC_1_SQRT_2) }
}

/// GELU's tanh form in double precision.
#[must_use]
pub fn reference_gelu_tanh(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
    if x == f64::NEG_INFINITY { 0.0 } else { x * reference_sigmoid(2.0 * inner) }
}

/// `max(x, 0)` in double precision.
#[must_use]
pub const fn reference_relu(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

/// SiLU in double precision.
#[must_use]
pub fn reference_silu(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { 0.0 } else { x * reference_sigmoid(x) }
}

fn reference_sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// The plain loop for [`gelu_erf`]: Rust's `f32` has no erf, so a rational approximation in scalar code.
pub fn plain_gelu_erf(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = 0.5 * x * (1.0 + plain_erf(x * std::f32::consts::FRAC_1_SQRT_2));
    }
}

/// The plain loop for [`gelu_tanh`].
pub fn plain_gelu_tanh(input: &[f32], out: &mut [f32]) {
    for (&x, y) in input.iter().zip(out) {
        *y = 0.5 * x * (1.0 + (0.5 * TANH_LINEAR * x + 0.5 * TANH_CUBIC * x * x * x).tanh());
    }
}

/// The plain loop for [`relu`].
pub fn plain_relu(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x.max(0.0);
    }
}

/// The plain loop for [`silu`].
pub fn plain_silu(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x / (1.0 + (-x).exp());
    }
}

/// The plain loop for [`exp_of`].
pub fn plain_exp(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x.exp();
    }
}

/// The error function as a scalar, within 3e-7: `x P(x^2) / Q(x^2)`, a minimax fit (Remez on the linearised error)
/// under the relative error on `|x| <= 3.95` (2.1e-8), constant beyond. All coefficients are positive, so nothing cancels.
fn plain_erf(x: f32) -> f32 {
    #[expect(clippy::approx_constant, reason = "fitted, one unit in the last place from 2 / sqrt(pi)")]
    const P: [f32; 6] =
        [1.128_379_1, 0.191_550_82, 0.052_875_51, 0.003_808_181_7, 2.846_879_4e-4, 2.025_901_7e-6];
    const Q: [f32; 6] = [1.0, 0.503_090_14, 0.114_559_83, 0.015_055_131, 0.001_170_730_1, 3.783_174_5e-5];
    let x = x.clamp(-3.95, 3.95);
    let horner = |c: &[f32]| c.iter().rev().fold(0.0, |value, c| value * (x * x) + c);
    x * horner(&P) / horner(&Q)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Vector = fn(Tier, &[f32], &mut [f32]) -> Result<(), TierUnavailable>;
    type InPlace = fn(Tier, &mut [f32]) -> Result<(), TierUnavailable>;

    struct Row {
        name: &'static str,
        vector: Vector,
        in_place: InPlace,
        plain: fn(&[f32], &mut [f32]),
        reference: fn(f64) -> f64,
        /// Absolute for |x| up to 10; the answers beyond are `x` or zero.
        tolerance: f64,
    }

    const TABLE: &[Row] = &[
        Row {
            name: "gelu erf",
            vector: gelu_erf,
            in_place: gelu_erf_in_place,
            plain: plain_gelu_erf,
            reference: reference_gelu_erf,
            tolerance: 5e-7,
        },
        Row {
            name: "gelu tanh",
            vector: gelu_tanh,
            in_place: gelu_tanh_in_place,
            plain: plain_gelu_tanh,
            reference: reference_gelu_tanh,
            tolerance: 5e-7,
        },
        Row {
            name: "silu",
            vector: silu,
            in_place: silu_in_place,
            plain: plain_silu,
            reference: reference_silu,
            tolerance: 5e-7,
        },
        Row {
            name: "relu",
            vector: relu,
            in_place: relu_in_place,
            plain: plain_relu,
            reference: reference_relu,
            tolerance: 0.0,
        },
    ];

    #[test]
    fn activations_are_within_their_tolerance_on_every_tier() {
        let x: Vec<f32> = (0..=200_000).map(|i| -10.0 + i as f32 * 1e-4).collect();
        let mut y = vec![0.0; x.len()];
        for row in TABLE {
            let check = |who: &str, limit: f64, y: &[f32]| {
                for (&x, &y) in x.iter().zip(y) {
                    let error = (f64::from(y) - (row.reference)(f64::from(x))).abs();
                    assert!(error <= limit, "{} {who} of {x}: {y}, error {error}", row.name);
                }
            };
            (row.plain)(&x, &mut y);
            check("plain", row.tolerance * 4.0, &y);
            for tier in Tier::available() {
                (row.vector)(tier, &x, &mut y).unwrap();
                check(tier.name(), row.tolerance, &y);
            }
        }
    }

    #[test]
    fn far_from_zero_an_activation_is_its_input_or_nothing() {
        for row in TABLE {
            for tier in Tier::available() {
                let far = [100.0, 1e4, 1e30, f32::INFINITY];
                let mut y = [0.0; 4];
                (row.vector)(tier, &far, &mut y).unwrap();
                assert_eq!(y, far, "{} {tier}", row.name);
                (row.vector)(tier, &far.map(|x| -x), &mut y).unwrap();
                assert_eq!(y, [0.0; 4], "{} {tier}", row.name);
                (row.vector)(tier, &[f32::NAN; 4], &mut y).unwrap();
                assert!(y.iter().all(|y| y.is_nan()), "{} {tier}: {y:?}", row.name);
            }
        }
    }

    #[test]
    fn every_length_is_handled_with_and_without_an_output() {
        for row in TABLE {
            for tier in Tier::available() {
                for len in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 100] {
                    let x: Vec<f32> = (0..len).map(|i| i as f32 * 0.1 - 2.0).collect();
                    let mut y = vec![f32::NAN; len];
                    (row.vector)(tier, &x, &mut y).unwrap();
                    let mut z = x.clone();
                    (row.in_place)(tier, &mut z).unwrap();
                    assert_eq!(y, z, "{} {tier} {len}", row.name);
                    for (&x, &y) in x.iter().zip(&y) {
                        let error = (f64::from(y) - (row.reference)(f64::from(x))).abs();
                        assert!(error <= row.tolerance, "{} {tier} {len}: {x} gives {y}", row.name);
                    }
                }
            }
        }
    }

    #[test]
    fn no_negative_number_gives_a_denormal_answer() {
        let x: Vec<f32> = (0..200_000).map(|i| i as f32 * -5e-4 - 1e-3).collect();
        let mut y = vec![0.0; x.len()];
        for row in TABLE {
            for tier in Tier::available() {
                (row.vector)(tier, &x, &mut y).unwrap();
                let denormal = x.iter().zip(&y).find(|(_, y)| y.is_subnormal());
                assert_eq!(denormal, None, "{} {tier}", row.name);
            }
        }
    }
}
