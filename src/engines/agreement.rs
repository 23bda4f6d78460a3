//! How well a precision agrees with single precision: cosines of the embeddings of the same texts.

use std::path::{Path, PathBuf};

use super::config::Architecture;
use super::tensors::hash_bytes;
use super::{Engine, EngineError, Model, Settings, Stages, corpus, kept};

/// Operations that may be spent on comparing: a few seconds.
const MOST_FLOPS: f64 = 5e11;
/// Texts that are compared even where they take more.
const FEWEST_TEXTS: usize = 16;
/// Texts of a batch.
const BATCH: usize = 32;

/// Cosines between the embeddings of two engines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Of the text that fared worst.
    pub minimum: f64,
    /// Over all texts.
    pub mean: f64,
    /// How many there were.
    pub texts: usize,
}

/// Texts of the corpus that ships, or of `own`, spread evenly over it: all of them, or as many as a few seconds allow for
/// a model of this size.
///
/// # Errors
/// The tokenizer refuses a text.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a count of texts"
)]
pub fn texts<'a>(model: &Model, own: Option<&'a [String]>) -> Result<Vec<&'a str>, EngineError> {
    let all: Vec<&str> = match own {
        Some(own) => own.iter().map(String::as_str).collect(),
        None => corpus::lines().collect(),
    };
    let lengths: Vec<usize> =
        all.iter().map(|text| model.tokenizer.ids(text).map(|ids| ids.len())).collect::<Result<_, _>>()?;
    let shape: &Architecture = &model.architecture;
    let share = MOST_FLOPS / shape.flops(lengths).max(1.0);
    let count = ((share * all.len() as f64) as usize).max(FEWEST_TEXTS);
    Ok(corpus::spread(&all, count).copied().collect())
}

/// Embeds the texts with both engines and compares.
///
/// # Errors
/// An engine refuses a text.
pub fn agreement(
    reference: &mut dyn Engine,
    other: &mut dyn Engine,
    texts: &[&str],
) -> Result<Agreement, EngineError> {
    let (mut minimum, mut sum) = (f64::INFINITY, 0.0);
    for batch in texts.chunks(BATCH) {
        let right = reference.embed(batch, &mut Stages::new())?;
        let got = other.embed(batch, &mut Stages::new())?;
        for (a, b) in right.rows().zip(got.rows()) {
            let cosine = cosine(a, b);
            minimum = if cosine < minimum || cosine.is_nan() { cosine } else { minimum };
            sum += cosine;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of texts")]
    let mean = sum / texts.len() as f64;
    Ok(Agreement { minimum, mean, texts: texts.len() })
}

/// The place of an agreement that was measured before.
///
/// It is named by all that decides it: weights, tokenizer, prompt, corpus, shape, precision, tier, and the program itself,
/// because another build may round otherwise.
#[derive(Debug)]
pub struct Kept(PathBuf);

/// What such a file holds: two numbers, a count, and a hash of those.
const KEPT_BYTES: usize = 32;

impl Kept {
    /// `None` where nothing tells the model or the program apart from others.
    #[must_use]
    pub fn at(folder: &Path, model: &Model, engine: &str, settings: &Settings) -> Option<Self> {
        let weights = kept::content_hash(folder, &*model.tensors)?;
        let tier = settings.tier().ok()?;
        let program = kept::stamp(&[&std::env::current_exe().ok()?])?;
        let outline = format!(
            "{engine} {} {tier} {:?} {:?} {:?} {:?} {program:016x}",
            settings.precision, model.architecture, model.pooling, model.normalization, model.dimensions
        );
        let key = hash_bytes(weights ^ model.tokenizer.hash(), outline.as_bytes());
        let key = hash_bytes(key, corpus::MIXED.as_bytes());
        Some(Self(folder.join(format!("{}-{}-agreement-{key:016x}", model.slug, settings.precision))))
    }

    /// What was found before, where the file is there and whole.
    #[must_use]
    pub fn read(&self) -> Option<Agreement> {
        let bytes = std::fs::read(&self.0).ok()?;
        let words: &[u8; KEPT_BYTES] = bytes.as_slice().try_into().ok()?;
        let (numbers, hash) = words.split_at(KEPT_BYTES - 8);
        let word = |at: usize| Some(u64::from_le_bytes(numbers.get(at..at + 8)?.try_into().ok()?));
        let texts = usize::try_from(word(16)?).ok()?;
        (hash_bytes(0, numbers).to_le_bytes() == hash).then_some(Agreement {
            minimum: f64::from_bits(word(0)?),
            mean: f64::from_bits(word(8)?),
            texts,
        })
    }

    /// Keeps what was found, where a file can be written.
    pub fn write(&self, found: &Agreement) {
        let words = [found.minimum.to_bits(), found.mean.to_bits(), found.texts as u64];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(hash_bytes(0, &bytes).to_le_bytes());
        kept::write_whole(&self.0, &bytes);
    }
}

/// Of two vectors of one length; 1 where both are zero.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 {
        return f64::from(u8::from(dot(a, a) == dot(b, b)));
    }
    dot(a, b) / lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let place = Kept(folder.path().join("packed/agreement"));
        assert_eq!(place.read(), None);
        let found = Agreement { minimum: 0.99, mean: 0.999, texts: 500 };
        place.write(&found);
        assert_eq!(place.read(), Some(found));
        let whole = std::fs::read(&place.0).unwrap();
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&place.0, &damaged).unwrap();
            assert_eq!(place.read(), None, "bit {bit}");
        }
        std::fs::write(&place.0, &whole[1..]).unwrap();
        assert_eq!(place.read(), None);
    }

    #[test]
    fn cosines_are_of_directions() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 1.0]), 0.0);
        assert_eq!((cosine(&[0.0], &[0.0]), cosine(&[0.0], &[1.0])), (1.0, 0.0));
        assert!(cosine(&[f32::NAN], &[1.0]).is_nan());
    }
}
