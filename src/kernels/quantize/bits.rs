//! Numbers to one bit each.

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// One bit a number, set where it is above zero (not for NaN); number `i` is bit `i % 64` of word `i / 64`. What is
/// left of the last word is zero.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` does not hold one word for every 64 numbers begun.
pub fn bits(tier: Tier, values: &[f32], out: &mut [u64]) -> Result<(), TierUnavailable> {
    bits_rows(tier, values, values.len(), out)
}

/// Like [`bits`] for every row of `width` numbers; each begins with a new word.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `values` is not whole rows or `out` does not hold the rows' words.
pub fn bits_rows(tier: Tier, values: &[f32], width: usize, out: &mut [u64]) -> Result<(), TierUnavailable> {
    check_bits(values.len(), width, out.len());
    dispatch(tier, BitsRows { values, width, out })
}

fn check_bits(values: usize, width: usize, words: usize) {
    let rows = values.checked_div(width).unwrap_or(0);
    assert_eq!(values, rows * width, "the input is whole rows");
    assert_eq!(words, rows * width.div_ceil(64), "the output holds each row's words");
}

struct BitsRows<'a> {
    values: &'a [f32],
    width: usize,
    out: &'a mut [u64],
}

impl SimdOp for BitsRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        if self.width == 0 {
            return;
        }
        let rows = self.values.chunks_exact(self.width);
        for (row, out) in rows.zip(self.out.chunks_exact_mut(self.width.div_ceil(64))) {
            let words = row.chunks_exact(64);
            let rest = words.remainder();
            let (last, whole) = match out.split_last_mut() {
                Some((last, whole)) if !rest.is_empty() => (Some(last), whole),
                _ => (None, &mut *out),
            };
            for (values, word) in words.zip(whole) {
                *word = word_of(simd, values);
            }
            if let Some(last) = last {
                *last = word_of(simd, rest);
            }
        }
    }
}

/// The bits of up to 64 numbers.
#[inline(always)]
fn word_of<S: Simd>(simd: S, values: &[f32]) -> u64 {
    let vectors = values.chunks_exact(S::LANES);
    let rest = vectors.remainder();
    let bits = |x: S::F32| u64::from(simd.mask_bits(simd.less(simd.zero(), x)));
    let mut word = 0;
    for (i, vector) in vectors.enumerate() {
        word |= bits(simd.load(vector)) << (i * S::LANES);
    }
    if !rest.is_empty() {
        word |= bits(simd.load_partial(rest)) << (values.len() - rest.len());
    }
    word
}

/// The bits one by one; arguments are those of [`bits_rows`].
#[must_use]
pub fn reference_bits_rows(values: &[f32], width: usize) -> Vec<u64> {
    let mut out = Vec::new();
    for row in values.chunks_exact(width.max(1)) {
        let first = out.len();
        out.resize(first + width.div_ceil(64), 0_u64);
        for (i, &x) in row.iter().enumerate() {
            if x > 0.0 {
                out[first + i / 64] |= 1 << (i % 64);
            }
        }
    }
    out
}

/// Word by word as the compiler builds it; arguments are those of [`bits_rows`].
///
/// # Panics
/// As for [`bits_rows`].
pub fn plain_bits_rows(values: &[f32], width: usize, out: &mut [u64]) {
    check_bits(values.len(), width, out.len());
    if width == 0 {
        return;
    }
    for (row, out) in values.chunks_exact(width).zip(out.chunks_exact_mut(width.div_ceil(64))) {
        for (values, word) in row.chunks(64).zip(out) {
            *word = values.iter().enumerate().fold(0, |word, (i, &x)| word | u64::from(x > 0.0) << i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;

    /// Widths around the lanes and the blocks of every tier, around a word, and real ones.
    const WIDTHS: [usize; 23] =
        [0, 1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 63, 64, 65, 127, 128, 129, 383, 384, 385];

    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| rng.uniform_f32(-3.0, 3.0)).collect()
    }

    #[test]
    fn bits_are_exact_on_every_tier() {
        let mut failures = Vec::new();
        for width in WIDTHS {
            let mut values = numbers(3 * width, 13);
            for (x, special) in values.iter_mut().zip([0.0, -0.0, f32::NAN, f32::INFINITY, -f32::INFINITY]) {
                *x = special;
            }
            let reference = reference_bits_rows(&values, width);
            let mut out = vec![u64::MAX; reference.len()];
            for tier in Tier::available() {
                out.fill(u64::MAX);
                bits_rows(tier, &values, width, &mut out).unwrap();
                if out != reference {
                    failures.push(format!("{tier} {width}: {out:x?} not {reference:x?}"));
                }
            }
            out.fill(u64::MAX);
            plain_bits_rows(&values, width, &mut out);
            assert_eq!(out, reference, "plain {width}");
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let mut word = [u64::MAX];
        bits(Tier::Baseline, &[1.0, -1.0, 2.0], &mut word).unwrap();
        assert_eq!(word, [0b101]);
    }
}
