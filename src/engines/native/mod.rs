//! The engine of our own: a BERT-family encoder over the kernels of this crate.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::{Embeddings, Engine, EngineError, Precision};
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;
use crate::tensor::{ArenaStatistics, BufferPool, PoolStatistics};

mod calibrate;
mod encoder;
mod linear;
mod pack;
mod parts;
mod store;
mod workspace;

use encoder::FEED_FORWARD_TOKENS;
pub use encoder::{Encoder, Intermediate, Probe};
pub(super) use linear::pairs_pay;
use parts::Parts;
use workspace::Workspace;

/// A batch is worked through in parts of whole texts of about so many tokens: memory stays bounded whatever the
/// batch, the activations stay in the caches, and the weights are still read rarely enough not to matter.
pub(super) const PART_TOKENS: usize = 1024;

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
    /// Tokens of a part of a batch, and how often one did not fit the memory and a smaller one was tried.
    part_tokens: usize,
    smaller_parts: u64,
}

impl NativeEngine {
    /// The engine's name.
    pub const ID: &'static str = "native";

    /// An engine over packed weights, which may be shared.
    #[must_use]
    pub fn new(encoder: Arc<Encoder>, team: Team) -> Self {
        Self::in_pool(encoder, team, BufferPool::new())
    }

    /// An engine whose workspace lies in a pool, which may be shared and may have a limit.
    #[must_use]
    pub fn in_pool(encoder: Arc<Encoder>, team: Team, pool: BufferPool<f32>) -> Self {
        let clock = Monotonic::new();
        let (workspace, layer_parts) = (Workspace::of(pool), Parts::new(clock));
        Self {
            encoder,
            team,
            workspace,
            clock,
            layer_parts,
            lengths: Vec::new(),
            part_tokens: PART_TOKENS,
            smaller_parts: 0,
        }
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
        let mut values = stages.time(&self.clock, "prepare", || zeroes(texts.len(), dimensions))?;
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
        let Self { encoder, team, workspace, clock, layer_parts, lengths, .. } = self;
        let clock = *clock;
        layer_parts.begin(stages.track());
        lengths.clear();
        lengths.extend(texts.iter().map(Vec::len));
        let (mut first, mut rest) = (0, values);
        let (mut target, mut most) = (even(lengths, self.part_tokens), usize::MAX);
        while first < texts.len() {
            let end = first + part_len(&lengths[first..], target).min(most);
            let part = &texts[first..end];
            match stages.time(&clock, "prepare", || encoder.gather(team, part, workspace)) {
                Ok(()) => {}
                Err(EngineError::Memory { .. }) if part.len() > 1 => {
                    // Half the texts, then a quarter: down to one, whose refusal is the batch's.
                    (target, most) = (part.iter().map(Vec::len).sum::<usize>() / 2, part.len() / 2);
                    self.smaller_parts += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let (rows, behind) = std::mem::take(&mut rest).split_at_mut(part.len() * dimensions);
            (first, rest) = (end, behind);
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

    /// How the pool that its workspace lies in was used so far.
    #[must_use]
    pub fn pool(&self) -> PoolStatistics {
        self.workspace.pool_statistics()
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
        let end = self.clock.now();
        stages.add_total(end.saturating_sub(start));
        if let Some(track) = stages.track() {
            track.span("batch", start, end, Some(("texts", texts.len() as u64)));
            track.counter("tokens", end, embeddings.tokens as u64);
        }
        Ok(embeddings)
    }

    fn another(&self, team: Team) -> Option<Box<dyn Engine>> {
        let pool = self.workspace.pool().clone();
        let mut engine = Self::in_pool(self.encoder.clone(), team, pool);
        engine.part_tokens = self.part_tokens;
        Some(Box::new(engine))
    }

    fn limit_part(&mut self, tokens: NonZeroUsize) {
        self.part_tokens = tokens.get();
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes of a workspace")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        let memory = self.memory();
        let mut facts: Vec<_> = self.layer_parts.seconds().collect();
        let shape = &self.encoder.model().architecture;
        facts.extend(parts::flops(shape, &self.lengths));
        let weight_bytes = self.encoder.precision().weight_bytes();
        let block = FEED_FORWARD_TOKENS * self.team.threads().get();
        let passes = passes(&self.lengths, self.part_tokens, block);
        facts.extend(parts::bytes(shape, &self.lengths, weight_bytes, passes));
        facts.extend([
            ("workspace_bytes", memory.capacity_bytes as f64),
            ("workspace_unused_share", memory.unused_share()),
            ("workspace_reused_share", memory.reused_share()),
        ]);
        let pool = self.pool();
        facts.extend([
            ("pool_peak_bytes", pool.peak_bytes as f64),
            ("pool_rounding_share", pool.rounding_share()),
            ("pool_free_share", pool.free_share()),
            ("pool_reused_share", pool.reused_share()),
            ("smaller_parts", self.smaller_parts as f64),
        ]);
        facts
    }
}

impl std::fmt::Debug for NativeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeEngine").field("encoder", &self.encoder).finish_non_exhaustive()
    }
}

/// Room for so many embeddings.
fn zeroes(texts: usize, dimensions: usize) -> Result<Vec<f32>, EngineError> {
    let len = texts.saturating_mul(dimensions);
    let mut values = Vec::new();
    let none = EngineError::Memory { bytes: len.saturating_mul(size_of::<f32>()) };
    values.try_reserve_exact(len).map_err(|_| none)?;
    values.resize(len, 0.0);
    Ok(values)
}

/// Tokens of each of the fewest evenly filled parts of at most about `most` tokens.
fn even(lengths: &[usize], most: usize) -> usize {
    let total: usize = lengths.iter().sum();
    total.div_ceil(total.div_ceil(most.max(1)).max(1))
}

/// How many of the first texts make a part: whole ones, until there are `target` tokens, and one at least.
fn part_len(lengths: &[usize], target: usize) -> usize {
    let mut tokens = 0;
    let mut len = 0;
    while len < lengths.len() && (len == 0 || tokens < target) {
        tokens += lengths[len];
        len += 1;
    }
    len
}

/// How often the weights of attention and those of the feed-forward blocks are gone through.
fn passes(lengths: &[usize], part_tokens: usize, block: usize) -> [usize; 2] {
    let target = even(lengths, part_tokens);
    let (mut left, mut passes) = (lengths, [0, 0]);
    while !left.is_empty() {
        let (part, later) = left.split_at(part_len(left, target));
        passes[0] += 1;
        passes[1] += part.iter().sum::<usize>().div_ceil(block.max(1));
        left = later;
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::builtin::{Preset, model};

    #[test]
    fn parts_cover_every_text_once_and_stay_near_their_size() {
        for lengths in [vec![], vec![0], vec![3], vec![2000, 1, 1], vec![64; 100], vec![0, 0, 5000, 0]] {
            let longest = lengths.iter().max().copied().unwrap_or(0);
            let mut left = &lengths[..];
            while !left.is_empty() {
                let (part, later) = left.split_at(part_len(left, even(&lengths, PART_TOKENS)));
                let tokens: usize = part.iter().sum();
                assert!(!part.is_empty() && tokens <= PART_TOKENS + longest, "{lengths:?}: {tokens}");
                left = later;
            }
        }
        assert_eq!(passes(&[64; 32], 1024, 192), [2, 12]);
        assert_eq!(passes(&[100, 200], 1, 192), [2, 3]);
        assert_eq!(passes(&[], 1024, 192), [0, 0]);
    }

    #[test]
    fn a_batch_that_does_not_fit_the_memory_is_done_in_smaller_parts_with_the_same_answers() {
        let encoder = Encoder::pack(Arc::new(model(Preset::Tiny).unwrap()), crate::simd::Tier::best_f32());
        let encoder = Arc::new(encoder.unwrap());
        let texts: Vec<Vec<u32>> = (0..24_u32).map(|i| (1000 + i..1030 + 2 * i).collect()).collect();
        let mut free = NativeEngine::new(encoder.clone(), Team::single());
        let right = free.embed_ids(&texts, &mut Stages::new()).unwrap();
        let needed = free.pool().peak_bytes;
        let mut short = NativeEngine::in_pool(encoder, Team::single(), BufferPool::limited(needed / 3));
        let got = short.embed_ids(&texts, &mut Stages::new()).unwrap();
        let far = right.values.iter().zip(&got.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{far}");
        let facts: std::collections::BTreeMap<_, _> = short.facts().into_iter().collect();
        assert!(facts["smaller_parts"] >= 1.0 && short.pool().peak_bytes <= needed / 3, "{facts:?}");
        // One text that does not fit is an error that says so, and the engine lives on.
        let long = [(1000..1250).collect::<Vec<u32>>()];
        let mut shorter =
            NativeEngine::in_pool(short.encoder().clone(), Team::single(), BufferPool::limited(needed / 20));
        let error = shorter.embed_ids(&long, &mut Stages::new()).unwrap_err();
        assert!(matches!(error, EngineError::Memory { .. }), "{error}");
        assert!(shorter.embed_ids(&[vec![1000]], &mut Stages::new()).is_ok());
    }
}
