//! The crates of candle: the BERT of `candle-transformers` on a model's own safetensors.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};

use super::Identity;
use super::network::{BertActivation, BertRequest, Network, NetworkError, Opened, TokenBatch, Vectors};

/// Whether it is part of this build.
pub const BUILT: bool = true;

/// The version that `Cargo.lock` names.
pub(super) const VERSION: &str = "0.11.1";

/// Loads a BERT.
///
/// # Errors
/// The weights cannot be used, or another arithmetic is asked for than single precision.
pub fn open(request: &BertRequest) -> Result<Opened, NetworkError> {
    if request.precision != "f32" {
        let other = request.precision;
        return Err(NetworkError::Unsupported(format!("candle's BERT is run in f32 here, not in {other}")));
    }
    let broken = |error: candle_core::Error| NetworkError::Broken(first_line(&error.to_string()));
    // SAFETY: the files are mapped as perfkit itself maps them: whoever changes a model's weights while they are read gets
    // other numbers, as with every engine.
    let weights = unsafe { VarBuilder::from_mmaped_safetensors(&request.weights, DType::F32, &Device::Cpu) };
    let model = BertModel::load(weights.map_err(broken)?, &config(request)).map_err(broken)?;
    let identity = Identity {
        version: VERSION.to_owned(),
        dispatched: None,
        path: None,
        found_by: "built in".to_owned(),
    };
    let settings = format!("threads={}", candle_core::utils::get_num_threads());
    Ok(Opened { network: Box::new(Running { model }), identity, settings })
}

fn config(request: &BertRequest) -> Config {
    Config {
        vocab_size: request.vocabulary,
        hidden_size: request.hidden,
        num_hidden_layers: request.layers,
        num_attention_heads: request.heads,
        intermediate_size: request.intermediate,
        hidden_act: match request.activation {
            BertActivation::GeluErf => HiddenAct::Gelu,
            BertActivation::GeluTanh => HiddenAct::GeluApproximate,
            BertActivation::Relu => HiddenAct::Relu,
        },
        max_position_embeddings: request.positions,
        type_vocab_size: request.types,
        layer_norm_eps: request.epsilon,
        ..Config::default()
    }
}

/// Its errors may carry a backtrace behind what they say.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

struct Running {
    model: BertModel,
}

impl Network for Running {
    fn run(&mut self, batch: &TokenBatch<'_>) -> Result<Vectors, String> {
        let run = || {
            let tensor =
                |numbers: &[i64]| Tensor::from_slice(numbers, (batch.texts, batch.tokens), &Device::Cpu);
            let (ids, types, mask) = (tensor(batch.ids)?, tensor(batch.types)?, tensor(batch.mask)?);
            let output = self.model.forward(&ids, &types, Some(&mask))?;
            let extents = output.dims().to_vec();
            Ok(Vectors { values: output.flatten_all()?.to_vec1()?, extents })
        };
        run().map_err(|error: candle_core::Error| first_line(&error.to_string()))
    }
}
