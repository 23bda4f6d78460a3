//! Sixteen-bit floats one at a time, as their bits: what tiers without conversion instructions use, and tails.
//!
//! Rounding is to nearest, ties to even; numbers too large become infinite, small ones denormal. What is not a number
//! stays so, made quiet, with the upper bits of its payload: to the bit what F16C and Advanced SIMD do.

/// Binary16 (IEEE 754) to single precision, exactly.
#[must_use]
#[inline(always)]
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7FFF);
    let widened = if magnitude >= 0x7C00 {
        // Infinity keeps a zero payload; anything else is made quiet.
        let quiet = if magnitude > 0x7C00 { 0x0040_0000 } else { 0 };
        0x7F80_0000 | (magnitude & 0x3FF) << 13 | quiet
    } else {
        // The exponents differ by 112. The product moves a denormal number's bits to where they belong and is exact.
        (f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)).to_bits()
    };
    f32::from_bits(sign | widened)
}

/// Single precision to binary16.
#[must_use]
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the result has sixteen bits")]
pub fn f32_to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = x.to_bits() & 0x7FFF_FFFF;
    let narrowed = if magnitude > 0x7F80_0000 {
        0x7E00 | (magnitude >> 13) & 0x1FF
    } else if magnitude >= 0x4780_0000 {
        // 2^16 and more.
        0x7C00
    } else if magnitude < 0x3880_0000 {
        // Below 2^-14 the unit is 2^-24: an addition to 0.5, whose unit is 2^-24, rounds there.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    } else {
        // Half a unit less one, and one more where the last bit is set; a carry goes on into the exponent as it must.
        let rounded = magnitude + 0x0FFF + (magnitude >> 13 & 1);
        (rounded >> 13) - (112 << 10)
    };
    sign | narrowed as u16
}

/// Single precision to bfloat16.
#[must_use]
#[inline(always)]
pub fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// Bfloat16 to single precision, exactly.
#[must_use]
#[inline(always)]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Simd, SimdOp, Tier, dispatch};

    struct Convert<'a>(&'a [f32], &'a mut [u16], &'a mut [u16]);

    impl SimdOp for Convert<'_> {
        type Output = ();
        #[inline(always)]
        fn eval<S: Simd>(self, s: S) {
            for (i, x) in self.0.chunks_exact(S::LANES).enumerate() {
                s.store_f16(s.load(x), &mut self.1[i * S::LANES..]);
                s.store_bf16(s.load(x), &mut self.2[i * S::LANES..]);
            }
        }
    }

    struct Widen<'a>(&'a [u16], &'a mut [f32]);

    impl SimdOp for Widen<'_> {
        type Output = ();
        #[inline(always)]
        fn eval<S: Simd>(self, s: S) {
            for (x, y) in self.0.chunks_exact(S::LANES).zip(self.1.chunks_exact_mut(S::LANES)) {
                s.store(s.load_f16(x), y);
            }
        }
    }

    #[test]
    fn every_half_survives_the_way_to_single_precision_and_back_on_every_tier() {
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        let singles: Vec<f32> = halves.iter().map(|&h| f16_to_f32(h)).collect();
        for (&half, &single) in halves.iter().zip(&singles) {
            // A signalling NaN comes back quiet.
            let quiet = if single.is_nan() { half | 0x200 } else { half };
            assert_eq!(f32_to_f16(single), quiet, "{half:#x}");
        }
        for tier in Tier::available() {
            let mut out = vec![0.0; halves.len()];
            dispatch(tier, Widen(&halves, &mut out)).unwrap();
            for ((half, want), got) in halves.iter().zip(&singles).zip(&out) {
                assert_eq!(got.to_bits(), want.to_bits(), "{tier} {half:#x}");
            }
        }
    }

    #[test]
    fn every_tier_rounds_as_the_scalar_functions_do() {
        let mut rng = crate::sys::Rng::new(5);
        // All exponents with random mantissas, ties, and what is special.
        let mut values: Vec<f32> = (0..200_000)
            .map(|_| {
                f32::from_bits(
                    rng.next_u64().to_le_bytes()[..4].iter().fold(0, |w, &b| w << 8 | u32::from(b)),
                )
            })
            .collect();
        values.extend((0_u32..65_536).map(|i| f32::from_bits(i << 16 | 0x8000)));
        values.extend((0_u32..65_536).map(|i| f32::from_bits((112 << 23) + (i << 13 | 0x1000))));
        values.extend((0_u32..4096).map(|i| i as f32 * 2_f32.powi(-25)));
        values.resize(values.len().next_multiple_of(16), f32::NAN);
        for tier in Tier::available() {
            let (mut halves, mut brains) = (vec![0; values.len()], vec![0; values.len()]);
            dispatch(tier, Convert(&values, &mut halves, &mut brains)).unwrap();
            for ((&x, &half), &brain) in values.iter().zip(&halves).zip(&brains) {
                assert_eq!(half, f32_to_f16(x), "{tier} f16 of {x} {:#x}", x.to_bits());
                assert_eq!(brain, f32_to_bf16(x), "{tier} bf16 of {x} {:#x}", x.to_bits());
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        for (x, want) in [
            (1.0, 0x3C00),
            (65504.0, 0x7BFF),
            (65519.9, 0x7BFF),
            (65520.0, 0x7C00),
            (1.000_488_3, 0x3C00),
            (1.001_464_8, 0x3C02),
            (2_f32.powi(-24), 1),
            (2_f32.powi(-25), 0),
            (-2_f32.powi(-24) * 1.5, 0x8002),
        ] {
            assert_eq!(f32_to_f16(x), want, "{x}");
        }
        assert_eq!(f32_to_bf16(1.003_906_3), 0x3F80);
        assert_eq!(f32_to_bf16(1.011_718_8), 0x3F82);
        assert_eq!(f32_to_bf16(f32::MAX), 0x7F80);
        assert!(bf16_to_f32(f32_to_bf16(f32::from_bits(0x7F80_0001))).is_nan());
    }
}
