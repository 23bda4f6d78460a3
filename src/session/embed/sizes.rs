//! Sizes of a file's batches chosen by limits, and what came of it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engines::adaptive::{Controller, Limits, Observation};
use crate::engines::{Embeddings, Engine, EngineError};
use crate::sys::resources::peak_resident_bytes;
use crate::telemetry::Stages;

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
struct Sizes {
    controller: Controller,
    summary: Adapted,
}

impl Sizes {
    /// Takes what a batch of `texts` took. The memory is the most that the process had so far.
    fn observe(&mut self, texts: usize, seconds: f64) {
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
}

/// What limits chose so far, for whoever tells the user.
pub(super) struct Chosen(Arc<Mutex<Sizes>>);

impl Chosen {
    pub(super) fn summary(&self) -> Adapted {
        lock(&self.0).summary
    }
}

/// An engine that asks for batches as large as limits allow.
pub(super) struct SizedEngine {
    inner: Box<dyn Engine>,
    sizes: Arc<Mutex<Sizes>>,
}

impl SizedEngine {
    /// Puts one around each engine; all share the limits.
    pub(super) fn wrap(engines: &mut Vec<Box<dyn Engine>>, limits: Limits) -> Chosen {
        let sizes = Sizes { controller: Controller::new(limits), summary: Adapted::default() };
        let sizes = Arc::new(Mutex::new(sizes));
        let wrap = |inner| Box::new(Self { inner, sizes: sizes.clone() }) as Box<dyn Engine>;
        *engines = std::mem::take(engines).into_iter().map(wrap).collect();
        Chosen(sizes)
    }
}

impl Engine for SizedEngine {
    fn id(&self) -> &str {
        self.inner.id()
    }
    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }
    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError> {
        let before = stages.total_seconds();
        let embeddings = self.inner.embed(texts, stages)?;
        lock(&self.sizes).observe(texts.len(), stages.total_seconds() - before);
        Ok(embeddings)
    }
    fn wanted_texts(&self) -> Option<NonZeroUsize> {
        Some(lock(&self.sizes).controller.next_batch())
    }
    fn facts(&self) -> Vec<(&'static str, f64)> {
        self.inner.facts()
    }
}

/// Counts are whole even if a thread died beside them.
fn lock(sizes: &Mutex<Sizes>) -> MutexGuard<'_, Sizes> {
    sizes.lock().unwrap_or_else(PoisonError::into_inner)
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
