//! A linear layer with single-precision inputs and outputs on byte products: `Y = X W + bias`.
//!
//! Weights are bytes with a scale for every output channel, packed once. Each row of the input becomes bytes with a
//! scale of its own while it is copied for the tile that reads it, and a tile's sums become single precision before
//! they leave the registers: neither the bytes of the input nor 32-bit sums pass through memory.
//!
//! The rule: with `m` the largest magnitude of a row or channel, `scale = m / 127`, and each byte is the exact product
//! `x * (127 / m)` rounded to the nearest integer, ties to even; then
//! `y = f32(sum) * (row scale * channel scale) + bias`. Of a depth beyond 4096, each block of the depth adds its part.
//!
//! A row or channel with something infinite or not a number has a scale that is not a number, and so has every output
//! that it takes part in. A largest magnitude below 2^-120 counts as zero.

use std::ops::Range;

use crate::simd::{DotU8S8, Tier, TierUnavailable, dispatch_u8s8};
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

use super::Layout;
use super::int8::{ByteMatrix, Geometry, Left, Order, PackedBytes, Product, Rows, Scaled};

/// What is smaller counts as zero: 2^-120, whose reciprocal times 127 is still a number.
const SMALLEST_MAGNITUDE: f32 = f32::from_bits((127 - 120) << 23);

/// Weights (`K x N`) as bytes with a scale for every output channel, for one tier's kernels.
#[derive(Debug, Clone)]
pub struct PackedInt8 {
    bytes: PackedBytes,
    /// One a column of the panels, zero beyond the channels.
    scales: AlignedBuffer<f32>,
}

impl PackedInt8 {
    /// The highest tier here with kernels for bytes.
    #[must_use]
    pub fn best_tier() -> Option<Tier> {
        [Tier::Avx512vnni, Tier::NeonDotprod, Tier::Avx2].into_iter().find(|tier| tier.is_available())
    }

    /// Quantises and packs `weights` (`k * n` of them) for the kernels of `tier`.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier has no kernels for bytes.
    ///
    /// # Panics
    /// When `weights` is shorter than `k * n`.
    pub fn quantize_pack(
        tier: Tier,
        weights: &[f32],
        k: usize,
        n: usize,
        layout: Layout,
    ) -> Result<Self, TierUnavailable> {
        let weights = &weights[..k * n];
        let weight = |depth, column| weights[layout.index(depth, column, k, n)];
        let width = Geometry::of(tier)?.width;
        let channels: Vec<(f32, f32)> = (0..n)
            .map(|column| scale_and_factor(largest_magnitude((0..k).map(|depth| weight(depth, column)))))
            .collect();
        let bytes = PackedBytes::arrange(tier, k, n, Order::Interleaved, |depth, column| {
            whole_steps(weight(depth, column), channels[column].1)
        })?;
        let scale = |column| channels.get(column).map_or(0.0, |channel: &(f32, f32)| channel.0);
        Ok(Self { bytes, scales: AlignedBuffer::from_fn(n.next_multiple_of(width), scale) })
    }

    /// Inputs of the layer.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.bytes.k()
    }

    /// Outputs of the layer.
    #[must_use]
    pub const fn n(&self) -> usize {
        self.bytes.n()
    }

    /// The tier whose kernels read this arrangement; this CPU has it.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.bytes.tier()
    }
}

/// `Y = X W + bias` by the module's rule: `x` is `m x weights.k()`, `out` is `m x weights.n()`, `bias` has
/// `weights.n()` elements.
///
/// Rows are spread over the team where the work outweighs waking it; the answer does not depend on how many threads
/// there are.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn linear_dynamic(
    team: &Team,
    x: &[f32],
    m: usize,
    weights: &PackedInt8,
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let (k, n) = (weights.k(), weights.n());
    let a = Inputs { values: &x[..m * k], k };
    let finish = Scaled { scales: &weights.scales, bias: bias.map(|bias| &bias[..n]) };
    let product = Product { team, a, m, b: ByteMatrix::Bytes(&weights.bytes), finish, c: &mut out[..m * n] };
    let outcome: Result<(), TierUnavailable> = dispatch_u8s8(weights.tier(), product);
    outcome.expect("packing tested the tier");
}

/// The scale and what numbers are multiplied by, from the bits of the largest magnitude.
#[inline(always)]
fn scale_and_factor(largest: f32) -> (f32, f32) {
    if largest < SMALLEST_MAGNITUDE {
        (0.0, 0.0)
    } else if largest < f32::INFINITY {
        (largest / 127.0, 127.0 / largest)
    } else {
        (f32::NAN, 0.0)
    }
}

/// The largest magnitude; what is not a number is larger than all.
fn largest_magnitude(values: impl Iterator<Item = f32>) -> f32 {
    f32::from_bits(values.map(|x| x.abs().to_bits()).max().unwrap_or(0))
}

/// The byte of a number. The product of two single-precision numbers is exact in double precision.
#[expect(clippy::cast_possible_truncation, reason = "within -127..=127, or zero for what is not a number")]
fn whole_steps(x: f32, factor: f32) -> i8 {
    (f64::from(x) * f64::from(factor)).round_ties_even() as i8
}

/// Rows of single-precision numbers.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    values: &'a [f32],
    k: usize,
}

impl Left for Inputs<'_> {
    #[inline(always)]
    fn is_moved<S: DotU8S8>(&self) -> bool {
        // Rounded numbers have a sign.
        !S::LEFT_IS_SIGNED
    }

    #[inline(always)]
    fn fill<S: DotU8S8>(&self, simd: S, rows: Range<usize>, depths: Range<usize>, to: &mut Rows) {
        for ((row, quads), scale) in rows.zip(&mut to.quads).zip(&mut to.scales) {
            let row = &self.values[row * self.k..][..self.k];
            let (own, factor) = scale_and_factor(largest_of(simd, row));
            *scale = own;
            quantize(simd, &row[depths.clone()], factor, quads.as_flattened_mut());
        }
    }
}

/// As [`largest_magnitude`], by vectors.
#[inline(always)]
fn largest_of<S: DotU8S8>(simd: S, row: &[f32]) -> f32 {
    let mut tops = [simd.splat_i32(0); 4];
    let blocks = row.chunks_exact(4 * S::LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (i, top) in tops.iter_mut().enumerate() {
            *top = simd.larger_magnitude(*top, simd.load(&block[i * S::LANES..]));
        }
    }
    for vector in rest.chunks(S::LANES) {
        tops[0] = simd.larger_magnitude(tops[0], simd.load_partial(vector));
    }
    let largest = tops.map(|top| simd.largest_i32(top)).into_iter().fold(0, i32::max);
    f32::from_bits(largest.cast_unsigned())
}

/// Bytes in quads of the order [`Order::Interleaved`].
#[inline(always)]
fn quantize<S: DotU8S8>(simd: S, row: &[f32], factor: f32, to: &mut [u8]) {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the lowest bits; with 128 more the byte is moved to the
    // range of unsigned ones. One rounding in all, as the multiply-add of these tiers is fused.
    const MAGIC: f32 = 12_582_912.0;
    let moved = if S::LEFT_IS_SIGNED { MAGIC } else { MAGIC + 128.0 };
    let (factor, moved) = (simd.splat(factor), simd.splat(moved));
    let blocks = row.chunks_exact(4 * S::LANES);
    let rest = blocks.remainder();
    let mut to = to.chunks_exact_mut(4 * S::LANES);
    for (block, to) in blocks.zip(&mut to) {
        let vector = |i: usize| simd.mul_add(simd.load(&block[i * S::LANES..]), factor, moved);
        simd.store_bytes(simd.lowest_bytes([vector(0), vector(1), vector(2), vector(3)]), to);
    }
    if let (false, Some(to)) = (rest.is_empty(), to.next()) {
        let quads = rest.len().div_ceil(4);
        let vector = |i: usize| {
            let from = rest.get(i * quads..rest.len().min((i + 1) * quads)).unwrap_or_default();
            simd.mul_add(simd.load_partial(from), factor, moved)
        };
        // Lanes beyond the quads hold zeroes, and B is zero there.
        simd.store_bytes(simd.lowest_bytes([vector(0), vector(1), vector(2), vector(3)]), to);
    }
}

/// The answer by the module's rule, in double precision over exact sums of bytes; `weights` is `k x n`.
///
/// # Panics
/// When a slice is shorter than its shape says.
#[must_use]
pub fn reference_linear_dynamic(
    x: &[f32],
    m: usize,
    k: usize,
    weights: &[f32],
    n: usize,
    bias: Option<&[f32]>,
) -> Vec<f64> {
    let quantized = |values: Vec<f32>| {
        let (scale, factor) = scale_and_factor(largest_magnitude(values.iter().copied()));
        let bytes: Vec<i8> = values.into_iter().map(|value| whole_steps(value, factor)).collect();
        (f64::from(scale), bytes)
    };
    let rows: Vec<_> = (0..m).map(|i| quantized(x[i * k..][..k].to_vec())).collect();
    let channels: Vec<_> =
        (0..n).map(|j| quantized((0..k).map(|depth| weights[depth * n + j]).collect())).collect();
    let mut out = Vec::with_capacity(m * n);
    for (row_scale, row) in &rows {
        for (j, (scale, channel)) in channels.iter().enumerate() {
            let sum: i32 = row.iter().zip(channel).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            let bias = bias.map_or(0.0, |bias| f64::from(bias[j]));
            out.push(f64::from(sum) * row_scale * scale + bias);
        }
    }
    out
}

/// The layer by ordinary loops as the compiler builds them: bytes of a row, then sums along rows of `weights` (`k x n`
/// bytes with a scale a column), then numbers. `row` holds `k` bytes and `sums` `n` integers.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn plain_linear_dynamic(
    x: &[f32],
    k: usize,
    weights: (&[i8], &[f32]),
    bias: Option<&[f32]>,
    (row, sums): (&mut [i8], &mut [i32]),
    out: &mut [f32],
) {
    let (bytes, scales) = weights;
    let n = scales.len().max(1);
    for (x, out) in x.chunks_exact(k.max(1)).zip(out.chunks_exact_mut(n)) {
        let (row_scale, factor) = scale_and_factor(largest_magnitude(x.iter().copied()));
        for (to, &x) in row.iter_mut().zip(x) {
            *to = whole_steps(x, factor);
        }
        sums.fill(0);
        for (&a, b) in row.iter().zip(bytes.chunks_exact(n)) {
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum += i32::from(a) * i32::from(b);
            }
        }
        for (j, (out, &sum)) in out.iter_mut().zip(&*sums).enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "the conversion is meant")]
            let sum = sum as f32;
            *out = sum * (row_scale * scales[j]) + bias.map_or(0.0, |bias| bias[j]);
        }
    }
}

/// The bytes of `weights` (`k x n`) row by row and the scale of every column: what [`plain_linear_dynamic`] takes.
#[must_use]
pub fn quantize_channels(weights: &[f32], k: usize, n: usize) -> (Vec<i8>, Vec<f32>) {
    let channels: Vec<(f32, f32)> = (0..n)
        .map(|column| scale_and_factor(largest_magnitude((0..k).map(|depth| weights[depth * n + column]))))
        .collect();
    let bytes = (0..k * n).map(|at| whole_steps(weights[at], channels[at % n].1)).collect();
    (bytes, channels.into_iter().map(|channel| channel.0).collect())
}

#[cfg(test)]
mod tests;
