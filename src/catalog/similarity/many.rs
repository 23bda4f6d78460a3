//! Many queries against many rows, by a matrix product: every score, or the best ten rows of each query.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::{FloatWork, IntegerWork};
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::rows::Answer;
use super::top::{BEST, TopWork};
use super::{PLAIN, tolerance};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedBytes, PackedMatrix};
use crate::kernels::similarity::{
    self, Best, F32, Hit, LONGEST_BYTES, Measure, NO_ROW, QUERIES_AT_ONCE, Sum,
};
use crate::simd::Tier;
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon],
    threads: Threading::Parallel,
    about: "a matrix product with the table packed once, before the clock",
};
const PACKED_BYTES: Implementation =
    Implementation { tiers: &[Tier::Avx2, Tier::Avx512vnni, Tier::NeonDotprod], ..PACKED };

/// QUERIESxROWSxCOLS: every query against every row of floats.
pub(super) struct Many {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) answer: Answer,
}

/// As [`Many`], of signed bytes.
pub(super) struct ManyBytes {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) answer: Answer,
}

fn shapes(extensiveness: Extensiveness, answer: Answer) -> Vec<Shape> {
    let shapes: &[[usize; 3]] = match (extensiveness, answer) {
        (Extensiveness::Quick, _) => &[[64, 1024, 384]],
        (Extensiveness::Default, _) | (Extensiveness::Full, Answer::Best) => {
            &[[64, 1024, 384], [8, 4096, 384]]
        }
        (Extensiveness::Full, Answer::Scores) => &[[64, 1024, 384], [8, 4096, 384], [256, 16_384, 384]],
    };
    shapes.iter().map(|shape| Shape::new(shape)).collect()
}

/// The cost of a product over numbers of so many bytes, and of looking through its scores for the best.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
fn cost([queries, rows, width]: [usize; 3], number_bytes: usize, answer: Answer) -> Cost {
    let [queries, rows, width] = [queries, rows, width].map(|count| count as f64);
    let (read, scores) = (number_bytes as f64 * (queries + rows) * width, 4.0 * queries * rows);
    let best = (size_of::<u64>() * BEST) as f64 * queries;
    let streamed = match answer {
        Answer::Scores => Cost::streamed(read, scores),
        Answer::Best => Cost::streamed(read + scores, scores + best),
    };
    Cost { flops: 2.0 * queries * rows * width, ..streamed }
}

/// Scores of as many queries as are looked at together.
fn room<T: Copy>(queries: usize, rows: usize, zero: T) -> Vec<T> {
    vec![zero; queries.min(QUERIES_AT_ONCE) * rows]
}

/// The best of all queries' scores, one query after the other; how many places there are.
fn plain_best<T: Copy + Default + PartialOrd>(scores: &[T], rows: usize, best: &mut [Hit<T>]) -> usize {
    let places = best.len() * rows / scores.len();
    for (scores, best) in scores.chunks_exact(rows).zip(best.chunks_exact_mut(places)) {
        let found = similarity::plain_top(scores, Best::Largest, best);
        best[found..].fill(Hit { row: NO_ROW, score: T::default() });
    }
    best.len()
}

impl Benchmark for Many {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, PACKED] } }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness, self.answer)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        Some(cost(counts(shape)?, size_of::<f32>(), self.answer))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [queries, rows, width] =
            fitting_counts(&case.shape, &resources.machine, |[q, r, c]| 8 * (q + r) * c + 32 * q * r)?;
        let tier = inputs::tier(case)?;
        let left = inputs::floats(queries * width, resources.seed);
        let table = inputs::floats(rows * width, resources.seed ^ 1);
        let reference = similarity::reference_pairs::<F32>(Measure::Dot, &left, &table, width);
        let tolerance = tolerance(Measure::Dot, width);
        let packed = || PackedMatrix::pack(tier, &table, width, rows, Layout::NxK);
        let team = resources.team.clone();
        Ok(match (&*case.implementation, self.answer) {
            ("plain", Answer::Scores) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                similarity::plain_pairs::<F32>(Measure::Dot, &left, &table, width, out);
            })),
            ("packed", Answer::Scores) => {
                let table = packed()?;
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    matmul::gemm(&team, &left, queries, &table, None, out);
                }))
            }
            ("plain", Answer::Best) => {
                let mut scores = AlignedBuffer::from_fn(queries * rows, |_| f32::NAN);
                let run = move |best: &mut [Hit<f32>]| {
                    similarity::plain_pairs::<F32>(Measure::Dot, &left, &table, width, &mut scores);
                    plain_best(&scores, rows, best)
                };
                Box::new(TopWork::of_many(reference, queries, Best::Largest, tolerance.absolute, run))
            }
            ("packed", Answer::Best) => {
                let (table, mut scores) = (packed()?, room(queries, rows, 0.0));
                let run = move |best: &mut [Hit<f32>]| {
                    similarity::dot_many_top(&team, &left, &table, &mut scores, best);
                    best.len()
                };
                Box::new(TopWork::of_many(reference, queries, Best::Largest, tolerance.absolute, run))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

impl Benchmark for ManyBytes {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, PACKED_BYTES] } }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness, self.answer)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let counts: [usize; 3] = counts(shape)?;
        (counts[2] <= LONGEST_BYTES).then(|| cost(counts, size_of::<i8>(), self.answer))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [queries, rows, width] =
            fitting_counts(&case.shape, &resources.machine, |[q, r, c]| 3 * (q + r) * c + 32 * q * r)?;
        let tier = inputs::tier(case)?;
        let left = inputs::signed_bytes(queries * width, resources.seed);
        let table = inputs::signed_bytes(rows * width, resources.seed ^ 1);
        let reference = similarity::reference_i8_pairs(Sum::Dot, &left, &table, width);
        let as_floats = || reference.iter().map(|&score| f64::from(score)).collect();
        let packed = || PackedBytes::pack(tier, &table, width, rows, Layout::NxK);
        let team = resources.team.clone();
        Ok(match (&*case.implementation, self.answer) {
            ("plain", Answer::Scores) => Box::new(IntegerWork::new(reference, move |out| {
                similarity::plain_i8_pairs(Sum::Dot, &left, &table, width, out);
            })),
            ("packed", Answer::Scores) => {
                let table = packed()?;
                Box::new(IntegerWork::new(reference, move |out| {
                    matmul::gemm_bytes(&team, &left, queries, &table, out);
                }))
            }
            ("plain", Answer::Best) => {
                let mut scores = AlignedBuffer::from_fn(queries * rows, |_| 0_i32);
                let run = move |best: &mut [Hit<i32>]| {
                    similarity::plain_i8_pairs(Sum::Dot, &left, &table, width, &mut scores);
                    plain_best(&scores, rows, best)
                };
                Box::new(TopWork::of_many(as_floats(), queries, Best::Largest, 0.0, run))
            }
            ("packed", Answer::Best) => {
                let (table, mut scores) = (packed()?, room(queries, rows, 0_i32));
                let run = move |best: &mut [Hit<i32>]| {
                    similarity::dot_many_top_i8(&team, &left, &table, &mut scores, best);
                    best.len()
                };
                Box::new(TopWork::of_many(as_floats(), queries, Best::Largest, 0.0, run))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
