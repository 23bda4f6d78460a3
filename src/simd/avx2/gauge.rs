//! Double precision in vectors of four, gathers of eight, bits counted by a byte shuffle (Mula's method).

use std::arch::x86_64::*;

use super::Avx2;
use crate::simd::Simd;
use crate::simd::gauge::{Gauge, last_index};

impl Gauge for Avx2 {
    type F64 = __m256d;

    #[inline(always)]
    fn xor_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn count_bits(self, acc: __m256i, a: __m256i) -> __m256i {
        let counts =
            avx2!(_mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)));
        let nibble = avx2!(_mm256_set1_epi8(0x0F));
        let low = avx2!(_mm256_shuffle_epi8(counts, _mm256_and_si256(a, nibble)));
        let high = avx2!(_mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16::<4>(a), nibble)));
        let words = avx2!(_mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256()));
        avx2!(_mm256_add_epi64(acc, words))
    }
    #[inline(always)]
    fn gather(self, from: &[f32], at: __m256i) -> __m256 {
        let last = self.splat_i32(last_index(from.len()));
        let at = avx2!(_mm256_min_epu32(at, last));
        // SAFETY: every index is between zero and the last of `from`.
        unsafe { _mm256_i32gather_ps::<4>(from.as_ptr(), at) }
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> __m256d {
        avx2!(_mm256_set1_pd(x))
    }
    #[inline(always)]
    fn load_f64(self, from: &[f64]) -> __m256d {
        let from = &from[..4];
        // SAFETY: four numbers are readable at `from`.
        unsafe { _mm256_loadu_pd(from.as_ptr()) }
    }
    #[inline(always)]
    fn store_f64(self, value: __m256d, to: &mut [f64]) {
        let to = &mut to[..4];
        // SAFETY: four numbers are writable at `to`.
        unsafe { _mm256_storeu_pd(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn add_f64(self, a: __m256d, b: __m256d) -> __m256d {
        avx2!(_mm256_add_pd(a, b))
    }
    #[inline(always)]
    fn mul_f64(self, a: __m256d, b: __m256d) -> __m256d {
        avx2!(_mm256_mul_pd(a, b))
    }
    #[inline(always)]
    fn mul_add_f64(self, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        avx2!(_mm256_fmadd_pd(a, b, c))
    }
}
