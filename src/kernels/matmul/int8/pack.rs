//! The right operand of byte products, rearranged once into the groups of four depths that a dot product takes.

use crate::simd::{DotU8S8, DotU8S8Op, Tier, TierUnavailable, dispatch_u8s8};
use crate::tensor::AlignedBuffer;

use super::super::Layout;
use super::tile::{MAX_DEPTH, VECTORS};

/// Which depths share a quad: the four that one lane of a dot product sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Order {
    /// Neighbours.
    Natural,
    /// Those that come to lie in one lane when vectors of single-precision numbers are narrowed without moving a
    /// number to another lane: in each group of four vectors, the ones at the same place.
    Interleaved,
}

/// A `K x N` matrix of signed bytes in panels of as many columns as a register tile is wide, for one tier's kernels.
///
/// A panel holds its quads one after the other, each as four depths of every column; what is missing of the last
/// panel and the last quad is zero. Beside them stand the sums of each block of the depth of every column, which
/// correct a product whose left bytes have the other sign than the tier's instruction takes.
#[derive(Debug, Clone)]
pub struct PackedBytes {
    values: AlignedBuffer<u8>,
    corrections: AlignedBuffer<i32>,
    k: usize,
    n: usize,
    width: usize,
    tier: Tier,
}

/// What the arrangement depends on.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Geometry {
    /// Columns of a panel.
    pub(in super::super) width: usize,
    /// Numbers of a single-precision vector.
    pub(in super::super) lanes: usize,
    /// What a column's sum is multiplied by to correct for a left operand of the other sign.
    correction: i32,
}

impl Geometry {
    pub(in super::super) fn of(tier: Tier) -> Result<Self, TierUnavailable> {
        struct Ask;
        impl DotU8S8Op for Ask {
            type Output = Geometry;
            #[inline(always)]
            fn eval<S: DotU8S8>(self, _: S) -> Geometry {
                let correction = if S::LEFT_IS_SIGNED { 128 } else { -128 };
                Geometry { width: VECTORS * S::LANES, lanes: S::LANES, correction }
            }
        }
        dispatch_u8s8(tier, Ask)
    }

    /// The depths of a quad; those from `k` on do not exist.
    pub(in super::super) fn depths(&self, order: Order, quad: usize, k: usize) -> [usize; 4] {
        let (first, apart) = match order {
            Order::Natural => (4 * quad, 1),
            Order::Interleaved => {
                let group = quad / self.lanes * self.lanes;
                (4 * group + quad % self.lanes, (k - 4 * group).div_ceil(4).min(self.lanes))
            }
        };
        [first, first + apart, first + 2 * apart, first + 3 * apart]
    }
}

impl PackedBytes {
    /// Packs `values` (`k * n` of them) for the kernels of `tier`.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier has no kernels for bytes.
    ///
    /// # Panics
    /// When `values` is shorter than `k * n`.
    pub fn pack(
        tier: Tier,
        values: &[i8],
        k: usize,
        n: usize,
        layout: Layout,
    ) -> Result<Self, TierUnavailable> {
        let values = &values[..k * n];
        Self::arrange(tier, k, n, Order::Natural, |depth, column| values[layout.index(depth, column, k, n)])
    }

    /// Packs the bytes that `value` gives for each depth and column.
    pub(in super::super) fn arrange(
        tier: Tier,
        k: usize,
        n: usize,
        order: Order,
        value: impl Fn(usize, usize) -> i8,
    ) -> Result<Self, TierUnavailable> {
        let geometry = Geometry::of(tier)?;
        let width = geometry.width;
        let (panels, quads) = (n.div_ceil(width), k.div_ceil(4));
        let mut packed = Self {
            values: AlignedBuffer::zeroed(panels * quads * 4 * width),
            corrections: AlignedBuffer::zeroed(blocks(k) * panels * width),
            k,
            n,
            width,
            tier,
        };
        let block = block_depth(k) / 4;
        for panel in 0..panels {
            for quad in 0..quads {
                let depths = geometry.depths(order, quad, k);
                let to = &mut packed.values[(panel * quads + quad) * 4 * width..][..4 * width];
                let sums = &mut packed.corrections[(quad / block * panels + panel) * width..][..width];
                let columns = panel * width..n.min((panel + 1) * width);
                for ((column, to), sum) in columns.zip(to.as_chunks_mut::<4>().0).zip(sums) {
                    for (to, depth) in to.iter_mut().zip(depths).filter(|(_, depth)| *depth < k) {
                        let value = value(depth, column);
                        *to = value.cast_unsigned();
                        *sum = sum.wrapping_add(geometry.correction * i32::from(value));
                    }
                }
            }
        }
        Ok(packed)
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

    /// The panels' bytes, their width, and what is left without them.
    pub(super) fn into_outline(self) -> (AlignedBuffer<u8>, usize, Self) {
        let Self { values, width, .. } = self;
        (values, width, Self { values: AlignedBuffer::zeroed(0), ..self })
    }

    /// The quads of one panel within the depths `from..from + depth`, a block of [`block_depth`].
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize, from: usize, depth: usize) -> &[u8] {
        let first = panel * self.k.div_ceil(4) + from / 4;
        &self.values[first * 4 * self.width..][..depth.div_ceil(4) * 4 * self.width]
    }

    /// What the products of one panel with left bytes of the other sign lack within the block from depth `from` on.
    #[inline(always)]
    pub(super) fn corrections(&self, panel: usize, from: usize) -> &[i32] {
        let panels = self.n.div_ceil(self.width);
        &self.corrections[(from / block_depth(self.k) * panels + panel) * self.width..][..self.width]
    }
}

/// Blocks of the depth.
const fn blocks(k: usize) -> usize {
    let blocks = k.div_ceil(MAX_DEPTH);
    if blocks == 0 { 1 } else { blocks }
}

/// The depth of each block but the last: of like depth, and whole groups of either [`Order`].
pub(super) const fn block_depth(k: usize) -> usize {
    let depth = k.div_ceil(blocks(k)).next_multiple_of(64);
    if depth == 0 { 64 } else { depth }
}

impl Layout {
    /// Where the element of a depth and a column stands.
    #[inline(always)]
    pub(in super::super) const fn index(self, depth: usize, column: usize, k: usize, n: usize) -> usize {
        match self {
            Self::KxN => depth * n + column,
            Self::NxK => column * k + depth,
        }
    }
}
