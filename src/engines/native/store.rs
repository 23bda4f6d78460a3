//! Packed weights on disk: what took a second to find and arrange is read back in milliseconds.
//!
//! Kept is int8, whose scales come from texts run through the model; the other precisions are packed from the weights
//! alone, at every load. A file is named by what decides its contents, a hash of the weights, the tokenizer, the texts, the shape
//! and the tier among it, so that nothing in it is ever out of date. It appears whole, by a rename, whoever else writes
//! the same; its own hash tells whether it is as it was written; and whatever is wrong with it, it is made again.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::encoder::Layer;
use super::linear::Linear;
use crate::engines::tensors::hash_bytes;
use crate::engines::{Model, Precision, corpus};
use crate::kernels::grouped::Codes;
use crate::simd::Tier;
use crate::sys::memory::MappedFile;

/// What a file begins with; another one where the arrangement or the rule of its numbers changes.
const MAGIC: &[u8; 16] = b"perfkit packed 1";
/// The beginning, the hash of the rest, the rest.
const HEADER: usize = MAGIC.len() + 8;

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
    folder: PathBuf,
    path: PathBuf,
    tier: Tier,
}

impl Stored {
    /// `None` where the precision or the model is not kept.
    pub(super) fn at(folder: &Path, model: &Model, precision: Precision, tier: Tier) -> Option<Self> {
        if precision != Precision::Int8 {
            return None;
        }
        let weights = model.tensors.hash("")?;
        let version = env!("CARGO_PKG_VERSION");
        let outline = format!("{version} {precision} {tier} {:?}", model.architecture);
        let key = hash_bytes(weights, outline.as_bytes());
        let key = hash_bytes(key ^ model.tokenizer.hash(), corpus::MIXED.as_bytes());
        let path = folder.join(format!("{}-{precision}-{tier}-{key:016x}", model.slug));
        Some(Self { folder: folder.to_owned(), path, tier })
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
            let mut linear =
                |inputs, outputs, codes| Linear::read(self.tier, [inputs, outputs], codes, &mut rest);
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
        if std::fs::create_dir_all(&self.folder).is_err() {
            return;
        }
        // A name of this process and thread, so that two writers never share a file; the later rename wins, with the
        // same contents.
        let own = format!("{}-{:?}", std::process::id(), std::thread::current().id());
        let own: String = own.chars().filter(char::is_ascii_alphanumeric).collect();
        let temporary = self.path.with_extension(format!("{own}.part"));
        let written = std::fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| std::fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
    }
}
