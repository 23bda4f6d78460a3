//! WordPiece tokenization: the ids that the `tokenizers` crate gives, without its strings of aligned characters.
//!
//! A `tokenizer.json` is taken where every part of its pipeline is one that is known here: BERT's normalizer or the parts
//! of it, its cutting into words, WordPiece, added tokens with all their flags, and special tokens at the ends.

mod added;
mod characters;
mod file;
mod normalizer;
mod pieces;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

use added::{AddedToken, AddedTokens, Part};
use characters::Characters;
use file::Parts;
use normalizer::Normalizer;
use pieces::{Pieces, Vocabulary};
use scan::{End, Tables};

/// A tokenizer.
pub(super) struct WordPiece {
    characters: Characters,
    /// Characters of a text that is normalised already; made when one is met.
    normalized: OnceLock<Characters>,
    pieces: Pieces,
    added: AddedTokens,
    added_normalized: AddedTokens,
    ends: [Vec<u32>; 2],
}

/// Memory to work in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    word: Vec<u8>,
}

impl WordPiece {
    /// Reads a `tokenizer.json`; `None` where it has a part that is not known here, or is wrong.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        Self::new(Parts::read(json)?)
    }

    /// BERT's for lower-cased text, with pieces and special ones; the latter are among the former.
    pub(super) fn lowercased<'a>(
        pieces: impl Iterator<Item = (&'a str, u32)>,
        special: &[&str],
        ends: [u32; 2],
    ) -> Option<Self> {
        let added = |content: &&str| AddedToken::special((*content).to_owned());
        Self::new(Parts {
            normalizer: Normalizer::lowercased(),
            vocabulary: Vocabulary {
                pieces: pieces.map(|(piece, id)| (Cow::Borrowed(piece), id)).collect(),
                unknown: Cow::Borrowed("[UNK]"),
                continuing: Cow::Borrowed("##"),
                most_characters: 100,
            },
            added: special.iter().map(added).collect(),
            ends: ends.map(|id| vec![id]),
        })
    }

    fn new(parts: Parts<'_>) -> Option<Self> {
        let pieces = Pieces::new(&parts.vocabulary)?;
        let [added, added_normalized] = added_tokens(&parts)?;
        let characters = Characters::new(parts.normalizer)?;
        Some(Self {
            characters,
            normalized: OnceLock::new(),
            pieces,
            added,
            added_normalized,
            ends: parts.ends,
        })
    }

    /// How many special tokens every text gets.
    pub(super) fn special(&self) -> usize {
        self.ends.iter().map(Vec::len).sum()
    }

    /// Puts the ids of a text behind `ids`, at most `most` of them, the special ones included.
    pub(super) fn encode(&self, text: &str, most: usize, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let [before, behind] = &self.ends;
        ids.extend_from_slice(before);
        let most = ids.len() + most.saturating_sub(self.special());
        self.added.split(text, |part| self.take(part, most, scratch, ids));
        ids.truncate(most);
        ids.extend_from_slice(behind);
    }

    /// Whether there is room for more.
    fn take(&self, part: Part<'_>, most: usize, scratch: &mut Scratch, ids: &mut Vec<u32>) -> bool {
        let text = match part {
            Part::Token(id) => {
                ids.push(id);
                return ids.len() < most;
            }
            Part::Text(text) => text,
        };
        if self.added_normalized.is_empty() {
            let tables = Tables { characters: &self.characters, pieces: &self.pieces };
            let first = ids.len();
            match tables.scan(text, &mut scratch.word, most, ids) {
                End::Done | End::Full => return ids.len() < most,
                End::Movable => ids.truncate(first),
            }
        }
        let text = self.characters.normalize(text);
        self.added_normalized.split(&text, |part| match part {
            Part::Token(id) => {
                ids.push(id);
                ids.len() < most
            }
            Part::Text(text) => {
                let tables = Tables { characters: self.normalized(), pieces: &self.pieces };
                tables.scan(text, &mut scratch.word, most, ids);
                ids.len() < most
            }
        })
    }

    fn normalized(&self) -> &Characters {
        self.normalized.get_or_init(Characters::unchanged)
    }
}

/// Those looked for in a text as it is, and those looked for in the normalised text.
///
/// As in the library, a token has the id that its text has in the vocabulary, or the next one behind it, whatever the
/// file says; of two with the same text the last counts.
fn added_tokens(parts: &Parts<'_>) -> Option<[AddedTokens; 2]> {
    let mut next = None;
    let mut ids: Vec<(&AddedToken, u32)> = Vec::new();
    for token in parts.added.iter().filter(|token| !token.content.is_empty()) {
        if let Some(same) = ids.iter_mut().find(|(other, _)| other.content == token.content) {
            same.0 = token;
            continue;
        }
        let id = match parts.vocabulary.id(&token.content) {
            Some(id) => id,
            None => {
                let id = next.map_or_else(|| distinct(&parts.vocabulary), Some)?;
                next = Some(id + 1);
                id
            }
        };
        // A token whose id is another's takes its place in the library; such a file is not worth knowing.
        if ids.iter().any(|(_, other)| *other == id) {
            return None;
        }
        ids.push((token, id));
    }
    let [mut raw, mut normalized] = [Vec::new(), Vec::new()];
    for (token, id) in ids {
        if token.normalized {
            normalized.push((parts.normalizer.text(&token.content), token.clone(), id));
        } else {
            raw.push((token.content.clone(), token.clone(), id));
        }
    }
    Some([AddedTokens::new(raw)?, AddedTokens::new(normalized)?])
}

fn distinct(vocabulary: &Vocabulary<'_>) -> Option<u32> {
    let texts: HashSet<&str> = vocabulary.pieces.iter().map(|(text, _)| &**text).collect();
    u32::try_from(texts.len()).ok()
}
