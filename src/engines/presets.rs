//! What a user may ask for in one word: presets, which say how texts are put together, and optimisation levels, which say
//! how much of the engine's own work on speed is switched on. Both are tables; nothing else knows what a word means.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use super::EngineError;
use super::native::PART_TOKENS;
use super::precision::Precision;
use super::stream::Mode;
use crate::simd::Tier;

/// How much of the work on speed is switched on. Every level gives the same vectors but for rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Nothing.
    None,
    /// Wide instructions.
    Basic,
    /// Everything.
    #[default]
    Aggressive,
}

/// One row of [`LEVELS`].
#[derive(Debug)]
pub struct LevelRow {
    /// Which.
    pub level: Level,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it switches, as printed with a result.
    pub about: &'static str,
    /// Which of a precision's tiers is used.
    pub tier: TierChoice,
    /// Texts of a batch that go through the layers together, as tokens; 1 is a text at a time.
    pub part_tokens: NonZeroUsize,
    /// Whether packed weights are kept between runs.
    pub packed: PackedWeights,
}

/// Which of the tiers that a precision has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierChoice {
    /// The one with the narrowest instructions.
    Least,
    /// The fastest.
    Best,
}

/// What happens to packed weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedWeights {
    /// They are made at every start.
    MadeAnew,
    /// They are kept on disk.
    Kept,
}

const fn tokens(count: usize) -> NonZeroUsize {
    match NonZeroUsize::new(count) {
        Some(count) => count,
        None => NonZeroUsize::MIN,
    }
}

/// Every level, from none.
pub static LEVELS: &[LevelRow] = &[
    LevelRow {
        level: Level::None,
        name: "none",
        about: "the precision's narrowest instructions, a text at a time, weights packed at every start",
        tier: TierChoice::Least,
        part_tokens: NonZeroUsize::MIN,
        packed: PackedWeights::MadeAnew,
    },
    LevelRow {
        level: Level::Basic,
        name: "basic",
        about: "the fastest instructions here, a text at a time, weights packed at every start",
        tier: TierChoice::Best,
        part_tokens: NonZeroUsize::MIN,
        packed: PackedWeights::MadeAnew,
    },
    LevelRow {
        level: Level::Aggressive,
        name: "aggressive",
        about: "the fastest instructions here, the texts of a batch end to end in even parts of 1024 tokens, packed weights kept on disk",
        tier: TierChoice::Best,
        part_tokens: tokens(PART_TOKENS),
        packed: PackedWeights::Kept,
    },
];

impl Level {
    /// What it switches.
    #[must_use]
    pub fn row(self) -> &'static LevelRow {
        LEVELS.iter().find(|row| row.level == self).unwrap_or(&LEVELS[LEVELS.len() - 1])
    }
}

impl LevelRow {
    /// Tokens that go through the layers together where so many were asked for: a level may allow fewer.
    #[must_use]
    pub fn part_tokens(&self, asked: Option<NonZeroUsize>) -> NonZeroUsize {
        asked.map_or(self.part_tokens, |own| own.min(self.part_tokens))
    }

    /// The tier for a precision; `None` where the precision has none here.
    #[must_use]
    pub fn tier(&self, precision: Precision) -> Option<Tier> {
        match self.tier {
            TierChoice::Best => precision.best_tier(),
            TierChoice::Least => precision.tiers().iter().rev().copied().find(|tier| tier.is_available()),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().name)
    }
}

impl FromStr for Level {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let names = LEVELS.iter().map(|row| row.name);
        LEVELS
            .iter()
            .find(|row| row.name == text)
            .map(|row| row.level)
            .ok_or_else(|| unknown("optimisation level", text, names))
    }
}

/// There is no such word; these there are.
pub(super) fn unknown(what: &str, text: &str, names: impl Iterator<Item = &'static str>) -> EngineError {
    let names: Vec<&str> = names.collect();
    let text = super::config::shown(text);
    EngineError::Input(format!("there is no {what} {text:?}; there are {}", names.join(", ")))
}

/// How many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadShare {
    /// One.
    One,
    /// All that this process may use.
    All,
}

/// What matters most: one row of [`PRESETS`]. A flag wins over what a preset says.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// What for.
    pub about: &'static str,
    /// Texts of a batch.
    pub batch: NonZeroUsize,
    /// Threads.
    pub threads: ThreadShare,
    /// The precision; that of the command where it says none.
    pub precision: Option<Precision>,
    /// Tokens that go through the layers together, where the level puts texts together.
    pub part_tokens: NonZeroUsize,
    /// How a file is streamed.
    pub stream: Mode,
    /// Batches that may wait.
    pub buffer: NonZeroUsize,
    /// Milliseconds that a text waits for others at most, where the stream is timed.
    pub max_wait_milliseconds: u64,
}

/// Every preset.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "latency",
        about: "an answer soon",
        batch: NonZeroUsize::MIN,
        threads: ThreadShare::All,
        precision: None,
        part_tokens: tokens(PART_TOKENS),
        stream: Mode::Timed,
        buffer: NonZeroUsize::MIN,
        max_wait_milliseconds: 5,
    },
    Preset {
        name: "throughput",
        about: "most texts a second",
        batch: tokens(64),
        threads: ThreadShare::All,
        precision: None,
        part_tokens: tokens(PART_TOKENS),
        stream: Mode::Sequential,
        buffer: tokens(8),
        max_wait_milliseconds: 50,
    },
    Preset {
        name: "memory",
        about: "least memory: binary16 weights, small parts",
        batch: tokens(8),
        threads: ThreadShare::One,
        precision: Some(Precision::F16),
        part_tokens: tokens(256),
        stream: Mode::Sequential,
        buffer: NonZeroUsize::MIN,
        max_wait_milliseconds: 50,
    },
];

impl Preset {
    /// The preset of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(text: &str) -> Result<&'static Self, EngineError> {
        PRESETS
            .iter()
            .find(|preset| preset.name == text)
            .ok_or_else(|| unknown("preset", text, PRESETS.iter().map(|preset| preset.name)))
    }

    /// What it sets, in words.
    #[must_use]
    pub fn settings(&self) -> String {
        let threads = match self.threads {
            ThreadShare::One => "1 thread",
            ThreadShare::All => "all threads",
        };
        let precision = self.precision.map_or_else(String::new, |precision| format!(", {precision}"));
        let wait = match self.stream {
            Mode::Timed => format!(" (at most {} ms)", self.max_wait_milliseconds),
            Mode::Sequential | Mode::Parallel => String::new(),
        };
        format!(
            "batch {}, {threads}{precision}, parts of {} tokens, stream {}{wait}, buffer {}",
            self.batch, self.part_tokens, self.stream, self.buffer
        )
    }
}

/// Both tables, for a help text.
#[must_use]
pub fn listed() -> String {
    let mut lines = vec!["Presets (a flag wins over what a preset says):".to_owned()];
    lines.extend(PRESETS.iter().map(|row| format!("  {:<11} {}: {}", row.name, row.about, row.settings())));
    lines.push("Optimisation levels (the same vectors but for rounding):".to_owned());
    lines.extend(LEVELS.iter().map(|row| format!("  {:<11} {}", row.name, row.about)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engines::builtin::{self, model};
    use crate::engines::native::{Encoder, NativeEngine};
    use crate::engines::{Engine, Stages, agreement};
    use crate::sys::Team;

    #[test]
    fn every_level_gives_the_same_vectors_but_for_rounding() {
        let model = Arc::new(model(builtin::Preset::Tiny).unwrap());
        let texts = ["one", "", "a longer text about nothing in particular", "two words", "one"];
        for precision in Precision::all().filter(|precision| precision.best_tier().is_some()) {
            let mut answers = Vec::new();
            for row in LEVELS {
                let tier = row.tier(precision).unwrap();
                let encoder = Encoder::pack_as(model.clone(), precision, tier).unwrap();
                let mut engine = NativeEngine::new(Arc::new(encoder), Team::single());
                engine.limit_part(row.part_tokens);
                answers.push(engine.embed(&texts, &mut Stages::new()).unwrap());
            }
            // Steps of eight bits may fall to either side of a rounding.
            let least = if precision == Precision::Int8 { 0.9995 } else { 0.99999 };
            for (answer, row) in answers.iter().zip(LEVELS) {
                for (a, b) in answers[0].rows().zip(answer.rows()) {
                    let cosine = agreement::cosine(a, b);
                    assert!(cosine > least, "{precision} {}: {cosine}", row.name);
                }
            }
        }
    }

    #[test]
    fn words_are_read_back_and_others_refused_with_the_list() {
        for row in LEVELS {
            assert_eq!(row.name.parse::<Level>().unwrap(), row.level);
        }
        for preset in PRESETS {
            assert_eq!(Preset::named(preset.name).unwrap().name, preset.name);
            assert!(listed().contains(&preset.settings()), "{}", listed());
        }
        assert!("most".parse::<Level>().unwrap_err().to_string().contains("aggressive"));
        assert!(Preset::named("speed").unwrap_err().to_string().contains("throughput"));
    }
}
