//! The memory of an engine, kept from batch to batch: one arena, divided by the size of the batch at hand.

use super::encoder::FEED_FORWARD_TOKENS;
use crate::engines::Precision;
use crate::engines::config::Architecture;
use crate::kernels::attention::attention_scratch_len;
use crate::sys::Team;
use crate::tensor::{Arena, ArenaStatistics, BufferPool, OutOfMemory};

/// Texts' attention is dealt to the threads in at most so many groups.
pub(super) const MOST_GROUPS: usize = 64;

/// Everything between the token ids and the pooled vector.
pub(super) struct Workspace {
    /// Tokens of each text of the batch.
    pub(super) lengths: Vec<usize>,
    /// Inputs of a product in sixteen bits, where the precision wants them so.
    pub(super) halves: Arena<u16>,
    numbers: Arena<f32>,
    /// What [`Slices`] are cut to.
    layout: [usize; 5],
    groups: usize,
}

/// The arena, divided for one batch. What attention needs and what feed-forward needs share one place: neither reads what
/// the other wrote there.
pub(super) struct Slices<'a> {
    /// Tokens x hidden: what goes into a layer and what comes out of it.
    pub(super) hidden: &'a mut [f32],
    /// Tokens x hidden: between attention and feed-forward.
    pub(super) attended: &'a mut [f32],
    /// Tokens x 3 hidden.
    pub(super) query_key_value: &'a mut [f32],
    /// Tokens x hidden: attention's answer.
    pub(super) context: &'a mut [f32],
    /// Attention's own: a part for each group of texts.
    pub(super) scratch: &'a mut [f32],
    /// Sixteen-bit inputs.
    pub(super) halves: &'a mut Arena<u16>,
    /// Tokens of each text.
    pub(super) lengths: &'a [usize],
    /// Groups of texts that attention is dealt in.
    pub(super) groups: usize,
}

impl Workspace {
    /// A workspace whose numbers lie in a pool that others may share.
    pub(super) fn of(pool: BufferPool<f32>) -> Self {
        let numbers = Arena::of(pool);
        Self { lengths: Vec::new(), halves: Arena::new(), numbers, layout: [0; 5], groups: 1 }
    }

    /// Makes room for texts of these lengths.
    ///
    /// # Errors
    /// There is no memory for them.
    pub(super) fn plan(
        &mut self,
        team: &Team,
        shape: &Architecture,
        precision: Precision,
        lengths: impl Iterator<Item = usize>,
    ) -> Result<(), OutOfMemory> {
        self.lengths.clear();
        self.lengths.extend(lengths);
        let tokens = self.tokens();
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        let threads = team.threads().get();
        self.groups =
            if threads == 1 { 1 } else { (4 * threads).min(self.lengths.len()).clamp(1, MOST_GROUPS) };
        let vectors = tokens * shape.hidden;
        let block = tokens.min(FEED_FORWARD_TOKENS * threads) * shape.intermediate;
        let scratch = self.groups * attention_scratch_len(longest, shape.heads, shape.head_width());
        // The inner vectors of a block take the place of the projections, and of more where those are fewer.
        self.layout = [vectors, vectors, (3 * vectors).max(block), vectors, scratch];
        self.numbers.reserve(&self.layout)?;
        match precision {
            Precision::Bf16 => self.halves.reserve(&[vectors.max(block)]),
            Precision::F32 | Precision::F16 | Precision::Int8 => Ok(()),
        }
    }

    /// Tokens of the batch.
    pub(super) fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// The arena as it was planned.
    pub(super) fn slices(&mut self) -> Slices<'_> {
        let [hidden, attended, query_key_value, context, scratch] = self.numbers.divide(self.layout);
        Slices {
            hidden,
            attended,
            query_key_value,
            context,
            scratch,
            halves: &mut self.halves,
            lengths: &self.lengths,
            groups: self.groups,
        }
    }

    /// How the arena was used so far.
    pub(super) const fn statistics(&self) -> ArenaStatistics {
        self.numbers.statistics()
    }
}
