//! Entering the tiers that have dot products, for computations that need more than [`Simd`].

use super::{DotBf16, DotU8S8, Simd, SimdOp, Tier, TierUnavailable};

/// A computation written once for every tier with byte dot products.
pub trait DotU8S8Op {
    /// What it returns.
    type Output;
    /// The body: `#[inline(always)]` in every implementation.
    fn eval<S: DotU8S8>(self, simd: S) -> Self::Output;
}

/// A computation written once for every tier with bfloat16 dot products.
pub trait DotBf16Op {
    /// What it returns.
    type Output;
    /// The body: `#[inline(always)]` in every implementation.
    fn eval<S: DotBf16>(self, simd: S) -> Self::Output;
}

/// Runs `op` with the byte dot products of `tier`.
pub fn dispatch_u8s8<O: DotU8S8Op>(tier: Tier, op: O) -> Result<O::Output, TierUnavailable> {
    let missing = TierUnavailable(tier);
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => super::Avx2::new().map(|simd| simd.run(WithBytes(simd, op))).ok_or(missing),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512vnni => super::Avx512Vnni::new().map(|simd| simd.run(WithBytes(simd, op))).ok_or(missing),
        #[cfg(target_arch = "aarch64")]
        Tier::NeonDotprod => {
            super::NeonDotprod::new().map(|simd| simd.run(WithBytes(simd, op))).ok_or(missing)
        }
        _ => {
            drop(op);
            Err(missing)
        }
    }
}

/// Runs `op` with the bfloat16 dot products of `tier`.
pub fn dispatch_bf16<O: DotBf16Op>(tier: Tier, op: O) -> Result<O::Output, TierUnavailable> {
    let missing = TierUnavailable(tier);
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512bf16 => super::Avx512Bf16::new().map(|simd| simd.run(WithBf16(simd, op))).ok_or(missing),
        _ => {
            drop(op);
            Err(missing)
        }
    }
}

/// Carries the token into [`Simd::run`], whose signature knows only [`Simd`].
pub(super) struct WithBytes<S, O>(pub(super) S, pub(super) O);

impl<T: DotU8S8, O: DotU8S8Op> SimdOp for WithBytes<T, O> {
    type Output = O::Output;
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> O::Output {
        self.1.eval(self.0)
    }
}

/// As [`WithBytes`], for bfloat16.
pub(super) struct WithBf16<S, O>(pub(super) S, pub(super) O);

impl<T: DotBf16, O: DotBf16Op> SimdOp for WithBf16<T, O> {
    type Output = O::Output;
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> O::Output {
        self.1.eval(self.0)
    }
}
