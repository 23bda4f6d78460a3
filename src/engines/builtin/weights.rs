//! Weights from a seed: any tensor alone, in any order, the same on every machine.

use crate::engines::EngineError;
use crate::engines::tensors::{Table, Tensors};
use crate::tensor::AlignedBuffer;

/// The generator. Each tensor is a function of its name and shape.
///
/// The scales keep every intermediate of the encoder near 1: a matrix over `k` inputs is uniform with variance `1/k`,
/// so that it maps unit variance to unit variance, a normalisation's scale lies around 1, a shift near 0. No number
/// is denormal: the smallest step of a uniform number is 2^-24 of its range.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generated;

/// Any number; changing it changes every built-in model.
const SEED: u64 = 0x7065_7266_6B69_7401;

impl Tensors for Generated {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<AlignedBuffer<f32>, EngineError> {
        let (low, high) = range(name, shape.last().copied().unwrap_or(1));
        let len = shape.iter().product::<usize>();
        let none = EngineError::Memory { bytes: len.saturating_mul(size_of::<f32>()) };
        let mut values = AlignedBuffer::try_zeroed(len).ok_or(none)?;
        fill(&mut values, seed(name), low, high);
        Ok(values)
    }

    fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, EngineError> {
        Ok(Table::from_values(self.tensor(name, &[rows, width])?, width))
    }

    fn stored_dtype(&self) -> &'static str {
        "f32"
    }

    fn hash(&self, _: &str) -> Option<u64> {
        None
    }
}

/// The range that a tensor's numbers are drawn from.
fn range(name: &str, inputs: usize) -> (f32, f32) {
    if name.ends_with("LayerNorm.weight") {
        (0.8, 1.2)
    } else if name.ends_with(".bias") || name.starts_with("embeddings.") {
        (-0.05, 0.05)
    } else {
        #[expect(clippy::cast_precision_loss, reason = "a row's length")]
        let bound = (3.0 / inputs.max(1) as f32).sqrt();
        (-bound, bound)
    }
}

/// FNV-1a of the name.
fn seed(name: &str) -> u64 {
    name.bytes().fold(SEED ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Two uniform numbers from every step of a `SplitMix64` sequence: a step is independent of the one before, so the
/// compiler can overlap them.
#[expect(clippy::cast_precision_loss, reason = "24 bits are exact in f32")]
fn fill(values: &mut [f32], seed: u64, low: f32, high: f32) {
    let step = (high - low) / (1_u32 << 24) as f32;
    let number = |bits: u64| low + step * ((bits & 0xFF_FFFF) as f32 + 0.5);
    let mut state = seed;
    for pair in values.chunks_mut(2) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        for (value, bits) in pair.iter_mut().zip([z >> 40, z >> 16]) {
            *value = number(bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_depends_on_its_name_alone_and_stays_in_its_range() {
        let name = "encoder.layer.0.output.dense.weight";
        let tensor = |name: &str| Generated.tensor(name, &[64, 256]).unwrap();
        assert_eq!(tensor(name)[..], tensor(name)[..]);
        assert_ne!(tensor(name)[..], tensor("encoder.layer.1.output.dense.weight")[..]);
        let bound = (3.0_f32 / 256.0).sqrt();
        let values = tensor(name);
        assert!(values.iter().all(|x| x.is_normal() && x.abs() <= bound));
        let variance = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((variance * 256.0 - 1.0).abs() < 0.05, "{variance}");
    }
}
