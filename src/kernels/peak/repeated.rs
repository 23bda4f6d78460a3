//! One operation over and over on every chain: sums, products, multiply-adds in double precision, counted bits.

use super::{CHAINS, many_registers};
use crate::simd::{Gauge, GaugeOp, Tier, TierUnavailable, dispatch_gauge};

/// Which operation is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `x = x + operand`
    Add,
    /// `x = x * operand`
    Mul,
}

/// Does the operation on each of the chains, `iterations` times.
pub fn repeat_f32(
    tier: Tier,
    operation: Operation,
    iterations: usize,
    operand: f32,
    state: &mut [f32; CHAINS],
) -> Result<(), TierUnavailable> {
    match operation {
        Operation::Add => dispatch_gauge(tier, Repeat { iterations, update: AddF32(operand), state }),
        Operation::Mul => dispatch_gauge(tier, Repeat { iterations, update: MulF32(operand), state }),
    }
}

/// A chain of [`repeat_f32`] by the plain loop: each operation rounds alike on every tier.
#[must_use]
pub fn reference_repeat_f32(operation: Operation, iterations: usize, operand: f32, start: f32) -> f32 {
    match operation {
        Operation::Add => (0..iterations).fold(start, |x, _| x + operand),
        Operation::Mul => (0..iterations).fold(start, |x, _| x * operand),
    }
}

/// As [`repeat_f32`] in double precision.
pub fn repeat_f64(
    tier: Tier,
    operation: Operation,
    iterations: usize,
    operand: f64,
    state: &mut [f64; CHAINS],
) -> Result<(), TierUnavailable> {
    match operation {
        Operation::Add => dispatch_gauge(tier, Repeat { iterations, update: AddF64(operand), state }),
        Operation::Mul => dispatch_gauge(tier, Repeat { iterations, update: MulF64(operand), state }),
    }
}

/// As [`reference_repeat_f32`] in double precision.
#[must_use]
pub fn reference_repeat_f64(operation: Operation, iterations: usize, operand: f64, start: f64) -> f64 {
    match operation {
        Operation::Add => (0..iterations).fold(start, |x, _| x + operand),
        Operation::Mul => (0..iterations).fold(start, |x, _| x * operand),
    }
}

/// `x = x * factor + addend` for each of the chains, `iterations` times, with the multiply-add of the tier.
pub fn fma_f64(
    tier: Tier,
    iterations: usize,
    factor: f64,
    addend: f64,
    state: &mut [f64; CHAINS],
) -> Result<(), TierUnavailable> {
    dispatch_gauge(tier, Repeat { iterations, update: FmaF64 { factor, addend }, state })
}

/// Adds to each word (a pair of neighbouring chains, the lower half first) the number of bits in which it differs from
/// `pattern`, `iterations` times.
pub fn count_bits(
    tier: Tier,
    iterations: usize,
    pattern: u64,
    state: &mut [i32; CHAINS],
) -> Result<(), TierUnavailable> {
    dispatch_gauge(tier, Repeat { iterations, update: CountBits(pattern), state })
}

/// A word of [`count_bits`] by the plain loop.
#[must_use]
pub fn reference_count_bits(iterations: usize, pattern: u64, start: u64) -> u64 {
    (0..iterations).fold(start, |x, _| x.wrapping_add((x ^ pattern).count_ones().into()))
}

/// What is done to a chain again and again.
trait Update: Copy {
    type Element: Copy;
    /// Bytes of an element: vectors are `4 * LANES` bytes wide.
    const BYTES: usize = size_of::<Self::Element>();
    type Vector<S: Gauge>: Copy;
    /// Vectors in flight: enough to cover the latency, few enough for the registers.
    fn vectors(tier: Tier) -> usize {
        if many_registers(tier) { 24 } else { 12 }
    }
    fn load<S: Gauge>(self, simd: S, from: &[Self::Element]) -> Self::Vector<S>;
    fn store<S: Gauge>(self, simd: S, value: Self::Vector<S>, to: &mut [Self::Element]);
    fn update<S: Gauge>(self, simd: S, x: Self::Vector<S>) -> Self::Vector<S>;
}

struct Repeat<'a, U: Update> {
    iterations: usize,
    update: U,
    state: &'a mut [U::Element; CHAINS],
}

impl<U: Update> GaugeOp for Repeat<'_, U> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Gauge>(self, simd: S) {
        // Constants of the type and the tier, so that one of the three is compiled.
        match U::vectors(S::TIER) {
            24 => self.chains::<S, 24>(simd),
            12 => self.chains::<S, 12>(simd),
            _ => self.chains::<S, 6>(simd),
        }
    }
}

impl<U: Update> Repeat<'_, U> {
    #[inline(always)]
    fn chains<S: Gauge, const VECTORS: usize>(self, simd: S) {
        let lanes = 4 * S::LANES / U::BYTES;
        for group in self.state.chunks_exact_mut(VECTORS * lanes) {
            let mut x: [U::Vector<S>; VECTORS] =
                std::array::from_fn(|i| self.update.load(simd, &group[i * lanes..]));
            for _ in 0..self.iterations {
                for x in &mut x {
                    *x = self.update.update(simd, *x);
                }
            }
            for (x, to) in x.into_iter().zip(group.chunks_exact_mut(lanes)) {
                self.update.store(simd, x, to);
            }
        }
    }
}

macro_rules! single {
    () => {
        type Element = f32;
        type Vector<S: Gauge> = S::F32;
        #[inline(always)]
        fn load<S: Gauge>(self, simd: S, from: &[f32]) -> S::F32 {
            simd.load(from)
        }
        #[inline(always)]
        fn store<S: Gauge>(self, simd: S, value: S::F32, to: &mut [f32]) {
            simd.store(value, to);
        }
    };
}

macro_rules! double {
    () => {
        type Element = f64;
        type Vector<S: Gauge> = S::F64;
        #[inline(always)]
        fn load<S: Gauge>(self, simd: S, from: &[f64]) -> S::F64 {
            simd.load_f64(from)
        }
        #[inline(always)]
        fn store<S: Gauge>(self, simd: S, value: S::F64, to: &mut [f64]) {
            simd.store_f64(value, to);
        }
    };
}

#[derive(Clone, Copy)]
struct AddF32(f32);

impl Update for AddF32 {
    single!();
    #[inline(always)]
    fn update<S: Gauge>(self, simd: S, x: S::F32) -> S::F32 {
        simd.add(x, simd.splat(self.0))
    }
}

#[derive(Clone, Copy)]
struct MulF32(f32);

impl Update for MulF32 {
    single!();
    #[inline(always)]
    fn update<S: Gauge>(self, simd: S, x: S::F32) -> S::F32 {
        simd.mul(x, simd.splat(self.0))
    }
}

#[derive(Clone, Copy)]
struct AddF64(f64);

impl Update for AddF64 {
    double!();
    #[inline(always)]
    fn update<S: Gauge>(self, simd: S, x: S::F64) -> S::F64 {
        simd.add_f64(x, simd.splat_f64(self.0))
    }
}

#[derive(Clone, Copy)]
struct MulF64(f64);

impl Update for MulF64 {
    double!();
    #[inline(always)]
    fn update<S: Gauge>(self, simd: S, x: S::F64) -> S::F64 {
        simd.mul_f64(x, simd.splat_f64(self.0))
    }
}

#[derive(Clone, Copy)]
struct FmaF64 {
    factor: f64,
    addend: f64,
}

impl Update for FmaF64 {
    double!();
    #[inline(always)]
    fn update<S: Gauge>(self, simd: S, x: S::F64) -> S::F64 {
        simd.mul_add_f64(x, simd.splat_f64(self.factor), simd.splat_f64(self.addend))
    }
}

#[derive(Clone, Copy)]
struct CountBits(u64);

impl Update for CountBits {
    type Element = i32;
    type Vector<S: Gauge> = S::I32;
    /// The byte shuffle needs constants and intermediate results beside the chains.
    fn vectors(tier: Tier) -> usize {
        if many_registers(tier) { 12 } else { 6 }
    }
    #[inline(always)]
    fn load<S: Gauge>(self, simd: S, from: &[i32]) -> S::I32 {
        simd.load_i32(from)
    }
    #[inline(always)]
    fn store<S: Gauge>(self, simd: S, value: S::I32, to: &mut [i32]) {
        simd.store_i32(value, to);
    }
    #[inline(always)]
    fn update<S: Gauge>(self, simd: S, x: S::I32) -> S::I32 {
        #[expect(clippy::cast_possible_truncation, reason = "halves of a word")]
        let halves = [self.0 as u32, (self.0 >> 32) as u32].map(u32::cast_signed);
        let pattern: [i32; 16] = std::array::from_fn(|i| halves[i % 2]);
        simd.count_bits(x, simd.xor_i32(x, simd.load_i32(&pattern)))
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "halves of words")]
mod tests {
    use super::*;

    #[test]
    fn sums_and_products_equal_the_plain_loop_on_every_tier() {
        for tier in Tier::available() {
            for (operation, operand) in [(Operation::Add, 0.125), (Operation::Mul, 0.999_9)] {
                for iterations in [0, 1, 7, 1000] {
                    let mut single: [f32; CHAINS] = std::array::from_fn(|i| 1.0 + i as f32 / 64.0);
                    let mut double = single.map(f64::from);
                    repeat_f32(tier, operation, iterations, operand, &mut single).unwrap();
                    repeat_f64(tier, operation, iterations, operand.into(), &mut double).unwrap();
                    for (i, (single, double)) in single.iter().zip(double).enumerate() {
                        let start = 1.0 + i as f32 / 64.0;
                        let case = format!("{tier} {operation:?} {iterations} chain {i}");
                        assert_eq!(
                            *single,
                            reference_repeat_f32(operation, iterations, operand, start),
                            "{case}"
                        );
                        let want = reference_repeat_f64(operation, iterations, operand.into(), start.into());
                        assert_eq!(double, want, "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn double_multiply_adds_follow_the_closed_form_on_every_tier() {
        let step = 0.5_f64.powi(13);
        for tier in Tier::available() {
            for iterations in [0, 1, 4096] {
                let start: [f64; CHAINS] = std::array::from_fn(|i| 0.5 + i as f64 / 384.0);
                let mut state = start;
                fma_f64(tier, iterations, 1.0 - step, step, &mut state).unwrap();
                for (got, start) in state.iter().zip(start) {
                    let want = 1.0 + (1.0 - step).powf(iterations as f64) * (start - 1.0);
                    assert!((got - want).abs() < 1e-11, "{tier} {iterations}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn bits_are_counted_in_whole_words_on_every_tier() {
        let pattern = 0x0123_4567_89AB_CDEF;
        let start = |word: usize| (word as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 0xFFFF_FF00;
        for tier in Tier::available() {
            for iterations in [0, 1, 500] {
                let half = |i: usize| (start(i / 2) >> (32 * (i % 2))) as u32 as i32;
                let mut state: [i32; CHAINS] = std::array::from_fn(half);
                count_bits(tier, iterations, pattern, &mut state).unwrap();
                for (word, halves) in state.chunks_exact(2).enumerate() {
                    let got = u64::from(halves[0] as u32) | u64::from(halves[1] as u32) << 32;
                    let want = reference_count_bits(iterations, pattern, start(word));
                    assert_eq!(got, want, "{tier} {iterations} word {word}");
                }
            }
        }
    }
}
