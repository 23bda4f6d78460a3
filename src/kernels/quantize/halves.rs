//! Single precision to sixteen-bit floats and back.
//!
//! Rounding is to nearest, ties to even; what is not a number stays so.

use super::MOST_LANES;
use crate::simd::{
    Simd, SimdOp, Tier, TierUnavailable, bf16_to_f32, dispatch, f16_to_f32, f32_to_bf16, f32_to_f16,
};

/// A sixteen-bit float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Binary16 of IEEE 754.
    F16,
    /// Bfloat16: the upper half of single precision.
    Bf16,
}

/// Numbers to sixteen bits.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the slices differ in length.
pub fn to_half(tier: Tier, half: Half, values: &[f32], out: &mut [u16]) -> Result<(), TierUnavailable> {
    assert_eq!(values.len(), out.len(), "input and output are of one length");
    dispatch(tier, To { half, values, out })
}

/// Sixteen bits to numbers, exactly.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the slices differ in length.
pub fn from_half(tier: Tier, half: Half, values: &[u16], out: &mut [f32]) -> Result<(), TierUnavailable> {
    assert_eq!(values.len(), out.len(), "input and output are of one length");
    dispatch(tier, From { half, values, out })
}

struct To<'a> {
    half: Half,
    values: &'a [f32],
    out: &'a mut [u16],
}

impl SimdOp for To<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { half, values, out } = self;
        let vectors = values.chunks_exact(S::LANES);
        let rest = vectors.remainder();
        let mut out = out.chunks_exact_mut(S::LANES);
        match half {
            Half::F16 => vectors.zip(&mut out).for_each(|(x, out)| s.store_f16(s.load(x), out)),
            Half::Bf16 => vectors.zip(&mut out).for_each(|(x, out)| s.store_bf16(s.load(x), out)),
        }
        let out = out.into_remainder();
        if !out.is_empty() {
            let mut last = [0; MOST_LANES];
            match half {
                Half::F16 => s.store_f16(s.load_partial(rest), &mut last),
                Half::Bf16 => s.store_bf16(s.load_partial(rest), &mut last),
            }
            out.copy_from_slice(&last[..out.len()]);
        }
    }
}

struct From<'a> {
    half: Half,
    values: &'a [u16],
    out: &'a mut [f32],
}

impl SimdOp for From<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { half, values, out } = self;
        let vectors = values.chunks_exact(S::LANES);
        let mut last = [0; MOST_LANES];
        last[..vectors.remainder().len()].copy_from_slice(vectors.remainder());
        let mut out = out.chunks_exact_mut(S::LANES);
        match half {
            Half::F16 => {
                vectors.zip(&mut out).for_each(|(x, out)| s.store(s.load_f16(x), out));
                s.store_partial(s.load_f16(&last), out.into_remainder());
            }
            Half::Bf16 => {
                vectors.zip(&mut out).for_each(|(x, out)| s.store(s.load_bf16(x), out));
                s.store_partial(s.load_bf16(&last), out.into_remainder());
            }
        }
    }
}

/// The sixteen-bit float nearest to each number, by its distance in double precision to all that could be.
#[must_use]
pub fn reference_to_half(half: Half, values: &[f32]) -> Vec<u16> {
    values.iter().map(|&x| nearest(half, x)).collect()
}

/// The nearest of a format, ties to even, by bisection over its positive numbers, which are in the order of their bits.
fn nearest(half: Half, x: f32) -> u16 {
    let sign = if x.is_sign_negative() { 0x8000 } else { 0 };
    let (infinity, quiet) = match half {
        Half::F16 => (0x7C00_u16, 0x7E00 | ((x.to_bits() >> 13) & 0x1FF) as u16),
        Half::Bf16 => (0x7F80, 0x7FC0 | ((x.to_bits() >> 16) & 0x3F) as u16),
    };
    if x.is_nan() {
        return sign | quiet;
    }
    let magnitude = f64::from(x.abs());
    // Infinity counts as the number that would follow the largest one.
    let value = |bits: u16| -> f64 {
        let widened = |bits| reference_from_half(half, &[bits])[0];
        if bits == infinity { 2.0 * widened(infinity - 1) - widened(infinity - 2) } else { widened(bits) }
    };
    let (mut low, mut high) = (0, infinity);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if value(middle) <= magnitude { low = middle } else { high = middle - 1 }
    }
    let (below, above) = (low, infinity.min(low + 1));
    let (down, up) = (magnitude - value(below), value(above) - magnitude);
    sign | if down < up || (down == up && below % 2 == 0) { below } else { above }
}

/// The numbers that sixteen bits stand for, from sign, exponent and mantissa.
#[must_use]
pub fn reference_from_half(half: Half, values: &[u16]) -> Vec<f64> {
    let (mantissa_bits, bias) = match half {
        Half::F16 => (10, 15),
        Half::Bf16 => (7, 127),
    };
    let number = |bits: u16| {
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        let exponent = i32::from((bits & 0x7FFF) >> mantissa_bits);
        let mantissa = f64::from(bits & ((1 << mantissa_bits) - 1));
        let unit = 2_f64.powi(-mantissa_bits);
        match exponent {
            0 => sign * mantissa * unit * 2_f64.powi(1 - bias),
            _ if exponent == 2 * bias + 1 => {
                if mantissa == 0.0 {
                    sign * f64::INFINITY
                } else {
                    f64::NAN
                }
            }
            _ => sign * (1.0 + mantissa * unit) * 2_f64.powi(exponent - bias),
        }
    };
    values.iter().map(|&bits| number(bits)).collect()
}

/// [`to_half`] number by number, as the compiler builds it.
pub fn plain_to_half(half: Half, values: &[f32], out: &mut [u16]) {
    match half {
        Half::F16 => out.iter_mut().zip(values).for_each(|(out, &x)| *out = f32_to_f16(x)),
        Half::Bf16 => out.iter_mut().zip(values).for_each(|(out, &x)| *out = f32_to_bf16(x)),
    }
}

/// [`from_half`] number by number, as the compiler builds it.
pub fn plain_from_half(half: Half, values: &[u16], out: &mut [f32]) {
    match half {
        Half::F16 => out.iter_mut().zip(values).for_each(|(out, &x)| *out = f16_to_f32(x)),
        Half::Bf16 => out.iter_mut().zip(values).for_each(|(out, &x)| *out = bf16_to_f32(x)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;

    #[test]
    fn both_ways_equal_their_reference_on_every_tier() {
        for half in [Half::F16, Half::Bf16] {
            for len in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 4000] {
                let mut rng = Rng::new(9);
                let bits: Vec<u64> = (0..len).map(|_| rng.next_u64()).collect();
                #[expect(clippy::cast_possible_truncation, reason = "some of the bits are meant")]
                let (numbers, halves): (Vec<f32>, Vec<u16>) =
                    bits.iter().map(|&bits| (f32::from_bits(bits as u32), (bits >> 48) as u16)).unzip();
                let (narrowed, widened) =
                    (reference_to_half(half, &numbers), reference_from_half(half, &halves));
                let judge = |who: &str, narrow: &[u16], wide: &[f32]| {
                    assert_eq!(narrow, narrowed, "{who} {half:?} {len}");
                    for (&got, &want) in wide.iter().zip(&widened) {
                        let equal = f64::from(got) == want || (got.is_nan() && want.is_nan());
                        assert!(equal, "{who} {half:?}: {got}, not {want}");
                    }
                };
                let (mut narrow, mut wide) = (vec![7; len], vec![7.0; len]);
                for tier in Tier::available() {
                    to_half(tier, half, &numbers, &mut narrow).unwrap();
                    from_half(tier, half, &halves, &mut wide).unwrap();
                    judge(tier.name(), &narrow, &wide);
                }
                plain_to_half(half, &numbers, &mut narrow);
                plain_from_half(half, &halves, &mut wide);
                judge("plain", &narrow, &wide);
            }
        }
    }
}
