//! Counting bits: by a byte shuffle (Mula's method), or by VPOPCNTQ, which is an extension of its own.

use std::arch::x86_64::*;

/// Counts the bits of each quadword by looking up the counts of its nibbles.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn by_shuffle(x: __m512i) -> __m512i {
    let nibble_counts = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let low_nibble = _mm512_set1_epi8(0x0F);
    let low = _mm512_shuffle_epi8(nibble_counts, _mm512_and_si512(x, low_nibble));
    let high = _mm512_shuffle_epi8(nibble_counts, _mm512_and_si512(_mm512_srli_epi16::<4>(x), low_nibble));
    _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512())
}

/// Counts the bits of each quadword by the instruction.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
#[inline]
pub(super) fn by_instruction(x: __m512i) -> __m512i {
    _mm512_popcnt_epi64(x)
}

/// Lanes `0..min(8, n)` set.
#[inline(always)]
fn lanes(n: usize) -> __mmask8 {
    const FIRST: [__mmask8; 9] = [0, 1, 3, 7, 15, 31, 63, 127, 255];
    FIRST[n.min(8)]
}

/// The first `min(8, from.len())` words, the rest zero.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_words(from: &[u64]) -> __m512i {
    // SAFETY: lanes beyond `from` are masked off and not read.
    unsafe { _mm512_maskz_loadu_epi64(lanes(from.len()), from.as_ptr().cast()) }
}

/// Totals of sixteen rows from four vectors, each of which holds the counts of four rows in sixteen bits each, spread
/// over its lanes.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn store_totals(packed: [__m512i; 4], out: &mut [u64; 16]) {
    let [a, b, c, d] = packed;
    let ab = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let cd = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
    // Quarters: two partial sums of a and b, then two of c and d.
    let halves = _mm512_add_epi64(
        _mm512_shuffle_i64x2::<0b01_00_01_00>(ab, cd),
        _mm512_shuffle_i64x2::<0b11_10_11_10>(ab, cd),
    );
    let sums = _mm512_add_epi64(halves, _mm512_shuffle_i64x2::<0b10_11_00_01>(halves, halves));
    let order = _mm512_setr_epi64(0, 1, 4, 5, 0, 1, 4, 5);
    let words = _mm512_castsi512_si256(_mm512_permutexvar_epi64(order, sums));
    let (low, high) = out.split_at_mut(8);
    let first = _mm512_cvtepu16_epi64(_mm256_castsi256_si128(words));
    let last = _mm512_cvtepu16_epi64(_mm256_extracti128_si256::<1>(words));
    // SAFETY: eight words are writable at `low`.
    unsafe { _mm512_storeu_epi64(low.as_mut_ptr().cast(), first) }
    // SAFETY: eight words are writable at `high`.
    unsafe { _mm512_storeu_epi64(high.as_mut_ptr().cast(), last) }
}

/// How far ahead of a scan its rows are asked for, in words: far enough for memory, near enough to stay in L1.
const WORDS_AHEAD: usize = 512;

/// The functions that a way of counting makes.
macro_rules! counting {
    ($name:ident, $count:path, $features:literal, $about:literal) => {
        #[doc = $about]
        pub(super) mod $name {
            use super::*;

            /// Bits set in `combine` of both, summed.
            #[target_feature(enable = $features)]
            #[inline]
            fn popcount(a: &[u64], b: &[u64], combine: impl Fn(__m512i, __m512i) -> __m512i) -> u64 {
                let (a_chunks, b_chunks) = (a.as_chunks::<8>(), b.as_chunks::<8>());
                let mut total = $count(combine(load_words(a_chunks.1), load_words(b_chunks.1)));
                for (a, b) in a_chunks.0.iter().zip(b_chunks.0) {
                    total = _mm512_add_epi64(total, $count(combine(load_words(a), load_words(b))));
                }
                _mm512_reduce_add_epi64(total).cast_unsigned()
            }

            #[target_feature(enable = $features)]
            #[inline]
            pub(in super::super) fn xor_popcount(a: &[u64], b: &[u64]) -> u64 {
                popcount(a, b, |a, b| _mm512_xor_si512(a, b))
            }

            #[target_feature(enable = $features)]
            #[inline]
            pub(in super::super) fn and_popcount(a: &[u64], b: &[u64]) -> u64 {
                popcount(a, b, |a, b| _mm512_and_si512(a, b))
            }

            /// The counts of a row of `W` words (of `words`, where `W` is 0), spread over the lanes.
            #[target_feature(enable = $features)]
            #[inline]
            fn of_row<const W: usize>(query: &[u64], first: __m512i, row: &[u64]) -> __m512i {
                let words = if W == 0 { row.len() } else { W };
                let (query, row) = (&query[..words], &row[..words]);
                let mut counts = $count(_mm512_xor_si512(first, load_words(row)));
                if words > 8 {
                    for (q, r) in query[8..].chunks(8).zip(row[8..].chunks(8)) {
                        counts =
                            _mm512_add_epi64(counts, $count(_mm512_xor_si512(load_words(q), load_words(r))));
                    }
                }
                counts
            }

            /// The counts of four rows, sixteen bits each, spread over the lanes.
            #[target_feature(enable = $features)]
            #[inline]
            fn four_rows<const W: usize>(query: &[u64], first: __m512i, rows: &[u64]) -> __m512i {
                let words = if W == 0 { query.len() } else { W };
                let (top, bottom) = rows[..4 * words].split_at(2 * words);
                let ((a, b), (c, d)) = (top.split_at(words), bottom.split_at(words));
                let [a, b, c, d] = [a, b, c, d].map(|row| of_row::<W>(query, first, row));
                let low = _mm512_or_si512(a, _mm512_slli_epi64::<16>(b));
                let high = _mm512_or_si512(c, _mm512_slli_epi64::<16>(d));
                _mm512_or_si512(low, _mm512_slli_epi64::<32>(high))
            }

            /// Sixteen rows at a time, whose words are `W` (any number, where that is 0).
            #[target_feature(enable = $features)]
            #[inline]
            fn sixteens<const W: usize>(query: &[u64], rows: &[u64], out: &mut [[u64; 16]]) {
                let words = if W == 0 { query.len() } else { W };
                let first = load_words(&query[..words]);
                for (rows, out) in rows.chunks_exact(16 * words).zip(out) {
                    for line in (0..16 * words).step_by(8) {
                        _mm_prefetch::<_MM_HINT_T0>(rows.as_ptr().wrapping_add(line + WORDS_AHEAD).cast());
                    }
                    let packed = [0, 4, 8, 12].map(|row| four_rows::<W>(query, first, &rows[row * words..]));
                    store_totals(packed, out);
                }
            }

            #[target_feature(enable = $features)]
            #[inline]
            pub(in super::super) fn hamming_rows(query: &[u64], rows: &[u64], out: &mut [u64]) {
                let words = query.len();
                // Sixteen bits hold the distance of up to 1023 words.
                let whole = if words < 1024 { out.len() / 16 * 16 } else { 0 };
                let (whole_out, rest_out) = out.split_at_mut(whole);
                let (whole_rows, rest_rows) = rows.split_at(whole * words);
                let whole_out = whole_out.as_chunks_mut().0;
                // Lengths that embeddings have; as constants they leave no loop within a row.
                match words {
                    2 => sixteens::<2>(query, whole_rows, whole_out),
                    4 => sixteens::<4>(query, whole_rows, whole_out),
                    6 => sixteens::<6>(query, whole_rows, whole_out),
                    8 => sixteens::<8>(query, whole_rows, whole_out),
                    12 => sixteens::<12>(query, whole_rows, whole_out),
                    16 => sixteens::<16>(query, whole_rows, whole_out),
                    _ => sixteens::<0>(query, whole_rows, whole_out),
                }
                for (row, out) in rest_rows.chunks_exact(words).zip(rest_out) {
                    *out = xor_popcount(query, row);
                }
            }
        }
    };
}

counting!(shuffled, by_shuffle, "avx512f,avx512bw,popcnt", "By the byte shuffle.");
counting!(
    counted,
    by_instruction,
    "avx512f,avx512bw,avx512vpopcntdq,popcnt",
    "By the instruction that counts."
);
