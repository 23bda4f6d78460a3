//! The loops around the tile: rows in blocks that stay in the second-level cache, the depth in blocks of which a panel of
//! columns stays next to the core, tiles along the rows; the next panel is fetched meanwhile.

use std::ops::Range;

use crate::simd::{Simd, SimdOp};

use super::PackedMatrix;
use super::ahead::{Ahead, is_near};
use super::epilogue::Epilogue;
use super::tile::{Panel, Rows, Start, Target, VECTORS, load_row, load_whole, multiply, tile_rows};

/// The longest block of the depth: a panel of it, 64 KiB, is read from the caches next to the core by one tile after the
/// other.
const MAX_DEPTH: usize = 512;

/// Tiles that one panel serves before the next: their rows, 192 of at most [`MAX_DEPTH`], are 384 KiB and stay in the
/// second-level cache.
const MOST_TILES: usize = 16;

/// Where panels of the right operand come from.
pub(super) trait Operand: Copy {
    /// Columns `panel * width..` of rows `from..from + depth`; those that do not exist may hold anything. What lies
    /// `ahead` of them is asked for meanwhile, where the operand's rows follow each other in memory.
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize, ahead: Ahead) -> impl Panel;
}

/// A packed right operand.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a>(pub(super) &'a PackedMatrix);

impl Operand for Packed<'_> {
    #[inline(always)]
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize, ahead: Ahead) -> impl Panel {
        PackedPanel::new(self.0.panel(panel, from, depth), ahead.elements(VECTORS * S::LANES))
    }
}

/// Panels of so many rows each, one after the other.
#[derive(Clone, Copy)]
pub(super) struct PanelsOf<'a> {
    pub(super) values: &'a [f32],
    pub(super) depth: usize,
}

impl Operand for PanelsOf<'_> {
    #[inline(always)]
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize, _: Ahead) -> impl Panel {
        // The last step left it near: nothing is asked for.
        let width = VECTORS * S::LANES;
        PackedPanel::new(&self.values[(panel * self.depth + from) * width..][..depth * width], (0, 0))
    }
}

/// A type that packed weights are kept in.
pub(in crate::kernels) trait Weight: Copy {
    /// The first vector of `from`, in single precision.
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::F32;
}

impl Weight for f32 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::F32 {
        simd.load(from)
    }
}

/// A block of the depth of a packed panel: rows as wide as a tile.
pub(in crate::kernels) struct PackedPanel<'a, T> {
    values: &'a [T],
    /// Elements from what is read to what is asked for.
    ahead: isize,
    /// What is added to that from row to row.
    step: isize,
}

impl<'a, T> PackedPanel<'a, T> {
    #[inline(always)]
    pub(in crate::kernels) const fn new(values: &'a [T], (ahead, step): (isize, isize)) -> Self {
        Self { values, ahead, step }
    }
}

impl<T: Weight> Panel for PackedPanel<'_, T> {
    const ENDS_EARLY: bool = false;

    #[inline(always)]
    fn depth<S: Simd>(&self) -> usize {
        self.values.len() / (VECTORS * S::LANES)
    }
    #[inline(always)]
    fn next<S: Simd, const WIDE: usize>(&mut self, simd: S) -> Option<[S::F32; WIDE]> {
        let (row, rest) = self.values.split_at_checked(VECTORS * S::LANES)?;
        simd.prefetch_to_second_level(row, self.ahead);
        self.ahead = self.ahead.wrapping_add(self.step);
        self.values = rest;
        let mut vectors = [simd.zero(); WIDE];
        for (i, vector) in vectors.iter_mut().enumerate() {
            *vector = T::load(simd, &row[i * S::LANES..]);
        }
        Some(vectors)
    }
    #[inline(always)]
    fn next_padded<S: Simd, const WIDE: usize>(&mut self, simd: S) -> [S::F32; WIDE] {
        [simd.zero(); WIDE]
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
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize, _: Ahead) -> impl Panel {
        let first = from * self.columns + panel * VECTORS * S::LANES;
        StridedPanel { values: self.values.get(first..).unwrap_or_default(), columns: self.columns, depth }
    }
}

/// Where a row has fewer columns left than a vector, the vector goes on with the next row: lanes do not mix, and those
/// are not stored. Only the last rows have nothing to go on with.
pub(in crate::kernels) struct StridedPanel<'a> {
    /// From the first of the panel's columns on.
    pub(in crate::kernels) values: &'a [f32],
    /// Elements of a whole row.
    pub(in crate::kernels) columns: usize,
    /// Rows.
    pub(in crate::kernels) depth: usize,
}

impl Panel for StridedPanel<'_> {
    const ENDS_EARLY: bool = true;

    #[inline(always)]
    fn depth<S: Simd>(&self) -> usize {
        self.depth
    }
    #[inline(always)]
    fn next<S: Simd, const WIDE: usize>(&mut self, simd: S) -> Option<[S::F32; WIDE]> {
        let row = self.values.get(..WIDE * S::LANES)?;
        self.values = self.values.get(self.columns..).unwrap_or_default();
        Some(load_whole(simd, row))
    }
    #[inline(always)]
    fn next_padded<S: Simd, const WIDE: usize>(&mut self, simd: S) -> [S::F32; WIDE] {
        let row = load_row(simd, self.values);
        self.values = self.values.get(self.columns..).unwrap_or_default();
        row
    }
}

/// `c = a b` for some rows, and what becomes of them, on one thread.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, B> {
    /// The rows of A, `depth` elements each.
    pub(super) a: &'a [f32],
    /// How many there are.
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) b: B,
    pub(super) epilogue: Epilogue<'a>,
    /// Elements of a row of C.
    pub(super) columns: usize,
    /// What the sums of each row begin with, where it is not nothing; then the epilogue has no bias.
    pub(super) row_bias: Option<&'a [f32]>,
    /// Whether the caches next to the core hold C: then nothing of it is asked for.
    pub(super) near: bool,
}

impl<'a, B> Block<'a, B> {
    /// `c = a b` of the shape `[m, k, n]`, and nothing else.
    #[inline(always)]
    pub(super) fn of(a: &'a [f32], [m, k, n]: [usize; 3], b: B) -> Self {
        Self {
            a,
            rows: m,
            depth: k,
            b,
            epilogue: Epilogue::default(),
            columns: n,
            row_bias: None,
            near: is_near(m * n),
        }
    }
}

impl<B: Copy> Block<'_, B> {
    /// Some of its rows.
    #[inline(always)]
    pub(super) fn some(&self, first: usize, rows: usize) -> Self {
        Self {
            a: &self.a[first * self.depth..],
            rows,
            epilogue: self.epilogue.beginning_at(first),
            row_bias: self.row_bias.map(|bias| &bias[first..]),
            ..*self
        }
    }
}

/// A block with the rows of C that it writes, `columns` elements each.
pub(super) struct Task<'a, B> {
    pub(super) block: Block<'a, B>,
    pub(super) c: &'a mut [f32],
}

impl<B: Operand> SimdOp for Task<'_, B> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { block, c } = self;
        let most = tile_rows(S::TIER, block.vectors::<S>());
        // A division takes as long as a tile of a small product.
        let blocks = if block.rows <= MOST_TILES * most { 1 } else { block.rows.div_ceil(MOST_TILES * most) };
        let mut first = 0;
        for left in (0..blocks).rev() {
            // Of like height.
            let rows = if left == 0 { block.rows - first } else { (block.rows - first) / (left + 1) };
            let c = &mut c[first * block.columns..][..rows * block.columns];
            let some = block.some(first, rows);
            some.multiply(simd, left > 0, c);
            if let Some(finish) = some.epilogue.finish {
                finish.rows(c);
            }
            first += rows;
        }
    }
}

impl<B: Operand> Block<'_, B> {
    /// All columns of the rows, which are few enough; `again`: B is needed once more after that.
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, again: bool, c: &mut [f32]) {
        let panels = self.columns.div_ceil(VECTORS * S::LANES);
        // Blocks of like depth, whole vectors long, and at least one, so that an empty depth still writes C.
        let blocks = self.depth.div_ceil(MAX_DEPTH).max(1);
        let depth = if blocks == 1 { self.depth } else { self.depth.div_ceil(blocks) };
        let depth = depth.next_multiple_of(16).max(1);
        let tiles = Tiles::new(self.rows, tile_rows(S::TIER, self.vectors::<S>()));
        for from in (0..self.depth.max(1)).step_by(depth) {
            let depths = from..self.depth.min(from + depth);
            for panel in 0..panels {
                // Where the panel of the next turn lies, in rows of panels from this one.
                let next = if panel + 1 < panels {
                    self.depth.cast_signed()
                } else if depths.end < self.depth {
                    depth.cast_signed() - (panel * self.depth).cast_signed()
                } else if again {
                    -(panel * self.depth + from).cast_signed()
                } else {
                    0
                };
                self.column_of_tiles(simd, tiles, panel, depths.clone(), next, c);
            }
        }
    }

    /// One tile below the other along the rows.
    #[inline(always)]
    fn column_of_tiles<S: Simd>(
        &self,
        simd: S,
        mut tiles: Tiles,
        panel: usize,
        depths: Range<usize>,
        next: isize,
        c: &mut [f32],
    ) {
        let width = VECTORS * S::LANES;
        let column = panel * width;
        let tile_width = width.min(self.columns - column);
        let start = |rows: &Range<usize>| match (self.epilogue.bias, self.row_bias) {
            _ if depths.start > 0 => Start::Sum,
            (Some(bias), _) => Start::Bias(&bias[column..][..tile_width]),
            (None, Some(bias)) => Start::RowBias(&bias[rows.start..]),
            (None, None) => Start::Zero,
        };
        let shares = tiles.left;
        while let Some(rows) = tiles.next() {
            let values = &self.a[(rows.start * self.depth + depths.start).min(self.a.len())..];
            let a = Rows { values, stride: self.depth, count: rows.len() };
            let c = &mut c[rows.start * self.columns + column..];
            let mut target = Target { c, stride: self.columns, width: tile_width, near: self.near };
            let ahead = Ahead::new(next, depths.len(), shares - 1 - tiles.left, shares);
            let b = self.b.panel::<S>(panel, depths.start, depths.len(), ahead);
            multiply(simd, a, b, start(&rows), &mut target);
        }
    }

    /// Vectors of the widest tile.
    #[inline(always)]
    fn vectors<S: Simd>(&self) -> usize {
        if self.columns <= S::LANES { 1 } else { VECTORS }
    }
}

/// The rows of each tile in turn. Tiles are of like height: a last one of two rows would run at a fraction of the speed.
#[derive(Clone, Copy)]
struct Tiles {
    start: usize,
    height: usize,
    /// Tiles that are a row higher.
    higher: usize,
    /// Tiles to come.
    left: usize,
    rows: usize,
}

impl Tiles {
    #[inline(always)]
    fn new(rows: usize, most: usize) -> Self {
        // A division takes as long as a tile of a small product.
        let (height, higher, left) = if rows <= most {
            (rows, 0, 1)
        } else {
            let tiles = rows.div_ceil(most);
            (rows / tiles, rows % tiles, tiles)
        };
        Self { start: 0, height, higher, left, rows }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        if self.start >= self.rows {
            return None;
        }
        let start = self.start;
        self.start += self.height + usize::from(self.higher > 0);
        self.higher = self.higher.saturating_sub(1);
        self.left = self.left.saturating_sub(1);
        Some(start..self.start.min(self.rows))
    }
}
