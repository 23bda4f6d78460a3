//! Signed bytes: products of sixteen bits added up in pairs, or SDOT where there is one.

use std::arch::aarch64::*;

use super::{Neon, NeonDotprod};
use crate::simd::bytes::DotI8;

/// What both tokens do alike.
macro_rules! common {
    () => {
        type Signed = int8x16_t;
        const EXCESS: i32 = 0;

        #[inline(always)]
        fn load_signed(self, from: &[i8]) -> int8x16_t {
            let from = &from[..16];
            // SAFETY: sixteen bytes are readable at `from`.
            unsafe { vld1q_s8(from.as_ptr()) }
        }
        #[inline(always)]
        fn no_bytes(self) -> int8x16_t {
            neon!(vdupq_n_s8(0))
        }
        #[inline(always)]
        fn sub_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
            neon!(vsubq_s32(a, b))
        }
        #[inline(always)]
        fn sum_i32(self, a: int32x4_t) -> i32 {
            neon!(vaddvq_s32(a))
        }
    };
}

#[allow(unused_unsafe, reason = "which intrinsics are safe to call varies with the compiler's version")]
impl DotI8 for Neon {
    common!();

    #[inline(always)]
    fn dot_i8(self, acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // A product fits sixteen bits, the sum of two of them does not.
        let low = neon!(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        let high = neon!(vmull_high_s8(a, b));
        neon!(vpadalq_s16(vpadalq_s16(acc, low), high))
    }
}

#[allow(unused_unsafe, reason = "which intrinsics are safe to call varies with the compiler's version")]
impl DotI8 for NeonDotprod {
    common!();

    #[inline(always)]
    fn dot_i8(self, acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        let mut acc = acc;
        // SAFETY: the token proves the dot-product extension; the instruction only touches the named registers.
        unsafe {
            std::arch::asm!(
                "sdot {acc:v}.4s, {a:v}.16b, {b:v}.16b",
                acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        acc
    }
}
