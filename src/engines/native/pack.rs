//! From a model's tensors to an encoder: read by name, put together, packed.

use std::path::Path;
use std::sync::Arc;

use super::calibrate::{self, Loudness};
use super::encoder::{Encoder, Layer, Norm};
use super::linear::Linear;
use super::store::{Products, Stored};
use crate::engines::config::Architecture;
use crate::engines::model::Model;
use crate::engines::names::{EMBEDDING_NORM, POSITIONS, RELATIVE, TYPES, WORDS};
use crate::engines::{EngineError, Precision, relative};
use crate::kernels::grouped::Smoothing;
use crate::simd::Tier;
use crate::sys::resources::{address_room_bytes, memory_room_bytes};
use crate::tensor::AlignedBuffer;

/// Packs the model's weights for a precision on one of its tiers, or takes them from `cache` where they were kept there
/// before.
pub(super) fn encoder(
    model: Arc<Model>,
    precision: Precision,
    tier: Tier,
    cache: Option<&Path>,
) -> Result<Encoder, EngineError> {
    let shape = &model.architecture;
    let tensors = &*model.tensors;
    let words = tensors.table(WORDS, shape.vocabulary, shape.hidden)?;
    let mut positions = tensors.tensor(POSITIONS, &[shape.positions, shape.hidden])?;
    if shape.types > 0 {
        let types = tensors.tensor(TYPES, &[shape.types, shape.hidden])?;
        for row in positions.chunks_exact_mut(shape.hidden) {
            row.iter_mut().zip(types.iter()).for_each(|(position, kind)| *position += kind);
        }
    }
    let relative = match shape.relative_buckets {
        0 => Vec::new(),
        buckets => {
            let weights = tensors.tensor(RELATIVE, &[buckets, shape.heads])?;
            relative::table(&weights, shape.heads, shape.longest_text())
        }
    };
    // Behind the tables, which take room of their own where no file holds them.
    check_room(shape, precision, Room::now())?;
    let reader = Reader { model: &model, precision, tier };
    let embedding_norm = reader.norm(EMBEDDING_NORM)?;
    let stored = cache.and_then(|folder| Stored::at(folder, &model, precision, tier));
    let layers = match stored.as_ref().and_then(|stored| stored.read(&model)) {
        Some(layers) => reader.around(layers)?,
        None => {
            let layers = reader.layers()?;
            if let Some(stored) = stored {
                stored.write(&layers);
            }
            layers
        }
    };
    Ok(Encoder { precision, tier, words, positions, relative, embedding_norm, layers, model })
}

/// What is left for the layers, as far as that is told.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    memory: Option<u64>,
    address_space: Option<u64>,
}

impl Room {
    fn now() -> Self {
        Self { memory: memory_room_bytes(), address_space: address_room_bytes() }
    }
}

/// Whether the packed layers have room: to fill memory that is not there ends the process without a word. A limit of the
/// address space counts also what a buffer leaves out to begin where it should.
fn check_room(shape: &Architecture, precision: Precision, room: Room) -> Result<(), EngineError> {
    let (width, wide) = (shape.hidden, shape.intermediate);
    let matrices = [3 * width * width, width * width, wide * width, width * wide];
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate that is compared, not shown to the byte"
    )]
    let packed = matrices.map(|numbers| (numbers as f64 * precision.weight_bytes()) as usize);
    // While a matrix is packed it is there in single precision as well, what is put together twice.
    let beside = 4 * (wide.max(3 * width) * width);
    let memory = shape.layers * packed.iter().sum::<usize>() + beside;
    let mapped = AlignedBuffer::<f32>::address_space;
    let addresses = shape.layers * packed.map(mapped).iter().sum::<usize>() + 2 * mapped(beside);
    for (needed, room, of) in
        [(memory, room.memory, ""), (addresses, room.address_space, " of address space")]
    {
        let Some(room) = room.filter(|room| needed as u64 > *room) else { continue };
        return Err(EngineError::Unavailable(format!(
            "the packed weights take {} MiB{of} in {precision}, and there is room for {} MiB; allow more memory, or use a \
             precision of fewer bits or a smaller model",
            needed >> 20,
            room >> 20
        )));
    }
    Ok(())
}

/// Reads and packs tensors by name.
struct Reader<'a> {
    model: &'a Arc<Model>,
    precision: Precision,
    tier: Tier,
}

impl Reader<'_> {
    fn layers(&self) -> Result<Vec<Layer>, EngineError> {
        let loudness = match self.precision {
            Precision::Int8 => calibrate::observe(self.model, self.tier)?,
            Precision::F32 | Precision::Bf16 | Precision::F16 => {
                vec![Loudness::default(); self.model.architecture.layers]
            }
        };
        loudness.iter().enumerate().map(|(i, loudness)| self.layer(i, loudness)).collect()
    }

    /// Products that are packed already, with what else their layers have.
    fn around(&self, products: Vec<Products>) -> Result<Vec<Layer>, EngineError> {
        let layer = |(index, products): (usize, Products)| {
            let names = self.model.architecture.family.layer(index);
            Ok(Layer {
                query_key_value: products.query_key_value,
                attention_output: products.attention_output,
                attention_norm: self.norm(&names.attention_norm)?,
                up: products.up,
                down: products.down,
                output_norm: self.norm(&names.output_norm)?,
            })
        };
        products.into_iter().enumerate().map(layer).collect()
    }

    fn layer(&self, index: usize, loudness: &Loudness) -> Result<Layer, EngineError> {
        let shape = &self.model.architecture;
        let (width, wide, activation) = (shape.hidden, shape.intermediate, shape.activation);
        let names = shape.family.layer(index);
        let projections = [names.query, names.key, names.value];
        Ok(Layer {
            query_key_value: self.linear(&projections, width, width, |weights| {
                calibrate::signed(&loudness.query_key_value, weights)
            })?,
            attention_output: self.linear(&[names.attention_output], width, width, |weights| {
                calibrate::signed(&loudness.attention_output, weights)
            })?,
            attention_norm: self.norm(&names.attention_norm)?,
            up: self.linear(&[names.up], wide, width, |weights| calibrate::signed(&loudness.up, weights))?,
            down: self.linear(&[names.down], width, wide, |weights| {
                calibrate::activated(activation, &loudness.down, weights)
            })?,
            output_norm: self.norm(&names.output_norm)?,
        })
    }

    /// Products of the same input become one, their outputs side by side.
    fn linear(
        &self,
        names: &[String],
        outputs: usize,
        inputs: usize,
        smoothing: impl FnOnce(&[f32]) -> Smoothing,
    ) -> Result<Linear, EngineError> {
        let size = outputs * inputs;
        let mut bias = AlignedBuffer::zeroed(names.len() * outputs);
        let tensor = |name: &String| self.model.tensors.tensor(&format!("{name}.weight"), &[outputs, inputs]);
        for (name, bias) in names.iter().zip(bias.chunks_exact_mut(outputs)) {
            bias.copy_from_slice(&self.model.tensors.tensor(&format!("{name}.bias"), &[outputs])?);
        }
        let weights = match names {
            [name] => tensor(name)?,
            _ => {
                let mut together = AlignedBuffer::zeroed(names.len() * size);
                for (name, part) in names.iter().zip(together.chunks_exact_mut(size)) {
                    part.copy_from_slice(&tensor(name)?);
                }
                together
            }
        };
        Linear::pack(self.precision, self.tier, &weights, bias, smoothing)
    }

    fn norm(&self, name: &str) -> Result<Norm, EngineError> {
        let width = [self.model.architecture.hidden];
        let scale = self.model.tensors.tensor(&format!("{name}.weight"), &width)?;
        let shift = self.model.tensors.tensor(&format!("{name}.bias"), &width)?;
        Ok(Norm { scale, shift })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::builtin::Preset;

    #[test]
    fn weights_without_room_are_refused_with_the_remedy() {
        // 85 million weights in twelve layers.
        let shape = Preset::BertBase.architecture();
        for (precision, fits, mapped) in
            [(Precision::F32, 360, 520), (Precision::F16, 190, 350), (Precision::Int8, 100, 230)]
        {
            let memory = |mebibytes: u64| {
                check_room(&shape, precision, Room { memory: Some(mebibytes << 20), address_space: None })
            };
            let addresses = |mebibytes: u64| {
                check_room(&shape, precision, Room { memory: None, address_space: Some(mebibytes << 20) })
            };
            assert!(memory(fits).is_ok() && addresses(mapped).is_ok(), "{precision}");
            for error in [memory(fits / 2), addresses(fits)].map(|room| room.unwrap_err().to_string()) {
                assert!(error.contains("MiB") && error.contains("fewer bits"), "{error}");
            }
        }
        assert!(check_room(&shape, Precision::F32, Room::default()).is_ok());
    }
}
