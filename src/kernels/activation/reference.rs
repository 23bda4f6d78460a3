//! Activations in double precision, and as ordinary loops.

use super::{QUICK, TANH_CUBIC, TANH_LINEAR};
use crate::kernels::math::reference_erfc;

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

/// The plain loop for [`gelu_erf`](super::gelu_erf): Rust's `f32` has no erf, so a rational approximation in scalar code.
pub fn plain_gelu_erf(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = 0.5 * x * (1.0 + plain_erf(x * std::f32::consts::FRAC_1_SQRT_2));
    }
}

/// The plain loop for [`gelu_tanh`](super::gelu_tanh).
pub fn plain_gelu_tanh(input: &[f32], out: &mut [f32]) {
    for (&x, y) in input.iter().zip(out) {
        *y = 0.5 * x * (1.0 + (0.5 * TANH_LINEAR * x + 0.5 * TANH_CUBIC * x * x * x).tanh());
    }
}

/// The plain loop for [`relu`](super::relu).
pub fn plain_relu(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x.max(0.0);
    }
}

/// The plain loop for [`silu`](super::silu).
pub fn plain_silu(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x / (1.0 + (-x).exp());
    }
}

/// The plain loop for [`gelu_quick`](super::gelu_quick).
pub fn plain_gelu_quick(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x / (1.0 + (-QUICK * x).exp());
    }
}

/// The plain loop for [`erf_of`](super::erf_of).
pub fn plain_erf_of(input: &[f32], out: &mut [f32]) {
    for (&x, y) in input.iter().zip(out) {
        *y = plain_erf(x);
    }
}

/// The plain loop for [`tanh_of`](super::tanh_of).
pub fn plain_tanh(input: &[f32], out: &mut [f32]) {
    for (x, y) in input.iter().zip(out) {
        *y = x.tanh();
    }
}

/// The plain loop for [`exp_of`](super::exp_of).
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
