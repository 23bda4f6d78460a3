//! A BERT-family encoder over our kernels: weights packed once, texts packed end to end without padding.
//!
//! The layer is that of Devlin et al. (2019): attention and feed-forward, each followed by the addition of its input
//! and a layer normalisation. A batch is the concatenation of its texts' tokens, so no arithmetic is spent on padding
//! and an embedding does not depend on its neighbours.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::workspace::{Workspace, grow};
use crate::engines::EngineError;
use crate::engines::config::Activation;
use crate::engines::model::{Model, Normalization};
use crate::engines::tensors::Table;
use crate::kernels::attention::{Qkv, attend, attention_scratch_len};
use crate::kernels::matmul::{Layout, PackedMatrix, gemm};
use crate::kernels::{activation, norm, normalize, pool};
use crate::simd::Tier;
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

/// Why kernels cannot refuse the encoder's tier.
const PROVEN: &str = "packing the weights proved the tier";

/// Tokens that go through the feed-forward part together: the wide intermediate of so many stays in the second-level
/// cache (128 x 1536 x 4 bytes is 768 KiB), and the weights are read often enough from it to be worth it.
const FEED_FORWARD_TOKENS: usize = 192;

/// A model with its weights packed for one tier. Shared by every engine that uses it.
pub struct Encoder {
    pub(super) model: Arc<Model>,
    pub(super) tier: Tier,
    words: Table,
    /// Position vector plus that of token type 0, a row a position.
    positions: AlignedBuffer<f32>,
    embedding_norm: Norm,
    layers: Vec<Layer>,
}

/// Scale and shift of a layer normalisation.
struct Norm {
    scale: AlignedBuffer<f32>,
    shift: AlignedBuffer<f32>,
}

/// A matrix product with its bias.
struct Linear {
    matrix: PackedMatrix,
    bias: AlignedBuffer<f32>,
}

struct Layer {
    query_key_value: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
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
    /// Packs the model's weights for `tier`.
    ///
    /// # Errors
    /// A tensor is missing or not what `config.json` says, or the CPU does not have the tier.
    pub fn pack(model: Arc<Model>, tier: Tier) -> Result<Self, EngineError> {
        let tier = tier.f32_tier();
        if !tier.is_available() {
            return Err(EngineError::Unavailable(crate::simd::TierUnavailable(tier).to_string()));
        }
        let shape = &model.architecture;
        let tensors = &*model.tensors;
        let words = tensors.table("embeddings.word_embeddings.weight", shape.vocabulary, shape.hidden)?;
        let types =
            tensors.tensor("embeddings.token_type_embeddings.weight", &[shape.types, shape.hidden])?;
        let mut positions =
            tensors.tensor("embeddings.position_embeddings.weight", &[shape.positions, shape.hidden])?;
        for row in positions.chunks_exact_mut(shape.hidden) {
            row.iter_mut().zip(types.iter()).for_each(|(position, kind)| *position += kind);
        }
        let reader = Reader { model: &model, tier };
        let embedding_norm = reader.norm("embeddings.LayerNorm")?;
        let layers = (0..shape.layers).map(|i| reader.layer(i)).collect::<Result<_, _>>()?;
        Ok(Self { words, positions, embedding_norm, layers, tier, model })
    }

    /// The tier whose instructions it uses.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
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
        let tokens: usize = texts.iter().map(Vec::len).sum();
        workspace.lengths.clear();
        workspace.lengths.extend(texts.iter().map(Vec::len));
        let raw = grow(&mut workspace.projected, tokens * width);
        let mut rows = raw.chunks_exact_mut(width);
        for ids in texts {
            if ids.len() > shape.positions {
                return Err(EngineError::Input(format!(
                    "a text of {} tokens is longer than the model's {}",
                    ids.len(),
                    shape.positions
                )));
            }
            for (position, (&id, row)) in ids.iter().zip(&mut rows).enumerate() {
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
        let out = grow(&mut workspace.hidden, tokens * width);
        self.normalise(team, &workspace.projected[..tokens * width], None, &self.embedding_norm, out);
        Ok(())
    }

    /// Runs the layers over the gathered tokens.
    pub(super) fn encode(&self, team: &Team, workspace: &mut Workspace, probe: &mut Probe<'_>) {
        let width = self.model.architecture.hidden;
        let tokens: usize = workspace.lengths.iter().sum();
        if tokens == 0 {
            return;
        }
        probe(0, Intermediate::Embedded, &workspace.hidden[..tokens * width]);
        for (i, layer) in self.layers.iter().enumerate() {
            self.attend(team, layer, tokens, workspace, &mut |place, numbers| probe(i, place, numbers));
            self.feed_forward(team, layer, tokens, workspace, &mut |place, numbers| probe(i, place, numbers));
        }
    }

    /// `hidden` to `attended`.
    fn attend(
        &self,
        team: &Team,
        layer: &Layer,
        tokens: usize,
        workspace: &mut Workspace,
        probe: &mut dyn FnMut(Intermediate, &[f32]),
    ) {
        let shape = &self.model.architecture;
        let width = shape.hidden;
        let hidden = &workspace.hidden[..tokens * width];
        let qkv = grow(&mut workspace.query_key_value, tokens * 3 * width);
        layer.query_key_value.apply(team, hidden, tokens, qkv);
        probe(Intermediate::QueryKeyValue, qkv);
        let context = grow(&mut workspace.context, tokens * width);
        let scratch = grow(&mut workspace.scratch, self.scratch_len(team, &workspace.lengths));
        self.attend_texts(team, &workspace.lengths, qkv, scratch, context);
        probe(Intermediate::Context, context);
        let projected = grow(&mut workspace.projected, tokens * width);
        layer.attention_output.apply(team, context, tokens, projected);
        let attended = grow(&mut workspace.attended, tokens * width);
        self.normalise(team, projected, Some(hidden), &layer.attention_norm, attended);
        probe(Intermediate::Attended, attended);
    }

    /// One thread uses the same scratch for every text, several need one for each.
    fn scratch_len(&self, team: &Team, lengths: &[usize]) -> usize {
        let own = lengths.iter().map(|&tokens| self.text_scratch_len(tokens));
        if team.threads().get() == 1 { own.max().unwrap_or(0) } else { own.sum() }
    }

    fn text_scratch_len(&self, tokens: usize) -> usize {
        let shape = &self.model.architecture;
        attention_scratch_len(tokens, shape.heads, shape.head_width())
    }

    /// Attention of every text for itself.
    fn attend_texts(
        &self,
        team: &Team,
        lengths: &[usize],
        qkv: &[f32],
        scratch: &mut [f32],
        context: &mut [f32],
    ) {
        let width = self.model.architecture.hidden;
        let mut first = 0;
        let mut rest = context;
        let texts = lengths.iter().filter(|&&tokens| tokens > 0).map(|&tokens| {
            let (out, later) = std::mem::take(&mut rest).split_at_mut(tokens * width);
            rest = later;
            let qkv = &qkv[first * 3 * width..][..tokens * 3 * width];
            first += tokens;
            (tokens, qkv, out)
        });
        if team.threads().get() == 1 {
            for (tokens, qkv, out) in texts {
                self.attend_text(tokens, qkv, scratch, out);
            }
        } else {
            let mut scratch = scratch;
            let mut texts: Vec<_> = texts
                .map(|(tokens, qkv, out)| {
                    let own = self.text_scratch_len(tokens);
                    let (own, later) = std::mem::take(&mut scratch).split_at_mut(own);
                    scratch = later;
                    (tokens, qkv, out, own)
                })
                .collect();
            team.for_each_chunk(&mut texts, NonZeroUsize::MIN, |_, texts| {
                for (tokens, qkv, out, scratch) in texts {
                    self.attend_text(*tokens, qkv, scratch, out);
                }
            });
        }
    }

    /// `qkv` holds the queries, keys and values of one text's tokens side by side.
    fn attend_text(&self, tokens: usize, qkv: &[f32], scratch: &mut [f32], out: &mut [f32]) {
        let shape = &self.model.architecture;
        let width = shape.hidden;
        let qkv = Qkv { q: qkv, k: &qkv[width..], v: &qkv[2 * width..], stride: 3 * width };
        attend(self.tier, qkv, tokens, shape.heads, shape.head_width(), scratch, out).expect(PROVEN);
    }

    /// `attended` to `hidden`, a block of tokens at a time.
    fn feed_forward(
        &self,
        team: &Team,
        layer: &Layer,
        tokens: usize,
        workspace: &mut Workspace,
        probe: &mut dyn FnMut(Intermediate, &[f32]),
    ) {
        let shape = &self.model.architecture;
        let (width, wide) = (shape.hidden, shape.intermediate);
        let block = FEED_FORWARD_TOKENS * team.threads().get();
        let attended = &workspace.attended[..tokens * width];
        let hidden = &mut workspace.hidden[..tokens * width];
        for (attended, hidden) in attended.chunks(block * width).zip(hidden.chunks_mut(block * width)) {
            let tokens = attended.len() / width;
            let activated = grow(&mut workspace.activated, tokens * wide);
            layer.up.apply(team, attended, tokens, activated);
            self.activate(team, activated);
            probe(Intermediate::Activated, activated);
            let projected = grow(&mut workspace.projected, tokens * width);
            layer.down.apply(team, activated, tokens, projected);
            self.normalise(team, projected, Some(attended), &layer.output_norm, hidden);
            probe(Intermediate::Output, hidden);
        }
    }

    fn activate(&self, team: &Team, data: &mut [f32]) {
        let tier = self.tier;
        team.for_each_chunk(data, per_thread(data.len(), 1, team), |_, chunk| {
            match self.model.architecture.activation {
                Activation::GeluErf => activation::gelu_erf_in_place(tier, chunk),
                Activation::GeluTanh => activation::gelu_tanh_in_place(tier, chunk),
                Activation::Relu => activation::relu_in_place(tier, chunk),
                Activation::Silu => activation::silu_in_place(tier, chunk),
            }
            .expect(PROVEN);
        });
    }

    fn normalise(&self, team: &Team, input: &[f32], residual: Option<&[f32]>, by: &Norm, out: &mut [f32]) {
        let (tier, epsilon) = (self.tier, self.model.architecture.epsilon);
        let step = per_thread(out.len(), by.scale.len(), team);
        team.for_each_chunk(out, step, |i, out| {
            let part = i * step.get()..i * step.get() + out.len();
            let residual = residual.map(|residual| &residual[part.clone()]);
            norm::layer_norm(tier, &input[part], residual, &by.scale, &by.shift, epsilon, out).expect(PROVEN);
        });
    }

    /// One vector a text, unnormalised: `out` has a row of the hidden size for each.
    pub(super) fn pool(&self, workspace: &Workspace, out: &mut [f32]) {
        let width = self.model.architecture.hidden;
        let mut first = 0;
        for (&tokens, out) in workspace.lengths.iter().zip(out.chunks_exact_mut(width)) {
            let text = &workspace.hidden[first * width..][..tokens * width];
            pool::pool(self.tier, self.model.pooling, text, width, None, out).expect(PROVEN);
            first += tokens;
        }
    }

    /// What the model does to the pooled vectors.
    pub(super) fn finish(&self, rows: &mut [f32]) {
        match self.model.normalization {
            Normalization::UnitLength => {
                normalize::l2(self.tier, rows, self.model.architecture.hidden).expect(PROVEN);
            }
            Normalization::None => {}
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("model", &self.model)
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}

/// An even share of `len` for each thread, in whole rows of `width`.
fn per_thread(len: usize, width: usize, team: &Team) -> NonZeroUsize {
    let rows = len.div_ceil(width).div_ceil(team.threads().get());
    NonZeroUsize::new(rows * width).unwrap_or(NonZeroUsize::MIN)
}

impl Linear {
    /// `input` is `tokens` rows of the matrix' inputs, `out` as many of its outputs.
    fn apply(&self, team: &Team, input: &[f32], tokens: usize, out: &mut [f32]) {
        gemm(team, input, tokens, &self.matrix, Some(&self.bias), out);
    }
}

/// Reads and packs tensors by name.
struct Reader<'a> {
    model: &'a Model,
    tier: Tier,
}

impl Reader<'_> {
    fn layer(&self, index: usize) -> Result<Layer, EngineError> {
        let shape = &self.model.architecture;
        let (width, wide) = (shape.hidden, shape.intermediate);
        let prefix = format!("encoder.layer.{index}");
        let own = |name: &str| format!("{prefix}.attention.self.{name}");
        Ok(Layer {
            query_key_value: self.linear(&[own("query"), own("key"), own("value")], width, width)?,
            attention_output: self.linear(&[format!("{prefix}.attention.output.dense")], width, width)?,
            attention_norm: self.norm(&format!("{prefix}.attention.output.LayerNorm"))?,
            up: self.linear(&[format!("{prefix}.intermediate.dense")], wide, width)?,
            down: self.linear(&[format!("{prefix}.output.dense")], width, wide)?,
            output_norm: self.norm(&format!("{prefix}.output.LayerNorm"))?,
        })
    }

    /// Products of the same input become one, their outputs side by side.
    fn linear(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Linear, EngineError> {
        let size = outputs * inputs;
        let mut bias = AlignedBuffer::zeroed(names.len() * outputs);
        let tensor = |name: &String| self.model.tensors.tensor(&format!("{name}.weight"), &[outputs, inputs]);
        for (name, bias) in names.iter().zip(bias.chunks_exact_mut(outputs)) {
            bias.copy_from_slice(&self.model.tensors.tensor(&format!("{name}.bias"), &[outputs])?);
        }
        let weights = match names {
            [name] => tensor(name)?,
            _ => {
                let mut together = AlignedBuffer::zeroed(names.len() * size);
                for (name, part) in names.iter().zip(together.chunks_exact_mut(size)) {
                    part.copy_from_slice(&tensor(name)?);
                }
                together
            }
        };
        let matrix = PackedMatrix::pack(self.tier, &weights, inputs, bias.len(), Layout::NxK)
            .map_err(|e| EngineError::Unavailable(e.to_string()))?;
        Ok(Linear { matrix, bias })
    }

    fn norm(&self, name: &str) -> Result<Norm, EngineError> {
        let width = [self.model.architecture.hidden];
        let scale = self.model.tensors.tensor(&format!("{name}.weight"), &width)?;
        let shift = self.model.tensors.tensor(&format!("{name}.bias"), &width)?;
        Ok(Norm { scale, shift })
    }
}
