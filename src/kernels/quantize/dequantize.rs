//! Bytes back to numbers: `scale * byte`, and `scale * (byte - zero)`, a scale for every row.
//!
//! The difference of two bytes is exact, so that each answer is one rounding of the right one.

use super::MOST_LANES;
use super::uint8::Affine;
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// `out = scale * byte` for every row of `width` bytes with a scale of its own. One scale for all is one long row.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `bytes` or `scales` is not one number a row.
pub fn int8_rows_to_f32(
    tier: Tier,
    bytes: &[i8],
    width: usize,
    scales: &[f32],
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    check(bytes.len(), width, scales.len(), out.len());
    dispatch(tier, Signed { bytes, width, scales, out })
}

/// `out = scale * (byte - zero)` for every row of `width` bytes with a scale and a zero point of its own.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` has another length than `bytes` or `maps` is not one a row.
pub fn uint8_rows_to_f32(
    tier: Tier,
    bytes: &[u8],
    width: usize,
    maps: &[Affine],
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    check(bytes.len(), width, maps.len(), out.len());
    dispatch(tier, Unsigned { bytes, width, maps, out })
}

fn check(bytes: usize, width: usize, rows: usize, out: usize) {
    assert_eq!(bytes, out, "one number a byte");
    assert_eq!(bytes, width * rows, "one scale a row");
}

struct Signed<'a> {
    bytes: &'a [i8],
    width: usize,
    scales: &'a [f32],
    out: &'a mut [f32],
}

impl SimdOp for Signed<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let width = self.width.max(1);
        let rows = self.bytes.chunks_exact(width).zip(self.out.chunks_exact_mut(width));
        for ((row, out), &scale) in rows.zip(self.scales) {
            let scale = s.splat(scale);
            let vectors = row.chunks_exact(S::LANES);
            let rest = vectors.remainder();
            let mut out = out.chunks_exact_mut(S::LANES);
            for (bytes, out) in vectors.zip(&mut out) {
                s.store(s.mul(s.to_f32(s.load_i8(bytes)), scale), out);
            }
            if !rest.is_empty() {
                let mut last = [0; MOST_LANES];
                last[..rest.len()].copy_from_slice(rest);
                s.store_partial(s.mul(s.to_f32(s.load_i8(&last)), scale), out.into_remainder());
            }
        }
    }
}

struct Unsigned<'a> {
    bytes: &'a [u8],
    width: usize,
    maps: &'a [Affine],
    out: &'a mut [f32],
}

impl SimdOp for Unsigned<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let width = self.width.max(1);
        let rows = self.bytes.chunks_exact(width).zip(self.out.chunks_exact_mut(width));
        for ((row, out), map) in rows.zip(self.maps) {
            let (scale, less_zero) = (s.splat(map.scale), s.splat_i32(-i32::from(map.zero)));
            let vectors = row.chunks_exact(S::LANES);
            let rest = vectors.remainder();
            let mut out = out.chunks_exact_mut(S::LANES);
            for (bytes, out) in vectors.zip(&mut out) {
                s.store(s.mul(s.to_f32(s.add_i32(s.load_u8(bytes), less_zero)), scale), out);
            }
            if !rest.is_empty() {
                let mut last = [0; MOST_LANES];
                last[..rest.len()].copy_from_slice(rest);
                let steps = s.add_i32(s.load_u8(&last), less_zero);
                s.store_partial(s.mul(s.to_f32(steps), scale), out.into_remainder());
            }
        }
    }
}

/// [`int8_rows_to_f32`] in double precision.
#[must_use]
pub fn reference_int8_rows_to_f32(bytes: &[i8], width: usize, scales: &[f32]) -> Vec<f64> {
    let rows = bytes.chunks_exact(width.max(1)).zip(scales);
    rows.flat_map(|(row, &scale)| row.iter().map(move |&byte| f64::from(scale) * f64::from(byte))).collect()
}

/// [`uint8_rows_to_f32`] in double precision.
#[must_use]
pub fn reference_uint8_rows_to_f32(bytes: &[u8], width: usize, maps: &[Affine]) -> Vec<f64> {
    let rows = bytes.chunks_exact(width.max(1)).zip(maps);
    let number = |byte: u8, map: &Affine| f64::from(map.scale) * (f64::from(byte) - f64::from(map.zero));
    rows.flat_map(|(row, map)| row.iter().map(move |&byte| number(byte, map))).collect()
}

/// [`int8_rows_to_f32`] as the compiler builds it.
///
/// # Panics
/// As for [`int8_rows_to_f32`].
pub fn plain_int8_rows_to_f32(bytes: &[i8], width: usize, scales: &[f32], out: &mut [f32]) {
    check(bytes.len(), width, scales.len(), out.len());
    let width = width.max(1);
    for ((row, out), scale) in bytes.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scales) {
        for (out, &byte) in out.iter_mut().zip(row) {
            *out = scale * f32::from(byte);
        }
    }
}

/// [`uint8_rows_to_f32`] as the compiler builds it.
///
/// # Panics
/// As for [`uint8_rows_to_f32`].
pub fn plain_uint8_rows_to_f32(bytes: &[u8], width: usize, maps: &[Affine], out: &mut [f32]) {
    check(bytes.len(), width, maps.len(), out.len());
    let width = width.max(1);
    for ((row, out), map) in bytes.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(maps) {
        for (out, &byte) in out.iter_mut().zip(row) {
            *out = map.scale * (f32::from(byte) - f32::from(map.zero));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn every_byte_comes_back_as_one_rounding_of_the_right_number_on_every_tier() {
        for width in [1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 35, 256, 384] {
            let mut rng = Rng::new(3);
            let bytes: Vec<u8> = (0..3 * width).map(|_| rng.next_u64().to_le_bytes()[7]).collect();
            let signed: Vec<i8> = bytes.iter().map(|byte| byte.cast_signed()).collect();
            let scales = [0.0123, 1.0, 7e-5];
            let maps = [(0.0123, 0), (1.0, 255), (7e-5, 100)].map(|(scale, zero)| Affine { scale, zero });
            let (from_signed, from_unsigned) = (
                reference_int8_rows_to_f32(&signed, width, &scales),
                reference_uint8_rows_to_f32(&bytes, width, &maps),
            );
            let mut out = vec![f32::NAN; bytes.len()];
            let judge = |who: &str, out: &[f32], want: &[f64]| {
                compare_floats(out, want, 6e-8, 0.0).unwrap_or_else(|m| panic!("{who} {width}: {m}"));
            };
            for tier in Tier::available() {
                int8_rows_to_f32(tier, &signed, width, &scales, &mut out).unwrap();
                judge(tier.name(), &out, &from_signed);
                uint8_rows_to_f32(tier, &bytes, width, &maps, &mut out).unwrap();
                judge(tier.name(), &out, &from_unsigned);
            }
            plain_int8_rows_to_f32(&signed, width, &scales, &mut out);
            judge("plain", &out, &from_signed);
            plain_uint8_rows_to_f32(&bytes, width, &maps, &mut out);
            judge("plain", &out, &from_unsigned);
        }
    }
}
