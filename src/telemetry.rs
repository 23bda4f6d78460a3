//! Scopes for programs that embed: how long each stage of a piece of work took, at the cost of two clock reads.

use crate::sys::Clock;
use crate::sys::clock::as_seconds;

mod trace;

pub use trace::{Trace, Track};

/// Seconds spent in each named stage, in the order of first use. Reused from batch to batch without allocating.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stages {
    entries: Vec<(&'static str, u64)>,
    total: u64,
    /// Where every piece of work is noted besides.
    track: Option<Track>,
}

impl Stages {
    /// No stage yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), total: 0, track: None }
    }

    /// No stage yet, and everything that is timed also noted on a track.
    #[must_use]
    pub const fn on(track: Track) -> Self {
        Self { entries: Vec::new(), total: 0, track: Some(track) }
    }

    /// The track, where somebody traces.
    #[must_use]
    pub const fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// Notes nothing on a track any more.
    pub fn leave_track(&mut self) {
        self.track = None;
    }

    /// Sets every stage and the total to zero, keeping the names.
    pub fn reset(&mut self) {
        self.total = 0;
        for (_, nanoseconds) in &mut self.entries {
            *nanoseconds = 0;
        }
    }

    /// Runs `work` and adds its time to the stage `name`.
    #[inline]
    pub fn time<R>(&mut self, clock: &dyn Clock, name: &'static str, work: impl FnOnce() -> R) -> R {
        let start = clock.now();
        let answer = work();
        let end = clock.now();
        self.add(name, end.saturating_sub(start));
        if let Some(track) = &self.track {
            track.span(name, start, end, None);
        }
        answer
    }

    /// Adds time to a stage.
    pub fn add(&mut self, name: &'static str, nanoseconds: u64) {
        match self.entries.iter_mut().find(|(n, _)| *n == name) {
            Some((_, sum)) => *sum += nanoseconds,
            None => self.entries.push((name, nanoseconds)),
        }
    }

    /// Adds every stage of `other`, times `numerator / denominator`.
    pub fn add_scaled(&mut self, other: &Self, numerator: u64, denominator: u64) {
        for &(name, nanoseconds) in &other.entries {
            self.add(name, scaled(nanoseconds, numerator, denominator));
        }
    }

    /// Nanoseconds of all stages together.
    #[must_use]
    pub fn nanoseconds(&self) -> u64 {
        self.entries.iter().map(|&(_, nanoseconds)| nanoseconds).sum()
    }

    /// Adds time measured around all stages by its own pair of clock reads.
    pub const fn add_total(&mut self, nanoseconds: u64) {
        self.total += nanoseconds;
    }

    /// The stages and their seconds.
    pub fn seconds(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.entries.iter().map(|&(name, ns)| (name, as_seconds(ns)))
    }

    /// Seconds of the total, by its own pair of clock reads.
    #[must_use]
    pub fn total_seconds(&self) -> f64 {
        as_seconds(self.total)
    }
}

/// `value * numerator / denominator`; nothing of nothing.
#[must_use]
pub fn scaled(value: u64, numerator: u64, denominator: u64) -> u64 {
    let exact = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(exact).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::Fake;

    #[test]
    fn stages_add_up_by_name_and_keep_their_order() {
        let clock = Fake::default();
        let mut stages = Stages::new();
        for _ in 0..2 {
            stages.time(&clock, "encode", || clock.advance(5));
            stages.time(&clock, "pool", || clock.advance(1));
        }
        let seconds: Vec<_> = stages.seconds().collect();
        assert_eq!(seconds, [("encode", 1e-8), ("pool", 2e-9)]);
        assert_eq!(stages.nanoseconds(), 12);
        // Two threads were busy for 12 together while 6 passed.
        let mut shared = Stages::new();
        shared.add_scaled(&stages, 6, 12);
        assert_eq!(shared.entries, [("encode", 5), ("pool", 1)]);
        stages.reset();
        assert_eq!(stages.seconds().map(|(_, s)| s).sum::<f64>(), 0.0);
        assert_eq!(scaled(u64::MAX, 3, 0), u64::MAX);
    }
}
