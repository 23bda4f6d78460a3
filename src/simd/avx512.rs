//! AVX-512: sixteen lanes, thirty-two registers, masks; and its VNNI and BF16 extensions.

use std::arch::x86_64::*;

use super::{Asked, DotBf16, DotU8S8, Simd, SimdOp, Tier};

/// Proof that the CPU has AVX-512 F, BW, DQ and VL (and AVX2's cluster).
#[derive(Debug, Clone, Copy)]
pub struct Avx512(());

/// Proof that the CPU has VNNI besides what [`Avx512`] proves.
#[derive(Debug, Clone, Copy)]
pub struct Avx512Vnni(());

/// Proof that the CPU has BF16 besides what [`Avx512`] proves.
#[derive(Debug, Clone, Copy)]
pub struct Avx512Bf16(());

/// Proof that the CPU has VPOPCNTDQ besides what [`Avx512`] proves: the same tier with another way to count bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512Popcnt(());

impl Avx512Popcnt {
    /// The token, where the CPU and its system offer the extension.
    #[inline(always)]
    pub(super) fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        let has = || Avx512::new().is_some() && is_x86_feature_detected!("avx512vpopcntdq");
        ASKED.or_ask(has).then_some(Self(()))
    }
}

impl Avx512 {
    /// The token, where the CPU and its system offer the tier.
    #[must_use]
    #[inline(always)]
    pub fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        // These must be the features that `run` enables.
        let has = || {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt")
        };
        ASKED.or_ask(has).then_some(Self(()))
    }
}

impl Avx512Vnni {
    /// The token, where the CPU and its system offer the tier.
    #[must_use]
    pub fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        let has = || Avx512::new().is_some() && is_x86_feature_detected!("avx512vnni");
        ASKED.or_ask(has).then_some(Self(()))
    }
}

impl Avx512Bf16 {
    /// The token, where the CPU and its system offer the tier.
    #[must_use]
    pub fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        let has = || Avx512::new().is_some() && is_x86_feature_detected!("avx512bf16");
        ASKED.or_ask(has).then_some(Self(()))
    }
}

/// Calls intrinsics that have no precondition but the tier.
macro_rules! avx512 {
    ($e:expr) => {{
        // SAFETY: the caller holds a token that only exists where the CPU has the features.
        unsafe { $e }
    }};
}

mod bits;
mod bytes;
mod gauge;

/// The same bits, of which the compiler forgets where they came from.
#[target_feature(enable = "avx512f")]
#[inline]
fn opaque(mut a: __m512i) -> __m512i {
    // SAFETY: there is no instruction; the register is said to be read and written.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) a, options(nomem, nostack, preserves_flags)) }
    a
}

/// Lanes `0..n` set.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "n is clamped to 16 and the shift leaves 16 bits")]
fn lanes(n: usize) -> __mmask16 {
    ((1_u32 << n.min(16)) - 1) as __mmask16
}

/// The lanes of each of four vectors brought together by an operation of two.
macro_rules! across_four {
    ($vectors:expr, $sixteen:ident, $eight:ident, $four:ident) => {{
        let [a, b, c, d] = $vectors;
        // Two rounds of interleaving leave each quarter with what its lanes of a, b, c and d come to.
        let ab = avx512!($sixteen(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
        let cd = avx512!($sixteen(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)));
        let (ab, cd) = (avx512!(_mm512_castps_pd(ab)), avx512!(_mm512_castps_pd(cd)));
        let low = avx512!(_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)));
        let high = avx512!(_mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
        let lanes = avx512!($sixteen(low, high));
        let high = avx512!(_mm512_extractf32x8_ps::<1>(lanes));
        let lanes = avx512!($eight(_mm512_castps512_ps256(lanes), high));
        let high = avx512!(_mm256_extractf128_ps::<1>(lanes));
        let lanes = avx512!($four(_mm256_castps256_ps128(lanes), high));
        let mut four = [0.0; 4];
        // SAFETY: four floats are writable at `four`.
        unsafe { _mm_storeu_ps(four.as_mut_ptr(), lanes) }
        four
    }};
}

macro_rules! implement_simd {
    ($token:ident, $tier:ident, $count:ident, $features:literal) => {
        impl Simd for $token {
            const TIER: Tier = Tier::$tier;
            const LANES: usize = 16;
            type F32 = __m512;
            type I32 = __m512i;
            type Mask = __mmask16;
            const LOOKS_UP: bool = true;
            const SPLITS_POWERS: bool = true;

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
            fn splat(self, x: f32) -> __m512 {
                avx512!(_mm512_set1_ps(x))
            }
            #[inline(always)]
            fn load(self, from: &[f32]) -> __m512 {
                let from = &from[..16];
                // SAFETY: sixteen floats are readable at `from`.
                unsafe { _mm512_loadu_ps(from.as_ptr()) }
            }
            #[inline(always)]
            fn load_partial(self, from: &[f32]) -> __m512 {
                // SAFETY: lanes beyond `from` are masked off and not read.
                unsafe { _mm512_maskz_loadu_ps(lanes(from.len()), from.as_ptr()) }
            }
            #[inline(always)]
            fn store(self, value: __m512, to: &mut [f32]) {
                let to = &mut to[..16];
                // SAFETY: sixteen floats are writable at `to`.
                unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
            }
            #[inline(always)]
            fn store_partial(self, value: __m512, to: &mut [f32]) {
                // SAFETY: lanes beyond `to` are masked off and not written.
                unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes(to.len()), value) }
            }
            #[inline(always)]
            fn store_streaming(self, value: __m512, to: &mut [f32]) {
                let to = &mut to[..16];
                if (to.as_ptr() as usize).is_multiple_of(64) {
                    // SAFETY: sixteen floats are writable at `to`, which is aligned to 64 bytes.
                    unsafe { _mm512_stream_ps(to.as_mut_ptr(), value) }
                } else {
                    self.store(value, to);
                }
            }
            #[inline(always)]
            fn fence(self) {
                avx512!(_mm_sfence());
            }
            #[inline(always)]
            fn add(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_add_ps(a, b))
            }
            #[inline(always)]
            fn sub(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_sub_ps(a, b))
            }
            #[inline(always)]
            fn mul(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_mul_ps(a, b))
            }
            #[inline(always)]
            fn div(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_div_ps(a, b))
            }
            #[inline(always)]
            fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
                avx512!(_mm512_fmadd_ps(a, b, c))
            }
            #[inline(always)]
            fn min(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_min_ps(a, b))
            }
            #[inline(always)]
            fn max(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_max_ps(a, b))
            }
            #[inline(always)]
            fn abs(self, a: __m512) -> __m512 {
                avx512!(_mm512_abs_ps(a))
            }
            #[inline(always)]
            fn sqrt(self, a: __m512) -> __m512 {
                avx512!(_mm512_sqrt_ps(a))
            }
            #[inline(always)]
            fn round(self, a: __m512) -> __m512 {
                avx512!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
            }
            #[inline(always)]
            fn bounded_magnitude(self, a: __m512, bound: __m512) -> __m512 {
                // The smaller magnitude, without its sign; the bound where `a` is a quiet NaN.
                avx512!(_mm512_range_ps::<0b10_10>(a, bound))
            }
            #[inline(always)]
            fn within(self, a: __m512, bound: __m512) -> __m512 {
                // The smaller magnitude, with the sign of `a`.
                avx512!(_mm512_range_ps::<0b00_10>(a, bound))
            }
            #[inline(always)]
            fn beside_quarter(self, a: __m512) -> __m512 {
                // Two bits behind the binary point, to the nearest.
                avx512!(_mm512_reduce_ps::<0x20>(a))
            }
            #[inline(always)]
            fn fraction(self, a: __m512) -> __m512 {
                // None, downwards.
                avx512!(_mm512_reduce_ps::<0x01>(a))
            }
            #[inline(always)]
            fn look_up(self, table: &'static [f32; 32], at: __m512) -> __m512 {
                let (low, high) = (self.load(table), self.load(&table[16..]));
                avx512!(_mm512_permutex2var_ps(low, _mm512_castps_si512(at), high))
            }
            #[inline(always)]
            fn scale_by_power_of_two(self, a: __m512, n: __m512) -> __m512 {
                avx512!(_mm512_scalef_ps(a, n))
            }
            #[inline(always)]
            fn scale_from(self, a: __m512, n: __m512, x: __m512, floor: __m512) -> __m512 {
                // Masked lanes compute nothing, so none of them costs the time of a denormal number.
                let keep = avx512!(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, floor));
                avx512!(_mm512_maskz_scalef_ps(keep, a, n))
            }
            #[inline(always)]
            fn less(self, a: __m512, b: __m512) -> __mmask16 {
                avx512!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b))
            }
            #[inline(always)]
            fn select(self, mask: __mmask16, yes: __m512, no: __m512) -> __m512 {
                avx512!(_mm512_mask_blend_ps(mask, no, yes))
            }
            #[inline(always)]
            fn mask_bits(self, mask: __mmask16) -> u32 {
                u32::from(mask)
            }
            #[inline(always)]
            fn sum(self, a: __m512) -> f32 {
                avx512!(_mm512_reduce_add_ps(a))
            }
            #[inline(always)]
            fn largest(self, a: __m512) -> f32 {
                avx512!(_mm512_reduce_max_ps(a))
            }
            #[inline(always)]
            fn splat_i32(self, x: i32) -> __m512i {
                avx512!(_mm512_set1_epi32(x))
            }
            #[inline(always)]
            fn add_i32(self, a: __m512i, b: __m512i) -> __m512i {
                avx512!(_mm512_add_epi32(a, b))
            }
            #[inline(always)]
            fn to_i32(self, a: __m512) -> __m512i {
                avx512!(_mm512_cvtps_epi32(a))
            }
            #[inline(always)]
            fn to_f32(self, a: __m512i) -> __m512 {
                avx512!(_mm512_cvtepi32_ps(a))
            }
            #[inline(always)]
            fn load_i32(self, from: &[i32]) -> __m512i {
                let from = &from[..16];
                // SAFETY: sixteen integers are readable at `from`.
                unsafe { _mm512_loadu_epi32(from.as_ptr()) }
            }
            #[inline(always)]
            fn store_i32(self, value: __m512i, to: &mut [i32]) {
                let to = &mut to[..16];
                // SAFETY: sixteen integers are writable at `to`.
                unsafe { _mm512_storeu_epi32(to.as_mut_ptr(), value) }
            }
            #[inline(always)]
            fn store_i8(self, value: __m512i, to: &mut [i8]) {
                let to = &mut to[..16];
                let bytes = avx512!(_mm512_cvtsepi32_epi8(value));
                // SAFETY: sixteen bytes are writable at `to`.
                unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), bytes) }
            }
            #[inline(always)]
            fn store_i8_four(self, [a, b, c, d]: [__m512i; 4], to: &mut [i8]) {
                let to = &mut to[..64];
                let words = (avx512!(_mm512_packs_epi32(a, b)), avx512!(_mm512_packs_epi32(c, d)));
                // Packing keeps to 128-bit quarters: quarter q holds [a_q, b_q, c_q, d_q] in groups of four bytes.
                let bytes = avx512!(_mm512_packs_epi16(words.0, words.1));
                let order = avx512!(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
                let bytes = avx512!(_mm512_permutexvar_epi32(order, bytes));
                // SAFETY: sixty-four bytes are writable at `to`.
                unsafe { _mm512_storeu_epi8(to.as_mut_ptr(), bytes) }
            }
            #[inline(always)]
            fn load_i8(self, from: &[i8]) -> __m512i {
                let from = &from[..16];
                // SAFETY: sixteen bytes are readable at `from`.
                let bytes = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
                avx512!(_mm512_cvtepi8_epi32(bytes))
            }
            #[inline(always)]
            fn load_bf16(self, from: &[u16]) -> __m512 {
                let from = &from[..16];
                // SAFETY: thirty-two bytes are readable at `from`.
                let halves = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
                let wide = avx512!(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)));
                avx512!(_mm512_castsi512_ps(wide))
            }
            #[inline(always)]
            fn load_bf16_pairs(self, from: &[u16]) -> (__m512, __m512) {
                let from = &from[..32];
                // SAFETY: sixty-four bytes are readable at `from`.
                let pairs = unsafe { _mm512_loadu_epi16(from.as_ptr().cast()) };
                let odd = avx512!(_mm512_and_si512(pairs, _mm512_set1_epi32(-0x1_0000)));
                let even = avx512!(_mm512_slli_epi32::<16>(pairs));
                (avx512!(_mm512_castsi512_ps(even)), avx512!(_mm512_castsi512_ps(odd)))
            }
            #[inline(always)]
            fn load_f16(self, from: &[u16]) -> __m512 {
                let from = &from[..16];
                // SAFETY: thirty-two bytes are readable at `from`.
                let halves = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
                avx512!(_mm512_cvtph_ps(halves))
            }
            #[inline(always)]
            fn store_f16(self, value: __m512, to: &mut [u16]) {
                let to = &mut to[..16];
                let halves =
                    avx512!(_mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value));
                // SAFETY: thirty-two bytes are writable at `to`.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), halves) }
            }
            #[inline(always)]
            fn store_bf16(self, value: __m512, to: &mut [u16]) {
                let to = &mut to[..16];
                // Not the conversion of BF16, which takes denormal numbers for zero.
                let bits = avx512!(_mm512_castps_si512(value));
                let odd = avx512!(_mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1)));
                let rounded =
                    avx512!(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd));
                let quiet = avx512!(_mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000)));
                let nan = avx512!(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value));
                let bits = avx512!(_mm512_mask_blend_epi32(nan, rounded, quiet));
                let halves = avx512!(_mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(bits)));
                // SAFETY: thirty-two bytes are writable at `to`.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), halves) }
            }
            #[inline(always)]
            fn store_u8(self, value: __m512i, to: &mut [u8]) {
                let to = &mut to[..16];
                let bytes = avx512!(_mm512_cvtusepi32_epi8(_mm512_max_epi32(value, _mm512_setzero_si512())));
                // SAFETY: sixteen bytes are writable at `to`.
                unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), bytes) }
            }
            #[inline(always)]
            fn store_steps(self, [a, b, c, d]: [__m512i; 4], to: &mut [i8]) {
                let to = &mut to[..64];
                let words = (avx512!(_mm512_packs_epi32(a, b)), avx512!(_mm512_packs_epi32(c, d)));
                let bytes = avx512!(_mm512_packs_epi16(words.0, words.1));
                // What is not a number converts to the smallest integer, which packing keeps to -128.
                let numbers = avx512!(_mm512_cmpneq_epi8_mask(bytes, _mm512_set1_epi8(i8::MIN)));
                let bytes = avx512!(_mm512_maskz_mov_epi8(numbers, bytes));
                // As in `store_i8_four`.
                let order = avx512!(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
                let bytes = avx512!(_mm512_permutexvar_epi32(order, bytes));
                // SAFETY: sixty-four bytes are writable at `to`.
                unsafe { _mm512_storeu_epi8(to.as_mut_ptr(), bytes) }
            }
            #[inline(always)]
            fn store_u8_four(self, [a, b, c, d]: [__m512i; 4], to: &mut [u8]) {
                let to = &mut to[..64];
                let words = (avx512!(_mm512_packs_epi32(a, b)), avx512!(_mm512_packs_epi32(c, d)));
                // As in `store_i8_four`.
                let bytes = avx512!(_mm512_packus_epi16(words.0, words.1));
                let order = avx512!(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
                let bytes = avx512!(_mm512_permutexvar_epi32(order, bytes));
                // SAFETY: sixty-four bytes are writable at `to`.
                unsafe { _mm512_storeu_epi8(to.as_mut_ptr().cast(), bytes) }
            }
            #[inline(always)]
            fn load_u8(self, from: &[u8]) -> __m512i {
                let from = &from[..16];
                // SAFETY: sixteen bytes are readable at `from`.
                let bytes = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
                avx512!(_mm512_cvtepu8_epi32(bytes))
            }
            #[inline(always)]
            fn prefetch_beyond<T>(self, at: &[T], ahead: usize) {
                let at = at.as_ptr().wrapping_add(ahead);
                // SAFETY: a prefetch of any address is harmless.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
            }
            #[inline(always)]
            fn prefetch_to_second_level<T>(self, at: &[T], ahead: isize) {
                let at = at.as_ptr().wrapping_offset(ahead);
                // SAFETY: a prefetch of any address is harmless.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
            }
            #[inline(always)]
            fn largest_four(self, vectors: [__m512; 4]) -> [f32; 4] {
                across_four!(vectors, _mm512_max_ps, _mm256_max_ps, _mm_max_ps)
            }
            #[inline(always)]
            fn transpose_fours(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
                let ab = avx512!(_mm512_castps_pd(_mm512_unpacklo_ps(a, b)));
                let cd = avx512!(_mm512_castps_pd(_mm512_unpacklo_ps(c, d)));
                let ab_high = avx512!(_mm512_castps_pd(_mm512_unpackhi_ps(a, b)));
                let cd_high = avx512!(_mm512_castps_pd(_mm512_unpackhi_ps(c, d)));
                [
                    avx512!(_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd))),
                    avx512!(_mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd))),
                    avx512!(_mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high))),
                    avx512!(_mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high))),
                ]
            }
            #[inline(always)]
            fn sum_four(self, vectors: [__m512; 4]) -> [f32; 4] {
                across_four!(vectors, _mm512_add_ps, _mm256_add_ps, _mm_add_ps)
            }
            #[inline(always)]
            fn xor_popcount(self, a: &[u64], b: &[u64]) -> u64 {
                avx512!(bits::$count::xor_popcount(a, b))
            }
            #[inline(always)]
            fn and_popcount(self, a: &[u64], b: &[u64]) -> u64 {
                avx512!(bits::$count::and_popcount(a, b))
            }
            #[inline(always)]
            fn hamming_rows(self, query: &[u64], rows: &[u64], out: &mut [u64]) {
                avx512!(bits::$count::hamming_rows(query, rows, out));
            }
        }
    };
}

implement_simd!(Avx512, Avx512, shuffled, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt");
implement_simd!(
    Avx512Vnni,
    Avx512vnni,
    shuffled,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,popcnt"
);
implement_simd!(
    Avx512Bf16,
    Avx512bf16,
    shuffled,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,popcnt"
);
implement_simd!(
    Avx512Popcnt,
    Avx512,
    counted,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx2,fma,f16c,popcnt"
);

impl DotU8S8 for Avx512Vnni {
    type Bytes = __m512i;
    const LEFT_IS_SIGNED: bool = false;

    #[inline(always)]
    fn load_bytes(self, from: &[u8]) -> __m512i {
        let from = &from[..64];
        // SAFETY: sixty-four bytes are readable at `from`.
        unsafe { _mm512_loadu_epi8(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn dot_u8s8(self, acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_dpbusd_epi32(acc, a, b))
    }
    #[inline(always)]
    fn dot_u7s8(self, acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        self.dot_u8s8(acc, a, b)
    }
    #[inline(always)]
    fn dot_native(self, acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        self.dot_u8s8(acc, a, b)
    }
    #[inline(always)]
    fn load_signed_bytes(self, from: &[i8]) -> __m512i {
        let from = &from[..64];
        // SAFETY: sixty-four bytes are readable at `from`.
        unsafe { _mm512_loadu_epi8(from.as_ptr()) }
    }
    #[inline(always)]
    fn xor_bytes(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_xor_si512(a, b))
    }
    #[inline(always)]
    fn store_bytes(self, value: __m512i, to: &mut [u8]) {
        let to = &mut to[..64];
        // SAFETY: sixty-four bytes are writable at `to`.
        unsafe { _mm512_storeu_epi8(to.as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn splat_bytes(self, four: [u8; 4]) -> __m512i {
        self.splat_i32(i32::from_le_bytes(four))
    }
    #[inline(always)]
    fn two_bit_steps<const FIELD: u32>(self, fields: __m512i) -> __m512i {
        // What a shift of words brings over from the neighbouring byte is masked away.
        let shifted = match FIELD {
            0 => fields,
            1 => avx512!(_mm512_srli_epi16::<2>(fields)),
            2 => avx512!(_mm512_srli_epi16::<4>(fields)),
            _ => avx512!(_mm512_srli_epi16::<6>(fields)),
        };
        let codes = avx512!(_mm512_and_si512(shifted, _mm512_set1_epi8(3)));
        avx512!(_mm512_sub_epi8(codes, _mm512_set1_epi8(1)))
    }
    #[inline(always)]
    fn lowest_bytes(self, [a, b, c, d]: [__m512; 4]) -> __m512i {
        let bits = |x: __m512| avx512!(_mm512_castps_si512(x));
        // 0xCA chooses the second operand where the first is set, else the third.
        let even = self.splat_i32(0xFF);
        let low = avx512!(_mm512_ternarylogic_epi32::<0xCA>(even, bits(a), _mm512_slli_epi32::<8>(bits(b))));
        let high = avx512!(_mm512_ternarylogic_epi32::<0xCA>(even, bits(c), _mm512_slli_epi32::<8>(bits(d))));
        let half = self.splat_i32(0xFFFF);
        avx512!(_mm512_ternarylogic_epi32::<0xCA>(half, low, _mm512_slli_epi32::<16>(high)))
    }
    #[inline(always)]
    fn larger_magnitude(self, top: __m512i, x: __m512) -> __m512i {
        let magnitude = avx512!(_mm512_castps_si512(_mm512_abs_ps(x)));
        avx512!(_mm512_max_epi32(top, magnitude))
    }
    #[inline(always)]
    fn largest_i32(self, a: __m512i) -> i32 {
        avx512!(_mm512_reduce_max_epi32(a))
    }
    #[inline(always)]
    fn opaque(self, a: __m512i) -> __m512i {
        avx512!(opaque(a))
    }
}

impl DotBf16 for Avx512Bf16 {
    type Bf16 = __m512i;

    #[inline(always)]
    fn load_pairs(self, from: &[u16]) -> __m512i {
        let from = &from[..32];
        // SAFETY: sixty-four bytes are readable at `from`.
        unsafe { _mm512_loadu_epi16(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn splat_pair(self, pair: u32) -> __m512i {
        self.splat_i32(pair.cast_signed())
    }
    #[inline(always)]
    fn store_pairs(self, low: __m512, high: __m512, to: &mut [u16]) {
        let to = &mut to[..32];
        let (low, high) = (avx512!(_mm512_cvtneps_pbh(low)), avx512!(_mm512_cvtneps_pbh(high)));
        // SAFETY: both types are 256 bits of plain data.
        let low = unsafe { std::mem::transmute::<__m256bh, __m256i>(low) };
        // SAFETY: both types are 256 bits of plain data.
        let high = unsafe { std::mem::transmute::<__m256bh, __m256i>(high) };
        let (low, high) = (avx512!(_mm512_cvtepu16_epi32(low)), avx512!(_mm512_cvtepu16_epi32(high)));
        let pairs = avx512!(_mm512_or_si512(low, _mm512_slli_epi32::<16>(high)));
        // SAFETY: sixty-four bytes are writable at `to`.
        unsafe { _mm512_storeu_epi16(to.as_mut_ptr().cast(), pairs) }
    }
    #[inline(always)]
    fn dot_bf16(self, acc: __m512, a: __m512i, b: __m512i) -> __m512 {
        // SAFETY: both types are 512 bits of plain data.
        let a = unsafe { std::mem::transmute::<__m512i, __m512bh>(a) };
        // SAFETY: both types are 512 bits of plain data.
        let b = unsafe { std::mem::transmute::<__m512i, __m512bh>(b) };
        avx512!(_mm512_dpbf16_ps(acc, a, b))
    }
}
