//! The loops around the tile: columns in blocks that stay in the second-level cache, the depth in blocks that stay in
//! the first, rows in tiles.

use std::cell::RefCell;

use crate::simd::{Simd, SimdOp, Tier};

use super::PackedMatrix;
use super::tile::{
    Columns, MAX_DEPTH, MAX_ROWS, Rows, Start, Target, VECTORS, load_row, multiply, tile_rows,
};

/// Bytes of the right operand that one block of columns and depth may take: most of a second-level cache of 1 MiB.
const COLUMN_BLOCK_BYTES: usize = 640 << 10;

/// Rows of C whose tiles share one walk over the right operand.
const ROW_BLOCK: usize = 16 * MAX_ROWS;

/// Multiply-adds below which a second thread costs more than it brings (waking one takes tens of microseconds).
const PARALLEL_WORK: usize = 8 << 20;

thread_local! {
    /// Each thread's copy of the rows of a tile: constant in size, so that the kernels allocate nothing.
    static ROWS: RefCell<Rows> = const { RefCell::new(Rows([[0.0; MAX_DEPTH]; MAX_ROWS])) };
}

/// Lends the calling thread's copy. The body must enter its tier itself: what is written inside a closure is compiled
/// as part of this function, which has no target features.
pub(super) fn with_rows<T>(body: impl FnOnce(&mut Rows) -> T) -> T {
    ROWS.with_borrow_mut(body)
}

/// Rows of C in each task of a team: all of them where threads would not pay.
pub(super) fn rows_per_task(tier: Tier, threads: usize, m: usize, k: usize, n: usize) -> usize {
    let work = m.saturating_mul(k).saturating_mul(n);
    if threads == 1 || work < PARALLEL_WORK {
        return m;
    }
    // A few tasks a thread let a thread that was held up do fewer; below four tiles each the walks over B add up.
    let tasks_per_thread = (m / (threads * 4 * tile_rows(tier))).clamp(1, 4);
    m.div_ceil(threads * tasks_per_thread)
}

/// Where blocks of the right operand come from.
pub(super) trait Operand: Copy {
    /// Columns `panel * width..` of rows `from..from + depth`.
    fn columns<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Columns;
}

/// A packed right operand.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a>(pub(super) &'a PackedMatrix);

impl Operand for Packed<'_> {
    #[inline(always)]
    fn columns<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Columns {
        PackedColumns(self.0.panel(panel, from, depth))
    }
}

struct PackedColumns<'a>(&'a [f32]);

impl Columns for PackedColumns<'_> {
    #[inline(always)]
    fn depth<S: Simd>(&self) -> usize {
        self.0.len() / (VECTORS * S::LANES)
    }
    #[inline(always)]
    fn vectors<S: Simd>(&self, simd: S, depth: usize) -> [S::F32; VECTORS] {
        let b = &self.0[depth * VECTORS * S::LANES..][..VECTORS * S::LANES];
        [simd.load(b), simd.load(&b[S::LANES..])]
    }
}

/// A right operand as it lies: rows of `columns` elements.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) values: &'a [f32],
    pub(super) columns: usize,
}

impl Operand for Strided<'_> {
    #[inline(always)]
    fn columns<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Columns {
        let column = panel * VECTORS * S::LANES;
        let width = (VECTORS * S::LANES).min(self.columns - column);
        StridedColumns { values: self.values, columns: self.columns, column, width, from, depth }
    }
}

struct StridedColumns<'a> {
    values: &'a [f32],
    columns: usize,
    column: usize,
    width: usize,
    from: usize,
    depth: usize,
}

impl Columns for StridedColumns<'_> {
    #[inline(always)]
    fn depth<S: Simd>(&self) -> usize {
        self.depth
    }
    #[inline(always)]
    fn vectors<S: Simd>(&self, simd: S, depth: usize) -> [S::F32; VECTORS] {
        load_row(simd, &self.values[(self.from + depth) * self.columns + self.column..][..self.width])
    }
}

/// `c = a b + bias` for some rows, on one thread.
pub(super) struct Block<'a, B> {
    /// The rows of A, `depth` elements each.
    pub(super) a: &'a [f32],
    pub(super) depth: usize,
    pub(super) b: B,
    /// One number a column.
    pub(super) bias: Option<&'a [f32]>,
    /// The rows of C, `columns` elements each.
    pub(super) c: &'a mut [f32],
    pub(super) columns: usize,
    /// Room for the rows of a tile.
    pub(super) rows: &'a mut Rows,
}

impl<B: Operand> SimdOp for Block<'_, B> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let width = VECTORS * S::LANES;
        let panels = self.columns.div_ceil(width);
        // Blocks of like width: each copies the rows of A again, which a last block of two panels would not repay.
        let most = (COLUMN_BLOCK_BYTES / (MAX_DEPTH * width * size_of::<f32>())).max(1);
        let panels_at_once = panels.div_ceil(panels.div_ceil(most).max(1)).max(1);
        for (block, c) in self.c.chunks_mut((ROW_BLOCK * self.columns).max(1)).enumerate() {
            let a = &self.a[block * ROW_BLOCK * self.depth..];
            for first in (0..panels).step_by(panels_at_once) {
                let panels = first..panels.min(first + panels_at_once);
                let part = Part { a, depth: self.depth, b: self.b, bias: self.bias, columns: self.columns };
                part.multiply(simd, panels, self.rows, c);
            }
        }
    }
}

/// What every tile of a block of rows shares.
struct Part<'a, B> {
    a: &'a [f32],
    depth: usize,
    b: B,
    bias: Option<&'a [f32]>,
    columns: usize,
}

impl<B: Operand> Part<'_, B> {
    /// All depths and rows of the given panels of columns.
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, panels: std::ops::Range<usize>, copy: &mut Rows, c: &mut [f32]) {
        let width = VECTORS * S::LANES;
        let m = c.len() / self.columns.max(1);
        // Blocks of like depth, whole vectors long, and at least one, so that an empty depth still writes C.
        let blocks = self.depth.div_ceil(MAX_DEPTH).max(1);
        let block = self.depth.div_ceil(blocks).next_multiple_of(16).max(1);
        let tiles = m.div_ceil(tile_rows(S::TIER)).max(1);
        for from in (0..self.depth.max(1)).step_by(block) {
            let depth = block.min(self.depth - from);
            for tile in 0..tiles {
                // Tiles of like height: a last one of two rows would run at a fraction of the speed.
                let top = tile * m / tiles;
                let rows = (tile + 1) * m / tiles - top;
                copy_rows(simd, &self.a[top * self.depth + from..], self.depth, depth, &mut copy.0[..rows]);
                for panel in panels.clone() {
                    let column = panel * width;
                    let tile_width = width.min(self.columns - column);
                    let start = match self.bias {
                        _ if from > 0 => Start::Sum,
                        Some(bias) => Start::Bias(&bias[column..][..tile_width]),
                        None => Start::Zero,
                    };
                    let c = &mut c[top * self.columns + column..];
                    let mut target = Target { c, stride: self.columns, width: tile_width };
                    multiply(simd, rows, copy, &self.b.columns::<S>(panel, from, depth), start, &mut target);
                }
            }
        }
    }
}

/// Copies `depth` elements of each row, `stride` apart. Not `copy_from_slice`: a call for each short row shows.
#[inline(always)]
fn copy_rows<S: Simd>(simd: S, a: &[f32], stride: usize, depth: usize, to: &mut [[f32; MAX_DEPTH]]) {
    for (row, to) in to.iter_mut().enumerate() {
        let from = &a[row * stride..][..depth];
        let whole = depth / S::LANES * S::LANES;
        let vectors = from.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES));
        for (from, to) in vectors {
            simd.store(simd.load(from), to);
        }
        let rest = simd.load_partial(&from[whole..]);
        simd.store_partial(rest, &mut to[whole..depth]);
    }
}
