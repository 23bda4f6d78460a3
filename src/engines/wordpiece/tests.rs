//! The same ids as the `tokenizers` crate: on texts made to be hard, on vocabularies and settings drawn at random, and on
//! every character of Unicode.

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::{Tokenizer, TruncationParams};

use super::characters::Kind;
use super::*;

/// Both tokenizers of one file.
struct Both {
    own: WordPiece,
    library: Tokenizer,
    most: usize,
}

impl Both {
    fn new(file: &Value, most: usize) -> Option<Self> {
        let bytes = serde_json::to_vec(file).unwrap();
        let own = WordPiece::read(&bytes)?;
        let mut library = Tokenizer::from_bytes(&bytes).unwrap();
        let most = most.max(own.special());
        library.with_padding(None);
        library
            .with_truncation(Some(TruncationParams { max_length: most, ..TruncationParams::default() }))
            .unwrap();
        Some(Self { own, library, most })
    }

    fn own(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.own.encode(text, self.most, &mut Scratch::default(), &mut ids);
        ids
    }

    fn library(&self, text: &str) -> Vec<u32> {
        self.library.encode_fast(text, true).unwrap().get_ids().to_vec()
    }

    fn same(&self, text: &str) -> Result<(), TestCaseError> {
        let own = self.own(text);
        // It panics where one added token has taken the white space that the next begins with.
        let Ok(library) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.library(text)))
        else {
            return Ok(());
        };
        prop_assert_eq!(own, library, "{:?}", text);
        Ok(())
    }
}

/// BERT's file around a vocabulary.
fn bert(vocabulary: &[&str], change: impl FnOnce(&mut Value)) -> Value {
    let pieces: serde_json::Map<String, Value> =
        vocabulary.iter().enumerate().map(|(id, piece)| ((*piece).to_owned(), json!(id))).collect();
    let special = |content: &str| {
        json!({
            "id": 0, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        })
    };
    let mut file = json!({
        "version": "1.0",
        "truncation": { "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
        "padding": null,
        "added_tokens": [special("[PAD]"), special("[UNK]"), special("[CLS]"), special("[SEP]")],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": pieces
        }
    });
    change(&mut file);
    file
}

/// Pieces that make the texts below interesting.
const PIECES: &[&str] = &[
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "b",
    "c",
    "##a",
    "##b",
    "##c",
    "abc",
    "##abc",
    "ab",
    "##cab",
    "!",
    ".",
    "[",
    "]",
    "#",
    "=",
    "0",
    "12",
    "##3",
    "word",
    "##wordwordwordwordword",
    "wordwordwordwordwordword",
    "##word",
    "wordwordwordwor",
    "##dwordwordword",
    "é",
    "##é",
    "e",
    "##e",
    "\u{301}",
    "##\u{301}",
    "世",
    "##世",
    "界",
    "\u{1100}",
    "##\u{1161}",
    "##\u{11a8}",
    "я",
    "##я",
    "й",
    "ß",
    "##ß",
    "ss",
    "i\u{307}",
    "##\u{1d165}",
    "\u{1d165}",
    "\u{302e}",
    "##\u{302e}",
    "😀",
    "##😀",
    "❤",
    "##\u{fe0f}",
    "ς",
    "##σ",
    "σ",
    "\u{0}",
    "\u{fffd}",
    "##\u{200d}",
    "ﬁ",
    "fi",
    "##ﬁ",
];

/// Texts that a scanner could get wrong.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => proptest::sample::select(PIECES).prop_map(|piece| piece.trim_start_matches('#').to_owned()),
        4 => "[a-cA-C0-3]{0,20}",
        3 => "[ \\t\\n\\r\u{a0}\u{2003}\u{3000}\u{85}]{0,3}",
        2 => "[!-/:-@\\[-`{-~]{1,3}",
        2 => "\\PC{0,4}",
        2 => any::<char>().prop_map(String::from),
        1 => "[\u{300}-\u{30a}\u{302e}\u{302f}\u{5b0}-\u{5b9}\u{1d165}-\u{1d16d}\u{345}\u{640}\u{93f}]{1,4}",
        1 => "[\u{ac00}-\u{d7a3}\u{1100}-\u{1112}\u{1161}-\u{1175}\u{11a8}-\u{11c2}]{1,3}",
        1 => "[\u{4e00}-\u{4e20}\u{f900}-\u{fa6d}\u{2f800}-\u{2f810}\u{3400}\u{20000}\u{30000}]{1,3}",
        1 => "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{200f}\u{feff}\u{fffd}\u{ad}\u{e000}\u{378}]{1,3}",
        1 => "[À-žΑ-ωА-яİıẞßſK\u{212b}\u{1e9b}\u{37e}\u{1fef}\u{2260}\u{226e}]{1,4}",
        1 => "(👩‍👩‍👧|❤️|🏳️‍🌈|👍🏽|😀){1,2}",
        1 => (1_usize..150).prop_map(|n| "abc".chars().cycle().take(n).collect()),
        1 => (1_usize..60).prop_map(|n| "word".repeat(n)),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn added_token() -> impl Strategy<Value = Value> {
    let content = prop_oneof![
        proptest::sample::select(
            &["[CLS]", "[MASK]", "<x>", "ab", "a b", " a", "B!", "É", "é", "世", "\t", "!"][..]
        )
        .prop_map(String::from),
        "[abcA \\[\\]é]{1,4}",
    ];
    (content, any::<[bool; 5]>()).prop_map(|(content, [single_word, lstrip, rstrip, normalized, special])| {
        json!({
            "id": 7, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
            "normalized": normalized, "special": special
        })
    })
}

fn normalizer() -> impl Strategy<Value = Value> {
    let bert =
        (any::<[bool; 3]>(), any::<Option<bool>>()).prop_map(|([clean, chinese, lowercase], accents)| {
            json!({
                "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
                "strip_accents": accents, "lowercase": lowercase
            })
        });
    let one = prop_oneof![
        4 => bert,
        1 => proptest::sample::select(&["NFD", "NFKD", "StripAccents", "Lowercase"][..])
            .prop_map(|name| json!({ "type": name })),
    ];
    let sequence = proptest::collection::vec(one.clone(), 0..4)
        .prop_map(|parts| json!({ "type": "Sequence", "normalizers": parts }));
    prop_oneof![4 => one, 2 => sequence, 1 => Just(Value::Null)]
}

fn post_processor() -> impl Strategy<Value = Value> {
    let special = json!({
        "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
        "[SEP]": { "id": "[SEP]", "ids": [3, 1], "tokens": ["[SEP]", "[UNK]"] }
    });
    let piece = |id: &str| json!({ "SpecialToken": { "id": id, "type_id": 0 } });
    let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let template = |single: Vec<Value>| {
        json!({ "type": "TemplateProcessing", "single": single, "pair": [text.clone(), { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": special.clone() })
    };
    proptest::sample::select(vec![
        Value::Null,
        json!({ "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] }),
        json!({ "type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": true, "add_prefix_space": false }),
        template(vec![piece("[CLS]"), text.clone(), piece("[SEP]")]),
        template(vec![text.clone(), piece("[SEP]"), piece("[CLS]")]),
        template(vec![text.clone()]),
    ])
}

fn file() -> impl Strategy<Value = Value> {
    let known = proptest::collection::vec(proptest::sample::select(PIECES), 0..40);
    let drawn = proptest::collection::vec("(##|a)?[abc\u{e9}\u{301}я世!]{1,4}", 0..20);
    let prefix = proptest::sample::select(&["##", "##", "", "a", "▁", "é"][..]);
    let longest = prop_oneof![0_usize..8, Just(100_usize)];
    let tokens = proptest::collection::vec(added_token(), 0..4);
    (known, drawn, prefix, longest, tokens, normalizer(), post_processor()).prop_map(
        |(known, drawn, prefix, longest, tokens, normalizer, post_processor)| {
            let mut pieces = vec!["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
            for piece in known.into_iter().chain(drawn.iter().map(|piece| &**piece)) {
                if !pieces.contains(&piece) {
                    pieces.push(piece);
                }
            }
            bert(&pieces, |file| {
                file["model"]["continuing_subword_prefix"] = json!(prefix);
                file["model"]["max_input_chars_per_word"] = json!(longest);
                file["added_tokens"].as_array_mut().unwrap().extend(tokens);
                file["normalizer"] = normalizer;
                file["post_processor"] = post_processor;
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hard_texts_have_the_ids_of_the_library(text in text(), most in 2_usize..300) {
        thread_local!(static BOTH: std::cell::RefCell<Both> =
            std::cell::RefCell::new(Both::new(&bert(PIECES, |_| {}), 2).unwrap()));
        BOTH.with_borrow_mut(|both| {
            both.most = most;
            let truncation = TruncationParams { max_length: most, ..TruncationParams::default() };
            both.library.with_truncation(Some(truncation)).unwrap();
            both.same(&text)
        })?;
    }

    #[test]
    fn any_vocabulary_and_settings_give_the_ids_of_the_library(
        file in file(),
        texts in proptest::collection::vec(text(), 1..8),
        most in 0_usize..40,
    ) {
        // Files that the library refuses are left to it.
        let Ok(library) = Tokenizer::from_bytes(serde_json::to_vec(&file).unwrap()) else {
            prop_assert!(WordPiece::read(&serde_json::to_vec(&file).unwrap()).is_none());
            return Ok(());
        };
        drop(library);
        if let Some(both) = Both::new(&file, most) {
            for text in &texts {
                both.same(text)?;
            }
        }
    }
}

/// Every character of Unicode, or those below U+0600 and every `step`-th above.
fn characters(step: usize) -> impl Iterator<Item = char> + Clone {
    let rest = ('\u{600}'..=char::MAX).step_by(step);
    ('\0'..'\u{600}').chain(rest)
}

/// Each alone, between letters, behind an accented one, and around a mark that is not taken away.
fn same_ids_around(characters: impl Iterator<Item = char>) {
    let both = Both::new(&bert(PIECES, |_| {}), 64).unwrap();
    let texts = characters.flat_map(|c| {
        [format!("{c}"), format!("a{c}b"), format!("e\u{301}{c}\u{327}"), format!("{c}\u{302e}{c}")]
    });
    let wrong: Vec<String> = texts.filter(|text| both.own(text) != both.library(text)).collect();
    assert!(wrong.is_empty(), "{} differ, such as {:?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

/// What each becomes between letters by the table, against the library's own normalizer and its cutting into words: ids
/// would hide a difference between two words that are unknown.
fn same_words_around(characters: impl Iterator<Item = char> + Clone) {
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
    use tokenizers::{
        NormalizedString, Normalizer as _, OffsetReferential, OffsetType, PreTokenizedString,
        PreTokenizer as _,
    };
    let settings = [(true, None), (false, None), (true, Some(false)), (false, Some(true))];
    for (clean, (lowercase, accents)) in
        [true, false].into_iter().flat_map(|c| settings.map(|rest| (c, rest)))
    {
        let theirs = BertNormalizer::new(clean, clean, accents, lowercase);
        let own = Normalizer::read(&serde_json::to_value(theirs).unwrap()).unwrap();
        let table = Characters::new(own).unwrap();
        let mut wrong = Vec::new();
        let mut by_themselves = 0;
        for c in characters.clone() {
            let mut text = NormalizedString::from(format!("a{c}b"));
            theirs.normalize(&mut text).unwrap();
            let mut words = PreTokenizedString::from(text.get());
            BertPreTokenizer.pre_tokenize(&mut words).unwrap();
            let words: Vec<&str> = words
                .get_splits(OffsetReferential::Original, OffsetType::Byte)
                .iter()
                .map(|(word, ..)| *word)
                .collect();
            let looked = table.look(c);
            let becomes = std::str::from_utf8(looked.bytes).unwrap();
            let own = match looked.kind {
                Kind::Removed => vec!["ab".to_owned()],
                Kind::Space => vec!["a".to_owned(), "b".to_owned()],
                Kind::Letters => vec![format!("a{becomes}b")],
                Kind::Alone => vec!["a".to_owned(), becomes.to_owned(), "b".to_owned()],
                // These go through the normalizer itself when met.
                Kind::Mixed | Kind::Movable => {
                    by_themselves += 1;
                    continue;
                }
            };
            if own != words {
                wrong.push((c, own, words.join(" ")));
            }
        }
        assert!(wrong.is_empty(), "{} differ, such as {:?}", wrong.len(), &wrong[..wrong.len().min(20)]);
        assert!(by_themselves < 200, "{by_themselves} characters have no row of their own");
    }
}

#[test]
fn characters_have_the_ids_and_words_of_the_library() {
    same_ids_around(characters(61));
    same_words_around(characters(97));
}

#[test]
#[ignore = "a minute; run by .ci/run"]
fn every_character_of_unicode_has_the_ids_and_words_of_the_library() {
    same_ids_around(characters(1));
    same_words_around(characters(1));
}

#[test]
fn a_file_with_a_part_that_is_not_known_is_left_to_the_library() {
    let changes: [fn(&mut Value); 10] = [
        |file| file["version"] = json!("2.0"),
        |file| file["model"]["type"] = json!("BPE"),
        |file| file["model"]["unk_token"] = json!("no such piece"),
        |file| file["normalizer"] = json!({ "type": "NFC" }),
        |file| file["normalizer"] = json!({ "type": "Sequence", "normalizers": [{ "type": "Replace" }] }),
        |file| file["pre_tokenizer"] = json!({ "type": "Whitespace" }),
        |file| file["pre_tokenizer"] = Value::Null,
        |file| file["post_processor"] = json!({ "type": "ByteLevel" }),
        |file| file["model"]["vocab"] = json!(["a", "b"]),
        |file| file["added_tokens"] = json!([{ "content": "[CLS]" }]),
    ];
    assert!(WordPiece::read(&serde_json::to_vec(&bert(PIECES, |_| {})).unwrap()).is_some());
    for (i, change) in changes.into_iter().enumerate() {
        assert!(WordPiece::read(&serde_json::to_vec(&bert(PIECES, change)).unwrap()).is_none(), "change {i}");
    }
    for damaged in [&b""[..], b"{}", b"[", b"null", b"{\"version\":\"1.0\"}"] {
        assert!(WordPiece::read(damaged).is_none());
    }
}

#[test]
fn damaged_files_are_refused_or_give_a_tokenizer_that_works() {
    let whole = serde_json::to_vec(&bert(PIECES, |_| {})).unwrap();
    let tokens: [&[u8]; 12] = [
        b"null",
        b"{}",
        b"[]",
        b"0",
        b"-1",
        b"4294967296",
        b"1e308",
        b"\"\"",
        b"true",
        b",",
        b"\\ud800",
        b"\xff",
    ];
    let mut rng = crate::sys::Rng::new(11);
    let mut taken = 0;
    for _ in 0..4000 {
        let mut bytes = whole.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(4) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => drop(bytes.splice(at..at, tokens[rng.below(tokens.len())].iter().copied())),
                2 => drop(bytes.drain(at..(at + rng.below(12)).min(bytes.len()))),
                _ => bytes.truncate(bytes.len().max(2) - rng.below(2)),
            }
        }
        let Some(tokenizer) = WordPiece::read(&bytes) else { continue };
        taken += 1;
        for text in
            ["", "abc Word \u{e9}\u{301}!", "[CLS] wordwordwordwordwordword \u{4e16}\u{302e}\u{1d165}"]
        {
            let mut ids = Vec::new();
            tokenizer.encode(text, 9, &mut Scratch::default(), &mut ids);
            assert!(ids.len() <= 9.max(tokenizer.special()));
        }
    }
    assert!(taken > 100, "{taken} of 4000 files were read: the others say nothing of those that are");
}
