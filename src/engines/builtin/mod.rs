//! Models that need no download: the exact shapes of published ones, with generated weights and a vocabulary of our
//! own. Their speed is the real model's; their vectors mean nothing.

use std::str::FromStr;
use std::sync::Arc;

use super::EngineError;
use super::config::{Activation, Architecture, Family};
use super::model::{Model, Normalization, Pooling};
use super::prompts::Prompts;
use super::tokenizer::TextTokenizer;

mod vocabulary;
mod weights;

pub use weights::Generated;

/// What every output about a built-in model says.
pub const NOTE: &str = "built-in model: its weights are generated, so its vectors mean nothing while its speed is representative";

/// A built-in model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Two layers of 64: for tests and for trying things out.
    Tiny,
    /// all-MiniLM-L6-v2.
    MinilmL6,
    /// all-MiniLM-L12-v2.
    MinilmL12,
    /// BERT base.
    BertBase,
    /// BERT large.
    BertLarge,
}

/// One row of the table of built-in models.
struct Row {
    preset: Preset,
    name: &'static str,
    layers: usize,
    hidden: usize,
    heads: usize,
    intermediate: usize,
    max_tokens: usize,
}

/// Every built-in model, smallest first.
#[rustfmt::skip]
static ROWS: &[Row] = &[
    Row { preset: Preset::Tiny, name: "tiny", layers: 2, hidden: 64, heads: 2, intermediate: 256, max_tokens: 256 },
    Row { preset: Preset::MinilmL6, name: "minilm-l6", layers: 6, hidden: 384, heads: 12, intermediate: 1536, max_tokens: 256 },
    Row { preset: Preset::MinilmL12, name: "minilm-l12", layers: 12, hidden: 384, heads: 12, intermediate: 1536, max_tokens: 128 },
    Row { preset: Preset::BertBase, name: "bert-base", layers: 12, hidden: 768, heads: 12, intermediate: 3072, max_tokens: 512 },
    Row { preset: Preset::BertLarge, name: "bert-large", layers: 24, hidden: 1024, heads: 16, intermediate: 4096, max_tokens: 512 },
];

impl Preset {
    /// Every built-in model, smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.preset)
    }

    /// The name after `builtin:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("tiny", |row| row.name)
    }

    /// The longest text in tokens.
    #[must_use]
    pub fn max_tokens(self) -> usize {
        self.row().map_or(256, |row| row.max_tokens)
    }

    /// The shape of the encoder: BERT's, with its 30,522 rows and 512 positions.
    #[must_use]
    pub fn architecture(self) -> Architecture {
        let row = self.row().unwrap_or(&ROWS[0]);
        Architecture {
            family: Family::Bert,
            padding: 0,
            relative_buckets: 0,
            vocabulary: vocabulary::TABLE_ROWS,
            hidden: row.hidden,
            layers: row.layers,
            heads: row.heads,
            intermediate: row.intermediate,
            positions: 512,
            types: 2,
            epsilon: 1e-12,
            activation: Activation::GeluErf,
        }
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.preset == self)
    }
}

impl FromStr for Preset {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self, EngineError> {
        ROWS.iter().find(|row| row.name == name).map(|row| row.preset).ok_or_else(|| {
            let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            EngineError::Input(format!(
                "there is no built-in model {:?}; there are {}",
                super::config::shown(name),
                names.join(", ")
            ))
        })
    }
}

/// Makes a built-in model; its weights are generated when they are asked for.
///
/// # Errors
/// None that a user can cause: the vocabulary is part of the program.
pub fn model(preset: Preset) -> Result<Model, EngineError> {
    let tokenizer = TextTokenizer::from_wordpiece(vocabulary::tokenizer(), preset.max_tokens(), false)
        .map_err(EngineError::Input)?;
    Ok(Model {
        slug: preset.name().to_owned(),
        architecture: preset.architecture(),
        tokenizer,
        pooling: Pooling::Mean,
        normalization: Normalization::UnitLength,
        tensors: Arc::new(Generated),
        dimensions: None,
        prompts: Prompts::default(),
        notes: vec![NOTE.to_owned()],
    })
}
