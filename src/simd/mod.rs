//! Instruction tiers as values: holding a token proves that the CPU has the tier.
//!
//! A kernel is a struct of its arguments with [`SimdOp::eval`], written once over [`Simd`] and compiled for each
//! tier. `eval`, and every helper that it calls, is `#[inline(always)]`: [`Simd::run`] enters a function with the
//! tier's target features, and what is not inlined into it silently loses them (the answer stays right, the speed
//! does not). A closure handed to another thread enters again with `simd.run(..)`.
//!
//! `is_x86_feature_detected!` stands in the tokens' `new` alone; `TIERS` is the one table of tiers.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod baseline;
mod bytes;
mod columns;
mod dot;
mod gauge;
mod half;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::{Avx512, Avx512Bf16, Avx512Vnni};
pub use baseline::Baseline;
pub use bytes::{DotI8, DotI8Op, dispatch_i8};
pub use columns::{Columns, RowsMut};
pub use dot::{DotBf16Op, DotU8S8Op, dispatch_bf16, dispatch_u8s8};
pub use gauge::{Gauge, GaugeOp, dispatch_gauge};
pub use half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
#[cfg(target_arch = "aarch64")]
pub use neon::{Neon, NeonDotprod};

/// A cluster of instructions that kernels are written for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// What the target guarantees: SSE2 on x86-64, NEON on aarch64 as the compiler uses it.
    Baseline,
    /// SSE4.1 and SSSE3.
    Sse41,
    /// AVX2 with FMA, F16C and POPCNT.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with VNNI.
    Avx512vnni,
    /// AVX-512 with BF16.
    Avx512bf16,
    /// Advanced SIMD.
    Neon,
    /// Advanced SIMD with SDOT and UDOT.
    #[serde(rename = "neon-dotprod")]
    NeonDotprod,
}

/// The answer to "does this CPU have it?", asked once: a kernel of a few nanoseconds notices eight tests of a bit.
struct Asked(AtomicU8);

impl Asked {
    const NOT_YET: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;

    const fn new() -> Self {
        Self(AtomicU8::new(Self::NOT_YET))
    }

    #[inline(always)]
    fn or_ask(&self, ask: fn() -> bool) -> bool {
        // Every thread that asks gets the same answer, so that no order is needed.
        match self.0.load(Ordering::Relaxed) {
            Self::YES => true,
            Self::NO => false,
            _ => self.ask(ask),
        }
    }

    #[cold]
    fn ask(&self, ask: fn() -> bool) -> bool {
        let answer = ask();
        self.0.store(if answer { Self::YES } else { Self::NO }, Ordering::Relaxed);
        answer
    }
}

/// One row of [`TIERS`].
struct TierRow {
    tier: Tier,
    name: &'static str,
    available: fn() -> bool,
}

/// Every tier, lowest first: the one table.
static TIERS: &[TierRow] = &[
    TierRow { tier: Tier::Baseline, name: "baseline", available: || true },
    TierRow { tier: Tier::Sse41, name: "sse41", available: has_sse41 },
    #[cfg(target_arch = "x86_64")]
    TierRow { tier: Tier::Avx2, name: "avx2", available: || Avx2::new().is_some() },
    #[cfg(target_arch = "x86_64")]
    TierRow { tier: Tier::Avx512, name: "avx512", available: || Avx512::new().is_some() },
    #[cfg(target_arch = "x86_64")]
    TierRow { tier: Tier::Avx512vnni, name: "avx512vnni", available: || Avx512Vnni::new().is_some() },
    #[cfg(target_arch = "x86_64")]
    TierRow { tier: Tier::Avx512bf16, name: "avx512bf16", available: || Avx512Bf16::new().is_some() },
    #[cfg(target_arch = "aarch64")]
    TierRow { tier: Tier::Neon, name: "neon", available: || Neon::new().is_some() },
    #[cfg(target_arch = "aarch64")]
    TierRow { tier: Tier::NeonDotprod, name: "neon-dotprod", available: || NeonDotprod::new().is_some() },
    #[cfg(not(target_arch = "x86_64"))]
    TierRow { tier: Tier::Avx2, name: "avx2", available: || false },
    #[cfg(not(target_arch = "x86_64"))]
    TierRow { tier: Tier::Avx512, name: "avx512", available: || false },
    #[cfg(not(target_arch = "x86_64"))]
    TierRow { tier: Tier::Avx512vnni, name: "avx512vnni", available: || false },
    #[cfg(not(target_arch = "x86_64"))]
    TierRow { tier: Tier::Avx512bf16, name: "avx512bf16", available: || false },
    #[cfg(not(target_arch = "aarch64"))]
    TierRow { tier: Tier::Neon, name: "neon", available: || false },
    #[cfg(not(target_arch = "aarch64"))]
    TierRow { tier: Tier::NeonDotprod, name: "neon-dotprod", available: || false },
];

fn has_sse41() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

impl Tier {
    /// Every tier, lowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        TIERS.iter().map(|row| row.tier)
    }

    /// The tiers that this CPU and its system let us use, lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        TIERS.iter().filter(|row| (row.available)()).map(|row| row.tier)
    }

    /// Whether this CPU and its system let us use the tier.
    #[must_use]
    pub fn is_available(self) -> bool {
        TIERS.iter().any(|row| row.tier == self && (row.available)())
    }

    /// The highest tier here for single-precision arithmetic.
    #[must_use]
    pub fn best_f32() -> Self {
        Self::best_f32_where(Self::is_available)
    }

    /// The highest tier for single-precision arithmetic of those that a machine is said to have.
    #[must_use]
    pub fn best_f32_of(tiers: &[Self]) -> Self {
        Self::best_f32_where(|tier| tiers.contains(&tier))
    }

    fn best_f32_where(has: impl Fn(Self) -> bool) -> Self {
        [Self::Avx512, Self::Avx2, Self::Neon].into_iter().find(|&tier| has(tier)).unwrap_or(Self::Baseline)
    }

    /// The tier whose single-precision and memory instructions this one uses: `avx512` for `avx512vnni`.
    #[must_use]
    pub const fn f32_tier(self) -> Self {
        match self {
            Self::Baseline | Self::Sse41 => Self::Baseline,
            Self::Avx2 => Self::Avx2,
            Self::Avx512 | Self::Avx512vnni | Self::Avx512bf16 => Self::Avx512,
            Self::Neon | Self::NeonDotprod => Self::Neon,
        }
    }

    /// The name in case texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        TIERS.iter().find(|row| row.tier == self).map_or("baseline", |row| row.name)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown tier {0:?}; the tiers are baseline, sse41, avx2, avx512, avx512vnni, avx512bf16, neon, neon-dotprod"
)]
pub struct UnknownTier(String);

impl FromStr for Tier {
    type Err = UnknownTier;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TIERS
            .iter()
            .find(|row| row.name == text)
            .map(|row| row.tier)
            .ok_or_else(|| UnknownTier(text.to_owned()))
    }
}

/// The tier is not to be had on this CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this CPU or its system does not offer {0}")]
pub struct TierUnavailable(pub Tier);

/// A computation written once for every tier.
pub trait SimdOp {
    /// What it returns.
    type Output;
    /// The body: `#[inline(always)]` in every implementation.
    fn eval<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `op` with the instructions of `tier`; a tier that adds none to [`Simd`] runs those of the tier it extends, which
/// saves compiling every kernel again.
pub fn dispatch<O: SimdOp>(tier: Tier, op: O) -> Result<O::Output, TierUnavailable> {
    let missing = TierUnavailable(tier);
    match tier {
        Tier::Baseline => Ok(Baseline.run(op)),
        Tier::Sse41 if has_sse41() => Ok(Baseline.run(op)),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => Avx2::new().map(|simd| simd.run(op)).ok_or(missing),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => Avx512::new().map(|simd| simd.run(op)).ok_or(missing),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512vnni if Avx512Vnni::new().is_some() => dispatch(Tier::Avx512, op),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512bf16 if Avx512Bf16::new().is_some() => dispatch(Tier::Avx512, op),
        #[cfg(target_arch = "aarch64")]
        Tier::Neon => Neon::new().map(|simd| simd.run(op)).ok_or(missing),
        #[cfg(target_arch = "aarch64")]
        Tier::NeonDotprod if NeonDotprod::new().is_some() => dispatch(Tier::Neon, op),
        Tier::Sse41 | Tier::Avx512vnni | Tier::Avx512bf16 | Tier::NeonDotprod => Err(missing),
        #[cfg(not(target_arch = "x86_64"))]
        Tier::Avx2 | Tier::Avx512 => Err(missing),
        #[cfg(not(target_arch = "aarch64"))]
        Tier::Neon => Err(missing),
    }
}

/// As [`dispatch`], for computations that count bits: with the CPU's instruction for that where it has one besides the
/// tier.
pub fn dispatch_bits<O: SimdOp>(tier: Tier, op: O) -> Result<O::Output, TierUnavailable> {
    #[cfg(target_arch = "x86_64")]
    if tier.f32_tier() == Tier::Avx512
        && let Some(simd) = avx512::Avx512Popcnt::new()
    {
        return Ok(simd.run(op));
    }
    dispatch(tier, op)
}

/// Lanes of the widest vectors.
pub const MOST_LANES: usize = 16;

/// The vectors of a tier. Loads and stores check the slice's length and panic when it is too short.
pub trait Simd: Copy + Send + Sync + fmt::Debug + 'static {
    /// The tier that the token proves.
    const TIER: Tier;
    /// Lanes of [`Simd::F32`] and [`Simd::I32`]; at most [`MOST_LANES`].
    const LANES: usize;
    /// A vector of `LANES` single-precision numbers.
    type F32: Copy;
    /// A vector of `LANES` 32-bit integers.
    type I32: Copy;
    /// One truth value a lane.
    type Mask: Copy;
    /// Whether [`Simd::look_up`] is one instruction; elsewhere it goes lane by lane.
    const LOOKS_UP: bool = false;
    /// Whether [`Simd::fraction`] is one instruction, and [`Simd::scale_from`] takes the floor of its exponent and overflows to
    /// infinity.
    const SPLITS_POWERS: bool = false;

    /// Runs `op` inside a function that has the tier's target features.
    fn run<O: SimdOp>(self, op: O) -> O::Output;

    /// Every lane `x`.
    fn splat(self, x: f32) -> Self::F32;
    /// Every lane zero.
    #[inline(always)]
    fn zero(self) -> Self::F32 {
        self.splat(0.0)
    }
    /// The first `LANES` numbers of `from`.
    fn load(self, from: &[f32]) -> Self::F32;
    /// The first `min(LANES, from.len())` numbers of `from`; the other lanes are zero.
    fn load_partial(self, from: &[f32]) -> Self::F32;
    /// Writes all lanes to the start of `to`.
    fn store(self, value: Self::F32, to: &mut [f32]);
    /// Writes the first `min(LANES, to.len())` lanes.
    fn store_partial(self, value: Self::F32, to: &mut [f32]);
    /// Like [`Simd::store`] past the caches where the tier can and `to` is aligned to a vector; else an ordinary store.
    fn store_streaming(self, value: Self::F32, to: &mut [f32]);
    /// Orders streaming stores before what follows.
    fn fence(self);
    /// Asks for the cache line of the first element to be brought near; does nothing on an empty slice.
    #[inline(always)]
    fn prefetch<T>(self, at: &[T]) {
        if !at.is_empty() {
            self.prefetch_beyond(at, 0);
        }
    }

    /// `a + b`
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b`
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, fused where the tier has FMA.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The smaller; where one operand is not a number, `b`.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger; where one operand is not a number, `b`.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The absolute value.
    fn abs(self, a: Self::F32) -> Self::F32;
    /// The square root.
    fn sqrt(self, a: Self::F32) -> Self::F32;
    /// Rounds to the nearest integer, ties to even.
    fn round(self, a: Self::F32) -> Self::F32;
    /// `min(|a|, bound)`, and `bound` where `a` is not a number.
    #[inline(always)]
    fn bounded_magnitude(self, a: Self::F32, bound: Self::F32) -> Self::F32 {
        self.min(self.abs(a), bound)
    }
    /// `a` held between `-bound` and `bound`; a bound where `a` is not a number.
    #[inline(always)]
    fn within(self, a: Self::F32, bound: Self::F32) -> Self::F32 {
        self.max(self.min(a, bound), self.sub(self.zero(), bound))
    }
    /// `a` less the nearest multiple of a quarter, ties to even ones.
    #[inline(always)]
    fn beside_quarter(self, a: Self::F32) -> Self::F32 {
        let quarters = self.round(self.mul(a, self.splat(4.0)));
        self.mul_add(quarters, self.splat(-0.25), a)
    }
    /// `a` less the largest integer that is not above it.
    #[inline(always)]
    fn fraction(self, a: Self::F32) -> Self::F32 {
        let beside = self.sub(a, self.round(a));
        self.select(self.less(beside, self.zero()), self.add(beside, self.splat(1.0)), beside)
    }
    /// In every lane the entry of `table` whose number is the lowest five bits of that lane of `at`.
    #[inline(always)]
    fn look_up(self, table: &'static [f32; 32], at: Self::F32) -> Self::F32 {
        let mut lanes = [0.0; 16];
        self.store(at, &mut lanes);
        self.load(&lanes.map(|lane| table[(lane.to_bits() & 31) as usize]))
    }
    /// `a * 2^n` for integral `n` (or its floor: [`Simd::SPLITS_POWERS`]) with a normal result or an underflow to zero (`-252 <= n <= 127`).
    fn scale_by_power_of_two(self, a: Self::F32, n: Self::F32) -> Self::F32;
    /// `a * 2^n` for integral `n` (or its floor: [`Simd::SPLITS_POWERS`]), but zero where `x < floor`: exact where `a` and the product are normal numbers, some
    /// number elsewhere, and nowhere a denormal one on the way. Where `a` and `n` are not numbers, neither is the answer.
    fn scale_from(self, a: Self::F32, n: Self::F32, x: Self::F32, floor: Self::F32) -> Self::F32;
    /// Whether `a < b` (false where one is not a number).
    fn less(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `yes` where the mask is set, else `no`.
    fn select(self, mask: Self::Mask, yes: Self::F32, no: Self::F32) -> Self::F32;
    /// Bit `i` of the answer is set where lane `i` of the mask is.
    fn mask_bits(self, mask: Self::Mask) -> u32;
    /// The sum of the lanes.
    fn sum(self, a: Self::F32) -> f32;
    /// The largest lane.
    fn largest(self, a: Self::F32) -> f32;

    /// Every lane `x`.
    fn splat_i32(self, x: i32) -> Self::I32;
    /// `a + b`, wrapping.
    fn add_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Rounds to integers, ties to even; out-of-range lanes are unspecified, never undefined.
    fn to_i32(self, a: Self::F32) -> Self::I32;
    /// Integers as floats.
    fn to_f32(self, a: Self::I32) -> Self::F32;
    /// The first `LANES` integers of `from`.
    fn load_i32(self, from: &[i32]) -> Self::I32;
    /// Writes all lanes to the start of `to`.
    fn store_i32(self, value: Self::I32, to: &mut [i32]);
    /// Writes the lanes to the first `LANES` bytes of `to`, saturating to -128..=127.
    fn store_i8(self, value: Self::I32, to: &mut [i8]);
    /// Like [`Simd::store_i8`] for four vectors one after the other: `4 * LANES` bytes.
    #[inline(always)]
    fn store_i8_four(self, values: [Self::I32; 4], to: &mut [i8]) {
        for (value, to) in values.into_iter().zip(to[..4 * Self::LANES].chunks_exact_mut(Self::LANES)) {
            self.store_i8(value, to);
        }
    }
    /// The first `LANES` bytes of `from`, sign-extended.
    fn load_i8(self, from: &[i8]) -> Self::I32;
    /// The first `LANES` bfloat16 numbers of `from` (their bits), widened.
    fn load_bf16(self, from: &[u16]) -> Self::F32;
    /// The even and the odd ones of the first `2 * LANES` bfloat16 numbers of `from` (their bits), widened.
    fn load_bf16_pairs(self, from: &[u16]) -> (Self::F32, Self::F32);

    /// The first `LANES` binary16 numbers of `from` (their bits), widened.
    fn load_f16(self, from: &[u16]) -> Self::F32;
    /// Writes the lanes to the first `LANES` numbers of `to` as binary16, by the rules of [`f32_to_f16`].
    fn store_f16(self, value: Self::F32, to: &mut [u16]);
    /// Writes the lanes to the first `LANES` numbers of `to` as bfloat16, by the rules of [`f32_to_bf16`].
    fn store_bf16(self, value: Self::F32, to: &mut [u16]);
    /// Writes the lanes to the first `LANES` bytes of `to`, saturating to 0..=255.
    fn store_u8(self, value: Self::I32, to: &mut [u8]);
    /// Like [`Simd::store_i8_four`] of [`Simd::to_i32`]'s answers within -127..=127, where what was not a number becomes 0.
    #[inline(always)]
    fn store_steps(self, values: [Self::I32; 4], to: &mut [i8]) {
        self.store_i8_four(values, to);
    }
    /// Like [`Simd::store_u8`] for four vectors one after the other: `4 * LANES` bytes.
    #[inline(always)]
    fn store_u8_four(self, values: [Self::I32; 4], to: &mut [u8]) {
        for (value, to) in values.into_iter().zip(to[..4 * Self::LANES].chunks_exact_mut(Self::LANES)) {
            self.store_u8(value, to);
        }
    }
    /// The first `LANES` bytes of `from`.
    fn load_u8(self, from: &[u8]) -> Self::I32;
    /// Asks for the cache line `ahead` elements beyond the start of `at`, which may lie past its end.
    fn prefetch_beyond<T>(self, at: &[T], ahead: usize);
    /// Asks for the cache line `ahead` elements from the start of `at`, wherever that is, to be brought as near as the
    /// second-level cache.
    fn prefetch_to_second_level<T>(self, at: &[T], ahead: isize);
    /// The largest lane of each of four vectors.
    #[inline(always)]
    fn largest_four(self, vectors: [Self::F32; 4]) -> [f32; 4] {
        vectors.map(|vector| self.largest(vector))
    }
    /// Four rows, each four lanes of which change places with those of the others as in a matrix that is transposed: lane
    /// `4 q + i` of vector `j` is lane `4 q + j` of `rows[i]`.
    #[inline(always)]
    fn transpose_fours(self, rows: [Self::F32; 4]) -> [Self::F32; 4] {
        let mut from = [[0.0; MOST_LANES]; 4];
        for (row, lanes) in rows.into_iter().zip(&mut from) {
            self.store(row, lanes);
        }
        let mut to = [[0.0; MOST_LANES]; 4];
        for (j, to) in to.iter_mut().enumerate() {
            for (lane, to) in to[..Self::LANES].iter_mut().enumerate() {
                *to = from[lane % 4][lane / 4 * 4 + j];
            }
        }
        to.map(|lanes| self.load(&lanes))
    }
    /// The sums of the lanes of four vectors.
    #[inline(always)]
    fn sum_four(self, vectors: [Self::F32; 4]) -> [f32; 4] {
        vectors.map(|vector| self.sum(vector))
    }

    /// Number of set bits in `a[i] ^ b[i]`, summed over the slices (of equal length).
    fn xor_popcount(self, a: &[u64], b: &[u64]) -> u64;
    /// Number of set bits in `a[i] & b[i]`, summed over the slices (of equal length).
    fn and_popcount(self, a: &[u64], b: &[u64]) -> u64;
    /// [`Simd::xor_popcount`] of `query` with every row of `rows`: `out.len()` rows of `query.len()` words, which are
    /// not zero.
    #[inline(always)]
    fn hamming_rows(self, query: &[u64], rows: &[u64], out: &mut [u64]) {
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            *out = self.xor_popcount(query, row);
        }
    }
}

/// Tiers with a dot product of unsigned by signed bytes into 32-bit lanes.
pub trait DotU8S8: Simd {
    /// A vector of `4 * LANES` bytes.
    type Bytes: Copy;
    /// Whether [`DotU8S8::dot_native`] takes the bytes of `a` for signed ones.
    const LEFT_IS_SIGNED: bool;
    /// Runs `op` inside a function that has the tier's target features.
    #[inline(always)]
    fn run_bytes<O: DotU8S8Op>(self, op: O) -> O::Output {
        self.run(dot::WithBytes(self, op))
    }
    /// The first `4 * LANES` bytes.
    fn load_bytes(self, from: &[u8]) -> Self::Bytes;
    /// The bits of the first `4 * LANES` signed bytes.
    fn load_signed_bytes(self, from: &[i8]) -> Self::Bytes;
    /// `a ^ b`
    fn xor_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Writes all bytes to the start of `to`.
    fn store_bytes(self, value: Self::Bytes, to: &mut [u8]);
    /// The same four bytes in every lane.
    fn splat_bytes(self, four: [u8; 4]) -> Self::Bytes;
    /// Lane `i`: `acc[i] + sum over k of a[4i+k] as u8 * b[4i+k] as i8`, wrapping, without intermediate saturation.
    fn dot_u8s8(self, acc: Self::I32, a: Self::Bytes, b: Self::Bytes) -> Self::I32;
    /// Field `FIELD` of every byte's four of two bits, the lowest first, less one: -1 to 2.
    fn two_bit_steps<const FIELD: u32>(self, fields: Self::Bytes) -> Self::Bytes;
    /// As [`DotU8S8::dot_u8s8`] for bytes of `a` below 128, where signed and unsigned agree and every tier needs one
    /// instruction only.
    fn dot_u7s8(self, acc: Self::I32, a: Self::Bytes, b: Self::Bytes) -> Self::I32;
    /// As [`DotU8S8::dot_u8s8`] with the signs that the tier's own instruction takes: [`DotU8S8::LEFT_IS_SIGNED`].
    fn dot_native(self, acc: Self::I32, a: Self::Bytes, b: Self::Bytes) -> Self::I32;
    /// Byte `4i + k`: the lowest of the bits of lane `i` of vector `k`.
    fn lowest_bytes(self, vectors: [Self::F32; 4]) -> Self::Bytes;
    /// Lane by lane the larger of `top` and the bits of the magnitude of `x`, as integers: an infinity stands above
    /// every number, and what is not a number above both.
    fn larger_magnitude(self, top: Self::I32, x: Self::F32) -> Self::I32;
    /// The largest lane, none of them negative.
    fn largest_i32(self, a: Self::I32) -> i32;
    /// The same bytes, of which the compiler forgets where they came from: a product with them is done as often as told.
    fn opaque(self, a: Self::Bytes) -> Self::Bytes;
}

/// Tiers with a dot product of bfloat16 pairs into single-precision lanes.
pub trait DotBf16: Simd {
    /// A vector of `2 * LANES` bfloat16 numbers.
    type Bf16: Copy;
    /// Runs `op` inside a function that has the tier's target features.
    #[inline(always)]
    fn run_bf16<O: DotBf16Op>(self, op: O) -> O::Output {
        self.run(dot::WithBf16(self, op))
    }
    /// The first `2 * LANES` numbers (their bits).
    fn load_pairs(self, from: &[u16]) -> Self::Bf16;
    /// The same pair in every lane, the first number in the lower half.
    fn splat_pair(self, pair: u32) -> Self::Bf16;
    /// Writes each lane of `low` and `high` side by side to the first `2 * LANES` numbers, by the rules of [`f32_to_bf16`] but for
    /// denormal numbers, which dot products take for zero and which may become zero here.
    fn store_pairs(self, low: Self::F32, high: Self::F32, to: &mut [u16]);
    /// Lane `i`: `acc[i] + a[2i] * b[2i] + a[2i+1] * b[2i+1]`.
    fn dot_bf16(self, acc: Self::F32, a: Self::Bf16, b: Self::Bf16) -> Self::F32;
}

#[cfg(test)]
mod tests;
