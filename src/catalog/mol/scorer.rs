//! A form of scoring that is arranged once and then asked again and again, without a reference answer beside it: for
//! searches over sizes, where the answer would take longer than what is measured.

use super::{EVERY_PAIR, Extents, Fused, Layout, Model, PackedMatrix, Precision, Side, Sizes, Staged, TILE};
use super::{PrepareError, inputs, matmul};
use crate::document::{Machine, Shape};
use crate::kernels::matmul::Bf16Method;
use crate::simd::Tier;
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreForm {
    /// Every step of a vector's worth of items before the next.
    Fused,
    /// The same with the operands of every product in bfloat16, where there are dot products of those.
    FusedBf16,
    /// Steps over blocks that stay in the caches.
    Tiled,
    /// The same with components, network and the operands of every product in bfloat16.
    TiledBf16,
    /// A step at a time, every tensor in memory.
    Eager,
    /// A dot product a pair, of embeddings of a width; the other sizes are not looked at.
    Dot,
}

impl ScoreForm {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Fused, Self::FusedBf16, Self::Tiled, Self::TiledBf16, Self::Eager, Self::Dot];

    /// As in case texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::FusedBf16 => "fused-bf16",
            Self::Tiled => "tiled",
            Self::TiledBf16 => "tiled-bf16",
            Self::Eager => "eager",
            Self::Dot => "dot",
        }
    }

    /// The form in single precision that takes the same steps.
    const fn single(self) -> Self {
        match self {
            Self::FusedBf16 => Self::Fused,
            Self::TiledBf16 => Self::Tiled,
            Self::Fused | Self::Tiled | Self::Eager | Self::Dot => self,
        }
    }

    /// The form of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// Sizes of a scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScorerSizes {
    /// Queries at a time.
    pub queries: usize,
    /// Items.
    pub items: usize,
    /// Components of a query.
    pub query_components: usize,
    /// Components of an item.
    pub item_components: usize,
    /// Width of a component, or of an embedding.
    pub width: usize,
    /// Hidden units of the gates' network.
    pub gate_hidden: usize,
}

impl ScorerSizes {
    /// Operations for all pairs, as the catalog counts them; `None` where they are no sizes.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a shape that fits a memory")]
    pub fn flops(&self, form: ScoreForm) -> Option<f64> {
        match form {
            ScoreForm::Dot => Some(2.0 * (self.queries * self.items) as f64 * self.width as f64),
            _ => Some(Sizes::of(&self.shape())?.cost(size_of::<f32>()).flops),
        }
    }

    /// Bytes of the items, the queries and the scores, and those of the network's weights, as the form keeps them.
    #[must_use]
    pub fn bytes(&self, form: ScoreForm) -> [usize; 2] {
        let p = self.query_components * self.item_components;
        let single = size_of::<f32>();
        let scores = self.queries.saturating_mul(self.items).saturating_mul(single);
        let operand = if form == form.single() { single } else { size_of::<u16>() };
        match form {
            ScoreForm::Dot => {
                let embeddings = (self.queries.saturating_add(self.items)).saturating_mul(self.width);
                [embeddings.saturating_mul(single).saturating_add(scores), 0]
            }
            _ => {
                let items =
                    self.items.saturating_mul(self.item_components * self.width * operand + p * single);
                // Queries come as they are, and are rounded on the way.
                let queries = self.queries.saturating_mul((self.query_components * self.width + p) * single);
                let data = items.saturating_add(queries).saturating_add(scores);
                [data, 2 * p * self.gate_hidden * operand + (p + self.gate_hidden) * single]
            }
        }
    }

    /// Bytes of a form while it is arranged, when it takes most: the items as they come beside those that are arranged, and the
    /// tensors of every pair where the form keeps them.
    #[must_use]
    pub fn arranging_bytes(&self, form: ScoreForm) -> u64 {
        // As they come, numbers are of single precision; what is arranged takes no more.
        let [data, model] = self.bytes(form.single());
        let tensors = match form {
            ScoreForm::Eager => {
                let pair = 2 * self.query_components * self.item_components + self.gate_hidden;
                self.queries.saturating_mul(self.items).saturating_mul(pair * size_of::<f32>())
            }
            _ => 0,
        };
        let twice = data.saturating_add(model).saturating_mul(2);
        twice.saturating_add(tensors) as u64
    }

    fn shape(&self) -> Shape {
        Shape::new(&[
            self.queries,
            self.items,
            self.query_components,
            self.item_components,
            self.width,
            self.gate_hidden,
        ])
    }
}

enum Kind {
    Fused(Box<Fused>),
    Staged(Box<Staged>),
    Dot(PackedMatrix),
}

/// A form with random items, ready to score a batch of random queries on one thread.
pub struct Scorer {
    kind: Kind,
    sizes: ScorerSizes,
    queries: [AlignedBuffer<f32>; 2],
    scores: AlignedBuffer<f32>,
}

impl Scorer {
    /// Arranges a form for a tier.
    ///
    /// # Errors
    /// Sizes that are none or that this machine does not hold, and a tier that this CPU lacks.
    pub fn new(
        form: ScoreForm,
        sizes: ScorerSizes,
        tier: Tier,
        seed: u64,
        machine: &Machine,
    ) -> Result<Self, PrepareError> {
        let shape = sizes.shape();
        if Sizes::of(&shape).is_none() {
            return Err(PrepareError::Failed(format!(
                "{shape} is not a shape of six counts above zero that fit a memory"
            )));
        }
        let bytes = usize::try_from(sizes.arranging_bytes(form)).unwrap_or(usize::MAX);
        inputs::fits(&shape, machine, bytes)?;
        let scores = AlignedBuffer::zeroed(sizes.queries * sizes.items);
        if form == ScoreForm::Dot {
            let items = inputs::floats(sizes.items * sizes.width, seed ^ 1);
            let packed = PackedMatrix::pack(tier, &items, sizes.width, sizes.items, Layout::NxK)?;
            let queries = [inputs::floats(sizes.queries * sizes.width, seed), AlignedBuffer::zeroed(0)];
            return Ok(Self { kind: Kind::Dot(packed), sizes, queries, scores });
        }
        let extents = Extents {
            query_components: sizes.query_components,
            item_components: sizes.item_components,
            width: sizes.width,
            hidden: sizes.gate_hidden,
        };
        let model = Model::new(Sizes { queries: sizes.queries, items: sizes.items, extents }, seed);
        let kind = match form {
            ScoreForm::Tiled => Kind::Staged(Box::new(model.staged(tier, Precision::Single, TILE)?)),
            ScoreForm::FusedBf16 => {
                let tier = Tier::Avx512bf16;
                Kind::Fused(Box::new(Fused::bf16(tier, extents, &model.network(), model.items())?))
            }
            ScoreForm::TiledBf16 => {
                let (tier, method) = if Tier::Avx512bf16.is_available() {
                    (Tier::Avx512bf16, Bf16Method::Pairs)
                } else {
                    (tier, Bf16Method::Widened)
                };
                Kind::Staged(Box::new(model.staged(tier, Precision::Bf16(method), TILE)?))
            }
            ScoreForm::Eager => Kind::Staged(Box::new(model.staged(tier, Precision::Single, EVERY_PAIR)?)),
            ScoreForm::Fused | ScoreForm::Dot => Kind::Fused(Box::new(model.fused(tier)?)),
        };
        Ok(Self { kind, sizes, queries: model.sample.queries, scores })
    }

    /// Scores the first `queries` of the batch, or all where it has fewer, with every item; answers the scores, a row a query.
    pub fn score(&mut self, queries: usize) -> &[f32] {
        let Self { kind, sizes, queries: [components, gates], scores } = self;
        let count = queries.min(sizes.queries);
        let [components, gates] =
            [&*components, &*gates].map(|numbers| &numbers[..numbers.len() / sizes.queries * count]);
        let scores = &mut scores[..count * sizes.items];
        let queries = Side { components, gates };
        match kind {
            Kind::Fused(fused) => fused.scores(queries, scores),
            Kind::Staged(staged) => {
                // Arranging tested the tier.
                let _ = staged.scores(queries, scores);
            }
            Kind::Dot(items) => {
                matmul::gemm(&Team::single(), components, count, items, None, scores);
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_mixture_gives_the_same_scores() {
        let tier = Tier::best_f32();
        let sizes = ScorerSizes {
            queries: 3,
            items: 37,
            query_components: 4,
            item_components: 2,
            width: 16,
            gate_hidden: 24,
        };
        let machine = Machine::default();
        let mut first: Option<Vec<f32>> = None;
        for form in ScoreForm::ALL.into_iter().filter(|form| *form != ScoreForm::Dot) {
            assert_eq!(ScoreForm::named(form.name()), Some(form));
            let scorer = Scorer::new(form, sizes, tier, 7, &machine);
            if form == ScoreForm::FusedBf16 && !Tier::Avx512bf16.is_available() {
                assert!(scorer.is_err());
                continue;
            }
            let mut scorer = scorer.unwrap();
            let scores = scorer.score(3).to_vec();
            assert_eq!(scorer.score(1), &scores[..37], "{}", form.name());
            assert!(scores.iter().any(|score| score.abs() > 1.0), "{}", form.name());
            let first = first.get_or_insert_with(|| scores.clone());
            let apart = first.iter().zip(&scores).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Logits are up to twenty, and bfloat16 has eight bits.
            let most = if form == form.single() { 1e-3 } else { 0.2 };
            assert!(apart < most, "{}: {apart}", form.name());
        }
        let dots = Scorer::new(ScoreForm::Dot, sizes, tier, 7, &machine).unwrap().score(usize::MAX).len();
        assert_eq!(dots, 3 * 37);
    }

    #[test]
    fn sizes_that_no_memory_holds_are_refused() {
        let sizes = ScorerSizes {
            queries: 1 << 30,
            items: 1 << 30,
            query_components: 8,
            item_components: 8,
            width: 1 << 20,
            gate_hidden: 128,
        };
        assert!(Scorer::new(ScoreForm::Fused, sizes, Tier::best_f32(), 1, &Machine::default()).is_err());
        assert_eq!(ScorerSizes { items: 0, ..sizes }.flops(ScoreForm::Fused), None);
    }
}
