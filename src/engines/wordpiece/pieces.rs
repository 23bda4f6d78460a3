//! The vocabulary of a WordPiece model, and words cut into its pieces: always the longest that fits next.
//!
//! A piece of up to 15 bytes is a number of 128 bits: its bytes, its length, and whether it continues a word. So a look-up
//! compares numbers. Of all pieces that begin with the same four bytes, a table tells the lengths, so that hardly a
//! look-up fails.

use std::borrow::Cow;
use std::collections::HashMap;

/// Bytes of the longest piece that is kept as a number.
pub(super) const SHORT: usize = 15;

/// In a table of lengths: pieces longer than [`SHORT`].
const LONGER: u16 = 1;

/// Rows of the table of lengths by the first four bytes.
const LENGTH_ROWS: usize = 1 << 14;

/// Pieces by their bytes.
pub(super) struct Pieces {
    /// Open addressing with linear probing; 0 is a free place.
    keys: Vec<u128>,
    ids: Vec<u32>,
    /// Bit `n` for pieces of `n` bytes, from four on, by a hash of the first four bytes and of the side.
    lengths: Vec<u16>,
    /// Bit `n` for pieces of `n` bytes, up to three, by the first byte; those that continue a word in the second half.
    short_lengths: Vec<u16>,
    /// Pieces that are no numbers: those that begin a word, and those that continue one.
    long: [HashMap<Box<[u8]>, u32>; 2],
    longest: usize,
    unknown: u32,
    most_characters: usize,
}

/// What decides the pieces.
pub(super) struct Vocabulary<'a> {
    pub pieces: Vec<(Cow<'a, str>, u32)>,
    pub unknown: Cow<'a, str>,
    /// Stands in front of a piece that continues a word.
    pub continuing: Cow<'a, str>,
    /// Words of more characters are unknown.
    pub most_characters: usize,
}

impl Vocabulary<'_> {
    /// The id of a piece; of two the last.
    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.pieces.iter().rev().find(|(text, _)| text == piece).map(|(_, id)| *id)
    }
}

impl Pieces {
    /// `None` where the vocabulary has no piece for the unknown.
    pub(super) fn new(vocabulary: &Vocabulary<'_>) -> Option<Self> {
        let unknown = vocabulary.id(&vocabulary.unknown)?;
        let continuing = vocabulary.continuing.as_bytes();
        // What begins with punctuation is no part of a word, so that a piece is on one side only.
        let most_sides = if continuing.first().is_some_and(is_cut) { 1 } else { 2 };
        let places = (vocabulary.pieces.len() * most_sides * 4 / 3 + 1).next_power_of_two();
        let mut pieces = Self {
            keys: vec![0; places],
            ids: vec![0; places],
            lengths: vec![0; LENGTH_ROWS],
            short_lengths: vec![0; 512],
            long: [HashMap::new(), HashMap::new()],
            longest: 0,
            unknown,
            most_characters: vocabulary.most_characters,
        };
        for (text, id) in &vocabulary.pieces {
            let text = text.as_bytes();
            if is_word_part(text) || text.len() == 1 {
                pieces.insert(text, 0, *id);
            }
            if let Some(rest) = text.strip_prefix(continuing).filter(|rest| is_word_part(rest)) {
                pieces.insert(rest, 1, *id);
            }
        }
        Some(pieces)
    }

    fn insert(&mut self, piece: &[u8], side: usize, id: u32) {
        let rest = key(piece);
        if piece.len() > SHORT {
            self.longest = self.longest.max(piece.len());
            self.lengths[length_row(rest, side)] |= LONGER;
            self.long[side].insert(piece.into(), id);
            return;
        }
        match piece.len() {
            0..4 => self.short_lengths[short_row(rest, side)] |= 1 << piece.len(),
            length => self.lengths[length_row(rest, side)] |= 1 << length,
        }
        let key = tagged(rest, piece.len(), side);
        let place = match self.place(key) {
            Ok(place) | Err(place) => place,
        };
        self.keys[place] = key;
        self.ids[place] = id;
    }

    /// Where a key is, or where it would be.
    #[inline]
    fn place(&self, key: u128) -> Result<usize, usize> {
        let mask = self.keys.len() - 1;
        let mut place = hash(key) & mask;
        // A quarter of the places are free, so that this ends.
        loop {
            match self.keys[place] {
                found if found == key => return Ok(place),
                0 => return Err(place),
                _ => place = (place + 1) & mask,
            }
        }
    }

    #[inline]
    fn find(&self, rest: u128, length: usize, side: usize) -> Option<u32> {
        self.place(tagged(rest, length, side)).ok().map(|place| self.ids[place])
    }

    /// Puts the pieces of a word of up to [`SHORT`] bytes behind `ids`; `word` holds zeros behind its last byte.
    #[inline]
    pub(super) fn cut_short(&self, word: u128, length: usize, ids: &mut Vec<u32>) {
        match self.find(word, length, 0) {
            Some(id) if length <= self.most_characters => ids.push(id),
            _ => self.cut_parts(word, length, ids),
        }
    }

    #[inline(never)]
    fn cut_parts(&self, word: u128, length: usize, ids: &mut Vec<u32>) {
        if length > self.most_characters && self.too_long(&word.to_le_bytes()[..length]) {
            return ids.push(self.unknown);
        }
        let first = ids.len();
        let mut at = 0;
        while at < length {
            match self.longest_short(word >> (8 * at), length - at, usize::from(at > 0)) {
                Some((bytes, id)) => {
                    at += bytes;
                    ids.push(id);
                }
                None => {
                    ids.truncate(first);
                    return ids.push(self.unknown);
                }
            }
        }
    }

    /// Puts the pieces of a word behind `ids`.
    pub(super) fn cut(&self, word: &[u8], ids: &mut Vec<u32>) {
        if word.len() <= SHORT {
            return self.cut_short(key(word), word.len(), ids);
        }
        if self.too_long(word) {
            return ids.push(self.unknown);
        }
        let first = ids.len();
        let mut rest = word;
        let mut side = 0;
        while !rest.is_empty() {
            let Some((bytes, id)) = self.longest(rest, side) else {
                ids.truncate(first);
                return ids.push(self.unknown);
            };
            rest = &rest[bytes..];
            ids.push(id);
            side = 1;
        }
    }

    /// The longest piece that `rest` begins with, and its id.
    fn longest(&self, rest: &[u8], side: usize) -> Option<(usize, u32)> {
        let head = key(rest);
        if rest.len() > SHORT && self.lengths[length_row(head, side)] & LONGER != 0 {
            let most = rest.len().min(self.longest);
            let found = (SHORT + 1..=most).rev().find_map(|n| Some((n, *self.long[side].get(&rest[..n])?)));
            if found.is_some() {
                return found;
            }
        }
        self.longest_short(head, rest.len().min(SHORT), side)
    }

    /// The same of up to [`SHORT`] bytes.
    #[inline]
    fn longest_short(&self, rest: u128, left: usize, side: usize) -> Option<(usize, u32)> {
        let mut lengths = self.short_lengths[short_row(rest, side)];
        if left >= 4 {
            lengths |= self.lengths[length_row(rest, side)] & !LONGER;
        }
        lengths &= u16::MAX >> (15 - left);
        while lengths != 0 {
            let length = 15 - lengths.leading_zeros() as usize;
            if let Some(id) = self.find(rest & mask(length), length, side) {
                return Some((length, id));
            }
            lengths ^= 1 << length;
        }
        None
    }

    fn too_long(&self, word: &[u8]) -> bool {
        word.len() > self.most_characters
            && word.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() > self.most_characters
    }
}

/// Whether this can be part of a word of several characters: those are cut at white space and punctuation.
fn is_word_part(piece: &[u8]) -> bool {
    !piece.is_empty() && !piece.iter().any(is_cut)
}

/// Of the bytes at which words are cut those that are ASCII.
const fn is_cut(byte: &u8) -> bool {
    byte.is_ascii_punctuation() || byte.is_ascii_whitespace()
}

/// The first [`SHORT`] bytes as a number.
#[inline]
fn key(bytes: &[u8]) -> u128 {
    let mut all = [0; 16];
    let length = bytes.len().min(SHORT);
    all[..length].copy_from_slice(&bytes[..length]);
    u128::from_le_bytes(all)
}

#[inline]
const fn tagged(rest: u128, length: usize, side: usize) -> u128 {
    rest | ((length | side << 7) as u128) << 120
}

/// The bits of the first `length` bytes.
#[inline]
const fn mask(length: usize) -> u128 {
    (1 << (8 * length)) - 1
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves of a number; the lower bits of a hash")]
const fn hash(key: u128) -> usize {
    let low = (key as u64) ^ 0x9e37_79b9_7f4a_7c15;
    let high = ((key >> 64) as u64) ^ 0xd1b5_4a32_d192_ed03;
    let product = low as u128 * high as u128;
    ((product >> 64) as u64 ^ product as u64) as usize
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the first four bytes")]
const fn length_row(rest: u128, side: usize) -> usize {
    let head = (rest as u32 as u64) | (side as u64) << 32;
    (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50) as usize
}

#[inline]
const fn short_row(rest: u128, side: usize) -> usize {
    (rest & 0xff) as usize | side << 8
}
