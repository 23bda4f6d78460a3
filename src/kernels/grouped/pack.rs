//! Weights of a grouped layer: smoothed, quantised by output channel, and arranged for a tier's kernels.

use std::ops::Range;

use crate::simd::{DotU8S8, DotU8S8Op, Tier, TierUnavailable, dispatch_u8s8};
use crate::tensor::AlignedBuffer;

use super::{GROUP, QUADS, SMALLEST_MAGNITUDE, VECTORS, code_offset};

/// The range of the codes of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes {
    /// -127 to 127, for inputs of both signs.
    Signed,
    /// 0 to 255, for inputs that are nowhere negative once they are mapped.
    Unsigned,
}

/// How the inputs of a layer are mapped before they are quantised: `x * multiplier + shift`.
#[derive(Debug, Clone, PartialEq)]
pub struct Smoothing {
    /// One a channel, none of them zero.
    pub multipliers: Vec<f32>,
    /// Taken off every input before it is multiplied: the lowest number there is, where codes are unsigned.
    pub lowest: f32,
    /// The range of the codes.
    pub codes: Codes,
}

impl Smoothing {
    /// Inputs as they are.
    #[must_use]
    pub fn none(k: usize) -> Self {
        Self { multipliers: vec![1.0; k], lowest: 0.0, codes: Codes::Signed }
    }

    /// From the largest magnitude of every input channel (above `lowest`) as seen on texts, and of every row of the
    /// weights: the multiplier is the root of the one over the other, so that both have like ranges afterwards.
    #[must_use]
    pub fn balanced(inputs: &[f32], weights: &[f32], lowest: f32, codes: Codes) -> Self {
        // A channel that no text moved must not become the loudest.
        let usable = |x: f32| if x.is_finite() { x.max(1e-4) } else { 1.0 };
        let multiplier = |(&input, &weight): (&f32, &f32)| (usable(weight) / usable(input)).sqrt();
        Self { multipliers: inputs.iter().zip(weights).map(multiplier).collect(), lowest, codes }
    }
}

/// Weights (`K x N`) as bytes with a scale for every output channel, for one tier's kernels.
///
/// A panel of columns holds its quads one after the other, each as four depths of every column; what is missing of the
/// last panel and the last quad is zero.
#[derive(Debug, Clone)]
pub struct GroupedInt8 {
    values: AlignedBuffer<u8>,
    /// What the sums of each group and column start from: what moving the codes to the tier's range adds, taken off.
    starts: AlignedBuffer<i32>,
    /// Of each column of the panels.
    scales: AlignedBuffer<f32>,
    /// Of each column of the panels.
    bias: AlignedBuffer<f32>,
    multipliers: AlignedBuffer<f32>,
    shifts: AlignedBuffer<f32>,
    codes: Codes,
    k: usize,
    n: usize,
    width: usize,
    tier: Tier,
}

/// What the arrangement depends on.
struct Geometry {
    lanes: usize,
    left_is_signed: bool,
}

impl Geometry {
    fn of(tier: Tier) -> Result<Self, TierUnavailable> {
        struct Ask;
        impl DotU8S8Op for Ask {
            type Output = Geometry;
            #[inline(always)]
            fn eval<S: DotU8S8>(self, _: S) -> Geometry {
                Geometry { lanes: S::LANES, left_is_signed: S::LEFT_IS_SIGNED }
            }
        }
        dispatch_u8s8(tier, Ask)
    }

    /// The depths of quad `quad` of a group of `len` depths; those from `len` on do not exist.
    fn depths(&self, quad: usize, len: usize) -> [usize; 4] {
        let block = quad / self.lanes * self.lanes;
        let first = 4 * block + quad % self.lanes;
        let apart = (len - 4 * block).div_ceil(4).min(self.lanes);
        [first, first + apart, first + 2 * apart, first + 3 * apart]
    }
}

impl GroupedInt8 {
    /// The highest tier here with kernels for bytes.
    #[must_use]
    pub fn best_tier() -> Option<Tier> {
        [Tier::Avx512vnni, Tier::NeonDotprod, Tier::Avx2].into_iter().find(|tier| tier.is_available())
    }

    /// Smooths, quantises and packs `weights`, `n` rows of `k` as the weights of a linear layer are stored, with a bias an
    /// output.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier has no kernels for bytes.
    ///
    /// # Panics
    /// When a slice is shorter than its shape says.
    pub fn quantize_pack(
        tier: Tier,
        weights: &[f32],
        bias: &[f32],
        smoothing: &Smoothing,
    ) -> Result<Self, TierUnavailable> {
        let geometry = Geometry::of(tier)?;
        let (k, n) = (smoothing.multipliers.len(), bias.len());
        assert!(weights.len() == k * n, "{} weights are no {n} rows of {k}", weights.len());
        let mut packed = Self::zeroed(tier, k, n, smoothing.codes)?;
        packed.multipliers.copy_from_slice(&smoothing.multipliers);
        for (shift, multiplier) in packed.shifts.iter_mut().zip(&smoothing.multipliers) {
            *shift = -smoothing.lowest * multiplier;
        }
        let mut row = vec![0.0; k];
        for column in 0..n {
            let (weights, bias) = (&weights[column * k..][..k], bias[column]);
            let mut taken = 0.0;
            for ((to, &weight), &multiplier) in row.iter_mut().zip(weights).zip(&smoothing.multipliers) {
                *to = weight / multiplier;
                taken += f64::from(weight) * f64::from(smoothing.lowest);
            }
            #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
            let bias = (f64::from(bias) + taken) as f32;
            packed.bias[column] = bias;
            packed.column(&geometry, column, &row);
        }
        Ok(packed)
    }

    fn zeroed(tier: Tier, k: usize, n: usize, codes: Codes) -> Result<Self, TierUnavailable> {
        let width = VECTORS * Geometry::of(tier)?.lanes;
        let (panels, groups) = (n.div_ceil(width), k.div_ceil(GROUP));
        Ok(Self {
            values: AlignedBuffer::zeroed(panels * k.div_ceil(4) * 4 * width),
            starts: AlignedBuffer::zeroed(groups * panels * width),
            scales: AlignedBuffer::zeroed(panels * width),
            bias: AlignedBuffer::zeroed(panels * width),
            multipliers: AlignedBuffer::zeroed(k),
            shifts: AlignedBuffer::zeroed(k),
            codes,
            k,
            n,
            width,
            tier,
        })
    }

    /// Appends everything but the shape, the tier and the range of codes to `to`, for [`GroupedInt8::read`].
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.values);
        to.extend(self.starts.iter().flat_map(|x| x.to_le_bytes()));
        for numbers in [&self.scales, &self.bias, &self.multipliers, &self.shifts] {
            to.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        }
    }

    /// What [`GroupedInt8::write`] wrote for the same shape, tier and range of codes, off the front of `from`; `None`
    /// where that is too short.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier has no kernels for bytes.
    pub fn read(
        tier: Tier,
        [k, n]: [usize; 2],
        codes: Codes,
        from: &mut &[u8],
    ) -> Result<Option<Self>, TierUnavailable> {
        let mut packed = Self::zeroed(tier, k, n, codes)?;
        let mut take = |bytes: usize| {
            let (taken, rest) = from.split_at_checked(bytes)?;
            *from = rest;
            Some(taken)
        };
        let Some(values) = take(packed.values.len()) else { return Ok(None) };
        packed.values.copy_from_slice(values);
        let Some(starts) = take(4 * packed.starts.len()) else { return Ok(None) };
        for (to, four) in packed.starts.iter_mut().zip(starts.as_chunks::<4>().0) {
            *to = i32::from_le_bytes(*four);
        }
        let Self { scales, bias, multipliers, shifts, .. } = &mut packed;
        for numbers in [scales, bias, multipliers, shifts] {
            let Some(bytes) = take(4 * numbers.len()) else { return Ok(None) };
            for (to, four) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *to = f32::from_le_bytes(*four);
            }
        }
        Ok(Some(packed))
    }

    /// Quantises and places one column.
    fn column(&mut self, geometry: &Geometry, column: usize, weights: &[f32]) {
        let (scale, bytes) = quantize_channel(weights);
        self.scales[column] = scale;
        let (panel, lane) = (column / self.width, column % self.width);
        #[expect(clippy::cast_possible_truncation, reason = "128, 0 or -128")]
        let offset = code_offset(self.codes, geometry.left_is_signed) as i32;
        let quads = self.k.div_ceil(4);
        for (group, bytes) in bytes.chunks(GROUP).enumerate() {
            let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
            let panels = self.scales.len() / self.width;
            self.starts[(group * panels + panel) * self.width + lane] = -offset * sum;
            for quad in 0..bytes.len().div_ceil(4) {
                let to =
                    &mut self.values[((panel * quads + group * QUADS + quad) * self.width + lane) * 4..][..4];
                for (to, depth) in to.iter_mut().zip(geometry.depths(quad, bytes.len())) {
                    *to = bytes.get(depth).map_or(0, |byte| byte.cast_unsigned());
                }
            }
        }
    }

    /// Inputs of the layer.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Outputs of the layer.
    #[must_use]
    pub const fn n(&self) -> usize {
        self.n
    }

    /// The tier whose kernels read this arrangement; this CPU has it.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    pub(super) const fn codes(&self) -> Codes {
        self.codes
    }

    pub(super) const fn groups(&self) -> usize {
        self.k.div_ceil(GROUP)
    }

    /// Multipliers and shifts of some depths.
    #[inline(always)]
    pub(super) fn map(&self, depths: Range<usize>) -> (&[f32], &[f32]) {
        (&self.multipliers[depths.clone()], &self.shifts[depths])
    }

    /// The quads of a panel within a group, and what their sums start from.
    #[inline(always)]
    pub(super) fn group(&self, panel: usize, group: usize) -> (&[u8], &[i32]) {
        let quads = self.k.div_ceil(4);
        let (from, to) = (group * QUADS, quads.min((group + 1) * QUADS));
        let panels = self.scales.len() / self.width;
        (
            &self.values[(panel * quads + from) * 4 * self.width..][..(to - from) * 4 * self.width],
            &self.starts[(group * panels + panel) * self.width..][..self.width],
        )
    }

    /// Scales and bias of a panel's columns.
    #[inline(always)]
    pub(super) fn finish(&self, panel: usize) -> (&[f32], &[f32]) {
        let columns = panel * self.width..(panel + 1) * self.width;
        (&self.scales[columns.clone()], &self.bias[columns])
    }
}

/// The scale of a channel and its bytes, -127 to 127.
pub(super) fn quantize_channel(weights: &[f32]) -> (f32, Vec<i8>) {
    let largest = weights.iter().map(|x| x.abs()).fold(0.0, f32::max);
    if largest < SMALLEST_MAGNITUDE {
        return (0.0, vec![0; weights.len()]);
    }
    #[expect(clippy::cast_possible_truncation, reason = "within -127 and 127")]
    let byte = |&x: &f32| (f64::from(x) * f64::from(127.0 / largest)).round_ties_even() as i8;
    (largest / 127.0, weights.iter().map(byte).collect())
}
