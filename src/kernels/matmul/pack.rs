//! The right operand, rearranged once so that the kernel reads it from front to back.

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};
use crate::tensor::AlignedBuffer;

use super::tile::VECTORS;

/// How the elements of the right operand lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `K` rows of `N`: element `(k, n)` at `k * N + n`.
    KxN,
    /// `N` rows of `K`, as the weights of a linear layer are stored: element `(k, n)` at `n * K + k`.
    NxK,
}

/// A `K x N` matrix in panels of as many columns as a register tile is wide; the last panel is filled up with zeroes.
///
/// Element `(k, n)` stands at `panel * K * width + k * width + n % width` with `panel = n / width`.
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    values: AlignedBuffer<f32>,
    k: usize,
    n: usize,
    width: usize,
    tier: Tier,
}

impl PackedMatrix {
    /// Packs `values` (`k * n` of them) for the kernels of `tier`.
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
        let width = dispatch(tier, TileWidth)?;
        let values = &values[..k * n];
        let mut packed = AlignedBuffer::zeroed(n.div_ceil(width) * width * k);
        for (panel, to) in packed.chunks_exact_mut((k * width).max(1)).enumerate() {
            let columns = panel * width..n.min((panel + 1) * width);
            match layout {
                Layout::KxN => {
                    for (row, to) in to.chunks_exact_mut(width).enumerate() {
                        to[..columns.len()].copy_from_slice(&values[row * n..][columns.clone()]);
                    }
                }
                Layout::NxK => {
                    for (i, column) in columns.enumerate() {
                        for (to, &value) in to.chunks_exact_mut(width).zip(&values[column * k..][..k]) {
                            to[i] = value;
                        }
                    }
                }
            }
        }
        Ok(Self { values: packed, k, n, width, tier })
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

    /// The tier whose kernels read this arrangement; this CPU has it.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// Rows `from..from + depth` of one panel.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize, from: usize, depth: usize) -> &[f32] {
        &self.values[(panel * self.k + from) * self.width..][..depth * self.width]
    }
}

/// The width in columns of a register tile.
struct TileWidth;

impl SimdOp for TileWidth {
    type Output = usize;

    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> usize {
        VECTORS * S::LANES
    }
}
