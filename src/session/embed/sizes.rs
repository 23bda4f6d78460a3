//! Sizes of a file's batches chosen by limits, and what came of it.

use std::num::NonZeroUsize;

use crate::engines::adaptive::{Controller, Limits, Observation};
use crate::sys::resources::peak_resident_bytes;

/// What limits made of the batches of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Adapted {
    /// Batches.
    pub batches: u64,
    /// Those that took no longer than the limit.
    pub in_time: u64,
    /// The smallest size chosen, from the tenth batch on.
    pub smallest: usize,
    /// The largest.
    pub largest: usize,
    /// The size at the end.
    pub last: usize,
    /// Batches after which the process had more memory than the limit, if there is one.
    pub beyond_memory: u64,
}

/// The controller between the batches of a file.
pub(super) struct Sizes {
    controller: Controller,
    summary: Adapted,
}

impl Sizes {
    pub(super) fn new(limits: Limits) -> Self {
        Self { controller: Controller::new(limits), summary: Adapted::default() }
    }

    pub(super) fn next_batch(&self) -> NonZeroUsize {
        self.controller.next_batch()
    }

    /// Takes what a batch of `texts` took. The memory is the most that the process had so far.
    pub(super) fn observe(&mut self, texts: usize, seconds: f64) {
        let Some(batch) = NonZeroUsize::new(texts) else { return };
        let memory_bytes = peak_resident_bytes();
        self.controller.observe(Observation { batch, seconds, memory_bytes });
        let limits = self.controller.limits();
        let beyond = limits.memory_bytes.zip(memory_bytes).is_some_and(|(limit, bytes)| bytes > limit);
        let Adapted { batches, in_time, smallest, largest, last, beyond_memory } = &mut self.summary;
        *batches += 1;
        *in_time += u64::from(seconds <= limits.seconds);
        *beyond_memory += u64::from(beyond);
        // The first batches are small whatever the limit.
        *smallest = if *batches <= 10 { texts } else { texts.min(*smallest) };
        *largest = texts.max(*largest);
        *last = self.controller.next_batch().get();
    }

    pub(super) const fn summary(&self) -> Adapted {
        self.summary
    }
}

impl Adapted {
    /// In a sentence.
    #[must_use]
    pub fn sentence(&self, limits: Limits) -> String {
        let Self { batches, in_time, smallest, largest, last, beyond_memory } = self;
        let memory = match limits.memory_bytes {
            None => String::new(),
            Some(limit) => {
                format!("; {beyond_memory} of them with more than {} of memory", crate::units::bytes(limit))
            }
        };
        format!(
            "batches of {smallest} to {largest} texts, {last} at the end: {in_time} of {batches} within {}{memory}",
            crate::units::seconds(limits.seconds)
        )
    }
}
