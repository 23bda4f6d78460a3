//! A model, loaded but not yet packed for any tier.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::EngineError;
use super::config::Architecture;
use super::prompts::Prompts;
use super::tensors::Tensors;
use super::tokenizer::TextTokenizer;

pub use crate::kernels::pool::Pooling;

/// What happens to the pooled vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalization {
    /// Scaled to unit length.
    UnitLength,
    /// Left alone.
    None,
}

/// A sentence-embedding model: everything that decides an embedding.
pub struct Model {
    /// Lower-case letters, digits and dashes: the model's part of a case name.
    pub slug: String,
    /// The shape of the encoder.
    pub architecture: Architecture,
    /// Text to ids.
    pub tokenizer: TextTokenizer,
    /// Token vectors to one.
    pub pooling: Pooling,
    /// And then.
    pub normalization: Normalization,
    /// Leading numbers of the pooled vector that are kept; `None` for all.
    pub dimensions: Option<NonZeroUsize>,
    /// What may stand in front of a text.
    pub prompts: Prompts,
    /// The weights.
    pub tensors: Arc<dyn Tensors>,
    /// What a reader of its figures must know.
    pub notes: Vec<String>,
}

impl Model {
    /// Length of an embedding.
    #[must_use]
    pub fn embedding_len(&self) -> usize {
        self.dimensions.map_or(self.architecture.hidden, NonZeroUsize::get)
    }

    /// Keeps only the first `dimensions` numbers of a pooled vector, before it is normalised, as models trained that way
    /// allow (Kusupati et al., 2022, arXiv:2205.13147). Its name then says so.
    ///
    /// # Errors
    /// The model's vectors are shorter.
    pub fn truncated(mut self, dimensions: NonZeroUsize) -> Result<Self, EngineError> {
        let all = self.architecture.hidden;
        if dimensions.get() > all {
            return Err(EngineError::Input(format!(
                "{dimensions} dimensions are more than the {all} of the model"
            )));
        }
        if dimensions.get() < all {
            self.slug = format!("{}-d{dimensions}", self.slug);
            self.dimensions = Some(dimensions);
        }
        Ok(self)
    }

    /// Puts the prompt of this name in front of every text.
    ///
    /// # Errors
    /// The model has no such prompt.
    pub fn prompted(mut self, name: &str) -> Result<Self, EngineError> {
        let prompt = self.prompts.choose(Some(name))?.to_owned();
        self.tokenizer.set_prefix(prompt);
        Ok(self)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("slug", &self.slug)
            .field("architecture", &self.architecture)
            .field("pooling", &self.pooling)
            .field("normalization", &self.normalization)
            .finish_non_exhaustive()
    }
}

/// Lower-case letters, digits and single dashes of a model's name: `all-MiniLM-L6-v2` becomes `all-minilm-l6-v2`.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(80) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "model".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn slugs_are_words_of_case_names() {
        for (name, slug) in [
            ("all-MiniLM-L6-v2", "all-minilm-l6-v2"),
            ("intfloat/e5_base", "intfloat-e5-base"),
            ("--../", "model"),
            ("", "model"),
        ] {
            assert_eq!(super::slug(name), slug);
        }
    }
}
