//! A model as an ONNX graph: token ids and a mask in, embeddings out, pooled and normalised as the model says.

use super::Weights;
use super::graph::Attribute::{Float, Integer, Integers};
use super::graph::{Dimension, Graph, Type};
use crate::engines::config::{Activation, Architecture};
use crate::engines::model::{Normalization, Pooling};
use crate::engines::names::{EMBEDDING_NORM, POSITIONS, RELATIVE, TYPES, WORDS};
use crate::engines::{EngineError, Model, relative};

/// Token ids, int64, texts x tokens.
const IDS: &str = "input_ids";
/// 1 where a token is and 0 where padding is, int64, texts x tokens.
const MASK: &str = "attention_mask";
/// The vectors, f32, texts x dimensions.
const EMBEDDING: &str = "sentence_embedding";

/// What is added to the score of a key that is padding: its share rounds to 0 in every number type.
const MASKED: f32 = -10_000.0;

/// Builds the graph. Names of inputs and output are those of sentence-transformers' exports.
///
/// # Errors
/// A weight that is changed on the way is missing.
pub(super) fn graph(model: &Model, weights: Weights) -> Result<Graph, EngineError> {
    let shape = &model.architecture;
    let mut builder = Builder { model, shape, weights, graph: Graph::default() };
    let texts = [Dimension::Named("texts"), Dimension::Named("tokens")];
    builder.graph.input(IDS, Type::Int64, &texts);
    builder.graph.input(MASK, Type::Int64, &texts);
    let vectors = [Dimension::Named("texts"), Dimension::Fixed(model.embedding_len())];
    builder.graph.output(EMBEDDING, Type::Float, &vectors);
    let mask = builder.node("Cast", &[MASK], &[Integer("to", 1)]);
    let mut hidden = builder.embedded();
    let added = builder.added_to_scores(&mask)?;
    for layer in 0..shape.layers {
        hidden = builder.layer(layer, &hidden, &added)?;
    }
    let pooled = builder.pooled(&hidden, &mask);
    builder.finished(&pooled);
    Ok(builder.graph)
}

struct Builder<'m> {
    model: &'m Model,
    shape: &'m Architecture,
    weights: Weights,
    graph: Graph,
}

impl Builder<'_> {
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[super::graph::Attribute<'_>],
    ) -> String {
        self.graph.node(operator, inputs, attributes)
    }

    /// A node of two inputs and no attribute.
    fn of(&mut self, operator: &str, a: &str, b: &str) -> String {
        self.graph.node(operator, &[a, b], &[])
    }

    fn scalar(&mut self, value: f32) -> String {
        self.graph.floats(&[], &[value])
    }

    /// Words, positions and the first token type, added and normalised.
    fn embedded(&mut self) -> String {
        let (shape, width) = (self.shape, self.shape.hidden);
        let table = self.graph.weight(WORDS, &[shape.vocabulary, width]);
        let words = self.of("Gather", &table, IDS);
        let positions = self.positions();
        let mut sum = self.of("Add", &words, &positions);
        if shape.types > 0 {
            let types = self.graph.weight(TYPES, &[shape.types, width]);
            let first = self.graph.integer(0);
            let row = self.of("Gather", &types, &first);
            sum = self.of("Add", &sum, &row);
        }
        self.normalised(&sum, EMBEDDING_NORM)
    }

    /// The positions' vectors: the first rows of their table, or those that the tokens before a token count up to.
    fn positions(&mut self) -> String {
        let shape = self.shape;
        let table = self.graph.weight(POSITIONS, &[shape.positions, shape.hidden]);
        if shape.first_position() == 0 {
            let (start, tokens) = (self.graph.integers(&[0]), self.token_count());
            // Without its axes some engines (rten) take a slice to be of all.
            let axis = self.graph.integers(&[0]);
            return self.node("Slice", &[&table, &start, &tokens, &axis], &[]);
        }
        let padding = i64::try_from(shape.padding).unwrap_or(i64::MAX);
        let padding = self.graph.integer(padding);
        let is_padding = self.of("Equal", IDS, &padding);
        let is_token = self.node("Not", &[&is_padding], &[]);
        let is_token = self.node("Cast", &[&is_token], &[Integer("to", 7)]);
        let axis = self.graph.integer(1);
        let counted = self.of("CumSum", &is_token, &axis);
        let counted = self.of("Mul", &counted, &is_token);
        let rows = self.of("Add", &counted, &padding);
        self.of("Gather", &table, &rows)
    }

    /// The number of tokens, as a row of one.
    fn token_count(&mut self) -> String {
        let extents = self.node("Shape", &[IDS], &[]);
        let (from, to) = (self.graph.integers(&[1]), self.graph.integers(&[2]));
        self.node("Slice", &[&extents, &from, &to], &[])
    }

    /// What the mask and, in MPNet, the relative positions add to every score.
    fn added_to_scores(&mut self, mask: &str) -> Result<String, EngineError> {
        let axes = self.graph.integers(&[1, 2]);
        let keys = self.of("Unsqueeze", mask, &axes);
        let one = self.scalar(1.0);
        let absent = self.of("Sub", &one, &keys);
        let low = self.scalar(MASKED);
        let masked = self.of("Mul", &absent, &low);
        let (buckets, heads) = (self.shape.relative_buckets, self.shape.heads);
        if buckets == 0 {
            return Ok(masked);
        }
        let reach = self.shape.longest_text();
        let weights = self.model.tensors.tensor(RELATIVE, &[buckets, heads])?;
        let table = relative::table(&weights, heads, reach);
        let table = self.graph.floats(&[heads, 2 * reach - 1], &table);
        let (zero, one, count) = (self.graph.integer(0), self.graph.integer(1), self.token_count());
        let scalar = self.node("Squeeze", &[&count], &[]);
        let range = self.node("Range", &[&zero, &scalar, &one], &[]);
        let (first, second) = (self.graph.integers(&[0]), self.graph.integers(&[1]));
        let keys = self.of("Unsqueeze", &range, &first);
        let queries = self.of("Unsqueeze", &range, &second);
        let offset = self.of("Sub", &keys, &queries);
        let start = self.graph.integer(i64::try_from(reach - 1).unwrap_or(i64::MAX));
        let places = self.of("Add", &offset, &start);
        let bias = self.node("Gather", &[&table, &places], &[Integer("axis", 1)]);
        Ok(self.of("Add", &masked, &bias))
    }

    fn layer(&mut self, index: usize, hidden: &str, added: &str) -> Result<String, EngineError> {
        let (width, wide) = (self.shape.hidden, self.shape.intermediate);
        let names = self.shape.family.layer(index);
        let input = self.input(hidden);
        let query = self.linear(&input, &names.query, [width, width])?;
        let key = self.linear(&input, &names.key, [width, width])?;
        let value = self.linear(&input, &names.value, [width, width])?;
        let context = self.attention([&query, &key, &value], added);
        let context = self.input(&context);
        let projected = self.linear(&context, &names.attention_output, [width, width])?;
        let sum = self.of("Add", &projected, hidden);
        let attended = self.normalised(&sum, &names.attention_norm);
        let input = self.input(&attended);
        let inner = self.linear(&input, &names.up, [wide, width])?;
        let inner = self.activated(&inner);
        let inner = self.input(&inner);
        let projected = self.linear(&inner, &names.down, [width, wide])?;
        let sum = self.of("Add", &projected, &attended);
        Ok(self.normalised(&sum, &names.output_norm))
    }

    /// Softmax of the scaled products of queries and keys, over the values, head by head.
    fn attention(&mut self, [query, key, value]: [&str; 3], added: &str) -> String {
        let [heads, width] =
            [self.shape.heads, self.shape.head_width()].map(|n| i64::try_from(n).unwrap_or(0));
        let split = self.graph.integers(&[0, 0, heads, width]);
        let mut parts =
            [(query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (value, [0, 2, 1, 3])].map(|(x, order)| {
                let parts = self.of("Reshape", x, &split);
                self.node("Transpose", &[&parts], &[Integers("perm", &order)])
            });
        let products = self.of("MatMul", &parts[0], &parts[1]);
        #[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^24")]
        let root = self.scalar((self.shape.head_width() as f32).sqrt());
        let scores = self.of("Div", &products, &root);
        let scores = self.of("Add", &scores, added);
        let shares = self.node("Softmax", &[&scores], &[Integer("axis", -1)]);
        let mixed = self.of("MatMul", &shares, &std::mem::take(&mut parts[2]));
        let mixed = self.node("Transpose", &[&mixed], &[Integers("perm", &[0, 2, 1, 3])]);
        let joined = self.graph.integers(&[0, 0, heads * width]);
        self.of("Reshape", &mixed, &joined)
    }

    fn normalised(&mut self, x: &str, name: &str) -> String {
        let width = [self.shape.hidden];
        let scale = self.graph.weight(&format!("{name}.weight"), &width);
        let shift = self.graph.weight(&format!("{name}.bias"), &width);
        let attributes = [Integer("axis", -1), Float("epsilon", self.shape.epsilon)];
        self.node("LayerNormalization", &[x, &scale, &shift], &attributes)
    }

    fn activated(&mut self, x: &str) -> String {
        match self.shape.activation {
            Activation::Relu => self.node("Relu", &[x], &[]),
            Activation::Silu => {
                let share = self.node("Sigmoid", &[x], &[]);
                self.of("Mul", x, &share)
            }
            // As PyTorch's exporter writes it, which engines recognise and fuse.
            Activation::GeluErf => {
                let root = self.scalar(std::f32::consts::SQRT_2);
                let scaled = self.of("Div", x, &root);
                let erf = self.node("Erf", &[&scaled], &[]);
                self.half_of_one_more(x, &erf)
            }
            Activation::GeluTanh => {
                let square = self.of("Mul", x, x);
                let cube = self.of("Mul", &square, x);
                let share = self.scalar(0.044_715);
                let bent = self.of("Mul", &cube, &share);
                let sum = self.of("Add", x, &bent);
                let factor = self.scalar((2.0 / std::f32::consts::PI).sqrt());
                let inner = self.of("Mul", &sum, &factor);
                let tanh = self.node("Tanh", &[&inner], &[]);
                self.half_of_one_more(x, &tanh)
            }
        }
    }

    /// `x (1 + y) / 2`.
    fn half_of_one_more(&mut self, x: &str, y: &str) -> String {
        let (one, half) = (self.scalar(1.0), self.scalar(0.5));
        let more = self.of("Add", y, &one);
        let product = self.of("Mul", x, &more);
        self.of("Mul", &product, &half)
    }

    /// An input of products, as they take it: for bytes, quantised once for all that share it.
    fn input(&mut self, x: &str) -> Input {
        match self.weights {
            Weights::F32 => Input::Float(x.to_owned()),
            Weights::Int8 => {
                let bytes = self.graph.unused("quantized");
                let outputs = ["", "_scale", "_zero"].map(|part| format!("{bytes}{part}"));
                let names = outputs.each_ref().map(String::as_str);
                self.graph.named_node("DynamicQuantizeLinear", &[x], &names, &[]);
                let [bytes, scale, zero] = outputs;
                Input::Bytes { bytes, scale, zero }
            }
        }
    }

    /// A product with a weight matrix, and its bias.
    fn linear(
        &mut self,
        input: &Input,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<String, EngineError> {
        let weight = format!("{name}.weight");
        let product = match input {
            Input::Float(x) => {
                let weight = self.graph.turned_weight(&weight, [outputs, inputs]);
                self.of("MatMul", x, &weight)
            }
            Input::Bytes { bytes, scale, zero } => {
                let values = self.model.tensors.tensor(&weight, &[outputs, inputs])?;
                let (weights, scales) = quantized(&values, [outputs, inputs]);
                let weights = self.graph.bytes(&[inputs, outputs], &weights);
                let scales = self.graph.floats(&[outputs], &scales);
                let sums = self.node("MatMulInteger", &[bytes, &weights, zero], &[]);
                let sums = self.node("Cast", &[&sums], &[Integer("to", 1)]);
                let scales = self.of("Mul", scale, &scales);
                self.of("Mul", &sums, &scales)
            }
        };
        let bias = self.graph.weight(&format!("{name}.bias"), &[outputs]);
        Ok(self.of("Add", &product, &bias))
    }

    /// One vector a text, padding left out, cut to the dimensions that are kept.
    fn pooled(&mut self, hidden: &str, mask: &str) -> String {
        let without = [Integer("keepdims", 0)];
        let pooled = match self.model.pooling {
            Pooling::Cls => {
                let first = self.graph.integer(0);
                self.node("Gather", &[hidden, &first], &[Integer("axis", 1)])
            }
            Pooling::Max => {
                let (tokens, one) = (self.tokens(mask), self.scalar(1.0));
                let absent = self.of("Sub", &one, &tokens);
                // Beyond every number that a normalised vector holds.
                let low = self.scalar(-1e9);
                let low = self.of("Mul", &absent, &low);
                let masked = self.of("Add", hidden, &low);
                self.node("ReduceMax", &[&masked], &[Integers("axes", &[1]), Integer("keepdims", 0)])
            }
            Pooling::Mean | Pooling::MeanSqrt => {
                let (tokens, axis) = (self.tokens(mask), self.graph.integers(&[1]));
                let masked = self.of("Mul", hidden, &tokens);
                let sum = self.node("ReduceSum", &[&masked, &axis], &without);
                let count = self.node("ReduceSum", &[&tokens, &axis], &without);
                let count = match self.model.pooling {
                    Pooling::MeanSqrt => self.node("Sqrt", &[&count], &[]),
                    _ => count,
                };
                self.of("Div", &sum, &count)
            }
        };
        match self.model.dimensions {
            None => pooled,
            Some(dimensions) => {
                let start = self.graph.integers(&[0]);
                let end = self.graph.integers(&[i64::try_from(dimensions.get()).unwrap_or(i64::MAX)]);
                let axis = self.graph.integers(&[1]);
                self.node("Slice", &[&pooled, &start, &end, &axis], &[])
            }
        }
    }

    /// The mask with a place for every number of a vector: texts x tokens x 1.
    fn tokens(&mut self, mask: &str) -> String {
        let last = self.graph.integers(&[2]);
        self.of("Unsqueeze", mask, &last)
    }

    /// The output: the pooled vector, of unit length where the model says so.
    fn finished(&mut self, pooled: &str) {
        match self.model.normalization {
            Normalization::None => self.graph.named_node("Identity", &[pooled], &[EMBEDDING], &[]),
            Normalization::UnitLength => {
                let attributes = [Integers("axes", &[1]), Integer("keepdims", 1)];
                let length = self.node("ReduceL2", &[pooled], &attributes);
                let least = self.scalar(1e-12);
                let length = self.of("Max", &length, &least);
                self.graph.named_node("Div", &[pooled, &length], &[EMBEDDING], &[]);
            }
        }
    }
}

/// What a product multiplies.
enum Input {
    Float(String),
    Bytes { bytes: String, scale: String, zero: String },
}

/// A weight matrix in signed bytes with a scale an output, as `[inputs, outputs]`, which is what ONNX Runtime's
/// `quantize_dynamic` with `per_channel` makes of it.
fn quantized(values: &[f32], [outputs, inputs]: [usize; 2]) -> (Vec<i8>, Vec<f32>) {
    let scales: Vec<f32> = values
        .chunks_exact(inputs)
        .map(|row| {
            row.iter().fold(0.0_f32, |most, value| most.max(value.abs())).max(f32::MIN_POSITIVE) / 127.0
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "rounded and at most 127")]
    let byte = |row: usize, column: usize| (values[row * inputs + column] / scales[row]).round() as i8;
    let bytes = (0..inputs).flat_map(|column| (0..outputs).map(move |row| (row, column)));
    (bytes.map(|(row, column)| byte(row, column)).collect(), scales)
}

/// The id that stands where padding is. Most graphs tell it by the mask; RoBERTa's and MPNet's positions count by the id.
pub(in crate::engines) const fn padding_id(shape: &Architecture) -> usize {
    shape.padding
}
