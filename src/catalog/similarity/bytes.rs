//! Vectors of signed bytes: pairs in L1, scans, and the best rows of one.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::{FloatWork, IntegerWork, Tolerance};
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::pairs::{VECTORS_OF_A_SIDE, flops, pairs_cost, widths};
use super::rows::{Answer, cached_tables, row_flops, scan_cost, tables};
use super::top::TopWork;
use super::{BYTES_OF_BOTH_SIDES, PLAIN, side};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity::{self, Best, Hit, LONGEST_BYTES, Measure, Sum};
use crate::simd::Tier;
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

/// The tiers whose products of bytes differ.
const TIERS: &[Tier] = &[Tier::Avx2, Tier::Avx512, Tier::Avx512vnni, Tier::Neon, Tier::NeonDotprod];
const VECTORS: Implementation = Implementation {
    name: "vectors",
    tiers: TIERS,
    threads: Threading::Single,
    about: "the tier's exact product of bytes, a register at a time",
};
const FOUR_ROWS: Implementation = Implementation {
    name: "four-rows",
    tiers: TIERS,
    threads: Threading::Single,
    about: "four rows side by side; what the instruction adds is the same for every row",
};

/// A shape's counts where vectors of so many bytes have sums of 32 bits.
fn short_enough<const N: usize>(shape: &Shape) -> Option<[usize; N]> {
    counts(shape).filter(|counts| counts.last().is_some_and(|&width| width <= LONGEST_BYTES))
}

/// A measure of pairs of vectors of bytes.
pub(super) struct BytePairs {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) measure: Measure,
}

impl Benchmark for BytePairs {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, VECTORS] } }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        widths(extensiveness)
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [width] = short_enough(shape)?;
        Some(pairs_cost(side(width, VECTORS_OF_A_SIDE), width, flops(self.measure, width)))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [width] = fitting_counts(&case.shape, &resources.machine, |[d]| 16 * d.max(BYTES_OF_BOTH_SIDES))?;
        let tier = inputs::tier(case)?;
        let side = side(width, VECTORS_OF_A_SIDE);
        let (left, right) = (
            inputs::signed_bytes(side * width, resources.seed),
            inputs::signed_bytes(side * width, resources.seed ^ 1),
        );
        let sum = self.measure.sum();
        // The tier is tested above; and an output that is not written fails the check.
        Ok(match (&*case.implementation, sum) {
            ("plain", Some(sum)) => {
                let reference = similarity::reference_i8_pairs(sum, &left, &right, width);
                Box::new(IntegerWork::new(reference, move |out| {
                    similarity::plain_i8_pairs(sum, &left, &right, width, out);
                }))
            }
            ("vectors", Some(sum)) => {
                let reference = similarity::reference_i8_pairs(sum, &left, &right, width);
                Box::new(IntegerWork::new(reference, move |out| {
                    let _ = similarity::i8_pairs(tier, sum, &left, &right, width, out);
                }))
            }
            (name @ ("plain" | "vectors"), None) => {
                let reference = similarity::reference_cosine_i8_pairs(&left, &right, width);
                // One rounding to single precision of a double-precision quotient of exact sums.
                let tolerance = Tolerance { relative: 1e-7, absolute: 0.0 };
                let plain = name == "plain";
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    if plain {
                        similarity::plain_cosine_i8_pairs(&left, &right, width, out);
                    } else {
                        let _ = similarity::cosine_i8_pairs(tier, &left, &right, width, out);
                    }
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// One query against ROWSxCOLS rows of bytes.
pub(super) struct ByteRows {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) measure: Measure,
    pub(super) answer: Answer,
}

impl Benchmark for ByteRows {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, FOUR_ROWS] } }
    }
    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        match self.measure {
            Measure::Dot => tables(machine, extensiveness, 1),
            Measure::Cosine | Measure::SquaredL2 => cached_tables(extensiveness, 1),
        }
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, width] = short_enough(shape)?;
        Some(scan_cost(rows, width, row_flops(self.measure, width), self.answer))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| r * (2 * c + 24))?;
        let tier = inputs::tier(case)?;
        let query = inputs::signed_bytes(width, resources.seed);
        let table = inputs::signed_bytes(rows * width, resources.seed ^ 1);
        let Some(sum) = self.measure.sum() else { return cosines(case, tier, query, table, width) };
        let reference = similarity::reference_i8_pairs(sum, &query, &table, width);
        let best = if sum == Sum::SquaredL2 { Best::Smallest } else { Best::Largest };
        let as_floats = || reference.iter().map(|&score| f64::from(score)).collect();
        // The tier is tested above; and an output that is not written, or no hit, is no right answer.
        Ok(match (&*case.implementation, self.answer) {
            ("plain", Answer::Scores) => Box::new(IntegerWork::new(reference, move |out| {
                similarity::plain_i8_pairs(sum, &query, &table, width, out);
            })),
            ("four-rows", Answer::Scores) => Box::new(IntegerWork::new(reference, move |out| {
                let _ = similarity::i8_rows(tier, sum, &query, &table, out);
            })),
            ("plain", Answer::Best) => {
                let mut scores = AlignedBuffer::from_fn(rows, |_| 0_i32);
                Box::new(TopWork::new(as_floats(), best, 0.0, move |hits| {
                    similarity::plain_i8_pairs(sum, &query, &table, width, &mut scores);
                    similarity::plain_top(&scores, best, hits)
                }))
            }
            ("four-rows", Answer::Best) if sum == Sum::Dot => {
                Box::new(TopWork::new(as_floats(), best, 0.0, move |hits: &mut [Hit<i32>]| {
                    similarity::dot_i8_top(tier, &query, &table, hits).unwrap_or(0)
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// The scan of cosines, whose answers are floats.
fn cosines(
    case: &Case,
    tier: Tier,
    query: AlignedBuffer<i8>,
    table: AlignedBuffer<i8>,
    width: usize,
) -> Result<Box<dyn Workload>, PrepareError> {
    let reference = similarity::reference_cosine_i8_pairs(&query, &table, width);
    // One rounding to single precision of a double-precision quotient of exact sums.
    let tolerance = Tolerance { relative: 1e-7, absolute: 0.0 };
    Ok(match &*case.implementation {
        "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
            similarity::plain_cosine_i8_pairs(&query, &table, width, out);
        })),
        "four-rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
            let _ = similarity::cosine_i8_rows(tier, &query, &table, out);
        })),
        _ => return Err(inputs::no_such_implementation(case)),
    })
}
