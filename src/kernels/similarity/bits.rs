//! Hamming distances between vectors of packed bits.

use super::{check_pairs, each_pair};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

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
/// `out[i * rights + j]`. With one row on the left it is a scan.
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
    dispatch(tier, HammingPairs { left, right, words, out })
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
        each_pair(self.left, self.right, self.words, self.out, |a, b| simd.xor_popcount(a, b));
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

#[cfg(test)]
mod tests {
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
}
