//! What every character becomes and whether a word ends there, looked up instead of worked out.

use std::sync::OnceLock;

use super::normalizer::{Normalizer, is_punctuation};

/// What a character does to the word that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is left of it; the word goes on.
    Removed,
    /// The word ends.
    Space,
    /// The word goes on with what it becomes.
    Letters,
    /// The word ends; what it becomes is a word, and the next begins behind it.
    Alone,
    /// What it becomes holds words and ends of words.
    Mixed,
    /// What it becomes depends on its neighbours.
    Movable,
}

/// A character and what it becomes, as UTF-8.
pub(super) struct Looked<'a> {
    pub kind: Kind,
    pub bytes: &'a [u8],
}

/// The table of a normalizer, made a page of 256 characters at a time as they are met.
pub(super) struct Characters {
    normalizer: Normalizer,
    /// Of the ASCII characters, and what each becomes.
    pub ascii: [(Kind, u8); 128],
    /// 0x20 where ASCII letters are lowered, else 0.
    pub lowered_by: u8,
    pages: Vec<OnceLock<Page>>,
}

struct Page {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Entry {
    kind: Kind,
    length: u8,
    at: u16,
}

impl Characters {
    /// `None` where the normalizer does to ASCII letters and digits what scanning several at once does not.
    pub(super) fn new(normalizer: Normalizer) -> Option<Self> {
        let mut ascii = [(Kind::Mixed, 0); 128];
        for (entry, byte) in ascii.iter_mut().zip(0_u8..) {
            let (kind, text) = look(&normalizer, char::from(byte));
            *entry = match (kind, text.as_bytes()) {
                (Kind::Letters | Kind::Alone, &[one]) => (kind, one),
                (Kind::Removed | Kind::Space, _) => (kind, b' '),
                _ => return None,
            };
        }
        let lowered_by = ascii[usize::from(b'A')].1 ^ b'A';
        let same = |byte: u8, by: u8| ascii[usize::from(byte)] == (Kind::Letters, byte ^ by);
        let uniform = matches!(lowered_by, 0 | 0x20)
            && (b'A'..=b'Z').all(|byte| same(byte, lowered_by))
            && (b'a'..=b'z').chain(b'0'..=b'9').all(|byte| same(byte, 0));
        let pages = (0..=u32::from(char::MAX) >> 8).map(|_| OnceLock::new()).collect();
        uniform.then_some(Self { normalizer, ascii, lowered_by, pages })
    }

    /// Of a text that is normalised already.
    pub(super) fn unchanged() -> Self {
        Self::new(Normalizer::default()).expect("a normalizer without steps changes nothing")
    }

    /// What a character becomes.
    pub(super) fn look(&self, character: char) -> Looked<'_> {
        let [low, rest @ ..] = u32::from(character).to_le_bytes();
        let index = usize::from(rest[0]) | usize::from(rest[1]) << 8;
        let page =
            self.pages[index].get_or_init(|| Page::new(&self.normalizer, u32::from(character) & !0xff));
        let Entry { kind, length, at } = page.entries[usize::from(low)];
        let at = usize::from(at);
        Looked { kind, bytes: &page.bytes[at..at + usize::from(length)] }
    }

    /// A whole text, normalised.
    pub(super) fn normalize(&self, text: &str) -> String {
        self.normalizer.text(text)
    }

    /// What a character becomes, as a text.
    pub(super) fn normalize_character(&self, character: char) -> String {
        self.normalizer.character(character).characters.into_iter().collect()
    }
}

impl Page {
    fn new(normalizer: &Normalizer, first: u32) -> Self {
        let mut page = Self { entries: Vec::with_capacity(256), bytes: Vec::new() };
        for code in first..first + 256 {
            // The codes of surrogates are no characters and are never asked for.
            let (kind, text) =
                char::from_u32(code).map_or((Kind::Removed, String::new()), |c| look(normalizer, c));
            // A page of the longest that Unicode has is well below 64 KiB; what is longer is worked out when met.
            let entry = match (u8::try_from(text.len()), u16::try_from(page.bytes.len())) {
                (Ok(length), Ok(at)) => Entry { kind, length, at },
                _ => Entry { kind: Kind::Mixed, length: 0, at: 0 },
            };
            if entry.length > 0 {
                page.bytes.extend_from_slice(text.as_bytes());
            }
            page.entries.push(entry);
        }
        page
    }
}

/// The kind of a character and the word or part of one that it becomes.
fn look(normalizer: &Normalizer, character: char) -> (Kind, String) {
    let normalized = normalizer.character(character);
    let is_letter = |c: &char| !c.is_whitespace() && !is_punctuation(*c);
    let kind = match normalized.characters.as_slice() {
        _ if normalized.movable => Kind::Movable,
        [] => Kind::Removed,
        all if all.iter().all(|c| c.is_whitespace()) => Kind::Space,
        all if all.iter().all(is_letter) => Kind::Letters,
        [one] if is_punctuation(*one) => Kind::Alone,
        [first, inner @ .., last]
            if first.is_whitespace()
                && last.is_whitespace()
                && (matches!(inner, [one] if is_punctuation(*one)) || inner.iter().all(is_letter)) =>
        {
            Kind::Alone
        }
        _ => Kind::Mixed,
    };
    let text: String = match kind {
        Kind::Letters | Kind::Alone => {
            normalized.characters.into_iter().filter(|c| !c.is_whitespace()).collect()
        }
        Kind::Removed | Kind::Space | Kind::Mixed | Kind::Movable => String::new(),
    };
    (kind, text)
}
