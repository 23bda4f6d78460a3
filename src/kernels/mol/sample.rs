//! A model with queries and items made up of random numbers, for whoever measures or tests.

use super::{Extents, Network, Side};
use crate::tensor::AlignedBuffer;

/// Weights as a trained model has them, in size, and components of unit length.
pub struct Sample {
    /// `W1`, `b1`, `W2`, `b2`.
    pub weights: [AlignedBuffer<f32>; 4],
    /// Components and gates.
    pub queries: [AlignedBuffer<f32>; 2],
    /// Components and gates.
    pub items: [AlignedBuffer<f32>; 2],
}

impl Sample {
    /// So many queries and items out of `floats(count, most)`: numbers of either sign, none larger than `most`.
    pub fn of(
        extents: Extents,
        [queries, items]: [usize; 2],
        mut floats: impl FnMut(usize, f32) -> AlignedBuffer<f32>,
    ) -> Self {
        let (p, h) = (extents.logits(), extents.hidden);
        // Gates spread over several units, as a trained model's do; logits are up to twenty.
        let weights = [floats(p * h, 0.05), floats(h, 0.5), floats(h * p, 0.2), floats(p, 0.5)];
        let mut side = |count: usize, width: usize| {
            let mut components = floats(count * width, 1.0);
            for component in components.chunks_exact_mut(extents.width) {
                let length = component.iter().map(|x| x * x).sum::<f32>().sqrt();
                component.iter_mut().for_each(|x| *x /= length);
            }
            [components, floats(count * p, 1.5)]
        };
        let (queries, items) = (side(queries, extents.query_width()), side(items, extents.item_width()));
        Self { weights, queries, items }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> Network<'_> {
        let [into_hidden, hidden_bias, out_of_hidden, bias] = &self.weights;
        Network { into_hidden, hidden_bias, out_of_hidden, bias }
    }

    /// The queries.
    #[must_use]
    pub fn queries(&self) -> Side<'_> {
        Side { components: &self.queries[0], gates: &self.queries[1] }
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> Side<'_> {
        Side { components: &self.items[0], gates: &self.items[1] }
    }
}
