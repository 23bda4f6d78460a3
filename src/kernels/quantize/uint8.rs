//! Numbers to unsigned bytes with a scale and a zero point, for all or for each row: `value = scale * (byte - zero)`.
//!
//! The rule is that of ONNX's `DynamicQuantizeLinear`: the range is that of the numbers and zero, `scale = (high - low) / 255`,
//! `zero = round(-low / scale)`, `byte = round(x / scale) + zero` within 0..=255, rounded to the nearest with ties to even,
//! where products with `255 / (high - low)` stand in for quotients.
//!
//! NaN does not count for the range and becomes zero's byte. Where the range is infinite (an infinity, or ends whose
//! difference is beyond single precision) the scale is infinite and zero point and bytes are 0; where it is below
//! [`SMALLEST_MAGNITUDE`] all three are 0.

use super::{MOST_LANES, SMALLEST_MAGNITUDE};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// What bytes stand for: `scale * (byte - zero)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Affine {
    /// The step from one byte to the next.
    pub scale: f32,
    /// The byte of zero.
    pub zero: u8,
}

/// All of `values` to unsigned bytes with one scale and zero point, which are returned.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `values`.
pub fn uint8_tensor(tier: Tier, values: &[f32], out: &mut [u8]) -> Result<Affine, TierUnavailable> {
    let mut map = [Affine::default()];
    uint8_rows(tier, values, values.len(), out, &mut map[..usize::from(!values.is_empty())])?;
    Ok(map[0])
}

/// Every row of `width` numbers to unsigned bytes, `maps` holding what each row's stand for.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `values` or `maps` is not one a row.
pub fn uint8_rows(
    tier: Tier,
    values: &[f32],
    width: usize,
    out: &mut [u8],
    maps: &mut [Affine],
) -> Result<(), TierUnavailable> {
    assert_eq!(values.len(), out.len(), "one byte a number");
    assert_eq!(values.len(), width * maps.len(), "one scale a row");
    dispatch(tier, Rows { values, width, out, maps })
}

/// The map and what numbers are multiplied by, from the ends of a range that includes zero.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates; NaN becomes 0"
)]
fn map_of(low: f32, high: f32) -> (Affine, f32) {
    let range = high - low;
    if range < SMALLEST_MAGNITUDE {
        return (Affine::default(), 0.0);
    }
    let factor = 255.0 / range;
    (Affine { scale: range / 255.0, zero: (-low * factor).round_ties_even() as u8 }, factor)
}

struct Rows<'a> {
    values: &'a [f32],
    width: usize,
    out: &'a mut [u8],
    maps: &'a mut [Affine],
}

impl SimdOp for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        if self.width == 0 {
            self.maps.fill(Affine::default());
            return;
        }
        let block = BLOCK * self.width;
        let blocks = self.values.chunks(block).zip(self.out.chunks_mut(block));
        for ((rows, out), maps) in blocks.zip(self.maps.chunks_mut(BLOCK)) {
            let mut ranges = [(0.0, 0.0); BLOCK];
            for (row, to) in rows.chunks_exact(self.width).zip(&mut ranges) {
                *to = range(s, row);
            }
            let rows = rows.chunks_exact(self.width).zip(out.chunks_exact_mut(self.width));
            for (((row, out), map), (low, high)) in rows.zip(maps).zip(ranges) {
                let factor;
                (*map, factor) = map_of(low, high);
                quantize(s, row, factor, map.zero, out);
            }
        }
    }
}

/// Rows that go through each step together: a row's range and the quotients from it wait long for one another, and rows
/// do not.
const BLOCK: usize = 4;

/// The ends of the range of a row and zero, what is not a number left out.
#[inline(always)]
fn range<S: Simd>(s: S, row: &[f32]) -> (f32, f32) {
    // The accumulator is the second operand, so that it wins against what is not a number.
    let (mut lows, mut highs) = ([s.zero(); 2], [s.zero(); 2]);
    let pairs = row.chunks_exact(2 * S::LANES);
    let vectors = pairs.remainder().chunks_exact(S::LANES);
    let tail = vectors.remainder();
    for pair in pairs {
        let (a, b) = (s.load(pair), s.load(&pair[S::LANES..]));
        lows = [s.min(a, lows[0]), s.min(b, lows[1])];
        highs = [s.max(a, highs[0]), s.max(b, highs[1])];
    }
    for vector in vectors {
        let a = s.load(vector);
        (lows[0], highs[0]) = (s.min(a, lows[0]), s.max(a, highs[0]));
    }
    // Lanes beyond the row are zero, which is in the range.
    let last = s.load_partial(tail);
    (lows[1], highs[1]) = (s.min(last, lows[1]), s.max(last, highs[1]));
    let low = s.largest(s.sub(s.zero(), s.min(lows[0], lows[1])));
    (-low, s.largest(s.max(highs[0], highs[1])))
}

#[inline(always)]
fn quantize<S: Simd>(s: S, row: &[f32], factor: f32, zero: u8, out: &mut [u8]) {
    let (factor, zero) = (s.splat(factor), s.splat_i32(i32::from(zero)));
    let blocks = row.chunks_exact(4 * S::LANES);
    let vectors = blocks.remainder().chunks_exact(S::LANES);
    let rest = vectors.remainder();
    let mut out = out.chunks_exact_mut(4 * S::LANES);
    for (block, out) in blocks.zip(&mut out) {
        let bytes = |i: usize| steps(s, s.load(&block[i * S::LANES..]), factor, zero);
        s.store_u8_four([bytes(0), bytes(1), bytes(2), bytes(3)], out);
    }
    let mut out = out.into_remainder().chunks_exact_mut(S::LANES);
    for (vector, out) in vectors.zip(&mut out) {
        s.store_u8(steps(s, s.load(vector), factor, zero), out);
    }
    let out = out.into_remainder();
    if !out.is_empty() {
        let mut last = [0; MOST_LANES];
        s.store_u8(steps(s, s.load_partial(rest), factor, zero), &mut last);
        out.copy_from_slice(&last[..out.len()]);
    }
}

/// The bytes before they are bounded.
#[inline(always)]
fn steps<S: Simd>(s: S, x: S::F32, factor: S::F32, zero: S::I32) -> S::I32 {
    // A product is at most 255 in magnitude and a rounding. Anything else is not a number (infinity times zero among
    // them), which no two tiers convert alike.
    let scaled = s.mul(x, factor);
    s.add_i32(s.to_i32(s.select(s.less(scaled, s.splat(256.0)), scaled, s.zero())), zero)
}

/// Bytes and maps by the module's rule, number by number in double precision where that is exact.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounding to f32 is the rule; bytes are clamped"
)]
pub fn reference_uint8_rows(values: &[f32], width: usize) -> (Vec<u8>, Vec<Affine>) {
    let (mut bytes, mut maps) = (Vec::with_capacity(values.len()), Vec::new());
    for row in values.chunks_exact(width.max(1)) {
        let numbers = || row.iter().map(|&x| f64::from(x)).filter(|x| !x.is_nan());
        let (low, high) = (numbers().fold(0.0, f64::min), numbers().fold(0.0, f64::max));
        let range = f64::from((high - low) as f32);
        let tiny = range < f64::from(SMALLEST_MAGNITUDE);
        let factor = if tiny { 0.0 } else { f64::from((255.0 / range) as f32) };
        // Infinity times zero is not a number, which a cast turns into 0.
        let zero = ((-low * factor) as f32).round_ties_even() as u8;
        maps.push(Affine { scale: if tiny { 0.0 } else { (range / 255.0) as f32 }, zero });
        bytes.extend(row.iter().map(|&x| {
            let step = ((f64::from(x) * factor) as f32).round_ties_even() as i32;
            (step + i32::from(zero)).clamp(0, 255) as u8
        }));
    }
    (bytes, maps)
}

/// The loops of each row as the compiler builds them; arguments and rules are those of [`uint8_rows`].
///
/// # Panics
/// As for [`uint8_rows`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u8")]
pub fn plain_uint8_rows(values: &[f32], width: usize, out: &mut [u8], maps: &mut [Affine]) {
    assert_eq!(values.len(), out.len(), "one byte a number");
    assert_eq!(values.len(), width * maps.len(), "one scale a row");
    let width = width.max(1);
    for ((row, out), map) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(maps) {
        let low = row.iter().fold(0.0, |low: f32, &x| low.min(x));
        let high = row.iter().fold(0.0, |high: f32, &x| high.max(x));
        let factor;
        (*map, factor) = map_of(low, high);
        for (out, x) in out.iter_mut().zip(row) {
            let step = (x * factor).round_ties_even() as i32;
            *out = (step + i32::from(map.zero)).clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;

    const WIDTHS: [usize; 19] = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 35, 63, 64, 65, 131, 383, 384];

    fn check(values: &[f32], width: usize) {
        let (bytes, maps) = reference_uint8_rows(values, width);
        let (mut out, mut own) = (vec![99; bytes.len()], vec![Affine { scale: -1.0, zero: 7 }; maps.len()]);
        for tier in Tier::available() {
            uint8_rows(tier, values, width, &mut out, &mut own).unwrap();
            assert_eq!((&out, &own), (&bytes, &maps), "{tier} width {width}");
        }
        out.fill(99);
        plain_uint8_rows(values, width, &mut out, &mut own);
        assert_eq!((out, own), (bytes, maps), "plain width {width}");
    }

    #[test]
    fn bytes_and_maps_are_exact_on_every_tier() {
        for width in WIDTHS {
            for (low, high) in [(-3.0, 5.0), (1.0, 2.0), (-2.0, -1.0)] {
                let mut rng = Rng::new(7);
                let values: Vec<f32> = (0..3 * width).map(|_| rng.uniform_f32(low, high)).collect();
                check(&values, width);
            }
        }
    }

    #[test]
    fn zero_tiny_infinite_and_missing_numbers_follow_the_rule() {
        for special in [0.0, 1e-40, 1e-37, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            for width in [1, 2, 16, 37] {
                let mut values = vec![special; width];
                values[width / 2] = -special;
                check(&values, width);
                values.fill(1.0);
                values[width - 1] = special;
                check(&values, width);
            }
        }
    }

    #[test]
    fn zero_is_exact_and_numbers_are_within_a_step() {
        let values = [-1.0, 0.0, 0.5, 3.0];
        for tier in Tier::available() {
            let mut out = [0; 4];
            let map = uint8_tensor(tier, &values, &mut out).unwrap();
            assert_eq!(out[1], map.zero, "{tier}");
            for (x, byte) in values.into_iter().zip(out) {
                let back = map.scale * (f32::from(byte) - f32::from(map.zero));
                assert!((back - x).abs() <= map.scale, "{tier}: {x} came back as {back}");
            }
        }
    }
}
