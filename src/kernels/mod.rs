//! The routines, on slices: no clock, no case, no allocation in the hot path, no `unsafe`.
//!
//! Each is a [`crate::simd::SimdOp`] (or a generic function over a token that one wraps) beside its plain f64 or
//! integer reference and the plain loop as the compiler builds it.

pub mod activation;
pub mod attention;
pub mod bounce;
pub mod chase;
pub mod clock_chain;
pub mod gather;
pub mod grouped;
mod lanes;
pub mod loads;
pub mod math;
pub mod matmul;
pub mod mol;
pub mod norm;
pub mod normalize;
pub mod peak;
pub mod pool;
pub mod quantize;
pub mod similarity;
pub mod softmax;
pub mod stream;
