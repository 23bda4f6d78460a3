//! Numbers to fewer bits, and back: signed bytes about zero, unsigned bytes with a zero point, sixteen-bit floats, two bits
//! and one bit a number.
//!
//! In the rules of the bytes a product with a reciprocal stands in for a division and differs from it by less than
//! 2^-16 of a step, so that every tier and the reference agree to the bit.

mod bits;
mod dequantize;
mod halves;
mod int8;
mod ternary;
mod uint8;

pub use bits::{bits, bits_rows, plain_bits_rows, reference_bits_rows};
pub use dequantize::{
    int8_rows_to_f32, plain_int8_rows_to_f32, plain_uint8_rows_to_f32, reference_int8_rows_to_f32,
    reference_uint8_rows_to_f32, uint8_rows_to_f32,
};
pub use halves::{
    Half, from_half, plain_from_half, plain_to_half, reference_from_half, reference_to_half, to_half,
};
pub use int8::{
    int8_columns, int8_rows, int8_tensor, plain_int8_columns, plain_int8_rows, reference_int8_columns,
    reference_int8_rows,
};
pub use ternary::{plain_ternary_rows, reference_ternary_rows, ternary_rows};
pub use uint8::{Affine, plain_uint8_rows, reference_uint8_rows, uint8_rows, uint8_tensor};

/// What is smaller counts as zero, because 127 and 255 over it are too near the end of single precision: 2^-120.
pub const SMALLEST_MAGNITUDE: f32 = f32::from_bits((127 - 120) << 23);

/// [`crate::simd::Simd::LANES`] is at most this.
const MOST_LANES: usize = 16;
