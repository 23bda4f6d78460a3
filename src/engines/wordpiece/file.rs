//! `tokenizer.json`, read straight into what a WordPiece tokenizer needs. A file with any part that is not known exactly
//! is left to the `tokenizers` crate.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::added::AddedToken;
use super::normalizer::Normalizer;
use super::pieces::Vocabulary;

/// The parts of a file.
pub(super) struct Parts<'a> {
    pub normalizer: Normalizer,
    pub vocabulary: Vocabulary<'a>,
    pub added: Vec<AddedToken>,
    /// Ids before and behind those of a text.
    pub ends: [Vec<u32>; 2],
}

#[derive(Deserialize)]
struct File<'a> {
    version: Cow<'a, str>,
    added_tokens: Vec<AddedToken>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    _kind: Kind,
    #[serde(borrow)]
    unk_token: Cow<'a, str>,
    #[serde(borrow)]
    continuing_subword_prefix: Cow<'a, str>,
    max_input_chars_per_word: usize,
    #[serde(borrow)]
    vocab: Pairs<'a>,
}

#[derive(Deserialize)]
enum Kind {
    WordPiece,
}

impl<'a> Parts<'a> {
    /// `None` where anything in the file is not known here, or is wrong.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        let file: File<'a> = serde_json::from_slice(json).ok()?;
        let known = file.version == "1.0" && file.pre_tokenizer.get("type")?.as_str()? == "BertPreTokenizer";
        if !known {
            return None;
        }
        Some(Self {
            normalizer: Normalizer::read(&file.normalizer)?,
            vocabulary: Vocabulary {
                pieces: file.model.vocab.0,
                unknown: file.model.unk_token,
                continuing: file.model.continuing_subword_prefix,
                most_characters: file.model.max_input_chars_per_word,
            },
            added: file.added_tokens,
            ends: read_ends(&file.post_processor)?,
        })
    }
}

fn read_ends(value: &Value) -> Option<[Vec<u32>; 2]> {
    if value.is_null() {
        return Some([Vec::new(), Vec::new()]);
    }
    let id = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match value.get("type")?.as_str()? {
        "BertProcessing" | "RobertaProcessing" => {
            let end = |name: &str| Some(vec![id(value.get(name)?.get(1)?)?]);
            // What the library does with them besides has no part in ids; without them it refuses the file.
            if value["type"] == "RobertaProcessing" {
                value.get("trim_offsets")?.as_bool()?;
                value.get("add_prefix_space")?.as_bool()?;
            }
            Some([end("cls")?, end("sep")?])
        }
        "TemplateProcessing" => {
            let mut ends = [Vec::new(), Vec::new()];
            let mut side = 0;
            for piece in value.get("single")?.as_array()? {
                if let Some(special) = piece.get("SpecialToken") {
                    let token = value.get("special_tokens")?.get(special.get("id")?.as_str()?)?;
                    for value in token.get("ids")?.as_array()? {
                        ends.get_mut(side)?.push(id(value)?);
                    }
                } else {
                    let text = piece.get("Sequence")?.get("id")?.as_str()?;
                    side += 1;
                    if text != "A" || side > 1 {
                        return None;
                    }
                }
            }
            (side == 1).then_some(ends)
        }
        _ => None,
    }
}

/// The pieces of a vocabulary in the order of the file.
struct Pairs<'a>(Vec<(Cow<'a, str>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pieces and their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(1 << 15);
                while let Some((Text(piece), id)) = map.next_entry()? {
                    pairs.push((piece, id));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A text that is borrowed where it has no escapes; a plain `Cow` in a map is always copied.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}
