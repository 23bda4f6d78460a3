//! Numbers to signed bytes, symmetrically about zero: with one scale, one for each row, or one for each column.
//!
//! With `m` the largest magnitude, `scale = m / 127`, and each byte is `x * (127 / m)` in single precision, rounded to
//! the nearest integer with ties to even: -127..=127, never -128. NaN does not count for the largest magnitude and becomes
//! 0; with an infinity the scale is infinite and every byte 0.

use super::{MOST_LANES, SMALLEST_MAGNITUDE};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

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

/// The scale and what numbers are multiplied by, from the largest magnitude.
#[inline(always)]
fn scale_and_factor(largest: f32) -> (f32, f32) {
    // A call, so that it stays a branch: computed beforehand, the quotients of a tiny magnitude are denormal, and one such
    // takes a hundred cycles on some cores.
    if largest < SMALLEST_MAGNITUDE { nothing() } else { (largest / 127.0, 127.0 / largest) }
}

/// Scale and factor of zeros.
#[cold]
#[inline(never)]
const fn nothing() -> (f32, f32) {
    (0.0, 0.0)
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
        let block = BLOCK * self.width;
        let blocks = self.values.chunks(block).zip(self.out.chunks_mut(block));
        for ((rows, out), scales) in blocks.zip(self.scales.chunks_mut(BLOCK)) {
            let mut largest = [0.0; BLOCK];
            for (row, to) in rows.chunks_exact(self.width).zip(&mut largest) {
                *to = largest_magnitude(simd, row);
            }
            let rows = rows.chunks_exact(self.width).zip(out.chunks_exact_mut(self.width));
            for (((row, out), scale), largest) in rows.zip(scales).zip(largest) {
                let (own, factor) = scale_and_factor(largest);
                *scale = own;
                if factor == 0.0 {
                    // Nothing but zeros and denormal numbers, on which products are slow, or an infinity.
                    out.fill(0);
                } else {
                    quantize(simd, row, factor, out);
                }
            }
        }
    }
}

/// Rows that go through each step together: a row's largest magnitude and the quotients from it wait long for one
/// another, and rows do not.
const BLOCK: usize = 4;

/// The largest magnitude, what is not a number left out.
#[inline(always)]
fn largest_magnitude<S: Simd>(simd: S, row: &[f32]) -> f32 {
    // The accumulator is the second operand of `max`, so that it wins against what is not a number.
    let fold = |top: S::F32, x: S::F32| simd.max(simd.abs(x), top);
    // Eight that do not wait for each other cover the latency of two pipes.
    let mut tops = [simd.zero(); 8];
    let blocks = row.chunks_exact(8 * S::LANES);
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
    let [a, b, c, d, e, f, g, h] = tops;
    let (left, right) = (simd.max(simd.max(a, b), simd.max(c, d)), simd.max(simd.max(e, f), simd.max(g, h)));
    simd.largest(simd.max(left, right))
}

/// The products with `factor` rounded to integers, what is not a number to 0.
#[inline(always)]
fn whole_steps<S: Simd>(simd: S, x: S::F32, factor: S::F32) -> S::I32 {
    // A product is at most 127 in magnitude and a rounding. Anything else is not a number (infinity times zero among
    // them), which no two tiers convert alike.
    let scaled = simd.mul(x, factor);
    simd.to_i32(simd.select(simd.less(scaled, simd.splat(128.0)), scaled, simd.zero()))
}

#[inline(always)]
fn quantize<S: Simd>(simd: S, row: &[f32], factor: f32, out: &mut [i8]) {
    let factor = simd.splat(factor);
    let blocks = row.chunks_exact(4 * S::LANES);
    let vectors = blocks.remainder().chunks_exact(S::LANES);
    let rest = vectors.remainder();
    let mut out = out.chunks_exact_mut(4 * S::LANES);
    for (block, out) in blocks.zip(&mut out) {
        let steps = |i: usize| simd.to_i32(simd.mul(simd.load(&block[i * S::LANES..]), factor));
        simd.store_steps([steps(0), steps(1), steps(2), steps(3)], out);
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

/// Every column of rows of `width` numbers to signed bytes with a scale of its own (a channel's, of weights stored as
/// `inputs x channels`), `scales` holding one a column.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `values` or `scales` is not one number a column of whole rows.
pub fn int8_columns(
    tier: Tier,
    values: &[f32],
    out: &mut [i8],
    scales: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(values.len(), out.len(), "one byte a number");
    assert!(values.is_empty() || values.len().is_multiple_of(scales.len()), "the input is whole rows");
    dispatch(tier, Int8Columns { values, out, scales })
}

struct Int8Columns<'a> {
    values: &'a [f32],
    out: &'a mut [i8],
    scales: &'a mut [f32],
}

impl SimdOp for Int8Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let Self { values, out, scales } = self;
        let width = scales.len();
        // A block of columns stays in registers while all rows pass, twice.
        let mut at = 0;
        while at + 4 * S::LANES <= width {
            let (own, factors) = four_columns(simd, values, width, at);
            for (i, own) in own.into_iter().enumerate() {
                simd.store(own, &mut scales[at + i * S::LANES..]);
            }
            for (row, out) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                let bytes =
                    |i: usize| simd.to_i32(simd.mul(simd.load(&row[at + i * S::LANES..]), factors[i]));
                simd.store_steps([bytes(0), bytes(1), bytes(2), bytes(3)], &mut out[at..]);
            }
            at += 4 * S::LANES;
        }
        for (column, scale) in scales.iter_mut().enumerate().skip(at) {
            let numbers = values.iter().skip(column).step_by(width);
            let (own, factor) = scale_and_factor(numbers.fold(0.0, |top: f32, x| top.max(x.abs())));
            *scale = own;
            for (x, out) in values.iter().zip(out.iter_mut()).skip(column).step_by(width) {
                *out = one_byte(*x, factor);
            }
        }
    }
}

/// Scales and factors of four vectors of columns from `at`.
#[inline(always)]
fn four_columns<S: Simd>(simd: S, values: &[f32], width: usize, at: usize) -> ([S::F32; 4], [S::F32; 4]) {
    let mut tops = [simd.zero(); 4];
    for row in values.chunks_exact(width) {
        let row = &row[at..at + 4 * S::LANES];
        for (i, top) in tops.iter_mut().enumerate() {
            // The accumulator is the second operand of `max`, so that it wins against what is not a number.
            *top = simd.max(simd.abs(simd.load(&row[i * S::LANES..])), *top);
        }
    }
    let tiny = |top: S::F32| simd.less(top, simd.splat(SMALLEST_MAGNITUDE));
    let steps = simd.splat(127.0);
    let scale = |top: S::F32| simd.select(tiny(top), simd.zero(), simd.div(top, steps));
    let factor = |top: S::F32| simd.select(tiny(top), simd.zero(), simd.div(steps, top));
    (tops.map(scale), tops.map(factor))
}

/// The byte of one number.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast saturates, and turns what is not a number into 0"
)]
fn one_byte(x: f32, factor: f32) -> i8 {
    let scaled = x * factor;
    if scaled < 128.0 { scaled.round_ties_even() as i8 } else { 0 }
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

/// [`reference_int8_rows`] of every column: bytes by rows as the numbers are, and a scale a column.
///
/// # Panics
/// When `values` is not whole rows of `width`, which is not zero.
#[must_use]
pub fn reference_int8_columns(values: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let mut bytes = vec![0; values.len()];
    let mut scales = Vec::new();
    for column in 0..width {
        let numbers: Vec<f32> = values.iter().skip(column).step_by(width).copied().collect();
        let (own, scale) = reference_int8_rows(&numbers, numbers.len());
        scales.extend(scale.first().or(Some(&0.0)));
        for (to, byte) in bytes.iter_mut().skip(column).step_by(width).zip(own) {
            *to = byte;
        }
    }
    (bytes, scales)
}

/// Row after row as the compiler builds it; arguments and rules are those of [`int8_columns`].
///
/// # Panics
/// As for [`int8_columns`].
#[expect(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
pub fn plain_int8_columns(values: &[f32], out: &mut [i8], scales: &mut [f32]) {
    assert_eq!(values.len(), out.len(), "one byte a number");
    let width = scales.len().max(1);
    // The largest magnitudes stand where the scales will.
    scales.fill(0.0);
    for row in values.chunks_exact(width) {
        for (top, x) in scales.iter_mut().zip(row) {
            *top = top.max(x.abs());
        }
    }
    for (row, out) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        for ((x, out), &top) in row.iter().zip(out).zip(scales.iter()) {
            *out = (x * scale_and_factor(top).1).round_ties_even() as i8;
        }
    }
    for top in scales {
        *top = scale_and_factor(*top).0;
    }
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
    fn columns_are_exact_on_every_tier() {
        for width in WIDTHS.into_iter().filter(|&width| width > 0) {
            for rows in [0, 1, 2, 5] {
                let mut values = numbers(rows * width, 11);
                if let [first, .., last] = &mut values[..] {
                    (*first, *last) = (f32::NAN, f32::INFINITY);
                }
                let (bytes, scales) = reference_int8_columns(&values, width);
                let (mut out, mut own) = (vec![99; bytes.len()], vec![f32::NAN; width]);
                for tier in Tier::available() {
                    int8_columns(tier, &values, &mut out, &mut own).unwrap();
                    assert_eq!((&out, &own), (&bytes, &scales), "{tier} {rows}x{width}");
                }
                plain_int8_columns(&values, &mut out, &mut own);
                assert_eq!((out, own), (bytes, scales), "plain {rows}x{width}");
            }
        }
    }
}
