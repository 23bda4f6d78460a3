//! Text to token ids, by the model's own `tokenizer.json`.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::Path;

use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use super::EngineError;
use super::wordpiece::{Scratch, WordPiece};
use crate::sys::Team;

/// Texts longer than this are refused: no model reads so far, and the tokenizer would need many times the memory.
pub const LONGEST_TEXT_BYTES: usize = 16 << 20;

/// Pieces of a batch that each thread gets.
const CHUNKS_A_THREAD: usize = 4;

/// A tokenizer without padding, that cuts texts at the model's own length.
pub struct TextTokenizer {
    inner: Inner,
    lowercase: bool,
    max_tokens: usize,
    /// Stands in front of every text.
    prefix: String,
    /// Of the file it was read from.
    hash: u64,
}

/// What makes the ids.
enum Inner {
    /// Ours, for files whose every part it knows.
    WordPiece(Box<WordPiece>),
    /// The `tokenizers` crate, for all others.
    Library(Box<Tokenizer>),
}

/// Memory that making ids works in, kept from text to text.
#[derive(Debug, Default)]
pub struct TokenizerScratch {
    inner: Scratch,
    text: String,
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
        let own = match WordPiece::read(&bytes) {
            Some(inner) => Self::from_wordpiece(inner, max_tokens, lowercase),
            None => {
                let inner = Tokenizer::from_bytes(&bytes).map_err(|e| {
                    let why = super::config::shown(&e.to_string());
                    EngineError::model(path, format!("not a tokenizer ({why}); fetch the model again"))
                })?;
                Self::new(inner, max_tokens, lowercase)
            }
        };
        let own = own.map_err(|why| EngineError::model(path, why))?;
        Ok(Self { hash: super::tensors::hash_bytes(0, &bytes), ..own })
    }

    /// One of ours.
    ///
    /// # Errors
    /// `max_tokens` leaves no room beside the special tokens.
    pub(super) fn from_wordpiece(
        inner: WordPiece,
        max_tokens: usize,
        lowercase: bool,
    ) -> Result<Self, String> {
        leaves_room(max_tokens, inner.special())?;
        Ok(Self::around(Inner::WordPiece(Box::new(inner)), max_tokens, lowercase))
    }

    /// Wraps a tokenizer that exists already.
    ///
    /// # Errors
    /// `max_tokens` leaves no room beside the special tokens.
    pub fn new(mut inner: Tokenizer, max_tokens: usize, lowercase: bool) -> Result<Self, String> {
        let special = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        leaves_room(max_tokens, special)?;
        inner.with_padding(None);
        inner
            .with_truncation(Some(TruncationParams { max_length: max_tokens, ..TruncationParams::default() }))
            .map_err(|e| e.to_string())?;
        Ok(Self::around(Inner::Library(Box::new(inner)), max_tokens, lowercase))
    }

    const fn around(inner: Inner, max_tokens: usize, lowercase: bool) -> Self {
        Self { inner, lowercase, max_tokens, prefix: String::new(), hash: 0 }
    }

    /// `wordpiece` where the ids are made here, else `tokenizers`, the library.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self.inner {
            Inner::WordPiece(_) => "wordpiece",
            Inner::Library(_) => "tokenizers",
        }
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
        let mut ids = Vec::new();
        self.push_ids(text, &mut TokenizerScratch::default(), &mut ids)?;
        Ok(ids)
    }

    /// The same, put behind `ids`. Where the ids are made here, memory that has grown is all that it needs.
    ///
    /// # Errors
    /// As for [`TextTokenizer::ids`].
    pub fn push_ids(
        &self,
        text: &str,
        scratch: &mut TokenizerScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), EngineError> {
        if text.len() > LONGEST_TEXT_BYTES {
            return Err(EngineError::Input(format!(
                "a text of {} bytes is longer than the {} that are read; split it",
                text.len(),
                LONGEST_TEXT_BYTES
            )));
        }
        let TokenizerScratch { inner: memory, text: joined } = scratch;
        let text = if self.prefix.is_empty() {
            text
        } else {
            joined.clear();
            joined.push_str(&self.prefix);
            joined.push_str(text);
            joined
        };
        let text = if self.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        match &self.inner {
            Inner::WordPiece(inner) => inner.encode(&text, self.max_tokens, memory, ids),
            Inner::Library(inner) => {
                let encoding = inner
                    .encode_fast(text, true)
                    .map_err(|e| EngineError::Input(format!("the tokenizer refuses a text: {e}")))?;
                ids.extend_from_slice(encoding.get_ids());
            }
        }
        Ok(())
    }

    /// Token ids of each text, the texts spread over the team.
    ///
    /// # Errors
    /// As for [`TextTokenizer::ids`], of the first text that has one.
    pub fn batch(&self, texts: &[&str], team: &Team) -> Result<Vec<Vec<u32>>, EngineError> {
        if team.threads().get() == 1 {
            let mut scratch = TokenizerScratch::default();
            return texts.iter().map(|text| self.fresh_ids(text, &mut scratch)).collect();
        }
        // Some chunks a thread, so that long texts in one of them do not leave the others waiting.
        let chunk = texts.len().div_ceil(CHUNKS_A_THREAD * team.threads().get()).max(1);
        let chunk = NonZeroUsize::new(chunk).unwrap_or(NonZeroUsize::MIN);
        let mut answers: Vec<Result<Vec<u32>, EngineError>> = texts.iter().map(|_| Ok(Vec::new())).collect();
        team.for_each_chunk(&mut answers, chunk, |i, slots| {
            let mut scratch = TokenizerScratch::default();
            for (slot, text) in slots.iter_mut().zip(&texts[i * chunk.get()..]) {
                *slot = self.fresh_ids(text, &mut scratch);
            }
        });
        answers.into_iter().collect()
    }

    /// Ids in memory of their own, which is asked for once.
    fn fresh_ids(&self, text: &str, scratch: &mut TokenizerScratch) -> Result<Vec<u32>, EngineError> {
        // English has some four bytes a token; what that leaves out is asked for as the ids come.
        let mut ids = Vec::with_capacity((text.len() / 4 + 4).min(self.max_tokens));
        self.push_ids(text, scratch, &mut ids)?;
        Ok(ids)
    }
}

fn leaves_room(max_tokens: usize, special: usize) -> Result<(), String> {
    if max_tokens > special {
        return Ok(());
    }
    Err(format!("a length of {max_tokens} tokens leaves no room beside {special} special ones"))
}
