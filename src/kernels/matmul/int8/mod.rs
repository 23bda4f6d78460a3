//! Products of bytes summed in 32 bits: `C = A B` with unsigned or signed `A` (`M x K`) and signed `B` (`K x N`).
//!
//! One kernel does both: a tier's instruction takes left bytes of one sign, and bytes of the other are moved by 128
//! while a tile's rows are copied; 128 times the columns' sums, stored when `B` is packed, make up for it. Sums wrap at
//! 32 bits; with a depth below 65 793 none does.

use crate::simd::{DotU8S8, TierUnavailable, dispatch_u8s8};
use crate::sys::Team;

mod block;
mod pack;
mod scaled;
mod ternary;
mod tile;

pub use block::ByteMatrix;
pub use pack::PackedBytes;
pub use scaled::{Scales, gemm_bytes_scaled};
pub use ternary::PackedTernary;

pub(super) use block::{Left, Product};
pub(super) use pack::{Geometry, Order};
pub(super) use scaled::Scaled;
pub(super) use tile::Rows;
use tile::{Finish, VECTORS};

use std::ops::Range;

/// A byte of the left operand.
pub trait LeftByte: Copy + Send + Sync + Into<i32> {
    /// Whether it has a sign.
    const IS_SIGNED: bool;
    /// Its bits.
    fn bits(self) -> u8;
    /// The bits of the first `4 * LANES` bytes.
    fn load<S: DotU8S8>(simd: S, from: &[Self]) -> S::Bytes;
}

impl LeftByte for u8 {
    const IS_SIGNED: bool = false;
    #[inline(always)]
    fn bits(self) -> u8 {
        self
    }
    #[inline(always)]
    fn load<S: DotU8S8>(simd: S, from: &[Self]) -> S::Bytes {
        simd.load_bytes(from)
    }
}

impl LeftByte for i8 {
    const IS_SIGNED: bool = true;
    #[inline(always)]
    fn bits(self) -> u8 {
        self.cast_unsigned()
    }
    #[inline(always)]
    fn load<S: DotU8S8>(simd: S, from: &[Self]) -> S::Bytes {
        simd.load_signed_bytes(from)
    }
}

/// `C = A B` in integers: the right answer, wrapping at 32 bits. `a` is `m x k`, `b` is `k x n`.
///
/// # Panics
/// When a slice is shorter than its shape says.
#[must_use]
pub fn reference_gemm_bytes<A: LeftByte>(a: &[A], m: usize, k: usize, b: &[i8], n: usize) -> Vec<i32> {
    let mut c = Vec::with_capacity(m * n);
    for i in 0..m {
        let mut sums = vec![0_i64; n];
        for (depth, &a) in a[i * k..][..k].iter().enumerate() {
            for (sum, &b) in sums.iter_mut().zip(&b[depth * n..][..n]) {
                *sum += i64::from(a.into()) * i64::from(b);
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "sums wrap at 32 bits")]
        c.extend(sums.into_iter().map(|sum| sum as i32));
    }
    c
}

/// `C = A B` by the ordinary loop, with the middle loop over the depth so that the inner one runs along rows of `b`
/// (`k x n`) and `c` (`m x n`).
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn plain_gemm_bytes<A: LeftByte>(a: &[A], m: usize, k: usize, b: &[i8], n: usize, c: &mut [i32]) {
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0);
        for depth in 0..k {
            let a: i32 = a[i * k + depth].into();
            for (c, &b) in row.iter_mut().zip(&b[depth * n..][..n]) {
                *c = c.wrapping_add(a * i32::from(b));
            }
        }
    }
}

/// `C = A B` with `b` packed before: `a` is `m x K`, unsigned or signed, `c` is `m x N`.
///
/// Rows are spread over the team where the work outweighs waking it; the answer is exact.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub fn gemm_bytes<'b, A: LeftByte>(
    team: &Team,
    a: &[A],
    m: usize,
    b: impl Into<ByteMatrix<'b>>,
    c: &mut [i32],
) {
    let b = b.into();
    let [k, n] = b.shape();
    let (a, c) = (Bytes { values: &a[..m * k], k, scales: &[] }, &mut c[..m * n]);
    let product = Product { team, a, m, b, finish: Integers, c };
    let outcome: Result<(), TierUnavailable> = dispatch_u8s8(b.tier(), product);
    outcome.expect("packing tested the tier");
}

/// Rows of bytes as the caller has them.
#[derive(Clone, Copy)]
struct Bytes<'a, A> {
    values: &'a [A],
    k: usize,
    /// What a step of each row stands for; none where sums stay integers, one where it is the same for all.
    scales: &'a [f32],
}

impl<A: LeftByte> Left for Bytes<'_, A> {
    #[inline(always)]
    fn is_moved<S: DotU8S8>(&self) -> bool {
        A::IS_SIGNED != S::LEFT_IS_SIGNED
    }

    #[inline(always)]
    fn fill<S: DotU8S8>(&self, simd: S, rows: Range<usize>, depths: Range<usize>, to: &mut Rows) {
        let flip = if self.is_moved::<S>() { 0x80 } else { 0 };
        let flips = simd.splat_bytes([flip; 4]);
        for (row, scale) in rows.clone().zip(&mut to.scales) {
            *scale = *self.scales.get(row).or(self.scales.first()).unwrap_or(&1.0);
        }
        for (row, to) in rows.zip(&mut to.quads) {
            let from = &self.values[row * self.k..][depths.clone()];
            let (from, rest) = from.split_at(from.len() / (4 * S::LANES) * (4 * S::LANES));
            let (to, to_rest) = to.as_flattened_mut().split_at_mut(from.len());
            for (from, to) in from.chunks_exact(4 * S::LANES).zip(to.chunks_exact_mut(4 * S::LANES)) {
                simd.store_bytes(simd.xor_bytes(A::load(simd, from), flips), to);
            }
            for (from, to) in rest.iter().zip(to_rest) {
                *to = from.bits() ^ flip;
            }
        }
    }
}

/// Sums as they are.
#[derive(Clone, Copy)]
struct Integers;

impl Finish for Integers {
    type Element = i32;

    #[inline(always)]
    fn row<S: DotU8S8>(
        &self,
        simd: S,
        sums: [S::I32; VECTORS],
        _: f32,
        _: usize,
        first: bool,
        to: &mut [i32],
    ) {
        let [low, high] = sums;
        let (to_low, to_high) = to.split_at_mut(to.len().min(S::LANES));
        store(simd, low, first, to_low);
        store(simd, high, first, to_high);
    }
}

/// Writes as many lanes as `to` has, or adds them to what is there.
#[inline(always)]
fn store<S: DotU8S8>(simd: S, sums: S::I32, first: bool, to: &mut [i32]) {
    if to.len() == S::LANES {
        let sums = if first { sums } else { simd.add_i32(sums, simd.load_i32(to)) };
        simd.store_i32(sums, to);
    } else {
        let mut lanes = [0; 16];
        simd.store_i32(sums, &mut lanes);
        for (to, lane) in to.iter_mut().zip(lanes) {
            *to = if first { lane } else { to.wrapping_add(lane) };
        }
    }
}

#[cfg(test)]
mod tests;
