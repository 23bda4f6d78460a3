//! How each family names the tensors of one and the same layer.

use super::config::Family;

/// The names of a layer's parts, each of a `.weight` and a `.bias`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LayerNames {
    pub(super) query: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) attention_output: String,
    pub(super) attention_norm: String,
    pub(super) up: String,
    pub(super) down: String,
    pub(super) output_norm: String,
}

/// The word embedding table.
pub(super) const WORDS: &str = "embeddings.word_embeddings.weight";
/// The position table.
pub(super) const POSITIONS: &str = "embeddings.position_embeddings.weight";
/// The token-type table, of families that have one.
pub(super) const TYPES: &str = "embeddings.token_type_embeddings.weight";
/// The normalisation of the embedding layer.
pub(super) const EMBEDDING_NORM: &str = "embeddings.LayerNorm";
/// The bias by relative position, of MPNet: buckets x heads.
pub(super) const RELATIVE: &str = "encoder.relative_attention_bias.weight";

/// What models with a head on top put in front of every name.
pub(super) const PREFIXES: [&str; 5] = ["bert.", "roberta.", "xlm_roberta.", "distilbert.", "mpnet."];

impl Family {
    /// The names of layer `index`.
    pub(super) fn layer(self, index: usize) -> LayerNames {
        let (layer, parts) = match self {
            Self::Bert | Self::Roberta => ("encoder.layer", BERT),
            Self::Mpnet => ("encoder.layer", MPNET),
            Self::DistilBert => ("transformer.layer", DISTILBERT),
        };
        let mut parts = parts.split(' ').map(|part| format!("{layer}.{index}.{part}"));
        let mut next = || parts.next().unwrap_or_default();
        LayerNames {
            query: next(),
            key: next(),
            value: next(),
            attention_output: next(),
            attention_norm: next(),
            up: next(),
            down: next(),
            output_norm: next(),
        }
    }
}

/// In the order of [`LayerNames`].
const BERT: &str = "attention.self.query attention.self.key attention.self.value attention.output.dense \
                    attention.output.LayerNorm intermediate.dense output.dense output.LayerNorm";
const MPNET: &str = "attention.attn.q attention.attn.k attention.attn.v attention.attn.o attention.LayerNorm \
                     intermediate.dense output.dense output.LayerNorm";
const DISTILBERT: &str = "attention.q_lin attention.k_lin attention.v_lin attention.out_lin sa_layer_norm ffn.lin1 \
                          ffn.lin2 output_layer_norm";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_names_every_part() {
        for family in [Family::Bert, Family::Roberta, Family::DistilBert, Family::Mpnet] {
            let names = family.layer(3);
            for part in [&names.query, &names.up, &names.output_norm] {
                assert!(part.contains(".3.") && part.len() > 20, "{family:?}: {part}");
            }
        }
        assert_eq!(Family::DistilBert.layer(0).down, "transformer.layer.0.ffn.lin2");
        assert_eq!(Family::Mpnet.layer(0).output_norm, "encoder.layer.0.output.LayerNorm");
    }
}
