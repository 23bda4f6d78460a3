//! The loops around the tile: columns in blocks that stay in the second-level cache, the depth in blocks that stay in
//! the first, rows in tiles.

use std::ops::Range;

use crate::simd::{Simd, SimdOp};

use super::PackedMatrix;
use super::tile::{Panel, Rows, Start, Target, VECTORS, load_row, load_whole, multiply, tile_rows};

/// Bytes of the right operand that one block of columns and depth may take: most of a second-level cache of 1 MiB.
const COLUMN_BLOCK_BYTES: usize = 640 << 10;

/// The longest block of the depth: a tile's 12 rows of it are 24 KiB, which stay in the first-level cache while panels
/// of the right operand stream past.
const MAX_DEPTH: usize = 512;

/// Where panels of the right operand come from.
pub(super) trait Operand: Copy {
    /// Columns `panel * width..` of rows `from..from + depth`; those that do not exist may hold anything.
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Panel;
}

/// A packed right operand.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a>(pub(super) &'a PackedMatrix);

impl Operand for Packed<'_> {
    #[inline(always)]
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Panel {
        PackedPanel(self.0.panel(panel, from, depth))
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
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Panel {
        let width = VECTORS * S::LANES;
        PackedPanel(&self.values[(panel * self.depth + from) * width..][..depth * width])
    }
}

/// An operand of a product whose C is near: in a cache, as the last step left it.
#[derive(Clone, Copy)]
pub(super) struct Near<B>(pub(super) B);

struct NearPanel<P>(P);

impl<B: Operand> Operand for Near<B> {
    #[inline(always)]
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Panel {
        NearPanel(self.0.panel::<S>(panel, from, depth))
    }
}

impl<P: Panel> Panel for NearPanel<P> {
    const ENDS_EARLY: bool = P::ENDS_EARLY;
    const FETCHES_C: bool = false;

    #[inline(always)]
    fn depth<S: Simd>(&self) -> usize {
        self.0.depth::<S>()
    }
    #[inline(always)]
    fn next<S: Simd, const WIDE: usize>(&mut self, simd: S) -> Option<[S::F32; WIDE]> {
        self.0.next(simd)
    }
    #[inline(always)]
    fn next_padded<S: Simd, const WIDE: usize>(&mut self, simd: S) -> [S::F32; WIDE] {
        self.0.next_padded(simd)
    }
}

/// A type that packed weights are kept in.
pub(super) trait Weight: Copy {
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
pub(super) struct PackedPanel<'a, T>(pub(super) &'a [T]);

impl<T: Weight> Panel for PackedPanel<'_, T> {
    const ENDS_EARLY: bool = false;

    #[inline(always)]
    fn depth<S: Simd>(&self) -> usize {
        self.0.len() / (VECTORS * S::LANES)
    }
    #[inline(always)]
    fn next<S: Simd, const WIDE: usize>(&mut self, simd: S) -> Option<[S::F32; WIDE]> {
        let (row, rest) = self.0.split_at_checked(VECTORS * S::LANES)?;
        self.0 = rest;
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
    fn panel<S: Simd>(&self, panel: usize, from: usize, depth: usize) -> impl Panel {
        let first = from * self.columns + panel * VECTORS * S::LANES;
        StridedPanel { values: self.values.get(first..).unwrap_or_default(), columns: self.columns, depth }
    }
}

/// Where a row has fewer columns left than a vector, the vector goes on with the next row: lanes do not mix, and those
/// are not stored. Only the last rows have nothing to go on with.
struct StridedPanel<'a> {
    values: &'a [f32],
    columns: usize,
    depth: usize,
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

/// `c = a b + bias` for some rows, on one thread.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, B> {
    /// The rows of A, `depth` elements each.
    pub(super) a: &'a [f32],
    /// How many there are.
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) b: B,
    /// One number a column.
    pub(super) bias: Option<&'a [f32]>,
    /// Elements of a row of C.
    pub(super) columns: usize,
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
        let panels = block.columns.div_ceil(VECTORS * S::LANES);
        // Blocks of like depth, whole vectors long, and at least one, so that an empty depth still writes C.
        let blocks = block.depth.div_ceil(MAX_DEPTH).max(1);
        let depth = if blocks == 1 { block.depth } else { block.depth.div_ceil(blocks) };
        let depth = depth.next_multiple_of(16).max(1);
        let panel_bytes = depth * VECTORS * S::LANES * size_of::<f32>();
        let panels_at_once = if panels * panel_bytes <= COLUMN_BLOCK_BYTES {
            panels.max(1)
        } else {
            // Of like width: each walks over A again.
            panels.div_ceil((panels * panel_bytes).div_ceil(COLUMN_BLOCK_BYTES))
        };
        for first in (0..panels).step_by(panels_at_once) {
            let panels = first..panels.min(first + panels_at_once);
            for from in (0..block.depth.max(1)).step_by(depth) {
                block.multiply(simd, panels.clone(), from..block.depth.min(from + depth), c);
            }
        }
    }
}

impl<B: Operand> Block<'_, B> {
    /// All rows of the given panels of columns, over a block of the depth.
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, panels: Range<usize>, depths: Range<usize>, c: &mut [f32]) {
        let mut tiles = Tiles::new(self.rows, tile_rows(S::TIER, self.vectors::<S>()));
        while let Some(rows) = tiles.next() {
            let values = &self.a[(rows.start * self.depth + depths.start).min(self.a.len())..];
            let a = Rows { values, stride: self.depth, count: rows.len() };
            let c = &mut c[rows.start * self.columns..];
            self.row_of_tiles(simd, a, panels.clone(), depths.clone(), c);
        }
    }

    /// Vectors of the widest tile.
    #[inline(always)]
    fn vectors<S: Simd>(&self) -> usize {
        if self.columns <= S::LANES { 1 } else { VECTORS }
    }

    /// One tile after the other along the columns; `c` begins with the first of their rows.
    #[inline(always)]
    fn row_of_tiles<S: Simd>(
        &self,
        simd: S,
        a: Rows<'_>,
        panels: Range<usize>,
        depths: Range<usize>,
        c: &mut [f32],
    ) {
        let width = VECTORS * S::LANES;
        for panel in panels {
            let column = panel * width;
            let tile_width = width.min(self.columns - column);
            let start = match self.bias {
                _ if depths.start > 0 => Start::Sum,
                Some(bias) => Start::Bias(&bias[column..][..tile_width]),
                None => Start::Zero,
            };
            let mut target = Target { c: &mut c[column..], stride: self.columns, width: tile_width };
            let b = self.b.panel::<S>(panel, depths.start, depths.len());
            multiply(simd, a, b, start, &mut target);
        }
    }
}

/// The rows of each tile in turn. Tiles are of like height: a last one of two rows would run at a fraction of the speed.
struct Tiles {
    start: usize,
    height: usize,
    /// Tiles that are a row higher.
    higher: usize,
    rows: usize,
}

impl Tiles {
    #[inline(always)]
    fn new(rows: usize, most: usize) -> Self {
        // A division takes as long as a tile of a small product.
        let (height, higher) = if rows <= most {
            (rows, 0)
        } else {
            let tiles = rows.div_ceil(most);
            (rows / tiles, rows % tiles)
        };
        Self { start: 0, height, higher, rows }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        if self.start >= self.rows {
            return None;
        }
        let start = self.start;
        self.start += self.height + usize::from(self.higher > 0);
        self.higher = self.higher.saturating_sub(1);
        Some(start..self.start.min(self.rows))
    }
}
