//! The engine of our own: a BERT-family encoder over the kernels of this crate.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use super::{Embeddings, Engine, EngineError, Precision};
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;
use crate::tensor::{ArenaStatistics, BufferPool, PoolStatistics};

mod calibrate;
mod encoder;
mod lane;
mod linear;
mod pack;
mod parts;
mod shares;
mod store;
mod workspace;

use encoder::FEED_FORWARD_TOKENS;
pub use encoder::{Encoder, Intermediate, Probe};
use lane::{Job, Lane, even, part_len};
pub(super) use linear::pairs_pay;
use parts::Parts;
use shares::Shares;

/// A batch is worked through in parts of whole texts of about so many tokens: memory stays bounded whatever the
/// batch, the activations stay in the caches, and the weights are still read rarely enough not to matter.
pub(super) const PART_TOKENS: usize = 1024;

/// Threads work on whole texts of their own, without waiting for each other between the steps of a layer and without fetching
/// what another's cache holds, unless the dearest share costs more than so many even ones.
const MOST_IMBALANCE: f64 = 1.2;
/// Shares of a thread: one that was held up does fewer of them, and the others more.
const SHARES: usize = 4;
/// As long as each has so many tokens that the weights are not read much more often for it.
const FEWEST_TOKENS: usize = 192;

/// `native`: an encoder, the threads it runs on, and its buffers.
pub struct NativeEngine {
    encoder: Arc<Encoder>,
    team: Team,
    pool: BufferPool<f32>,
    /// One for each thread with a share of its own; the first alone for a team that shares every step.
    lanes: Vec<Mutex<Lane>>,
    clock: Monotonic,
    /// Where the time of the last batch's layers went.
    layer_parts: Parts,
    /// Tokens of each text of the last batch.
    lengths: Vec<usize>,
    /// Tokens of a part of a batch.
    part_tokens: usize,
    /// Buffers for every thread did not fit the memory: the threads divide every step from then on.
    together: bool,
    /// Shares of the last batch; 0 where the threads divided every step of it among them.
    apart: usize,
}

impl NativeEngine {
    /// The engine's name.
    pub const ID: &'static str = "native";

    /// An engine over packed weights, which may be shared.
    #[must_use]
    pub fn new(encoder: Arc<Encoder>, team: Team) -> Self {
        Self::in_pool(encoder, team, BufferPool::new())
    }

    /// An engine whose workspaces lie in a pool, which may be shared and may have a limit.
    #[must_use]
    pub fn in_pool(encoder: Arc<Encoder>, team: Team, pool: BufferPool<f32>) -> Self {
        let clock = Monotonic::new();
        Self {
            encoder,
            team,
            lanes: vec![Mutex::new(Lane::new(pool.clone(), clock))],
            pool,
            clock,
            layer_parts: Parts::new(clock),
            lengths: Vec::new(),
            part_tokens: PART_TOKENS,
            together: false,
            apart: 0,
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
        let mut values = self.room(texts.len(), stages)?;
        self.embed_into(texts, stages, &mut values)?;
        Ok(self.embeddings(values))
    }

    /// The same, with every intermediate shown to `probe`, part by part.
    ///
    /// # Errors
    /// As for [`NativeEngine::embed_ids`].
    pub fn embed_probed(
        &mut self,
        texts: &[Vec<u32>],
        stages: &mut Stages,
        probe: &mut Probe<'_>,
    ) -> Result<Embeddings, EngineError> {
        let mut values = self.room(texts.len(), stages)?;
        self.count(texts);
        self.embed_together(texts, stages, probe, &mut values)?;
        Ok(self.embeddings(values))
    }

    /// The same as [`NativeEngine::embed_ids`] into memory of the caller's, an embedding a row: once buffers have grown to
    /// the largest batch, a team of one thread allocates nothing.
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
        values: &mut [f32],
    ) -> Result<(), EngineError> {
        assert_eq!(values.len(), texts.len() * self.dimensions(), "an embedding a text");
        self.count(texts);
        let mut short = false;
        if let Some(shares) = self.shares() {
            match self.embed_apart(texts, stages, shares, values) {
                // What several threads need at once may be there for one after the other.
                Err(EngineError::Memory { .. }) => {
                    self.lanes.truncate(1);
                    short = true;
                }
                answer => return answer,
            }
        }
        let team = self.team.clone();
        let answer = team.inside(|| self.embed_together(texts, stages, &mut |_, _, _| {}, values));
        self.together |= short && answer.is_ok();
        answer
    }

    /// How many shares the last counted batch makes for threads that each work alone; `None` where it makes no even ones.
    fn shares(&self) -> Option<usize> {
        let threads = self.team.threads().get();
        if self.together || threads == 1 || self.lengths.len() < threads {
            return None;
        }
        let tokens: usize = self.lengths.iter().sum();
        let most_tokens = threads.saturating_mul(self.part_tokens).max(1);
        let each = (tokens / (threads * FEWEST_TOKENS)).clamp(1, SHARES).max(tokens.div_ceil(most_tokens));
        let imbalance = Shares::new(&self.lengths, threads, self.token_cost()).imbalance();
        (imbalance <= MOST_IMBALANCE).then_some(threads * each)
    }

    /// What a token costs in a layer besides attention, in tokens that it attends to: 2 operations for each of 12 `h^2`
    /// weights against 4 `h` for each of those, in the usual proportions.
    fn token_cost(&self) -> usize {
        let shape = &self.encoder.model().architecture;
        shape.hidden + shape.hidden + shape.intermediate
    }

    /// Embeds the batch with every thread of the team on shares of its own.
    fn embed_apart(
        &mut self,
        texts: &[Vec<u32>],
        stages: &mut Stages,
        shares: usize,
        values: &mut [f32],
    ) -> Result<(), EngineError> {
        let (threads, cost, dimensions) = (self.team.threads().get(), self.token_cost(), self.dimensions());
        let Self { encoder, team, pool, lanes, clock, lengths, .. } = self;
        while lanes.len() < threads {
            lanes.push(Mutex::new(Lane::new(pool.clone(), *clock)));
        }
        for (number, lane) in lanes.iter_mut().enumerate() {
            lane::own(lane).begin(number, stages);
        }
        let mut ends = Shares::new(lengths, shares, cost);
        let (mut start, mut rest) = (0, values);
        let mut dealt = Vec::with_capacity(shares);
        for _ in 0..shares {
            let end = ends.next(start);
            let (values, behind) = std::mem::take(&mut rest).split_at_mut((end - start) * dimensions);
            let lengths = &lengths[start..end];
            let part_tokens = lengths.iter().sum();
            let job = Job { encoder, texts: &texts[start..end], lengths, part_tokens, values };
            dealt.push((Some(job), Ok(())));
            (start, rest) = (end, behind);
        }
        let began = clock.now();
        team.for_each_chunk(&mut dealt, NonZeroUsize::MIN, |_, dealt| {
            for (job, answer) in dealt {
                if let Some((job, mut lane)) = job.take().zip(lane::free(lanes)) {
                    *answer = lane.work_alone(job);
                }
            }
        });
        let nanoseconds = clock.now().saturating_sub(began);
        dealt.into_iter().try_for_each(|(_, answer)| answer)?;
        self.apart = shares;
        self.share_out(nanoseconds, stages);
        Ok(())
    }

    /// Divides the time that passed by what each stage and part took in all threads together.
    fn share_out(&mut self, passed: u64, stages: &mut Stages) {
        let Self { lanes, layer_parts, .. } = self;
        layer_parts.begin(None);
        let mut spent = 0;
        for lane in lanes.iter_mut() {
            spent += lane::own(lane).stages.nanoseconds();
        }
        for lane in lanes.iter_mut() {
            let lane = lane::own(lane);
            stages.add_scaled(&lane.stages, passed, spent);
            layer_parts.add_scaled(&lane.parts, passed, spent);
        }
    }

    /// Embeds the batch part by part, each step divided among the threads of the team.
    fn embed_together(
        &mut self,
        texts: &[Vec<u32>],
        stages: &mut Stages,
        probe: &mut Probe<'_>,
        values: &mut [f32],
    ) -> Result<(), EngineError> {
        let Self { encoder, team, lanes, layer_parts, lengths, part_tokens, apart, .. } = self;
        let Some(lane) = lanes.first_mut() else { return Ok(()) };
        let lane = lane::own(lane);
        lane.parts.begin(stages.track());
        let job = Job { encoder, texts, lengths, part_tokens: *part_tokens, values };
        let answer = lane.work(job, team, stages, probe);
        layer_parts.begin(None);
        layer_parts.add_scaled(&lane.parts, 1, 1);
        *apart = 0;
        answer
    }

    /// How often the last batch's texts went through the weights of attention, and through those of the feed-forward blocks.
    fn passes(&self) -> [usize; 2] {
        if self.apart == 0 {
            let block = FEED_FORWARD_TOKENS * self.team.threads().get();
            return passes(&self.lengths, self.part_tokens, block);
        }
        let mut ends = Shares::new(&self.lengths, self.apart, self.token_cost());
        let (mut start, mut sum) = (0, [0, 0]);
        for _ in 0..self.apart {
            let end = ends.next(start);
            let [part, block] = passes(&self.lengths[start..end], usize::MAX, FEED_FORWARD_TOKENS);
            (start, sum) = (end, [sum[0] + part, sum[1] + block]);
        }
        sum
    }

    /// Notes the lengths of a batch's texts.
    fn count(&mut self, texts: &[Vec<u32>]) {
        self.lengths.clear();
        self.lengths.extend(texts.iter().map(Vec::len));
    }

    /// Room for so many embeddings.
    fn room(&self, texts: usize, stages: &mut Stages) -> Result<Vec<f32>, EngineError> {
        stages.time(&self.clock, "prepare", || Embeddings::zeroes(texts, self.dimensions()))
    }

    fn embeddings(&self, values: Vec<f32>) -> Embeddings {
        Embeddings { values, dimensions: self.dimensions(), tokens: self.lengths.iter().sum() }
    }

    /// How its memory was used so far, all threads together.
    #[must_use]
    pub fn memory(&self) -> ArenaStatistics {
        let lanes = self.lanes.iter().map(|lane| lane::seen(lane).memory());
        lanes.fold(ArenaStatistics::default(), ArenaStatistics::plus)
    }

    /// How the pool that its workspaces lie in was used so far.
    #[must_use]
    pub fn pool(&self) -> PoolStatistics {
        self.pool.statistics()
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
        let mut engine = Self::in_pool(self.encoder.clone(), team, self.pool.clone());
        engine.part_tokens = self.part_tokens;
        Some(Box::new(engine))
    }

    fn limit_part(&mut self, tokens: NonZeroUsize) {
        self.part_tokens = tokens.get();
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes of a workspace")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        let memory = self.memory();
        let smaller_parts: u64 = self.lanes.iter().map(|lane| lane::seen(lane).smaller_parts).sum();
        let mut facts: Vec<_> = self.layer_parts.seconds().collect();
        let shape = &self.encoder.model().architecture;
        facts.extend(parts::flops(shape, &self.lengths));
        let weight_bytes = self.encoder.precision().weight_bytes();
        let passes = self.passes();
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
            ("smaller_parts", smaller_parts as f64),
        ]);
        facts
    }
}

impl std::fmt::Debug for NativeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeEngine").field("encoder", &self.encoder).finish_non_exhaustive()
    }
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
    fn threads_with_texts_of_their_own_give_the_answers_of_one() {
        let encoder = Encoder::pack(Arc::new(model(Preset::Tiny).unwrap()), crate::simd::Tier::best_f32());
        let encoder = Arc::new(encoder.unwrap());
        let text = |tokens: u32| (1000..1000 + tokens).collect::<Vec<u32>>();
        let even: Vec<_> = (0..25).map(|i| text(20 + i % 7)).collect();
        let many: Vec<_> = (0..70).map(|i| text(i % 60)).collect();
        let uneven = vec![text(250), text(3), text(0), text(17)];
        let mut single = NativeEngine::new(encoder.clone(), Team::single());
        for threads in [2, 3] {
            let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
            let mut engine = NativeEngine::new(encoder.clone(), team.clone());
            let several = threads * (many.iter().map(Vec::len).sum::<usize>() / (threads * FEWEST_TOKENS));
            assert!(several > threads);
            for (texts, apart) in [(&even, threads), (&uneven, 0), (&many, several), (&vec![], 0)] {
                let right = single.embed_ids(texts, &mut Stages::new()).unwrap();
                let mut stages = Stages::new();
                let got = engine.embed_ids(texts, &mut stages).unwrap();
                assert_eq!(got.values, right.values, "{} texts on {threads} threads", texts.len());
                assert_eq!(got.tokens, right.tokens);
                // Every share of a thread is a part of at most so many tokens.
                let parts = right.tokens.div_ceil(threads * PART_TOKENS).max(1);
                assert_eq!(engine.apart, apart * parts, "{} texts on {threads} threads", texts.len());
                let names: Vec<_> = stages.seconds().map(|(name, _)| name).collect();
                assert!(texts.is_empty() || names == ["prepare", "encode", "pool", "normalize"], "{names:?}");
            }
            // With room for one thread's part only, they take turns.
            let needed = single.pool().peak_bytes / 4;
            let mut short = NativeEngine::in_pool(encoder.clone(), team, BufferPool::limited(needed));
            let right = single.embed_ids(&even, &mut Stages::new()).unwrap();
            assert_eq!(short.embed_ids(&even, &mut Stages::new()).unwrap().values, right.values);
        }
    }

    #[test]
    fn a_trace_has_a_line_for_each_thread_with_texts_of_its_own() {
        let encoder = Encoder::pack(Arc::new(model(Preset::Tiny).unwrap()), crate::simd::Tier::best_f32());
        let mut engine =
            NativeEngine::new(Arc::new(encoder.unwrap()), Team::new(NonZeroUsize::new(2).unwrap()).unwrap());
        let texts = vec![vec![1000; 30]; 8];
        let trace = crate::telemetry::Trace::new();
        let mut stages = Stages::on(trace.track("batches"));
        for _ in 0..2 {
            engine.embed_ids(&texts, &mut stages).unwrap();
        }
        engine.embed_ids(&texts, &mut Stages::new()).unwrap();
        let mut written = Vec::new();
        trace.write(&mut written).unwrap();
        let events: serde_json::Value = serde_json::from_slice(&written).unwrap();
        let lines = |name: &str| -> std::collections::BTreeSet<u64> {
            let named = events.as_array().unwrap().iter().filter(|event| event["name"] == name);
            named.map(|event| event["tid"].as_u64().unwrap()).collect()
        };
        assert_eq!(lines("thread_name").len(), 3, "{events:#}");
        let layers = lines("layer");
        assert!(!layers.is_empty() && layers.is_subset(&[2, 3].into()), "{layers:?}");
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
