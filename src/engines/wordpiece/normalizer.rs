//! What becomes of a text before it is cut into words: the steps that BERT's tokenizers have, with the same Unicode
//! tables as the `tokenizers` crate, out of the same crates.

use serde_json::Value;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::{canonical_combining_class, is_combining_mark};

/// One thing that is done to every character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Controls and replacement characters go, any white space becomes a space.
    Clean,
    /// Spaces around ideographs.
    Ideographs,
    /// Canonical decomposition.
    Decompose,
    /// Compatibility decomposition.
    DecomposeCompatibly,
    /// Nonspacing marks go.
    StripNonspacing,
    /// Combining marks go.
    StripCombining,
    /// Lower case, each character for itself.
    Lowercase,
}

/// The steps, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Normalizer {
    steps: Vec<Step>,
}

/// What one character becomes.
pub(super) struct Normalized {
    /// Instead of it.
    pub characters: Vec<char>,
    /// Whether a mark is left that decomposition moves past marks of neighbouring characters: then what they become
    /// together is not what each becomes alone.
    pub movable: bool,
}

impl Normalizer {
    /// BERT's, as files of lower-cased models have it.
    pub(super) fn lowercased() -> Self {
        use Step::{Clean, Decompose, Ideographs, Lowercase, StripNonspacing};
        Self { steps: vec![Clean, Ideographs, Decompose, StripNonspacing, Lowercase] }
    }

    /// By the `normalizer` of a `tokenizer.json`; `None` where it has a part that is not known here.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let mut steps = Vec::new();
        push_steps(value, &mut steps)?;
        Some(Self { steps })
    }

    /// The whole text.
    pub(super) fn text(&self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for step in &self.steps {
            characters = step.apply(&characters);
        }
        characters.into_iter().collect()
    }

    /// One character by itself.
    pub(super) fn character(&self, character: char) -> Normalized {
        // Beside each character: whether it comes from a mark that a decomposition put in the order of such marks.
        let mut characters = vec![(character, false)];
        for step in &self.steps {
            characters = characters
                .iter()
                .flat_map(|&(c, moved)| step.apply(&[c]).into_iter().map(move |c| (c, moved)))
                .map(|(c, moved)| (c, moved || step.reorders() && canonical_combining_class(c) != 0))
                .collect();
        }
        Normalized {
            movable: characters.iter().any(|(_, moved)| *moved),
            characters: characters.into_iter().map(|(c, _)| c).collect(),
        }
    }
}

impl Step {
    fn apply(self, characters: &[char]) -> Vec<char> {
        let all = characters.iter().copied();
        match self {
            Self::Clean => {
                all.filter(|&c| !is_dropped(c)).map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
            }
            Self::Ideographs => {
                let mut spaced = Vec::with_capacity(characters.len());
                for c in all {
                    if is_ideograph(c) {
                        spaced.extend([' ', c, ' ']);
                    } else {
                        spaced.push(c);
                    }
                }
                spaced
            }
            Self::Decompose => all.nfd().map(|(c, _)| c).collect(),
            Self::DecomposeCompatibly => all.nfkd().map(|(c, _)| c).collect(),
            Self::StripNonspacing => all.filter(|c| !c.is_mark_nonspacing()).collect(),
            Self::StripCombining => all.filter(|&c| !is_combining_mark(c)).collect(),
            Self::Lowercase => all.flat_map(char::to_lowercase).collect(),
        }
    }

    /// Whether it sorts marks by their class.
    const fn reorders(self) -> bool {
        matches!(self, Self::Decompose | Self::DecomposeCompatibly)
    }
}

fn push_steps(value: &Value, steps: &mut Vec<Step>) -> Option<()> {
    if value.is_null() {
        return Some(());
    }
    let fields = value.as_object()?;
    match fields.get("type")?.as_str()? {
        "BertNormalizer" => {
            let switch = |name: &str| fields.get(name)?.as_bool();
            let lowercase = switch("lowercase")?;
            let strip_accents = match fields.get("strip_accents") {
                None | Some(Value::Null) => lowercase,
                Some(value) => value.as_bool()?,
            };
            let parts: [(bool, &[Step]); 4] = [
                (switch("clean_text")?, &[Step::Clean]),
                (switch("handle_chinese_chars")?, &[Step::Ideographs]),
                (strip_accents, &[Step::Decompose, Step::StripNonspacing]),
                (lowercase, &[Step::Lowercase]),
            ];
            steps.extend(parts.iter().filter(|(on, _)| *on).flat_map(|(_, steps)| *steps));
        }
        "Sequence" => {
            for part in fields.get("normalizers")?.as_array()? {
                // A part that is null is an error to the library.
                part.as_object()?;
                push_steps(part, steps)?;
            }
        }
        "NFD" => steps.push(Step::Decompose),
        "NFKD" => steps.push(Step::DecomposeCompatibly),
        "StripAccents" => steps.push(Step::StripCombining),
        "Lowercase" => steps.push(Step::Lowercase),
        _ => return None,
    }
    Some(())
}

/// What cleaning takes out: every character of the categories "other", but for the three controls that are white space.
fn is_dropped(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\0' | '\u{fffd}' => true,
        _ => c.is_other(),
    }
}

/// The blocks that BERT calls Chinese.
const fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{4e00}'..='\u{9fff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{20000}'..='\u{2a6df}'
            | '\u{2a700}'..='\u{2b73f}'
            | '\u{2b740}'..='\u{2b81f}'
            | '\u{2b920}'..='\u{2ceaf}'
            | '\u{f900}'..='\u{faff}'
            | '\u{2f800}'..='\u{2fa1f}'
    )
}

/// Whether a normalised character is a word by itself.
pub(super) fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_punctuation()
}
