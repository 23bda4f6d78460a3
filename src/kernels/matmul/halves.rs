//! Products by weights kept as sixteen-bit floats (binary16): `C = A B + bias` in single precision.
//!
//! The weights are widened as they are loaded, exactly, and everything else is single precision: half the memory and half
//! the traffic of weights for two conversions a row of B, which a tile's dozen rows share.

use crate::simd::{Simd, Tier, TierUnavailable, dispatch, f16_to_f32, f32_to_f16};
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

use super::ahead::Ahead;
use super::block::{Block, Operand, PackedPanel, Weight};
use super::tile::Panel;
use super::{Epilogue, Layout, OverTeam, PackedMatrix};

/// A `K x N` matrix of sixteen-bit floats in panels of as many columns as a register tile is wide; the last panel is
/// filled up with zeroes.
#[derive(Debug, Clone)]
pub struct PackedF16 {
    values: AlignedBuffer<u16>,
    k: usize,
    n: usize,
    width: usize,
    tier: Tier,
}

impl PackedF16 {
    /// Rounds `values` (`k * n` of them) to sixteen bits and packs them for the kernels of `tier`.
    ///
    /// # Errors
    /// When this CPU lacks the tier.
    ///
    /// # Panics
    /// When `values` is shorter than `k * n`.
    pub fn pack(
        tier: Tier,
        values: &[f32],
        k: usize,
        n: usize,
        layout: Layout,
    ) -> Result<Self, TierUnavailable> {
        let width = PackedMatrix::empty(tier)?.width();
        let values = &values[..k * n];
        let mut packed = AlignedBuffer::zeroed(n.div_ceil(width) * k * width);
        for (panel, to) in packed.chunks_exact_mut((k * width).max(1)).enumerate() {
            for (depth, to) in to.chunks_exact_mut(width).enumerate() {
                for (column, to) in (panel * width..n).zip(to) {
                    *to = f32_to_f16(values[layout.index(depth, column, k, n)]);
                }
            }
        }
        Ok(Self { values: packed, k, n, width, tier })
    }

    /// The elements as they are arranged.
    #[must_use]
    pub fn arrangement(&self) -> &[u16] {
        &self.values
    }

    /// A matrix whose [`PackedF16::arrangement`] `fill` puts in place; `None` where it cannot.
    ///
    /// # Errors
    /// When this CPU lacks the tier.
    pub fn arranged(
        tier: Tier,
        [k, n]: [usize; 2],
        fill: impl FnOnce(&mut [u16]) -> Option<()>,
    ) -> Result<Option<Self>, TierUnavailable> {
        let width = PackedMatrix::empty(tier)?.width();
        let mut values = AlignedBuffer::zeroed(n.div_ceil(width) * k * width);
        Ok(fill(&mut values).map(|()| Self { values, k, n, width, tier }))
    }

    /// Rows.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    #[must_use]
    pub const fn n(&self) -> usize {
        self.n
    }
}

/// `C = A B + bias` with `b` packed before: `a` is `m x b.k()`, `c` is `m x b.n()`, `bias` has `b.n()` elements.
///
/// Rows are spread over the team where the work outweighs waking it.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_f16(team: &Team, a: &[f32], m: usize, b: &PackedF16, bias: Option<&[f32]>, c: &mut [f32]) {
    gemm_f16_with(team, a, m, b, Epilogue::bias(bias), c);
}

/// [`gemm_f16`] with all that an epilogue does: a bias has `b.n()` elements, and rows are finished on the thread that did
/// them.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_f16_with(team: &Team, a: &[f32], m: usize, b: &PackedF16, epilogue: Epilogue<'_>, c: &mut [f32]) {
    let (a, c) = (&a[..m * b.k], &mut c[..m * b.n]);
    let block = Block { epilogue, ..Block::of(a, [m, b.k, b.n], Halves(b)) };
    dispatch(b.tier, OverTeam { team, block, c }).expect("packing tested the tier");
}

/// The plain loop for [`gemm_f16`] without a bias, over `b` (`k x n`) as it lies.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn plain_gemm_f16(a: &[f32], m: usize, k: usize, b: &[u16], n: usize, c: &mut [f32]) {
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0.0);
        for depth in 0..k {
            let a = a[i * k + depth];
            for (c, &b) in row.iter_mut().zip(&b[depth * n..][..n]) {
                *c += a * f16_to_f32(b);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Halves<'a>(&'a PackedF16);

impl Operand for Halves<'_> {
    #[inline(always)]
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize, ahead: Ahead) -> impl Panel {
        let Self(matrix) = self;
        let first = (panel * matrix.k + from) * matrix.width;
        let values = &matrix.values[first..][..depth * matrix.width];
        PackedPanel::new(values, ahead.elements(matrix.width))
    }
}

/// Sixteen-bit floats, by their bits.
impl Weight for u16 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::F32 {
        simd.load_f16(from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference_gemm;
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn products_by_halves_are_those_by_the_rounded_weights_on_every_tier() {
        let mut failures = Vec::new();
        for [m, k, n] in [[0, 3, 2], [1, 1, 1], [3, 17, 33], [13, 64, 32], [25, 600, 70], [2, 0, 5]] {
            let mut rng = Rng::new(3);
            let mut random =
                |count: usize| -> Vec<f32> { (0..count).map(|_| rng.uniform_f32(-1.0, 1.0)).collect() };
            let (a, weights, bias) = (random(m * k), random(k * n), random(n));
            let rounded: Vec<f32> = weights.iter().map(|&x| f16_to_f32(f32_to_f16(x))).collect();
            let reference = reference_gemm(&a, m, k, &rounded, n, Some(&bias));
            for tier in Tier::available().filter(|tier| tier.f32_tier() == *tier) {
                for threads in [1, 2] {
                    let team = Team::new(std::num::NonZeroUsize::new(threads).unwrap()).unwrap();
                    let packed = PackedF16::pack(tier, &weights, k, n, Layout::KxN).unwrap();
                    let mut c = vec![f32::NAN; m * n];
                    gemm_f16(&team, &a, m, &packed, Some(&bias), &mut c);
                    if let Err(wrong) = compare_floats(&c, &reference, 0.0, 1e-6 * (k + 1) as f64) {
                        failures.push(format!("{tier} {m}x{k}x{n} on {threads}: {wrong}"));
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
