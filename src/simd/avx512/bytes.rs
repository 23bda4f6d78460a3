//! Signed bytes: widened to sixteen bits in plain AVX-512, by the mixed-sign product of VNNI where there is one.

use std::arch::x86_64::*;

use super::{Avx512, Avx512Vnni};
use crate::simd::bytes::DotI8;

/// What both tokens do alike.
macro_rules! sums {
    () => {
        #[inline(always)]
        fn sub_i32(self, a: __m512i, b: __m512i) -> __m512i {
            avx512!(_mm512_sub_epi32(a, b))
        }
        #[inline(always)]
        fn sum_i32(self, a: __m512i) -> i32 {
            avx512!(_mm512_reduce_add_epi32(a))
        }
        #[inline(always)]
        fn sum_four_i32(self, [a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
            // Two rounds of interleaving and adding leave each quarter with its sums of a, b, c and d.
            let ab = avx512!(_mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)));
            let cd = avx512!(_mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d)));
            let four =
                avx512!(_mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd)));
            let high = avx512!(_mm512_extracti64x4_epi64::<1>(four));
            let four = avx512!(_mm256_add_epi32(_mm512_castsi512_si256(four), high));
            let high = avx512!(_mm256_extracti128_si256::<1>(four));
            let four = avx512!(_mm_add_epi32(_mm256_castsi256_si128(four), high));
            let mut sums = [0; 4];
            // SAFETY: sixteen bytes are writable at `sums`.
            unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), four) }
            sums
        }
    };
}

impl DotI8 for Avx512 {
    type Signed = [__m512i; 2];
    const EXCESS: i32 = 0;

    #[inline(always)]
    fn load_signed(self, from: &[i8]) -> [__m512i; 2] {
        let (low, high) = from[..64].split_at(32);
        // SAFETY: thirty-two bytes are readable at `low`.
        let low = unsafe { _mm256_loadu_si256(low.as_ptr().cast()) };
        // SAFETY: thirty-two bytes are readable at `high`.
        let high = unsafe { _mm256_loadu_si256(high.as_ptr().cast()) };
        [avx512!(_mm512_cvtepi8_epi16(low)), avx512!(_mm512_cvtepi8_epi16(high))]
    }
    #[inline(always)]
    fn no_bytes(self) -> [__m512i; 2] {
        [avx512!(_mm512_setzero_si512()); 2]
    }
    #[inline(always)]
    fn dot_i8(self, acc: __m512i, a: [__m512i; 2], b: [__m512i; 2]) -> __m512i {
        let low = avx512!(_mm512_madd_epi16(a[0], b[0]));
        let high = avx512!(_mm512_madd_epi16(a[1], b[1]));
        avx512!(_mm512_add_epi32(acc, _mm512_add_epi32(low, high)))
    }
    sums!();
}

impl DotI8 for Avx512Vnni {
    type Signed = __m512i;
    /// The sign bit of `b` flipped makes it `b + 128`, unsigned, as the instruction wants one side.
    const EXCESS: i32 = 128;

    #[inline(always)]
    fn load_signed(self, from: &[i8]) -> __m512i {
        let from = &from[..64];
        // SAFETY: sixty-four bytes are readable at `from`.
        unsafe { _mm512_loadu_epi8(from.as_ptr()) }
    }
    #[inline(always)]
    fn no_bytes(self) -> __m512i {
        avx512!(_mm512_setzero_si512())
    }
    #[inline(always)]
    fn dot_i8(self, acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        let unsigned = avx512!(_mm512_xor_si512(b, _mm512_set1_epi8(i8::MIN)));
        avx512!(_mm512_dpbusd_epi32(acc, unsigned, a))
    }
    sums!();
}
