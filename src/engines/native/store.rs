//! Packed weights on disk: what took a second to find and arrange is read back in milliseconds.
//!
//! A file is named by what decides its contents, a hash of the weights, the tokenizer, the texts that scales come from, the
//! shape and the tier among it, so that nothing in it is ever out of date. It appears whole, by a rename, whoever else
//! writes the same; its own hash tells whether it is as it was written; and whatever is wrong with it, it is made again.

use std::path::{Path, PathBuf};

use super::encoder::Layer;
use super::linear::Linear;
use crate::engines::tensors::hash_bytes;
use crate::engines::{Model, Precision, corpus, kept};
use crate::kernels::grouped::Codes;
use crate::simd::Tier;
use crate::sys::memory::MappedFile;

/// What a file begins with; another one where the arrangement or the rule of its numbers changes.
const MAGIC: &[u8; 16] = b"perfkit packed 1";
/// The beginning, the hash of the rest, the rest.
const HEADER: usize = MAGIC.len() + 8;

/// Files beyond this are not kept, except of int8, which takes long to make: a disk has better uses.
const MOST_BYTES: usize = 512 << 20;

/// A layer's four products.
pub(super) struct Products {
    pub(super) query_key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

/// The place of one model's packed weights.
#[derive(Debug)]
pub(super) struct Stored {
    path: PathBuf,
    precision: Precision,
    tier: Tier,
}

impl Stored {
    /// `None` where nothing tells the model from others, or its weights are too many to keep.
    pub(super) fn at(folder: &Path, model: &Model, precision: Precision, tier: Tier) -> Option<Self> {
        let shape = &model.architecture;
        let bytes = match precision {
            Precision::Int8 => 0,
            Precision::F32 => 4,
            Precision::Bf16 | Precision::F16 => 2,
        };
        let layer = (4 * shape.hidden).checked_add(2 * shape.intermediate)?.checked_mul(shape.hidden)?;
        if layer.checked_mul(shape.layers)?.checked_mul(bytes)? > MOST_BYTES {
            return None;
        }
        let weights = kept::content_hash(folder, &*model.tensors)?;
        let version = env!("CARGO_PKG_VERSION");
        let outline = format!("{version} {precision} {tier} {:?}", model.architecture);
        let key = hash_bytes(weights, outline.as_bytes());
        let key = hash_bytes(key ^ model.tokenizer.hash(), corpus::MIXED.as_bytes());
        let path = folder.join(format!("{}-{precision}-{tier}-{key:016x}", model.slug));
        Some(Self { path, precision, tier })
    }

    /// Every layer's products, where the file is there and whole.
    pub(super) fn read(&self, model: &Model) -> Option<Vec<Products>> {
        let file = MappedFile::open(&self.path).ok()?;
        let (header, mut rest) = file.bytes().split_at_checked(HEADER)?;
        let (magic, hash) = header.split_at(MAGIC.len());
        if magic != MAGIC || hash != hash_bytes(0, rest).to_le_bytes() {
            return None;
        }
        let shape = &model.architecture;
        let (width, wide) = (shape.hidden, shape.intermediate);
        let mut layers = Vec::with_capacity(shape.layers);
        for _ in 0..shape.layers {
            let mut linear = |inputs, outputs, codes| {
                Linear::read(self.precision, self.tier, [inputs, outputs], codes, &mut rest)
            };
            layers.push(Products {
                query_key_value: linear(width, 3 * width, Codes::Signed)?,
                attention_output: linear(width, width, Codes::Signed)?,
                up: linear(width, wide, Codes::Signed)?,
                down: linear(wide, width, Codes::Unsigned)?,
            });
        }
        rest.is_empty().then_some(layers)
    }

    /// Keeps the layers' products. A cache that cannot be written is none: the next run packs again.
    pub(super) fn write(&self, layers: &[Layer]) {
        let mut bytes = vec![0; HEADER];
        for layer in layers {
            for linear in [&layer.query_key_value, &layer.attention_output, &layer.up, &layer.down] {
                linear.write(&mut bytes);
            }
        }
        let hash = hash_bytes(0, &bytes[HEADER..]);
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[MAGIC.len()..HEADER].copy_from_slice(&hash.to_le_bytes());
        kept::write_whole(&self.path, &bytes);
    }
}
