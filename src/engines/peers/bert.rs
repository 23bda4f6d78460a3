//! What an engine needs of a model that has the layers of BERT in code and reads weights alone.

use std::path::Path;

use super::Wanted;
use crate::engines::EngineError;
use crate::engines::config::{Activation, Family};
use crate::foreign::{BertActivation, BertRequest};

/// A model as a BERT for `engine`.
///
/// # Errors
/// [`EngineError::Unavailable`] where the model is none, or has no files of weights; an error where the user named a file.
pub(super) fn request(engine: &str, wanted: &Wanted<'_>) -> Result<BertRequest, EngineError> {
    if let Some(named) = wanted.named {
        return Err(EngineError::model(
            named,
            format!(
                "{engine} reads the model's own safetensors and no file besides; leave --engine-file away for it"
            ),
        ));
    }
    let unavailable = |why: &str| EngineError::Unavailable(why.to_owned());
    let shape = &wanted.model.architecture;
    let why_not = match shape.family {
        Family::Bert => None,
        Family::Roberta => Some("RoBERTa's, whose positions begin behind the padding token's"),
        Family::DistilBert => Some("DistilBERT's, which has names of its own and no token types"),
        Family::Mpnet => Some("MPNet's, whose attention has a bias by relative position"),
    };
    if let Some(other) = why_not {
        let why = format!("not supported by {engine}'s engine here: it runs BERT, and this model is {other}");
        return Err(unavailable(&why));
    }
    let activation = match shape.activation {
        Activation::GeluErf => BertActivation::GeluErf,
        Activation::GeluTanh => BertActivation::GeluTanh,
        Activation::Relu => BertActivation::Relu,
        Activation::Silu => {
            let why = format!("not supported by {engine}'s engine here: its BERT has no SiLU");
            return Err(unavailable(&why));
        }
    };
    let weights: Vec<_> = wanted.model.tensors.files().into_iter().map(Path::to_path_buf).collect();
    if weights.is_empty() {
        let why = format!("{engine} reads safetensors, and a built-in model's weights are in no file");
        return Err(unavailable(&why));
    }
    Ok(BertRequest {
        weights,
        precision: wanted.precision.name(),
        vocabulary: shape.vocabulary,
        positions: shape.positions,
        types: shape.types,
        hidden: shape.hidden,
        layers: shape.layers,
        heads: shape.heads,
        intermediate: shape.intermediate,
        activation,
        epsilon: f64::from(shape.epsilon),
    })
}
