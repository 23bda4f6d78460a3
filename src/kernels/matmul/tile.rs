//! The register tile: a few rows of C, one or two vectors wide, kept in registers over one block of the depth.

use super::ahead::fetch_tile;
use crate::simd::{Columns, RowsMut, Simd, SimdOp, Tier};

/// Vectors of a panel's row: the widest tile.
pub(in crate::kernels) const VECTORS: usize = 2;

/// A C that is not near is needed when the depth is done: where that is some hundred cycles away, its lines are asked for
/// before.
const FETCHES_C_FROM: usize = 48;

/// Rows of a tile so many vectors wide: the accumulators, one row of `B` and two broadcasts fit the registers (32 with
/// AVX-512 and NEON, 16 otherwise, where the baseline also needs one for the product), and with AVX-512 the addresses of
/// the rows the others. A narrow tile has more rows, up to where each of its loads serves too little arithmetic.
pub(in crate::kernels) const fn tile_rows(tier: Tier, vectors: usize) -> usize {
    match (tier.f32_tier(), vectors) {
        (Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16, 1) => 16,
        (Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16, _) => 12,
        (Tier::Neon | Tier::NeonDotprod, 1) => 16,
        (Tier::Neon | Tier::NeonDotprod, _) => 12,
        (Tier::Avx2, 1) => 12,
        (Tier::Avx2, _) => 6,
        (Tier::Baseline | Tier::Sse41, 1) => 8,
        (Tier::Baseline | Tier::Sse41, _) => 4,
    }
}

/// What a tile starts from.
#[derive(Clone, Copy)]
pub(in crate::kernels) enum Start<'a> {
    /// Nothing.
    Zero,
    /// The bias of the tile's columns.
    Bias(&'a [f32]),
    /// A number for each of the tile's rows.
    RowBias(&'a [f32]),
    /// What earlier blocks of the depth left in C.
    Sum,
}

/// One tile's place in C.
pub(in crate::kernels) struct Target<'a> {
    /// From the tile's first element on.
    pub(in crate::kernels) c: &'a mut [f32],
    /// Elements from row to row.
    pub(in crate::kernels) stride: usize,
    /// Columns that exist; the others of the tile are not stored.
    pub(in crate::kernels) width: usize,
    /// Whether the caches next to the core hold it.
    pub(in crate::kernels) near: bool,
}

/// Rows of A over one block of the depth, where they lie.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Rows<'a> {
    /// From the tile's first element on.
    pub(in crate::kernels) values: &'a [f32],
    /// Elements from row to row.
    pub(in crate::kernels) stride: usize,
    /// How many there are.
    pub(in crate::kernels) count: usize,
}

/// The right operand's columns of a tile, read depth by depth. No iterator of the standard library: what its adapters do
/// not inline has lost the tier.
pub(in crate::kernels) trait Panel {
    /// Whether [`Panel::next`] may end before the depth does.
    const ENDS_EARLY: bool;
    /// How many depths are left.
    fn depth<S: Simd>(&self) -> usize;
    /// The first vectors at the next depth; `None` where fewer elements are left than they hold.
    fn next<S: Simd, const WIDE: usize>(&mut self, simd: S) -> Option<[S::F32; WIDE]>;
    /// Like [`Panel::next`] with zeroes for what there is not.
    fn next_padded<S: Simd, const WIDE: usize>(&mut self, simd: S) -> [S::F32; WIDE];
}

/// `target = start + a b` for at most `tile_rows` rows of the tier; more are not computed.
#[inline(always)]
pub(in crate::kernels) fn multiply<S: Simd, B: Panel>(
    simd: S,
    a: Rows<'_>,
    b: B,
    start: Start<'_>,
    target: &mut Target<'_>,
) {
    macro_rules! tiles {
        ($wide:literal: $($rows:literal)*) => {
            match a.count {
                // A function each: inlined into every caller, they would be most of the program and of its build.
                $($rows if const { $rows <= tile_rows(S::TIER, $wide) } => {
                    simd.run(Tile::<B, $rows, $wide> { a, b, start, target });
                })*
                _ => {}
            }
        };
    }
    if target.width <= S::LANES {
        tiles!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    } else {
        tiles!(2: 1 2 3 4 5 6 7 8 9 10 11 12);
    }
}

struct Tile<'a, 'c, B, const ROWS: usize, const WIDE: usize> {
    a: Rows<'a>,
    b: B,
    start: Start<'a>,
    target: &'a mut Target<'c>,
}

impl<B: Panel, const ROWS: usize, const WIDE: usize> SimdOp for Tile<'_, '_, B, ROWS, WIDE> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { a, mut b, start, target } = self;
        let first = match start {
            Start::Bias(bias) => load_row(simd, bias),
            Start::Zero | Start::RowBias(_) | Start::Sum => [simd.zero(); WIDE],
        };
        let depth = b.depth::<S>();
        if !target.near && depth >= FETCHES_C_FROM {
            fetch_tile::<S, _, ROWS>(simd, target.c, target.stride);
        }
        let mut sums = [first; ROWS];
        if let Start::RowBias(bias) = start
            && let Some(bias) = bias.first_chunk::<ROWS>()
        {
            for row in 0..ROWS {
                sums[row] = [simd.splat(bias[row]); WIDE];
            }
        }
        let mut columns = Columns::<ROWS>::new(a.values, a.stride, depth);
        while let Some(b) = b.next::<S, WIDE>(simd)
            && let Some(a) = columns.next()
        {
            add_depth(simd, a, b, &mut sums);
        }
        if B::ENDS_EARLY {
            for a in columns {
                add_depth(simd, a, b.next_padded(simd), &mut sums);
            }
        }
        let width = target.width.min(WIDE * S::LANES);
        let rows = RowsMut::<ROWS>::new(target.c, target.stride, width);
        // Apart, so that neither keeps the compiler from unrolling the rows.
        if width == WIDE * S::LANES {
            finish::<S, true, ROWS, WIDE>(simd, rows, matches!(start, Start::Sum), sums);
        } else {
            finish::<S, false, ROWS, WIDE>(simd, rows, matches!(start, Start::Sum), sums);
        }
    }
}

/// Writes a tile, added to what stands there where `add` says so. `WHOLE`: its rows are whole vectors.
#[inline(always)]
fn finish<S: Simd, const WHOLE: bool, const ROWS: usize, const WIDE: usize>(
    simd: S,
    mut rows: RowsMut<'_, ROWS>,
    add: bool,
    mut sums: [[S::F32; WIDE]; ROWS],
) {
    if add {
        for (row, sums) in sums.iter_mut().enumerate() {
            let c = rows.row(row);
            for (vector, sum) in sums.iter_mut().enumerate() {
                let c = &c[(vector * S::LANES).min(c.len())..];
                let before = if WHOLE { simd.load(c) } else { simd.load_partial(c) };
                *sum = simd.add(before, *sum);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        let c = rows.row(row);
        for (vector, sum) in sums.into_iter().enumerate() {
            let from = (vector * S::LANES).min(c.len());
            if WHOLE {
                simd.store(sum, &mut c[from..]);
            } else {
                simd.store_partial(sum, &mut c[from..]);
            }
        }
    }
}

/// Adds the products of one depth.
#[inline(always)]
fn add_depth<S: Simd, const ROWS: usize, const WIDE: usize>(
    simd: S,
    a: [f32; ROWS],
    b: [S::F32; WIDE],
    sums: &mut [[S::F32; WIDE]; ROWS],
) {
    for row in 0..ROWS {
        let a = simd.splat(a[row]);
        for vector in 0..WIDE {
            sums[row][vector] = simd.mul_add(a, b[vector], sums[row][vector]);
        }
    }
}

/// So many vectors from at least as many elements.
#[inline(always)]
pub(in crate::kernels) fn load_whole<S: Simd, const WIDE: usize>(simd: S, from: &[f32]) -> [S::F32; WIDE] {
    let mut row = [simd.zero(); WIDE];
    for (vector, loaded) in row.iter_mut().enumerate() {
        *loaded = simd.load(&from[vector * S::LANES..]);
    }
    row
}

/// So many vectors from at most as many elements; the rest is zero.
#[inline(always)]
pub(in crate::kernels) fn load_row<S: Simd, const WIDE: usize>(simd: S, from: &[f32]) -> [S::F32; WIDE] {
    if from.len() >= WIDE * S::LANES {
        return load_whole(simd, from);
    }
    let mut row = [simd.zero(); WIDE];
    for (vector, loaded) in row.iter_mut().enumerate() {
        *loaded = simd.load_partial(from.get(vector * S::LANES..).unwrap_or_default());
    }
    row
}
