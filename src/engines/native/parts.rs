//! Where the time of the layers goes: one sum for each part of a layer, over all layers of a batch.

use crate::engines::config::Architecture;
use crate::sys::{Clock, Monotonic};

/// A part of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    QueryKeyValue,
    Attention,
    AttentionOutput,
    AttentionNorm,
    Up,
    Activation,
    Down,
    OutputNorm,
}

/// Number of parts.
const COUNT: usize = 8;

/// The facts that tell each part's seconds, in the order of [`Part`].
pub(super) const SECONDS: [&str; COUNT] = [
    "encode_query_key_value_seconds",
    "encode_attention_seconds",
    "encode_attention_output_seconds",
    "encode_attention_norm_seconds",
    "encode_up_seconds",
    "encode_activation_seconds",
    "encode_down_seconds",
    "encode_output_norm_seconds",
];

/// The facts that tell the operations of the parts that multiply.
const FLOPS: [&str; 5] = [
    "encode_query_key_value_flops",
    "encode_attention_flops",
    "encode_attention_output_flops",
    "encode_up_flops",
    "encode_down_flops",
];

/// Nanoseconds of every part.
#[derive(Debug)]
pub(super) struct Parts {
    clock: Monotonic,
    nanoseconds: [u64; COUNT],
}

impl Parts {
    pub(super) fn new(clock: Monotonic) -> Self {
        Self { clock, nanoseconds: [0; COUNT] }
    }

    pub(super) fn reset(&mut self) {
        self.nanoseconds = [0; COUNT];
    }

    /// Runs `work` and adds its time to a part.
    #[inline]
    pub(super) fn time(&mut self, part: Part, work: impl FnOnce()) {
        let start = self.clock.now();
        work();
        self.nanoseconds[part as usize] += self.clock.now().saturating_sub(start);
    }

    /// Seconds of each part.
    pub(super) fn seconds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        SECONDS.into_iter().zip(self.nanoseconds.map(crate::sys::clock::as_seconds))
    }
}

/// Operations of the parts that multiply, of texts of these lengths: together [`Architecture::flops`].
#[expect(clippy::cast_precision_loss, reason = "counts shown with a few digits")]
pub(super) fn flops(shape: &Architecture, lengths: &[usize]) -> impl Iterator<Item = (&'static str, f64)> {
    let (layers, width, wide) = (shape.layers as f64, shape.hidden as f64, shape.intermediate as f64);
    let tokens: f64 = lengths.iter().map(|&n| n as f64).sum();
    let squares: f64 = lengths.iter().map(|&n| (n * n) as f64).sum();
    let product = 2.0 * tokens * width;
    let each =
        [3.0 * product * width, 4.0 * width * squares, product * width, product * wide, product * wide];
    FLOPS.into_iter().zip(each.map(|flops| layers * flops))
}
