//! What the inputs of each matrix product look like on texts: how loud each channel gets.
//!
//! Precisions with steps need to know. The texts are those of the corpus that ships, so that a user has nothing to
//! calibrate, and every model gets them in its own tokens.

use std::sync::Arc;

use super::encoder::{Encoder, Intermediate};
use super::{NativeEngine, Precision};
use crate::engines::config::{Activation, Architecture};
use crate::engines::{EngineError, Model, corpus};
use crate::kernels::grouped::{Codes, Smoothing};
use crate::simd::Tier;
use crate::sys::Team;
use crate::telemetry::Stages;

/// Operations that may be spent on looking: a second or so.
const MOST_FLOPS: f64 = 1.5e11;
/// Texts that are looked at even where they take more.
const FEWEST_TEXTS: usize = 12;

/// The largest magnitude of every input channel of a layer's four products.
#[derive(Debug, Clone, Default)]
pub(super) struct Loudness {
    pub(super) query_key_value: Vec<f32>,
    pub(super) attention_output: Vec<f32>,
    pub(super) up: Vec<f32>,
    /// Above the activation's lowest number.
    pub(super) down: Vec<f32>,
}

/// Runs texts through the model in single precision and notes how loud every layer's channels get.
pub(super) fn observe(model: &Arc<Model>, tier: Tier) -> Result<Vec<Loudness>, EngineError> {
    let shape = &model.architecture;
    let ids = texts(model)?;
    let mut layers = vec![Loudness::default(); shape.layers];
    let lowest = lowest(shape.activation);
    let encoder = Arc::new(Encoder::pack_as(model.clone(), Precision::F32, tier.f32_tier())?);
    let mut engine = NativeEngine::new(encoder, Team::single());
    engine.embed_probed(&ids, &mut Stages::new(), &mut |layer, place, numbers| match place {
        Intermediate::Embedded => note(&mut layers[0].query_key_value, numbers, shape.hidden, 0.0),
        Intermediate::Context => note(&mut layers[layer].attention_output, numbers, shape.hidden, 0.0),
        Intermediate::Attended => note(&mut layers[layer].up, numbers, shape.hidden, 0.0),
        Intermediate::Activated => note(&mut layers[layer].down, numbers, shape.intermediate, lowest),
        Intermediate::Output => {
            if let Some(next) = layers.get_mut(layer + 1) {
                note(&mut next.query_key_value, numbers, shape.hidden, 0.0);
            }
        }
        Intermediate::QueryKeyValue => {}
    })?;
    Ok(layers)
}

/// Texts of the corpus spread evenly over it, as many as may be spent on.
fn texts(model: &Model) -> Result<Vec<Vec<u32>>, EngineError> {
    let all = corpus::lines().map(|text| model.tokenizer.ids(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(corpus::spread(&all, affordable(&model.architecture, &all)).cloned().collect())
}

/// As many texts of this kind as the operations allow.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a count of texts"
)]
fn affordable(shape: &Architecture, all: &[Vec<u32>]) -> usize {
    let flops = shape.flops(all.iter().map(Vec::len)).max(1.0);
    ((MOST_FLOPS / flops * all.len() as f64) as usize).max(FEWEST_TEXTS)
}

fn note(loudest: &mut Vec<f32>, numbers: &[f32], width: usize, lowest: f32) {
    loudest.resize(width, 0.0);
    for row in numbers.chunks_exact(width) {
        for (loudest, x) in loudest.iter_mut().zip(row) {
            *loudest = loudest.max((x - lowest).abs());
        }
    }
}

/// The activation's lowest number, a little rounded down.
const fn lowest(activation: Activation) -> f32 {
    match activation {
        Activation::GeluErf | Activation::GeluTanh => -0.1701,
        Activation::Relu => 0.0,
        Activation::Silu => -0.2785,
    }
}

/// The smoothing of a product whose inputs have both signs, from the loudness of its channels.
pub(super) fn signed(loudness: &[f32], weights: &[f32]) -> Smoothing {
    Smoothing::balanced(loudness, &columns(weights, loudness.len()), 0.0, Codes::Signed)
}

/// The smoothing of the product after the activation, whose numbers all lie above one.
pub(super) fn activated(activation: Activation, loudness: &[f32], weights: &[f32]) -> Smoothing {
    Smoothing::balanced(loudness, &columns(weights, loudness.len()), lowest(activation), Codes::Unsigned)
}

/// The largest magnitude of every column of the weights.
fn columns(weights: &[f32], width: usize) -> Vec<f32> {
    let mut largest = Vec::new();
    note(&mut largest, weights, width, 0.0);
    largest
}
