//! A small trainer of WordPiece vocabularies, deterministic to the byte.
//!
//! It merges the most frequent pair of neighbouring pieces, again and again, as byte-pair encoding does (Sennrich,
//! Haddow and Birch, 2016), over words that BERT's own normaliser and word splitter made, and writes pieces that go
//! on inside a word with a leading `##`. The trainer of the `tokenizers` package does the same, but breaks ties by
//! the order of a hash map, so that two runs on one text differ.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::path::Path;

use anyhow::Context;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

/// Training stops at this many pieces, or earlier when no pair occurs [`SUPPORT`] times.
const PIECES: usize = 8_000;
/// A pair seen less often is no piece worth having.
const SUPPORT: u64 = 2;
/// How often each line of `words.txt` counts: often enough that a common word becomes a piece of its own even where
/// `mixed.txt` does not happen to use it.
const WORD_LIST_WEIGHT: u64 = 3;
/// The pieces that stand for no text, in the order in which the vocabulary file begins with them.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Trains on `mixed.txt` and `words.txt` of a folder; one piece a line, the specials first, then single characters,
/// then merged pieces in the order of training.
pub(crate) fn train_from(corpus: &Path) -> anyhow::Result<String> {
    let mut words = BTreeMap::new();
    for (file, weight) in [("mixed.txt", 1), ("words.txt", WORD_LIST_WEIGHT)] {
        let path = corpus.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in text.lines() {
            count_words(line, weight, &mut words)?;
        }
    }
    let mut file = train(&words).join("\n");
    file.push('\n');
    Ok(file)
}

/// Adds the words of a line, split and lower-cased as BERT does.
fn count_words(line: &str, weight: u64, words: &mut BTreeMap<String, u64>) -> anyhow::Result<()> {
    let mut text = NormalizedString::from(line);
    BertNormalizer::default().normalize(&mut text).map_err(anyhow::Error::msg)?;
    let mut text = PreTokenizedString::from(text);
    BertPreTokenizer.pre_tokenize(&mut text).map_err(anyhow::Error::msg)?;
    for (word, ..) in text.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
        *words.entry(word.to_owned()).or_default() += weight;
    }
    Ok(())
}

/// The pieces for words and how often each occurs.
fn train(words: &BTreeMap<String, u64>) -> Vec<String> {
    let mut pieces: Vec<String> = SPECIAL.iter().map(|&piece| piece.to_owned()).collect();
    let mut ids: HashMap<String, usize> = HashMap::new();
    for piece in alphabet(words) {
        ids.insert(piece.clone(), pieces.len());
        pieces.push(piece);
    }
    let words = words.iter().filter_map(|(word, &count)| {
        let pieces = spelled(word).map(|piece| ids.get(&piece).copied()).collect::<Option<Vec<_>>>()?;
        Some(Word { pieces, count })
    });
    let mut pairs = Pairs::new(words.collect());
    while pieces.len() < PIECES {
        let Some(pair) = pairs.most_frequent() else { break };
        let joined = join(&pieces[pair.0], &pieces[pair.1]);
        // Two different pairs can spell one piece; the piece is then the one that exists.
        let id = *ids.entry(joined.clone()).or_insert_with(|| {
            pieces.push(joined);
            pieces.len() - 1
        });
        pairs.merge(pair, id);
    }
    pieces
}

/// A word as its single-character pieces.
fn spelled(word: &str) -> impl Iterator<Item = String> {
    word.chars().enumerate().map(|(at, c)| if at == 0 { c.to_string() } else { format!("##{c}") })
}

/// Every printable ASCII character that survives lower-casing and every other character that the words use often
/// enough, each as a first and as a following piece. A word with any other character is `[UNK]`.
fn alphabet(words: &BTreeMap<String, u64>) -> BTreeSet<String> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in words {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let used = counts.into_iter().filter(|&(_, count)| count >= SUPPORT).map(|(c, _)| c);
    let ascii = (b'!'..=b'~').map(char::from).filter(|c| !c.is_ascii_uppercase());
    used.chain(ascii).flat_map(|c| [c.to_string(), format!("##{c}")]).collect()
}

/// The piece that two neighbours make.
fn join(left: &str, right: &str) -> String {
    format!("{left}{}", right.strip_prefix("##").unwrap_or(right))
}

/// A word as it is cut so far.
struct Word {
    pieces: Vec<usize>,
    count: u64,
}

type Pair = (usize, usize);

/// Which pairs of neighbours occur, how often, and where.
struct Pairs {
    words: Vec<Word>,
    counts: HashMap<Pair, u64>,
    places: HashMap<Pair, BTreeSet<usize>>,
    /// Pairs by a count that was true once: an entry is checked against `counts` when it comes up. Of equal counts
    /// the pair with the smaller numbers wins, which is what makes training repeatable.
    queue: BinaryHeap<(u64, std::cmp::Reverse<Pair>)>,
}

impl Pairs {
    fn new(words: Vec<Word>) -> Self {
        let mut pairs =
            Self { words, counts: HashMap::new(), places: HashMap::new(), queue: BinaryHeap::new() };
        for word in 0..pairs.words.len() {
            pairs.enter(word);
        }
        pairs
    }

    /// The most frequent pair, if one is frequent enough.
    fn most_frequent(&mut self) -> Option<Pair> {
        while let Some((count, std::cmp::Reverse(pair))) = self.queue.pop() {
            if count < SUPPORT {
                return None;
            }
            // Whenever a count changes the new one is queued too, so an old one can be dropped.
            if self.counts.get(&pair) == Some(&count) {
                return Some(pair);
            }
        }
        None
    }

    /// Replaces a pair by the piece it makes, everywhere.
    fn merge(&mut self, pair: Pair, id: usize) {
        for word in self.places.remove(&pair).unwrap_or_default() {
            self.leave(word);
            let pieces = &mut self.words[word].pieces;
            let mut at = 0;
            while at + 1 < pieces.len() {
                if (pieces[at], pieces[at + 1]) == pair {
                    pieces[at] = id;
                    pieces.remove(at + 1);
                }
                at += 1;
            }
            self.enter(word);
        }
    }

    /// Counts the pairs of a word.
    fn enter(&mut self, word: usize) {
        let Word { pieces, count } = &self.words[word];
        for pair in pieces.windows(2).map(|p| (p[0], p[1])) {
            let total = self.counts.entry(pair).or_default();
            *total += count;
            self.queue.push((*total, std::cmp::Reverse(pair)));
            self.places.entry(pair).or_default().insert(word);
        }
    }

    /// Takes the pairs of a word out of the counts.
    fn leave(&mut self, word: usize) {
        let Word { pieces, count } = &self.words[word];
        for pair in pieces.windows(2).map(|p| (p[0], p[1])) {
            if let Some(total) = self.counts.get_mut(&pair) {
                *total -= count;
                self.queue.push((*total, std::cmp::Reverse(pair)));
            }
            if let Some(places) = self.places.get_mut(&pair) {
                places.remove(&word);
            }
        }
    }
}
