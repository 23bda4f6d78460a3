//! Matrix products `C = A B` (+ bias) in single precision.
//!
//! Three ways: [`plain_gemm`] is the ordinary loop as the compiler builds it; [`gemm_direct`] multiplies in register
//! tiles straight from both operands; [`gemm`] takes `B` packed once into column panels ([`PackedMatrix`]), which is
//! what weights want, and spreads rows over a team. All read `A` row by row (`M x K`) and write `C` row by row
//! (`M x N`).

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};
use crate::sys::Team;

mod bf16;
mod block;
mod dynamic;
mod int8;
mod pack;
mod split;
mod tile;

pub use bf16::{Bf16Method, PackedBf16, gemm_bf16, plain_gemm_bf16};
use block::{Block, Packed, Strided, Task};

pub use dynamic::{
    PackedInt8, linear_dynamic, plain_linear_dynamic, quantize_channels, reference_linear_dynamic,
};
pub use int8::{
    ByteMatrix, LeftByte, PackedBytes, PackedTernary, Scales, gemm_bytes, gemm_bytes_scaled,
    plain_gemm_bytes, reference_gemm_bytes,
};
pub use pack::{Layout, PackedMatrix};
use tile::{VECTORS, tile_rows};

/// Multiply-adds from which a second thread pays (waking one takes tens of microseconds).
const PARALLEL_WORK: usize = 8 << 20;

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
    let block = Block { a, rows: m, depth: k, b, bias: None, columns: n };
    dispatch(tier, Task { block, c })
}

/// `C = A B + bias` with `b` packed before: `a` is `m x b.k()`, `c` is `m x b.n()`, `bias` has `b.n()` elements.
///
/// Rows are spread over the team where the work outweighs waking it; every element is computed by the same
/// operations in the same order however many threads there are.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm(team: &Team, a: &[f32], m: usize, b: &PackedMatrix, bias: Option<&[f32]>, c: &mut [f32]) {
    let (a, c) = (&a[..m * b.k()], &mut c[..m * b.n()]);
    let bias = bias.map(|bias| &bias[..b.n()]);
    dispatch(b.tier(), Gemm { team, a, m, b, bias, c }).expect("packing tested the tier");
}

struct Gemm<'a> {
    team: &'a Team,
    a: &'a [f32],
    m: usize,
    b: &'a PackedMatrix,
    bias: Option<&'a [f32]>,
    c: &'a mut [f32],
}

impl SimdOp for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { team, a, m, b, bias, c } = self;
        let (k, n) = (b.k(), b.n());
        let rows =
            split::rows_per_task(team.threads(), [m, k, n], PARALLEL_WORK, tile_rows(S::TIER, VECTORS));
        let block = Block { a, rows: m, depth: k, b: Packed(b), bias, columns: n };
        if rows >= m {
            return simd.run(Task { block, c });
        }
        let Some(elements) = std::num::NonZeroUsize::new(rows * n) else { return };
        team.for_each_chunk(c, elements, |task, c| {
            let (first, rows) = (task * rows, c.len() / n);
            let block = Block { a: &a[first * k..], rows, ..block };
            simd.run(Task { block, c });
        });
    }
}

#[cfg(test)]
mod tests;
