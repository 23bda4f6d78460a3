//! The register tile: a few rows of C, two vectors wide, kept in registers over one block of the depth.

use crate::simd::{Simd, Tier};

/// Vectors of a tile's row.
pub(super) const VECTORS: usize = 2;

/// The most rows that any tier's tile has.
pub(super) const MAX_ROWS: usize = 14;

/// The longest block of the depth: 14 rows of it are 21 KiB, which stay in the first-level cache while panels of the
/// right operand stream past.
pub(super) const MAX_DEPTH: usize = 384;

/// Rows of `A` as the tile reads them: each contiguous, at a stride that the compiler knows and that no power-of-two
/// matrix can turn into cache-set conflicts.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Rows(pub(super) [[f32; MAX_DEPTH]; MAX_ROWS]);

/// Rows of the tile: the accumulators, one row of `B` and one broadcast fill the registers (32 with AVX-512 and NEON,
/// 16 otherwise, where the baseline also needs one for the product).
pub(super) const fn tile_rows(tier: Tier) -> usize {
    match tier.f32_tier() {
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => 14,
        Tier::Neon | Tier::NeonDotprod => 12,
        Tier::Avx2 => 6,
        Tier::Baseline | Tier::Sse41 => 4,
    }
}

/// What a tile starts from.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// Nothing.
    Zero,
    /// The bias of the tile's columns.
    Bias(&'a [f32]),
    /// What earlier blocks of the depth left in C.
    Sum,
}

/// One tile's place in C.
pub(super) struct Target<'a> {
    /// From the tile's first element on.
    pub(super) c: &'a mut [f32],
    /// Elements from row to row.
    pub(super) stride: usize,
    /// Columns that exist; the others of the tile are not stored.
    pub(super) width: usize,
}

/// The right operand's two vectors at each depth of a block.
pub(super) trait Columns {
    /// How many depths there are.
    fn depth<S: Simd>(&self) -> usize;
    /// The vectors at one depth.
    fn vectors<S: Simd>(&self, simd: S, depth: usize) -> [S::F32; VECTORS];
}

/// `target = start + a b` for `rows` rows (at most `tile_rows` of the tier; more are not computed).
#[inline(always)]
pub(super) fn multiply<S: Simd, B: Columns>(
    simd: S,
    rows: usize,
    a: &Rows,
    b: &B,
    start: Start<'_>,
    target: &mut Target<'_>,
) {
    macro_rules! tiles {
        ($($rows:literal)*) => {
            match rows {
                $($rows if const { $rows <= tile_rows(S::TIER) } => {
                    tile::<S, B, $rows>(simd, a, b, start, target);
                })*
                _ => {}
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[inline(always)]
fn tile<S: Simd, B: Columns, const ROWS: usize>(
    simd: S,
    a: &Rows,
    b: &B,
    start: Start<'_>,
    target: &mut Target<'_>,
) {
    let first = match start {
        Start::Bias(bias) => load_row(simd, bias),
        Start::Zero | Start::Sum => [simd.zero(); VECTORS],
    };
    // C is needed when the depth is done: its lines are asked for now.
    for row in 0..ROWS {
        let c = target.c.get(row * target.stride..).unwrap_or_default();
        simd.prefetch(c);
        simd.prefetch(c.get(S::LANES..).unwrap_or_default());
    }
    let mut sums = [first; ROWS];
    for depth in 0..b.depth::<S>().min(MAX_DEPTH) {
        let b = b.vectors(simd, depth);
        for (a, sums) in a.0.iter().zip(&mut sums) {
            let a = simd.splat(a[depth]);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = simd.mul_add(a, b, *sum);
            }
        }
    }
    let width = target.width.min(VECTORS * S::LANES);
    for (row, sums) in sums.into_iter().enumerate() {
        let c = &mut target.c[row * target.stride..][..width];
        let sums = match start {
            Start::Sum => {
                let before = load_row(simd, c);
                [simd.add(before[0], sums[0]), simd.add(before[1], sums[1])]
            }
            Start::Zero | Start::Bias(_) => sums,
        };
        if width == VECTORS * S::LANES {
            simd.store(sums[0], c);
            simd.store(sums[1], &mut c[S::LANES..]);
        } else {
            let (low, high) = c.split_at_mut(width.min(S::LANES));
            simd.store_partial(sums[0], low);
            simd.store_partial(sums[1], high);
        }
    }
}

/// Two vectors from at most as many elements; the rest is zero.
#[inline(always)]
pub(super) fn load_row<S: Simd>(simd: S, from: &[f32]) -> [S::F32; VECTORS] {
    if from.len() >= VECTORS * S::LANES {
        [simd.load(from), simd.load(&from[S::LANES..])]
    } else {
        let (low, high) = from.split_at(from.len().min(S::LANES));
        [simd.load_partial(low), simd.load_partial(high)]
    }
}
