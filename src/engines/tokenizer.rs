//! Text to token ids, by the model's own `tokenizer.json`.

use std::borrow::Cow;
use std::path::Path;

use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use super::EngineError;
use crate::sys::Team;

/// Texts longer than this are refused: no model reads so far, and the tokenizer would need many times the memory.
pub const LONGEST_TEXT_BYTES: usize = 16 << 20;

/// A tokenizer without padding, that cuts texts at the model's own length.
pub struct TextTokenizer {
    inner: Tokenizer,
    lowercase: bool,
    max_tokens: usize,
    /// Stands in front of every text.
    prefix: String,
    /// Of the file it was read from.
    hash: u64,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`. Its own padding and truncation are dropped: they are settings of whoever saved the
    /// file (all-MiniLM-L6-v2 ships with 128 fixed), while the model's length stands in `sentence_bert_config.json`.
    ///
    /// `lowercase` lowers texts before anything else, as `do_lower_case` asks.
    ///
    /// # Errors
    /// The file is missing or not a tokenizer, or `max_tokens` leaves no room beside the special tokens.
    pub fn read(path: &Path, max_tokens: usize, lowercase: bool) -> Result<Self, EngineError> {
        let bytes = std::fs::read(path).map_err(|e| EngineError::unreadable(path, &e))?;
        let inner = Tokenizer::from_bytes(&bytes).map_err(|e| {
            let why = super::config::shown(&e.to_string());
            EngineError::model(path, format!("not a tokenizer ({why}); fetch the model again"))
        })?;
        let own = Self::new(inner, max_tokens, lowercase).map_err(|why| EngineError::model(path, why))?;
        Ok(Self { hash: super::tensors::hash_bytes(0, &bytes), ..own })
    }

    /// Wraps a tokenizer that exists already.
    ///
    /// # Errors
    /// `max_tokens` leaves no room beside the special tokens.
    pub fn new(mut inner: Tokenizer, max_tokens: usize, lowercase: bool) -> Result<Self, String> {
        let special = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if max_tokens <= special {
            return Err(format!(
                "a length of {max_tokens} tokens leaves no room beside {special} special ones"
            ));
        }
        inner.with_padding(None);
        inner
            .with_truncation(Some(TruncationParams { max_length: max_tokens, ..TruncationParams::default() }))
            .map_err(|e| e.to_string())?;
        Ok(Self { inner, lowercase, max_tokens, prefix: String::new(), hash: 0 })
    }

    /// The longest answer that [`TextTokenizer::ids`] gives.
    #[must_use]
    pub const fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Puts `prefix` in front of every text from now on.
    pub(super) fn set_prefix(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// A hash of everything that decides the ids of a text.
    pub(super) fn hash(&self) -> u64 {
        let rest = format!("{} {} {}", self.lowercase, self.max_tokens, self.prefix);
        super::tensors::hash_bytes(self.hash, rest.as_bytes())
    }

    /// What stands in front of every text.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Token ids of one text, the special ones included.
    ///
    /// # Errors
    /// The text is longer than [`LONGEST_TEXT_BYTES`], or the tokenizer refuses it.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        if text.len() > LONGEST_TEXT_BYTES {
            return Err(EngineError::Input(format!(
                "a text of {} bytes is longer than the {} that are read; split it",
                text.len(),
                LONGEST_TEXT_BYTES
            )));
        }
        let text = if self.prefix.is_empty() {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(format!("{}{text}", self.prefix))
        };
        let encoding = if self.lowercase {
            self.inner.encode_fast(text.to_lowercase(), true)
        } else {
            self.inner.encode_fast(text, true)
        };
        let encoding =
            encoding.map_err(|e| EngineError::Input(format!("the tokenizer refuses a text: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Token ids of each text, the texts spread over the team.
    ///
    /// # Errors
    /// As for [`TextTokenizer::ids`], of the first text that has one.
    pub fn batch(&self, texts: &[&str], team: &Team) -> Result<Vec<Vec<u32>>, EngineError> {
        if team.threads().get() == 1 {
            return texts.iter().map(|text| self.ids(text)).collect();
        }
        let mut answers: Vec<Result<Vec<u32>, EngineError>> = texts.iter().map(|_| Ok(Vec::new())).collect();
        team.for_each_chunk(&mut answers, std::num::NonZeroUsize::MIN, |i, slot| {
            slot[0] = self.ids(texts[i])
        });
        answers.into_iter().collect()
    }
}
