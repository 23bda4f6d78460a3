//! Double precision in vectors of two; gathers are loads one by one, which is all that the tier has.

use std::arch::aarch64::*;

use super::Neon;
use crate::simd::gauge::Gauge;

#[allow(unused_unsafe, reason = "which intrinsics are safe to call varies with the compiler's version")]
impl Gauge for Neon {
    type F64 = float64x2_t;

    #[inline(always)]
    fn xor_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(veorq_s32(a, b))
    }
    #[inline(always)]
    fn count_bits(self, acc: int32x4_t, a: int32x4_t) -> int32x4_t {
        let bytes = neon!(vcntq_u8(vreinterpretq_u8_s32(a)));
        let words = neon!(vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(bytes))));
        neon!(vreinterpretq_s32_u64(vaddq_u64(vreinterpretq_u64_s32(acc), words)))
    }
    #[inline(always)]
    fn gather(self, from: &[f32], at: int32x4_t) -> float32x4_t {
        let mut lanes = [0; 4];
        crate::simd::Simd::store_i32(self, at, &mut lanes);
        // An index below zero is a large one without its sign.
        let gathered = lanes.map(|at: i32| from[(at.cast_unsigned() as usize).min(from.len() - 1)]);
        crate::simd::Simd::load(self, &gathered)
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> float64x2_t {
        neon!(vdupq_n_f64(x))
    }
    #[inline(always)]
    fn load_f64(self, from: &[f64]) -> float64x2_t {
        let from = &from[..2];
        // SAFETY: two numbers are readable at `from`.
        unsafe { vld1q_f64(from.as_ptr()) }
    }
    #[inline(always)]
    fn store_f64(self, value: float64x2_t, to: &mut [f64]) {
        let to = &mut to[..2];
        // SAFETY: two numbers are writable at `to`.
        unsafe { vst1q_f64(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn add_f64(self, a: float64x2_t, b: float64x2_t) -> float64x2_t {
        neon!(vaddq_f64(a, b))
    }
    #[inline(always)]
    fn mul_f64(self, a: float64x2_t, b: float64x2_t) -> float64x2_t {
        neon!(vmulq_f64(a, b))
    }
    #[inline(always)]
    fn mul_add_f64(self, a: float64x2_t, b: float64x2_t, c: float64x2_t) -> float64x2_t {
        neon!(vfmaq_f64(c, a, b))
    }
}
