//! AVX2 with FMA: eight lanes, sixteen registers.

use std::arch::x86_64::*;

use super::{Asked, DotU8S8, Simd, SimdOp, Tier};

/// Proof that the CPU has AVX2, FMA, F16C and POPCNT.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// The token, where the CPU and its system offer the tier.
    #[must_use]
    pub fn new() -> Option<Self> {
        static ASKED: Asked = Asked::new();
        // These must be the features that `run` enables.
        let has = || {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt")
        };
        ASKED.or_ask(has).then_some(Self(()))
    }
}

/// Calls intrinsics that have no precondition but the tier.
macro_rules! avx2 {
    ($e:expr) => {{
        // SAFETY: the caller holds an `Avx2`, which only exists where the CPU has the features.
        unsafe { $e }
    }};
}

mod bytes;
mod gauge;

/// The same bits, of which the compiler forgets where they came from.
#[target_feature(enable = "avx2")]
#[inline]
fn opaque(mut a: __m256i) -> __m256i {
    // SAFETY: there is no instruction; the register is said to be read and written.
    unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) a, options(nomem, nostack, preserves_flags)) }
    a
}

/// Lanes `0..n` set, for masked loads and stores.
#[inline(always)]
fn lanes(n: usize) -> __m256i {
    const SLIDING: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    let window = &SLIDING[8 - n.min(8)..][..8];
    // SAFETY: the window is 32 bytes long; the caller holds an `Avx2`.
    unsafe { _mm256_loadu_si256(window.as_ptr().cast()) }
}

impl Simd for Avx2 {
    const TIER: Tier = Tier::Avx2;
    const LANES: usize = 8;
    type F32 = __m256;
    type I32 = __m256i;
    type Mask = __m256;

    #[inline(always)]
    fn run<O: SimdOp>(self, op: O) -> O::Output {
        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        fn inner<O: SimdOp>(op: O, simd: Avx2) -> O::Output {
            op.eval(simd)
        }
        // SAFETY: `new` tested the same features.
        unsafe { inner(op, self) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        avx2!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        let from = &from[..8];
        // SAFETY: eight floats are readable at `from`.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn load_partial(self, from: &[f32]) -> __m256 {
        // SAFETY: lanes beyond `from` are masked off and not read.
        unsafe { _mm256_maskload_ps(from.as_ptr(), lanes(from.len())) }
    }
    #[inline(always)]
    fn store(self, value: __m256, to: &mut [f32]) {
        let to = &mut to[..8];
        // SAFETY: eight floats are writable at `to`.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn store_partial(self, value: __m256, to: &mut [f32]) {
        // SAFETY: lanes beyond `to` are masked off and not written.
        unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), lanes(to.len()), value) }
    }
    #[inline(always)]
    fn store_streaming(self, value: __m256, to: &mut [f32]) {
        let to = &mut to[..8];
        if (to.as_ptr() as usize).is_multiple_of(32) {
            // SAFETY: eight floats are writable at `to`, which is aligned to 32 bytes.
            unsafe { _mm256_stream_ps(to.as_mut_ptr(), value) }
        } else {
            self.store(value, to);
        }
    }
    #[inline(always)]
    fn fence(self) {
        avx2!(_mm_sfence());
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        avx2!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        let sign = self.splat(-0.0);
        avx2!(_mm256_andnot_ps(sign, a))
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        avx2!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        avx2!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, a: __m256, n: __m256) -> __m256 {
        // In two steps, so that each factor is a normal number; 2^k is k + 127 in the exponent field.
        let n = self.max(self.min(n, self.splat(127.0)), self.splat(-252.0));
        let n = self.to_i32(n);
        let half = avx2!(_mm256_srai_epi32::<1>(n));
        let rest = avx2!(_mm256_sub_epi32(n, half));
        let factor = |k: __m256i| {
            let biased = self.add_i32(k, self.splat_i32(127));
            let shifted = avx2!(_mm256_slli_epi32::<23>(biased));
            avx2!(_mm256_castsi256_ps(shifted))
        };
        self.mul(self.mul(a, factor(half)), factor(rest))
    }
    #[inline(always)]
    fn scale_from(self, a: __m256, n: __m256, x: __m256, floor: __m256) -> __m256 {
        // 2^n by adding n to the exponent field. A NaN converts to 1 << 31, which the shift clears.
        let shifted = avx2!(_mm256_slli_epi32::<23>(self.to_i32(n)));
        let bits = avx2!(_mm256_castps_si256(a));
        let scaled = avx2!(_mm256_castsi256_ps(_mm256_add_epi32(bits, shifted)));
        avx2!(_mm256_andnot_ps(self.less(x, floor), scaled))
    }
    #[inline(always)]
    fn less(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b))
    }
    #[inline(always)]
    fn select(self, mask: __m256, yes: __m256, no: __m256) -> __m256 {
        avx2!(_mm256_blendv_ps(no, yes, mask))
    }
    #[inline(always)]
    fn mask_bits(self, mask: __m256) -> u32 {
        avx2!(_mm256_movemask_ps(mask)).cast_unsigned()
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        let low = avx2!(_mm256_castps256_ps128(a));
        let high = avx2!(_mm256_extractf128_ps::<1>(a));
        let four = avx2!(_mm_add_ps(low, high));
        let two = avx2!(_mm_add_ps(four, _mm_movehl_ps(four, four)));
        let one = avx2!(_mm_add_ss(two, _mm_movehdup_ps(two)));
        avx2!(_mm_cvtss_f32(one))
    }
    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        let low = avx2!(_mm256_castps256_ps128(a));
        let high = avx2!(_mm256_extractf128_ps::<1>(a));
        let four = avx2!(_mm_max_ps(low, high));
        let two = avx2!(_mm_max_ps(four, _mm_movehl_ps(four, four)));
        let one = avx2!(_mm_max_ss(two, _mm_movehdup_ps(two)));
        avx2!(_mm_cvtss_f32(one))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m256i {
        avx2!(_mm256_set1_epi32(x))
    }
    #[inline(always)]
    fn add_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(a, b))
    }
    #[inline(always)]
    fn to_i32(self, a: __m256) -> __m256i {
        avx2!(_mm256_cvtps_epi32(a))
    }
    #[inline(always)]
    fn to_f32(self, a: __m256i) -> __m256 {
        avx2!(_mm256_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> __m256i {
        let from = &from[..8];
        // SAFETY: eight integers are readable at `from`.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i32(self, value: __m256i, to: &mut [i32]) {
        let to = &mut to[..8];
        // SAFETY: eight integers are writable at `to`.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn store_i8(self, value: __m256i, to: &mut [i8]) {
        let to = &mut to[..8];
        let low = avx2!(_mm256_castsi256_si128(value));
        let high = avx2!(_mm256_extracti128_si256::<1>(value));
        let words = avx2!(_mm_packs_epi32(low, high));
        let bytes = avx2!(_mm_packs_epi16(words, words));
        // SAFETY: eight bytes are writable at `to`.
        unsafe { _mm_storel_epi64(to.as_mut_ptr().cast(), bytes) }
    }
    #[inline(always)]
    fn store_i8_four(self, [a, b, c, d]: [__m256i; 4], to: &mut [i8]) {
        let to = &mut to[..32];
        let words = (avx2!(_mm256_packs_epi32(a, b)), avx2!(_mm256_packs_epi32(c, d)));
        // Packing keeps to 128-bit halves: half h holds [a_h, b_h, c_h, d_h] in groups of four bytes.
        let bytes = avx2!(_mm256_packs_epi16(words.0, words.1));
        let order = avx2!(_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        let bytes = avx2!(_mm256_permutevar8x32_epi32(bytes, order));
        // SAFETY: thirty-two bytes are writable at `to`.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), bytes) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> __m256i {
        let from = &from[..8];
        // SAFETY: eight bytes are readable at `from`.
        let bytes = unsafe { _mm_loadl_epi64(from.as_ptr().cast()) };
        avx2!(_mm256_cvtepi8_epi32(bytes))
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> __m256 {
        let from = &from[..8];
        // SAFETY: sixteen bytes are readable at `from`.
        let halves = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
        let wide = avx2!(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)));
        avx2!(_mm256_castsi256_ps(wide))
    }
    #[inline(always)]
    fn load_bf16_pairs(self, from: &[u16]) -> (__m256, __m256) {
        let from = &from[..16];
        // SAFETY: thirty-two bytes are readable at `from`.
        let pairs = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
        let odd = avx2!(_mm256_and_si256(pairs, _mm256_set1_epi32(-0x1_0000)));
        let even = avx2!(_mm256_slli_epi32::<16>(pairs));
        (avx2!(_mm256_castsi256_ps(even)), avx2!(_mm256_castsi256_ps(odd)))
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16]) -> __m256 {
        let from = &from[..8];
        // SAFETY: sixteen bytes are readable at `from`.
        let halves = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
        avx2!(_mm256_cvtph_ps(halves))
    }
    #[inline(always)]
    fn store_f16(self, value: __m256, to: &mut [u16]) {
        let to = &mut to[..8];
        let halves = avx2!(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value));
        // SAFETY: sixteen bytes are writable at `to`.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), halves) }
    }
    #[inline(always)]
    fn store_bf16(self, value: __m256, to: &mut [u16]) {
        let to = &mut to[..8];
        let bits = avx2!(_mm256_castps_si256(value));
        let odd = avx2!(_mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1)));
        let rounded = avx2!(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd));
        let quiet = avx2!(_mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000)));
        let nan = avx2!(_mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(value, value)));
        let bits = avx2!(_mm256_srli_epi32::<16>(_mm256_blendv_epi8(rounded, quiet, nan)));
        let (low, high) = (avx2!(_mm256_castsi256_si128(bits)), avx2!(_mm256_extracti128_si256::<1>(bits)));
        let halves = avx2!(_mm_packus_epi32(low, high));
        // SAFETY: sixteen bytes are writable at `to`.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), halves) }
    }
    #[inline(always)]
    fn store_u8(self, value: __m256i, to: &mut [u8]) {
        let to = &mut to[..8];
        let low = avx2!(_mm256_castsi256_si128(value));
        let high = avx2!(_mm256_extracti128_si256::<1>(value));
        let words = avx2!(_mm_packs_epi32(low, high));
        let bytes = avx2!(_mm_packus_epi16(words, words));
        // SAFETY: eight bytes are writable at `to`.
        unsafe { _mm_storel_epi64(to.as_mut_ptr().cast(), bytes) }
    }
    #[inline(always)]
    fn store_steps(self, [a, b, c, d]: [__m256i; 4], to: &mut [i8]) {
        let to = &mut to[..32];
        let words = (avx2!(_mm256_packs_epi32(a, b)), avx2!(_mm256_packs_epi32(c, d)));
        let bytes = avx2!(_mm256_packs_epi16(words.0, words.1));
        // What is not a number converts to the smallest integer, which packing keeps to -128.
        let none = avx2!(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(i8::MIN)));
        let bytes = avx2!(_mm256_andnot_si256(none, bytes));
        // As in `store_i8_four`.
        let order = avx2!(_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        let bytes = avx2!(_mm256_permutevar8x32_epi32(bytes, order));
        // SAFETY: thirty-two bytes are writable at `to`.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), bytes) }
    }
    #[inline(always)]
    fn store_u8_four(self, [a, b, c, d]: [__m256i; 4], to: &mut [u8]) {
        let to = &mut to[..32];
        let words = (avx2!(_mm256_packs_epi32(a, b)), avx2!(_mm256_packs_epi32(c, d)));
        // As in `store_i8_four`.
        let bytes = avx2!(_mm256_packus_epi16(words.0, words.1));
        let order = avx2!(_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        let bytes = avx2!(_mm256_permutevar8x32_epi32(bytes, order));
        // SAFETY: thirty-two bytes are writable at `to`.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), bytes) }
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> __m256i {
        let from = &from[..8];
        // SAFETY: eight bytes are readable at `from`.
        let bytes = unsafe { _mm_loadl_epi64(from.as_ptr().cast()) };
        avx2!(_mm256_cvtepu8_epi32(bytes))
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
    fn transpose_fours(self, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        let ab = avx2!(_mm256_castps_pd(_mm256_unpacklo_ps(a, b)));
        let cd = avx2!(_mm256_castps_pd(_mm256_unpacklo_ps(c, d)));
        let ab_high = avx2!(_mm256_castps_pd(_mm256_unpackhi_ps(a, b)));
        let cd_high = avx2!(_mm256_castps_pd(_mm256_unpackhi_ps(c, d)));
        [
            avx2!(_mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd))),
            avx2!(_mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd))),
            avx2!(_mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high))),
            avx2!(_mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high))),
        ]
    }
    #[inline(always)]
    fn sum_four(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        // Each half of the result of two rounds holds the half's sums of a, b, c and d.
        let four = avx2!(_mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d)));
        let high = avx2!(_mm256_extractf128_ps::<1>(four));
        let four = avx2!(_mm_add_ps(_mm256_castps256_ps128(four), high));
        let mut sums = [0.0; 4];
        // SAFETY: four floats are writable at `sums`.
        unsafe { _mm_storeu_ps(sums.as_mut_ptr(), four) }
        sums
    }
    #[inline(always)]
    fn xor_popcount(self, a: &[u64], b: &[u64]) -> u64 {
        // With POPCNT enabled this is one instruction a word, which AVX2's byte shuffle beats only on long rows.
        a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
    }
    #[inline(always)]
    fn and_popcount(self, a: &[u64], b: &[u64]) -> u64 {
        a.iter().zip(b).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }
}

impl DotU8S8 for Avx2 {
    type Bytes = __m256i;
    const LEFT_IS_SIGNED: bool = false;

    #[inline(always)]
    fn load_bytes(self, from: &[u8]) -> __m256i {
        let from = &from[..32];
        // SAFETY: thirty-two bytes are readable at `from`.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_signed_bytes(self, from: &[i8]) -> __m256i {
        let from = &from[..32];
        // SAFETY: thirty-two bytes are readable at `from`.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn xor_bytes(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn store_bytes(self, value: __m256i, to: &mut [u8]) {
        let to = &mut to[..32];
        // SAFETY: thirty-two bytes are writable at `to`.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }
    #[inline(always)]
    fn splat_bytes(self, four: [u8; 4]) -> __m256i {
        self.splat_i32(i32::from_le_bytes(four))
    }
    #[inline(always)]
    fn dot_u8s8(self, acc: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // VPMADDUBSW would saturate the sum of two products at 16 bits: bytes are widened first, the even and the odd
        // ones apart. The compiler widens an operand that several products share once.
        let low_byte = avx2!(_mm256_set1_epi16(0xFF));
        let even_a = avx2!(_mm256_and_si256(a, low_byte));
        let odd_a = avx2!(_mm256_srli_epi16::<8>(a));
        let even_b = avx2!(_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)));
        let odd_b = avx2!(_mm256_srai_epi16::<8>(b));
        let even = avx2!(_mm256_madd_epi16(even_a, even_b));
        let odd = avx2!(_mm256_madd_epi16(odd_a, odd_b));
        self.add_i32(self.add_i32(acc, even), odd)
    }
    #[inline(always)]
    fn dot_u7s8(self, acc: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // Two products of at most 127 * 128 do not saturate.
        let pairs = avx2!(_mm256_maddubs_epi16(a, b));
        let ones = avx2!(_mm256_set1_epi16(1));
        self.add_i32(acc, avx2!(_mm256_madd_epi16(pairs, ones)))
    }
    #[inline(always)]
    fn dot_native(self, acc: __m256i, a: __m256i, b: __m256i) -> __m256i {
        self.dot_u8s8(acc, a, b)
    }
    #[inline(always)]
    fn two_bit_steps<const FIELD: u32>(self, fields: __m256i) -> __m256i {
        // What a shift of words brings over from the neighbouring byte is masked away.
        let shifted = match FIELD {
            0 => fields,
            1 => avx2!(_mm256_srli_epi16::<2>(fields)),
            2 => avx2!(_mm256_srli_epi16::<4>(fields)),
            _ => avx2!(_mm256_srli_epi16::<6>(fields)),
        };
        let codes = avx2!(_mm256_and_si256(shifted, _mm256_set1_epi8(3)));
        avx2!(_mm256_sub_epi8(codes, _mm256_set1_epi8(1)))
    }
    #[inline(always)]
    fn lowest_bytes(self, vectors: [__m256; 4]) -> __m256i {
        let byte = self.splat_i32(0xFF);
        let [a, b, c, d] = vectors.map(|x| avx2!(_mm256_and_si256(_mm256_castps_si256(x), byte)));
        let low = avx2!(_mm256_or_si256(a, _mm256_slli_epi32::<8>(b)));
        let high = avx2!(_mm256_or_si256(c, _mm256_slli_epi32::<8>(d)));
        avx2!(_mm256_or_si256(low, _mm256_slli_epi32::<16>(high)))
    }
    #[inline(always)]
    fn larger_magnitude(self, top: __m256i, x: __m256) -> __m256i {
        let magnitude = avx2!(_mm256_castps_si256(self.abs(x)));
        avx2!(_mm256_max_epi32(top, magnitude))
    }
    #[inline(always)]
    fn largest_i32(self, a: __m256i) -> i32 {
        let mut lanes = [0; 8];
        self.store_i32(a, &mut lanes);
        lanes.into_iter().fold(lanes[0], i32::max)
    }
    #[inline(always)]
    fn opaque(self, a: __m256i) -> __m256i {
        avx2!(opaque(a))
    }
}
