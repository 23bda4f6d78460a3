//! A linear layer with single-precision inputs and outputs on byte products, quantised in groups of the depth.
//!
//! `Y = X W + bias`. A token's vector holds a few numbers far larger than the others, always in the same channels. One
//! scale for all of a row would spend its 255 steps on them, so inputs are treated in two ways first: each channel is
//! mapped by `x * multiplier + shift`, with the inverse folded into the weights and the bias when those are packed
//! (smoothing: Xiao et al., 2023, arXiv:2211.10438), and each row has a scale for every [`GROUP`] depths. Weights have a
//! scale an output channel.
//!
//! The rule for a row and group, with `m` the largest magnitude of its mapped inputs: signed codes are
//! `round(x * (127 / m))`, unsigned ones, for inputs that are nowhere negative, `round(max(x, 0) * (255 / m))`, ties to
//! even; then `y = sum over groups of f32(sum of products) * row scale, times channel scale, plus bias`. A group with
//! something infinite or not a number has a scale that is not a number, and so has every output of its row. A largest
//! magnitude below 2^-120 counts as zero.
//!
//! The codes of some tiles' rows are made once for all columns; sums become single precision in registers after
//! every group and leave them once.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::ops::Range;

use super::matmul::Finish;
use super::matmul::ahead::{Ahead, fetch_tile, is_near};
use super::matmul::split::rows_per_task;
use crate::simd::{DotU8S8, DotU8S8Op, RowsMut, Tier, TierUnavailable, dispatch_u8s8};
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

mod pack;
mod reference;

pub use pack::{Codes, GroupedInt8, Smoothing};
pub use reference::{PlainGrouped, reference_linear_grouped};

/// Depths that share a scale: whole groups of four vectors of bytes on every tier.
pub const GROUP: usize = 192;
/// Quads of four depths of a group.
const QUADS: usize = GROUP / 4;
/// Vectors of a tile's row.
const VECTORS: usize = 2;
/// The most rows that any tier's tile has.
const MAX_ROWS: usize = 14;
/// Tiles that one panel of weights serves before the next: their codes stay in the second-level cache.
const MOST_TILES: usize = 4;
/// Multiply-adds from which a second thread pays (waking one takes tens of microseconds).
const PARALLEL_WORK: usize = 16 << 20;
/// What is smaller counts as zero: 2^-120, whose reciprocal times 255 is still a number.
const SMALLEST_MAGNITUDE: f32 = f32::from_bits((127 - 120) << 23);

/// The codes of a group of a tile's rows.
type GroupCodes = [[[u8; 4]; QUADS]; MAX_ROWS];

/// Codes and scales of the rows of some tiles, tile by tile and group by group: reused by a thread from call to call.
struct Rows {
    codes: AlignedBuffer<u8>,
    scales: AlignedBuffer<f32>,
}

thread_local! {
    /// Grown to the longest depth seen, so that the kernel allocates nothing once warm.
    static ROWS: RefCell<Rows> =
        RefCell::new(Rows { codes: AlignedBuffer::zeroed(0), scales: AlignedBuffer::zeroed(0) });
}

impl Rows {
    /// `groups` is that of all tiles.
    fn reserve(&mut self, groups: usize) {
        if self.codes.len() < groups * size_of::<GroupCodes>() {
            self.codes = AlignedBuffer::zeroed(groups * size_of::<GroupCodes>());
            self.scales = AlignedBuffer::zeroed(groups * MAX_ROWS);
        }
    }

    /// Those of a tile.
    #[inline(always)]
    fn of_tile(&self, tile: usize, groups: usize) -> TileRows<'_> {
        let of_tile = tile * groups..(tile + 1) * groups;
        TileRows {
            codes: &self.codes.as_chunks::<4>().0.as_chunks::<QUADS>().0.as_chunks::<MAX_ROWS>().0
                [of_tile.clone()],
            scales: &self.scales.as_chunks::<MAX_ROWS>().0[of_tile],
        }
    }
}

/// Codes and scales of a tile's rows, group by group.
#[derive(Clone, Copy)]
struct TileRows<'a> {
    codes: &'a [GroupCodes],
    scales: &'a [[f32; MAX_ROWS]],
}

/// Rows of a tile: the accumulators, a row of B and one broadcast fill the registers (of AVX2's 16, the widened halves of
/// B take four and those of A two).
const fn tile_rows(tier: Tier) -> usize {
    match tier {
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => 14,
        Tier::Neon | Tier::NeonDotprod => 12,
        Tier::Avx2 | Tier::Baseline | Tier::Sse41 => 4,
    }
}

/// `Y = X W + bias` by the module's rule: `x` is `m x weights.k()`, `out` is `m x weights.n()`.
///
/// Rows are spread over the team where the work outweighs waking it; the answer does not depend on how many threads
/// there are, nor a row's on the other rows.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn linear_grouped(team: &Team, x: &[f32], m: usize, weights: &GroupedInt8, out: &mut [f32]) {
    linear_grouped_with(team, x, m, weights, None, out);
}

/// [`linear_grouped`] with something done to whole rows on the thread that made them.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn linear_grouped_with(
    team: &Team,
    x: &[f32],
    m: usize,
    weights: &GroupedInt8,
    finish: Option<Finish<'_>>,
    out: &mut [f32],
) {
    let (k, n) = (weights.k(), weights.n());
    let (x, out) = (&x[..m * k], &mut out[..m * n]);
    let outcome: Result<(), TierUnavailable> =
        dispatch_u8s8(weights.tier(), Product { team, x, m, weights, finish, out });
    outcome.expect("packing tested the tier");
}

struct Product<'a> {
    team: &'a Team,
    x: &'a [f32],
    m: usize,
    weights: &'a GroupedInt8,
    finish: Option<Finish<'a>>,
    out: &'a mut [f32],
}

impl DotU8S8Op for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        let Self { team, x, m, weights, finish, out } = self;
        let (k, n) = (weights.k(), weights.n());
        let rows = rows_per_task(team.threads(), [m, k, n], PARALLEL_WORK, tile_rows(S::TIER));
        let Some(elements) = NonZeroUsize::new(rows * n) else { return };
        team.for_each_chunk(out, elements, |task, out| {
            let x = &x[task * rows * k..][..out.len() / n * k];
            // The body enters the tier itself: what is written inside a closure is compiled without its features.
            let finish = finish.map(|finish| finish.beginning_at(task * rows));
            ROWS.with_borrow_mut(|rows| simd.run_bytes(Block { x, weights, finish, out, rows }));
        });
    }
}

/// Some rows of the product, on one thread.
struct Block<'a> {
    x: &'a [f32],
    weights: &'a GroupedInt8,
    finish: Option<Finish<'a>>,
    out: &'a mut [f32],
    rows: &'a mut Rows,
}

impl DotU8S8Op for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        let Self { x, weights, finish, out, rows } = self;
        let (k, n, groups) = (weights.k(), weights.n(), weights.groups());
        let near = is_near(out.len());
        let width = VECTORS * S::LANES;
        let (m, panels) = (out.len() / n.max(1), n.div_ceil(width));
        let tiles = m.div_ceil(tile_rows(S::TIER));
        rows.reserve(groups * tiles.min(MOST_TILES));
        // Tiles of like height: a last one of two rows would run at a fraction of the speed.
        let tops = |tile: usize| tile * m / tiles;
        for first in (0..tiles).step_by(MOST_TILES) {
            let some = first..tiles.min(first + MOST_TILES);
            for tile in some.clone() {
                let x = &x[tops(tile) * k..tops(tile + 1) * k];
                encode(simd, weights, x, rows, (tile - first) * groups);
            }
            for panel in 0..panels {
                let (column, quads) = (panel * width, k.div_ceil(4));
                let next = if panel + 1 < panels {
                    quads.cast_signed()
                } else if some.end < tiles {
                    -(panel * quads).cast_signed()
                } else {
                    0
                };
                for tile in some.clone() {
                    let (top, bottom) = (tops(tile), tops(tile + 1));
                    let ahead = Ahead::new(next, quads, tile - first, some.len());
                    let a = rows.of_tile(tile - first, groups);
                    let to = &mut out[top * n + column..];
                    let place = Place { out: to, stride: n, width: width.min(n - column), near };
                    multiply(simd, bottom - top, a, Panel { weights, panel, ahead }, place);
                }
            }
            if let Some(finish) = finish {
                let (top, bottom) = (tops(some.start), tops(some.end));
                finish.beginning_at(top).rows(&mut out[top * n..bottom * n]);
            }
        }
    }
}

/// Codes and scales of the rows in `x`, from that group on.
#[inline(always)]
fn encode<S: DotU8S8>(simd: S, weights: &GroupedInt8, x: &[f32], to: &mut Rows, first: usize) {
    let k = weights.k();
    if k == 0 {
        return;
    }
    for (row, x) in x.chunks_exact(k).enumerate() {
        for (group, from) in (0..k).step_by(GROUP).enumerate() {
            let depths = from..k.min(from + GROUP);
            let group = first + group;
            let at = (group * MAX_ROWS + row) * GROUP;
            let input = Mapped { x: &x[depths.clone()], by: weights.map(depths) };
            let scale = encode_group(simd, weights.codes(), input, &mut to.codes[at..at + GROUP]);
            to.scales[group * MAX_ROWS + row] = scale;
        }
    }
}

/// Inputs with what maps them.
#[derive(Clone, Copy)]
struct Mapped<'a> {
    x: &'a [f32],
    by: (&'a [f32], &'a [f32]),
}

impl Mapped<'_> {
    /// A whole vector.
    #[inline(always)]
    fn load<S: DotU8S8>(self, simd: S, at: usize) -> S::F32 {
        let (multipliers, shifts) = self.by;
        simd.mul_add(simd.load(&self.x[at..]), simd.load(&multipliers[at..]), simd.load(&shifts[at..]))
    }

    /// At most a vector; zeroes beyond.
    #[inline(always)]
    fn load_partial<S: DotU8S8>(self, simd: S, range: Range<usize>) -> S::F32 {
        let range = range.start.min(self.x.len())..range.end.min(self.x.len());
        let (multipliers, shifts) = self.by;
        simd.mul_add(
            simd.load_partial(&self.x[range.clone()]),
            simd.load_partial(&multipliers[range.clone()]),
            simd.load_partial(&shifts[range]),
        )
    }
}

/// The codes of one row's group, in quads of depths that come to lie in one lane when vectors are narrowed; the scale.
#[inline(always)]
fn encode_group<S: DotU8S8>(simd: S, codes: Codes, input: Mapped<'_>, to: &mut [u8]) -> f32 {
    match (codes, input.x.len() == GROUP) {
        (Codes::Signed, true) => encode_whole::<S, false>(simd, input, to),
        (Codes::Unsigned, true) => encode_whole::<S, true>(simd, input, to),
        (Codes::Signed, false) => encode_part::<S, false>(simd, input, to),
        (Codes::Unsigned, false) => encode_part::<S, true>(simd, input, to),
    }
}

const fn codes_of(unsigned: bool) -> Codes {
    if unsigned { Codes::Unsigned } else { Codes::Signed }
}

/// What unsigned codes stand for: nothing negative. What is not a number stays so.
#[inline(always)]
fn bounded<S: DotU8S8, const UNSIGNED: bool>(simd: S, x: S::F32) -> S::F32 {
    if UNSIGNED { simd.max(simd.zero(), x) } else { x }
}

/// Adding 1.5 * 2^23 rounds to an integer and leaves it in the lowest bits; with 128 more or less the code is moved to the
/// range that the tier's instruction takes. One rounding in all, as the multiply-add of these tiers is fused.
#[inline(always)]
fn moved<S: DotU8S8>(simd: S, codes: Codes) -> S::F32 {
    const MAGIC: f32 = 12_582_912.0;
    simd.splat(MAGIC + code_offset(codes, S::LEFT_IS_SIGNED))
}

/// All of a group: what it is mapped to stays in registers, where there are enough, until its scale is known.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "the indices are places of the input too")]
fn encode_whole<S: DotU8S8, const UNSIGNED: bool>(simd: S, input: Mapped<'_>, to: &mut [u8]) -> f32 {
    /// Steps of four vectors of the narrowest tier.
    const MOST_STEPS: usize = GROUP / (4 * 4);
    let mut kept = [[simd.zero(); 4]; MOST_STEPS];
    let mut top = simd.splat_i32(0);
    for step in 0..const { GROUP / (4 * S::LANES) } {
        for i in 0..4 {
            let x = bounded::<S, UNSIGNED>(simd, input.load(simd, (4 * step + i) * S::LANES));
            top = simd.larger_magnitude(top, x);
            kept[step][i] = x;
        }
    }
    let codes = codes_of(UNSIGNED);
    let (scale, factor) = scale_and_factor(codes, f32::from_bits(simd.largest_i32(top).cast_unsigned()));
    let (moved, factor) = (moved(simd, codes), simd.splat(factor));
    for step in 0..const { GROUP / (4 * S::LANES) } {
        let [a, b, c, d] = kept[step];
        let x = [
            simd.mul_add(a, factor, moved),
            simd.mul_add(b, factor, moved),
            simd.mul_add(c, factor, moved),
            simd.mul_add(d, factor, moved),
        ];
        simd.store_bytes(simd.lowest_bytes(x), &mut to[step * 4 * S::LANES..]);
    }
    scale
}

/// Less than a group.
#[inline(always)]
fn encode_part<S: DotU8S8, const UNSIGNED: bool>(simd: S, input: Mapped<'_>, to: &mut [u8]) -> f32 {
    let step = 4 * S::LANES;
    let whole = input.x.len() / step * step;
    let rest = (input.x.len() - whole).div_ceil(4);
    let mut top = simd.splat_i32(0);
    for at in (0..whole).step_by(S::LANES) {
        top = simd.larger_magnitude(top, bounded::<S, UNSIGNED>(simd, input.load(simd, at)));
    }
    for part in 0..4 {
        let at = whole + part * rest;
        top =
            simd.larger_magnitude(top, bounded::<S, UNSIGNED>(simd, input.load_partial(simd, at..at + rest)));
    }
    let codes = codes_of(UNSIGNED);
    let (scale, factor) = scale_and_factor(codes, f32::from_bits(simd.largest_i32(top).cast_unsigned()));
    let (moved, factor) = (moved(simd, codes), simd.splat(factor));
    for (at, to) in (0..whole).step_by(step).zip(to.chunks_exact_mut(step)) {
        let mut x = [moved; 4];
        for (i, x) in x.iter_mut().enumerate() {
            *x = simd.mul_add(
                bounded::<S, UNSIGNED>(simd, input.load(simd, at + i * S::LANES)),
                factor,
                moved,
            );
        }
        simd.store_bytes(simd.lowest_bytes(x), to);
    }
    if rest > 0 {
        let mut x = [moved; 4];
        for (part, x) in x.iter_mut().enumerate() {
            let at = whole + part * rest;
            *x = simd.mul_add(
                bounded::<S, UNSIGNED>(simd, input.load_partial(simd, at..at + rest)),
                factor,
                moved,
            );
        }
        simd.store_bytes(simd.lowest_bytes(x), &mut to[whole..]);
    }
    scale
}

/// What is added to a code so that it has the sign that the tier's instruction takes.
const fn code_offset(codes: Codes, left_is_signed: bool) -> f32 {
    match (codes, left_is_signed) {
        (Codes::Signed, true) | (Codes::Unsigned, false) => 0.0,
        (Codes::Signed, false) => 128.0,
        (Codes::Unsigned, true) => -128.0,
    }
}

/// The scale and what numbers are multiplied by, from the largest magnitude.
#[inline(always)]
fn scale_and_factor(codes: Codes, largest: f32) -> (f32, f32) {
    let steps = match codes {
        Codes::Signed => 127.0,
        Codes::Unsigned => 255.0,
    };
    if largest < SMALLEST_MAGNITUDE {
        (0.0, 0.0)
    } else if largest < f32::INFINITY {
        (largest / steps, steps / largest)
    } else {
        (f32::NAN, 0.0)
    }
}

/// A panel of weights, and what is fetched while it is read.
#[derive(Clone, Copy)]
struct Panel<'a> {
    weights: &'a GroupedInt8,
    panel: usize,
    ahead: Ahead,
}

/// One tile's place in the output.
struct Place<'a> {
    /// From the tile's first element on.
    out: &'a mut [f32],
    /// Elements from row to row.
    stride: usize,
    /// Columns that exist; the others of the tile are not stored.
    width: usize,
    /// Whether the caches next to the core hold it.
    near: bool,
}

/// The body once for each row of a tile, in so many words: a loop that is not unrolled would index the sums, which then live
/// in memory.
macro_rules! each_row {
    ($rows:ident, |$row:ident| $body:block) => {
        each_row!($rows, $row, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    ($rows:ident, $row:ident, $body:block, $($number:literal)*) => {
        $(if const { $number < $rows } {
            // Never another number: what the compiler needs to see that no index is beyond the end.
            let $row = const { $number % $rows };
            $body
        })*
    };
}

#[inline(always)]
fn multiply<S: DotU8S8>(simd: S, rows: usize, a: TileRows<'_>, b: Panel<'_>, place: Place<'_>) {
    macro_rules! tiles {
        ($($rows:literal)*) => {
            match rows {
                // A function each: inlined into every caller, they would be most of the program and of its build.
                $($rows if const { $rows <= tile_rows(S::TIER) } => {
                    simd.run_bytes(Tile::<$rows> { a, b, place });
                })*
                _ => {}
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// A few rows of the output, two vectors wide.
struct Tile<'a, const ROWS: usize> {
    a: TileRows<'a>,
    b: Panel<'a>,
    place: Place<'a>,
}

impl<const ROWS: usize> DotU8S8Op for Tile<'_, ROWS> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        let Self { a, b: Panel { weights, panel, ahead }, place } = self;
        let (mut ahead, step) = ahead.elements(VECTORS * 4 * S::LANES);
        if !place.near {
            fetch_tile::<S, _, ROWS>(simd, place.out, place.stride);
        }
        let mut totals = [[simd.zero(); VECTORS]; ROWS];
        for (group, (codes, scales)) in a.codes.iter().zip(a.scales).enumerate() {
            let (quads, start) = weights.group(panel, group);
            let first = [simd.load_i32(start), simd.load_i32(&start[S::LANES..])];
            let mut sums = [first; ROWS];
            for (quad, b) in (0..QUADS).zip(quads.chunks_exact(VECTORS * 4 * S::LANES)) {
                simd.prefetch_to_second_level(b, ahead);
                ahead = ahead.wrapping_add(step);
                let b = [simd.load_bytes(b), simd.load_bytes(&b[4 * S::LANES..])];
                each_row!(ROWS, |row| {
                    // Loaded where it is used: brought forward, a tile's codes would take the registers of its sums.
                    let a = simd.opaque(simd.splat_bytes(codes[row][quad]));
                    sums[row][0] = simd.dot_native(sums[row][0], a, b[0]);
                    sums[row][1] = simd.dot_native(sums[row][1], a, b[1]);
                });
            }
            each_row!(ROWS, |row| {
                let scale = simd.splat(scales[row]);
                totals[row][0] = simd.mul_add(simd.to_f32(sums[row][0]), scale, totals[row][0]);
                totals[row][1] = simd.mul_add(simd.to_f32(sums[row][1]), scale, totals[row][1]);
            });
        }
        let (scales, bias) = weights.finish(panel);
        let scales = [simd.load(scales), simd.load(&scales[S::LANES..])];
        let bias = [simd.load(bias), simd.load(&bias[S::LANES..])];
        let whole = place.width == VECTORS * S::LANES;
        let mut rows = RowsMut::<ROWS>::new(place.out, place.stride, place.width);
        each_row!(ROWS, |row| {
            let to = rows.row(row);
            let low = simd.mul_add(totals[row][0], scales[0], bias[0]);
            let high = simd.mul_add(totals[row][1], scales[1], bias[1]);
            if whole {
                simd.store(low, to);
                simd.store(high, &mut to[S::LANES..]);
            } else {
                let (to_low, to_high) = to.split_at_mut(to.len().min(S::LANES));
                simd.store_partial(low, to_low);
                simd.store_partial(high, to_high);
            }
        });
    }
}

#[cfg(test)]
mod tests;
