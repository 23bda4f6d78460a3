//! Embedding engines: text in, embedding out, stage by stage.
//!
//! A model is named by a [`ModelSource`], loaded into a [`Model`], packed for a tier into a [`native::Encoder`], and
//! run by an [`Engine`].

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::simd::Tier;
use crate::sys::Team;
pub use crate::telemetry::Stages;

pub mod adaptive;
pub mod agreement;
pub mod bucketed;
pub mod builtin;
pub mod cache;
pub mod config;
pub mod corpus;
mod folder;
pub mod hub;
mod kept;
pub mod low_rank;
mod model;
mod names;
pub mod native;
pub mod onnx;
mod padded;
pub mod peers;
mod precision;
pub mod presets;
pub mod prompts;
pub mod quantized;
pub mod recall;
pub mod reference;
mod relative;
mod source;
pub mod stream;
mod tensors;
mod tokenizer;
mod wordpiece;

pub use model::{Model, Normalization, Pooling, slug};
pub use padded::{Order, PaddedEngine};
pub use precision::Precision;
pub use source::ModelSource;
pub use tensors::{Safetensors, Table, Tensors};
pub use tokenizer::{LONGEST_TEXT_BYTES, TextTokenizer, TokenizerScratch};

/// An embedding engine with a model loaded.
pub trait Engine: Send {
    /// `native`, `onnxruntime`, ...
    fn id(&self) -> &str;
    /// Length of an embedding.
    fn dimensions(&self) -> usize;
    /// Embeds the texts in order, adding the time of each stage (`tokenize`, `prepare`, `encode`, `pool`,
    /// `normalize`) and of the whole to `stages`.
    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError>;
    /// How many texts it would like in its next batch; as many as there are where it does not care.
    fn wanted_texts(&self) -> Option<NonZeroUsize> {
        None
    }
    /// What it can tell about its last batch besides, by name with its unit last.
    fn facts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    /// A second engine over the same packed weights, on threads of its own; `None` where it shares nothing.
    fn another(&self, _team: Team) -> Option<Box<dyn Engine>> {
        None
    }
    /// Asks it to work through a batch in parts of whole texts of about so many tokens; one that does not work in parts
    /// goes on as it did.
    fn limit_part(&mut self, _tokens: NonZeroUsize) {}
}

/// One row of [`ENGINES`].
pub struct EngineRow {
    /// Its name on the command line and in case texts.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Makes one for a model and tier.
    pub open: Open,
}

/// How an engine computes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The arithmetic.
    pub precision: Precision,
    /// The tier; the best one for the precision where none is named.
    pub tier: Option<Tier>,
    /// Where packed weights are kept between runs; nowhere without one.
    pub cache: Option<PathBuf>,
}

impl Settings {
    /// The tier that the precision runs on.
    ///
    /// # Errors
    /// The precision has no kernels there, or this CPU lacks it.
    pub fn tier(&self) -> Result<Tier, EngineError> {
        match self.tier.or_else(|| self.precision.best_tier()) {
            Some(tier) => self.precision.tier(tier),
            None => Err(EngineError::Unavailable(format!("{} has no kernels for this CPU", self.precision))),
        }
    }
}

/// Makes an engine for a model and threads.
pub type Open = fn(Arc<Model>, &Settings, Team) -> Result<Box<dyn Engine>, EngineError>;

/// Every engine, the default first.
pub static ENGINES: &[EngineRow] = &[
    EngineRow {
        name: native::NativeEngine::ID,
        about: "a BERT-family encoder over the kernels of perfkit, without padding",
        open: |model, settings, team| {
            let encoder = Arc::new(native::Encoder::open(model, settings)?);
            Ok(Box::new(native::NativeEngine::new(encoder, team)))
        },
    },
    EngineRow {
        name: "onnxruntime",
        about: "ONNX Runtime, where its library is found",
        open: |model, settings, team| open_peer("onnxruntime", &model, settings, team),
    },
    EngineRow {
        name: "openvino",
        about: "OpenVINO, where its library is found",
        open: |model, settings, team| open_peer("openvino", &model, settings, team),
    },
    EngineRow {
        name: "candle",
        about: "the crates of candle, where perfkit was built with them",
        open: |model, settings, team| open_peer("candle", &model, settings, team),
    },
    EngineRow {
        name: "rten",
        about: "the crate rten, where perfkit was built with it",
        open: |model, settings, team| open_peer("rten", &model, settings, team),
    },
];

/// An engine of others for batches of any shape, on a file of our own.
fn open_peer(
    name: &str,
    model: &Arc<Model>,
    settings: &Settings,
    team: Team,
) -> Result<Box<dyn Engine>, EngineError> {
    let row = peers::peer_engine(name)
        .ok_or_else(|| EngineError::Unavailable(format!("this perfkit was built without {name}")))?;
    let wanted = peers::Wanted {
        model,
        precision: settings.precision,
        folder: settings.cache.as_deref(),
        beside: None,
        named: None,
        fixed: None,
        order: Order::AsItComes,
        most: usize::MAX,
    };
    Ok(Box::new(row.open(&wanted, team)?.engine))
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
    /// Values for so many texts, all of them zero.
    ///
    /// # Errors
    /// There is no memory for them.
    fn zeroes(texts: usize, dimensions: usize) -> Result<Vec<f32>, EngineError> {
        let len = texts.saturating_mul(dimensions);
        let mut values = Vec::new();
        let none = EngineError::Memory { bytes: len.saturating_mul(size_of::<f32>()) };
        values.try_reserve_exact(len).map_err(|_| none)?;
        values.resize(len, 0.0);
        Ok(values)
    }

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
    /// It cannot run on this machine; the sentence says why.
    #[error("{0}")]
    Unavailable(String),
    /// There is no memory for it.
    #[error(
        "no memory for {bytes} bytes more; give a smaller --batch or shorter texts, or allow more memory"
    )]
    Memory {
        /// That it asked for.
        bytes: usize,
    },
}

impl From<crate::tensor::OutOfMemory> for EngineError {
    fn from(error: crate::tensor::OutOfMemory) -> Self {
        Self::Memory { bytes: error.bytes }
    }
}

impl EngineError {
    fn model(file: &Path, why: impl Into<String>) -> Self {
        Self::Model { file: file.display().to_string(), why: why.into() }
    }

    /// A file that the system does not let us read, with the remedy for the common case.
    fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "the file is missing; fetch the model again or give its folder",
            std::io::ErrorKind::PermissionDenied => "may not be read; check its permissions",
            _ => return Self::model(file, format!("cannot be read: {error}")),
        };
        Self::model(file, remedy)
    }
}
