//! Where the time of the layers goes: one sum for each part of a layer, over all layers of a batch.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engines::config::Architecture;
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::{Track, scaled};

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

/// What a trace calls each part, in the order of [`Part`].
const NAMES: [&str; COUNT] = [
    "query_key_value",
    "attention",
    "attention_output",
    "attention_norm",
    "up",
    "activation",
    "down",
    "output_norm",
];

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

/// The facts that tell the bytes of each part, in the order of [`Part`].
const BYTES: [&str; COUNT] = [
    "encode_query_key_value_bytes",
    "encode_attention_bytes",
    "encode_attention_output_bytes",
    "encode_attention_norm_bytes",
    "encode_up_bytes",
    "encode_activation_bytes",
    "encode_down_bytes",
    "encode_output_norm_bytes",
];

/// Nanoseconds of every part.
#[derive(Debug)]
pub(super) struct Parts {
    clock: Monotonic,
    nanoseconds: [u64; COUNT],
    /// Where every part is noted besides, while somebody traces.
    track: Option<Track>,
}

impl Parts {
    pub(super) fn new(clock: Monotonic) -> Self {
        Self { clock, nanoseconds: [0; COUNT], track: None }
    }

    /// Begins a batch, whose parts are noted on the track where there is one.
    pub(super) fn begin(&mut self, track: Option<&Track>) {
        self.nanoseconds = [0; COUNT];
        self.track = track.cloned();
    }

    /// Adds every part of `other`, times `numerator / denominator`.
    pub(super) fn add_scaled(&mut self, other: &Self, numerator: u64, denominator: u64) {
        for (sum, &nanoseconds) in self.nanoseconds.iter_mut().zip(&other.nanoseconds) {
            *sum += scaled(nanoseconds, numerator, denominator);
        }
    }

    /// When a layer began; a clock is read only where somebody traces.
    pub(super) fn layer_start(&self) -> u64 {
        if self.track.is_some() { self.clock.now() } else { 0 }
    }

    /// Notes a layer that began at `start`.
    pub(super) fn layer_end(&self, layer: usize, start: u64) {
        if let Some(track) = &self.track {
            track.span("layer", start, self.clock.now(), Some(("layer", layer as u64)));
        }
    }

    /// Runs `work` and adds its time to a part.
    #[inline]
    pub(super) fn time(&mut self, part: Part, work: impl FnOnce()) {
        let start = self.clock.now();
        work();
        let end = self.clock.now();
        self.nanoseconds[part as usize] += end.saturating_sub(start);
        if let Some(track) = &self.track {
            track.span(NAMES[part as usize], start, end, None);
        }
    }

    /// Runs `work`, a product whose rows are finished as they are done, and adds its time to `part`, but that of finishing to
    /// `finish`.
    pub(super) fn time_finished(
        &mut self,
        [part, finish]: [Part; 2],
        team: &Team,
        work: impl FnOnce(&Finishing<'_>),
    ) {
        // A track is one thread's.
        let track = self.track.as_ref().filter(|_| team.runs_here());
        let finishing = Finishing {
            clock: self.clock,
            track: track.map(|track| (track, NAMES[finish as usize])),
            team,
            nanoseconds: AtomicU64::new(0),
            threads: AtomicU64::new(0),
        };
        let start = self.clock.now();
        work(&finishing);
        let end = self.clock.now();
        let passed = end.saturating_sub(start);
        let finished = finishing.of_a_thread().min(passed);
        self.nanoseconds[part as usize] += passed - finished;
        self.nanoseconds[finish as usize] += finished;
        if let Some(track) = &self.track {
            track.span(NAMES[part as usize], start, end, None);
        }
    }

    /// Seconds of each part.
    pub(super) fn seconds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        SECONDS.into_iter().zip(self.nanoseconds.map(crate::sys::clock::as_seconds))
    }
}

/// The time that a team spends on finishing the rows of a product.
pub(super) struct Finishing<'a> {
    clock: Monotonic,
    /// Where every piece is noted, and as what.
    track: Option<(&'a Track, &'static str)>,
    team: &'a Team,
    /// Of all threads together.
    nanoseconds: AtomicU64,
    /// A bit for each thread that took part, and one for all beyond the 63rd.
    threads: AtomicU64,
}

impl Finishing<'_> {
    /// Runs `work` on some rows.
    pub(super) fn time(&self, work: impl FnOnce()) {
        let start = self.clock.now();
        work();
        let end = self.clock.now();
        self.nanoseconds.fetch_add(end.saturating_sub(start), Ordering::Relaxed);
        self.threads.fetch_or(1 << self.team.place().min(63), Ordering::Relaxed);
        if let Some((track, name)) = self.track {
            track.span(name, start, end, None);
        }
    }

    /// What each of the threads spent on it, in the mean.
    fn of_a_thread(&self) -> u64 {
        let threads = self.threads.load(Ordering::Relaxed).count_ones();
        self.nanoseconds.load(Ordering::Relaxed) / u64::from(threads.max(1))
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

/// Bytes that the core reads and writes in each part, in the order of [`Part`]: inputs and outputs in single precision, and
/// the weights as often as tokens go through them together: those of attention, and those of feed-forward.
#[expect(clippy::cast_precision_loss, reason = "counts shown with a few digits")]
pub(super) fn bytes(
    shape: &Architecture,
    lengths: &[usize],
    weight_bytes: f64,
    [part, block]: [usize; 2],
) -> impl Iterator<Item = (&'static str, f64)> {
    let (layers, width, wide) = (shape.layers as f64, shape.hidden as f64, shape.intermediate as f64);
    let tokens: f64 = lengths.iter().map(|&n| n as f64).sum();
    let product = |inputs: f64, outputs: f64, passes: usize| {
        4.0 * tokens * (inputs + outputs) + weight_bytes * inputs * outputs * passes as f64
    };
    let each = [
        product(width, 3.0 * width, part),
        4.0 * tokens * 4.0 * width,
        product(width, width, part),
        // Two inputs and an output.
        4.0 * tokens * 3.0 * width,
        product(width, wide, block),
        4.0 * tokens * 2.0 * wide,
        product(wide, width, block),
        4.0 * tokens * 3.0 * width,
    ];
    BYTES.into_iter().zip(each.map(|bytes| layers * bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::builtin::Preset;

    #[test]
    fn bytes_are_inputs_outputs_and_the_weights_of_every_pass() {
        let shape = Preset::MinilmL6.architecture();
        let of = |lengths: &[usize], weight: f64, passes| -> Vec<(&str, f64)> {
            bytes(&shape, lengths, weight, passes).collect()
        };
        // Six layers, width 384, inner width 1536; 300 tokens go through `up` in two blocks.
        let bytes = of(&[100, 200], 1.0, [1, 2]);
        let layer = |bytes: usize| 6.0 * bytes as f64;
        assert_eq!(bytes[0], ("encode_query_key_value_bytes", layer(4 * 300 * 4 * 384 + 3 * 384 * 384)));
        assert_eq!(bytes[4], ("encode_up_bytes", layer(4 * 300 * 1920 + 2 * 384 * 1536)));
        assert_eq!(bytes[5], ("encode_activation_bytes", layer(4 * 300 * 2 * 1536)));
        assert_eq!(bytes[7], ("encode_output_norm_bytes", layer(4 * 300 * 3 * 384)));
        assert_eq!(of(&[100, 200], 4.0, [2, 3])[4].1, layer(4 * 300 * 1920 + 12 * 384 * 1536));
        assert_eq!(of(&[], 1.0, [0, 0])[5].1, 0.0);
    }
}
