//! The vocabulary of the built-in models: WordPiece, lower-cased as BERT does, trained on this project's own texts.
//!
//! `vocabulary.txt` is written by `examples/train_vocabulary` from `corpus/`, one piece a line. It holds fewer pieces
//! than the 30,522 rows of BERT's table, so its ids are spread over the whole table: a lookup then touches as many
//! pages and cache lines as one in a downloaded model, and the table takes the same memory.

use super::super::wordpiece::WordPiece;

/// Rows of the embedding table, as in BERT's uncased English models.
pub(super) const TABLE_ROWS: usize = 30_522;

/// One piece a line: the [`SPECIAL`] ones, single characters, then merged pieces, frequent ones first.
const PIECES: &str = include_str!("vocabulary.txt");

/// The pieces that stand for no text, and the rows they have in BERT's table.
const SPECIAL: [(&str, u32); 5] =
    [("[PAD]", 0), ("[UNK]", 100), ("[CLS]", 101), ("[SEP]", 102), ("[MASK]", 103)];

/// Rows that are no special piece's.
const FREE_ROWS: u32 = 30_522 - 5;

/// Neighbouring lines of the file land this many free rows apart. It has no divisor in common with [`FREE_ROWS`], so
/// no two lines land on one row, and it is close to the golden section of it, so that the first `n` lines lie evenly
/// for every `n`: frequent pieces do not crowd together.
const STRIDE: u32 = 18_861;

/// The tokenizer of the built-in models, without truncation and padding.
///
/// Ids are rows of a table of [`TABLE_ROWS`]. The special pieces keep BERT's ids (0 and 100 to 103). Line `i` of the
/// others, counted from 0, has the free row `i * 18861 mod 30517`, where the free rows are those left, in order.
#[must_use]
pub(super) fn tokenizer() -> WordPiece {
    WordPiece::lowercased(rows(), &SPECIAL.map(|(piece, _)| piece), [101, 102])
        .expect("the vocabulary is part of the program and a test builds it")
}

/// Every piece and its row.
fn rows() -> impl Iterator<Item = (&'static str, u32)> {
    let others = PIECES.lines().skip(SPECIAL.len()).zip(0..);
    SPECIAL.into_iter().chain(others.map(|(piece, line)| (piece, free_row(line))))
}

/// The row of line `line` of the pieces that are not special.
fn free_row(line: u32) -> u32 {
    // Both factors are below 2^15, so the product fits.
    match (line % FREE_ROWS) * STRIDE % FREE_ROWS {
        free @ 0..99 => free + 1,
        free => free + 5,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
    use tokenizers::processors::template::TemplateProcessing;
    use tokenizers::{AddedToken, Tokenizer};

    use super::super::super::wordpiece::Scratch;
    use super::*;

    /// The same tokenizer as the library builds it.
    fn library() -> Tokenizer {
        let vocabulary: ahash::AHashMap<String, u32> =
            rows().map(|(piece, row)| (piece.to_owned(), row)).collect();
        let model = tokenizers::models::wordpiece::WordPiece::builder().vocab(vocabulary).build().unwrap();
        let ends = TemplateProcessing::builder()
            .try_single("[CLS] $A [SEP]")
            .unwrap()
            .special_tokens(vec![("[CLS]", 101), ("[SEP]", 102)])
            .build()
            .unwrap();
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(BertNormalizer::default())).unwrap();
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        tokenizer.with_post_processor(Some(ends));
        tokenizer.add_special_tokens(SPECIAL.map(|(piece, _)| AddedToken::from(piece, true))).unwrap();
        tokenizer
    }

    #[test]
    fn the_corpus_has_the_ids_of_the_library() {
        let (own, library) = (tokenizer(), library());
        for line in MIXED.lines().chain(["", "[MASK] Caf\u{e9} \u{1f9ea} [cls]\u{4e16}\u{301}x"]) {
            let mut ids = Vec::new();
            own.encode(line, usize::MAX, &mut Scratch::default(), &mut ids);
            assert_eq!(ids, library.encode_fast(line, true).unwrap().get_ids(), "{line}");
        }
    }

    const MIXED: &str = include_str!("../../../corpus/mixed.txt");

    /// Untruncated lengths of the corpus, special pieces included, in ascending order.
    fn corpus_lengths() -> Vec<usize> {
        let tokenizer = library();
        let mut lengths: Vec<usize> =
            MIXED.lines().map(|line| tokenizer.encode_fast(line, true).unwrap().len()).collect();
        lengths.sort_unstable();
        lengths
    }

    #[test]
    fn the_file_begins_with_the_special_pieces_and_repeats_none() {
        let lines: Vec<&str> = PIECES.lines().collect();
        assert_eq!(lines[..SPECIAL.len()], SPECIAL.map(|(piece, _)| piece));
        assert_eq!(lines.iter().collect::<HashSet<_>>().len(), lines.len());
        assert!((6_000..=8_000).contains(&lines.len()), "{} pieces", lines.len());
    }

    #[test]
    fn distinct_pieces_have_distinct_rows_of_the_table() {
        let mut taken = HashMap::new();
        for (piece, row) in rows() {
            assert!((row as usize) < TABLE_ROWS, "{piece} has row {row}");
            assert_eq!(taken.insert(row, piece), None, "{piece} has the row of another piece, {row}");
        }
        assert_eq!(library().get_vocab_size(true), taken.len());
    }

    #[test]
    fn every_free_row_is_reached_by_one_line() {
        let reached: HashSet<u32> = (0..FREE_ROWS).map(free_row).collect();
        assert_eq!(reached.len(), FREE_ROWS as usize);
        assert!(SPECIAL.iter().all(|(_, row)| !reached.contains(row)));
    }

    #[test]
    fn frequent_pieces_lie_over_the_whole_table() {
        let mut rows_of_first: Vec<u32> = rows().map(|(_, row)| row).take(1_000).collect();
        rows_of_first.sort_unstable();
        let widest = rows_of_first.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest < 100, "a gap of {widest} rows, where an even spread has 31");
    }

    #[test]
    fn special_pieces_have_the_ids_of_bert_and_frame_a_text() {
        let tokenizer = library();
        for (piece, id) in SPECIAL {
            assert_eq!(tokenizer.token_to_id(piece), Some(id), "{piece}");
        }
        let encoding = tokenizer.encode("Café \u{1f9ea}", true).unwrap();
        assert_eq!(encoding.get_ids().first(), Some(&101));
        assert_eq!(encoding.get_ids().last(), Some(&102));
        assert!(encoding.get_ids().contains(&100), "an unknown character is [UNK]");
        let text = &encoding.get_tokens()[1..encoding.len() - 2];
        assert_eq!(text.concat().replace("##", ""), "cafe");
        assert_eq!(tokenizer.encode_fast("", true).unwrap().get_ids(), [101, 102]);
    }

    #[test]
    fn any_ascii_text_has_pieces() {
        let tokenizer = library();
        for c in ' '..='~' {
            let encoding = tokenizer.encode_fast(format!("x{c}{c}y{c}"), false).unwrap();
            assert!(!encoding.get_ids().contains(&100), "{c:?} is unknown");
        }
    }

    #[test]
    fn the_corpus_is_as_long_as_the_texts_of_an_embedding_service() {
        let lengths = corpus_lengths();
        let at = |share: usize| lengths[(lengths.len() - 1) * share / 100];
        assert!((26..=40).contains(&at(50)), "median {}", at(50));
        assert!((80..=110).contains(&at(90)), "90th percentile {}", at(90));
        assert!(at(100) >= 240, "longest {}", at(100));
        assert!(at(0) >= 3, "a line without text");
    }
}
