//! The right operand, rearranged once so that the kernel reads it from front to back.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};
use crate::sys::Team;
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
        let mut packed = Self::empty(tier)?;
        packed.repack(&Team::single(), values, k, n, layout);
        Ok(packed)
    }

    /// A matrix of no elements, to be packed later.
    ///
    /// # Errors
    /// When this CPU lacks the tier.
    pub fn empty(tier: Tier) -> Result<Self, TierUnavailable> {
        let width = dispatch(tier, TileWidth)?;
        Ok(Self { values: AlignedBuffer::zeroed(0), k: 0, n: 0, width, tier })
    }

    /// Packs another matrix in the place of this one, which allocates only where it takes more memory than any before.
    ///
    /// # Panics
    /// When `values` is shorter than `k * n`.
    pub fn repack(&mut self, team: &Team, values: &[f32], k: usize, n: usize, layout: Layout) {
        let (values, width) = (&values[..k * n], self.width);
        let panel = k * width;
        let needed = n.div_ceil(width) * panel;
        if self.values.len() < needed {
            self.values = AlignedBuffer::zeroed(needed);
        }
        (self.k, self.n) = (k, n);
        let Some(panel) = NonZeroUsize::new(panel) else { return };
        // A thread is woken for no less than some hundred kilobytes.
        let at_once = if needed < PARALLEL_ELEMENTS { n.div_ceil(width).max(1) } else { 1 };
        let chunk = panel.saturating_mul(NonZeroUsize::new(at_once).unwrap_or(NonZeroUsize::MIN));
        team.for_each_chunk(&mut self.values[..needed], chunk, |task, to| {
            for (i, to) in to.chunks_exact_mut(panel.get()).enumerate() {
                let first = (task * at_once + i) * width;
                pack_panel(values, [k, n], layout, first..n.min(first + width), width, to);
            }
        });
    }

    /// The elements as they are arranged.
    #[must_use]
    pub fn arrangement(&self) -> &[f32] {
        &self.values
    }

    /// A matrix whose [`PackedMatrix::arrangement`] `fill` puts in place; `None` where it cannot.
    ///
    /// # Errors
    /// When this CPU lacks the tier.
    pub fn arranged(
        tier: Tier,
        [k, n]: [usize; 2],
        fill: impl FnOnce(&mut [f32]) -> Option<()>,
    ) -> Result<Option<Self>, TierUnavailable> {
        let width = dispatch(tier, TileWidth)?;
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

    /// The tier whose kernels read this arrangement; this CPU has it.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// Columns of a panel.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Rows `from..from + depth` of one panel.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize, from: usize, depth: usize) -> &[f32] {
        &self.values[(panel * self.k + from) * self.width..][..depth * self.width]
    }
}

/// Elements from which packing is spread over threads.
const PARALLEL_ELEMENTS: usize = 1 << 18;

/// Depths that are turned at once: a cache line of each column.
const TURNED: usize = 16;

/// The given columns, filled up with zeroes to `width`.
fn pack_panel(
    values: &[f32],
    [k, n]: [usize; 2],
    layout: Layout,
    columns: Range<usize>,
    width: usize,
    to: &mut [f32],
) {
    match layout {
        Layout::KxN => {
            for (row, to) in to.chunks_exact_mut(width).enumerate() {
                let (to, rest) = to.split_at_mut(columns.len());
                to.copy_from_slice(&values[row * n..][columns.clone()]);
                rest.fill(0.0);
            }
        }
        Layout::NxK => {
            for (block, to) in to.chunks_mut(TURNED * width).enumerate() {
                let from = block * TURNED;
                if columns.len() < width {
                    to.fill(0.0);
                }
                for (i, column) in columns.clone().enumerate() {
                    let depths = &values[column * k..][from..k.min(from + TURNED)];
                    for (to, &value) in to.chunks_exact_mut(width).zip(depths) {
                        to[i] = value;
                    }
                }
            }
        }
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
