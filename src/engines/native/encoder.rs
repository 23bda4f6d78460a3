//! A BERT-family encoder over our kernels: weights packed once, texts packed end to end without padding.
//!
//! The layer is that of Devlin et al. (2019): attention and feed-forward, each followed by the addition of its input
//! and a layer normalisation. A batch is the concatenation of its texts' tokens, so no arithmetic is spent on padding
//! and an embedding does not depend on its neighbours.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use super::linear::Linear;
use super::pack;
use super::parts::{Part, Parts};
use super::shares::Shares;
use super::workspace::{MOST_GROUPS, Slices, Workspace};
use crate::engines::config::Activation;
use crate::engines::model::{Model, Normalization};
use crate::engines::tensors::Table;
use crate::engines::{EngineError, Precision, Settings};
use crate::kernels::attention::{Qkv, attend_biased, attention_scratch_len};
use crate::kernels::matmul::Finish;
use crate::kernels::{activation, norm, normalize, pool};
use crate::simd::Tier;
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

/// Why kernels cannot refuse the encoder's tier.
pub(super) const PROVEN: &str = "packing the weights proved the tier";

/// Tokens that go through the feed-forward part together: the wide intermediate of so many stays in the second-level
/// cache (192 x 1536 x 4 bytes is 1.1 MiB), and the weights are read often enough from it to be worth it.
pub(super) const FEED_FORWARD_TOKENS: usize = 192;

/// What copying a token's keys and values costs in attention, in tokens that it attends to.
const COPIED_TOKEN: usize = 16;

/// A model with its weights packed for one precision and tier. Shared by every engine that uses it.
pub struct Encoder {
    pub(super) model: Arc<Model>,
    pub(super) precision: Precision,
    /// What the products run on.
    pub(super) tier: Tier,
    pub(super) words: Table,
    /// Position vector plus that of token type 0, a row a position.
    pub(super) positions: AlignedBuffer<f32>,
    /// By head and relative position, as attention takes it; empty for none.
    pub(super) relative: Vec<f32>,
    pub(super) embedding_norm: Norm,
    pub(super) layers: Vec<Layer>,
}

/// Scale and shift of a layer normalisation.
pub(super) struct Norm {
    pub(super) scale: AlignedBuffer<f32>,
    pub(super) shift: AlignedBuffer<f32>,
}

pub(super) struct Layer {
    pub(super) query_key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) output_norm: Norm,
}

/// A place inside the encoder whose numbers a test may want to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intermediate {
    /// After the embedding layer.
    Embedded,
    /// Queries, keys and values.
    QueryKeyValue,
    /// The weighted sums of values.
    Context,
    /// After attention, addition and normalisation.
    Attended,
    /// Inside the feed-forward part, after the activation.
    Activated,
    /// The layer's output.
    Output,
}

/// Is shown intermediates as they are made: layer, place, numbers.
pub type Probe<'a> = dyn FnMut(usize, Intermediate, &[f32]) + 'a;

impl Encoder {
    /// Packs the model's weights for single precision on `tier`.
    ///
    /// # Errors
    /// A tensor is missing or not what `config.json` says, or the CPU does not have the tier.
    pub fn pack(model: Arc<Model>, tier: Tier) -> Result<Self, EngineError> {
        Self::pack_as(model, Precision::F32, tier)
    }

    /// Packs the model's weights for a precision on `tier`.
    ///
    /// # Errors
    /// As for [`Encoder::pack`], or the precision has no kernels for the tier.
    pub fn pack_as(model: Arc<Model>, precision: Precision, tier: Tier) -> Result<Self, EngineError> {
        pack::encoder(model, precision, precision.tier(tier)?, None)
    }

    /// Packs the model's weights as the settings say, or reads them where they were kept before.
    ///
    /// # Errors
    /// As for [`Encoder::pack_as`].
    pub fn open(model: Arc<Model>, settings: &Settings) -> Result<Self, EngineError> {
        pack::encoder(model, settings.precision, settings.tier()?, settings.cache.as_deref())
    }

    /// The tier whose instructions its products use.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// The precision of its products.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Gathers the token vectors of `texts` into the workspace, one text after the other, and normalises them.
    ///
    /// # Errors
    /// An id has no row in the table, or a text is longer than the position table.
    pub(super) fn gather(
        &self,
        team: &Team,
        texts: &[Vec<u32>],
        workspace: &mut Workspace,
    ) -> Result<(), EngineError> {
        let shape = &self.model.architecture;
        let width = shape.hidden;
        workspace.plan(team, shape, self.precision, texts.iter().map(Vec::len))?;
        let slices = workspace.slices();
        let mut rows = slices.hidden.chunks_exact_mut(width);
        for ids in texts {
            if ids.len() > shape.longest_text() {
                return Err(EngineError::Input(format!(
                    "a text of {} tokens is longer than the model's {}",
                    ids.len(),
                    shape.longest_text()
                )));
            }
            for ((position, &id), row) in shape.position_rows(ids).zip(ids).zip(&mut rows) {
                let id = id as usize;
                if id >= shape.vocabulary {
                    return Err(EngineError::Input(format!(
                        "the tokenizer gave id {id} and the model has {} rows: tokenizer.json belongs to another model, \
                         fetch it again",
                        shape.vocabulary
                    )));
                }
                self.words.copy_row(id, row);
                let position = &self.positions[position * width..][..width];
                row.iter_mut().zip(position).for_each(|(x, p)| *x += p);
            }
        }
        let step = per_thread(slices.hidden.len(), width, team);
        team.for_each_chunk(slices.hidden, step, |_, rows| {
            self.normalise(rows, None, &self.embedding_norm);
        });
        Ok(())
    }

    /// Runs the layers over the gathered tokens.
    pub(super) fn encode(
        &self,
        team: &Team,
        workspace: &mut Workspace,
        parts: &mut Parts,
        probe: &mut Probe<'_>,
    ) {
        if workspace.tokens() == 0 {
            return;
        }
        let mut slices = workspace.slices();
        probe(0, Intermediate::Embedded, slices.hidden);
        for (i, layer) in self.layers.iter().enumerate() {
            let mut probe = |place, numbers: &[f32]| probe(i, place, numbers);
            let start = parts.layer_start();
            self.attend(team, layer, &mut slices, parts, &mut probe);
            self.feed_forward(team, layer, &mut slices, parts, &mut probe);
            parts.layer_end(i, start);
        }
    }

    /// `hidden` to `attended`.
    fn attend(
        &self,
        team: &Team,
        layer: &Layer,
        slices: &mut Slices<'_>,
        parts: &mut Parts,
        probe: &mut dyn FnMut(Intermediate, &[f32]),
    ) {
        let width = self.model.architecture.hidden;
        let Slices { hidden, attended, query_key_value, context, scratch, halves, lengths, groups } = slices;
        let tokens = hidden.len() / width;
        let qkv = &mut query_key_value[..3 * tokens * width];
        parts.time(Part::QueryKeyValue, || {
            layer.query_key_value.apply(team, hidden, tokens, halves, None, qkv);
        });
        probe(Intermediate::QueryKeyValue, qkv);
        parts.time(Part::Attention, || self.attend_texts(team, lengths, *groups, qkv, scratch, context));
        probe(Intermediate::Context, context);
        parts.time_finished([Part::AttentionOutput, Part::AttentionNorm], team, |finishing| {
            let normalise = |first: usize, rows: &mut [f32]| {
                let residual = &hidden[first * width..][..rows.len()];
                finishing.time(|| self.normalise(rows, Some(residual), &layer.attention_norm));
            };
            let finish = Some(Finish::new(&normalise));
            layer.attention_output.apply(team, context, tokens, halves, finish, attended);
        });
        probe(Intermediate::Attended, attended);
    }

    /// Attention of every text for itself, the texts in groups of like cost that the threads share.
    fn attend_texts(
        &self,
        team: &Team,
        lengths: &[usize],
        groups: usize,
        qkv: &[f32],
        scratch: &mut [f32],
        context: &mut [f32],
    ) {
        let width = self.model.architecture.hidden;
        let own = scratch.len() / groups.max(1);
        let mut ends = Shares::new(lengths, groups, COPIED_TOKEN);
        let (mut rest, mut scratch) = (context, scratch);
        // On the stack: a batch allocates nothing.
        let mut dealt: [Option<Group<'_>>; MOST_GROUPS] = std::array::from_fn(|_| None);
        let (mut first, mut start) = (0, 0);
        for slot in dealt.iter_mut().take(groups) {
            let end = ends.next(start);
            let tokens: usize = lengths[start..end].iter().sum();
            let (out, later) = std::mem::take(&mut rest).split_at_mut(tokens * width);
            let (own, later_scratch) = std::mem::take(&mut scratch).split_at_mut(own);
            (rest, scratch) = (later, later_scratch);
            let qkv = &qkv[3 * first * width..][..3 * tokens * width];
            *slot = Some(Group { texts: start..end, qkv, out, scratch: own });
            (first, start) = (first + tokens, end);
        }
        team.for_each_chunk(&mut dealt[..groups.min(MOST_GROUPS)], NonZeroUsize::MIN, |_, groups| {
            for group in groups.iter_mut().flatten() {
                self.attend_group(lengths, group);
            }
        });
    }

    fn attend_group(&self, lengths: &[usize], group: &mut Group<'_>) {
        let shape = &self.model.architecture;
        let (width, heads, head_width) = (shape.hidden, shape.heads, shape.head_width());
        let mut first = 0;
        for &tokens in lengths[group.texts.clone()].iter().filter(|&&tokens| tokens > 0) {
            // Queries, keys and values of a token lie side by side.
            let qkv = &group.qkv[3 * first * width..][..3 * tokens * width];
            let qkv = Qkv { q: qkv, k: &qkv[width..], v: &qkv[2 * width..], stride: 3 * width };
            let out = &mut group.out[first * width..][..tokens * width];
            let scratch = &mut group.scratch[..attention_scratch_len(tokens, heads, head_width)];
            attend_biased(self.tier.f32_tier(), qkv, tokens, heads, head_width, &self.relative, scratch, out)
                .expect(PROVEN);
            first += tokens;
        }
    }

    /// `attended` to `hidden`, a block of tokens at a time.
    fn feed_forward(
        &self,
        team: &Team,
        layer: &Layer,
        slices: &mut Slices<'_>,
        parts: &mut Parts,
        probe: &mut dyn FnMut(Intermediate, &[f32]),
    ) {
        let shape = &self.model.architecture;
        let (width, wide) = (shape.hidden, shape.intermediate);
        // Of like height, so that none is a remainder of a few rows.
        let tokens = slices.attended.len() / width;
        let blocks = tokens.div_ceil(FEED_FORWARD_TOKENS * team.threads().get());
        let block = tokens.div_ceil(blocks.max(1)).max(1);
        let Slices { hidden, attended, query_key_value, halves, .. } = slices;
        for (attended, hidden) in attended.chunks(block * width).zip(hidden.chunks_mut(block * width)) {
            let tokens = attended.len() / width;
            let activated = &mut query_key_value[..tokens * wide];
            parts.time_finished([Part::Up, Part::Activation], team, |finishing| {
                let activate = |_: usize, rows: &mut [f32]| finishing.time(|| self.activate(rows));
                layer.up.apply(team, attended, tokens, halves, Some(Finish::new(&activate)), activated);
            });
            probe(Intermediate::Activated, activated);
            parts.time_finished([Part::Down, Part::OutputNorm], team, |finishing| {
                let normalise = |first: usize, rows: &mut [f32]| {
                    let residual = &attended[first * width..][..rows.len()];
                    finishing.time(|| self.normalise(rows, Some(residual), &layer.output_norm));
                };
                layer.down.apply(team, activated, tokens, halves, Some(Finish::new(&normalise)), hidden);
            });
            probe(Intermediate::Output, hidden);
        }
    }

    fn activate(&self, rows: &mut [f32]) {
        let tier = self.tier.f32_tier();
        match self.model.architecture.activation {
            Activation::GeluErf => activation::gelu_erf_in_place(tier, rows),
            Activation::GeluTanh => activation::gelu_tanh_in_place(tier, rows),
            Activation::Relu => activation::relu_in_place(tier, rows),
            Activation::Silu => activation::silu_in_place(tier, rows),
        }
        .expect(PROVEN);
    }

    fn normalise(&self, rows: &mut [f32], residual: Option<&[f32]>, by: &Norm) {
        let (tier, epsilon) = (self.tier.f32_tier(), self.model.architecture.epsilon);
        norm::layer_norm_in_place(tier, rows, residual, &by.scale, &by.shift, epsilon).expect(PROVEN);
    }

    /// One vector a text, as long as an embedding and not normalised: `out` has a row for each.
    pub(super) fn pool(&self, workspace: &mut Workspace, out: &mut [f32]) {
        let (width, kept) = (self.model.architecture.hidden, self.model.embedding_len());
        let (tier, pooling) = (self.tier.f32_tier(), self.model.pooling);
        let Slices { hidden, context, lengths, .. } = workspace.slices();
        let mut first = 0;
        for (&tokens, out) in lengths.iter().zip(out.chunks_exact_mut(kept)) {
            let text = &hidden[first * width..][..tokens * width];
            first += tokens;
            if kept == width || tokens == 0 {
                out.fill(0.0);
                if tokens > 0 {
                    pool::pool(tier, pooling, text, width, None, out).expect(PROVEN);
                }
            } else {
                let whole = &mut context[..width];
                pool::pool(tier, pooling, text, width, None, whole).expect(PROVEN);
                out.copy_from_slice(&whole[..kept]);
            }
        }
    }

    /// What the model does to the pooled vectors.
    pub(super) fn finish(&self, rows: &mut [f32]) {
        match self.model.normalization {
            Normalization::UnitLength => {
                normalize::l2(self.tier.f32_tier(), rows, self.model.embedding_len()).expect(PROVEN);
            }
            Normalization::None => {}
        }
    }
}

/// Texts whose attention one thread does.
struct Group<'a> {
    texts: Range<usize>,
    /// Of their tokens.
    qkv: &'a [f32],
    out: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("model", &self.model)
            .field("precision", &self.precision)
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}

/// An even share of `len` for each thread, in whole rows of `width`.
pub(super) fn per_thread(len: usize, width: usize, team: &Team) -> NonZeroUsize {
    let rows = len.div_ceil(width.max(1)).div_ceil(team.threads().get());
    NonZeroUsize::new(rows * width).unwrap_or(NonZeroUsize::MIN)
}
