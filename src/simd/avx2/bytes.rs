//! Signed bytes widened to sixteen bits, whose products add up in pairs without loss: 2 x 128 x 128 is below 2^31.

use std::arch::x86_64::*;

use super::Avx2;
use crate::simd::bytes::DotI8;

impl DotI8 for Avx2 {
    type Signed = [__m256i; 2];
    const EXCESS: i32 = 0;

    #[inline(always)]
    fn load_signed(self, from: &[i8]) -> [__m256i; 2] {
        let (low, high) = from[..32].split_at(16);
        // SAFETY: sixteen bytes are readable at `low`.
        let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
        // SAFETY: sixteen bytes are readable at `high`.
        let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
        [avx2!(_mm256_cvtepi8_epi16(low)), avx2!(_mm256_cvtepi8_epi16(high))]
    }
    #[inline(always)]
    fn no_bytes(self) -> [__m256i; 2] {
        [avx2!(_mm256_setzero_si256()); 2]
    }
    #[inline(always)]
    fn dot_i8(self, acc: __m256i, a: [__m256i; 2], b: [__m256i; 2]) -> __m256i {
        let low = avx2!(_mm256_madd_epi16(a[0], b[0]));
        let high = avx2!(_mm256_madd_epi16(a[1], b[1]));
        avx2!(_mm256_add_epi32(acc, _mm256_add_epi32(low, high)))
    }
    #[inline(always)]
    fn sub_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_sub_epi32(a, b))
    }
    #[inline(always)]
    fn sum_i32(self, a: __m256i) -> i32 {
        let high = avx2!(_mm256_extracti128_si256::<1>(a));
        let four = avx2!(_mm_add_epi32(_mm256_castsi256_si128(a), high));
        let two = avx2!(_mm_add_epi32(four, _mm_unpackhi_epi64(four, four)));
        let one = avx2!(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)));
        avx2!(_mm_cvtsi128_si32(one))
    }
    #[inline(always)]
    fn sum_four_i32(self, [a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        // Each half of the result of two rounds holds the half's sums of a, b, c and d.
        let four = avx2!(_mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d)));
        let high = avx2!(_mm256_extracti128_si256::<1>(four));
        let four = avx2!(_mm_add_epi32(_mm256_castsi256_si128(four), high));
        let mut sums = [0; 4];
        // SAFETY: sixteen bytes are writable at `sums`.
        unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), four) }
        sums
    }
}
