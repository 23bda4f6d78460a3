//! Padding, order and pooling, with a network that answers what it was asked.

use super::*;
use crate::engines::Stages;
use crate::engines::builtin::{Preset, model};

/// For every token a vector that begins with its id; or for every text one that begins with their sum.
struct Echo {
    width: usize,
    pools: bool,
    /// Texts and tokens of every call.
    calls: std::sync::Arc<std::sync::Mutex<Vec<[usize; 2]>>>,
}

impl Network for Echo {
    fn run(&mut self, batch: &TokenBatch<'_>) -> Result<Vectors, String> {
        self.calls.lock().unwrap().push([batch.texts, batch.tokens]);
        let count = if self.pools { batch.texts } else { batch.ids.len() };
        let mut values = vec![0.0; count * self.width];
        for (place, (&id, &mask)) in batch.ids.iter().zip(batch.mask).enumerate() {
            let row = if self.pools { place / batch.tokens } else { place };
            // What stands on padding must not be seen.
            values[row * self.width] += if mask == 1 {
                id as f32
            } else if self.pools {
                0.0
            } else {
                1e9
            };
        }
        let tokens = [batch.texts, batch.tokens, self.width];
        Ok(Vectors {
            values,
            extents: if self.pools { vec![batch.texts, self.width] } else { tokens.to_vec() },
        })
    }
}

/// The first number of every embedding, and the calls that were made.
fn embedded(pools: bool, pooling: Pooling, order: Order) -> (Vec<f32>, Vec<[usize; 2]>, f64) {
    let mut model = model(Preset::Tiny).unwrap();
    (model.pooling, model.normalization) = (pooling, Normalization::None);
    let calls = std::sync::Arc::default();
    let echo = Echo { width: model.architecture.hidden, pools, calls: std::sync::Arc::clone(&calls) };
    let mut engine = PaddedEngine::new("echo", Arc::new(model), Team::single(), Box::new(echo), (order, 2));
    let answer = engine.embed(&TEXTS, &mut Stages::new()).unwrap();
    assert_eq!(answer.values.len(), TEXTS.len() * engine.dimensions());
    let first = answer.rows().map(|row| row[0]).collect();
    let calls = calls.lock().unwrap().clone();
    (first, calls, engine.facts()[0].1)
}

const TEXTS: [&str; 4] = ["a b c d e f g h", "", "a b c d e f g h i", "a"];

#[test]
fn answers_come_in_the_order_of_the_texts_and_padding_is_not_seen() {
    let model = model(Preset::Tiny).unwrap();
    let ids: Vec<Vec<u32>> = TEXTS.iter().map(|text| model.tokenizer.ids(text).unwrap()).collect();
    let sum = |ids: &Vec<u32>| ids.iter().map(|&id| id as f32).sum::<f32>();
    for (pooling, right) in [
        (Pooling::Mean, (|ids, sum| sum / ids as f32) as fn(usize, f32) -> f32),
        (Pooling::MeanSqrt, |ids, sum| sum / (ids as f32).sqrt()),
    ] {
        for order in [Order::AsItComes, Order::Sorted] {
            let (pooled, ..) = embedded(false, pooling, order);
            for (got, ids) in pooled.iter().zip(&ids) {
                let want = right(ids.len(), sum(ids));
                assert!((got - want).abs() <= 1e-5 * want, "{pooling:?} {order:?}: {got} {want}");
            }
        }
    }
    let most = |ids: &Vec<u32>| ids.iter().copied().max().unwrap() as f32;
    assert_eq!(embedded(false, Pooling::Max, Order::Sorted).0, ids.iter().map(most).collect::<Vec<_>>());
    assert_eq!(
        embedded(false, Pooling::Cls, Order::Sorted).0,
        ids.iter().map(|ids| ids[0] as f32).collect::<Vec<_>>()
    );
    assert_eq!(embedded(true, Pooling::Mean, Order::Sorted).0, ids.iter().map(sum).collect::<Vec<_>>());
}

#[test]
fn texts_of_like_length_share_a_batch_where_they_are_sorted() {
    let (_, as_they_come, positions) = embedded(true, Pooling::Mean, Order::AsItComes);
    let (_, sorted, fewer) = embedded(true, Pooling::Mean, Order::Sorted);
    assert_eq!(as_they_come.len(), 2);
    assert!(as_they_come.iter().chain(&sorted).all(|call| call[0] == 2));
    assert_eq!(positions, as_they_come.iter().map(|[texts, tokens]| (texts * tokens) as f64).sum::<f64>());
    assert!(fewer < positions, "{fewer} {positions}");
}

#[test]
fn an_output_of_another_width_is_said_to_be_of_another_model() {
    let model = Arc::new(model(Preset::Tiny).unwrap());
    for (width, pools) in [(model.architecture.hidden + 1, false), (1, true)] {
        let echo = Echo { width, pools, calls: std::sync::Arc::default() };
        let way = (Order::AsItComes, 8);
        let mut engine = PaddedEngine::new("echo", model.clone(), Team::single(), Box::new(echo), way);
        let why = engine.embed(&["a"], &mut Stages::new()).unwrap_err().to_string();
        assert!(why.contains("another model"), "{why}");
    }
}
