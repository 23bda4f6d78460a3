//! Arithmetic alone, from registers to registers: what the flat roofs are measured with.
//!
//! Each kernel updates [`CHAINS`] independent numbers as often as told, a registerful at a time, so that the count of
//! operations is the same on every tier. A multiply-add takes about four cycles and cores start two a cycle or more:
//! the 12 or 24 vectors in flight cover that, and each step depends only on its own chain.

mod exponential;
mod repeated;

pub use exponential::{exp_f32, reference_exp};
pub use repeated::{
    Operation, count_bits, fma_f64, reference_count_bits, reference_repeat_f32, reference_repeat_f64,
    repeat_f32, repeat_f64,
};

use crate::simd::{
    DotBf16, DotBf16Op, DotU8S8, DotU8S8Op, Simd, SimdOp, Tier, TierUnavailable, dispatch, dispatch_bf16,
    dispatch_u8s8,
};

/// Numbers that every kernel here works on: a multiple of 24 vectors of 16 lanes and of 12 of 8 or 4.
pub const CHAINS: usize = 384;

/// `x = x * factor + addend` for each of the chains, `iterations` times, with the multiply-add of the tier (at the
/// baseline a product and a sum).
pub fn fma_f32(
    tier: Tier,
    iterations: usize,
    factor: f32,
    addend: f32,
    state: &mut [f32; CHAINS],
) -> Result<(), TierUnavailable> {
    dispatch(tier, FmaF32 { iterations, factor, addend, state })
}

/// The chain of [`fma_f32`] in closed form: `f + factor^iterations (x - f)` with `f` its fixed point.
#[must_use]
pub fn reference_fma(iterations: usize, factor: f32, addend: f32, start: f32) -> f64 {
    let (factor, addend, start) = (f64::from(factor), f64::from(addend), f64::from(start));
    let fixed = addend / (1.0 - factor);
    #[expect(clippy::cast_precision_loss, reason = "iteration counts are far below 2^52")]
    let decay = factor.powf(iterations as f64);
    fixed + decay * (start - fixed)
}

/// Adds to each chain, `iterations` times, the dot product of four bytes of `a` (below 128) with four of `b` (signed),
/// chain `i` those at `4 (i % lanes)`.
pub fn dot_u8s8s32(
    tier: Tier,
    iterations: usize,
    a: &[u8; 64],
    b: &[u8; 64],
    state: &mut [i32; CHAINS],
) -> Result<(), TierUnavailable> {
    dispatch_u8s8(tier, Dot { iterations, a, b, state })
}

/// One chain of [`dot_u8s8s32`].
#[must_use]
pub fn reference_dot_u8s8(iterations: usize, a: [u8; 4], b: [u8; 4], start: i32) -> i32 {
    let step: i32 = a.iter().zip(b).map(|(&a, b)| i32::from(a) * i32::from(b.cast_signed())).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "sums wrap at 32 bits")]
    let iterations = iterations as i32;
    start.wrapping_add(step.wrapping_mul(iterations))
}

/// Adds to each chain, `iterations` times, the dot product of two bfloat16 numbers of `a` with two of `b` (bits), chain
/// `i` those at `2 (i % lanes)`.
pub fn dot_bf16(
    tier: Tier,
    iterations: usize,
    a: &[u16; 32],
    b: &[u16; 32],
    state: &mut [f32; CHAINS],
) -> Result<(), TierUnavailable> {
    dispatch_bf16(tier, Dot { iterations, a, b, state })
}

/// One chain of [`dot_bf16`].
#[must_use]
pub fn reference_dot_bf16(iterations: usize, a: [u16; 2], b: [u16; 2], start: f32) -> f64 {
    let wide = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
    let step: f64 = a.iter().zip(b).map(|(&a, b)| wide(a) * wide(b)).sum();
    #[expect(clippy::cast_precision_loss, reason = "iteration counts are far below 2^52")]
    let iterations = iterations as f64;
    f64::from(start) + step * iterations
}

/// Lanes of the tier's vectors: which elements of a dot product's inputs a chain sees repeats after so many.
#[must_use]
pub const fn lanes(tier: Tier) -> usize {
    match tier.f32_tier() {
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => 16,
        Tier::Avx2 => 8,
        Tier::Baseline | Tier::Sse41 | Tier::Neon | Tier::NeonDotprod => 4,
    }
}

/// Whether the tier has 32 vector registers: 24 chains in flight, else 12.
const fn many_registers(tier: Tier) -> bool {
    !matches!(tier.f32_tier(), Tier::Baseline | Tier::Avx2)
}

struct FmaF32<'a> {
    iterations: usize,
    factor: f32,
    addend: f32,
    state: &'a mut [f32; CHAINS],
}

impl SimdOp for FmaF32<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        if const { many_registers(S::TIER) } {
            self.chains::<S, 24>(simd);
        } else {
            self.chains::<S, 12>(simd);
        }
    }
}

impl FmaF32<'_> {
    #[inline(always)]
    fn chains<S: Simd, const VECTORS: usize>(self, simd: S) {
        let (factor, addend) = (simd.splat(self.factor), simd.splat(self.addend));
        for group in self.state.chunks_exact_mut(VECTORS * S::LANES) {
            let mut x: [S::F32; VECTORS] = std::array::from_fn(|i| simd.load(&group[i * S::LANES..]));
            for _ in 0..self.iterations {
                for x in &mut x {
                    *x = simd.mul_add(*x, factor, addend);
                }
            }
            for (x, to) in x.into_iter().zip(group.chunks_exact_mut(S::LANES)) {
                simd.store(x, to);
            }
        }
    }
}

/// A dot product of the same `a` and `b` into every chain.
struct Dot<'a, A: ?Sized, X> {
    iterations: usize,
    a: &'a A,
    b: &'a A,
    state: &'a mut [X; CHAINS],
}

impl DotU8S8Op for Dot<'_, [u8; 64], i32> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotU8S8>(self, simd: S) {
        if const { many_registers(S::TIER) } {
            self.chains::<S, 24>(simd);
        } else {
            self.chains::<S, 12>(simd);
        }
    }
}

impl Dot<'_, [u8; 64], i32> {
    #[inline(always)]
    fn chains<S: DotU8S8, const VECTORS: usize>(self, simd: S) {
        let (mut a, b) = (simd.load_bytes(self.a), simd.load_bytes(self.b));
        for group in self.state.chunks_exact_mut(VECTORS * S::LANES) {
            let mut x: [S::I32; VECTORS] = std::array::from_fn(|i| simd.load_i32(&group[i * S::LANES..]));
            for _ in 0..self.iterations {
                for x in &mut x {
                    // Where the product is several instructions, only the last needs `x`.
                    a = simd.opaque(a);
                    *x = simd.dot_u7s8(*x, a, b);
                }
            }
            for (x, to) in x.into_iter().zip(group.chunks_exact_mut(S::LANES)) {
                simd.store_i32(x, to);
            }
        }
    }
}

impl DotBf16Op for Dot<'_, [u16; 32], f32> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotBf16>(self, simd: S) {
        const VECTORS: usize = 24;
        let (a, b) = (simd.load_pairs(self.a), simd.load_pairs(self.b));
        for group in self.state.chunks_exact_mut(VECTORS * S::LANES) {
            let mut x: [S::F32; VECTORS] = std::array::from_fn(|i| simd.load(&group[i * S::LANES..]));
            for _ in 0..self.iterations {
                for x in &mut x {
                    *x = simd.dot_bf16(*x, a, b);
                }
            }
            for (x, to) in x.into_iter().zip(group.chunks_exact_mut(S::LANES)) {
                simd.store(x, to);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test patterns")]
mod tests {
    use super::*;

    #[test]
    fn multiply_adds_follow_the_closed_form_on_every_tier() {
        for tier in Tier::available() {
            for iterations in [0, 1, 7, 4096] {
                let start: [f32; CHAINS] = std::array::from_fn(|i| 0.5 + i as f32 / CHAINS as f32);
                let mut state = start;
                fma_f32(tier, iterations, 0.999_755_86, 2.441_406_3e-4, &mut state).unwrap();
                for (got, start) in state.iter().zip(start) {
                    let want = reference_fma(iterations, 0.999_755_86, 2.441_406_3e-4, start);
                    assert!((f64::from(*got) - want).abs() < 1e-3, "{tier} {iterations}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn byte_dots_are_exact_and_wrap() {
        let tiers = [Tier::Avx2, Tier::Avx512vnni, Tier::NeonDotprod];
        for tier in tiers.into_iter().filter(|tier| tier.is_available()) {
            let a: [u8; 64] = std::array::from_fn(|i| (i * 37 % 128) as u8);
            let b: [u8; 64] = std::array::from_fn(|i| (i * 91 + 13) as u8);
            let lanes = lanes(tier);
            for iterations in [0, 1, 1_000_003] {
                let mut state: [i32; CHAINS] = std::array::from_fn(|i| i as i32 - 190);
                dot_u8s8s32(tier, iterations, &a, &b, &mut state).unwrap();
                for (i, &got) in state.iter().enumerate() {
                    let at = 4 * (i % lanes);
                    let (a, b) = (a[at..at + 4].try_into().unwrap(), b[at..at + 4].try_into().unwrap());
                    assert_eq!(got, reference_dot_u8s8(iterations, a, b, i as i32 - 190), "{tier} {i}");
                }
            }
        }
    }

    #[test]
    fn bfloat16_dots_follow_the_closed_form() {
        for tier in [Tier::Avx512bf16].into_iter().filter(|tier| tier.is_available()) {
            let a: [u16; 32] = std::array::from_fn(|i| 0x3F80 + i as u16);
            let b: [u16; 32] = std::array::from_fn(|i| 0x3C00 + 3 * i as u16);
            let mut state = [1.0; CHAINS];
            dot_bf16(tier, 500, &a, &b, &mut state).unwrap();
            for (i, &got) in state.iter().enumerate() {
                let at = 2 * (i % 16);
                let want = reference_dot_bf16(500, [a[at], a[at + 1]], [b[at], b[at + 1]], 1.0);
                assert!((f64::from(got) - want).abs() < 1e-3 * want, "{tier} {i}: {got} {want}");
            }
        }
    }
}
