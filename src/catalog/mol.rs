//! Benchmarks of family `mol`: mixture of logits, which is the same as a product of its components and a network on top.

use super::inputs::{self, counts_below};
use super::prepared::{FloatWork, Tolerance};
use super::similarity::TopWork;
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, own_tier};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Bf16Method, Layout, PackedMatrix};
use crate::kernels::mol::{
    EVERY_PAIR, Extents, Fused, Network, Precision, Sample, Side, Staged, TEMPERATURE, plain_scores,
    reference_scores,
};
use crate::kernels::similarity::{self, Best, F32, Hit, Measure, plain_top};
use crate::simd::{Tier, bf16_to_f32, f32_to_bf16};
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

mod scorer;

pub use scorer::{ScoreForm, Scorer, ScorerSizes};

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Score {
        id: "mol/score-f32",
        about: "mixture-of-logits score of every query with every item",
        answer: Answer::Scores,
    },
    &Score {
        id: "mol/topk-f32",
        about: "the ten items with the best mixture-of-logits scores for every query",
        answer: Answer::Best,
    },
    &ScoreBf16,
    &Dot,
];

const FORMULA: &str = "BxNxPQxPXxDxH, P = PQ PX: B N (2 P D + 4 P H + 5 H + 14 P) flops, and B N (H + 2 P) exponentials that no \
                       peak counts; reads N (PX D + P) + B (PQ D + P) + 2 P H + P + H numbers, writes B N scores";

const PLAIN: Implementation =
    Implementation::plain("a pair at a time with the C library's exp, as the compiler builds it");
const EAGER: Implementation = Implementation::vector(
    "eager",
    "a step at a time over all pairs, every tensor in memory; products by packed weights",
);
const TILED: Implementation = Implementation::vector(
    "tiled",
    "the same steps over 128 pairs at a time, whose tensors stay in the caches",
);
const FUSED: Implementation = Implementation::vector(
    "fused",
    "every step of a vector's worth of items before the next; scores alone are stored",
);
const PAIRS: Implementation = Implementation {
    tiers: &[Tier::Avx512bf16],
    ..Implementation::vector("pairs", "128 pairs at a time; products by dot products of bfloat16 pairs")
};
const FUSED_PAIRS: Implementation = Implementation {
    tiers: &[Tier::Avx512bf16],
    ..Implementation::vector("fused", "the fused form; products by dot products of bfloat16 pairs")
};
const WIDENED: Implementation = Implementation::vector(
    "widened",
    "128 pairs at a time; weights and operands widened to single precision",
);

/// Pairs whose tensors stay in a second-level cache.
const TILE: usize = 128;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Scores,
    Best,
}

/// In single precision.
struct Score {
    id: &'static str,
    about: &'static str,
    answer: Answer,
}

/// With bfloat16 operands of every product.
struct ScoreBf16;

/// What a mixture of logits stands beside: one dot product a pair, of an embedding.
struct Dot;

impl Benchmark for Dot {
    fn id(&self) -> &str {
        "mol/dot-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "dot product of every query with every item, for comparison",
            formula: "BxNxD: 2 B N D flops; reads 4 (B + N) D bytes, writes 4 B N",
            implementations: const {
                &[
                    Implementation::plain("the ordinary loop"),
                    Implementation::vector(
                        "packed",
                        "a matrix product with the items packed before the clock",
                    ),
                ]
            },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let mut shapes = vec![[8, 128, 64]];
        if extensiveness >= Extensiveness::Default {
            shapes.extend([[1, 1000, 64], [32, 1000, 64]]);
        }
        if extensiveness == Extensiveness::Full {
            shapes.extend([[32, 10_000, 64], [128, 1000, 64]]);
        }
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [b, n, d] = inputs::counts(shape)?.map(|x: usize| x as f64);
        Some(Cost { flops: 2.0 * b * n * d, ..Cost::streamed(4.0 * (b + n) * d, 4.0 * b * n) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [b, n, d] = inputs::fitting_counts(&case.shape, &resources.machine, |[b, n, d]| {
            8 * (b + n) * d + 16 * b * n
        })?;
        let tier = inputs::tier(case)?;
        let (queries, items) =
            (inputs::floats(b * d, resources.seed), inputs::floats(n * d, resources.seed ^ 1));
        let reference = similarity::reference_pairs::<F32>(Measure::Dot, &queries, &items, d);
        let tolerance = Tolerance::of_sum(d);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                similarity::plain_pairs::<F32>(Measure::Dot, &queries, &items, d, out);
            })),
            "packed" => {
                let packed = PackedMatrix::pack(tier, &items, d, n, Layout::NxK)?;
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    matmul::gemm(&team, &queries, b, &packed, None, out);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// The sizes of a case.
#[derive(Clone, Copy)]
struct Sizes {
    queries: usize,
    items: usize,
    extents: Extents,
}

impl Sizes {
    /// Six counts whose arrays, with the eager form's tensors, could be held by some memory.
    fn of(shape: &Shape) -> Option<Self> {
        let [queries, items, query_components, item_components, width, hidden] =
            counts_below::<6>(shape, 1 << 56)?;
        let extents = Extents { query_components, item_components, width, hidden };
        let sizes = Self { queries, items, extents };
        (sizes.bytes() < 1 << 40).then_some(sizes)
    }

    /// What a case takes at most: inputs twice, the eager form's tensors, scores and their reference.
    fn bytes(&self) -> usize {
        let (p, h) = (self.extents.logits(), self.extents.hidden);
        let pairs = self.queries.saturating_mul(self.items);
        let inputs = self.items.saturating_mul(self.extents.item_width() + p).saturating_mul(8);
        pairs.saturating_mul(4 * (2 * p + h) + 16).saturating_add(inputs).saturating_add(16 * p * h)
    }

    fn fitting(case: &Case, machine: &Machine) -> Result<Self, PrepareError> {
        let sizes = Self::of(&case.shape).ok_or_else(|| {
            PrepareError::Failed(format!(
                "{} is not a shape of six counts above zero that fit a memory",
                case.shape
            ))
        })?;
        inputs::fits(&case.shape, machine, sizes.bytes())?;
        Ok(sizes)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
    fn cost(&self, number_bytes: usize) -> Cost {
        let [b, n, d, h, p] =
            [self.queries, self.items, self.extents.width, self.extents.hidden, self.extents.logits()]
                .map(|x| x as f64);
        let [query_width, item_width] =
            [self.extents.query_width(), self.extents.item_width()].map(|x| x as f64);
        let numbers = n * (item_width + p) + b * (query_width + p) + 2.0 * p * h + p + h;
        Cost {
            flops: b * n * (2.0 * p * d + 4.0 * p * h + 5.0 * h + 14.0 * p),
            ..Cost::streamed(numbers * number_bytes as f64, 4.0 * b * n)
        }
    }
}

/// A model with its queries and items, random.
struct Model {
    sizes: Sizes,
    sample: Sample,
}

impl Model {
    fn new(sizes: Sizes, seed: u64) -> Self {
        let Sizes { queries, items, extents } = sizes;
        let mut seed = seed;
        let sample = Sample::of(extents, [queries, items], |count, most| {
            seed = seed.wrapping_add(1);
            let mut values = inputs::floats(count, seed);
            values.iter_mut().for_each(|x| *x *= most);
            values
        });
        Self { sizes, sample }
    }

    fn network(&self) -> Network<'_> {
        self.sample.network()
    }

    fn queries(&self) -> Side<'_> {
        self.sample.queries()
    }

    fn items(&self) -> Side<'_> {
        self.sample.items()
    }

    fn reference(&self, between: fn(f64) -> f64) -> Vec<f64> {
        reference_scores(self.sizes.extents, &self.network(), self.queries(), self.items(), between)
    }

    /// The same with the operands of products as bfloat16 has them; the items' components after the temperature.
    fn rounded(mut self) -> Self {
        let Sample { weights: [into_hidden, _, out_of_hidden, _], queries: [queries, _], items: [items, _] } =
            &mut self.sample;
        for values in [into_hidden, out_of_hidden, queries] {
            values.iter_mut().for_each(|x| *x = to_bf16(*x));
        }
        items.iter_mut().for_each(|x| *x = to_bf16(*x / TEMPERATURE) * TEMPERATURE);
        self
    }

    fn fused(&self, tier: Tier) -> Result<Fused, PrepareError> {
        Ok(Fused::new(tier, self.sizes.extents, &self.network(), self.items())?)
    }

    fn staged(&self, tier: Tier, precision: Precision, at_once: usize) -> Result<Staged, PrepareError> {
        let queries = [self.sizes.queries, at_once];
        Ok(Staged::new(tier, precision, self.sizes.extents, &self.network(), self.items(), queries)?)
    }
}

fn to_bf16(x: f32) -> f32 {
    bf16_to_f32(f32_to_bf16(x))
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is the point")]
fn single(x: f64) -> f32 {
    x as f32
}

fn shapes(extensiveness: Extensiveness) -> Vec<Shape> {
    let mut shapes = vec![[8, 128, 8, 8, 32, 128]];
    if extensiveness >= Extensiveness::Default {
        shapes.extend([[1, 1000, 8, 8, 32, 128], [32, 1000, 8, 8, 32, 128], [32, 1000, 8, 4, 64, 128]]);
    }
    if extensiveness == Extensiveness::Full {
        shapes.extend([
            [32, 10_000, 8, 8, 32, 128],
            [128, 1000, 8, 8, 32, 128],
            [32, 1000, 4, 4, 32, 128],
            [32, 1000, 8, 4, 128, 128],
            [32, 1000, 8, 8, 32, 64],
        ]);
    }
    shapes.iter().map(|shape| Shape::new(shape)).collect()
}

/// Scores are weighted means of logits of magnitude twenty, whose weights carry the errors of two layers.
const TOLERANCE: Tolerance = Tolerance { relative: 0.0, absolute: 2e-4 };
/// Where a number that lies between two of bfloat16 is rounded the other way than the reference's.
const BF16_TOLERANCE: Tolerance = Tolerance { relative: 0.0, absolute: 8e-3 };

impl Benchmark for Score {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        let implementations: &'static [Implementation] = match self.answer {
            Answer::Scores => const { &[PLAIN, EAGER, TILED, FUSED] },
            Answer::Best => const { &[PLAIN, FUSED] },
        };
        Card { about: self.about, formula: FORMULA, implementations }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        Some(Sizes::of(shape)?.cost(size_of::<f32>()))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let sizes = Sizes::fitting(case, &resources.machine)?;
        let tier = inputs::tier(case)?;
        let model = Model::new(sizes, resources.seed);
        let reference = model.reference(|x| x);
        let scratch_len = 2 * sizes.extents.logits() + sizes.extents.hidden;
        let mut scratch = AlignedBuffer::from_fn(scratch_len, |_| f32::NAN);
        let mut plain = move |model: &Model, out: &mut [f32]| {
            plain_scores(sizes.extents, &model.network(), model.queries(), model.items(), &mut scratch, out);
        };
        Ok(match (&*case.implementation, self.answer) {
            ("plain", Answer::Scores) => {
                Box::new(FloatWork::new(reference, TOLERANCE, move |out| plain(&model, out)))
            }
            ("eager" | "tiled", Answer::Scores) => {
                let at_once = if case.implementation == "eager" { EVERY_PAIR } else { TILE };
                let mut staged = model.staged(tier, Precision::Single, at_once)?;
                Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
                    // Arranging tested the tier; and an output that is not written fails the check.
                    let _ = staged.scores(model.queries(), out);
                }))
            }
            ("fused", Answer::Scores) => {
                let mut fused = model.fused(tier)?;
                Box::new(FloatWork::new(reference, TOLERANCE, move |out| fused.scores(model.queries(), out)))
            }
            ("plain", Answer::Best) => {
                let mut scores = AlignedBuffer::from_fn(reference.len(), |_| f32::NAN);
                let run = move |best: &mut [Hit<f32>]| {
                    plain(&model, &mut scores);
                    let places = best.len() / sizes.queries;
                    for (scores, best) in scores.chunks_exact(sizes.items).zip(best.chunks_exact_mut(places))
                    {
                        let _ = plain_top(scores, Best::Largest, best);
                    }
                    best.len()
                };
                Box::new(TopWork::of_many(reference, sizes.queries, Best::Largest, TOLERANCE.absolute, run))
            }
            ("fused", Answer::Best) => {
                let mut fused = model.fused(tier)?;
                let run = move |best: &mut [Hit<f32>]| {
                    fused.top(model.queries(), best);
                    best.len()
                };
                Box::new(TopWork::of_many(reference, sizes.queries, Best::Largest, TOLERANCE.absolute, run))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

impl Benchmark for ScoreBf16 {
    fn id(&self) -> &str {
        "mol/score-bf16"
    }
    fn card(&self) -> Card {
        Card {
            about: "mixture-of-logits score of every query with every item, products of bfloat16 numbers",
            formula: FORMULA,
            implementations: const { &[PAIRS, WIDENED, FUSED_PAIRS] },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        Some(Sizes::of(shape)?.cost(size_of::<u16>()))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let sizes = Sizes::fitting(case, &resources.machine)?;
        let tier = own_tier(case)?;
        let model = Model::new(sizes, resources.seed).rounded();
        let reference = model.reference(|x| f64::from(to_bf16(single(x))));
        let method = match &*case.implementation {
            "pairs" => Bf16Method::Pairs,
            "widened" => Bf16Method::Widened,
            "fused" => {
                let mut fused = Fused::bf16(tier, sizes.extents, &model.network(), model.items())?;
                return Ok(Box::new(FloatWork::new(reference, BF16_TOLERANCE, move |out| {
                    fused.scores(model.queries(), out);
                })));
            }
            _ => return Err(inputs::no_such_implementation(case)),
        };
        let mut staged = model.staged(tier, Precision::Bf16(method), TILE)?;
        Ok(Box::new(FloatWork::new(reference, BF16_TOLERANCE, move |out| {
            // As above.
            let _ = staged.scores(model.queries(), out);
        })))
    }
}
