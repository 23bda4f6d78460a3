//! The register tile: a few rows of C, two vectors wide, whose sums stay in registers over a block of the depth.

use super::super::ahead::fetch_tile;
use crate::simd::{DotU8S8, DotU8S8Op, Tier};

/// Vectors of a tile's row.
pub(in super::super) const VECTORS: usize = 2;

/// The most rows that any tier's tile has.
pub(in super::super) const MAX_ROWS: usize = 14;

/// The longest block of the depth. Sums of bytes are exact, so that blocks only serve to bound the copy of A: up to
/// three quarters of this a tile's rows stay in a first-level cache of 48 KiB.
pub(in super::super) const MAX_DEPTH: usize = 4096;

/// Room for a row: a line more than the longest block, so that the rows of a tile fall into different cache sets.
const ROW_QUADS: usize = MAX_DEPTH / 4 + 16;

/// Rows of A as the tile reads them, with what a finish needs to know of each.
#[derive(Debug)]
#[repr(align(64))]
pub(in super::super) struct Rows {
    /// Four depths an element.
    pub(in super::super) quads: [[[u8; 4]; ROW_QUADS]; MAX_ROWS],
    /// What one step of a row's bytes stands for.
    pub(in super::super) scales: [f32; MAX_ROWS],
}

impl Rows {
    pub(super) const fn new() -> Self {
        Self { quads: [[[0; 4]; ROW_QUADS]; MAX_ROWS], scales: [0.0; MAX_ROWS] }
    }
}

/// Rows of the tile: the accumulators, a row of B and one broadcast fill the registers (32 with AVX-512 and NEON; of
/// AVX2's 16, the widened halves of B take four and those of A two).
pub(in super::super) const fn tile_rows(tier: Tier) -> usize {
    match tier {
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => 14,
        Tier::Neon | Tier::NeonDotprod => 12,
        Tier::Avx2 | Tier::Baseline | Tier::Sse41 => 4,
    }
}

/// A panel of the right operand over a block of the depth, as the tile reads it.
pub(in super::super) trait Panel: Copy {
    /// All of it.
    fn bytes(&self) -> &[u8];
    /// Bytes of four quads.
    fn step_bytes<S: DotU8S8>() -> usize;
    /// Quad `QUAD` of a step; the first may also be asked of a quad alone.
    fn quad<S: DotU8S8, const QUAD: usize>(simd: S, step: &[u8]) -> [S::Bytes; VECTORS];
}

/// Signed bytes as they are multiplied.
#[derive(Clone, Copy)]
pub(in super::super) struct Whole<'a>(pub(in super::super) &'a [u8]);

impl Panel for Whole<'_> {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.0
    }
    #[inline(always)]
    fn step_bytes<S: DotU8S8>() -> usize {
        4 * VECTORS * 4 * S::LANES
    }
    #[inline(always)]
    fn quad<S: DotU8S8, const QUAD: usize>(simd: S, step: &[u8]) -> [S::Bytes; VECTORS] {
        let quad = &step[QUAD * VECTORS * 4 * S::LANES..];
        [simd.load_bytes(quad), simd.load_bytes(&quad[4 * S::LANES..])]
    }
}

/// What becomes of a tile's sums.
pub(in super::super) trait Finish: Copy + Send + Sync {
    /// What C holds.
    type Element: Copy + Send;
    /// Writes one row's sums, which begin at `column`, to `to`; where `first` is not set, adds them to what earlier
    /// blocks of the depth left there.
    fn row<S: DotU8S8>(
        &self,
        simd: S,
        sums: [S::I32; VECTORS],
        scale: f32,
        column: usize,
        first: bool,
        to: &mut [Self::Element],
    );
}

/// One tile's place in C.
pub(super) struct Place<'a, T> {
    /// From the tile's first element on.
    pub(super) c: &'a mut [T],
    /// Elements from row to row.
    pub(super) stride: usize,
    /// The tile's first column.
    pub(super) column: usize,
    /// Columns that exist; the others of the tile are not stored.
    pub(super) width: usize,
    /// Whether no earlier block of the depth left anything in C.
    pub(super) first: bool,
    /// Whether the caches next to the core hold C.
    pub(super) near: bool,
}

/// The products of the first `rows` of `a` (at most `tile_rows` of the tier; more are not computed) with a panel,
/// beginning from `start` where there is one.
#[inline(always)]
pub(super) fn multiply<S: DotU8S8, P: Panel, F: Finish>(
    simd: S,
    rows: usize,
    a: &Rows,
    panel: P,
    start: Option<&[i32]>,
    finish: &F,
    place: Place<'_, F::Element>,
) {
    macro_rules! tiles {
        ($($rows:literal)*) => {
            match rows {
                // A function each: inlined into every caller, they would be most of the program and of its build.
                $($rows if const { $rows <= tile_rows(S::TIER) } => {
                    simd.run_bytes(Tile::<P, F, $rows> { a, panel, start, finish, place });
                })*
                _ => {}
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

struct Tile<'a, P, F: Finish, const ROWS: usize> {
    a: &'a Rows,
    panel: P,
    start: Option<&'a [i32]>,
    finish: &'a F,
    place: Place<'a, F::Element>,
}

impl<P: Panel, F: Finish, const ROWS: usize> DotU8S8Op for Tile<'_, P, F, ROWS> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        let Self { a, panel, start, finish, place } = self;
        if !place.near {
            fetch_tile::<S, _, ROWS>(simd, place.c, place.stride);
        }
        let first = match start {
            Some(start) => [simd.load_i32(start), simd.load_i32(&start[S::LANES..])],
            None => [simd.splat_i32(0); VECTORS],
        };
        let mut sums = [first; ROWS];
        // Four quads a step: a loop of a few dozen steps ends where the branch predictor expects it.
        let mut steps = panel.bytes().chunks_exact(P::step_bytes::<S>());
        let mut quad = 0;
        for step in &mut steps {
            if quad + 3 >= ROW_QUADS {
                break;
            }
            add_quad(simd, a, quad, P::quad::<S, 0>(simd, step), &mut sums);
            add_quad(simd, a, quad + 1, P::quad::<S, 1>(simd, step), &mut sums);
            add_quad(simd, a, quad + 2, P::quad::<S, 2>(simd, step), &mut sums);
            add_quad(simd, a, quad + 3, P::quad::<S, 3>(simd, step), &mut sums);
            quad += 4;
        }
        for (alone, quad) in steps.remainder().chunks_exact(P::step_bytes::<S>() / 4).zip(quad..ROW_QUADS) {
            add_quad(simd, a, quad, P::quad::<S, 0>(simd, alone), &mut sums);
        }
        // Row by row in so many words: a loop that is not unrolled would index the sums, which then live in memory.
        macro_rules! rows {
            ($($row:literal)*) => {
                $(if const { $row < ROWS } {
                    let to = &mut place.c[$row * place.stride..][..place.width];
                    finish.row(simd, sums[$row % ROWS], a.scales[$row], place.column, place.first, to);
                })*
            };
        }
        rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
    }
}

/// Adds the products of a quad of every row with that of the panel.
#[inline(always)]
fn add_quad<S: DotU8S8, const ROWS: usize>(
    simd: S,
    a: &Rows,
    quad: usize,
    b: [S::Bytes; VECTORS],
    sums: &mut [[S::I32; VECTORS]; ROWS],
) {
    for (a, sums) in a.quads.iter().zip(sums) {
        let a = simd.splat_bytes(a[quad]);
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum = simd.dot_native(*sum, a, b);
        }
    }
}
