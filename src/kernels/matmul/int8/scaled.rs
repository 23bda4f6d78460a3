//! Byte products that leave the registers as single-precision numbers.

use crate::simd::{DotU8S8, TierUnavailable, dispatch_u8s8};
use crate::sys::Team;

use super::block::{ByteMatrix, Product};
use super::tile::{Finish, VECTORS};
use super::{Bytes, LeftByte};

/// What the steps of the operands stand for.
#[derive(Debug, Clone, Copy)]
pub struct Scales<'a> {
    /// Of each row of A; one alone stands for all.
    pub rows: &'a [f32],
    /// Of each column of B.
    pub columns: &'a [f32],
}

/// `C = scale (A B) + bias` with `b` packed before: `a` is `m x K`, `c` is `m x N`, and each element is
/// `f32(sum) * (row scale * column scale) + bias` of its column. Of a depth beyond 4096, each block of the depth adds its
/// part.
///
/// Rows are spread over the team where the work outweighs waking it; the answer does not depend on how many threads there
/// are.
///
/// # Panics
/// When a slice is shorter than its shape says; of `scales.rows`, when it has neither one number nor `m`.
pub fn gemm_bytes_scaled<'b, A: LeftByte>(
    team: &Team,
    a: &[A],
    m: usize,
    b: impl Into<ByteMatrix<'b>>,
    scales: Scales<'_>,
    bias: Option<&[f32]>,
    c: &mut [f32],
) {
    let b = b.into();
    let [k, n] = b.shape();
    assert!(scales.rows.len() == 1 || scales.rows.len() == m, "one scale for all rows or one a row");
    let (a, c) = (Bytes { values: &a[..m * k], k, scales: scales.rows }, &mut c[..m * n]);
    let finish = Scaled { scales: &scales.columns[..n], bias: bias.map(|bias| &bias[..n]) };
    let outcome: Result<(), TierUnavailable> = dispatch_u8s8(b.tier(), Product { team, a, m, b, finish, c });
    outcome.expect("packing tested the tier");
}

/// Sums to numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct Scaled<'a> {
    /// One number a column.
    pub(in super::super) scales: &'a [f32],
    /// One number a column.
    pub(in super::super) bias: Option<&'a [f32]>,
}

impl Finish for Scaled<'_> {
    type Element = f32;

    #[inline(always)]
    fn row<S: DotU8S8>(
        &self,
        simd: S,
        sums: [S::I32; VECTORS],
        scale: f32,
        column: usize,
        first: bool,
        to: &mut [f32],
    ) {
        let row_scale = simd.splat(scale);
        let [low, high] = sums;
        let (to_low, to_high) = to.split_at_mut(to.len().min(S::LANES));
        self.store(simd, low, row_scale, column, first, to_low);
        self.store(simd, high, row_scale, column + S::LANES, first, to_high);
    }
}

impl Scaled<'_> {
    /// Writes as many numbers as `to` has, or adds them to what is there.
    #[inline(always)]
    fn store<S: DotU8S8>(
        &self,
        simd: S,
        sums: S::I32,
        row_scale: S::F32,
        column: usize,
        first: bool,
        to: &mut [f32],
    ) {
        let whole = to.len() == S::LANES;
        let scale = match self.scales.get(column..) {
            Some(scales) if scales.len() >= S::LANES => simd.load(scales),
            scales => simd.load_partial(scales.unwrap_or_default()),
        };
        let before = match self.bias {
            _ if !first => simd.load_partial(to),
            Some(bias) if whole => simd.load(&bias[column..]),
            Some(bias) => simd.load_partial(bias.get(column..).unwrap_or_default()),
            None => simd.zero(),
        };
        let value = simd.mul_add(simd.to_f32(sums), simd.mul(row_scale, scale), before);
        if whole {
            simd.store(value, to);
        } else {
            simd.store_partial(value, to);
        }
    }
}
