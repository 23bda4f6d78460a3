//! Products of bfloat16 numbers (their bits) summed in single precision: `C = A B + bias`.
//!
//! `B` is packed once with pairs of depths side by side, which both methods read: [`Bf16Method::Pairs`] uses the
//! tier's dot product of pairs, [`Bf16Method::Widened`] makes single-precision numbers of both operands as it loads
//! them and multiplies those. Which is faster depends on the CPU: a dot product of pairs does twice the work of a
//! multiply-add, at anything from the same to a quarter of its rate. Dot products of pairs take denormal numbers for
//! zero; infinities and what is not a number follow the arithmetic of both.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use crate::simd::{
    DotBf16, DotBf16Op, Simd, SimdOp, Tier, TierUnavailable, bf16_to_f32, dispatch, dispatch_bf16,
};
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

use super::ahead::{Ahead, fetch_tile, is_near};
use super::split::rows_per_task;
use super::{Epilogue, Layout};

/// Vectors of a tile's row.
const VECTORS: usize = 2;

/// The most rows of a tile.
const MAX_ROWS: usize = 14;

/// 32-bit words of a row in one block of the depth: a number widened, or a pair.
const BLOCK_WORDS: usize = 512;

/// A line more than a block, so that the rows of a tile fall into different cache sets.
const ROW_WORDS: usize = BLOCK_WORDS + 16;

/// Tiles that one panel of weights serves before the next: their rows stay in the second-level cache.
const MOST_TILES: usize = 4;

/// Multiply-adds from which a second thread pays (waking one takes tens of microseconds).
const PARALLEL_WORK: usize = 8 << 20;

/// How pairs of bfloat16 numbers are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bf16Method {
    /// By the tier's dot product of pairs.
    Pairs,
    /// As single-precision numbers.
    Widened,
}

/// A `K x N` matrix of bfloat16 numbers in panels of as many columns as a register tile is wide; what is missing of the
/// last panel and the last pair is zero.
#[derive(Debug, Clone)]
pub struct PackedBf16 {
    values: AlignedBuffer<u16>,
    k: usize,
    n: usize,
    width: usize,
    tier: Tier,
    method: Bf16Method,
}

impl PackedBf16 {
    /// Packs `values` (`k * n` numbers by their bits) for the kernels of a tier and method.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier lacks the method.
    ///
    /// # Panics
    /// When `values` is shorter than `k * n`.
    pub fn pack(
        tier: Tier,
        method: Bf16Method,
        values: &[u16],
        k: usize,
        n: usize,
        layout: Layout,
    ) -> Result<Self, TierUnavailable> {
        let width = Self::tile_width(tier, method)?;
        let values = &values[..k * n];
        let pairs = k.div_ceil(2);
        let mut packed = AlignedBuffer::zeroed(n.div_ceil(width) * pairs * 2 * width);
        for (panel, to) in packed.chunks_exact_mut((pairs * 2 * width).max(1)).enumerate() {
            for (pair, to) in to.chunks_exact_mut(2 * width).enumerate() {
                let columns = panel * width..n.min((panel + 1) * width);
                for (column, to) in columns.zip(to.as_chunks_mut::<2>().0) {
                    for (to, depth) in to.iter_mut().zip(2 * pair..k) {
                        *to = values[layout.index(depth, column, k, n)];
                    }
                }
            }
        }
        Ok(Self { values: packed, k, n, width, tier, method })
    }

    /// The elements as they are arranged.
    #[must_use]
    pub fn arrangement(&self) -> &[u16] {
        &self.values
    }

    /// A matrix whose [`PackedBf16::arrangement`] `fill` puts in place; `None` where it cannot.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier lacks the method.
    pub fn arranged(
        tier: Tier,
        method: Bf16Method,
        [k, n]: [usize; 2],
        fill: impl FnOnce(&mut [u16]) -> Option<()>,
    ) -> Result<Option<Self>, TierUnavailable> {
        let width = Self::tile_width(tier, method)?;
        let mut values = AlignedBuffer::zeroed(n.div_ceil(width) * k.div_ceil(2) * 2 * width);
        Ok(fill(&mut values).map(|()| Self { values, k, n, width, tier, method }))
    }

    fn tile_width(tier: Tier, method: Bf16Method) -> Result<usize, TierUnavailable> {
        match method {
            Bf16Method::Pairs => dispatch_bf16(tier, TileWidth),
            Bf16Method::Widened => dispatch(tier, TileWidth),
        }
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

    /// The pairs `from..from + pairs` of one panel.
    #[inline(always)]
    fn panel(&self, panel: usize, from: usize, pairs: usize) -> &[u16] {
        let first = panel * self.k.div_ceil(2) + from;
        &self.values[first * 2 * self.width..][..pairs * 2 * self.width]
    }
}

/// The width in columns of a register tile.
struct TileWidth;

impl SimdOp for TileWidth {
    type Output = usize;
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> usize {
        VECTORS * S::LANES
    }
}

impl DotBf16Op for TileWidth {
    type Output = usize;
    #[inline(always)]
    fn eval<S: DotBf16>(self, _: S) -> usize {
        VECTORS * S::LANES
    }
}

/// `C = A B` by the ordinary loop, with the middle loop over the depth so that the inner one runs along rows of `b`
/// (`k x n`) and `c` (`m x n`).
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn plain_gemm_bf16(a: &[u16], m: usize, k: usize, b: &[u16], n: usize, c: &mut [f32]) {
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0.0);
        for depth in 0..k {
            let a = bf16_to_f32(a[i * k + depth]);
            for (c, &b) in row.iter_mut().zip(&b[depth * n..][..n]) {
                *c += a * bf16_to_f32(b);
            }
        }
    }
}

/// `C = A B + bias` with `b` packed before: `a` is `m x b.k()` numbers by their bits, `c` is `m x b.n()`, `bias` has
/// `b.n()` elements.
///
/// Rows are spread over the team where the work outweighs waking it; every element is computed by the same operations
/// in the same order however many threads there are.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_bf16(team: &Team, a: &[u16], m: usize, b: &PackedBf16, bias: Option<&[f32]>, c: &mut [f32]) {
    gemm_bf16_with(team, a, m, b, Epilogue::bias(bias), c);
}

/// [`gemm_bf16`] with all that an epilogue does: a bias has `b.n()` elements, and rows are finished on the thread that did
/// them.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_bf16_with(
    team: &Team,
    a: &[u16],
    m: usize,
    b: &PackedBf16,
    epilogue: Epilogue<'_>,
    c: &mut [f32],
) {
    let (a, c) = (&a[..m * b.k], &mut c[..m * b.n]);
    let product = Product { team, a, m, b, epilogue, c };
    let outcome = match b.method {
        Bf16Method::Pairs => dispatch_bf16(b.tier, product),
        Bf16Method::Widened => dispatch(b.tier, product),
    };
    outcome.expect("packing tested the tier");
}

/// The whole product, over a team.
struct Product<'a> {
    team: &'a Team,
    a: &'a [u16],
    m: usize,
    b: &'a PackedBf16,
    epilogue: Epilogue<'a>,
    c: &'a mut [f32],
}

impl Product<'_> {
    /// Hands each task's rows of C to `work`, with the rows' place in A.
    fn split(self, tile_rows: usize, work: impl Fn(Block<'_>) + Sync + Send) {
        let Self { team, a, m, b, epilogue, c } = self;
        let rows = rows_per_task(team.threads(), [m, b.k, b.n], PARALLEL_WORK, tile_rows);
        let Some(elements) = NonZeroUsize::new(rows * b.n) else { return };
        team.for_each_chunk(c, elements, |task, c| {
            let a = &a[task * rows * b.k..][..c.len() / b.n * b.k];
            let epilogue = epilogue.beginning_at(task * rows);
            ROWS.with_borrow_mut(|rows| work(Block { a, b, epilogue, c, rows }));
        });
    }
}

impl SimdOp for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        // The body enters the tier itself: what is written inside a closure is compiled without its features.
        self.split(<Widened as Method<S>>::tile_rows(S::TIER), |block| simd.run(block));
    }
}

impl DotBf16Op for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: DotBf16>(self, simd: S) {
        self.split(<Pairs as Method<S>>::tile_rows(S::TIER), |block| simd.run_bf16(block));
    }
}

/// Some rows of the product, on one thread.
struct Block<'a> {
    a: &'a [u16],
    b: &'a PackedBf16,
    epilogue: Epilogue<'a>,
    c: &'a mut [f32],
    rows: &'a mut [Rows; MOST_TILES],
}

impl SimdOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        self.multiply(simd, Widened);
    }
}

impl DotBf16Op for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: DotBf16>(self, simd: S) {
        self.multiply(simd, Pairs);
    }
}

/// Rows of A as the tile reads them.
#[repr(align(64))]
struct Rows([[u32; ROW_WORDS]; MAX_ROWS]);

thread_local! {
    /// Each thread's copy of the rows of some tiles: constant in size, so that the kernels allocate nothing.
    static ROWS: RefCell<[Rows; MOST_TILES]> =
        const { RefCell::new([const { Rows([[0; ROW_WORDS]; MAX_ROWS]) }; MOST_TILES]) };
}

impl Block<'_> {
    #[inline(always)]
    fn multiply<S: Simd, M: Method<S>>(self, simd: S, method: M) {
        let Self { a, b, epilogue, c, rows: copies } = self;
        let (k, n, width) = (b.k, b.n, VECTORS * S::LANES);
        let (m, near) = (c.len() / n.max(1), is_near(c.len()));
        let tiles = m.div_ceil(M::tile_rows(S::TIER)).max(1);
        // Tiles of like height: a last one of two rows would run at a fraction of the speed.
        let top = |tile: usize| tile * m / tiles;
        // Blocks of like depth, in pairs, and at least one, so that an empty depth still writes C.
        let (pairs, panels) = (k.div_ceil(2), n.div_ceil(width));
        let blocks = pairs.div_ceil(BLOCK_WORDS / M::WORDS).max(1);
        let block = pairs.div_ceil(blocks).max(1);
        for from in (0..pairs.max(1)).step_by(block) {
            let depths = 2 * from..k.min(2 * (from + block));
            let depth = depths.len().div_ceil(2);
            for first in (0..tiles).step_by(MOST_TILES) {
                let some = first..tiles.min(first + MOST_TILES);
                for (tile, copy) in some.clone().zip(copies.iter_mut()) {
                    for (row, to) in (top(tile)..top(tile + 1)).zip(&mut copy.0) {
                        M::fill(&a[row * k..][depths.clone()], to);
                    }
                }
                for panel in 0..panels {
                    let column = panel * width;
                    // Where the panel of the next turn lies, in rows of pairs from this one.
                    let next = if panel + 1 < panels {
                        pairs.cast_signed()
                    } else if some.end < tiles {
                        -(panel * pairs).cast_signed()
                    } else if from + depth < pairs {
                        depth.cast_signed() - (panel * pairs).cast_signed()
                    } else {
                        0
                    };
                    let values = b.panel(panel, from, depth);
                    for (tile, copy) in some.clone().zip(copies.iter()) {
                        let c = &mut c[top(tile) * n + column..];
                        let width = width.min(n - column);
                        let place = Place { c, stride: n, width, first: from == 0, near };
                        let ahead = Ahead::new(next, depth, tile - first, some.len());
                        let ahead = ahead.elements(2 * VECTORS * S::LANES);
                        let bias = epilogue.bias.map(|bias| &bias[column..][..place.width]);
                        let height = top(tile + 1) - top(tile);
                        tiles_of(simd, method, height, copy, Panel { values, ahead }, bias, place);
                    }
                }
                if let Some(finish) = epilogue.finish.filter(|_| from + depth >= pairs) {
                    finish.beginning_at(top(first)).rows(&mut c[top(first) * n..top(some.end) * n]);
                }
            }
        }
    }
}

/// A block of the depth of a panel.
#[derive(Clone, Copy)]
struct Panel<'a> {
    values: &'a [u16],
    /// Elements from what is read to what is asked for, and what is added to that from pair to pair.
    ahead: (isize, isize),
}

/// One tile's place in C.
struct Place<'a> {
    /// From the tile's first element on.
    c: &'a mut [f32],
    /// Elements from row to row.
    stride: usize,
    /// Columns that exist; the others of the tile are not stored.
    width: usize,
    /// Whether no earlier block of the depth left anything in C.
    first: bool,
    /// Whether the caches next to the core hold C.
    near: bool,
}

/// A way to multiply pairs.
trait Method<S: Simd>: Copy {
    /// Words that a pair of A takes in [`Rows`].
    const WORDS: usize;
    /// Rows of a tile: what the registers hold besides a row of B and one broadcast.
    fn tile_rows(tier: Tier) -> usize;
    /// Writes a row's depths as words; what is missing of the last pair is zero.
    fn fill(row: &[u16], to: &mut [u32; ROW_WORDS]);
    /// Adds the products of one pair of depths of every row with `b`.
    fn add<const ROWS: usize>(
        self,
        simd: S,
        a: &Rows,
        pair: usize,
        b: &[u16],
        sums: &mut [[S::F32; VECTORS]; ROWS],
    );
}

/// [`Bf16Method::Pairs`].
#[derive(Clone, Copy)]
struct Pairs;

impl<S: DotBf16> Method<S> for Pairs {
    const WORDS: usize = 1;

    fn tile_rows(_: Tier) -> usize {
        MAX_ROWS
    }

    #[inline(always)]
    fn fill(row: &[u16], to: &mut [u32; ROW_WORDS]) {
        let (pairs, last) = row.as_chunks::<2>();
        for (pair, to) in pairs.iter().zip(to.iter_mut()) {
            *to = u32::from(pair[0]) | u32::from(pair[1]) << 16;
        }
        if let ([last], Some(to)) = (last, to.get_mut(pairs.len())) {
            *to = u32::from(*last);
        }
    }

    #[inline(always)]
    fn add<const ROWS: usize>(
        self,
        simd: S,
        a: &Rows,
        pair: usize,
        b: &[u16],
        sums: &mut [[S::F32; VECTORS]; ROWS],
    ) {
        let (low, high) = (simd.load_pairs(b), simd.load_pairs(&b[2 * S::LANES..]));
        for (a, sums) in a.0.iter().zip(sums) {
            let a = simd.splat_pair(a[pair]);
            sums[0] = simd.dot_bf16(sums[0], a, low);
            sums[1] = simd.dot_bf16(sums[1], a, high);
        }
    }
}

/// [`Bf16Method::Widened`].
#[derive(Clone, Copy)]
struct Widened;

impl<S: Simd> Method<S> for Widened {
    const WORDS: usize = 2;

    fn tile_rows(tier: Tier) -> usize {
        match tier.f32_tier() {
            Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 | Tier::Neon | Tier::NeonDotprod => 12,
            Tier::Avx2 | Tier::Baseline | Tier::Sse41 => 4,
        }
    }

    #[inline(always)]
    fn fill(row: &[u16], to: &mut [u32; ROW_WORDS]) {
        for (&bits, to) in row.iter().zip(to.iter_mut()) {
            *to = u32::from(bits) << 16;
        }
        if let Some(to) = to.get_mut(row.len()) {
            *to = 0;
        }
    }

    #[inline(always)]
    fn add<const ROWS: usize>(
        self,
        simd: S,
        a: &Rows,
        pair: usize,
        b: &[u16],
        sums: &mut [[S::F32; VECTORS]; ROWS],
    ) {
        let (low_even, low_odd) = simd.load_bf16_pairs(b);
        let (high_even, high_odd) = simd.load_bf16_pairs(&b[2 * S::LANES..]);
        for (word, low, high) in [(2 * pair, low_even, high_even), (2 * pair + 1, low_odd, high_odd)] {
            for (a, sums) in a.0.iter().zip(&mut *sums) {
                let a = simd.splat(f32::from_bits(a[word]));
                sums[0] = simd.mul_add(a, low, sums[0]);
                sums[1] = simd.mul_add(a, high, sums[1]);
            }
        }
    }
}

/// The tile of `height` rows (at most `tile_rows` of the method; more are not computed).
#[inline(always)]
fn tiles_of<S: Simd, M: Method<S>>(
    simd: S,
    method: M,
    height: usize,
    a: &Rows,
    b: Panel<'_>,
    bias: Option<&[f32]>,
    place: Place<'_>,
) {
    macro_rules! tiles {
        ($($rows:literal)*) => {
            match height {
                $($rows if $rows <= M::tile_rows(S::TIER) => tile::<S, M, $rows>(simd, method, a, b, bias, place),)*
                _ => {}
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[inline(always)]
fn tile<S: Simd, M: Method<S>, const ROWS: usize>(
    simd: S,
    method: M,
    a: &Rows,
    Panel { values, ahead: (mut ahead, step) }: Panel<'_>,
    bias: Option<&[f32]>,
    place: Place<'_>,
) {
    let first = match bias {
        Some(bias) if place.first => {
            let (low, high) = bias.split_at(bias.len().min(S::LANES));
            [simd.load_partial(low), simd.load_partial(high)]
        }
        _ => [simd.zero(); VECTORS],
    };
    if !place.near {
        fetch_tile::<S, _, ROWS>(simd, place.c, place.stride);
    }
    let mut sums = [first; ROWS];
    for (b, pair) in values.chunks_exact(2 * VECTORS * S::LANES).zip(0..BLOCK_WORDS / M::WORDS) {
        simd.prefetch_to_second_level(b, ahead);
        ahead = ahead.wrapping_add(step);
        method.add(simd, a, pair, b, &mut sums);
    }
    // Row by row in so many words: a loop that is not unrolled would index the sums, which then live in memory.
    macro_rules! rows {
        ($($row:literal)*) => {
            $(if const { $row < ROWS } {
                let to = &mut place.c[$row * place.stride..][..place.width];
                let (to_low, to_high) = to.split_at_mut(to.len().min(S::LANES));
                let [low, high] = sums[$row % ROWS];
                store(simd, low, place.first, to_low);
                store(simd, high, place.first, to_high);
            })*
        };
    }
    rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
}

/// Writes as many lanes as `to` has, or adds them to what is there.
#[inline(always)]
fn store<S: Simd>(simd: S, sums: S::F32, first: bool, to: &mut [f32]) {
    if to.len() == S::LANES {
        let sums = if first { sums } else { simd.add(simd.load(to), sums) };
        simd.store(sums, to);
    } else {
        let sums = if first { sums } else { simd.add(simd.load_partial(to), sums) };
        simd.store_partial(sums, to);
    }
}

#[cfg(test)]
mod tests;
