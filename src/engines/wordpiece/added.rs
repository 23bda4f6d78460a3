//! Added tokens: texts with an id of their own, found before the text around them is cut into words.

use aho_corasick::{AhoCorasick, MatchKind};
use serde::Deserialize;

/// An added token as `tokenizer.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct AddedToken {
    pub content: String,
    /// Not inside a word.
    pub single_word: bool,
    /// Takes the white space before it.
    pub lstrip: bool,
    /// Takes the white space behind it.
    pub rstrip: bool,
    /// Looked for in the normalised text.
    pub normalized: bool,
    /// Without a meaning here.
    #[serde(rename = "special")]
    pub _special: bool,
}

impl AddedToken {
    /// One that is found as it stands, anywhere.
    pub(super) const fn special(content: String) -> Self {
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: false, _special: true }
    }
}

/// What is looked for in one kind of text.
pub(super) struct AddedTokens {
    finder: AhoCorasick,
    tokens: Vec<(AddedToken, u32)>,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Token(u32),
}

impl AddedTokens {
    /// `tokens` are looked for by the text beside each. `None` where two have the same or one has none.
    pub(super) fn new(tokens: Vec<(String, AddedToken, u32)>) -> Option<Self> {
        let mut texts: Vec<&str> = tokens.iter().map(|(text, ..)| &**text).collect();
        texts.sort_unstable();
        let same = texts.windows(2).any(|pair| pair[0] == pair[1]);
        if same || texts.first().is_some_and(|text| text.is_empty()) {
            return None;
        }
        let texts = tokens.iter().map(|(text, ..)| text);
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).ok()?;
        Some(Self { finder, tokens: tokens.into_iter().map(|(_, token, id)| (token, id)).collect() })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Hands the parts of `text` to `take` in order, until it wants no more.
    #[inline]
    pub(super) fn split<'a>(&self, text: &'a str, mut take: impl FnMut(Part<'a>) -> bool) -> bool {
        let mut done = 0;
        if !self.is_empty() {
            for found in self.finder.find_iter(text) {
                let (token, id) = &self.tokens[found.pattern().as_usize()];
                let (before, behind) = (&text[..found.start()], &text[found.end()..]);
                if token.single_word && (before.ends_with(is_word) || behind.starts_with(is_word)) {
                    continue;
                }
                let start = if token.lstrip { before.trim_end().len().max(done) } else { before.len() };
                let stripped = if token.rstrip { behind.trim_start() } else { behind };
                let end = text.len() - stripped.len();
                // Nothing is left of a token that is white space where the one before it took that already.
                let full = done < start && !take(Part::Text(&text[done..start]));
                if full || start < end && !take(Part::Token(*id)) {
                    return false;
                }
                done = end;
            }
        }
        done >= text.len() || take(Part::Text(&text[done..]))
    }
}

/// `\w` of the library's regular expressions.
fn is_word(c: char) -> bool {
    regex_syntax::try_is_word_character(c).unwrap_or_else(|_| c.is_alphanumeric())
}
