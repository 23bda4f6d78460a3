//! Vectors of packed bits: Hamming distances, and Jaccard similarities beside them.

use super::top::{Hit, ROWS_AT_ONCE, Smallest, Top};
use super::{check_pairs, each_pair};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch_bits};

mod jaccard;

pub use jaccard::{jaccard, jaccard_pairs, jaccard_top, plain_jaccard_pairs, reference_jaccard_pairs};

/// The number of bits in which two packed vectors of equal length differ.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the lengths differ.
pub fn hamming(tier: Tier, a: &[u64], b: &[u64]) -> Result<u64, TierUnavailable> {
    assert_eq!(a.len(), b.len(), "vectors of equal length");
    let mut out = [0];
    hamming_pairs(tier, a, b, a.len(), &mut out)?;
    Ok(out[0])
}

/// The Hamming distance of every row of `left` with every row of `right`, rows of `words` words:
/// `out[i * rights + j]`. With one row on the left it is a scan, else each pair is compared by itself.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When an input is not whole rows or `out` does not hold one number a pair.
pub fn hamming_pairs(
    tier: Tier,
    left: &[u64],
    right: &[u64],
    words: usize,
    out: &mut [u64],
) -> Result<(), TierUnavailable> {
    if words == 0 {
        assert!(left.is_empty() && right.is_empty(), "vectors of no words hold none");
        out.fill(0);
        return Ok(());
    }
    check_pairs(left.len(), right.len(), words, out.len());
    dispatch_bits(tier, HammingPairs { left, right, words, out })
}

/// The rows of `words` words nearest to `query` by Hamming distance, nearest first, in `best`; how many is returned. Of
/// equally near ones those that stand first.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not whole rows of `query.len()` words, which is not zero.
pub fn hamming_top(
    tier: Tier,
    query: &[u64],
    rows: &[u64],
    best: &mut [Hit<u64>],
) -> Result<usize, TierUnavailable> {
    assert!(!query.is_empty() && rows.len().is_multiple_of(query.len()), "the table is whole rows");
    dispatch_bits(tier, HammingTop { query, rows, best })
}

struct HammingPairs<'a> {
    left: &'a [u64],
    right: &'a [u64],
    words: usize,
    out: &'a mut [u64],
}

impl SimdOp for HammingPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        if self.left.len() == self.words {
            // One row against many is a scan, which shares the query's loads and the sums' last steps between rows.
            simd.hamming_rows(self.left, self.right, self.out);
        } else {
            each_pair(self.left, self.right, self.words, self.out, |a, b| simd.xor_popcount(a, b));
        }
    }
}

struct HammingTop<'a> {
    query: &'a [u64],
    rows: &'a [u64],
    best: &'a mut [Hit<u64>],
}

impl SimdOp for HammingTop<'_> {
    type Output = usize;

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) -> usize {
        let mut block = [0; ROWS_AT_ONCE];
        let mut top = Top::<Smallest, u64>::new(self.best);
        for rows in self.rows.chunks(ROWS_AT_ONCE * self.query.len()) {
            let block = &mut block[..rows.len() / self.query.len()];
            simd.hamming_rows(self.query, rows, block);
            top.offer(block);
        }
        top.found()
    }
}

/// The Hamming distance of every pair bit by bit, exact; arguments are those of [`hamming_pairs`].
#[must_use]
pub fn reference_hamming_pairs(left: &[u64], right: &[u64], words: usize) -> Vec<u64> {
    let one = |a: &[u64], b: &[u64]| {
        let bit = |v: &[u64], i: usize| v[i / 64] >> (i % 64) & 1;
        (0..64 * a.len()).filter(|&i| bit(a, i) != bit(b, i)).count() as u64
    };
    let words = words.max(1);
    left.chunks_exact(words).flat_map(|a| right.chunks_exact(words).map(move |b| one(a, b))).collect()
}

/// The Hamming distance of every pair by iterators, as the compiler builds them.
///
/// # Panics
/// As for [`hamming_pairs`], and when `words` is 0.
pub fn plain_hamming_pairs(left: &[u64], right: &[u64], words: usize, out: &mut [u64]) {
    check_pairs(left.len(), right.len(), words, out.len());
    each_pair(left, right, words, out, |a, b| {
        a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
    });
}

/// The Hamming distance of every pair by a table of the set bits of every byte.
///
/// # Panics
/// As for [`plain_hamming_pairs`].
pub fn table_hamming_pairs(left: &[u64], right: &[u64], words: usize, out: &mut [u64]) {
    #[expect(clippy::cast_possible_truncation, reason = "a bit")]
    const BITS: [u8; 256] = {
        let mut bits = [0; 256];
        let mut byte = 1;
        while byte < 256 {
            bits[byte] = bits[byte / 2] + (byte % 2) as u8;
            byte += 1;
        }
        bits
    };
    check_pairs(left.len(), right.len(), words, out.len());
    each_pair(left, right, words, out, |a, b| {
        let bytes = a.iter().zip(b).flat_map(|(a, b)| (a ^ b).to_le_bytes());
        bytes.map(|byte| u64::from(BITS[usize::from(byte)])).sum()
    });
}

#[cfg(test)]
mod tests {
    use super::super::top::{Best, best_by_sorting};
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_exact;

    #[test]
    fn hamming_distances_are_exact_on_every_tier() {
        let mut failures = Vec::new();
        for words in [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33] {
            let mut rng = Rng::new(3);
            let left: Vec<u64> = (0..2 * words).map(|_| rng.next_u64()).collect();
            let right: Vec<u64> = (0..3 * words).map(|_| rng.next_u64()).collect();
            let reference = reference_hamming_pairs(&left, &right, words);
            let mut out = [u64::MAX; 6];
            let mut judge = |name: String, out: &[u64]| {
                if let Err(mismatch) = compare_exact(out, &reference, |x| x as f64) {
                    failures.push(format!("{name} {words} words: {mismatch}"));
                }
            };
            for tier in Tier::available() {
                hamming_pairs(tier, &left, &right, words, &mut out).unwrap();
                judge(tier.to_string(), &out);
            }
            plain_hamming_pairs(&left, &right, words, &mut out);
            judge("plain".to_owned(), &out);
            table_hamming_pairs(&left, &right, words, &mut out);
            judge("table".to_owned(), &out);
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn one_pair_and_no_bits_have_answers() {
        for tier in Tier::available() {
            assert_eq!(hamming(tier, &[], &[]), Ok(0), "{tier}");
            assert_eq!(hamming(tier, &[0, 1, 7], &[u64::MAX, 0, 7]), Ok(65), "{tier}");
        }
    }

    #[test]
    fn a_scan_is_exact_for_any_number_of_rows_and_finds_the_nearest() {
        for words in [1, 5, 6, 7, 8, 9, 16, 17, 1023, 1024] {
            for rows in [0, 1, 15, 16, 17, 300] {
                let mut rng = Rng::new(5);
                let query: Vec<u64> = (0..words).map(|_| rng.next_u64()).collect();
                let mut table: Vec<u64> = (0..rows * words).map(|_| rng.next_u64()).collect();
                // The farthest row that there can be.
                if let Some(row) = table.chunks_exact_mut(words).last() {
                    row.iter_mut().zip(&query).for_each(|(word, query)| *word = !query);
                }
                let mut reference = vec![0; rows];
                plain_hamming_pairs(&query, &table, words, &mut reference);
                let nearest = best_by_sorting(&reference, 10, Best::Smallest);
                for tier in Tier::available() {
                    let mut out = vec![u64::MAX; rows];
                    hamming_pairs(tier, &query, &table, words, &mut out).unwrap();
                    assert_eq!(out, reference, "{tier} {rows} rows of {words}");
                    let mut hits = [Hit::default(); 10];
                    let found = hamming_top(tier, &query, &table, &mut hits).unwrap();
                    assert_eq!(hits[..found], nearest, "{tier} {rows} rows of {words}");
                }
            }
        }
    }
}
