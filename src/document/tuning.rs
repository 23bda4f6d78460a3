//! `perfkit.tuning/1`: which settings were tried, what each gave, and which one was chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Machine;

mod matmul;
mod mol;

pub use matmul::{MatmulSize, MatmulTuning, RowsCrossover};
pub use mol::{DotBeside, FormMemory, MolCandidate, MolChoice, MolSettings, MolTuning, TuningAdvice};

/// A search over settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tuning {
    /// `perfkit.tuning/1`.
    pub schema: String,
    /// `perfkit 0.1.0`.
    pub tool: String,
    /// What was searched: `embed`, `mol` or `matmul`; documents without it are of `embed`.
    #[serde(default = "embed")]
    pub what: String,
    /// The model's name in case texts.
    pub model: String,
    /// The machine's fingerprint.
    pub machine: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// What was asked for.
    pub limits: TuningLimits,
    /// Every setting that was considered.
    pub candidates: Vec<TuningCandidate>,
    /// Peak memory by the size of a batch, a line for each precision.
    pub memory: Vec<MemoryLine>,
    /// The choice; none where no setting meets the limits.
    pub choice: Option<TuningChoice>,
    /// Seconds of measuring.
    pub seconds: f64,
    /// It was interrupted: the choice rests on less.
    pub interrupted: bool,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// The configurations of a mixture of logits, where those were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mol: Option<MolTuning>,
    /// The strategies of matrix products, where those were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matmul: Option<MatmulTuning>,
}

fn embed() -> String {
    "embed".to_owned()
}

impl Tuning {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.tuning/1";

    /// A search of this version over something, before anything is tried.
    #[must_use]
    pub fn begin(what: &str, model: &str, machine: &Machine, seed: u64, limits: TuningLimits) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            tool: format!("perfkit {}", env!("CARGO_PKG_VERSION")),
            what: what.to_owned(),
            model: model.to_owned(),
            machine: machine.fingerprint.clone(),
            seed,
            limits,
            ..Self::default()
        }
    }
}

/// What a setting must meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuningLimits {
    /// Seconds that 19 of 20 batches may take.
    pub latency_seconds: Option<f64>,
    /// Peak memory of the process.
    pub memory_bytes: Option<u64>,
    /// Cosine to single precision of the text that fares worst.
    pub cosine_minimum: Option<f64>,
}

/// Settings of `embed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmbedSettings {
    /// The precision's name.
    pub precision: String,
    /// Threads.
    pub threads: usize,
    /// Texts of a batch.
    pub batch: usize,
    /// Texts are put into batches with others of like length.
    pub by_length: bool,
    /// The optimization level's name; documents without it are of `aggressive`.
    #[serde(default = "aggressive")]
    pub optimization: String,
    /// Tokens that go through the layers together, where they are fewer than those of the level; null where they are the level's.
    #[serde(default)]
    pub part_tokens: Option<usize>,
    /// The preset that sets all this; null where none does.
    #[serde(default)]
    pub preset: Option<String>,
}

/// The level of embedding where nothing says otherwise.
const USUAL_LEVEL: &str = "aggressive";

fn aggressive() -> String {
    USUAL_LEVEL.to_owned()
}

impl Default for EmbedSettings {
    fn default() -> Self {
        Self {
            precision: String::new(),
            threads: 0,
            batch: 0,
            by_length: false,
            optimization: aggressive(),
            part_tokens: None,
            preset: None,
        }
    }
}

impl std::fmt::Display for EmbedSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { precision, threads, batch, by_length, optimization, part_tokens, preset } = self;
        let order = if *by_length { " by length" } else { "" };
        write!(f, "{precision}, batch {batch}{order}, t{threads}")?;
        if let Some(tokens) = part_tokens {
            write!(f, ", parts of {tokens}")?;
        }
        if optimization != USUAL_LEVEL {
            write!(f, ", {optimization}")?;
        }
        preset.as_ref().map_or(Ok(()), |preset| write!(f, ", preset {preset}"))
    }
}

/// One setting and what it gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuningCandidate {
    /// The setting.
    pub settings: EmbedSettings,
    /// Rounds that it took part in.
    pub rounds: usize,
    /// Texts of the corpus in a second, the median round; null where it was not measured.
    pub texts_per_second: Option<f64>,
    /// Of its batches the time that 19 of 20 do not exceed.
    pub latency_seconds: Option<f64>,
    /// Batches behind that.
    pub batches: usize,
    /// Peak memory by the line of its precision.
    pub memory_bytes: Option<f64>,
    /// Smallest cosine to single precision over the texts compared.
    pub cosine_minimum: Option<f64>,
    /// Why it left the search before its end; null where it stayed.
    pub dropped: Option<String>,
    /// It meets the limits, as far as it was measured.
    pub meets_limits: bool,
    /// No other that meets the limits is as good in everything and better in something.
    pub on_front: bool,
}

/// Peak memory of a fresh process as a line over the size of the batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryLine {
    /// The precision's name.
    pub precision: String,
    /// As in the settings.
    #[serde(default = "aggressive")]
    pub optimization: String,
    /// As in the settings.
    #[serde(default)]
    pub part_tokens: Option<usize>,
    /// Bytes without a text.
    pub base_bytes: f64,
    /// Bytes for every text of a batch.
    pub bytes_per_text: f64,
    /// The largest difference between the line and a measured point.
    pub error_bytes: f64,
    /// What was measured.
    pub points: Vec<MemoryPoint>,
}

impl MemoryLine {
    /// Whether the line is that of a setting.
    #[must_use]
    pub fn is_of(&self, settings: &EmbedSettings) -> bool {
        self.precision == settings.precision
            && self.optimization == settings.optimization
            && self.part_tokens == settings.part_tokens
    }

    /// Peak memory with a batch of so many texts.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "texts of a batch")]
    pub fn bytes_at(&self, batch: usize) -> f64 {
        self.base_bytes + self.bytes_per_text * batch as f64
    }
}

impl std::fmt::Display for MemoryLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.precision)?;
        if let Some(tokens) = self.part_tokens {
            write!(f, ", parts of {tokens}")?;
        }
        if self.optimization == USUAL_LEVEL { Ok(()) } else { write!(f, ", {}", self.optimization) }
    }
}

/// The peak of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryPoint {
    /// Texts of its batch.
    pub batch: usize,
    /// Its peak resident size.
    pub bytes: u64,
}

/// The setting that was chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuningChoice {
    /// The setting.
    pub settings: EmbedSettings,
    /// Settings that were shown to be slower, by the margin or far.
    pub shown_slower: usize,
    /// Settings that were shown to be as fast within the margin.
    pub shown_equivalent: usize,
    /// Settings that could not be told apart from it in the time given.
    pub undecided: usize,
    /// The margin, as a share of the time.
    pub margin: f64,
}
