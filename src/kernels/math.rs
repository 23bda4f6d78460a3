//! Elementary functions on vectors, and the f64 references that the tests hold them to.
//!
//! Every polynomial is a weighted minimax fit by the exchange algorithm of Remez, solved with 40 digits and rounded
//! to single precision afterwards; each constant says what was fitted, where, and under which weight. Nothing here
//! returns a denormal number for a normal argument: on some cores each one costs more than a hundred cycles.

use crate::simd::Simd;

/// Above it `e^x` is beyond the largest single-precision number.
const EXP_OVERFLOW: f32 = 88.722_83;
/// Below it `e^x` is denormal, and zero here.
const EXP_UNDERFLOW: f32 = -87.336_54;
/// Adding and subtracting it rounds to an integer, ties to even, while `|x| < 2^22`: cheaper than a rounding
/// instruction where additions have pipes of their own, and `x * log2(e)` rides on the same FMA.
const ROUND_TO_INTEGER: f32 = 12_582_912.0;
/// ln 2 in two parts (Cody and Waite): the high part has nine bits, so that its product with an exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `e^r` on `|r| <= ln(2) / 2` with the first two coefficients fixed at one, under the relative error: 1.1e-7.
const EXP_REDUCED: [f32; 6] = [1.0, 1.0, 0.499_992_28, 0.166_671_16, 0.041_890_55, 0.008_312_478];
/// `2^(f - 1/2)` on `0..=1`, under the relative error: 7.5e-8.
#[expect(clippy::approx_constant, reason = "fitted, close to 1 / sqrt(2) as it must be")]
const POWER: [f32; 6] =
    [0.707_106_7, 0.490_133_23, 0.169_814_24, 0.039_475_173, 0.006_356_418_6, 0.001_327_648_8];
/// [`POWER`] times the square root of two: `2^f` on `0..=1`.
const POWER_FROM_ONE: [f32; 6] =
    [0.999_999_9, 0.693_153_1, 0.240_153_6, 0.055_826_326, 0.008_989_333, 0.001_877_579];
/// Adding and subtracting it rounds to a multiple of 1/32, whose number is then the lowest bits of the sum.
const ROUND_TO_32NDS: f32 = 393_216.0;
/// `2^(i / 32)`.
#[expect(clippy::approx_constant, reason = "one of them is the square root of two")]
static POWERS: [f32; 32] = [
    1.0,
    1.021_897_2,
    1.044_273_7,
    1.067_140_5,
    1.090_507_7,
    1.114_386_8,
    1.138_788_6,
    1.163_724_9,
    1.189_207_1,
    1.215_247_4,
    1.241_857_8,
    1.269_051,
    1.296_839_6,
    1.325_236_7,
    1.354_255_6,
    1.383_91,
    1.414_213_5,
    1.445_180_8,
    1.476_826_2,
    1.509_164_5,
    1.542_210_8,
    1.575_980_9,
    1.610_490_3,
    1.645_755_5,
    1.681_792_9,
    1.718_619_3,
    1.756_252_2,
    1.794_709_1,
    1.834_008_1,
    1.874_167_7,
    1.915_206_6,
    1.957_144_1,
];
/// `(e^r - 1) / r` on `|r| <= ln(2) / 64`, under the error of `e^r`: 5.4e-8.
const GROWTH: [f32; 2] = [1.000_014_7, 0.5];
/// `ln(erfc(u)) / u` on `0..=4`, under the absolute error of erfc: 1.6e-8. The logarithm of erfc is smooth where
/// erfc itself, or erfc times `e^(u^2)`, needs half as many coefficients again.
const LN_ERFC: [f32; 8] = [
    -1.128_380_3,
    -0.636_597_75,
    -0.102_919_616,
    0.019_583_961,
    -0.000_536_934_5,
    -0.001_032_400_6,
    0.000_308_801_8,
    -3.144_01e-5,
];
/// `erf(x) / x` as a polynomial in `x^2` on `|x| <= 0.75`, under the relative error of erf: 7.2e-8.
#[expect(clippy::approx_constant, reason = "fitted, one unit in the last place from 2 / sqrt(pi)")]
const ERF_SMALL: [f32; 5] = [1.128_379_1, -0.376_119_3, 0.112_737_35, -0.026_360_234, 0.004_158_812];
/// `(tanh(x) - x) / x^3` as a polynomial in `x^2` on `|x| <= 0.5`, under the relative error of tanh: 1.5e-8.
const TANH_SMALL: [f32; 4] = [-0.333_331_44, 0.133_258_79, -0.053_045_496, 0.017_241_493];

/// `e^x` within 4 units in the last place (at most 3.1 seen). Above 88.72283 infinity; below -87.33654, where the answer would be
/// denormal, zero; not a number where `x` is none.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    if S::SPLITS_POWERS {
        // The bound is beyond the overflow, which is the scaling's to notice.
        return exp_above(s, s.min(s.splat(EXP_OVERFLOW + 1.0), x), EXP_UNDERFLOW);
    }
    let y = exp_above(s, x, EXP_UNDERFLOW);
    s.select(s.less(s.splat(EXP_OVERFLOW), x), s.splat(f32::INFINITY), y)
}

/// `e^x` for `x` up to 88, zero below `floor` (at least -87.33654); not a number where `x` is none. As exact as [`exp`].
#[inline(always)]
fn exp_above<S: Simd>(s: S, x: S::F32, floor: f32) -> S::F32 {
    let step = if S::LOOKS_UP { ROUND_TO_32NDS } else { ROUND_TO_INTEGER };
    let (shifted, n) = nearest_power(s, x, step);
    let r = s.mul_add(n, s.splat(-LN_2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN_2_LOW), r);
    let y = if S::LOOKS_UP {
        // The fraction of `n` from the table: what remains is so small that a polynomial of degree 2 will do.
        let power = s.look_up(&POWERS, shifted);
        s.mul_add(power, s.mul(polynomial(s, r, &GROWTH), r), power)
    } else {
        polynomial(s, r, &EXP_REDUCED)
    };
    s.scale_from(y, n, x, s.splat(floor))
}

/// [`exp_above`] with a relative error of up to `2^-24 (3 + |x|)`: fewer steps, for sums and tails in which a term
/// matters the less the further below zero `x` lies.
#[inline(always)]
pub(super) fn exp_share<S: Simd>(s: S, x: S::F32, floor: f32) -> S::F32 {
    if S::SPLITS_POWERS {
        let power = s.mul_add(x, s.splat(std::f32::consts::LOG2_E), s.splat(0.5));
        return s.scale_from(polynomial(s, s.fraction(power), &POWER), power, x, s.splat(floor));
    }
    let (_, n) = nearest_power(s, x, ROUND_TO_INTEGER);
    let r = s.mul_add(n, s.splat(-std::f32::consts::LN_2), x);
    s.scale_from(polynomial(s, r, &EXP_REDUCED), n, x, s.splat(floor))
}

/// `2^y` for `y` from -125 to 125, with a relative error of 4e-7; whatever else, some number.
#[inline(always)]
pub(super) fn power_of_two<S: Simd>(s: S, y: S::F32) -> S::F32 {
    if S::SPLITS_POWERS {
        return s.scale_by_power_of_two(polynomial(s, s.fraction(y), &POWER_FROM_ONE), y);
    }
    let n = s.sub(s.add(y, s.splat(ROUND_TO_INTEGER)), s.splat(ROUND_TO_INTEGER));
    let r = s.mul(s.sub(y, n), s.splat(std::f32::consts::LN_2));
    s.scale_by_power_of_two(polynomial(s, r, &EXP_REDUCED), n)
}

/// The multiple `n` nearest to `x / ln(2)` of what adding `step` rounds to: their sum, and `n`.
#[inline(always)]
fn nearest_power<S: Simd>(s: S, x: S::F32, step: f32) -> (S::F32, S::F32) {
    let shifted = s.mul_add(x, s.splat(std::f32::consts::LOG2_E), s.splat(step));
    (shifted, s.sub(shifted, s.splat(step)))
}

/// The error function within 4 units in the last place; zero for a denormal number.
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let x = without_denormal(s, x);
    let a = s.abs(x);
    let small = s.mul(x, polynomial(s, normal_square(s, a), &ERF_SMALL));
    // From 4 on, erfc is below half a unit in the last place of one.
    let clamped = s.min(s.splat(4.0), a);
    let erfc = exp_above(s, s.mul(clamped, polynomial(s, clamped, &LN_ERFC)), EXP_UNDERFLOW);
    let large = with_sign(s, s.sub(s.splat(1.0), erfc), x);
    s.select(s.less(a, s.splat(0.75)), small, large)
}

/// The hyperbolic tangent within 4 units in the last place; zero for a denormal number.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let x = without_denormal(s, x);
    let a = s.abs(x);
    let square = normal_square(s, a);
    let small = s.mul_add(s.mul(square, polynomial(s, square, &TANH_SMALL)), x, x);
    let e = exp_above(s, s.mul(a, s.splat(-2.0)), EXP_UNDERFLOW);
    let large = s.sub(s.splat(1.0), s.div(s.add(e, e), s.add(s.splat(1.0), e)));
    s.select(s.less(a, s.splat(0.5)), small, with_sign(s, large, x))
}

/// `x`, or zero where it is denormal: each operation on such a number takes a hundred cycles on some cores.
#[inline(always)]
fn without_denormal<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.select(s.less(s.abs(x), s.splat(f32::MIN_POSITIVE)), s.zero(), x)
}

/// `a^2` for `a >= 0` and nowhere a denormal number: what is added changes no unit of a square that counts beside one.
#[inline(always)]
fn normal_square<S: Simd>(s: S, a: S::F32) -> S::F32 {
    let a = s.add(a, s.splat(1e-16));
    s.mul(a, a)
}

/// `1 / (1 + e^-x)` within 5 units in the last place (zero below -87.33654).
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    // With e = e^-|x| nothing overflows: 1 / (1 + e), or e / (1 + e) for negative x.
    let e = exp_above(s, s.sub(s.zero(), s.abs(x)), EXP_UNDERFLOW);
    let above = s.select(s.less(x, s.zero()), e, s.splat(1.0));
    s.div(above, s.add(s.splat(1.0), e))
}

/// `c[0] + c[1] x + c[2] x^2 + ...` by Horner's rule: the fewest operations, each of which waits for the last. The
/// loops around it compute several vectors side by side, so that the pipes have other work meanwhile (pairs first, Estrin's
/// scheme, takes two products more and was slower by a sixth here).
#[inline(always)]
pub fn polynomial<S: Simd, const N: usize>(s: S, x: S::F32, c: &[f32; N]) -> S::F32 {
    const { assert!(0 < N) };
    let mut value = s.splat(c[N - 1]);
    for &c in c[..N - 1].iter().rev() {
        value = s.mul_add(value, x, s.splat(c));
    }
    value
}

/// `magnitude` with the sign of `x`.
#[inline(always)]
fn with_sign<S: Simd>(s: S, magnitude: S::F32, x: S::F32) -> S::F32 {
    s.select(s.less(x, s.zero()), s.sub(s.zero(), magnitude), magnitude)
}

/// The error function in double precision, within 1e-15: the reference of everything built on it.
///
/// Up to 2.5 the series `erf(x) = 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1 3 5 .. (2n+1))`, whose terms are all
/// of one sign (Abramowitz and Stegun 7.1.6); beyond, one less [`reference_erfc`].
#[must_use]
pub fn reference_erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 2.5 {
        return (1.0 - reference_erfc(a)).copysign(x);
    }
    let mut term = x;
    let mut sum = x;
    let mut odd = 1.0;
    while term.abs() > sum.abs() * 1e-17 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// `1 - erf(x)` in double precision, without cancellation for large `x`.
///
/// Beyond 2.5 the continued fraction `sqrt(pi) e^(x^2) erfc(x) = 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...))))`
/// (Abramowitz and Stegun 7.1.14), from its hundredth step back.
#[must_use]
pub fn reference_erfc(x: f64) -> f64 {
    if x <= 2.5 {
        return 1.0 - reference_erf(x);
    }
    let fraction = (1..=100).rev().fold(x, |tail, step| x + f64::from(step) / 2.0 / tail);
    (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{SimdOp, Tier, dispatch};

    #[derive(Debug, Clone, Copy)]
    enum Function {
        Exp,
        Erf,
        Tanh,
        Sigmoid,
    }

    struct Evaluate<'a>(Function, &'a mut [f32]);

    impl SimdOp for Evaluate<'_> {
        type Output = ();
        #[inline(always)]
        fn eval<S: Simd>(self, s: S) {
            for lanes in self.1.chunks_exact_mut(S::LANES) {
                let x = s.load(lanes);
                let y = match self.0 {
                    Function::Exp => exp(s, x),
                    Function::Erf => erf(s, x),
                    Function::Tanh => tanh(s, x),
                    Function::Sigmoid => sigmoid(s, x),
                };
                s.store(y, lanes);
            }
        }
    }

    impl Function {
        const ALL: [Self; 4] = [Self::Exp, Self::Erf, Self::Tanh, Self::Sigmoid];

        fn on(self, tier: Tier, values: &[f32]) -> Vec<f32> {
            let mut padded = values.to_vec();
            padded.resize(values.len().next_multiple_of(16), 0.0);
            dispatch(tier, Evaluate(self, &mut padded)).unwrap();
            padded.truncate(values.len());
            padded
        }

        fn reference(self, x: f64) -> f64 {
            match self {
                Self::Exp => x.exp(),
                Self::Erf => reference_erf(x),
                Self::Tanh => x.tanh(),
                Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            }
        }

        /// The range without flushed results, and the promised error in units in the last place.
        fn promise(self) -> (f32, f32, f64) {
            match self {
                Self::Exp => (EXP_UNDERFLOW, EXP_OVERFLOW, 4.0),
                Self::Erf | Self::Tanh => (-12.0, 12.0, 4.0),
                Self::Sigmoid => (EXP_UNDERFLOW, 100.0, 5.0),
            }
        }
    }

    /// The distance from `want` in units in the last place of its single-precision neighbour.
    #[expect(clippy::cast_possible_truncation, reason = "the neighbour is what is asked for")]
    fn ulps(got: f32, want: f64) -> f64 {
        let magnitude = (want.abs() as f32).max(f32::MIN_POSITIVE);
        let unit = f64::from(f32::from_bits(magnitude.to_bits() + 1)) - f64::from(magnitude);
        (f64::from(got) - want).abs() / unit
    }

    #[test]
    fn functions_keep_their_promised_error_on_every_tier() {
        for function in Function::ALL {
            let (low, high, limit) = function.promise();
            // Evenly over the range, and geometrically towards zero from both sides.
            let mut x: Vec<f32> =
                (0..=400_000).map(|i| low + (high - low) * (i as f32 / 400_000.0)).collect();
            x.extend((0..40_000).flat_map(|i| [1, -1].map(|sign| sign as f32 * 4.0 * 0.999_f32.powi(i))));
            x.retain(|x| (low..=high).contains(x));
            for tier in Tier::available() {
                let y = function.on(tier, &x);
                let (worst, at) = x
                    .iter()
                    .zip(&y)
                    .map(|(&x, &y)| (ulps(y, function.reference(f64::from(x))), x))
                    .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
                assert!(worst <= limit, "{function:?} {tier}: {worst} units at {at}");
            }
        }
    }

    #[test]
    fn special_values_have_their_answers_on_every_tier() {
        let (inf, tiny) = (f32::INFINITY, f32::from_bits(1));
        let table: &[(Function, f32, f32)] = &[
            (Function::Exp, 0.0, 1.0),
            (Function::Exp, -0.0, 1.0),
            (Function::Exp, tiny, 1.0),
            (Function::Exp, inf, inf),
            (Function::Exp, -inf, 0.0),
            (Function::Exp, 88.722_84, inf),
            (Function::Exp, 1e30, inf),
            (Function::Exp, -87.4, 0.0),
            (Function::Exp, -104.0, 0.0),
            (Function::Exp, -1e30, 0.0),
            (Function::Erf, 0.0, 0.0),
            (Function::Erf, 4.0, 1.0),
            (Function::Erf, inf, 1.0),
            (Function::Erf, -inf, -1.0),
            (Function::Tanh, 0.0, 0.0),
            (Function::Tanh, tiny, 0.0),
            (Function::Erf, tiny, 0.0),
            (Function::Tanh, 20.0, 1.0),
            (Function::Tanh, inf, 1.0),
            (Function::Tanh, -inf, -1.0),
            (Function::Sigmoid, 0.0, 0.5),
            (Function::Sigmoid, inf, 1.0),
            (Function::Sigmoid, -inf, 0.0),
        ];
        for tier in Tier::available() {
            for &(function, x, want) in table {
                assert_eq!(function.on(tier, &[x])[0], want, "{function:?} {tier} of {x}");
            }
            for function in Function::ALL {
                for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7FC0_0123)] {
                    assert!(function.on(tier, &[nan])[0].is_nan(), "{function:?} {tier}");
                }
            }
        }
    }

    #[test]
    fn exp_returns_no_denormal_number() {
        let x: Vec<f32> = (0..100_000).map(|i| -80.0 - i as f32 * 3e-4).collect();
        for tier in Tier::available() {
            let denormal = Function::Exp.on(tier, &x).into_iter().find(|y| y.is_subnormal());
            assert_eq!(denormal, None, "{tier}");
        }
    }

    #[test]
    fn the_reference_of_erf_has_the_tabulated_values() {
        // Abramowitz and Stegun, table 7.1, and erfc(4), erfc(10) to sixteen digits.
        for (x, want) in [
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (2.4, 0.999_311_486_103_354_9),
            (2.6, 0.999_763_965_583_470_6),
        ] {
            assert!((reference_erf(x) - want).abs() < 1e-15, "erf({x}) = {}", reference_erf(x));
            assert_eq!(reference_erf(-x), -reference_erf(x));
        }
        for (x, want) in [(4.0, 1.541_725_790_028_002e-8), (10.0, 2.088_487_583_762_545e-45)] {
            assert!((reference_erfc(x) / want - 1.0).abs() < 1e-14, "erfc({x}) = {}", reference_erfc(x));
        }
    }
}
