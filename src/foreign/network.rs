//! Networks that libraries of others run: token ids and a mask in, vectors out.

use std::path::PathBuf;

use super::library::{OpenError, Unsupported};
use super::{Absent, Identity};

/// Texts as token ids, padded to the longest: every slice is `texts` rows of `tokens`.
#[derive(Debug, Clone, Copy)]
pub struct TokenBatch<'a> {
    /// Token ids; anything that has a row in the model's table where padding is.
    pub ids: &'a [i64],
    /// 1 where a token is and 0 where padding is.
    pub mask: &'a [i64],
    /// The token types of BERT: zeros.
    pub types: &'a [i64],
    /// Rows.
    pub texts: usize,
    /// Columns.
    pub tokens: usize,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    /// Row by row.
    pub values: Vec<f32>,
    /// `[texts, width]` of a network that pools, `[texts, tokens, width]` of one that does not.
    pub extents: Vec<usize>,
}

/// A network that is ready to run.
pub trait Network: Send {
    /// Runs it once.
    ///
    /// # Errors
    /// The library's words.
    fn run(&mut self, batch: &TokenBatch<'_>) -> Result<Vectors, String>;
}

/// A network and who runs it.
pub struct Opened {
    /// Ready to run.
    pub network: Box<dyn Network>,
    /// The library.
    pub identity: Identity,
    /// How it was told to run, in its own words.
    pub settings: String,
}

/// How a network is to be run.
#[derive(Debug, Clone)]
pub struct NetworkRequest {
    /// The file.
    pub file: PathBuf,
    /// The arithmetic, `f32`, `bf16` or `f16`; the library's own choice where the file says it (bytes) or none is named.
    pub precision: Option<&'static str>,
    /// Threads.
    pub threads: usize,
    /// The only number of texts and of tokens that it will be run with, where that is known before.
    pub fixed: Option<[usize; 2]>,
}

/// How a BERT is to be run whose layers the library has in code: all that it needs of a model's own files.
#[derive(Debug, Clone)]
pub struct BertRequest {
    /// The model's safetensors.
    pub weights: Vec<PathBuf>,
    /// The arithmetic, `f32`, `bf16`, `f16` or `int8`.
    pub precision: &'static str,
    /// Rows of the word embedding table.
    pub vocabulary: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Rows of the token-type table.
    pub types: usize,
    /// Width of a token's vector.
    pub hidden: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Between the two feed-forward products.
    pub activation: BertActivation,
    /// Added to the variance in every layer normalisation.
    pub epsilon: f64,
}

/// What may stand between the two feed-forward products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BertActivation {
    /// GELU by the error function.
    GeluErf,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The library is not on this machine.
    #[error(transparent)]
    Absent(Absent),
    /// The library does not do this here.
    #[error("{0}")]
    Unsupported(String),
    /// It is here, and it or the file cannot be used.
    #[error("{0}")]
    Broken(String),
}

impl From<OpenError> for NetworkError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Absent(absent) => Self::Absent(absent),
            broken @ OpenError::Broken { .. } => Self::Broken(broken.to_string()),
        }
    }
}

impl From<Unsupported> for NetworkError {
    /// A function that every version has is missing: the file is no such library.
    fn from(missing: Unsupported) -> Self {
        Self::Broken(format!("{missing}: it is not the library that it is taken for"))
    }
}

/// What an input of a text encoder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ids,
    Mask,
    Types,
}

impl Role {
    pub(super) const fn of<'a>(self, batch: &TokenBatch<'a>) -> &'a [i64] {
        match self {
            Self::Ids => batch.ids,
            Self::Mask => batch.mask,
            Self::Types => batch.types,
        }
    }
}

/// The roles of a network's inputs by the names that exporters give them.
///
/// # Errors
/// It wants something that texts do not give, or no token ids.
pub(super) fn roles(names: &[String]) -> Result<Vec<Role>, String> {
    let role = |name: &String| match name.as_str() {
        "input_ids" | "ids" => Ok(Role::Ids),
        "attention_mask" | "mask" => Ok(Role::Mask),
        "token_type_ids" => Ok(Role::Types),
        other => {
            let other: String = other.chars().take(60).collect();
            Err(format!(
                "it wants an input {other:?}, which texts do not give: it is of another kind of model"
            ))
        }
    };
    let roles: Vec<Role> = names.iter().map(role).collect::<Result<_, _>>()?;
    if roles.contains(&Role::Ids) {
        Ok(roles)
    } else {
        Err("it wants no token ids: it is of another kind of model".to_owned())
    }
}

/// Which output holds the embeddings: one that is named so, else the first.
pub(super) fn embedding_output(names: &[String]) -> Option<usize> {
    let named = names.iter().position(|name| name == "sentence_embedding");
    named.or_else(|| (!names.is_empty()).then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_have_the_roles_that_exporters_name_and_others_are_refused() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let known = roles(&names(&["input_ids", "attention_mask", "token_type_ids"])).unwrap();
        assert_eq!(known, [Role::Ids, Role::Mask, Role::Types]);
        for wrong in [&["pixel_values"][..], &["attention_mask"], &[]] {
            assert!(roles(&names(wrong)).is_err(), "{wrong:?}");
        }
        assert_eq!(embedding_output(&names(&["token_embeddings", "sentence_embedding"])), Some(1));
        assert_eq!((embedding_output(&names(&["x", "y"])), embedding_output(&[])), (Some(0), None));
    }
}
