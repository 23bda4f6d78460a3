//! The types of number that vectors are stored in, all computed with in single precision.

use std::marker::PhantomData;

use crate::kernels::normalize::without_denormals;
use crate::simd::{Simd, bf16_to_f32, f16_to_f32};
use crate::sys::memory::Plain;

/// A type of stored number.
pub trait Number: Copy + Send + Sync + 'static {
    /// How a number lies in memory.
    type Stored: Plain + Default;
    /// The first [`Simd::LANES`] numbers of `from`.
    fn load<S: Simd>(s: S, from: &[Self::Stored]) -> S::F32;
    /// The numbers of `from`, fewer than [`Simd::LANES`]; the other lanes are zero.
    #[inline(always)]
    fn load_partial<S: Simd>(s: S, from: &[Self::Stored]) -> S::F32 {
        let mut padded = [Self::Stored::default(); 16];
        padded[..from.len()].copy_from_slice(from);
        Self::load(s, &padded)
    }
    /// The number.
    fn widened(stored: Self::Stored) -> f32;
}

/// Single precision.
#[derive(Debug, Clone, Copy)]
pub struct F32;

/// Binary16, as its bits.
#[derive(Debug, Clone, Copy)]
pub struct F16;

/// Bfloat16, as its bits.
#[derive(Debug, Clone, Copy)]
pub struct Bf16;

impl Number for F32 {
    type Stored = f32;
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[f32]) -> S::F32 {
        s.load(from)
    }
    #[inline(always)]
    fn load_partial<S: Simd>(s: S, from: &[f32]) -> S::F32 {
        s.load_partial(from)
    }
    #[inline(always)]
    fn widened(stored: f32) -> f32 {
        stored
    }
}

impl Number for F16 {
    type Stored = u16;
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[u16]) -> S::F32 {
        s.load_f16(from)
    }
    #[inline(always)]
    fn widened(stored: u16) -> f32 {
        f16_to_f32(stored)
    }
}

impl Number for Bf16 {
    type Stored = u16;
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[u16]) -> S::F32 {
        s.load_bf16(from)
    }
    #[inline(always)]
    fn widened(stored: u16) -> f32 {
        bf16_to_f32(stored)
    }
}

/// Numbers of type `N` of which denormal ones count as zero, by the rule of [`without_denormals`]. For scans, whose time is
/// that of bringing rows near: two vectors that lie in L1 already would take three times as long.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithoutDenormals<N>(PhantomData<N>);

impl<N: Number> Number for WithoutDenormals<N> {
    type Stored = N::Stored;
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[N::Stored]) -> S::F32 {
        without_denormals(s, N::load(s, from))
    }
    #[inline(always)]
    fn load_partial<S: Simd>(s: S, from: &[N::Stored]) -> S::F32 {
        without_denormals(s, N::load_partial(s, from))
    }
    #[inline(always)]
    fn widened(stored: N::Stored) -> f32 {
        N::widened(stored)
    }
}
