//! What is fetched while something else is computed.

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
