//! The right answer: the same encoder in double precision, written plainly from its formulas, one text at a time.

use super::EngineError;
use super::config::{Activation, Architecture};
use super::model::{Model, Normalization, Pooling};
use super::names::{EMBEDDING_NORM, POSITIONS, RELATIVE, TYPES, WORDS};
use super::relative;
use crate::kernels::activation::{reference_gelu_erf, reference_gelu_tanh, reference_silu};

/// The embedding of one text, given as token ids, in double precision.
///
/// # Errors
/// A tensor is missing or not what `config.json` says, or an id or the text's length is beyond the model's tables.
pub fn embed(model: &Model, ids: &[u32]) -> Result<Vec<f64>, EngineError> {
    let shape = &model.architecture;
    let bias = match shape.relative_buckets {
        0 => Vec::new(),
        buckets => model.tensors.tensor(RELATIVE, &[buckets, shape.heads])?.to_vec(),
    };
    let text = Text { model, shape, tokens: ids.len(), bias };
    let mut hidden = text.embedded(ids)?;
    for layer in 0..shape.layers {
        hidden = text.layer(layer, &hidden)?;
    }
    let mut pooled = pool(model.pooling, &hidden, shape.hidden);
    pooled.truncate(model.embedding_len());
    if model.normalization == Normalization::UnitLength {
        let length = pooled.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 0.0 {
            pooled.iter_mut().for_each(|x| *x /= length);
        }
    }
    Ok(pooled)
}

/// One text on its way through the layers.
struct Text<'a> {
    model: &'a Model,
    shape: &'a Architecture,
    tokens: usize,
    /// By bucket of the relative position and head; empty for none.
    bias: Vec<f32>,
}

impl Text<'_> {
    fn embedded(&self, ids: &[u32]) -> Result<Vec<f64>, EngineError> {
        let (width, tensors) = (self.shape.hidden, &self.model.tensors);
        let words = tensors.table(WORDS, self.shape.vocabulary, width)?;
        let positions = tensors.tensor(POSITIONS, &[self.shape.positions, width])?;
        let types = match self.shape.types {
            0 => vec![0.0; width],
            types => tensors.tensor(TYPES, &[types, width])?[..width].to_vec(),
        };
        if ids.len() > self.shape.longest_text() || ids.iter().any(|&id| id as usize >= self.shape.vocabulary)
        {
            return Err(EngineError::Input("the text does not fit the model's tables".to_owned()));
        }
        let mut word = vec![0.0; width];
        let mut rows = Vec::with_capacity(ids.len() * width);
        for (&id, position) in ids.iter().zip(self.shape.position_rows(ids)) {
            words.copy_row(id as usize, &mut word);
            let position = &positions[position * width..][..width];
            rows.extend(
                (0..width).map(|i| f64::from(word[i]) + f64::from(position[i]) + f64::from(types[i])),
            );
        }
        self.normalised(EMBEDDING_NORM, rows)
    }

    fn layer(&self, index: usize, hidden: &[f64]) -> Result<Vec<f64>, EngineError> {
        let (width, wide) = (self.shape.hidden, self.shape.intermediate);
        let names = self.shape.family.layer(index);
        let query = self.linear(&names.query, width, hidden)?;
        let key = self.linear(&names.key, width, hidden)?;
        let value = self.linear(&names.value, width, hidden)?;
        let context = self.attention(&query, &key, &value);
        let projected = self.linear(&names.attention_output, width, &context)?;
        let attended = self.normalised(&names.attention_norm, sum(projected, hidden))?;
        let mut inner = self.linear(&names.up, wide, &attended)?;
        for x in &mut inner {
            *x = activate(self.shape.activation, *x);
        }
        let projected = self.linear(&names.down, width, &inner)?;
        self.normalised(&names.output_norm, sum(projected, &attended))
    }

    /// `outputs` dot products with the rows of a weight matrix, plus the bias.
    fn linear(&self, name: &str, outputs: usize, input: &[f64]) -> Result<Vec<f64>, EngineError> {
        let inputs = input.len() / self.tokens.max(1);
        let weight = self.model.tensors.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.model.tensors.tensor(&format!("{name}.bias"), &[outputs])?;
        let mut out = vec![0.0; self.tokens * outputs];
        let mut row = vec![0.0; inputs];
        for (i, weights) in weight.chunks_exact(inputs).enumerate() {
            row.iter_mut().zip(weights).for_each(|(wide, &weight)| *wide = f64::from(weight));
            for (token, input) in input.chunks_exact(inputs).enumerate() {
                out[token * outputs + i] = dot(&row, input) + f64::from(bias[i]);
            }
        }
        Ok(out)
    }

    /// `softmax(q k / sqrt(width of a head)) v`, head by head.
    fn attention(&self, query: &[f64], key: &[f64], value: &[f64]) -> Vec<f64> {
        let (width, head_width) = (self.shape.hidden, self.shape.head_width());
        #[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^52")]
        let scale = 1.0 / (head_width as f64).sqrt();
        let part = |rows: &[f64], token: usize, head: usize| {
            let start = token * width + head * head_width;
            rows[start..start + head_width].to_vec()
        };
        let mut context = vec![0.0; query.len()];
        for head in 0..self.shape.heads {
            for token in 0..self.tokens {
                let own = part(query, token, head);
                let mut scores: Vec<f64> = (0..self.tokens)
                    .map(|other| scale * dot(&own, &part(key, other, head)) + self.bias(head, token, other))
                    .collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
                let total: f64 = scores.iter().sum();
                let out = &mut context[token * width + head * head_width..][..head_width];
                for (other, score) in scores.iter().enumerate() {
                    for (out, value) in out.iter_mut().zip(part(value, other, head)) {
                        *out += score / total * value;
                    }
                }
            }
        }
        context
    }

    /// What the position of key `other` relative to the query `token` adds to their score.
    fn bias(&self, head: usize, token: usize, other: usize) -> f64 {
        if self.bias.is_empty() {
            return 0.0;
        }
        let offset = other.cast_signed() - token.cast_signed();
        let bucket = relative::bucket(offset, self.shape.relative_buckets);
        f64::from(self.bias[bucket * self.shape.heads + head])
    }

    /// Layer normalisation, with the variance over the row's length.
    fn normalised(&self, name: &str, mut rows: Vec<f64>) -> Result<Vec<f64>, EngineError> {
        let width = self.shape.hidden;
        let scale = self.model.tensors.tensor(&format!("{name}.weight"), &[width])?;
        let shift = self.model.tensors.tensor(&format!("{name}.bias"), &[width])?;
        #[expect(clippy::cast_precision_loss, reason = "a row is far shorter than 2^52")]
        let count = width as f64;
        for row in rows.chunks_exact_mut(width) {
            let mean = row.iter().sum::<f64>() / count;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            let factor = 1.0 / (variance + f64::from(self.shape.epsilon)).sqrt();
            for (i, x) in row.iter_mut().enumerate() {
                *x = (*x - mean) * factor * f64::from(scale[i]) + f64::from(shift[i]);
            }
        }
        Ok(rows)
    }
}

fn sum(mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// Eight sums side by side, so that the additions do not wait for each other.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::GeluErf => reference_gelu_erf(x),
        Activation::GeluTanh => reference_gelu_tanh(x),
        Activation::Relu => x.max(0.0),
        Activation::Silu => reference_silu(x),
    }
}

fn pool(pooling: Pooling, tokens: &[f64], width: usize) -> Vec<f64> {
    let rows = || tokens.chunks_exact(width);
    #[expect(clippy::cast_precision_loss, reason = "a text has far fewer tokens than 2^52")]
    let count = rows().len().max(1) as f64;
    let column = |i: usize| rows().map(move |row| row[i]);
    let value = |i: usize| match pooling {
        Pooling::Mean => column(i).sum::<f64>() / count,
        Pooling::MeanSqrt => column(i).sum::<f64>() / count.sqrt(),
        Pooling::Max => column(i).reduce(f64::max).unwrap_or(0.0),
        Pooling::Cls => column(i).next().unwrap_or(0.0),
    };
    (0..width).map(value).collect()
}
