//! LayerNorm: each row to mean 0 and variance 1, then an affine map per column; and RMSNorm beside it.
//!
//! `out = (x - mean) / sqrt(variance + epsilon) * gamma + beta`, with `x = input` or `input + residual` and the
//! variance over the whole row (not `n - 1`). The mean is subtracted before squaring: the one-pass form, the mean of
//! squares less the square of the mean, cancels where the mean is large. A row is read from memory once; the second and
//! third pass find it in the first-level cache.

mod rms;

pub use rms::{plain_rms_norm, reference_rms_norm, rms_norm};

use super::lanes::{FourRows, FourRowsMut, keep_first, whole_lanes};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Rows that go through each step together: a row's sum, root and quotient each wait long for the last step, and rows
/// do not wait for one another. While the roots of one block are on their way, the next block's sums are made.
const BLOCK: usize = 4;
/// Rows up to this width are summed a block ahead, and written side by side: of longer ones two blocks, with what they are
/// made from, do not stay in a first-level cache of 32 KiB.
const AHEAD: usize = 512;

/// Taken from a mean, and where sums of squares begin: lost beside numbers that matter, and it keeps every step of a row of
/// denormal numbers among the normal ones, whose operations take a hundredth of the time on some cores.
const NUDGE: f32 = 1e-30;

struct LayerNorm<'a> {
    input: &'a [f32],
    residual: Option<&'a [f32]>,
    affine: Affine<'a>,
    epsilon: f32,
    out: &'a mut [f32],
}

impl SimdOp for LayerNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { input, residual, affine, epsilon, out } = self;
        match residual {
            Some(residual) => affine.normalise(s, Added { input, residual }, epsilon, out),
            None => affine.normalise(s, Alone { input }, epsilon, out),
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

/// [`layer_norm`] of rows where they stand: `rows = norm(rows)`, or `norm(rows + residual)` where there is one.
///
/// # Panics
/// As [`layer_norm`].
pub fn layer_norm_in_place(
    tier: Tier,
    rows: &mut [f32],
    residual: Option<&[f32]>,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> Result<(), TierUnavailable> {
    assert_eq!(gamma.len(), beta.len(), "gamma and beta are of one length");
    assert!(residual.is_none_or(|r| r.len() == rows.len()), "rows and residual are of one length");
    if rows.is_empty() {
        return Ok(());
    }
    let width = gamma.len();
    assert!(width > 0 && rows.len().is_multiple_of(width), "{} floats are no rows of {width}", rows.len());
    dispatch(tier, InPlace { rows, residual, affine: Affine { gamma, beta }, epsilon })
}

struct InPlace<'a> {
    rows: &'a mut [f32],
    residual: Option<&'a [f32]>,
    affine: Affine<'a>,
    epsilon: f32,
}

impl SimdOp for InPlace<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { rows, residual, affine, epsilon } = self;
        match residual {
            Some(residual) => affine.normalise(s, Increased { residual }, epsilon, rows),
            None => affine.normalise(s, Standing, epsilon, rows),
        }
    }
}

/// The numbers to normalise, which stand in the output or elsewhere.
trait Rows: Copy {
    /// Whether they stand in the output once their sums are known.
    const IN_PLACE: bool;
    /// The sums of the row that begins at `first` and whose place in the output is `out`, lane by lane.
    fn sum<S: Simd>(self, s: S, first: usize, out: &mut [f32]) -> S::F32;
    /// The numbers from `first` on, where they do not stand in the output.
    #[inline(always)]
    fn elsewhere(&self, _: usize) -> &[f32] {
        &[]
    }
}

/// The input.
#[derive(Clone, Copy)]
struct Alone<'a> {
    input: &'a [f32],
}

impl Rows for Alone<'_> {
    const IN_PLACE: bool = false;
    #[inline(always)]
    fn sum<S: Simd>(self, s: S, first: usize, out: &mut [f32]) -> S::F32 {
        sum(s, &self.input[first..][..out.len()])
    }
    #[inline(always)]
    fn elsewhere(&self, first: usize) -> &[f32] {
        &self.input[first..]
    }
}

/// The input and what is added to it.
#[derive(Clone, Copy)]
struct Added<'a> {
    input: &'a [f32],
    residual: &'a [f32],
}

impl Rows for Added<'_> {
    const IN_PLACE: bool = true;
    #[inline(always)]
    fn sum<S: Simd>(self, s: S, first: usize, out: &mut [f32]) -> S::F32 {
        add_and_sum(s, &self.input[first..][..out.len()], &self.residual[first..][..out.len()], out)
    }
}

/// What stands in the output already.
#[derive(Clone, Copy)]
struct Standing;

impl Rows for Standing {
    const IN_PLACE: bool = true;
    #[inline(always)]
    fn sum<S: Simd>(self, s: S, _: usize, out: &mut [f32]) -> S::F32 {
        sum(s, out)
    }
}

/// What stands in the output, and what is added to it.
#[derive(Clone, Copy)]
struct Increased<'a> {
    residual: &'a [f32],
}

impl Rows for Increased<'_> {
    const IN_PLACE: bool = true;
    #[inline(always)]
    fn sum<S: Simd>(self, s: S, first: usize, out: &mut [f32]) -> S::F32 {
        increase_and_sum(s, &self.residual[first..][..out.len()], out)
    }
}

/// The map per column.
#[derive(Clone, Copy)]
struct Affine<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
}

/// Mean and reciprocal standard deviation of a row.
#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f32,
    scale: f32,
}

impl Affine<'_> {
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
    fn normalise<S: Simd, R: Rows>(self, s: S, rows: R, epsilon: f32, mut out: &mut [f32]) {
        let width = self.gamma.len();
        let count = width as f32;
        let (mut first, len) = (0, out.len());
        let mut means = s.sum_four(sums(s, rows, first, out, width)).map(|sum| sum / count - NUDGE);
        let mut next_sums = [s.zero(); BLOCK];
        while first < len {
            let (block, after) = out.split_at_mut((BLOCK * width).min(len - first));
            let next = first + block.len();
            let squares = if R::IN_PLACE {
                squares(s, block, width, means)
            } else {
                squares(s, &rows.elsewhere(first)[..block.len()], width, means)
            };
            // Two steps that do not wait for each other, before either's end is asked for.
            if width <= AHEAD {
                next_sums = sums(s, rows, next, after, width);
            }
            let variances = s.sum_four(squares).map(|sum| sum / count);
            let moments: [Moments; BLOCK] = std::array::from_fn(|i| Moments {
                mean: means[i],
                scale: 1.0 / (variances[i] + epsilon).sqrt(),
            });
            let side_by_side = width <= AHEAD && block.len() == BLOCK * width;
            if side_by_side {
                self.write_vectors(s, moments, rows, first, block);
            }
            let whole = if side_by_side { whole_lanes::<S>(width) } else { 0 };
            for (i, (row, moments)) in block.chunks_exact_mut(width).zip(moments).enumerate() {
                self.write_row(s, moments, rows, first + i * width, row, whole);
            }
            if AHEAD < width {
                next_sums = sums(s, rows, next, after, width);
            }
            means = s.sum_four(next_sums).map(|sum| sum / count - NUDGE);
            first = next;
            out = after;
        }
    }

    /// Normalises the whole vectors of four rows, the first of which begins at `first`, into `out`.
    #[inline(always)]
    fn write_vectors<S: Simd, R: Rows>(
        self,
        s: S,
        moments: [Moments; BLOCK],
        rows: R,
        first: usize,
        out: &mut [f32],
    ) {
        let width = self.gamma.len();
        // Read once for all rows.
        let affine = self.gamma.chunks_exact(S::LANES).zip(self.beta.chunks_exact(S::LANES));
        if R::IN_PLACE {
            for (out, (gamma, beta)) in FourRowsMut::new(out, width, S::LANES).zip(affine) {
                let (gamma, beta) = (s.load(gamma), s.load(beta));
                for (out, moments) in out.into_iter().zip(moments) {
                    s.store(moments.apply(s, s.load(out), gamma, beta), out);
                }
            }
        } else {
            let from = FourRows::new(&rows.elsewhere(first)[..out.len()], width, S::LANES);
            for ((out, from), (gamma, beta)) in FourRowsMut::new(out, width, S::LANES).zip(from).zip(affine) {
                let (gamma, beta) = (s.load(gamma), s.load(beta));
                for ((out, from), moments) in out.into_iter().zip(from).zip(moments) {
                    s.store(moments.apply(s, s.load(from), gamma, beta), out);
                }
            }
        }
    }

    /// Normalises a row that begins at `first` from column `done` on.
    #[inline(always)]
    fn write_row<S: Simd, R: Rows>(
        self,
        s: S,
        moments: Moments,
        rows: R,
        first: usize,
        out: &mut [f32],
        done: usize,
    ) {
        let (gamma, beta, out) = (&self.gamma[done..], &self.beta[done..], &mut out[done..]);
        let from = if R::IN_PLACE { &[] } else { &rows.elsewhere(first + done)[..out.len()] };
        let whole = whole_lanes::<S>(out.len());
        let affine = gamma.chunks_exact(S::LANES).zip(beta.chunks_exact(S::LANES));
        if R::IN_PLACE {
            for (out, (gamma, beta)) in out.chunks_exact_mut(S::LANES).zip(affine) {
                s.store(moments.apply(s, s.load(out), s.load(gamma), s.load(beta)), out);
            }
        } else {
            let vectors = out.chunks_exact_mut(S::LANES).zip(from.chunks_exact(S::LANES));
            for ((out, from), (gamma, beta)) in vectors.zip(affine) {
                s.store(moments.apply(s, s.load(from), s.load(gamma), s.load(beta)), out);
            }
        }
        if whole < out.len() {
            let out = &mut out[whole..];
            let x = s.load_partial(if R::IN_PLACE { out } else { &from[whole..] });
            let (gamma, beta) = (s.load_partial(&gamma[whole..]), s.load_partial(&beta[whole..]));
            s.store_partial(moments.apply(s, x, gamma, beta), out);
        }
    }
}

impl Moments {
    /// `(x - mean) * scale * gamma + beta`.
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32, gamma: S::F32, beta: S::F32) -> S::F32 {
        let unit = s.mul(s.sub(x, s.splat(self.mean)), s.splat(self.scale));
        s.mul_add(unit, gamma, beta)
    }
}

/// The sums of at most [`BLOCK`] rows of `out`, the first of which begins at `first`, lane by lane.
#[inline(always)]
fn sums<S: Simd, R: Rows>(s: S, rows: R, first: usize, out: &mut [f32], width: usize) -> [S::F32; BLOCK] {
    let mut sums = [s.zero(); BLOCK];
    for (i, (out, to)) in out.chunks_exact_mut(width).zip(&mut sums).enumerate() {
        *to = rows.sum(s, first + i * width, out);
    }
    sums
}

/// The sums of the squared distances of at most [`BLOCK`] rows from their means, lane by lane.
#[inline(always)]
fn squares<S: Simd>(s: S, block: &[f32], width: usize, means: [f32; BLOCK]) -> [S::F32; BLOCK] {
    let mut squares = [s.zero(); BLOCK];
    for ((row, mean), to) in block.chunks_exact(width).zip(means).zip(&mut squares) {
        *to = squares_around(s, row, mean);
    }
    squares
}

/// The sums of a row, lane by lane.
#[inline(always)]
fn sum<S: Simd>(s: S, row: &[f32]) -> S::F32 {
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
    s.add(even, odd)
}

/// `out = row + residual`; returns the sums of `out`, lane by lane.
#[inline(always)]
fn add_and_sum<S: Simd>(s: S, row: &[f32], residual: &[f32], out: &mut [f32]) -> S::F32 {
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
    s.add(sum, total)
}

/// `out += residual`; returns the sums of `out`, lane by lane.
#[inline(always)]
fn increase_and_sum<S: Simd>(s: S, residual: &[f32], out: &mut [f32]) -> S::F32 {
    let whole = whole_lanes::<S>(out.len());
    let (residual, residual_rest) = residual.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let mut sum = s.zero();
    for (y, r) in out.chunks_exact_mut(S::LANES).zip(residual.chunks_exact(S::LANES)) {
        let total = s.add(s.load(y), s.load(r));
        sum = s.add(sum, total);
        s.store(total, y);
    }
    let total = s.add(s.load_partial(out_rest), s.load_partial(residual_rest));
    s.store_partial(total, out_rest);
    s.add(sum, total)
}

/// The sums of the squared distances of a row from its mean, lane by lane.
#[inline(always)]
fn squares_around<S: Simd>(s: S, row: &[f32], mean: f32) -> S::F32 {
    let mean = s.splat(mean);
    let (whole, rest) = row.split_at(whole_lanes::<S>(row.len()));
    let (mut even, mut odd) = (s.splat(NUDGE), s.splat(NUDGE));
    let mut pairs = whole.chunks_exact(2 * S::LANES);
    for x in &mut pairs {
        let (a, b) = (s.sub(s.load(x), mean), s.sub(s.load(&x[S::LANES..]), mean));
        even = s.mul_add(a, a, even);
        odd = s.mul_add(b, b, odd);
    }
    if !pairs.remainder().is_empty() {
        let a = s.sub(s.load(pairs.remainder()), mean);
        even = s.mul_add(a, a, even);
    }
    if !rest.is_empty() {
        let a = keep_first(s, s.sub(s.load_partial(rest), mean), rest.len(), 0.0);
        odd = s.mul_add(a, a, odd);
    }
    s.add(even, odd)
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
                let input: Vec<f32> = random(11 * width).iter().map(|x| x + offset).collect();
                let (addend, gamma, beta) = (random(11 * width), random(width), random(width));
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
                        let mut rows = input.clone();
                        layer_norm_in_place(tier, &mut rows, residual, &gamma, &beta, 1e-5).unwrap();
                        compare_floats(&rows, &reference, tolerance, tolerance)
                            .unwrap_or_else(|m| panic!("{tier} {width} {offset} in place: {m}"));
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
