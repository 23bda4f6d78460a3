//! Activations: elementwise functions between matrix products.
//!
//! GELU by its definition (erf) and by the tanh and sigmoid forms that some models were trained with, ReLU, SiLU; and `e^x`,
//! erf and tanh alone.
//! GELU and SiLU are computed as `max(x, 0) - |x| * tail(|x|)`, where the tail is the share that the gate holds back:
//! the large part of the answer is then exact, and the error is that of a small, smooth correction.

use super::lanes::{Lanewise, map, map_in_place};
use super::math::{erf, exp, exp_share, polynomial, reference_erfc, tanh};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Operations of one `e^x` by [`super::math::exp`]: three FMA and a subtraction reduce the argument; five FMA are the
/// polynomial. Comparisons, selections, signs and the scaling by a power of two are not
/// arithmetic on data.
pub const EXP_FLOPS: f64 = 7.0 + 10.0;
/// Operations per element of [`exp_of`]: an addition more.
pub const EXP_OF_FLOPS: f64 = EXP_FLOPS + 1.0;
/// Operations of one `e^x` where small terms may be less exact: an FMA less.
pub const EXP_SHARE_FLOPS: f64 = EXP_FLOPS - 2.0;
/// Operations per element of [`gelu_erf`]: two bounds, seven FMA of the polynomial, `e^x` and the final FMA.
pub const GELU_ERF_FLOPS: f64 = 2.0 + 14.0 + EXP_SHARE_FLOPS + 2.0;
/// Operations per element of [`gelu_tanh`]: two bounds, a square, an FMA, a product, `e^x`, the sum and the quotient of
/// the gate, and the final FMA.
pub const GELU_TANH_FLOPS: f64 = 2.0 + 4.0 + EXP_SHARE_FLOPS + 2.0 + 2.0;
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

/// GELU's sigmoid form in double precision.
#[must_use]
pub fn reference_gelu_quick(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { 0.0 } else { x * reference_sigmoid(f64::from(QUICK) * x) }
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

/// The plain loop for [`gelu_quick`].
pub fn plain_gelu_quick(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x / (1.0 + (-QUICK * x).exp());
    }
}

/// The plain loop for [`erf_of`].
pub fn plain_erf_of(input: &[f32], out: &mut [f32]) {
    for (&x, y) in input.iter().zip(out) {
        *y = plain_erf(x);
    }
}

/// The plain loop for [`tanh_of`].
pub fn plain_tanh(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x.tanh();
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
            name: "gelu quick",
            vector: gelu_quick,
            in_place: gelu_quick_in_place,
            plain: plain_gelu_quick,
            reference: reference_gelu_quick,
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

    #[test]
    fn erf_and_tanh_of_slices_are_those_of_vectors() {
        let x: Vec<f32> = (0..=3000).map(|i| -6.0 + i as f32 * 4e-3).collect();
        let mut y = vec![f32::NAN; x.len()];
        let judge = |who: &str, y: &[f32], reference: fn(f64) -> f64| {
            for (&x, &y) in x.iter().zip(y) {
                let error = (f64::from(y) - reference(f64::from(x))).abs();
                assert!(error <= 4e-7, "{who} of {x}: {y}, error {error}");
            }
        };
        for tier in Tier::available() {
            erf_of(tier, &x, &mut y).unwrap();
            judge(tier.name(), &y, super::super::math::reference_erf);
            tanh_of(tier, &x, &mut y).unwrap();
            judge(tier.name(), &y, f64::tanh);
        }
        plain_erf_of(&x, &mut y);
        judge("plain", &y, super::super::math::reference_erf);
        plain_tanh(&x, &mut y);
        judge("plain", &y, f64::tanh);
    }

    /// Inputs that make slow hardware paths likely, in vectors of their own and among others.
    #[test]
    fn inputs_that_are_slow_elsewhere_have_right_answers() {
        let denormal = f32::from_bits(0x0000_1234);
        let special = [denormal, -denormal, f32::MIN_POSITIVE, -0.0, 1e-30, -87.5, -100.0, -103.9, 88.0];
        let mut x: Vec<f32> = special.iter().flat_map(|&x| [x; 16]).collect();
        x.extend(special.iter().cycle().take(35));
        let mut y = vec![f32::NAN; x.len()];
        for row in TABLE {
            for tier in Tier::available() {
                (row.vector)(tier, &x, &mut y).unwrap();
                for (&x, &y) in x.iter().zip(&y) {
                    let error = (f64::from(y) - (row.reference)(f64::from(x))).abs();
                    assert!(error <= row.tolerance, "{} {tier} of {x}: {y}", row.name);
                }
            }
        }
    }
}
