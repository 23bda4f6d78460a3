//! Engines of others that run a network on rectangles of tokens: texts are padded to the longest of their batch.

use std::sync::Arc;

use super::model::{Model, Normalization, Pooling};
use super::onnx::padding_id;
use super::{Embeddings, Engine, EngineError};
use crate::foreign::{Network, TokenBatch, Vectors};
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;

/// In which order texts are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they come.
    AsItComes,
    /// Texts of like length together; the answers are in the order of the texts all the same.
    Sorted,
}

/// A network with all that stands before and behind it.
pub struct PaddedEngine {
    id: &'static str,
    model: Arc<Model>,
    team: Team,
    network: Box<dyn Network>,
    order: Order,
    /// Texts of a batch at most.
    most: usize,
    clock: Monotonic,
    /// Token positions of the last call, padding included.
    positions: usize,
}

impl PaddedEngine {
    /// Texts of a call are cut into batches of at most `most`.
    pub(super) fn new(
        id: &'static str,
        model: Arc<Model>,
        team: Team,
        network: Box<dyn Network>,
        (order, most): (Order, usize),
    ) -> Self {
        Self { id, model, team, network, order, most: most.max(1), clock: Monotonic::new(), positions: 0 }
    }

    /// One batch: the rows of `answer` that `rows` names.
    fn batch(
        &mut self,
        ids: &[Vec<u32>],
        rows: &[usize],
        answer: &mut [f32],
        stages: &mut Stages,
    ) -> Result<(), EngineError> {
        let clock = self.clock;
        let tokens = rows.iter().map(|&row| ids[row].len()).max().unwrap_or(0);
        let padding = i64::try_from(padding_id(&self.model.architecture)).unwrap_or(0);
        let [padded, mask, types] = stages.time(&clock, "prepare", || {
            let mut padded = vec![padding; rows.len() * tokens];
            let mut mask = vec![0; rows.len() * tokens];
            for (place, &row) in rows.iter().enumerate() {
                for (at, &id) in ids[row].iter().enumerate() {
                    padded[place * tokens + at] = i64::from(id);
                    mask[place * tokens + at] = 1;
                }
            }
            let types = vec![0; padded.len()];
            [padded, mask, types]
        });
        self.positions += padded.len();
        let batch = TokenBatch { ids: &padded, mask: &mask, types: &types, texts: rows.len(), tokens };
        let vectors =
            stages.time(&clock, "encode", || self.network.run(&batch)).map_err(EngineError::Input)?;
        let kept = self.model.embedding_len();
        let pooled = self.one_a_text(vectors, rows, ids, tokens, stages)?;
        for (&row, vector) in rows.iter().zip(pooled.chunks_exact(kept.max(1))) {
            answer[row * kept..][..kept].copy_from_slice(vector);
        }
        Ok(())
    }

    /// The vectors of the texts: as they came, or pooled here from those of their tokens.
    fn one_a_text(
        &self,
        vectors: Vectors,
        rows: &[usize],
        ids: &[Vec<u32>],
        tokens: usize,
        stages: &mut Stages,
    ) -> Result<Vec<f32>, EngineError> {
        let (all, kept) = (self.model.architecture.hidden, self.model.embedding_len());
        let Vectors { values, extents } = vectors;
        if extents == [rows.len(), kept] {
            return Ok(values);
        }
        if extents != [rows.len(), tokens, all] {
            return Err(EngineError::Input(format!(
                "its output has the extents {extents:?}, and this model makes {kept} numbers a text of {all} a token: the \
                 file is of another model"
            )));
        }
        let clock = self.clock;
        let mut pooled = Vec::with_capacity(rows.len() * kept);
        stages.time(&clock, "pool", || {
            for (text, &row) in values.chunks_exact((tokens * all).max(1)).zip(rows) {
                let own = text.get(..ids[row].len() * all).unwrap_or_default();
                pooled.extend(pool(self.model.pooling, own, all).into_iter().take(kept));
            }
        });
        if self.model.normalization == Normalization::UnitLength {
            stages
                .time(&clock, "normalize", || pooled.chunks_exact_mut(kept.max(1)).for_each(to_unit_length));
        }
        Ok(pooled)
    }
}

/// One vector of those of a text's tokens.
fn pool(pooling: Pooling, rows: &[f32], width: usize) -> Vec<f32> {
    let mut pooled = rows.get(..width).unwrap_or_default().to_vec();
    let later = rows.chunks_exact(width).skip(1);
    #[expect(clippy::cast_precision_loss, reason = "a text has far fewer than 2^24 tokens")]
    let count = (rows.len() / width.max(1)).max(1) as f32;
    let divisor = match pooling {
        Pooling::Cls => return pooled,
        Pooling::Max => {
            later.for_each(|row| pooled.iter_mut().zip(row).for_each(|(most, x)| *most = most.max(*x)));
            return pooled;
        }
        Pooling::Mean => count,
        Pooling::MeanSqrt => count.sqrt(),
    };
    later.for_each(|row| pooled.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
    pooled.iter_mut().for_each(|sum| *sum /= divisor);
    pooled
}

fn to_unit_length(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

impl Engine for PaddedEngine {
    fn id(&self) -> &str {
        self.id
    }

    fn dimensions(&self) -> usize {
        self.model.embedding_len()
    }

    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError> {
        let (start, clock) = (self.clock.now(), self.clock);
        let model = self.model.clone();
        let ids = stages.time(&clock, "tokenize", || model.tokenizer.batch(texts, &self.team))?;
        if let Some(id) = ids.iter().flatten().find(|&&id| id as usize >= model.architecture.vocabulary) {
            return Err(EngineError::Input(format!(
                "the tokenizer gives the id {id}, which the model has no row for"
            )));
        }
        let dimensions = self.dimensions();
        let mut values = vec![0.0; texts.len() * dimensions];
        let order = stages.time(&clock, "prepare", || {
            let mut order: Vec<usize> = (0..ids.len()).collect();
            if self.order == Order::Sorted {
                order.sort_by_key(|&row| ids[row].len());
            }
            order
        });
        self.positions = 0;
        for rows in order.chunks(self.most) {
            self.batch(&ids, rows, &mut values, stages)?;
        }
        stages.add_total(self.clock.now().saturating_sub(start));
        Ok(Embeddings { values, dimensions, tokens: ids.iter().map(Vec::len).sum() })
    }

    #[expect(clippy::cast_precision_loss, reason = "a call has far fewer than 2^52 positions")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("computed_tokens", self.positions as f64)]
    }
}

impl std::fmt::Debug for PaddedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaddedEngine")
            .field("id", &self.id)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
