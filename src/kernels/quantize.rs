//! Numbers to fewer bits: symmetric signed bytes with one scale for all or for each row, and one bit a number.
//!
//! The rule for bytes: with `m` the largest magnitude, `scale = m / 127`, and each byte is `x * (127 / m)` in single
//! precision, rounded to the nearest integer with ties to even: -127..=127, never -128. The product with the
//! reciprocal stands in for a division and differs from it by less than 2^-16 of a step, so that every tier and the
//! reference agree to the bit.
//!
//! Numbers that are not finite: NaN does not count for the largest magnitude and becomes 0; with an infinity the scale
//! is infinite and every byte 0. A largest magnitude below [`SMALLEST_MAGNITUDE`], whose reciprocal is no single-precision
//! number, counts as zero: scale 0 and every byte 0.

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// What is smaller counts as zero: 2^-120.
pub const SMALLEST_MAGNITUDE: f32 = f32::from_bits((127 - 120) << 23);

/// All of `values` to signed bytes with one scale, which is returned: `value = scale * byte`.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `values`.
pub fn int8_tensor(tier: Tier, values: &[f32], out: &mut [i8]) -> Result<f32, TierUnavailable> {
    let mut scale = [0.0];
    int8_rows(tier, values, values.len(), out, &mut scale[..usize::from(!values.is_empty())])?;
    Ok(scale[0])
}

/// Every row of `width` numbers to signed bytes with a scale of its own, `scales` holding one a row.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `values` or `scales` is not one number a row.
pub fn int8_rows(
    tier: Tier,
    values: &[f32],
    width: usize,
    out: &mut [i8],
    scales: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(values.len(), out.len(), "one byte a number");
    assert_eq!(values.len(), width * scales.len(), "one scale a row");
    dispatch(tier, Int8Rows { values, width, out, scales })
}

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

/// The scale and what numbers are multiplied by, from the largest magnitude.
#[inline(always)]
fn scale_and_factor(largest: f32) -> (f32, f32) {
    if largest < SMALLEST_MAGNITUDE { (0.0, 0.0) } else { (largest / 127.0, 127.0 / largest) }
}

struct Int8Rows<'a> {
    values: &'a [f32],
    width: usize,
    out: &'a mut [i8],
    scales: &'a mut [f32],
}

impl SimdOp for Int8Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        if self.width == 0 {
            self.scales.fill(0.0);
            return;
        }
        let rows = self.values.chunks_exact(self.width).zip(self.out.chunks_exact_mut(self.width));
        for ((row, out), scale) in rows.zip(self.scales) {
            let (own, factor) = scale_and_factor(largest_magnitude(simd, row));
            *scale = own;
            quantize(simd, row, factor, out);
        }
    }
}

/// The largest magnitude, what is not a number left out.
#[inline(always)]
fn largest_magnitude<S: Simd>(simd: S, row: &[f32]) -> f32 {
    // The accumulator is the second operand of `max`, so that it wins against what is not a number.
    let fold = |top: S::F32, x: S::F32| simd.max(simd.abs(x), top);
    let mut tops = [simd.zero(); 4];
    let blocks = row.chunks_exact(4 * S::LANES);
    let vectors = blocks.remainder().chunks_exact(S::LANES);
    for block in blocks {
        for (i, top) in tops.iter_mut().enumerate() {
            *top = fold(*top, simd.load(&block[i * S::LANES..]));
        }
    }
    // By number, never by a counter: an array that a loop indexes lives in memory, not in registers.
    let tail = vectors.remainder();
    for vector in vectors {
        tops[0] = fold(tops[0], simd.load(vector));
    }
    if !tail.is_empty() {
        tops[1] = fold(tops[1], simd.load_partial(tail));
    }
    simd.largest(simd.max(simd.max(tops[0], tops[2]), simd.max(tops[1], tops[3])))
}

#[inline(always)]
fn quantize<S: Simd>(simd: S, row: &[f32], factor: f32, out: &mut [i8]) {
    let factor = simd.splat(factor);
    let blocks = row.chunks_exact(4 * S::LANES);
    let vectors = blocks.remainder().chunks_exact(S::LANES);
    let rest = vectors.remainder();
    let mut out = out.chunks_exact_mut(4 * S::LANES);
    for (block, out) in blocks.zip(&mut out) {
        let bytes = |i: usize| whole_steps(simd, simd.load(&block[i * S::LANES..]), factor);
        simd.store_i8_four([bytes(0), bytes(1), bytes(2), bytes(3)], out);
    }
    let mut out = out.into_remainder().chunks_exact_mut(S::LANES);
    for (vector, out) in vectors.zip(&mut out) {
        simd.store_i8(whole_steps(simd, simd.load(vector), factor), out);
    }
    let out = out.into_remainder();
    if !out.is_empty() {
        let mut last = [0; MOST_LANES];
        simd.store_i8(whole_steps(simd, simd.load_partial(rest), factor), &mut last);
        out.copy_from_slice(&last[..out.len()]);
    }
}

/// The products with `factor` rounded to integers, what is not a number to 0.
#[inline(always)]
fn whole_steps<S: Simd>(simd: S, x: S::F32, factor: S::F32) -> S::I32 {
    // A product is at most 127 in magnitude and a rounding. Anything else is not a number (infinity times zero among
    // them), which no two tiers convert alike.
    let scaled = simd.mul(x, factor);
    simd.to_i32(simd.select(simd.less(scaled, simd.splat(128.0)), scaled, simd.zero()))
}

/// [`Simd::LANES`] is at most this.
const MOST_LANES: usize = 16;

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

/// The bytes and scales by the module's rule, in double precision where that is exact: a product of two
/// single-precision numbers is, and rounding it to single precision is the rule's own rounding.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is the rule; the byte is clamped")]
pub fn reference_int8_rows(values: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let mut bytes = Vec::with_capacity(values.len());
    let mut scales = Vec::new();
    for row in values.chunks_exact(width.max(1)) {
        let magnitudes = row.iter().map(|x| f64::from(*x).abs()).filter(|x| !x.is_nan());
        let largest = magnitudes.fold(0.0, f64::max);
        let tiny = largest < f64::from(SMALLEST_MAGNITUDE);
        scales.push(if tiny { 0.0 } else { (largest / 127.0) as f32 });
        let factor = if tiny { 0.0 } else { f64::from((127.0 / largest) as f32) };
        bytes.extend(row.iter().map(|&x| {
            let product = (f64::from(x) * factor) as f32;
            // A cast turns what is not a number into 0.
            product.round_ties_even().clamp(-127.0, 127.0) as i8
        }));
    }
    (bytes, scales)
}

/// The two loops of each row as the compiler builds them; arguments and rules are those of [`int8_rows`].
///
/// # Panics
/// As for [`int8_rows`].
#[expect(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
pub fn plain_int8_rows(values: &[f32], width: usize, out: &mut [i8], scales: &mut [f32]) {
    assert_eq!(values.len(), out.len(), "one byte a number");
    assert_eq!(values.len(), width * scales.len(), "one scale a row");
    let width = width.max(1);
    for ((row, out), scale) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scales) {
        let (own, factor) = scale_and_factor(row.iter().fold(0.0, |top: f32, x| top.max(x.abs())));
        *scale = own;
        for (out, x) in out.iter_mut().zip(row) {
            *out = (x * factor).round_ties_even() as i8;
        }
    }
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
    fn bytes_and_scales_are_exact_on_every_tier() {
        let mut failures = Vec::new();
        for width in WIDTHS {
            let values = numbers(3 * width, 7);
            let (bytes, scales) = reference_int8_rows(&values, width);
            let mut judge = |name: String, out: &[i8], own: &[f32]| {
                if out != bytes || own != scales {
                    failures.push(format!("{name} width {width}: {out:?} {own:?}, not {bytes:?} {scales:?}"));
                }
            };
            let (mut out, mut own) = (vec![99; bytes.len()], vec![f32::NAN; scales.len()]);
            for tier in Tier::available() {
                out.fill(99);
                int8_rows(tier, &values, width, &mut out, &mut own).unwrap();
                judge(tier.to_string(), &out, &own);
            }
            out.fill(99);
            plain_int8_rows(&values, width, &mut out, &mut own);
            judge("plain".to_owned(), &out, &own);
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn bytes_are_within_half_a_step_of_the_numbers() {
        let values = numbers(5000, 9);
        for tier in Tier::available() {
            let mut out = vec![0; values.len()];
            let scale = f64::from(int8_tensor(tier, &values, &mut out).unwrap());
            for (i, (&x, &byte)) in values.iter().zip(&out).enumerate() {
                let steps = f64::from(x) / scale;
                assert!(
                    (steps - f64::from(byte)).abs() < 0.5 + 2_f64.powi(-16),
                    "{tier} {i}: {steps} {byte}"
                );
            }
        }
    }

    #[test]
    fn zero_tiny_and_infinite_rows_and_nan_follow_the_rule() {
        let smallest = f32::from_bits(1);
        let rows: [(&str, f32, f32, i8); 5] = [
            ("zero", 0.0, 0.0, 0),
            ("denormal", smallest, 0.0, 0),
            ("just large enough", SMALLEST_MAGNITUDE, SMALLEST_MAGNITUDE / 127.0, 127),
            ("largest", -f32::MAX, f32::MAX / 127.0, -127),
            ("infinite", f32::INFINITY, f32::INFINITY, 0),
        ];
        for (name, x, want_scale, want_byte) in rows {
            for tier in Tier::available() {
                for width in [1, 16, 37] {
                    let mut values = vec![x; width + 1];
                    values[width / 2] = f32::NAN;
                    let mut want = vec![want_byte; width + 1];
                    want[width / 2] = 0;
                    let mut out = vec![99; width + 1];
                    let scale = int8_tensor(tier, &values, &mut out).unwrap();
                    assert_eq!((scale, &out), (want_scale, &want), "{name} {tier} {width}");
                    assert_eq!(reference_int8_rows(&values, width + 1), (out, vec![scale]), "{name} {width}");
                    let (mut out, mut scale) = (vec![99; width + 1], [0.0]);
                    plain_int8_rows(&values, width + 1, &mut out, &mut scale);
                    assert_eq!((scale[0], out), (want_scale, want), "plain {name} {width}");
                }
            }
        }
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
