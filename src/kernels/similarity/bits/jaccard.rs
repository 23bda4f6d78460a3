//! Jaccard similarities of packed bits: pairs, scans, and the most similar rows of one.

use super::super::top::{Hit, Largest, ROWS_AT_ONCE, Top};
use super::super::{check_pairs, each_pair};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch_bits};

/// The Jaccard similarity of two sets as packed bits of equal length: bits set in both over bits set in either, and 1
/// where neither has one (equal sets are alike, as SciPy's `jaccard` has it).
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn jaccard(tier: Tier, a: &[u64], b: &[u64]) -> Result<f32, TierUnavailable> {
    assert_eq!(a.len(), b.len(), "vectors of equal length");
    let mut out = [0.0];
    jaccard_pairs(tier, a, b, a.len(), &mut out)?;
    Ok(out[0])
}

/// The Jaccard similarity of every row of `left` with every row of `right`, rows of `words` words. With one row on the left
/// it is a scan, else each pair is compared by itself.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`hamming_pairs`](super::hamming_pairs).
pub fn jaccard_pairs(
    tier: Tier,
    left: &[u64],
    right: &[u64],
    words: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    if words == 0 {
        assert!(left.is_empty() && right.is_empty(), "vectors of no words hold none");
        out.fill(1.0);
        return Ok(());
    }
    check_pairs(left.len(), right.len(), words, out.len());
    dispatch_bits(tier, JaccardPairs { left, right, words, out })
}

/// The rows of `words` words most similar to `query` by Jaccard similarity, most similar first, in `best`; how many is
/// returned. Of equally similar ones those that stand first.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not whole rows of `query.len()` words, which is not zero.
pub fn jaccard_top(
    tier: Tier,
    query: &[u64],
    rows: &[u64],
    best: &mut [Hit<f32>],
) -> Result<usize, TierUnavailable> {
    assert!(!query.is_empty() && rows.len().is_multiple_of(query.len()), "the table is whole rows");
    dispatch_bits(tier, JaccardTop { query, rows, best })
}

struct JaccardPairs<'a> {
    left: &'a [u64],
    right: &'a [u64],
    words: usize,
    out: &'a mut [f32],
}

impl SimdOp for JaccardPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { left, right, words, out } = self;
        if left.len() == words && words <= NOTHING.len() {
            for (rows, out) in right.chunks(ROWS_AT_ONCE * words).zip(out.chunks_mut(ROWS_AT_ONCE)) {
                scan_block(simd, left, rows, out);
            }
        } else {
            each_pair(left, right, words, out, |a, b| {
                share(simd.and_popcount(a, b), simd.xor_popcount(a, b))
            });
        }
    }
}

struct JaccardTop<'a> {
    query: &'a [u64],
    rows: &'a [u64],
    best: &'a mut [Hit<f32>],
}

impl SimdOp for JaccardTop<'_> {
    type Output = usize;

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) -> usize {
        let Self { query, rows, best } = self;
        let mut block = [0.0; ROWS_AT_ONCE];
        let mut top = Top::<Largest, f32>::new(best);
        for rows in rows.chunks(ROWS_AT_ONCE * query.len()) {
            let block = &mut block[..rows.len() / query.len()];
            JaccardPairs { left: query, right: rows, words: query.len(), out: block }.eval(simd);
            top.offer(block);
        }
        top.found()
    }
}

/// The distance of a row from nothing is the number of its bits: a query of no bits, for rows of up to 65 536.
static NOTHING: [u64; 1024] = [0; 1024];

/// The similarities of `query` with at most [`ROWS_AT_ONCE`] rows of at most [`NOTHING`]'s words. A scan of Hamming
/// distances shares the query's loads and the sums' last steps between rows, and two of them say it all: with the bits of
/// the query and of the row known, those in both are half of what the two have less what differs. The second finds the
/// rows in L1.
#[inline(always)]
fn scan_block<S: Simd>(simd: S, query: &[u64], rows: &[u64], out: &mut [f32]) {
    let nothing = &NOTHING[..query.len()];
    let (mut apart, mut own) = ([0; ROWS_AT_ONCE], [0; ROWS_AT_ONCE]);
    let (apart, own) = (&mut apart[..out.len()], &mut own[..out.len()]);
    simd.hamming_rows(query, rows, apart);
    simd.hamming_rows(nothing, rows, own);
    let of_query = simd.xor_popcount(query, nothing);
    for ((out, &apart), &own) in out.iter_mut().zip(&*apart).zip(&*own) {
        *out = share((of_query + own - apart) / 2, apart);
    }
}

/// The similarity from the bits in both and the bits in one alone.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rounding to single precision is meant")]
fn share(both: u64, one: u64) -> f32 {
    if both + one == 0 { 1.0 } else { both as f32 / (both + one) as f32 }
}

/// The Jaccard similarity of every pair bit by bit; arguments are those of [`jaccard_pairs`].
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn reference_jaccard_pairs(left: &[u64], right: &[u64], words: usize) -> Vec<f64> {
    let one = |a: &[u64], b: &[u64]| {
        let bit = |v: &[u64], i: usize| v[i / 64] >> (i % 64) & 1 == 1;
        let both = (0..64 * a.len()).filter(|&i| bit(a, i) && bit(b, i)).count();
        let either = (0..64 * a.len()).filter(|&i| bit(a, i) || bit(b, i)).count();
        if either == 0 { 1.0 } else { both as f64 / either as f64 }
    };
    let words = words.max(1);
    left.chunks_exact(words).flat_map(|a| right.chunks_exact(words).map(move |b| one(a, b))).collect()
}

/// The Jaccard similarity of every pair by iterators, as the compiler builds them.
///
/// # Panics
/// As for [`plain_hamming_pairs`](super::plain_hamming_pairs).
pub fn plain_jaccard_pairs(left: &[u64], right: &[u64], words: usize, out: &mut [f32]) {
    check_pairs(left.len(), right.len(), words, out.len());
    each_pair(left, right, words, out, |a, b| {
        let count = |combine: fn(u64, u64) -> u64| -> u64 {
            a.iter().zip(b).map(|(&a, &b)| u64::from(combine(a, b).count_ones())).sum()
        };
        share(count(|a, b| a & b), count(|a, b| a ^ b))
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::top::{Best, best_by_sorting};
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn jaccard_similarities_equal_their_reference_on_every_tier() {
        for words in [1, 2, 6, 7, 8, 9, 16, 17] {
            let mut rng = Rng::new(7);
            let mut left: Vec<u64> = (0..2 * words).map(|_| rng.next_u64() & rng.next_u64()).collect();
            let mut right: Vec<u64> = (0..3 * words).map(|_| rng.next_u64() & rng.next_u64()).collect();
            left[words..].fill(0);
            right[2 * words..].fill(0);
            let reference = reference_jaccard_pairs(&left, &right, words);
            assert_eq!(reference[2..], [0.0, 0.0, 0.0, 1.0]);
            let mut out = [f32::NAN; 6];
            for tier in Tier::available() {
                jaccard_pairs(tier, &left, &right, words, &mut out).unwrap();
                compare_floats(&out, &reference, 1e-7, 0.0).unwrap_or_else(|m| panic!("{tier} {words}: {m}"));
                assert_eq!(jaccard(tier, &[], &[]), Ok(1.0), "{tier}");
            }
            plain_jaccard_pairs(&left, &right, words, &mut out);
            compare_floats(&out, &reference, 1e-7, 0.0).unwrap_or_else(|m| panic!("plain {words}: {m}"));
        }
    }

    #[test]
    fn a_scan_equals_the_pairs_to_the_bit_and_finds_the_most_similar() {
        for words in [1, 6, 8, 16, 17, 1024, 1025] {
            for rows in [0, 1, 16, 255, 256, 300] {
                let mut rng = Rng::new(9);
                let query: Vec<u64> = (0..words).map(|_| rng.next_u64()).collect();
                let mut table: Vec<u64> =
                    (0..rows * words).map(|_| rng.next_u64() & rng.next_u64()).collect();
                if let Some(row) = table.chunks_exact_mut(words).last() {
                    row.copy_from_slice(&query);
                }
                let mut plain = vec![f32::NAN; rows];
                plain_jaccard_pairs(&query, &table, words, &mut plain);
                let best = best_by_sorting(&plain, 10, Best::Largest);
                assert!(best.first().is_none_or(|hit| hit.score == 1.0 && hit.row + 1 == rows));
                for tier in Tier::available() {
                    let mut out = vec![f32::NAN; rows];
                    jaccard_pairs(tier, &query, &table, words, &mut out).unwrap();
                    assert_eq!(out, plain, "{tier} {rows} rows of {words}");
                    let mut hits = [Hit::default(); 10];
                    let found = jaccard_top(tier, &query, &table, &mut hits).unwrap();
                    assert_eq!(hits[..found], best, "{tier} {rows} rows of {words}");
                }
            }
        }
    }
}
