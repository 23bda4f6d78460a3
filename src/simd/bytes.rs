//! Exact dot products of signed bytes, on every tier.

use super::{Baseline, Simd, SimdOp, Tier, TierUnavailable};

/// Tiers' dot product of signed bytes by signed bytes into 32-bit lanes: all of them.
pub trait DotI8: Simd {
    /// A vector of `4 * LANES` signed bytes in the form that products want.
    type Signed: Copy;
    /// What [`DotI8::dot_i8`] adds to every byte of its right operand: 128 where the instruction takes unsigned bytes
    /// there, else 0. A sum that is wanted without it is less by the dot product with [`DotI8::no_bytes`].
    const EXCESS: i32;

    /// The first `4 * LANES` bytes of `from`.
    fn load_signed(self, from: &[i8]) -> Self::Signed;
    /// All bytes zero.
    fn no_bytes(self) -> Self::Signed;
    /// `acc` and the sum of `a * (b + EXCESS)` over all bytes, spread over the lanes in any way; wrapping.
    fn dot_i8(self, acc: Self::I32, a: Self::Signed, b: Self::Signed) -> Self::I32;
    /// `a - b`, wrapping.
    fn sub_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// The sum of the lanes, wrapping.
    fn sum_i32(self, a: Self::I32) -> i32;
    /// The sums of the lanes of four vectors, wrapping.
    #[inline(always)]
    fn sum_four_i32(self, vectors: [Self::I32; 4]) -> [i32; 4] {
        vectors.map(|vector| self.sum_i32(vector))
    }
}

/// A computation written once for every tier, on signed bytes.
pub trait DotI8Op {
    /// What it returns.
    type Output;
    /// The body: `#[inline(always)]` in every implementation.
    fn eval<S: DotI8>(self, simd: S) -> Self::Output;
}

/// Runs `op` with the signed byte products of `tier`.
pub fn dispatch_i8<O: DotI8Op>(tier: Tier, op: O) -> Result<O::Output, TierUnavailable> {
    let missing = TierUnavailable(tier);
    match tier {
        Tier::Baseline => Ok(Baseline.run(Signed(Baseline, op))),
        Tier::Sse41 if tier.is_available() => Ok(Baseline.run(Signed(Baseline, op))),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => super::Avx2::new().map(|simd| simd.run(Signed(simd, op))).ok_or(missing),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => super::Avx512::new().map(|simd| simd.run(Signed(simd, op))).ok_or(missing),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512bf16 if tier.is_available() => dispatch_i8(Tier::Avx512, op),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512vnni => super::Avx512Vnni::new().map(|simd| simd.run(Signed(simd, op))).ok_or(missing),
        #[cfg(target_arch = "aarch64")]
        Tier::Neon => super::Neon::new().map(|simd| simd.run(Signed(simd, op))).ok_or(missing),
        #[cfg(target_arch = "aarch64")]
        Tier::NeonDotprod => super::NeonDotprod::new().map(|simd| simd.run(Signed(simd, op))).ok_or(missing),
        _ => Err(missing),
    }
}

/// Carries the token into [`Simd::run`], whose signature knows only [`Simd`].
struct Signed<S, O>(S, O);

impl<T: DotI8, O: DotI8Op> SimdOp for Signed<T, O> {
    type Output = O::Output;
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> O::Output {
        self.1.eval(self.0)
    }
}

impl DotI8 for Baseline {
    type Signed = [i8; 16];
    const EXCESS: i32 = 0;

    #[inline(always)]
    fn load_signed(self, from: &[i8]) -> [i8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&from[..16]);
        bytes
    }
    #[inline(always)]
    fn no_bytes(self) -> [i8; 16] {
        [0; 16]
    }
    #[inline(always)]
    fn dot_i8(self, mut acc: [i32; 4], a: [i8; 16], b: [i8; 16]) -> [i32; 4] {
        for i in 0..16 {
            acc[i % 4] = acc[i % 4].wrapping_add(i32::from(a[i]) * i32::from(b[i]));
        }
        acc
    }
    #[inline(always)]
    fn sub_i32(self, a: [i32; 4], b: [i32; 4]) -> [i32; 4] {
        std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
    }
    #[inline(always)]
    fn sum_i32(self, a: [i32; 4]) -> i32 {
        a.iter().fold(0, |sum, &x| sum.wrapping_add(x))
    }
}
