//! The engine of our own: a BERT-family encoder over the kernels of this crate.

use std::ops::Range;
use std::sync::Arc;

use super::{Embeddings, Engine, EngineError};
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;

mod encoder;
mod workspace;

pub use encoder::{Encoder, Intermediate, Probe};
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
}

impl NativeEngine {
    /// The engine's name.
    pub const ID: &'static str = "native";

    /// An engine over packed weights, which may be shared.
    #[must_use]
    pub fn new(encoder: Arc<Encoder>, team: Team) -> Self {
        Self { encoder, team, workspace: Workspace::new(), clock: Monotonic::new() }
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
        let clock = self.clock;
        let tokens = texts.iter().map(Vec::len).sum();
        let mut values = stages.time(&clock, "prepare", || vec![0.0; texts.len() * dimensions]);
        for part in parts(texts) {
            let rows = &mut values[part.start * dimensions..part.end * dimensions];
            let (encoder, team, workspace) = (&*self.encoder, &self.team, &mut self.workspace);
            stages.time(&clock, "prepare", || encoder.gather(team, &texts[part], workspace))?;
            stages.time(&clock, "encode", || encoder.encode(team, workspace, probe));
            stages.time(&clock, "pool", || encoder.pool(workspace, rows));
            stages.time(&clock, "normalize", || encoder.finish(rows));
        }
        Ok(Embeddings { values, dimensions, tokens })
    }
}

impl Engine for NativeEngine {
    fn id(&self) -> &str {
        Self::ID
    }

    fn dimensions(&self) -> usize {
        self.encoder.model().architecture.hidden
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
}

impl std::fmt::Debug for NativeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeEngine").field("encoder", &self.encoder).finish_non_exhaustive()
    }
}

/// Ranges of whole texts of about [`PART_TOKENS`] each, evenly filled, in order.
fn parts(texts: &[Vec<u32>]) -> Vec<Range<usize>> {
    let total: usize = texts.iter().map(Vec::len).sum();
    let target = total.div_ceil(total.div_ceil(PART_TOKENS).max(1));
    let mut parts = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (i, ids) in texts.iter().enumerate() {
        tokens += ids.len();
        if tokens >= target {
            parts.push(start..i + 1);
            (start, tokens) = (i + 1, 0);
        }
    }
    if start < texts.len() {
        parts.push(start..texts.len());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_text_once_and_stay_near_their_size() {
        for lengths in [vec![], vec![0], vec![3], vec![2000, 1, 1], vec![64; 100], vec![0, 0, 5000, 0]] {
            let texts: Vec<Vec<u32>> = lengths.iter().map(|&n| vec![0; n]).collect();
            let parts = parts(&texts);
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
