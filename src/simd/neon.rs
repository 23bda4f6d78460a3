//! Advanced SIMD: four lanes, thirty-two registers; and its dot-product extension.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::{Asked, DotU8S8, Simd, SimdOp, Tier};

/// Proof that the CPU has Advanced SIMD.
#[derive(Debug, Clone, Copy)]
pub struct Neon(());

/// Proof that the CPU has the dot-product instructions besides.
#[derive(Debug, Clone, Copy)]
pub struct NeonDotprod(());

impl Neon {
    /// The token, where the CPU and its system offer the tier.
    #[must_use]
    pub fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        ASKED.or_ask(|| is_aarch64_feature_detected!("neon")).then_some(Self(()))
    }
}

impl NeonDotprod {
    /// The token, where the CPU and its system offer the tier.
    #[must_use]
    pub fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        let has = || Neon::new().is_some() && is_aarch64_feature_detected!("dotprod");
        ASKED.or_ask(has).then_some(Self(()))
    }
}

/// Calls intrinsics that have no precondition but the tier.
macro_rules! neon {
    ($e:expr) => {{
        // SAFETY: the caller holds a token that only exists where the CPU has the features.
        unsafe { $e }
    }};
}

mod bytes;
mod gauge;

macro_rules! implement_simd {
    ($token:ident, $tier:ident, $features:literal) => {
        #[allow(
            unused_unsafe,
            reason = "which intrinsics are safe to call varies with the compiler's version"
        )]
        impl Simd for $token {
            const TIER: Tier = Tier::$tier;
            const LANES: usize = 4;
            type F32 = float32x4_t;
            type I32 = int32x4_t;
            type Mask = uint32x4_t;

            #[inline(always)]
            fn run<O: SimdOp>(self, op: O) -> O::Output {
                #[target_feature(enable = $features)]
                fn inner<O: SimdOp>(op: O, simd: $token) -> O::Output {
                    op.eval(simd)
                }
                // SAFETY: `new` tested the same features.
                unsafe { inner(op, self) }
            }
            #[inline(always)]
            fn splat(self, x: f32) -> float32x4_t {
                neon!(vdupq_n_f32(x))
            }
            #[inline(always)]
            fn load(self, from: &[f32]) -> float32x4_t {
                let from = &from[..4];
                // SAFETY: four floats are readable at `from`.
                unsafe { vld1q_f32(from.as_ptr()) }
            }
            #[inline(always)]
            fn load_partial(self, from: &[f32]) -> float32x4_t {
                let mut padded = [0.0; 4];
                let n = from.len().min(4);
                padded[..n].copy_from_slice(&from[..n]);
                self.load(&padded)
            }
            #[inline(always)]
            fn store(self, value: float32x4_t, to: &mut [f32]) {
                let to = &mut to[..4];
                // SAFETY: four floats are writable at `to`.
                unsafe { vst1q_f32(to.as_mut_ptr(), value) }
            }
            #[inline(always)]
            fn store_partial(self, value: float32x4_t, to: &mut [f32]) {
                let mut padded = [0.0; 4];
                self.store(value, &mut padded);
                let n = to.len().min(4);
                to[..n].copy_from_slice(&padded[..n]);
            }
            #[inline(always)]
            fn store_streaming(self, value: float32x4_t, to: &mut [f32]) {
                // STNP is a hint that cores may ignore; an ordinary store is what the write-streaming mode sees.
                self.store(value, to);
            }
            #[inline(always)]
            fn fence(self) {}
            #[inline(always)]
            fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
                neon!(vaddq_f32(a, b))
            }
            #[inline(always)]
            fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
                neon!(vsubq_f32(a, b))
            }
            #[inline(always)]
            fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
                neon!(vmulq_f32(a, b))
            }
            #[inline(always)]
            fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
                neon!(vdivq_f32(a, b))
            }
            #[inline(always)]
            fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
                neon!(vfmaq_f32(c, a, b))
            }
            #[inline(always)]
            fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
                // Not FMIN, which prefers NaN: `b` where one is not a number, as on x86.
                self.select(self.less(a, b), a, b)
            }
            #[inline(always)]
            fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
                self.select(self.less(b, a), a, b)
            }
            #[inline(always)]
            fn abs(self, a: float32x4_t) -> float32x4_t {
                neon!(vabsq_f32(a))
            }
            #[inline(always)]
            fn sqrt(self, a: float32x4_t) -> float32x4_t {
                neon!(vsqrtq_f32(a))
            }
            #[inline(always)]
            fn round(self, a: float32x4_t) -> float32x4_t {
                neon!(vrndnq_f32(a))
            }
            #[inline(always)]
            fn scale_by_power_of_two(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
                // In two steps, so that each factor is a normal number; 2^k is k + 127 in the exponent field.
                let n = self.max(self.min(n, self.splat(127.0)), self.splat(-252.0));
                let n = self.to_i32(n);
                let half = neon!(vshrq_n_s32::<1>(n));
                let rest = neon!(vsubq_s32(n, half));
                let factor = |k: int32x4_t| {
                    let biased = self.add_i32(k, self.splat_i32(127));
                    let shifted = neon!(vshlq_n_s32::<23>(biased));
                    neon!(vreinterpretq_f32_s32(shifted))
                };
                self.mul(self.mul(a, factor(half)), factor(rest))
            }
            #[inline(always)]
            fn scale_from(
                self,
                a: float32x4_t,
                n: float32x4_t,
                x: float32x4_t,
                floor: float32x4_t,
            ) -> float32x4_t {
                // 2^n by adding n to the exponent field. A NaN converts to zero.
                let shifted = neon!(vshlq_n_s32::<23>(self.to_i32(n)));
                let bits = neon!(vreinterpretq_s32_f32(a));
                let scaled = neon!(vreinterpretq_u32_s32(vaddq_s32(bits, shifted)));
                neon!(vreinterpretq_f32_u32(vbicq_u32(scaled, vcltq_f32(x, floor))))
            }
            #[inline(always)]
            fn less(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
                neon!(vcltq_f32(a, b))
            }
            #[inline(always)]
            fn select(self, mask: uint32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
                neon!(vbslq_f32(mask, yes, no))
            }
            #[inline(always)]
            fn mask_bits(self, mask: uint32x4_t) -> u32 {
                const WEIGHTS: [u32; 4] = [1, 2, 4, 8];
                // SAFETY: four integers are readable at `WEIGHTS`.
                let weights = unsafe { vld1q_u32(WEIGHTS.as_ptr()) };
                neon!(vaddvq_u32(vandq_u32(mask, weights)))
            }
            #[inline(always)]
            fn sum(self, a: float32x4_t) -> f32 {
                neon!(vaddvq_f32(a))
            }
            #[inline(always)]
            fn largest(self, a: float32x4_t) -> f32 {
                neon!(vmaxnmvq_f32(a))
            }
            #[inline(always)]
            fn splat_i32(self, x: i32) -> int32x4_t {
                neon!(vdupq_n_s32(x))
            }
            #[inline(always)]
            fn add_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
                neon!(vaddq_s32(a, b))
            }
            #[inline(always)]
            fn to_i32(self, a: float32x4_t) -> int32x4_t {
                neon!(vcvtnq_s32_f32(a))
            }
            #[inline(always)]
            fn to_f32(self, a: int32x4_t) -> float32x4_t {
                neon!(vcvtq_f32_s32(a))
            }
            #[inline(always)]
            fn load_i32(self, from: &[i32]) -> int32x4_t {
                let from = &from[..4];
                // SAFETY: four integers are readable at `from`.
                unsafe { vld1q_s32(from.as_ptr()) }
            }
            #[inline(always)]
            fn store_i32(self, value: int32x4_t, to: &mut [i32]) {
                let to = &mut to[..4];
                // SAFETY: four integers are writable at `to`.
                unsafe { vst1q_s32(to.as_mut_ptr(), value) }
            }
            #[inline(always)]
            #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8")]
            fn store_i8(self, value: int32x4_t, to: &mut [i8]) {
                let mut lanes = [0; 4];
                self.store_i32(value, &mut lanes);
                to[..4].copy_from_slice(&lanes.map(|x| x.clamp(-128, 127) as i8));
            }
            #[inline(always)]
            fn store_i8_four(self, [a, b, c, d]: [int32x4_t; 4], to: &mut [i8]) {
                let to = &mut to[..16];
                let words = (
                    neon!(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b))),
                    neon!(vcombine_s16(vqmovn_s32(c), vqmovn_s32(d))),
                );
                let bytes = neon!(vcombine_s8(vqmovn_s16(words.0), vqmovn_s16(words.1)));
                // SAFETY: sixteen bytes are writable at `to`.
                unsafe { vst1q_s8(to.as_mut_ptr(), bytes) }
            }
            #[inline(always)]
            fn load_i8(self, from: &[i8]) -> int32x4_t {
                self.load_i32(&[from[0].into(), from[1].into(), from[2].into(), from[3].into()])
            }
            #[inline(always)]
            fn load_bf16(self, from: &[u16]) -> float32x4_t {
                let from = &from[..4];
                // SAFETY: eight bytes are readable at `from`.
                let halves = unsafe { vld1_u16(from.as_ptr()) };
                let wide = neon!(vshll_n_u16::<16>(halves));
                neon!(vreinterpretq_f32_u32(wide))
            }
            #[inline(always)]
            fn load_bf16_pairs(self, from: &[u16]) -> (float32x4_t, float32x4_t) {
                let from = &from[..8];
                // SAFETY: sixteen bytes are readable at `from`.
                let pairs = unsafe { vld1q_u16(from.as_ptr()) };
                let pairs = neon!(vreinterpretq_u32_u16(pairs));
                let odd = neon!(vandq_u32(pairs, vdupq_n_u32(0xFFFF_0000)));
                let even = neon!(vshlq_n_u32::<16>(pairs));
                (neon!(vreinterpretq_f32_u32(even)), neon!(vreinterpretq_f32_u32(odd)))
            }
            #[inline(always)]
            fn load_f16(self, from: &[u16]) -> float32x4_t {
                let from = &from[..4];
                // SAFETY: eight bytes are readable at `from`.
                let halves = unsafe { vld1_u16(from.as_ptr()) };
                let wide: float32x4_t;
                // SAFETY: the instruction is of the base architecture and only touches the named registers.
                unsafe {
                    std::arch::asm!(
                        "fcvtl {wide:v}.4s, {halves:v}.4h",
                        wide = out(vreg) wide, halves = in(vreg) halves,
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
                wide
            }
            #[inline(always)]
            fn store_f16(self, value: float32x4_t, to: &mut [u16]) {
                let to = &mut to[..4];
                let halves: uint16x4_t;
                // SAFETY: the instruction is of the base architecture and only touches the named registers.
                unsafe {
                    std::arch::asm!(
                        "fcvtn {halves:v}.4h, {value:v}.4s",
                        halves = out(vreg) halves, value = in(vreg) value,
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
                // SAFETY: eight bytes are writable at `to`.
                unsafe { vst1_u16(to.as_mut_ptr(), halves) }
            }
            #[inline(always)]
            fn store_bf16(self, value: float32x4_t, to: &mut [u16]) {
                let to = &mut to[..4];
                let bits = neon!(vreinterpretq_u32_f32(value));
                let odd = neon!(vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1)));
                let rounded = neon!(vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7FFF)), odd));
                let quiet = neon!(vorrq_u32(bits, vdupq_n_u32(0x0040_0000)));
                let bits = neon!(vbslq_u32(vceqq_f32(value, value), rounded, quiet));
                let halves = neon!(vshrn_n_u32::<16>(bits));
                // SAFETY: eight bytes are writable at `to`.
                unsafe { vst1_u16(to.as_mut_ptr(), halves) }
            }
            #[inline(always)]
            #[expect(clippy::cast_sign_loss, reason = "clamped to the range of u8")]
            fn store_u8(self, value: int32x4_t, to: &mut [u8]) {
                let mut lanes = [0; 4];
                self.store_i32(value, &mut lanes);
                to[..4].copy_from_slice(&lanes.map(|x| x.clamp(0, 255) as u8));
            }
            #[inline(always)]
            fn load_u8(self, from: &[u8]) -> int32x4_t {
                self.load_i32(&[from[0].into(), from[1].into(), from[2].into(), from[3].into()])
            }
            #[inline(always)]
            fn prefetch_beyond<T>(self, at: &[T], ahead: usize) {
                let at = at.as_ptr().wrapping_add(ahead);
                // SAFETY: a prefetch of any address is harmless.
                unsafe {
                    std::arch::asm!(
                        "prfm pldl1keep, [{at}]",
                        at = in(reg) at,
                        options(nostack, preserves_flags, readonly)
                    );
                }
            }
            #[inline(always)]
            fn prefetch_to_second_level<T>(self, at: &[T], ahead: isize) {
                let at = at.as_ptr().wrapping_offset(ahead);
                // SAFETY: a prefetch of any address is harmless.
                unsafe {
                    std::arch::asm!(
                        "prfm pldl2keep, [{at}]",
                        at = in(reg) at,
                        options(nostack, preserves_flags, readonly)
                    );
                }
            }
            #[inline(always)]
            fn xor_popcount(self, a: &[u64], b: &[u64]) -> u64 {
                popcount(a, b, |a, b| neon!(veorq_u64(a, b)), |a, b| a ^ b)
            }
            #[inline(always)]
            fn and_popcount(self, a: &[u64], b: &[u64]) -> u64 {
                popcount(a, b, |a, b| neon!(vandq_u64(a, b)), |a, b| a & b)
            }
        }
    };
}

/// Bits set in `combine` of both, summed; `combine_words` is the same on single words.
#[inline(always)]
#[allow(unused_unsafe, reason = "which intrinsics are safe to call varies with the compiler's version")]
fn popcount(
    a: &[u64],
    b: &[u64],
    combine: fn(uint64x2_t, uint64x2_t) -> uint64x2_t,
    combine_words: fn(u64, u64) -> u64,
) -> u64 {
    let (a_chunks, b_chunks) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    let mut total = 0;
    for (a, b) in a_chunks.0.iter().zip(b_chunks.0) {
        // SAFETY: each chunk is 16 readable bytes.
        let a = unsafe { vld1q_u64(a.as_ptr()) };
        // SAFETY: each chunk is 16 readable bytes.
        let b = unsafe { vld1q_u64(b.as_ptr()) };
        let bits = neon!(vcntq_u8(vreinterpretq_u8_u64(combine(a, b))));
        total += u64::from(neon!(vaddlvq_u8(bits)));
    }
    let rest = a_chunks.1.iter().zip(b_chunks.1);
    total + rest.map(|(&a, &b)| u64::from(combine_words(a, b).count_ones())).sum::<u64>()
}

implement_simd!(Neon, Neon, "neon");
implement_simd!(NeonDotprod, NeonDotprod, "neon,dotprod");

#[allow(unused_unsafe, reason = "which intrinsics are safe to call varies with the compiler's version")]
impl DotU8S8 for NeonDotprod {
    type Bytes = uint8x16_t;
    const LEFT_IS_SIGNED: bool = true;

    #[inline(always)]
    fn load_bytes(self, from: &[u8]) -> uint8x16_t {
        let from = &from[..16];
        // SAFETY: sixteen bytes are readable at `from`.
        unsafe { vld1q_u8(from.as_ptr()) }
    }
    #[inline(always)]
    fn dot_u8s8(self, acc: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
        // The extension has no mixed-sign form: with a = 128 + (a - 128), SDOT of the signed remainder plus
        // 128 times the sum of b. The intrinsics for SDOT are not stable, hence the instruction itself.
        let signed = neon!(veorq_u8(a, vdupq_n_u8(0x80)));
        let half = neon!(vdupq_n_s8(64));
        let mut acc = acc;
        // SAFETY: the token proves the dot-product extension; the instruction only touches the named registers.
        unsafe {
            std::arch::asm!(
                "sdot {acc:v}.4s, {a:v}.16b, {b:v}.16b",
                "sdot {acc:v}.4s, {half:v}.16b, {b:v}.16b",
                "sdot {acc:v}.4s, {half:v}.16b, {b:v}.16b",
                acc = inout(vreg) acc, a = in(vreg) signed, b = in(vreg) b, half = in(vreg) half,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        acc
    }
    #[inline(always)]
    fn dot_u7s8(self, acc: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
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
    #[inline(always)]
    fn dot_native(self, acc: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
        self.dot_u7s8(acc, a, b)
    }
    #[inline(always)]
    fn load_signed_bytes(self, from: &[i8]) -> uint8x16_t {
        let from = &from[..16];
        // SAFETY: sixteen bytes are readable at `from`.
        let signed = unsafe { vld1q_s8(from.as_ptr()) };
        neon!(vreinterpretq_u8_s8(signed))
    }
    #[inline(always)]
    fn xor_bytes(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(veorq_u8(a, b))
    }
    #[inline(always)]
    fn store_bytes(self, value: uint8x16_t, to: &mut [u8]) {
        let to = &mut to[..16];
        // SAFETY: sixteen bytes are writable at `to`.
        unsafe { vst1q_u8(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn splat_bytes(self, four: [u8; 4]) -> uint8x16_t {
        neon!(vreinterpretq_u8_u32(vdupq_n_u32(u32::from_le_bytes(four))))
    }
    #[inline(always)]
    fn two_bit_steps<const FIELD: u32>(self, fields: uint8x16_t) -> uint8x16_t {
        let shifted = match FIELD {
            0 => fields,
            1 => neon!(vshrq_n_u8::<2>(fields)),
            2 => neon!(vshrq_n_u8::<4>(fields)),
            _ => neon!(vshrq_n_u8::<6>(fields)),
        };
        neon!(vsubq_u8(vandq_u8(shifted, vdupq_n_u8(3)), vdupq_n_u8(1)))
    }
    #[inline(always)]
    fn lowest_bytes(self, vectors: [float32x4_t; 4]) -> uint8x16_t {
        let byte = neon!(vdupq_n_u32(0xFF));
        let [a, b, c, d] = vectors.map(|x| neon!(vandq_u32(vreinterpretq_u32_f32(x), byte)));
        let low = neon!(vorrq_u32(a, vshlq_n_u32::<8>(b)));
        let high = neon!(vorrq_u32(c, vshlq_n_u32::<8>(d)));
        neon!(vreinterpretq_u8_u32(vorrq_u32(low, vshlq_n_u32::<16>(high))))
    }
    #[inline(always)]
    fn larger_magnitude(self, top: int32x4_t, x: float32x4_t) -> int32x4_t {
        neon!(vmaxq_s32(top, vreinterpretq_s32_f32(vabsq_f32(x))))
    }
    #[inline(always)]
    fn largest_i32(self, a: int32x4_t) -> i32 {
        neon!(vmaxvq_s32(a))
    }
    #[inline(always)]
    fn opaque(self, mut a: uint8x16_t) -> uint8x16_t {
        // SAFETY: there is no instruction; the register is said to be read and written.
        unsafe { std::arch::asm!("/* {0:v} */", inout(vreg) a, options(nomem, nostack, preserves_flags)) }
        a
    }
}
