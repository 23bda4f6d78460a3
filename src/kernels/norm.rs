//! LayerNorm: each row to mean 0 and variance 1, then an affine map per column; and RMSNorm beside it.
//!
//! `out = (x - mean) / sqrt(variance + epsilon) * gamma + beta`, with `x = input` or `input + residual` and the
//! variance over the whole row (not `n - 1`). The mean is subtracted before squaring: the one-pass form, the mean of
//! squares less the square of the mean, cancels where the mean is large. A row is read from memory once; the second and
//! third pass find it in the first-level cache.

mod rms;

pub use rms::{plain_rms_norm, reference_rms_norm, rms_norm};

use super::lanes::{keep_first, whole_lanes};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Rows that go through each step together: a row's sum, root and quotient each wait long for the last step, and rows
/// do not wait for one another.
const BLOCK: usize = 4;

struct LayerNorm<'a> {
    input: &'a [f32],
    residual: Option<&'a [f32]>,
    affine: Affine<'a>,
    epsilon: f32,
    out: &'a mut [f32],
}

/// The map per column.
#[derive(Debug, Clone, Copy)]
struct Affine<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
}

impl SimdOp for LayerNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let width = self.affine.gamma.len();
        let block = BLOCK * width;
        for (i, out) in self.out.chunks_mut(block).enumerate() {
            let input = &self.input[i * block..][..out.len()];
            let residual = self.residual.map(|residual| &residual[i * block..][..out.len()]);
            self.affine.block(s, input, residual, self.epsilon, out);
        }
    }
}

/// LayerNorm of the rows of `input` (each as long as `gamma`), of `input + residual` where there is one, into `out`.
///
/// # Panics
/// Where `beta` differs in length from `gamma`, or `residual` or `out` from `input`, or `input` is no whole number of
/// rows.
pub fn layer_norm(
    tier: Tier,
    input: &[f32],
    residual: Option<&[f32]>,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(input.len(), out.len(), "input and output are of one length");
    assert_eq!(gamma.len(), beta.len(), "gamma and beta are of one length");
    assert!(residual.is_none_or(|r| r.len() == input.len()), "input and residual are of one length");
    if input.is_empty() {
        return Ok(());
    }
    let width = gamma.len();
    assert!(width > 0 && input.len().is_multiple_of(width), "{} floats are no rows of {width}", input.len());
    dispatch(tier, LayerNorm { input, residual, affine: Affine { gamma, beta }, epsilon, out })
}

/// Mean and reciprocal standard deviation of a row.
#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f32,
    scale: f32,
}

impl Affine<'_> {
    /// At most [`BLOCK`] rows.
    #[inline(always)]
    fn block<S: Simd>(self, s: S, input: &[f32], residual: Option<&[f32]>, epsilon: f32, out: &mut [f32]) {
        let width = self.gamma.len();
        let mut sums = [0.0; BLOCK];
        let mut all = [Moments { mean: 0.0, scale: 0.0 }; BLOCK];
        if let Some(residual) = residual {
            let rows = input.chunks_exact(width).zip(residual.chunks_exact(width));
            for (((row, residual), out), sum) in rows.zip(out.chunks_exact_mut(width)).zip(&mut sums) {
                *sum = add_and_sum(s, row, residual, out);
            }
            for ((row, &sum), to) in out.chunks_exact(width).zip(&sums).zip(&mut all) {
                *to = moments(s, sum, row, epsilon);
            }
            for (row, &moments) in out.chunks_exact_mut(width).zip(&all) {
                normalise_in_place(s, moments, self.gamma, self.beta, row);
            }
        } else {
            for (row, to) in input.chunks_exact(width).zip(&mut sums) {
                *to = sum(s, row);
            }
            for ((row, &sum), to) in input.chunks_exact(width).zip(&sums).zip(&mut all) {
                *to = moments(s, sum, row, epsilon);
            }
            let rows = input.chunks_exact(width).zip(out.chunks_exact_mut(width));
            for ((row, out), &moments) in rows.zip(&all) {
                normalise(s, row, moments, self.gamma, self.beta, out);
            }
        }
    }
}

#[inline(always)]
fn sum<S: Simd>(s: S, row: &[f32]) -> f32 {
    let (whole, rest) = row.split_at(whole_lanes::<S>(row.len()));
    // Two sums, so that one addition does not wait for the other.
    let (mut even, mut odd) = (s.zero(), s.load_partial(rest));
    let mut pairs = whole.chunks_exact(2 * S::LANES);
    for x in &mut pairs {
        even = s.add(even, s.load(x));
        odd = s.add(odd, s.load(&x[S::LANES..]));
    }
    if !pairs.remainder().is_empty() {
        even = s.add(even, s.load(pairs.remainder()));
    }
    s.sum(s.add(even, odd))
}

/// `out = row + residual`; returns the sum of `out`.
#[inline(always)]
fn add_and_sum<S: Simd>(s: S, row: &[f32], residual: &[f32], out: &mut [f32]) -> f32 {
    let whole = whole_lanes::<S>(row.len());
    let (row, row_rest) = row.split_at(whole);
    let (residual, residual_rest) = residual.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let mut sum = s.zero();
    let vectors = row.chunks_exact(S::LANES).zip(residual.chunks_exact(S::LANES));
    for ((x, r), y) in vectors.zip(out.chunks_exact_mut(S::LANES)) {
        let total = s.add(s.load(x), s.load(r));
        sum = s.add(sum, total);
        s.store(total, y);
    }
    let total = s.add(s.load_partial(row_rest), s.load_partial(residual_rest));
    s.store_partial(total, out_rest);
    s.sum(s.add(sum, total))
}

/// The moments of a row whose sum is known.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
fn moments<S: Simd>(s: S, sum: f32, row: &[f32], epsilon: f32) -> Moments {
    let width = row.len() as f32;
    let mean = sum / width;
    let center = s.splat(mean);
    let (whole, rest) = row.split_at(whole_lanes::<S>(row.len()));
    let (mut even, mut odd) = (s.zero(), s.zero());
    let mut pairs = whole.chunks_exact(2 * S::LANES);
    for x in &mut pairs {
        let (a, b) = (s.sub(s.load(x), center), s.sub(s.load(&x[S::LANES..]), center));
        even = s.mul_add(a, a, even);
        odd = s.mul_add(b, b, odd);
    }
    if !pairs.remainder().is_empty() {
        let a = s.sub(s.load(pairs.remainder()), center);
        even = s.mul_add(a, a, even);
    }
    if !rest.is_empty() {
        let a = keep_first(s, s.sub(s.load_partial(rest), center), rest.len(), 0.0);
        odd = s.mul_add(a, a, odd);
    }
    let variance = s.sum(s.add(even, odd)) / width;
    Moments { mean, scale: 1.0 / (variance + epsilon).sqrt() }
}

#[inline(always)]
fn normalise<S: Simd>(s: S, row: &[f32], moments: Moments, gamma: &[f32], beta: &[f32], out: &mut [f32]) {
    let whole = whole_lanes::<S>(row.len());
    let (row, row_rest) = row.split_at(whole);
    let (gamma, gamma_rest) = gamma.split_at(whole);
    let (beta, beta_rest) = beta.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let affine = gamma.chunks_exact(S::LANES).zip(beta.chunks_exact(S::LANES));
    for ((x, y), (g, b)) in row.chunks_exact(S::LANES).zip(out.chunks_exact_mut(S::LANES)).zip(affine) {
        s.store(moments.apply(s, s.load(x), s.load(g), s.load(b)), y);
    }
    let (g, b) = (s.load_partial(gamma_rest), s.load_partial(beta_rest));
    s.store_partial(moments.apply(s, s.load_partial(row_rest), g, b), out_rest);
}

#[inline(always)]
fn normalise_in_place<S: Simd>(s: S, moments: Moments, gamma: &[f32], beta: &[f32], row: &mut [f32]) {
    let whole = whole_lanes::<S>(row.len());
    let (gamma, gamma_rest) = gamma.split_at(whole);
    let (beta, beta_rest) = beta.split_at(whole);
    let (row, row_rest) = row.split_at_mut(whole);
    let affine = gamma.chunks_exact(S::LANES).zip(beta.chunks_exact(S::LANES));
    for (x, (g, b)) in row.chunks_exact_mut(S::LANES).zip(affine) {
        s.store(moments.apply(s, s.load(x), s.load(g), s.load(b)), x);
    }
    let (g, b) = (s.load_partial(gamma_rest), s.load_partial(beta_rest));
    s.store_partial(moments.apply(s, s.load_partial(row_rest), g, b), row_rest);
}

impl Moments {
    /// `(x - mean) * scale * gamma + beta`.
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32, gamma: S::F32, beta: S::F32) -> S::F32 {
        let unit = s.mul(s.sub(x, s.splat(self.mean)), s.splat(self.scale));
        s.mul_add(unit, gamma, beta)
    }
}

/// [`layer_norm`] in double precision.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^52")]
pub fn reference_layer_norm(
    input: &[f32],
    residual: Option<&[f32]>,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> Vec<f64> {
    let width = gamma.len();
    let mut out: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
    if let Some(residual) = residual {
        out.iter_mut().zip(residual).for_each(|(x, &r)| *x += f64::from(r));
    }
    for row in out.chunks_mut(width.max(1)) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
        for (x, (&g, &b)) in row.iter_mut().zip(gamma.iter().zip(beta)) {
            *x = (*x - mean) * scale * f64::from(g) + f64::from(b);
        }
    }
    out
}

/// The plain loop for [`layer_norm`].
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
pub fn plain_layer_norm(
    input: &[f32],
    residual: Option<&[f32]>,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    out: &mut [f32],
) {
    let width = gamma.len();
    out.copy_from_slice(input);
    if let Some(residual) = residual {
        for (x, r) in out.iter_mut().zip(residual) {
            *x += r;
        }
    }
    for row in out.chunks_exact_mut(width.max(1)) {
        let mean = row.iter().sum::<f32>() / width as f32;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for (x, (g, b)) in row.iter_mut().zip(gamma.iter().zip(beta)) {
            *x = (*x - mean) * scale * g + b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn rows_equal_their_reference_on_every_tier_width_and_offset() {
        for width in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 48, 384] {
            // The offset makes the mean a thousand times the deviation: the one-pass variance would be noise.
            for (offset, tolerance) in [(0.0, 4e-6), (1000.0, 4e-4)] {
                let mut rng = Rng::new(9);
                let mut random =
                    |len: usize| -> Vec<f32> { (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect() };
                let input: Vec<f32> = random(4 * width).iter().map(|x| x + offset).collect();
                let (addend, gamma, beta) = (random(4 * width), random(width), random(width));
                for residual in [None, Some(&*addend)] {
                    // What the row sums round to is the input of the rest, so the reference starts from that.
                    let total: Vec<f32> = match residual {
                        None => input.clone(),
                        Some(residual) => input.iter().zip(residual).map(|(x, r)| x + r).collect(),
                    };
                    let reference = reference_layer_norm(&total, None, &gamma, &beta, 1e-5);
                    let mut out = vec![f32::NAN; input.len()];
                    for tier in Tier::available() {
                        layer_norm(tier, &input, residual, &gamma, &beta, 1e-5, &mut out).unwrap();
                        compare_floats(&out, &reference, tolerance, tolerance)
                            .unwrap_or_else(|m| panic!("{tier} {width} {offset}: {m}"));
                    }
                    plain_layer_norm(&input, residual, &gamma, &beta, 1e-5, &mut out);
                    compare_floats(&out, &reference, 4.0 * tolerance, 4.0 * tolerance)
                        .unwrap_or_else(|m| panic!("plain {width} {offset}: {m}"));
                }
            }
        }
    }

    #[test]
    fn a_constant_row_becomes_beta() {
        let (gamma, beta) = ([2.0; 20], [0.25; 20]);
        for tier in Tier::available() {
            let mut out = [f32::NAN; 20];
            layer_norm(tier, &[7.0; 20], None, &gamma, &beta, 1e-12, &mut out).unwrap();
            assert_eq!(out, beta, "{tier}");
        }
    }
}
