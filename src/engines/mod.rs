//! Embedding engines: text in, embedding out, stage by stage.

pub mod builtin;

use crate::telemetry::Stages;

/// An embedding engine with a model loaded.
pub trait Engine: Send {
    /// `native`, `onnxruntime`, ...
    fn id(&self) -> &str;
    /// Length of an embedding.
    fn dimensions(&self) -> usize;
    /// Embeds the texts in order, adding the time of each stage (`tokenize`, `prepare`, `encode`, `pool`,
    /// `normalize`) and of the whole to `stages`.
    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError>;
}

/// One vector a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embeddings {
    /// Row by row.
    pub values: Vec<f32>,
    /// Length of a row.
    pub dimensions: usize,
    /// Tokens that went in, special ones included, padding not.
    pub tokens: usize,
}

impl Embeddings {
    /// The vectors.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimensions.max(1))
    }
}

/// What can go wrong between a model's files and an embedding.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file of the model is missing, unreadable, or not what it should be; the text names it and the remedy.
    #[error("{file}: {why}")]
    Model {
        /// Which file.
        file: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// The input cannot be embedded.
    #[error("{0}")]
    Input(String),
}
