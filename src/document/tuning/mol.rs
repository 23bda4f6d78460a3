//! `tune mol`: the configurations of a mixture of logits that were measured, and what each gave.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Unknown;

/// A search over the sizes of a mixture of logits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MolTuning {
    /// Items that every query is scored against.
    pub items: usize,
    /// The instruction tier of the kernels.
    pub tier: String,
    /// Width of the embeddings of the dot product beside them.
    pub dot_width: usize,
    /// Least quality that was asked for.
    pub quality_minimum: Option<f64>,
    /// Where the quality comes from: a table of the user's, or what was measured of which vectors; null where nowhere.
    pub quality_source: Option<String>,
    /// Every configuration.
    pub candidates: Vec<MolCandidate>,
    /// The dot product, for each size of a batch.
    pub dots: Vec<DotBeside>,
    /// Memory of every form at the sizes of the choice.
    pub forms: Vec<FormMemory>,
    /// The choice; none where no configuration meets the limits.
    pub choice: Option<MolChoice>,
    /// What to set and to watch where it is deployed.
    pub advice: Vec<TuningAdvice>,
    /// Why a field is null.
    pub unknown: Vec<Unknown>,
}

/// Sizes of a mixture of logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MolSettings {
    /// Components of a query.
    pub query_components: usize,
    /// Components of an item.
    pub item_components: usize,
    /// Width of a component.
    pub width: usize,
    /// Hidden units of the gates' network.
    pub gate_hidden: usize,
    /// Queries scored together.
    pub batch: usize,
}

impl std::fmt::Display for MolSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { query_components, item_components, width, gate_hidden, batch } = self;
        write!(f, "{query_components}x{item_components}x{width}, gate {gate_hidden}, batch {batch}")
    }
}

/// One configuration and what it gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MolCandidate {
    /// The configuration.
    pub settings: MolSettings,
    /// Rounds that it took part in.
    pub rounds: usize,
    /// Queries scored against all items in a second, the median round; null where it was not measured.
    pub queries_per_second: Option<f64>,
    /// Operations per second at that rate.
    pub flops_per_second: Option<f64>,
    /// The time that 19 of 20 batches do not exceed.
    pub latency_seconds: Option<f64>,
    /// Batches behind that.
    pub batches: usize,
    /// How many times as long a query takes as by the dot product at the same batch.
    pub times_dot: Option<f64>,
    /// Largest resident size of a process of its own that arranges and scores it, without what the program takes itself.
    pub memory_bytes: Option<u64>,
    /// Quality, by whatever `quality_source` says; null where it is not measured.
    pub quality: Option<f64>,
    /// Why it cannot be the choice; null where it could.
    pub dropped: Option<String>,
    /// It meets the limits.
    pub meets_limits: bool,
    /// No other that meets the limits is as good in everything and better in something.
    pub on_front: bool,
}

/// The dot product beside the mixtures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DotBeside {
    /// Queries scored together.
    pub batch: usize,
    /// Rounds.
    pub rounds: usize,
    /// Queries scored against all items in a second, the median round.
    pub queries_per_second: Option<f64>,
    /// The time that 19 of 20 batches do not exceed.
    pub latency_seconds: Option<f64>,
    /// Operations per second at that rate.
    pub flops_per_second: Option<f64>,
}

/// Memory of a form: counted parts, and the resident sizes of a process of its own without what the program takes itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FormMemory {
    /// `fused`, `tiled`, `eager`, `dot`.
    pub form: String,
    /// Components and gates of items and queries, and the scores, as numbers: counted.
    pub data_bytes: u64,
    /// Weights of the network: counted.
    pub model_bytes: u64,
    /// While it scores: measured.
    pub resident_bytes: Option<u64>,
    /// At most, with the arranging: measured.
    pub peak_bytes: Option<u64>,
    /// Why a size is null.
    pub why: Option<String>,
}

impl FormMemory {
    /// The share of the peak that is data and model.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bytes of a memory")]
    pub fn efficiency(&self) -> Option<f64> {
        let peak = self.peak_bytes.filter(|&peak| peak > 0)?;
        Some((self.data_bytes + self.model_bytes) as f64 / peak as f64)
    }
}

/// The configuration that was chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MolChoice {
    /// The configuration.
    pub settings: MolSettings,
    /// Configurations within the limits that were shown to be slower.
    pub shown_slower: usize,
    /// Configurations shown to be as fast within the margin.
    pub shown_equivalent: usize,
    /// Configurations that could not be told apart from it in the time given.
    pub undecided: usize,
    /// The margin, as a share of the time.
    pub margin: f64,
}

/// Something to set or to watch, and the measurement that it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TuningAdvice {
    /// What to do.
    pub action: String,
    /// The measurement.
    pub because: String,
}
