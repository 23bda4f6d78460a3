//! A text cut into words and the words into pieces, in one pass: runs of ASCII letters and digits eight bytes at a time,
//! everything else by the table of characters.

use super::characters::{Characters, Kind};
use super::normalizer::is_punctuation;
use super::pieces::Pieces;

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At the end of the text.
    Done,
    /// As many ids as were asked for are there, perhaps a few more.
    Full,
    /// At a mark whose place depends on its neighbours: the text must be normalised as a whole.
    Movable,
}

/// Every byte 1.
const ONES: u64 = u64::MAX / 255;

/// The highest bit of every byte.
const HIGH: u64 = ONES << 7;

/// What a pass looks things up in.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub characters: &'a Characters,
    pub pieces: &'a Pieces,
}

/// The state of a pass.
struct Pass<'a> {
    pieces: &'a Pieces,
    /// The word so far, where it is not taken in one go.
    word: &'a mut Vec<u8>,
    ids: &'a mut Vec<u32>,
}

impl Pass<'_> {
    /// Ends the word, if there is one.
    #[inline]
    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.pieces.cut(self.word, self.ids);
            self.word.clear();
        }
    }

    /// Takes one character; says whether it can be taken by itself.
    #[inline]
    fn take(&mut self, characters: &Characters, c: char) -> bool {
        let looked = characters.look(c);
        match looked.kind {
            Kind::Removed => {}
            Kind::Space => self.end_word(),
            Kind::Letters => self.word.extend_from_slice(looked.bytes),
            Kind::Alone => {
                self.end_word();
                self.pieces.cut(looked.bytes, self.ids);
            }
            Kind::Mixed => self.take_mixed(&characters.normalize_character(c)),
            Kind::Movable => return false,
        }
        true
    }

    #[cold]
    fn take_mixed(&mut self, normalized: &str) {
        for (at, c) in normalized.char_indices() {
            let bytes = &normalized.as_bytes()[at..at + c.len_utf8()];
            if c.is_whitespace() {
                self.end_word();
            } else if is_punctuation(c) {
                self.end_word();
                self.pieces.cut(bytes, self.ids);
            } else {
                self.word.extend_from_slice(bytes);
            }
        }
    }
}

impl Tables<'_> {
    /// Puts the ids of `text` behind `ids`, until these are `most`; `word` is memory to work in.
    pub(super) fn scan(self, text: &str, word: &mut Vec<u8>, most: usize, ids: &mut Vec<u32>) -> End {
        let Self { characters, pieces } = self;
        let bytes = text.as_bytes();
        let lowered_by = ONES * u64::from(characters.lowered_by);
        word.clear();
        let mut pass = Pass { pieces, word, ids };
        let mut at = 0;
        while at < bytes.len() {
            if pass.ids.len() >= most {
                return End::Full;
            }
            let (run, length) = run(eight(bytes, at), lowered_by);
            if length == 0 {
                let byte = bytes[at];
                let Some(&(kind, becomes)) = characters.ascii.get(usize::from(byte)) else {
                    let Some(c) = text[at..].chars().next() else { break };
                    if !pass.take(characters, c) {
                        return End::Movable;
                    }
                    at += c.len_utf8();
                    continue;
                };
                match kind {
                    Kind::Space => pass.end_word(),
                    Kind::Alone => {
                        pass.end_word();
                        pieces.cut_short(u128::from(becomes), 1, pass.ids);
                    }
                    Kind::Letters => pass.word.push(becomes),
                    Kind::Removed | Kind::Mixed | Kind::Movable => {}
                }
                at += 1;
                continue;
            }
            let (rest, more) = if length == 8 { self::run(eight(bytes, at + 8), lowered_by) } else { (0, 0) };
            let whole = u128::from(run) | u128::from(rest) << 64;
            let length = length + more;
            // Behind sixteen bytes the word may go on; so it may where no space or punctuation follows.
            if length < 16 && pass.word.is_empty() && self.ends_word(bytes.get(at + length)) {
                pieces.cut_short(whole, length, pass.ids);
                at += length;
                // Mostly a space; taken here, it costs no round of its own.
                at += usize::from(bytes.get(at) == Some(&b' '));
            } else {
                pass.word.extend_from_slice(&whole.to_le_bytes()[..length]);
                at += length;
            }
        }
        pass.end_word();
        End::Done
    }

    /// Whether a word ends before this byte.
    #[inline]
    fn ends_word(self, next: Option<&u8>) -> bool {
        next.is_none_or(|&byte| {
            let entry = self.characters.ascii.get(usize::from(byte));
            entry.is_some_and(|(kind, _)| matches!(kind, Kind::Space | Kind::Alone))
        })
    }
}

/// The eight bytes from `at` on, the first in the lowest place; zeros behind the end.
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => bytes[at.min(bytes.len())..].iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)),
    }
}

/// The ASCII letters and digits at the start of eight bytes, zeros behind them, and how many they are.
///
/// Comparisons byte by byte are additions that carry into the highest bit, which the lower seven bits of a byte cannot
/// carry out of.
#[inline]
const fn run(chunk: u64, lowered_by: u64) -> (u64, usize) {
    let low = chunk & !HIGH;
    let small = low | ONES << 5;
    let letters = between(small, b'a', b'z');
    let digits = between(low, b'0', b'9');
    let others = (!(letters | digits) | chunk) & HIGH;
    let length = (others.trailing_zeros() / 8) as usize;
    let kept = if length == 8 { u64::MAX } else { (1 << (8 * length)) - 1 };
    // Small letters have the bit already.
    ((chunk | (letters & HIGH) >> 2 & lowered_by) & kept, length)
}

/// The highest bit of every byte that is from `first` to `last`; the other bits mean nothing.
#[inline]
const fn between(values: u64, first: u8, last: u8) -> u64 {
    (values + ONES * (0x80 - first as u64)) & !(values + ONES * (0x7f - last as u64))
}
