//! RMSNorm: each row over the root of its mean square, times a factor per column.
//!
//! `out = x / sqrt(mean(x^2) + epsilon) * gamma`, with `x = input` or `input + residual` (Zhang and Sennrich, 2019,
//! arXiv:1910.07467, equation 4, with the epsilon that every implementation adds). A row is read from memory once.

use super::{BLOCK, add_and_sum};
use crate::kernels::lanes::whole_lanes;
use crate::kernels::normalize::{sum_of_squares, without_denormals};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// RMSNorm of the rows of `input` (each as long as `gamma`), of `input + residual` where there is one, into `out`. A row
/// with something that is not a number becomes all such; one whose squares are beyond single precision becomes zero.
///
/// # Panics
/// Where `residual` or `out` differs in length from `input`, or `input` is no whole number of rows.
pub fn rms_norm(
    tier: Tier,
    input: &[f32],
    residual: Option<&[f32]>,
    gamma: &[f32],
    epsilon: f32,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(input.len(), out.len(), "input and output are of one length");
    assert!(residual.is_none_or(|r| r.len() == input.len()), "input and residual are of one length");
    if input.is_empty() {
        return Ok(());
    }
    let width = gamma.len();
    assert!(width > 0 && input.len().is_multiple_of(width), "{} floats are no rows of {width}", input.len());
    dispatch(tier, RmsNorm { input, residual, gamma, epsilon, out })
}

struct RmsNorm<'a> {
    input: &'a [f32],
    residual: Option<&'a [f32]>,
    gamma: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl SimdOp for RmsNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { input, residual, gamma, epsilon, out } = self;
        let width = gamma.len();
        let block = BLOCK * width;
        for (i, out) in out.chunks_mut(block).enumerate() {
            let input = &input[i * block..][..out.len()];
            let mut scales = [0.0; BLOCK];
            if let Some(residual) = residual {
                let rows = input.chunks_exact(width).zip(residual[i * block..].chunks_exact(width));
                for (((row, residual), out), to) in rows.zip(out.chunks_exact_mut(width)).zip(&mut scales) {
                    add_and_sum(s, row, residual, out);
                    *to = scale(sum_of_squares(s, out), width, epsilon);
                }
                for (row, &scale) in out.chunks_exact_mut(width).zip(&scales) {
                    apply_in_place(s, scale, gamma, row);
                }
            } else {
                for (row, to) in input.chunks_exact(width).zip(&mut scales) {
                    *to = scale(sum_of_squares(s, row), width, epsilon);
                }
                let rows = input.chunks_exact(width).zip(out.chunks_exact_mut(width));
                for ((row, out), &scale) in rows.zip(&scales) {
                    apply(s, row, scale, gamma, out);
                }
            }
        }
    }
}

/// What a row with this sum of squares is multiplied by.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
fn scale(sum_of_squares: f32, width: usize, epsilon: f32) -> f32 {
    1.0 / (sum_of_squares / width as f32 + epsilon).sqrt()
}

#[inline(always)]
fn apply<S: Simd>(s: S, row: &[f32], scale: f32, gamma: &[f32], out: &mut [f32]) {
    let factor = s.splat(scale);
    let (row, row_rest) = row.split_at(whole_lanes::<S>(row.len()));
    let (gamma, gamma_rest) = gamma.split_at(row.len());
    let (out, out_rest) = out.split_at_mut(row.len());
    let vectors = row.chunks_exact(S::LANES).zip(gamma.chunks_exact(S::LANES));
    for ((x, g), y) in vectors.zip(out.chunks_exact_mut(S::LANES)) {
        s.store(s.mul(s.mul(without_denormals(s, s.load(x)), factor), s.load(g)), y);
    }
    let last =
        s.mul(s.mul(without_denormals(s, s.load_partial(row_rest)), factor), s.load_partial(gamma_rest));
    s.store_partial(last, out_rest);
}

#[inline(always)]
fn apply_in_place<S: Simd>(s: S, scale: f32, gamma: &[f32], row: &mut [f32]) {
    let factor = s.splat(scale);
    let (row, row_rest) = row.split_at_mut(whole_lanes::<S>(row.len()));
    let (gamma, gamma_rest) = gamma.split_at(row.len());
    for (x, g) in row.chunks_exact_mut(S::LANES).zip(gamma.chunks_exact(S::LANES)) {
        s.store(s.mul(s.mul(without_denormals(s, s.load(x)), factor), s.load(g)), x);
    }
    let last =
        s.mul(s.mul(without_denormals(s, s.load_partial(row_rest)), factor), s.load_partial(gamma_rest));
    s.store_partial(last, row_rest);
}

/// [`rms_norm`] in double precision.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^52")]
pub fn reference_rms_norm(input: &[f32], residual: Option<&[f32]>, gamma: &[f32], epsilon: f32) -> Vec<f64> {
    let mut out: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
    if let Some(residual) = residual {
        out.iter_mut().zip(residual).for_each(|(x, &r)| *x += f64::from(r));
    }
    for row in out.chunks_mut(gamma.len().max(1)) {
        let square = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
        let scale = 1.0 / (square + f64::from(epsilon)).sqrt();
        row.iter_mut().zip(gamma).for_each(|(x, &g)| *x *= scale * f64::from(g));
    }
    out
}

/// The plain loop for [`rms_norm`].
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
pub fn plain_rms_norm(input: &[f32], residual: Option<&[f32]>, gamma: &[f32], epsilon: f32, out: &mut [f32]) {
    out.copy_from_slice(input);
    if let Some(residual) = residual {
        for (x, r) in out.iter_mut().zip(residual) {
            *x += r;
        }
    }
    for row in out.chunks_exact_mut(gamma.len().max(1)) {
        let square = row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32;
        let scale = 1.0 / (square + epsilon).sqrt();
        for (x, g) in row.iter_mut().zip(gamma) {
            *x = *x * scale * g;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn rows_equal_their_reference_on_every_tier_and_width() {
        for width in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 48, 384] {
            let mut rng = Rng::new(9);
            let mut random =
                |len: usize| -> Vec<f32> { (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect() };
            let (input, addend, gamma) = (random(5 * width), random(5 * width), random(width));
            for residual in [None, Some(&*addend)] {
                // What the row sums round to is the input of the rest, so the reference starts from that.
                let total: Vec<f32> = match residual {
                    None => input.clone(),
                    Some(residual) => input.iter().zip(residual).map(|(x, r)| x + r).collect(),
                };
                let reference = reference_rms_norm(&total, None, &gamma, 1e-5);
                let mut out = vec![f32::NAN; input.len()];
                for tier in Tier::available() {
                    rms_norm(tier, &input, residual, &gamma, 1e-5, &mut out).unwrap();
                    compare_floats(&out, &reference, 1e-6, 1e-9)
                        .unwrap_or_else(|m| panic!("{tier} {width}: {m}"));
                }
                plain_rms_norm(&input, residual, &gamma, 1e-5, &mut out);
                compare_floats(&out, &reference, 4e-6, 1e-9).unwrap_or_else(|m| panic!("plain {width}: {m}"));
            }
        }
    }

    #[test]
    fn zero_rows_stay_zero_and_what_is_not_a_number_spreads() {
        for tier in Tier::available() {
            let mut out = [f32::NAN; 20];
            rms_norm(tier, &[0.0; 20], None, &[2.0; 20], 1e-12, &mut out).unwrap();
            assert_eq!(out, [0.0; 20], "{tier}");
            let mut input = [1.0; 20];
            input[19] = f32::NAN;
            rms_norm(tier, &input, None, &[2.0; 20], 1e-12, &mut out).unwrap();
            assert!(out.iter().all(|x| x.is_nan()), "{tier}");
        }
    }
}
