//! Numbers to -1, 0 and 1 in two bits each, with a scale for every row.
//!
//! The rule is that of Ternary Weight Networks (Li, Zhang and Liu, 2016, arXiv:1605.04711, equations 5 and 6): what is
//! above 0.7 times the row's mean magnitude becomes its sign, and the scale is the mean magnitude of those numbers. Two bits
//! hold the value plus one; number `i` of a row is in bits `2 (i % 4)` and up of byte `i / 4`, and a row begins with a
//! new byte. What is left of the last byte is zero.
//!
//! The means are sums in single precision, whose order differs between tiers: a number within rounding of the threshold
//! may fall on either side. A row with a number that is not finite becomes zeros with the scale NaN.

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// The threshold over the mean magnitude.
const THRESHOLD: f32 = 0.7;

/// Every row of `width` numbers to two bits each, `scales` holding one a row.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `values` is not one row of `width` a scale, or `out` does not hold a byte for every four numbers begun of each.
pub fn ternary_rows(
    tier: Tier,
    values: &[f32],
    width: usize,
    out: &mut [u8],
    scales: &mut [f32],
) -> Result<(), TierUnavailable> {
    check(values.len(), width, out.len(), scales.len());
    dispatch(tier, Rows { values, width, out, scales })
}

fn check(values: usize, width: usize, out: usize, rows: usize) {
    assert_eq!(values, width * rows, "one scale a row");
    assert_eq!(out, width.div_ceil(4) * rows, "the output holds each row's bytes");
}

struct Rows<'a> {
    values: &'a [f32],
    width: usize,
    out: &'a mut [u8],
    scales: &'a mut [f32],
}

impl SimdOp for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        if self.width == 0 {
            self.scales.fill(0.0);
            return;
        }
        let rows = self.values.chunks_exact(self.width);
        let out = self.out.chunks_exact_mut(self.width.div_ceil(4));
        for ((row, out), scale) in rows.zip(out).zip(self.scales) {
            #[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
            let mean = magnitudes(s, row) / row.len() as f32;
            let threshold = THRESHOLD * mean;
            let (sum, count) = magnitudes_above(s, row, threshold);
            *scale = if count == 0.0 { mean * 0.0 } else { sum / count };
            pack(s, row, threshold, out);
        }
    }
}

/// The sum of the magnitudes.
#[inline(always)]
fn magnitudes<S: Simd>(s: S, row: &[f32]) -> f32 {
    let pairs = row.chunks_exact(2 * S::LANES);
    let vectors = pairs.remainder().chunks_exact(S::LANES);
    let (mut even, mut odd) = (s.zero(), s.abs(s.load_partial(vectors.remainder())));
    for pair in pairs {
        even = s.add(even, s.abs(s.load(pair)));
        odd = s.add(odd, s.abs(s.load(&pair[S::LANES..])));
    }
    for vector in vectors {
        even = s.add(even, s.abs(s.load(vector)));
    }
    s.sum(s.add(even, odd))
}

/// The sum of the magnitudes above `threshold`, and how many there are.
#[inline(always)]
fn magnitudes_above<S: Simd>(s: S, row: &[f32], threshold: f32) -> (f32, f32) {
    let bound = s.splat(threshold);
    let (mut sums, mut counts) = ([s.zero(); 2], [s.zero(); 2]);
    let pairs = row.chunks_exact(2 * S::LANES);
    let vectors = pairs.remainder().chunks_exact(S::LANES);
    let tail = vectors.remainder();
    for pair in pairs {
        let (a, b) = (s.abs(s.load(pair)), s.abs(s.load(&pair[S::LANES..])));
        sums = [s.add(sums[0], above(s, bound, a, a)), s.add(sums[1], above(s, bound, b, b))];
        let one = s.splat(1.0);
        counts = [s.add(counts[0], above(s, bound, a, one)), s.add(counts[1], above(s, bound, b, one))];
    }
    for vector in vectors {
        let a = s.abs(s.load(vector));
        sums[0] = s.add(sums[0], above(s, bound, a, a));
        counts[0] = s.add(counts[0], above(s, bound, a, s.splat(1.0)));
    }
    // Lanes beyond the row are zero, which is above no threshold.
    let a = s.abs(s.load_partial(tail));
    sums[1] = s.add(sums[1], above(s, bound, a, a));
    counts[1] = s.add(counts[1], above(s, bound, a, s.splat(1.0)));
    (s.sum(s.add(sums[0], sums[1])), s.sum(s.add(counts[0], counts[1])))
}

/// `yes` where `a` is above the bound, else zero.
#[inline(always)]
fn above<S: Simd>(s: S, bound: S::F32, a: S::F32, yes: S::F32) -> S::F32 {
    s.select(s.less(bound, a), yes, s.zero())
}

/// The codes of a row.
#[inline(always)]
fn pack<S: Simd>(s: S, row: &[f32], threshold: f32, out: &mut [u8]) {
    let (high, low) = (s.splat(threshold), s.splat(-threshold));
    let whole = row.len() / S::LANES * S::LANES;
    let (whole, rest) = row.split_at(whole);
    let (whole_out, rest_out) = out.split_at_mut(whole.len() / 4);
    for (vector, out) in whole.chunks_exact(S::LANES).zip(whole_out.chunks_exact_mut(S::LANES / 4)) {
        let x = s.load(vector);
        let codes = codes(s.mask_bits(s.less(high, x)), s.mask_bits(s.less(x, low)), (1 << S::LANES) - 1);
        out.copy_from_slice(&codes.to_le_bytes()[..S::LANES / 4]);
    }
    if !rest.is_empty() {
        let x = s.load_partial(rest);
        let used = (1 << rest.len()) - 1;
        let codes = codes(s.mask_bits(s.less(high, x)), s.mask_bits(s.less(x, low)), used);
        let bytes = rest_out.len();
        rest_out.copy_from_slice(&codes.to_le_bytes()[..bytes]);
    }
}

/// Two bits a number from a bit where it becomes 1 and one where it becomes -1, for the numbers `used`: 2, 0, or 1.
#[inline(always)]
const fn codes(one: u32, minus_one: u32, used: u32) -> u32 {
    spread(one & used) << 1 | spread(!(one | minus_one) & used)
}

/// Bit `i` of the lower sixteen to bit `2 i`.
#[inline(always)]
const fn spread(bits: u32) -> u32 {
    let bits = (bits | bits << 8) & 0x00FF_00FF;
    let bits = (bits | bits << 4) & 0x0F0F_0F0F;
    let bits = (bits | bits << 2) & 0x3333_3333;
    (bits | bits << 1) & 0x5555_5555
}

/// Codes and scales in double precision.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^52")]
pub fn reference_ternary_rows(values: &[f32], width: usize) -> (Vec<u8>, Vec<f64>) {
    let (mut bytes, mut scales) = (Vec::new(), Vec::new());
    for row in values.chunks_exact(width.max(1)) {
        let mean = row.iter().map(|&x| f64::from(x).abs()).sum::<f64>() / row.len() as f64;
        let threshold = f64::from(THRESHOLD) * mean;
        let above: Vec<f64> =
            row.iter().map(|&x| f64::from(x).abs()).filter(|&magnitude| magnitude > threshold).collect();
        let scale = above.iter().sum::<f64>() / above.len() as f64;
        scales.push(if above.is_empty() { mean * 0.0 } else { scale });
        for four in row.chunks(4) {
            let code = |x: f32| match f64::from(x) {
                x if x > threshold => 2,
                x if x < -threshold => 0,
                _ => 1,
            };
            bytes.push(four.iter().enumerate().fold(0, |byte, (i, &x)| byte | code(x) << (2 * i)));
        }
    }
    (bytes, scales)
}

/// The loops of each row as the compiler builds them; arguments and rules are those of [`ternary_rows`].
///
/// # Panics
/// As for [`ternary_rows`].
#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
pub fn plain_ternary_rows(values: &[f32], width: usize, out: &mut [u8], scales: &mut [f32]) {
    check(values.len(), width, out.len(), scales.len());
    let rows = values.chunks_exact(width.max(1)).zip(out.chunks_exact_mut(width.div_ceil(4).max(1)));
    for ((row, out), scale) in rows.zip(scales) {
        let mean = row.iter().map(|x| x.abs()).sum::<f32>() / row.len() as f32;
        let threshold = THRESHOLD * mean;
        let (mut sum, mut count) = (0.0, 0.0);
        for x in row.iter().map(|x| x.abs()).filter(|&x| x > threshold) {
            sum += x;
            count += 1.0;
        }
        *scale = if count == 0.0 { mean * 0.0 } else { sum / count };
        for (four, out) in row.chunks(4).zip(out) {
            *out = four.iter().enumerate().fold(0, |byte, (i, &x)| {
                byte | (1 + u8::from(x > threshold) - u8::from(x < -threshold)) << (2 * i)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn codes_and_scales_equal_their_reference_on_every_tier() {
        for width in [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 384, 385] {
            let mut rng = Rng::new(21);
            let values: Vec<f32> = (0..3 * width).map(|_| rng.uniform_f32(-3.0, 3.0)).collect();
            let (bytes, scales) = reference_ternary_rows(&values, width);
            let (mut out, mut own) = (vec![0xFF; bytes.len()], vec![f32::NAN; 3]);
            for tier in Tier::available() {
                out.fill(0xFF);
                ternary_rows(tier, &values, width, &mut out, &mut own).unwrap();
                assert_eq!(out, bytes, "{tier} {width}");
                compare_floats(&own, &scales, 1e-6, 0.0).unwrap_or_else(|m| panic!("{tier} {width}: {m}"));
            }
            out.fill(0xFF);
            plain_ternary_rows(&values, width, &mut out, &mut own);
            assert_eq!(out, bytes, "plain {width}");
            compare_floats(&own, &scales, 1e-5, 0.0).unwrap_or_else(|m| panic!("plain {width}: {m}"));
        }
    }

    #[test]
    fn zeros_and_what_is_not_finite_follow_the_rule() {
        for tier in Tier::available() {
            for width in [1_usize, 5, 16, 37] {
                let bytes = width.div_ceil(4);
                let (mut out, mut scale) = (vec![0xFF; bytes], [f32::NAN]);
                let mut codes = |values: &[f32]| {
                    ternary_rows(tier, values, width, &mut out, &mut scale).unwrap();
                    let codes: Vec<u8> = (0..width).map(|i| out[i / 4] >> (2 * (i % 4)) & 3).collect();
                    (codes, scale[0])
                };
                let mut values = vec![0.0; width];
                assert_eq!(codes(&values), (vec![1; width], 0.0), "{tier} {width}");
                values.fill(2.0);
                assert_eq!(codes(&values), (vec![2; width], 2.0), "{tier} {width}");
                for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    values[width - 1] = special;
                    let (got, scale) = codes(&values);
                    assert!(scale.is_nan() && got == vec![1; width], "{tier} {width}: {got:?} {scale}");
                }
            }
        }
    }
}
