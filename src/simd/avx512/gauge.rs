//! Double precision in vectors of eight, gathers of sixteen, bits counted by shuffle or by instruction.

use std::arch::x86_64::*;

use super::{Avx512, Avx512Popcnt, bits};
use crate::simd::Simd;
use crate::simd::gauge::{Gauge, last_index};

macro_rules! implement_gauge {
    ($token:ident, $count:ident) => {
        impl Gauge for $token {
            type F64 = __m512d;

            #[inline(always)]
            fn xor_i32(self, a: __m512i, b: __m512i) -> __m512i {
                avx512!(_mm512_xor_si512(a, b))
            }
            #[inline(always)]
            fn count_bits(self, acc: __m512i, a: __m512i) -> __m512i {
                avx512!(_mm512_add_epi64(acc, bits::$count(a)))
            }
            #[inline(always)]
            fn gather(self, from: &[f32], at: __m512i) -> __m512 {
                let last = self.splat_i32(last_index(from.len()));
                let at = avx512!(_mm512_min_epu32(at, last));
                // SAFETY: every index is between zero and the last of `from`.
                unsafe { _mm512_i32gather_ps::<4>(at, from.as_ptr()) }
            }
            #[inline(always)]
            fn splat_f64(self, x: f64) -> __m512d {
                avx512!(_mm512_set1_pd(x))
            }
            #[inline(always)]
            fn load_f64(self, from: &[f64]) -> __m512d {
                let from = &from[..8];
                // SAFETY: eight numbers are readable at `from`.
                unsafe { _mm512_loadu_pd(from.as_ptr()) }
            }
            #[inline(always)]
            fn store_f64(self, value: __m512d, to: &mut [f64]) {
                let to = &mut to[..8];
                // SAFETY: eight numbers are writable at `to`.
                unsafe { _mm512_storeu_pd(to.as_mut_ptr(), value) }
            }
            #[inline(always)]
            fn add_f64(self, a: __m512d, b: __m512d) -> __m512d {
                avx512!(_mm512_add_pd(a, b))
            }
            #[inline(always)]
            fn mul_f64(self, a: __m512d, b: __m512d) -> __m512d {
                avx512!(_mm512_mul_pd(a, b))
            }
            #[inline(always)]
            fn mul_add_f64(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
                avx512!(_mm512_fmadd_pd(a, b, c))
            }
        }
    };
}

implement_gauge!(Avx512, by_shuffle);
implement_gauge!(Avx512Popcnt, by_instruction);
