//! `config.json` of a BERT-family encoder, read with suspicion: a file from elsewhere decides nothing unchecked.

use std::path::Path;

use serde::Deserialize;

use super::EngineError;

/// The activation between the two matrix products of a layer's feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x/2 (1 + erf(x / sqrt 2))`.
    GeluErf,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))`.
    Silu,
}

impl Activation {
    /// By the name that `hidden_act` has in `config.json`.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::GeluErf),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            _ => None,
        }
    }
}

/// The shape of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Rows of the word embedding table.
    pub vocabulary: usize,
    /// Width of a token's vector.
    pub hidden: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Rows of the position table: the longest text.
    pub positions: usize,
    /// Rows of the token-type table.
    pub types: usize,
    /// Added to the variance in every layer normalisation.
    pub epsilon: f32,
    /// Between the two feed-forward products.
    pub activation: Activation,
}

impl Architecture {
    /// Width of one attention head.
    #[must_use]
    pub const fn head_width(&self) -> usize {
        self.hidden / self.heads
    }

    /// Number of weights, biases and table entries.
    #[must_use]
    pub const fn parameters(&self) -> u64 {
        let (h, i) = (self.hidden as u64, self.intermediate as u64);
        let tables = (self.vocabulary + self.positions + self.types) as u64 * h + 2 * h;
        // Per layer: query, key, value and output (h x h and a bias each), two feed-forward products with their
        // biases, two normalisations of a scale and a shift.
        let layer = 4 * (h * h + h) + (h * i + i) + (i * h + h) + 4 * h;
        tables + self.layers as u64 * layer
    }

    /// Floating-point operations of encoding texts of these lengths, special tokens included, counted from the
    /// matrix products and attention (a multiply-add is two): per layer and token `2 (4 h^2 + 2 h i)`, and
    /// `4 h s` for the scores and the weighted sum over a text of `s` tokens.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count shown with a few digits")]
    pub fn flops(&self, lengths: impl IntoIterator<Item = usize>) -> f64 {
        let (h, i) = (self.hidden as f64, self.intermediate as f64);
        let per_token = 2.0 * (4.0 * h * h + 2.0 * h * i);
        let layer = |s: usize| s as f64 * (per_token + 4.0 * h * s as f64);
        self.layers as f64 * lengths.into_iter().map(layer).sum::<f64>()
    }

    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, is not JSON, names an architecture that is not BERT's, or has a size of 0, one that
    /// no real model has, or a hidden size that the heads do not divide.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let raw: Raw = super::folder::read_json(path)?;
        raw.check().map_err(|why| EngineError::model(path, why))
    }
}

/// The fields of `config.json` that matter; what is absent has the default of the BERT paper's code.
#[derive(Debug, Deserialize)]
struct Raw {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
    vocab_size: Option<u64>,
    hidden_size: Option<u64>,
    num_hidden_layers: Option<u64>,
    num_attention_heads: Option<u64>,
    intermediate_size: Option<u64>,
    max_position_embeddings: Option<u64>,
    #[serde(default = "two")]
    type_vocab_size: u64,
    #[serde(default = "smallest_epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "gelu")]
    hidden_act: String,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

const fn two() -> u64 {
    2
}
const fn smallest_epsilon() -> f64 {
    1e-12
}
fn gelu() -> String {
    "gelu".to_owned()
}

/// More parameters than this are no encoder that a CPU embeds with: the file is wrong.
const MOST_PARAMETERS: u64 = 20_000_000_000;

impl Raw {
    fn check(&self) -> Result<Architecture, String> {
        self.check_family()?;
        let size = |name: &str, value: Option<u64>, most: u64| -> Result<usize, String> {
            let value =
                value.ok_or_else(|| format!("{name} is missing; is this the model's config.json?"))?;
            if !(1..=most).contains(&value) {
                return Err(format!(
                    "{name} is {value}, wanted 1 to {most}; fetch the model's config.json again"
                ));
            }
            usize::try_from(value).map_err(|e| e.to_string())
        };
        let architecture = Architecture {
            vocabulary: size("vocab_size", self.vocab_size, 1 << 23)?,
            hidden: size("hidden_size", self.hidden_size, 1 << 14)?,
            layers: size("num_hidden_layers", self.num_hidden_layers, 512)?,
            heads: size("num_attention_heads", self.num_attention_heads, 1 << 10)?,
            intermediate: size("intermediate_size", self.intermediate_size, 1 << 17)?,
            positions: size("max_position_embeddings", self.max_position_embeddings, 1 << 20)?,
            types: size("type_vocab_size", Some(self.type_vocab_size), 1 << 10)?,
            epsilon: self.epsilon()?,
            activation: Activation::from_name(&self.hidden_act).ok_or_else(|| {
                format!(
                    "hidden_act {:?} is not known; gelu, gelu_new, relu and silu are",
                    shown(&self.hidden_act)
                )
            })?,
        };
        if !architecture.hidden.is_multiple_of(architecture.heads) {
            return Err(format!(
                "hidden_size {} is not divisible by num_attention_heads {}; fetch the model's config.json again",
                architecture.hidden, architecture.heads
            ));
        }
        if architecture.parameters() > MOST_PARAMETERS {
            return Err(format!(
                "its sizes make {} parameters, more than any text encoder has; fetch the model's config.json again",
                architecture.parameters()
            ));
        }
        Ok(architecture)
    }

    fn check_family(&self) -> Result<(), String> {
        let named = self.architectures.as_ref().and_then(|names| names.first()).map(String::as_str);
        let known = match (self.model_type.as_deref(), named) {
            (Some(kind), _) => kind == "bert",
            (None, Some(name)) => name.starts_with("Bert"),
            (None, None) => false,
        };
        if !known {
            let found = self.model_type.as_deref().or(named).unwrap_or("none named");
            return Err(format!(
                "unknown architecture {:?}; this version reads the BERT family (model_type \"bert\": BERT, MiniLM, \
                 E5, BGE, GTE)",
                shown(found)
            ));
        }
        if self.is_decoder {
            return Err("is_decoder is set; only encoders make embeddings here".to_owned());
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(()),
            Some(other) => {
                Err(format!("position_embedding_type {:?} is not known; absolute is", shown(other)))
            }
        }
    }

    fn epsilon(&self) -> Result<f32, String> {
        #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
        let epsilon = self.layer_norm_eps as f32;
        if (0.0..=0.1).contains(&epsilon) {
            Ok(epsilon)
        } else {
            Err(format!("layer_norm_eps is {}, wanted 0 to 0.1", self.layer_norm_eps))
        }
    }
}

/// The start of a foreign text, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: &str) -> Result<Architecture, String> {
        let mut config = serde_json::json!({
            "model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
            "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512,
        });
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (name, value) in change.as_object().unwrap() {
            config[name] = value.clone();
        }
        serde_json::from_value::<Raw>(config).map_err(|e| e.to_string())?.check()
    }

    #[test]
    fn minilm_has_the_published_number_of_parameters_and_operations() {
        let architecture = check("{}").unwrap();
        // 22,713,216 in the published model, of which 147,840 are the pooler that embeddings do not use.
        assert_eq!(architecture.parameters(), 22_713_216 - 147_840);
        // 21.23 MFLOP and 9216 per token of text length, per token.
        assert_eq!(architecture.flops([64]), 64.0 * (21_233_664.0 + 9216.0 * 64.0));
        assert_eq!(architecture.flops([3, 5]), architecture.flops([3]) + architecture.flops([5]));
    }

    #[test]
    fn sizes_out_of_range_are_refused_with_the_field_and_what_is_wanted() {
        for (change, word) in [
            (r#"{"num_attention_heads": 0}"#, "num_attention_heads"),
            (r#"{"num_attention_heads": 7}"#, "divisible"),
            (r#"{"hidden_size": 100000000}"#, "hidden_size"),
            (r#"{"vocab_size": null}"#, "vocab_size is missing"),
            (r#"{"vocab_size": 8000000, "hidden_size": 16384, "num_attention_heads": 16}"#, "parameters"),
            (r#"{"num_hidden_layers": 0}"#, "num_hidden_layers"),
            (r#"{"layer_norm_eps": -1}"#, "layer_norm_eps"),
            (r#"{"hidden_act": "mish"}"#, "hidden_act"),
            (r#"{"model_type": "gpt2"}"#, "unknown architecture"),
            (r#"{"model_type": null}"#, "unknown architecture"),
            (r#"{"is_decoder": true}"#, "is_decoder"),
            (r#"{"position_embedding_type": "relative_key"}"#, "position_embedding_type"),
            (r#"{"num_attention_heads": -3}"#, "invalid value"),
        ] {
            let why = check(change).unwrap_err();
            assert!(why.contains(word), "{change}: {why}");
        }
    }
}
