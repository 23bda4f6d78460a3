//! What is fetched while something else is computed.

use crate::simd::Simd;

use super::tile::VECTORS;

/// An output of at most so many elements is near: asking for its lines, two a row of every tile, takes longer than they do
/// (4 % of a product of 128 x 128 x 128, 2 % at 256).
const NEAR_ELEMENTS: usize = 1 << 16;

/// Whether the caches next to the core hold an output of so many elements.
pub(in crate::kernels) const fn is_near(elements: usize) -> bool {
    elements <= NEAR_ELEMENTS
}

/// Asks for the lines of a tile of an output, which are needed when its depth is done.
#[inline(always)]
pub(in crate::kernels) fn fetch_tile<S: Simd, T, const ROWS: usize>(simd: S, c: &[T], stride: usize) {
    for row in 0..ROWS {
        let row = c.get(row * stride..).unwrap_or_default();
        for vector in 0..VECTORS {
            simd.prefetch(row.get(vector * S::LANES..).unwrap_or_default());
        }
    }
}

/// What a tile asks for while it reads a panel, so that its weights are near when their turn comes: the bandwidth of the
/// memory that they come from would lie idle while tiles are computed from near memory. The tiles of a panel ask for a
/// share each, evenly in time: as fast as the first could ask for all of it, no memory answers.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Ahead {
    /// Rows of panels from the first that is read to the first of those that are needed next; 0 for none.
    rows: isize,
    /// How many are needed next.
    depth: usize,
    /// Which share of them this tile asks for,
    share: usize,
    /// of so many.
    shares: usize,
}

impl Ahead {
    /// What lies `rows` rows of panels from where the tile begins: of `depth` rows the share `share` of `shares`.
    #[inline(always)]
    pub(in crate::kernels) const fn new(rows: isize, depth: usize, share: usize, shares: usize) -> Self {
        Self { rows, depth, share, shares }
    }

    /// From what is read first to what is asked for first, in elements of panels so wide, and what is added to that from
    /// row to row.
    #[inline(always)]
    pub(in crate::kernels) const fn elements(self, width: usize) -> (isize, isize) {
        if self.rows == 0 {
            return (0, 0);
        }
        // Of a share only the whole elements: what is left out at its end, the system's own fetching ahead brings.
        let step = width / self.shares;
        let start = self.rows * width.cast_signed() + (self.depth * step * self.share).cast_signed();
        (start, step.cast_signed() - width.cast_signed())
    }
}
