//! The loops around the tile: columns in blocks that stay in the second-level cache, rows in tiles.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::simd::{DotU8S8, DotU8S8Op, Tier};
use crate::sys::Team;

use super::super::ahead::is_near;
use super::super::split::rows_per_task;
use super::pack::{PackedBytes, block_depth};
use super::ternary::{PackedTernary, Unpacked};
use super::tile::{Finish, MAX_ROWS, Panel, Place, Rows, VECTORS, Whole, multiply, tile_rows};

/// Bytes of the right operand that one block of columns may take: most of a second-level cache of 1 MiB.
pub(super) const COLUMN_BLOCK_BYTES: usize = 640 << 10;

/// Multiply-adds from which a second thread pays (waking one takes tens of microseconds).
const PARALLEL_WORK: usize = 16 << 20;

/// Tiles of rows up to which two-bit weights become bytes in registers, again for each: that takes an eighth more time
/// than bytes would, and making them once a pass over the block.
const IN_REGISTERS: usize = 4;

thread_local! {
    /// Each thread's copy of the rows of a tile: constant in size, so that the kernels allocate nothing.
    static ROWS: RefCell<Rows> = const { RefCell::new(Rows::new()) };
}

/// Where rows of bytes come from.
pub(in super::super) trait Left: Copy + Send + Sync {
    /// Whether the bytes have the other sign than the tier's instruction takes, and are moved to its range by 128.
    fn is_moved<S: DotU8S8>(&self) -> bool;
    /// Writes the depths of the rows to the first rows of `to`.
    fn fill<S: DotU8S8>(&self, simd: S, rows: Range<usize>, depths: Range<usize>, to: &mut Rows);
}

/// A packed right operand of byte products.
#[derive(Debug, Clone, Copy)]
pub enum ByteMatrix<'a> {
    /// Of signed bytes.
    Bytes(&'a PackedBytes),
    /// Of two bits each.
    Ternary(&'a PackedTernary),
}

impl<'a> From<&'a PackedBytes> for ByteMatrix<'a> {
    fn from(matrix: &'a PackedBytes) -> Self {
        Self::Bytes(matrix)
    }
}

impl<'a> From<&'a PackedTernary> for ByteMatrix<'a> {
    fn from(matrix: &'a PackedTernary) -> Self {
        Self::Ternary(matrix)
    }
}

impl ByteMatrix<'_> {
    /// Rows and columns.
    #[must_use]
    pub const fn shape(self) -> [usize; 2] {
        match self {
            Self::Bytes(b) => [b.k(), b.n()],
            Self::Ternary(b) => [b.k(), b.n()],
        }
    }

    /// The tier whose kernels read this arrangement; this CPU has it.
    #[must_use]
    pub const fn tier(self) -> Tier {
        match self {
            Self::Bytes(b) => b.tier(),
            Self::Ternary(b) => b.tier(),
        }
    }
}

/// Where the panels of the right operand come from.
pub(super) trait Right {
    /// What the tile reads.
    type Panel<'a>: Panel
    where
        Self: 'a;
    /// Before panels are asked for within the depths `from..from + depth`, a block of [`block_depth`].
    #[inline(always)]
    fn prepare<S: DotU8S8>(&mut self, simd: S, panels: Range<usize>, from: usize, depth: usize) {
        let _ = (simd, panels, from, depth);
    }
    /// One panel within these depths.
    fn panel(&self, panel: usize, from: usize, depth: usize) -> Self::Panel<'_>;
    /// What the products of one panel with left bytes of the other sign lack within the block from depth `from` on.
    fn corrections(&self, panel: usize, from: usize) -> &[i32];
}

impl Right for &PackedBytes {
    type Panel<'a>
        = Whole<'a>
    where
        Self: 'a;
    #[inline(always)]
    fn panel(&self, panel: usize, from: usize, depth: usize) -> Whole<'_> {
        Whole((**self).panel(panel, from, depth))
    }
    #[inline(always)]
    fn corrections(&self, panel: usize, from: usize) -> &[i32] {
        (**self).corrections(panel, from)
    }
}

/// `C = A B` over a team, finished element by element: `a` has `m` rows.
pub(in super::super) struct Product<'a, L, F: Finish> {
    pub(in super::super) team: &'a Team,
    pub(in super::super) a: L,
    pub(in super::super) m: usize,
    pub(in super::super) b: ByteMatrix<'a>,
    pub(in super::super) finish: F,
    /// `m` rows, as long as those of B.
    pub(in super::super) c: &'a mut [F::Element],
}

impl<L: Left, F: Finish> DotU8S8Op for Product<'_, L, F> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        let Self { team, a, m, b, finish, c } = self;
        let shape @ [k, n] = b.shape();
        let most = tile_rows(S::TIER);
        let rows = rows_per_task(team.threads(), [m, k, n], PARALLEL_WORK, most);
        let Some(elements) = NonZeroUsize::new(rows * n) else { return };
        team.for_each_chunk(c, elements, |task, c| {
            let rows = task * rows..task * rows + c.len() / n;
            // The body enters the tier itself: what is written inside a closure is compiled without its features.
            ROWS.with_borrow_mut(|copy| match b {
                ByteMatrix::Bytes(right) => {
                    simd.run_bytes(Block { a, rows, shape, right, finish, c, copy });
                }
                ByteMatrix::Ternary(right) if rows.len() <= IN_REGISTERS * most => {
                    simd.run_bytes(Block { a, rows, shape, right, finish, c, copy });
                }
                ByteMatrix::Ternary(matrix) => Unpacked::with(matrix, |right| {
                    simd.run_bytes(Block { a, rows, shape, right, finish, c, copy });
                }),
            });
        });
    }
}

/// Some rows of the product, on one thread.
struct Block<'a, L, R, F: Finish> {
    a: L,
    rows: Range<usize>,
    /// Rows and columns of the right operand.
    shape: [usize; 2],
    right: R,
    finish: F,
    /// The rows of C.
    c: &'a mut [F::Element],
    copy: &'a mut Rows,
}

impl<L: Left, R: Right, F: Finish> DotU8S8Op for Block<'_, L, R, F> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        let Self { a, rows, shape: [k, n], mut right, finish, c, copy } = self;
        let width = VECTORS * S::LANES;
        let (panels, near) = (n.div_ceil(width), is_near(c.len()));
        let most = tile_rows(S::TIER).min(MAX_ROWS);
        let tiles = rows.len().div_ceil(most).max(1);
        let depth_block = block_depth(k);
        // Blocks of like width: each fills the rows of A again, which a last block of two panels would not repay.
        let at_once = (COLUMN_BLOCK_BYTES / (depth_block.min(k.max(1)) * width)).max(1);
        let at_once = panels.div_ceil(panels.div_ceil(at_once).max(1)).max(1);
        for first_panel in (0..panels).step_by(at_once) {
            // At least once, so that an empty depth still writes C.
            for from in (0..k.max(1)).step_by(depth_block) {
                let depth = depth_block.min(k - from);
                let panels = first_panel..panels.min(first_panel + at_once);
                right.prepare(simd, panels.clone(), from, depth);
                for tile in 0..tiles {
                    // Tiles of like height: a last one of two rows would run at a fraction of the speed.
                    let top = tile * rows.len() / tiles;
                    let height = (tile + 1) * rows.len() / tiles - top;
                    let absolute = rows.start + top;
                    a.fill(simd, absolute..absolute + height, from..from + depth, copy);
                    for panel in panels.clone() {
                        let column = panel * width;
                        let start = a.is_moved::<S>().then(|| right.corrections(panel, from));
                        let place = Place {
                            c: &mut c[top * n + column..],
                            stride: n,
                            column,
                            width: width.min(n - column),
                            first: from == 0,
                            near,
                        };
                        multiply(simd, height, copy, right.panel(panel, from, depth), start, &finish, place);
                    }
                }
            }
        }
    }
}
