//! A batch size that keeps a latency target and a memory limit while the load changes: fed with what batches took, asked
//! for the next size. It reads no clock and draws nothing.
//!
//! The time of a batch is a fixed part and one by the text, `t = a + b n`, both unknown and both growing with the load. The
//! next size is `n T / t`, which needs neither: its error shrinks by `a / T` with every batch, without overshooting, and
//! what is slower than proportional costs it nothing until time grows with the square of the size. Memory has the same
//! form and the same rule, but for growing only: from `n` texts in `m` bytes, `n M / m` texts need no more than `M`.

use std::num::NonZeroUsize;

/// Latest batches of a size that the estimate rests on: their median leaves out what some of them met alone.
const WINDOW: usize = 24;

/// Latest batches that the spread rests on.
const SPREAD_WINDOW: usize = 48;

/// Deviations above the median that are kept below the target: with the error of both estimates, 19 of 20 normal times
/// are then within it (with both known, 1.645 would do).
const DEVIATIONS: f64 = 2.0;

/// A median absolute deviation of normal values is so much of their standard deviation.
const MEDIAN_DEVIATION: f64 = 0.6745;

/// The median of `n` normal values has this standard deviation, times theirs over the root of `n`.
const MEDIAN_ERROR: f64 = 1.2533;

/// So many standard deviations of the median are no noise.
const SURE: f64 = 2.5;

/// The least growth that is worth a change, as a logarithm.
const SMALLEST: f64 = 0.03;

/// The least lack of room that is.
const LEAST: f64 = 0.005;

/// Room, as a logarithm, in which one text more than is certain to fit is tried.
const TRIAL: f64 = 0.26;

/// Two batches in a row that are late by so much, as a logarithm, are answered at once.
const LATE: f64 = 0.08;

/// Batches that show a lack of room.
const FEW: usize = 3;

/// Sizes at most double: what is measured at one size says little of one far away.
const MOST_GROWTH: f64 = 2.0;

/// Of the memory limit, what is aimed at: room for batches that need a tenth more than others of their size.
const MEMORY_SHARE: f64 = 0.9;

/// What batches may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Seconds of a batch: 19 of 20 take no longer.
    pub seconds: f64,
    /// Bytes of the process, if limited.
    pub memory_bytes: Option<u64>,
    /// Texts at most.
    pub most: NonZeroUsize,
}

/// What one batch took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Its texts.
    pub batch: NonZeroUsize,
    /// Its seconds.
    pub seconds: f64,
    /// Bytes of the process during it, where they are known.
    pub memory_bytes: Option<u64>,
}

/// Chooses sizes of batches.
#[derive(Debug, Clone)]
pub struct Controller {
    limits: Limits,
    size: usize,
    /// ln(seconds / texts) of the latest batches, the newest last.
    rates: Vec<f64>,
    /// Of the largest batch so far, its texts and the most bytes that were seen.
    largest: Option<(usize, u64)>,
    /// Batches since the size changed.
    since_change: usize,
    /// The size before, where that was too large.
    refused: Option<usize>,
}

impl Controller {
    /// One that has seen nothing and begins with one text.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, size: 1, rates: Vec::new(), largest: None, since_change: 0, refused: None }
    }

    /// Texts of the next batch.
    #[must_use]
    pub fn next_batch(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.size).unwrap_or(NonZeroUsize::MIN)
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes what a batch took. Times that are no positive numbers are left out.
    pub fn observe(&mut self, observation: Observation) {
        self.observe_memory(observation);
        if observation.seconds.is_finite() && observation.seconds > 0.0 {
            self.rates.push((observation.seconds / float(observation.batch.get())).ln());
            if self.rates.len() > SPREAD_WINDOW {
                self.rates.remove(0);
            }
            self.since_change += 1;
        }
        let size = self.wanted().clamp(1, self.limits.most.get()).min(self.memory_bound());
        if size != self.size {
            self.refused = (size < self.size).then_some(self.size);
            self.size = size.max(1);
            self.since_change = 0;
        }
    }

    fn observe_memory(&mut self, observation: Observation) {
        let Some(bytes) = observation.memory_bytes else { return };
        let batch = observation.batch.get();
        self.largest = match self.largest {
            Some((texts, most)) if batch <= texts => Some((texts, most.max(bytes))),
            _ => Some((batch, bytes)),
        };
    }

    /// The most texts that the memory limit allows, by the largest batch so far; as many as that one, or fewer, where it
    /// left no room.
    fn memory_bound(&self) -> usize {
        match (self.limits.memory_bytes, self.largest) {
            (None, _) => usize::MAX,
            // Nothing is known before the first batch, which has one text.
            (Some(_), None) => 1,
            (Some(limit), Some((texts, bytes))) => {
                whole(float(texts) * MEMORY_SHARE * limit as f64 / bytes.max(1) as f64).max(1)
            }
        }
    }

    /// The size that the latest times ask for.
    fn wanted(&self) -> usize {
        let size = float(self.size);
        let latest = &self.rates[self.rates.len() - self.since_change.min(WINDOW).min(self.rates.len())..];
        let Some(rate) = median(latest) else { return self.size };
        let deviation = self.deviation();
        // The target less what one batch of twenty takes more than the median, and the size that takes that.
        let target = self.limits.seconds.ln() - DEVIATIONS * deviation;
        let sized = |room: f64| whole(size * room.exp().min(MOST_GROWTH));
        // One slow batch may have met something alone; of two the faster shows what both met.
        if let [.., before, last] = latest
            && before.min(*last) + size.ln() > self.limits.seconds.ln() + LATE
        {
            return sized(target - before.min(*last) - size.ln());
        }
        let room = target - rate - size.ln();
        // What disturbs a batch makes it slower, so that one fast batch may show room; to show its lack takes some.
        let shown = SURE * MEDIAN_ERROR * deviation / float(latest.len()).sqrt();
        if room > SMALLEST + shown {
            // One text more can take up to the time of one text more; where that may be too much, it is tried once.
            let one_more = room > TRIAL && self.refused != Some(self.size + 1);
            return sized(room - shown).max(self.size + usize::from(one_more));
        }
        if -room > LEAST + shown && latest.len() >= FEW {
            return sized(room);
        }
        self.size
    }

    /// Standard deviation of the logarithm of a time, by the steps between neighbouring batches: a change of the load or of
    /// the size is in one of them, noise in all.
    fn deviation(&self) -> f64 {
        let steps: Vec<f64> = self.rates.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        // A difference of two has twice the variance of one.
        median(&steps).unwrap_or(0.0) / MEDIAN_DEVIATION / std::f64::consts::SQRT_2
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

#[expect(clippy::cast_precision_loss, reason = "texts of a batch are few")]
const fn float(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is clamped by the caller"
)]
const fn whole(size: f64) -> usize {
    size as usize
}

#[cfg(test)]
mod tests;
