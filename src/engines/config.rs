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

/// Which of the encoders that share the layer of BERT, and how each names its tensors and numbers its positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// BERT, MiniLM, E5, BGE, GTE.
    Bert,
    /// RoBERTa and XLM-RoBERTa: positions begin behind the padding token's.
    Roberta,
    /// DistilBERT: no token types, names of its own.
    DistilBert,
    /// MPNet: a bias by relative position in every layer's attention, positions as RoBERTa's, no token types.
    Mpnet,
}

/// The shape of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Which encoder.
    pub family: Family,
    /// The id of the padding token, where positions are counted from it.
    pub padding: usize,
    /// Buckets of relative positions; 0 without such a bias.
    pub relative_buckets: usize,
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
    /// Rows of the position table.
    pub positions: usize,
    /// Rows of the token-type table; 0 without one.
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

    /// The longest text in tokens.
    #[must_use]
    pub const fn longest_text(&self) -> usize {
        self.positions - self.first_position()
    }

    /// The row of the position table of a text's first token.
    #[must_use]
    pub const fn first_position(&self) -> usize {
        match self.family {
            Family::Bert | Family::DistilBert => 0,
            Family::Roberta | Family::Mpnet => self.padding + 1,
        }
    }

    /// The row of the position table of each token of a text. RoBERTa counts the tokens that are not padding, and one
    /// that is (a text may spell it out) has the padding's row.
    pub fn position_rows<'a>(&'a self, ids: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
        let first = self.first_position();
        let mut next = first;
        ids.iter().map(move |&id| {
            if first > 0 && id as usize == self.padding {
                return self.padding;
            }
            next += 1;
            next - 1
        })
    }

    /// Number of weights, biases and table entries.
    #[must_use]
    pub const fn parameters(&self) -> u64 {
        let (h, i) = (self.hidden as u64, self.intermediate as u64);
        let tables = (self.vocabulary + self.positions + self.types) as u64 * h
            + 2 * h
            + (self.relative_buckets * self.heads) as u64;
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
    /// DistilBERT has names of its own for most.
    #[serde(alias = "dim")]
    hidden_size: Option<u64>,
    #[serde(alias = "n_layers")]
    num_hidden_layers: Option<u64>,
    #[serde(alias = "n_heads")]
    num_attention_heads: Option<u64>,
    #[serde(alias = "hidden_dim")]
    intermediate_size: Option<u64>,
    max_position_embeddings: Option<u64>,
    type_vocab_size: Option<u64>,
    pad_token_id: Option<u64>,
    relative_attention_num_buckets: Option<u64>,
    #[serde(default = "smallest_epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "gelu", alias = "activation")]
    hidden_act: String,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

const fn smallest_epsilon() -> f64 {
    1e-12
}
fn gelu() -> String {
    "gelu".to_owned()
}

/// One encoder by the names that `config.json` may have for it.
struct FamilyRow {
    /// `model_type`.
    kind: &'static str,
    /// How the class in `architectures` begins.
    class: &'static str,
    family: Family,
}

static FAMILIES: &[FamilyRow] = &[
    FamilyRow { kind: "bert", class: "Bert", family: Family::Bert },
    FamilyRow { kind: "roberta", class: "Roberta", family: Family::Roberta },
    FamilyRow { kind: "xlm-roberta", class: "XLMRoberta", family: Family::Roberta },
    FamilyRow { kind: "distilbert", class: "DistilBert", family: Family::DistilBert },
    FamilyRow { kind: "mpnet", class: "MPNet", family: Family::Mpnet },
];

/// More parameters than this are no encoder that a CPU embeds with: the file is wrong.
const MOST_PARAMETERS: u64 = 20_000_000_000;

impl Raw {
    fn check(&self) -> Result<Architecture, String> {
        let family = self.check_family()?;
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
        let (types, padding, buckets) = match family {
            Family::Bert => (self.type_vocab_size.unwrap_or(2), 0, None),
            Family::Roberta => (self.type_vocab_size.unwrap_or(2), self.pad_token_id.unwrap_or(1), None),
            Family::DistilBert => (0, 0, None),
            // The padding of its position table is fixed, whatever the tokenizer's is.
            Family::Mpnet => (0, 1, Some(self.relative_attention_num_buckets.unwrap_or(32))),
        };
        let architecture = Architecture {
            family,
            padding: usize::try_from(padding).map_err(|e| e.to_string())?,
            relative_buckets: match buckets {
                Some(_) => size("relative_attention_num_buckets", buckets, 1 << 10)?,
                None => 0,
            },
            vocabulary: size("vocab_size", self.vocab_size, 1 << 23)?,
            hidden: size("hidden_size", self.hidden_size, 1 << 14)?,
            layers: size("num_hidden_layers", self.num_hidden_layers, 512)?,
            heads: size("num_attention_heads", self.num_attention_heads, 1 << 10)?,
            intermediate: size("intermediate_size", self.intermediate_size, 1 << 17)?,
            positions: size("max_position_embeddings", self.max_position_embeddings, 1 << 20)?,
            types: match family {
                Family::Bert | Family::Roberta => size("type_vocab_size", Some(types), 1 << 10)?,
                Family::DistilBert | Family::Mpnet => 0,
            },
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
        if architecture.positions <= architecture.first_position() {
            return Err(format!(
                "max_position_embeddings {} leaves no position behind pad_token_id {padding}; fetch the model's \
                 config.json again",
                architecture.positions
            ));
        }
        if architecture.relative_buckets % 2 == 1 {
            return Err(
                "relative_attention_num_buckets is odd; fetch the model's config.json again".to_owned()
            );
        }
        if architecture.parameters() > MOST_PARAMETERS {
            return Err(format!(
                "its sizes make {} parameters, more than any text encoder has; fetch the model's config.json again",
                architecture.parameters()
            ));
        }
        Ok(architecture)
    }

    fn check_family(&self) -> Result<Family, String> {
        let named = self.architectures.as_ref().and_then(|names| names.first()).map(String::as_str);
        let kind = self.model_type.as_deref();
        let row = FAMILIES.iter().find(|row| match (kind, named) {
            (Some(kind), _) => row.kind == kind,
            (None, Some(name)) => name.starts_with(row.class),
            (None, None) => false,
        });
        let Some(row) = row else {
            let found = kind.or(named).unwrap_or("none named");
            let kinds: Vec<&str> = FAMILIES.iter().map(|row| row.kind).collect();
            return Err(format!(
                "unknown architecture {:?}; this version reads the BERT family (model_type {})",
                shown(found),
                kinds.join(", ")
            ));
        };
        if self.is_decoder {
            return Err("is_decoder is set; only encoders make embeddings here".to_owned());
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(row.family),
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
    fn every_family_is_read_by_its_own_names() {
        let distil = r#"{"model_type": "distilbert", "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072,
            "vocab_size": 30522, "max_position_embeddings": 512, "activation": "gelu"}"#;
        let raw: Raw = serde_json::from_str(distil).unwrap();
        let architecture = raw.check().unwrap();
        assert_eq!((architecture.family, architecture.types), (Family::DistilBert, 0));
        // The published DistilBERT base has so many.
        assert_eq!(architecture.parameters(), 66_362_880);
        let roberta =
            check(r#"{"model_type": "xlm-roberta", "pad_token_id": 1, "type_vocab_size": 1}"#).unwrap();
        assert_eq!((roberta.family, roberta.longest_text()), (Family::Roberta, 510));
        let rows: Vec<usize> = roberta.position_rows(&[0, 9, 1, 9, 2]).collect();
        assert_eq!(rows, [2, 3, 1, 4, 5]);
        let mpnet = check(r#"{"model_type": "mpnet", "max_position_embeddings": 514}"#).unwrap();
        assert_eq!((mpnet.longest_text(), mpnet.relative_buckets), (512, 32));
        let bert = check("{}").unwrap();
        assert_eq!(bert.position_rows(&[0, 1, 0]).collect::<Vec<_>>(), [0, 1, 2]);
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
            (r#"{"model_type": "roberta", "pad_token_id": 511}"#, "no position"),
            (r#"{"model_type": "mpnet", "relative_attention_num_buckets": 7}"#, "odd"),
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
