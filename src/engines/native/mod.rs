//! The engine of our own: a BERT-family encoder over the kernels of this crate.

use std::ops::Range;
use std::sync::Arc;

use super::{Embeddings, Engine, EngineError, Precision};
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;
use crate::tensor::ArenaStatistics;

mod calibrate;
mod encoder;
mod linear;
mod pack;
mod parts;
mod store;
mod workspace;

pub use encoder::{Encoder, Intermediate, Probe};
pub(super) use linear::pairs_pay;
use parts::Parts;
use workspace::Workspace;

/// A batch is worked through in parts of whole texts of about so many tokens: memory stays bounded whatever the
/// batch, the activations stay in the caches, and the weights are still read rarely enough not to matter.
const PART_TOKENS: usize = 1024;

/// `native`: an encoder, the threads it runs on, and its buffers.
pub struct NativeEngine {
    encoder: Arc<Encoder>,
    team: Team,
    workspace: Workspace,
    clock: Monotonic,
    /// Where the time of the last batch's layers went.
    layer_parts: Parts,
    /// Tokens of each text of the last batch.
    lengths: Vec<usize>,
}

impl NativeEngine {
    /// The engine's name.
    pub const ID: &'static str = "native";

    /// An engine over packed weights, which may be shared.
    #[must_use]
    pub fn new(encoder: Arc<Encoder>, team: Team) -> Self {
        let clock = Monotonic::new();
        let (workspace, layer_parts) = (Workspace::new(), Parts::new(clock));
        Self { encoder, team, workspace, clock, layer_parts, lengths: Vec::new() }
    }

    /// The packed model.
    #[must_use]
    pub const fn encoder(&self) -> &Arc<Encoder> {
        &self.encoder
    }

    /// Embeds texts that are token ids already, in order; `tokenize` stays out of `stages`.
    ///
    /// # Errors
    /// An id has no row in the model's table, or a text is longer than its position table.
    pub fn embed_ids(&mut self, texts: &[Vec<u32>], stages: &mut Stages) -> Result<Embeddings, EngineError> {
        self.embed_probed(texts, stages, &mut |_, _, _| {})
    }

    /// The same, with every intermediate shown to `probe`.
    ///
    /// # Errors
    /// As for [`NativeEngine::embed_ids`].
    pub fn embed_probed(
        &mut self,
        texts: &[Vec<u32>],
        stages: &mut Stages,
        probe: &mut Probe<'_>,
    ) -> Result<Embeddings, EngineError> {
        let dimensions = self.dimensions();
        let mut values = stages.time(&self.clock, "prepare", || vec![0.0; texts.len() * dimensions]);
        self.embed_into(texts, stages, probe, &mut values)?;
        let tokens = texts.iter().map(Vec::len).sum();
        Ok(Embeddings { values, dimensions, tokens })
    }

    /// The same into memory of the caller's, an embedding a row: once buffers have grown to the largest batch, a team of
    /// one thread allocates nothing.
    ///
    /// # Errors
    /// As for [`NativeEngine::embed_ids`].
    ///
    /// # Panics
    /// Where `values` is not as many embeddings as there are texts.
    pub fn embed_into(
        &mut self,
        texts: &[Vec<u32>],
        stages: &mut Stages,
        probe: &mut Probe<'_>,
        values: &mut [f32],
    ) -> Result<(), EngineError> {
        let dimensions = self.dimensions();
        assert_eq!(values.len(), texts.len() * dimensions, "an embedding a text");
        let Self { encoder, team, workspace, clock, layer_parts, lengths } = self;
        let clock = *clock;
        layer_parts.reset();
        lengths.clear();
        lengths.extend(texts.iter().map(Vec::len));
        let mut rest = values;
        for part in parts(texts) {
            let (rows, later) = std::mem::take(&mut rest).split_at_mut(part.len() * dimensions);
            rest = later;
            stages.time(&clock, "prepare", || encoder.gather(team, &texts[part], workspace))?;
            stages.time(&clock, "encode", || encoder.encode(team, workspace, layer_parts, probe));
            stages.time(&clock, "pool", || encoder.pool(workspace, rows));
            stages.time(&clock, "normalize", || encoder.finish(rows));
        }
        Ok(())
    }

    /// How its memory was used so far.
    #[must_use]
    pub const fn memory(&self) -> ArenaStatistics {
        self.workspace.statistics()
    }
}

impl Engine for NativeEngine {
    fn id(&self) -> &str {
        Self::ID
    }

    fn dimensions(&self) -> usize {
        self.encoder.model().embedding_len()
    }

    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError> {
        let start = self.clock.now();
        let clock = self.clock;
        let tokenizer = &self.encoder.model().tokenizer;
        let ids = stages.time(&clock, "tokenize", || tokenizer.batch(texts, &self.team))?;
        let embeddings = self.embed_ids(&ids, stages)?;
        stages.add_total(self.clock.now().saturating_sub(start));
        Ok(embeddings)
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes of a workspace")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        let memory = self.memory();
        let mut facts: Vec<_> = self.layer_parts.seconds().collect();
        facts.extend(parts::flops(&self.encoder.model().architecture, &self.lengths));
        facts.extend([
            ("workspace_bytes", memory.capacity_bytes as f64),
            ("workspace_unused_share", memory.unused_share()),
            ("workspace_reused_share", memory.reused_share()),
        ]);
        facts
    }
}

impl std::fmt::Debug for NativeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeEngine").field("encoder", &self.encoder).finish_non_exhaustive()
    }
}

/// Ranges of whole texts of about [`PART_TOKENS`] each, evenly filled, in order.
fn parts(texts: &[Vec<u32>]) -> impl Iterator<Item = Range<usize>> {
    let total: usize = texts.iter().map(Vec::len).sum();
    let target = total.div_ceil(total.div_ceil(PART_TOKENS).max(1));
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = start;
        let mut tokens = 0;
        while start < texts.len() && (start == first || tokens < target) {
            tokens += texts[start].len();
            start += 1;
        }
        (start > first).then_some(first..start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_text_once_and_stay_near_their_size() {
        for lengths in [vec![], vec![0], vec![3], vec![2000, 1, 1], vec![64; 100], vec![0, 0, 5000, 0]] {
            let texts: Vec<Vec<u32>> = lengths.iter().map(|&n| vec![0; n]).collect();
            let parts: Vec<Range<usize>> = parts(&texts).collect();
            let covered: Vec<usize> = parts.iter().cloned().flatten().collect();
            assert_eq!(covered, (0..texts.len()).collect::<Vec<_>>(), "{lengths:?}");
            let longest = lengths.iter().max().copied().unwrap_or(0);
            for part in parts {
                let tokens: usize = lengths[part].iter().sum();
                assert!(tokens <= PART_TOKENS + longest, "{tokens}");
            }
        }
    }
}
