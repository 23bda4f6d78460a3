//! Matrix products `C = A B` (+ bias) in single precision.
//!
//! [`plain_gemm`] is the ordinary loop as the compiler builds it; [`gemm_direct`] multiplies in register tiles straight
//! from both operands; [`gemm`] takes `B` packed once into column panels ([`PackedMatrix`]), which is what weights want,
//! and spreads rows over a team; [`gemm_unpacked`] takes `B` as it lies, in either layout, and packs it on the way where
//! that pays ([`Strategy`]); [`gemm_batched`] does many small products. All read `A` row by row (`M x K`) and write `C`
//! row by row (`M x N`).

use std::num::NonZeroUsize;

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};
use crate::sys::Team;

pub(super) mod ahead;
mod bf16;
pub(super) mod block;
mod dynamic;
pub(super) mod epilogue;
mod halves;
mod int8;
mod pack;
mod pairs;
pub(super) mod split;
mod strategy;
pub(super) mod tile;

pub use bf16::{Bf16Method, PackedBf16, gemm_bf16, gemm_bf16_with, plain_gemm_bf16};
use block::{Block, Operand, Packed, PanelsOf, Strided, Task};

pub use dynamic::{
    PackedInt8, linear_dynamic, plain_linear_dynamic, quantize_channels, reference_linear_dynamic,
};
pub use epilogue::{Epilogue, Finish};
pub use halves::{PackedF16, gemm_f16, gemm_f16_with, plain_gemm_f16};
pub use int8::{
    ByteMatrix, LeftByte, PackedBytes, PackedTernary, Scales, gemm_bytes, gemm_bytes_scaled,
    plain_gemm_bytes, reference_gemm_bytes,
};
pub use pack::{Layout, PackedMatrix};
pub(super) use pairs::{LeftPairs, PairPanel, multiply_pairs_within};
pub use strategy::{Crossover, Strategy, USUAL_PARALLEL_WORK, Unpacked, parallel_work, set_parallel_work};
use tile::{VECTORS, tile_rows};

/// `C = A B + bias` in f64: the right answer.
///
/// `a` is `m x k`, `b` is `k x n`, `bias` has `n` elements; the answer is `m x n`.
///
/// # Panics
/// When a slice is shorter than its shape says.
#[must_use]
pub fn reference_gemm(a: &[f32], m: usize, k: usize, b: &[f32], n: usize, bias: Option<&[f32]>) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for (i, row) in c.chunks_exact_mut(n.max(1)).enumerate() {
        if let Some(bias) = bias {
            for (c, &bias) in row.iter_mut().zip(bias) {
                *c = f64::from(bias);
            }
        }
        for (depth, &a) in a[i * k..][..k].iter().enumerate() {
            for (c, &b) in row.iter_mut().zip(&b[depth * n..][..n]) {
                *c += f64::from(a) * f64::from(b);
            }
        }
    }
    c
}

/// `C = A B` by the ordinary loop, with the middle loop over the depth so that the inner one runs along rows of
/// `b` (`k x n`) and `c` (`m x n`).
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn plain_gemm(a: &[f32], m: usize, k: usize, b: &[f32], n: usize, c: &mut [f32]) {
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0.0);
        for depth in 0..k {
            let a = a[i * k + depth];
            for (c, &b) in row.iter_mut().zip(&b[depth * n..][..n]) {
                *c += a * b;
            }
        }
    }
}

/// `C = A B` in register tiles from `b` as it lies (`k x n`): for products too small to be worth packing.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_direct(
    tier: Tier,
    a: &[f32],
    m: usize,
    k: usize,
    b: &[f32],
    n: usize,
    c: &mut [f32],
) -> Result<(), TierUnavailable> {
    let b = Strided { values: &b[..k * n], columns: n };
    let (a, c) = (&a[..m * k], &mut c[..m * n]);
    let block = Block::of(a, [m, k, n], b);
    dispatch(tier, Task { block, c })
}

/// Vectors of a tier that a register tile is wide.
pub(super) const PANEL_VECTORS: usize = VECTORS;

/// The right operand of a product inside a larger computation, as its steps leave it.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Panels of [`PANEL_VECTORS`] vectors of columns, one after the other, as [`PackedMatrix`] has them.
    Panels(&'a [f32]),
    /// Rows.
    Rows(&'a [f32]),
}

/// `c = a b` of the shape `[m, k, n]` in register tiles, with a number added to each row where there is a bias, inside a
/// computation that has entered its tier.
#[inline(always)]
pub(super) fn multiply_within<S: Simd>(
    simd: S,
    a: &[f32],
    shape @ [_, k, n]: [usize; 3],
    b: Right<'_>,
    row_bias: Option<&[f32]>,
    c: &mut [f32],
) {
    match b {
        Right::Panels(values) => {
            let b = PanelsOf { values, depth: k };
            simd.run(Task { block: Block { row_bias, ..Block::of(a, shape, b) }, c });
        }
        Right::Rows(values) => {
            let b = Strided { values, columns: n };
            simd.run(Task { block: Block { row_bias, ..Block::of(a, shape, b) }, c });
        }
    }
}

/// `C = A B + bias` with `b` packed before: `a` is `m x b.k()`, `c` is `m x b.n()`, `bias` has `b.n()` elements.
///
/// Rows are spread over the team where the work outweighs waking it; every element is computed by the same
/// operations in the same order however many threads there are.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm(team: &Team, a: &[f32], m: usize, b: &PackedMatrix, bias: Option<&[f32]>, c: &mut [f32]) {
    gemm_with(team, a, m, b, Epilogue::bias(bias), c);
}

/// [`gemm`] with all that an epilogue does: a bias has `b.n()` elements, and rows are finished on the thread that did them.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_with(team: &Team, a: &[f32], m: usize, b: &PackedMatrix, epilogue: Epilogue<'_>, c: &mut [f32]) {
    let (a, c) = (&a[..m * b.k()], &mut c[..m * b.n()]);
    let block = Block { epilogue, ..Block::of(a, [m, b.k(), b.n()], Packed(b)) };
    dispatch(b.tier(), OverTeam { team, block, c }).expect("packing tested the tier");
}

/// `C = A B` by the given strategy, with `b` as it lies; `a` is `m x b.k` and `c` is `m x b.n`. What is packed on the way
/// stands in `scratch`, which is for one tier and grows once.
///
/// Rows are spread over the team where the work outweighs waking it.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_unpacked(
    team: &Team,
    strategy: Strategy,
    a: &[f32],
    m: usize,
    b: Unpacked<'_>,
    scratch: &mut PackedMatrix,
    c: &mut [f32],
) {
    let Unpacked { values, k, n, layout } = b;
    if strategy == Strategy::Packing || layout == Layout::NxK {
        scratch.repack(team, values, k, n, layout);
        return gemm(team, a, m, scratch, None, c);
    }
    let b = Strided { values: &values[..k * n], columns: n };
    let (a, c) = (&a[..m * k], &mut c[..m * n]);
    let block = Block::of(a, [m, k, n], b);
    dispatch(scratch.tier(), OverTeam { team, block, c }).expect("the scratch tested the tier");
}

/// `C = A B` for many small products of one shape, `[m, k, n]`, one after the other in `a`, `b` and `c`.
///
/// Products are spread over the team where the work outweighs waking it.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When a slice is not as many whole matrices as the others.
pub fn gemm_batched(
    team: &Team,
    tier: Tier,
    a: &[f32],
    b: &[f32],
    shape: [usize; 3],
    c: &mut [f32],
) -> Result<(), TierUnavailable> {
    let [m, k, n] = shape;
    let count = c.len().checked_div(m * n).unwrap_or(0);
    assert!(c.len() == count * m * n, "whole matrices in C");
    assert!(a.len() == count * m * k && b.len() == count * k * n, "as many matrices in A and B as in C");
    dispatch(tier, Batch { team, a, b, shape, c })
}

/// A block whose rows are spread over a team.
struct OverTeam<'a, B> {
    team: &'a Team,
    block: Block<'a, B>,
    c: &'a mut [f32],
}

impl<B: Operand + Sync> SimdOp for OverTeam<'_, B> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { team, block, c } = self;
        let (m, k, n) = (block.rows, block.depth, block.columns);
        let rows =
            split::rows_per_task(team.threads(), [m, k, n], parallel_work(), tile_rows(S::TIER, VECTORS));
        if rows >= m {
            return simd.run(Task { block, c });
        }
        let Some(elements) = NonZeroUsize::new(rows * n) else { return };
        team.for_each_chunk(c, elements, |task, c| {
            let (first, rows) = (task * rows, c.len() / n);
            simd.run(Task { block: block.some(first, rows), c });
        });
    }
}

/// Products of one shape over a team.
struct Batch<'a> {
    team: &'a Team,
    a: &'a [f32],
    b: &'a [f32],
    shape: [usize; 3],
    c: &'a mut [f32],
}

impl SimdOp for Batch<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { team, a, b, shape: shape @ [m, k, n], c } = self;
        let Some(product) = NonZeroUsize::new(m * n) else { return };
        let count = c.len() / product;
        let work = count.saturating_mul(m * n).saturating_mul(k);
        let threads = team.threads().get();
        let each = if threads == 1 || work < parallel_work() { count } else { count.div_ceil(4 * threads) };
        let Some(each) = NonZeroUsize::new(each) else { return };
        team.for_each_chunk(c, product.saturating_mul(each), |task, c| {
            let first = task * each.get();
            simd.run(Run { a: &a[first * m * k..], b: &b[first * k * n..], shape, c });
        });
    }
}

/// Some products of one shape, on one thread.
struct Run<'a> {
    a: &'a [f32],
    b: &'a [f32],
    shape: [usize; 3],
    c: &'a mut [f32],
}

impl SimdOp for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { a, b, shape: [m, k, n], c } = self;
        for (i, c) in c.chunks_exact_mut(m * n).enumerate() {
            let b = Strided { values: &b[i * k * n..][..k * n], columns: n };
            let block = Block::of(&a[i * m * k..][..m * k], [m, k, n], b);
            Task { block, c }.eval(simd);
        }
    }
}

#[cfg(test)]
mod tests;
