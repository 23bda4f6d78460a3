//! Operations that measuring a machine needs besides those of kernels: double precision, gathered loads, bits counted in
//! registers.

use super::{Baseline, Simd, SimdOp, Tier, TierUnavailable};

/// Tiers with those operations: all of them.
pub trait Gauge: Simd {
    /// A vector of `LANES / 2` double-precision numbers.
    type F64: Copy;

    /// `a ^ b`
    fn xor_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// `acc + n`, wrapping, where words are pairs of neighbouring lanes, the lower half first, and `n` the number of bits
    /// set in the word of `a`.
    fn count_bits(self, acc: Self::I32, a: Self::I32) -> Self::I32;
    /// Lane `i`: `from[at[i]]`, the last number of `from` where the index lies outside.
    ///
    /// # Panics
    /// When `from` is empty.
    fn gather(self, from: &[f32], at: Self::I32) -> Self::F32;

    /// Every lane `x`.
    fn splat_f64(self, x: f64) -> Self::F64;
    /// The first `LANES / 2` numbers of `from`.
    fn load_f64(self, from: &[f64]) -> Self::F64;
    /// Writes all lanes to the start of `to`.
    fn store_f64(self, value: Self::F64, to: &mut [f64]);
    /// `a + b`
    fn add_f64(self, a: Self::F64, b: Self::F64) -> Self::F64;
    /// `a * b`
    fn mul_f64(self, a: Self::F64, b: Self::F64) -> Self::F64;
    /// `a * b + c`, fused where the tier has FMA.
    fn mul_add_f64(self, a: Self::F64, b: Self::F64, c: Self::F64) -> Self::F64;
}

/// A computation written once for every tier with [`Gauge`].
pub trait GaugeOp {
    /// What it returns.
    type Output;
    /// The body: `#[inline(always)]` in every implementation.
    fn eval<S: Gauge>(self, simd: S) -> Self::Output;
}

/// Runs `op` with the instructions of `tier`, and with the CPU's instruction that counts bits where it has one besides.
pub fn dispatch_gauge<O: GaugeOp>(tier: Tier, op: O) -> Result<O::Output, TierUnavailable> {
    let missing = TierUnavailable(tier);
    if !tier.is_available() {
        return Err(missing);
    }
    match tier.f32_tier() {
        Tier::Baseline => Ok(Baseline.run(Gauged(Baseline, op))),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => super::Avx2::new().map(|simd| simd.run(Gauged(simd, op))).ok_or(missing),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => match super::avx512::Avx512Popcnt::new() {
            Some(simd) => Ok(simd.run(Gauged(simd, op))),
            None => super::Avx512::new().map(|simd| simd.run(Gauged(simd, op))).ok_or(missing),
        },
        #[cfg(target_arch = "aarch64")]
        Tier::Neon => super::Neon::new().map(|simd| simd.run(Gauged(simd, op))).ok_or(missing),
        _ => Err(missing),
    }
}

/// Carries the token into [`Simd::run`], whose signature knows only [`Simd`].
struct Gauged<S, O>(S, O);

impl<T: Gauge, O: GaugeOp> SimdOp for Gauged<T, O> {
    type Output = O::Output;
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> O::Output {
        self.1.eval(self.0)
    }
}

/// The largest index into so many numbers, as vector gathers take it.
///
/// # Panics
/// When there is none.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only x86 gathers by vector"))]
#[inline(always)]
pub(super) fn last_index(len: usize) -> i32 {
    assert!(len > 0, "nothing to gather from");
    i32::try_from(len - 1).unwrap_or(i32::MAX)
}

impl Gauge for Baseline {
    type F64 = [f64; 2];

    #[inline(always)]
    fn xor_i32(self, a: [i32; 4], b: [i32; 4]) -> [i32; 4] {
        std::array::from_fn(|i| a[i] ^ b[i])
    }
    #[inline(always)]
    fn count_bits(self, acc: [i32; 4], a: [i32; 4]) -> [i32; 4] {
        let word = |x: [i32; 4], i: usize| {
            u64::from(x[2 * i].cast_unsigned()) | u64::from(x[2 * i + 1].cast_unsigned()) << 32
        };
        let sums = [0, 1].map(|i| word(acc, i).wrapping_add(word(a, i).count_ones().into()));
        #[expect(clippy::cast_possible_truncation, reason = "halves of words")]
        std::array::from_fn(|i| (sums[i / 2] >> (32 * (i % 2))) as u32 as i32)
    }
    #[inline(always)]
    fn gather(self, from: &[f32], at: [i32; 4]) -> [f32; 4] {
        // An index below zero is a large one without its sign.
        at.map(|at| from[(at.cast_unsigned() as usize).min(from.len() - 1)])
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> [f64; 2] {
        [x; 2]
    }
    #[inline(always)]
    fn load_f64(self, from: &[f64]) -> [f64; 2] {
        [from[0], from[1]]
    }
    #[inline(always)]
    fn store_f64(self, value: [f64; 2], to: &mut [f64]) {
        to[..2].copy_from_slice(&value);
    }
    #[inline(always)]
    fn add_f64(self, a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        [a[0] + b[0], a[1] + b[1]]
    }
    #[inline(always)]
    fn mul_f64(self, a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        [a[0] * b[0], a[1] * b[1]]
    }
    #[inline(always)]
    fn mul_add_f64(self, a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        [a[0] * b[0] + c[0], a[1] * b[1] + c[1]]
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test patterns")]
mod tests {
    use super::*;

    /// Lane by lane results on sixteen integers, indices into 100 numbers, and eight doubles.
    struct Everything {
        a: [i32; 16],
        at: [i32; 16],
        x: [f64; 8],
    }

    #[derive(Debug, PartialEq)]
    struct Lanes {
        xor: Vec<i32>,
        counted: Vec<i32>,
        gathered: Vec<f32>,
        doubles: Vec<f64>,
    }

    const FACTOR: f64 = 1.5;
    const ADDEND: f64 = -0.25;

    fn numbers() -> Vec<f32> {
        (0..100_u8).map(|i| f32::from(i) + 0.5).collect()
    }

    impl GaugeOp for Everything {
        type Output = Lanes;

        #[inline(always)]
        fn eval<S: Gauge>(self, s: S) -> Lanes {
            let mut lanes = Lanes { xor: vec![], counted: vec![], gathered: vec![], doubles: Vec::new() };
            let from = numbers();
            for (a, at) in self.a.chunks_exact(S::LANES).zip(self.at.chunks_exact(S::LANES)) {
                let (mut integers, mut floats) = (vec![0; S::LANES], vec![0.0; S::LANES]);
                let (a, at) = (s.load_i32(a), s.load_i32(at));
                s.store_i32(s.xor_i32(a, at), &mut integers);
                lanes.xor.extend(&integers);
                s.store_i32(s.count_bits(at, a), &mut integers);
                lanes.counted.extend(&integers);
                s.store(s.gather(&from, at), &mut floats);
                lanes.gathered.extend(&floats);
            }
            let (factor, addend) = (s.splat_f64(FACTOR), s.splat_f64(ADDEND));
            for x in self.x.chunks_exact(S::LANES / 2) {
                let x = s.load_f64(x);
                for y in [s.add_f64(x, addend), s.mul_f64(x, factor), s.mul_add_f64(x, factor, addend)] {
                    let mut doubles = vec![0.0; S::LANES / 2];
                    s.store_f64(y, &mut doubles);
                    lanes.doubles.extend(&doubles);
                }
            }
            lanes
        }
    }

    #[test]
    fn every_operation_on_every_tier_equals_plain_arithmetic() {
        let a: [i32; 16] = std::array::from_fn(|i| (i as i32).wrapping_mul(0x1234_5677) ^ -7);
        let mut at: [i32; 16] = std::array::from_fn(|i| (i as i32 * 37) % 100);
        (at[3], at[4], at[5]) = (-1, 100, i32::MIN);
        let x: [f64; 8] = std::array::from_fn(|i| i as f64 * 0.75 - 2.0);
        for tier in Tier::available() {
            let lanes = dispatch_gauge(tier, Everything { a, at, x }).unwrap();
            let from = numbers();
            for i in 0..16 {
                assert_eq!(lanes.xor[i], a[i] ^ at[i], "{tier}");
                let index = usize::try_from(at[i]).unwrap_or(99).min(99);
                assert_eq!(lanes.gathered[i], from[index], "{tier} lane {i}");
            }
            let word = |x: &[i32]| u64::from(x[0] as u32) | u64::from(x[1] as u32) << 32;
            for i in (0..16).step_by(2) {
                let want = word(&at[i..]).wrapping_add(word(&a[i..]).count_ones().into());
                assert_eq!(word(&lanes.counted[i..]), want, "{tier} word {i}");
            }
            let width = lanes.doubles.len() / 3;
            assert_eq!(width, 8, "{tier}");
            let half = match tier.f32_tier() {
                Tier::Avx512 => 8,
                Tier::Avx2 => 4,
                _ => 2,
            };
            for (i, &x) in x.iter().enumerate() {
                let at = i / half * 3 * half + i % half;
                assert_eq!(lanes.doubles[at], x + ADDEND, "{tier}");
                assert_eq!(lanes.doubles[at + half], x * FACTOR, "{tier}");
                assert_eq!(lanes.doubles[at + 2 * half], x * FACTOR + ADDEND, "{tier}");
            }
        }
    }
}
