//! The kernels of the family with their inputs and right answers.

use std::hint::black_box;

use super::Kernel;
use crate::kernels::peak::{self, CHAINS, Operation};
use crate::simd::{Tier, TierUnavailable};
use crate::workload::{Mismatch, OutputMut, compare_exact, compare_floats};

/// Values near one that creep towards a fixed point at one, so that they stay normal and still tell how often they
/// were updated.
pub(super) struct FmaF32 {
    factor: f32,
    addend: f32,
}

/// Chains start at 0.5 to 1.5.
fn start_f32(chain: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "small integers")]
    let share = chain as f32 / CHAINS as f32;
    0.5 + share
}

impl Kernel<f32> for FmaF32 {
    fn inputs() -> Self {
        let step = 0.5_f32.powi(13);
        Self { factor: black_box(1.0 - step), addend: black_box(step) }
    }

    fn start(chain: usize) -> f32 {
        start_f32(chain)
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::fma_f32(tier, iterations, self.factor, self.addend, state)
    }

    fn check(&self, _: Tier, iterations: usize, state: &[f32]) -> Result<(), Mismatch> {
        let answer = |chain| peak::reference_fma(iterations, self.factor, self.addend, start_f32(chain));
        let reference: Vec<f64> = (0..CHAINS).map(answer).collect();
        // Each step rounds by half a unit in the last place, and the map's contraction forgets all but the last 2^13.
        compare_floats(state, &reference, 0.0, 2e-3)
    }

    fn output(state: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(state)
    }
}

/// Values that alternate about one and creep towards it.
pub(super) struct ExpF32;

/// Chains that differ: the reference follows each of them step by step.
const DIFFERENT: usize = 8;

impl Kernel<f32> for ExpF32 {
    fn inputs() -> Self {
        Self
    }

    fn start(chain: usize) -> f32 {
        // 0.5 to 0.94: one itself would stay.
        #[expect(clippy::cast_precision_loss, reason = "small integers")]
        let share = (chain % DIFFERENT) as f32 / 16.0;
        0.5 + share
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::exp_f32(tier, iterations, state)
    }

    fn check(&self, _: Tier, iterations: usize, state: &[f32]) -> Result<(), Mismatch> {
        let different: Vec<f64> =
            (0..DIFFERENT).map(|chain| peak::reference_exp(iterations, Self::start(chain))).collect();
        let reference: Vec<f64> = (0..CHAINS).map(|chain| different[chain % DIFFERENT]).collect();
        // Each step rounds, and the map keeps what it did; a step more or less would be seen by twice the distance from one.
        compare_floats(state, &reference, 0.0, 1e-3)
    }

    fn output(state: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(state)
    }
}

pub(super) struct DotU8S8 {
    a: [u8; 64],
    b: [u8; 64],
}

impl Kernel<i32> for DotU8S8 {
    fn inputs() -> Self {
        let byte = |i: usize| u8::try_from(i % 256).unwrap_or_default();
        black_box(Self {
            a: std::array::from_fn(|i| byte(i * 37 + 1) & 0x7F),
            b: std::array::from_fn(|i| byte(i * 91 + 13)),
        })
    }

    fn start(chain: usize) -> i32 {
        i32::try_from(chain).unwrap_or_default()
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [i32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::dot_u8s8s32(tier, iterations, &self.a, &self.b, state)
    }

    fn check(&self, tier: Tier, iterations: usize, state: &[i32]) -> Result<(), Mismatch> {
        let (a, b) = (self.a.as_chunks::<4>().0, self.b.as_chunks::<4>().0);
        let lanes = peak::lanes(tier);
        let answer = |chain: usize| {
            let at = chain % lanes;
            peak::reference_dot_u8s8(iterations, a[at], b[at], Self::start(chain))
        };
        let reference: Vec<i32> = (0..CHAINS).map(answer).collect();
        compare_exact(state, &reference, f64::from)
    }

    fn output(state: &mut [i32]) -> OutputMut<'_> {
        OutputMut::I32(state)
    }
}

pub(super) struct DotBf16 {
    a: [u16; 32],
    b: [u16; 32],
}

impl Kernel<f32> for DotBf16 {
    fn inputs() -> Self {
        // Ones by one, two or three times 2^-7: every partial sum fits 24 bits, so that a million steps are exact.
        const SMALL: [u16; 3] = [0x3C00, 0x3C80, 0x3CC0];
        black_box(Self { a: [0x3F80; 32], b: std::array::from_fn(|i| SMALL[i * 5 / 2 % 3]) })
    }

    fn start(chain: usize) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "small integers")]
        let share = (chain % 128) as f32 / 128.0;
        1.0 + share
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::dot_bf16(tier, iterations, &self.a, &self.b, state)
    }

    fn check(&self, tier: Tier, iterations: usize, state: &[f32]) -> Result<(), Mismatch> {
        let (a, b) = (self.a.as_chunks::<2>().0, self.b.as_chunks::<2>().0);
        let lanes = peak::lanes(tier);
        let answer = |chain: usize| {
            let at = chain % lanes;
            peak::reference_dot_bf16(iterations, a[at], b[at], Self::start(chain))
        };
        let reference: Vec<f64> = (0..CHAINS).map(answer).collect();
        compare_floats(state, &reference, 1e-6, 0.0)
    }

    fn output(state: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(state)
    }
}

/// As [`FmaF32`] in double precision.
pub(super) struct FmaF64 {
    factor: f64,
    addend: f64,
}

/// The precision's own chains, so that both precisions begin alike.
fn start_f64(chain: usize) -> f64 {
    start_f32(chain).into()
}

impl Kernel<f64> for FmaF64 {
    fn inputs() -> Self {
        let step = 0.5_f64.powi(13);
        Self { factor: black_box(1.0 - step), addend: black_box(step) }
    }

    fn start(chain: usize) -> f64 {
        start_f64(chain)
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f64; CHAINS]) -> Result<(), TierUnavailable> {
        peak::fma_f64(tier, iterations, self.factor, self.addend, state)
    }

    #[expect(clippy::cast_precision_loss, reason = "iteration counts are far below 2^52")]
    fn check(&self, _: Tier, iterations: usize, state: &[f64]) -> Result<(), Mismatch> {
        // As of the single-precision chain: the fixed point is one, and the map forgets all but its last 2^13 roundings.
        let decay = self.factor.powf(iterations as f64);
        let fixed = self.addend / (1.0 - self.factor);
        let answer = |chain| fixed + decay * (start_f64(chain) - fixed);
        compare_doubles(state, answer, 1e-11)
    }

    fn output(state: &mut [f64]) -> OutputMut<'_> {
        OutputMut::F64(state)
    }
}

/// Compares each chain with its answer, which may differ by `tolerance`.
fn compare_doubles(state: &[f64], answer: impl Fn(usize) -> f64, tolerance: f64) -> Result<(), Mismatch> {
    for (element, &got) in state.iter().enumerate() {
        let reference = answer(element);
        let difference = (got - reference).abs();
        if difference > tolerance || difference.is_nan() {
            return Err(Mismatch { element, got, reference, tolerance });
        }
    }
    Ok(())
}

/// Chains that begin alike, so that a plain loop for each of them ends in good time.
const STARTS: usize = 16;

/// Sums (or products, with `MUL`) of the same number over and over, in single precision.
pub(super) struct RepeatF32<const MUL: bool> {
    operand: f32,
}

impl<const MUL: bool> RepeatF32<MUL> {
    const OPERATION: Operation = if MUL { Operation::Mul } else { Operation::Add };
}

impl<const MUL: bool> Kernel<f32> for RepeatF32<MUL> {
    fn inputs() -> Self {
        // Sums that stay exact for millions of steps, and products that shrink slowly enough to stay normal as long.
        Self { operand: black_box(if MUL { 1.0 - 0.5_f32.powi(20) } else { 0.5_f32.powi(13) }) }
    }

    fn start(chain: usize) -> f32 {
        start_f32(chain % STARTS * (CHAINS / STARTS))
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::repeat_f32(tier, Self::OPERATION, iterations, self.operand, state)
    }

    fn check(&self, _: Tier, iterations: usize, state: &[f32]) -> Result<(), Mismatch> {
        let answers: [f32; STARTS] = std::array::from_fn(|chain| {
            peak::reference_repeat_f32(Self::OPERATION, iterations, self.operand, Self::start(chain))
        });
        let reference: Vec<f32> = answers.iter().copied().cycle().take(state.len()).collect();
        compare_exact(state, &reference, f64::from)
    }

    fn output(state: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(state)
    }
}

/// As [`RepeatF32`] in double precision.
pub(super) struct RepeatF64<const MUL: bool> {
    operand: f64,
}

impl<const MUL: bool> RepeatF64<MUL> {
    const OPERATION: Operation = if MUL { Operation::Mul } else { Operation::Add };
}

impl<const MUL: bool> Kernel<f64> for RepeatF64<MUL> {
    fn inputs() -> Self {
        Self { operand: black_box(if MUL { 1.0 - 0.5_f64.powi(20) } else { 0.5_f64.powi(13) }) }
    }

    fn start(chain: usize) -> f64 {
        start_f64(chain % STARTS * (CHAINS / STARTS))
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f64; CHAINS]) -> Result<(), TierUnavailable> {
        peak::repeat_f64(tier, Self::OPERATION, iterations, self.operand, state)
    }

    fn check(&self, _: Tier, iterations: usize, state: &[f64]) -> Result<(), Mismatch> {
        let answers: [f64; STARTS] = std::array::from_fn(|chain| {
            peak::reference_repeat_f64(Self::OPERATION, iterations, self.operand, Self::start(chain))
        });
        compare_doubles(state, |chain| answers[chain % STARTS], 0.0)
    }

    fn output(state: &mut [f64]) -> OutputMut<'_> {
        OutputMut::F64(state)
    }
}

/// Bits counted in words that differ from a pattern, the counts added to the words.
pub(super) struct CountBits {
    pattern: u64,
}

/// A word, the first half of it in the even chain.
fn start_word(word: usize) -> u64 {
    ((word % (STARTS / 2) + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Kernel<i32> for CountBits {
    fn inputs() -> Self {
        Self { pattern: black_box(0x0123_4567_89AB_CDEF) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
    fn start(chain: usize) -> i32 {
        ((start_word(chain / 2) >> (32 * (chain % 2))) as u32).cast_signed()
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [i32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::count_bits(tier, iterations, self.pattern, state)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
    fn check(&self, _: Tier, iterations: usize, state: &[i32]) -> Result<(), Mismatch> {
        let words: [u64; STARTS / 2] = std::array::from_fn(|word| {
            peak::reference_count_bits(iterations, self.pattern, start_word(word))
        });
        let half = |chain: usize| (words[chain / 2 % (STARTS / 2)] >> (32 * (chain % 2))) as u32;
        let reference: Vec<i32> = (0..state.len()).map(|chain| half(chain).cast_signed()).collect();
        compare_exact(state, &reference, f64::from)
    }

    fn output(state: &mut [i32]) -> OutputMut<'_> {
        OutputMut::I32(state)
    }
}
