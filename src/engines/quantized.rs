//! Embeddings in fewer bits than they are computed in: a byte a number with a scale a vector, or a bit a number.
//!
//! Neither needs to be calibrated: the cosine of two vectors does not depend on their scales, so that bytes are compared
//! by their own cosine and bits by their Hamming distance.

use std::fmt;
use std::str::FromStr;

use super::EngineError;
use crate::kernels::quantize::{bits_rows, int8_rows};
use crate::simd::{Tier, TierUnavailable};

/// What the numbers of finished embeddings are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OutputPrecision {
    /// As they are computed.
    #[default]
    F32,
    /// Signed bytes: `number = scale * byte`, the scale a vector's largest magnitude over 127.
    Int8,
    /// A bit a number, set where it is above zero, packed as `numpy.packbits` packs: the first number is the highest bit
    /// of the first byte. Others call this precision `ubinary`.
    Binary,
}

/// One row of the table of output precisions.
struct Row {
    precision: OutputPrecision,
    name: &'static str,
}

static ROWS: &[Row] = &[
    Row { precision: OutputPrecision::F32, name: "f32" },
    Row { precision: OutputPrecision::Int8, name: "int8" },
    Row { precision: OutputPrecision::Binary, name: "binary" },
];

impl OutputPrecision {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.precision)
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        ROWS.iter().find(|row| row.precision == self).map_or("f32", |row| row.name)
    }

    /// Bytes of a vector's numbers in an index; a scale is not among them, because a cosine needs none.
    #[must_use]
    pub const fn vector_bytes(self, dimensions: usize) -> usize {
        match self {
            Self::F32 => 4 * dimensions,
            Self::Int8 => dimensions,
            Self::Binary => dimensions.div_ceil(8),
        }
    }
}

impl fmt::Display for OutputPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for OutputPrecision {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        ROWS.iter().find(|row| row.name == text).map(|row| row.precision).ok_or_else(|| {
            let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            EngineError::Input(format!(
                "there is no output precision {:?}; there are {}",
                super::config::shown(text),
                names.join(", ")
            ))
        })
    }
}

/// A vector as it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Coded<'a> {
    /// As it was computed.
    F32(&'a [f32]),
    /// Bytes and their scale.
    Int8 {
        /// One a number.
        bytes: &'a [i8],
        /// A byte's worth.
        scale: f32,
    },
    /// Eight numbers a byte; what is left of the last is zero.
    Binary(&'a [u8]),
}

/// Turns vectors into what they are kept in, one after the other, without allocating.
#[derive(Debug)]
pub struct Quantizer {
    precision: OutputPrecision,
    tier: Tier,
    bytes: Vec<i8>,
    words: Vec<u64>,
    packed: Vec<u8>,
}

impl Quantizer {
    /// For vectors of so many numbers, on the best tier here.
    #[must_use]
    pub fn new(precision: OutputPrecision, dimensions: usize) -> Self {
        let room = |wanted: OutputPrecision, len: usize| if precision == wanted { len } else { 0 };
        Self {
            precision,
            tier: Tier::best_f32(),
            bytes: vec![0; room(OutputPrecision::Int8, dimensions)],
            words: vec![0; room(OutputPrecision::Binary, dimensions.div_ceil(64))],
            packed: vec![0; room(OutputPrecision::Binary, dimensions.div_ceil(8))],
        }
    }

    /// One vector, as long as was said.
    ///
    /// # Errors
    /// The tier is not to be had, which the best one here always is.
    ///
    /// # Panics
    /// When the vector has another length.
    pub fn code<'a>(&'a mut self, vector: &'a [f32]) -> Result<Coded<'a>, TierUnavailable> {
        match self.precision {
            OutputPrecision::F32 => Ok(Coded::F32(vector)),
            OutputPrecision::Int8 => {
                let mut scale = [0.0];
                int8_rows(self.tier, vector, vector.len(), &mut self.bytes, &mut scale)?;
                Ok(Coded::Int8 { bytes: &self.bytes, scale: scale[0] })
            }
            OutputPrecision::Binary => {
                bits_rows(self.tier, vector, vector.len(), &mut self.words)?;
                let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
                // The kernels have the first number in the lowest bit.
                self.packed.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte.reverse_bits());
                Ok(Coded::Binary(&self.packed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for precision in OutputPrecision::all() {
            assert_eq!(precision.name().parse::<OutputPrecision>().unwrap(), precision);
        }
        let error = "int4".parse::<OutputPrecision>().unwrap_err().to_string();
        assert!(error.contains("binary") && error.contains("int4"), "{error}");
    }

    #[test]
    fn bits_lie_as_numpy_packs_them() {
        // numpy.packbits([1,0,1,0,0,0,0,1, 1,1]) is [0b10100001, 0b11000000].
        let vector = [1.0, -1.0, 0.5, 0.0, -0.0, -2.0, f32::NAN, 3.0, 1e-9, 2.0];
        let mut quantizer = Quantizer::new(OutputPrecision::Binary, vector.len());
        assert_eq!(quantizer.code(&vector).unwrap(), Coded::Binary(&[0b1010_0001, 0b1100_0000]));
        // A second vector leaves nothing of the first.
        assert_eq!(quantizer.code(&[-1.0; 10]).unwrap(), Coded::Binary(&[0, 0]));
    }

    #[test]
    fn bytes_and_their_scale_are_the_numbers_within_half_a_step() {
        let vector: Vec<f32> = (0..384_u16).map(|i| (f32::from(i) * 0.37).sin()).collect();
        let mut quantizer = Quantizer::new(OutputPrecision::Int8, vector.len());
        let Coded::Int8 { bytes, scale } = quantizer.code(&vector).unwrap() else { panic!("not bytes") };
        for (&byte, x) in bytes.iter().zip(&vector) {
            assert!((f32::from(byte) * scale - x).abs() <= 0.501 * scale, "{byte} {x}");
        }
        assert_eq!(quantizer.code(&[0.0; 384]).unwrap(), Coded::Int8 { bytes: &[0; 384], scale: 0.0 });
    }

    #[test]
    fn a_vector_has_the_bytes_that_are_said() {
        for dimensions in [1, 8, 63, 384] {
            let vector = vec![1.0; dimensions];
            for precision in OutputPrecision::all() {
                let mut quantizer = Quantizer::new(precision, dimensions);
                let bytes = match quantizer.code(&vector).unwrap() {
                    Coded::F32(numbers) => size_of_val(numbers),
                    Coded::Int8 { bytes, .. } => bytes.len(),
                    Coded::Binary(bytes) => bytes.len(),
                };
                assert_eq!(bytes, precision.vector_bytes(dimensions), "{precision}");
            }
        }
    }
}
