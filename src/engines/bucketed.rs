//! Length bucketing: texts of like length in a batch. An engine takes a window of texts, puts it in order of length, embeds it
//! batch by batch, and answers in the order that it was given.

use std::num::NonZeroUsize;
use std::str::FromStr;

use super::presets::unknown;
use super::{Embeddings, Engine, EngineError, Order};
use crate::sys::Team;
use crate::telemetry::Stages;

/// Texts of a window at least: among fewer there is little to choose from.
const FEWEST_TEXTS: usize = 32;

/// Batches of a window at least: an order means something from two on.
const FEWEST_BATCHES: usize = 2;

/// Both orders with their names on the command line and in the settings file.
static ORDERS: &[(Order, &str)] = &[(Order::AsItComes, "none"), (Order::Sorted, "length")];

impl Order {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        ORDERS.iter().find(|(order, _)| *order == self).map_or("none", |(_, name)| name)
    }
}

impl FromStr for Order {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let found = ORDERS.iter().find(|(_, name)| *name == text).map(|(order, _)| *order);
        found.ok_or_else(|| unknown("bucketing", text, ORDERS.iter().map(|(_, name)| *name)))
    }
}

/// Texts that are put in order together, for batches of `batch`: a whole number of batches.
#[must_use]
pub fn window(batch: NonZeroUsize) -> NonZeroUsize {
    let fewest = FEWEST_TEXTS.max(batch.get().saturating_mul(FEWEST_BATCHES));
    batch.saturating_mul(NonZeroUsize::new(fewest.div_ceil(batch.get())).unwrap_or(NonZeroUsize::MIN))
}

/// The places of texts from the shortest to the longest, in bytes: tokens are not known before the work begins, and their
/// number goes with that of the bytes.
#[must_use]
pub fn by_length(texts: &[&str]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&at| texts[at].len());
    order
}

/// An engine whose batches hold texts of like length.
pub struct BucketedEngine {
    inner: Box<dyn Engine>,
    batch: NonZeroUsize,
}

impl BucketedEngine {
    /// What is handed over in one call is put in order and cut into batches of `batch` texts.
    #[must_use]
    pub fn new(inner: Box<dyn Engine>, batch: NonZeroUsize) -> Self {
        Self { inner, batch }
    }
}

impl Engine for BucketedEngine {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError> {
        let dimensions = self.dimensions();
        let mut values = Embeddings::zeroes(texts.len(), dimensions)?;
        let mut tokens = 0;
        for places in by_length(texts).chunks(self.batch.get()) {
            let batch: Vec<&str> = places.iter().map(|&place| texts[place]).collect();
            let embeddings = self.inner.embed(&batch, stages)?;
            for (&place, row) in places.iter().zip(embeddings.rows()) {
                values[place * dimensions..][..dimensions].copy_from_slice(row);
            }
            tokens += embeddings.tokens;
        }
        Ok(Embeddings { values, dimensions, tokens })
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        self.inner.facts()
    }

    fn another(&self, team: Team) -> Option<Box<dyn Engine>> {
        let inner = self.inner.another(team)?;
        Some(Box::new(Self { inner, batch: self.batch }))
    }

    fn limit_part(&mut self, tokens: NonZeroUsize) {
        self.inner.limit_part(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Embeds a text as its length and the longest of its batch.
    struct Lengths {
        batches: Vec<usize>,
    }

    impl Engine for Lengths {
        fn id(&self) -> &str {
            "lengths"
        }
        fn dimensions(&self) -> usize {
            2
        }
        #[expect(clippy::cast_precision_loss, reason = "short texts")]
        fn embed(&mut self, texts: &[&str], _: &mut Stages) -> Result<Embeddings, EngineError> {
            self.batches.push(texts.len());
            let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
            let values = texts.iter().flat_map(|text| [text.len() as f32, longest as f32]).collect();
            Ok(Embeddings { values, dimensions: 2, tokens: texts.len() })
        }
        fn facts(&self) -> Vec<(&'static str, f64)> {
            #[expect(clippy::cast_precision_loss, reason = "few batches")]
            self.batches.iter().map(|&texts| ("texts", texts as f64)).collect()
        }
    }

    #[test]
    fn batches_hold_like_lengths_and_answers_keep_the_order_of_the_texts() {
        let batch = NonZeroUsize::new(2).unwrap();
        let mut engine = BucketedEngine::new(Box::new(Lengths { batches: Vec::new() }), batch);
        let texts = ["aaaaa", "a", "aaaa", "", "aaa"];
        let embeddings = engine.embed(&texts, &mut Stages::new()).unwrap();
        let rows: Vec<&[f32]> = embeddings.rows().collect();
        assert_eq!(rows, [[5.0, 5.0], [1.0, 1.0], [4.0, 4.0], [0.0, 1.0], [3.0, 4.0]]);
        assert_eq!(embeddings.tokens, 5);
        assert_eq!(engine.facts(), [("texts", 2.0), ("texts", 2.0), ("texts", 1.0)]);
        assert!(engine.embed(&[], &mut Stages::new()).unwrap().values.is_empty());
    }

    #[test]
    fn a_window_is_a_whole_number_of_batches_and_at_least_two() {
        for (batch, texts) in [(1, 32), (2, 32), (5, 35), (16, 32), (20, 40), (64, 128), (33, 66)] {
            assert_eq!(window(NonZeroUsize::new(batch).unwrap()).get(), texts, "{batch}");
        }
        assert_eq!(window(NonZeroUsize::MAX), NonZeroUsize::MAX);
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for (order, name) in ORDERS {
            assert_eq!(name.parse::<Order>().unwrap(), *order);
            assert_eq!(order.name(), *name);
        }
        assert!("size".parse::<Order>().unwrap_err().to_string().contains("length"));
    }
}
