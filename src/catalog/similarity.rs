//! Benchmarks of family `similarity`.
//!
//! A single pair takes nanoseconds, so a run compares many: the shape is that of one vector, and the run takes every
//! vector of one small set with every vector of another, as [`side`] and [`BYTES_OF_BOTH_SIDES`] say. Scans have the
//! shape of what is scanned.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity::{self, Measure};
use crate::simd::Tier;
use crate::workload::Workload;

mod bits;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Pairs {
        id: "similarity/dot-f32",
        about: "The dot product of two vectors in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(3072 / D))); a pair: 2 D flops, reads 8 D bytes, writes 4",
        measure: Measure::Dot,
        implementations: &[PLAIN, SCALAR, VECTORS],
    },
    &Pairs {
        id: "similarity/cosine-f32",
        about: "The cosine of two vectors in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(3072 / D))); a pair: 6 D + 4 flops, reads 8 D bytes, writes 4",
        measure: Measure::Cosine,
        implementations: &[PLAIN, VECTORS],
    },
    &DotRows,
    &bits::Hamming,
    &bits::HammingRows,
];

const PLAIN: Implementation = Implementation::plain("iterators, as the compiler builds them");
const SCALAR: Implementation = Implementation {
    name: "scalar",
    tiers: &[Tier::Baseline],
    threads: Threading::Single,
    about: "one element at a time by index, each addition after the one before it",
};
const VECTORS: Implementation =
    Implementation::vector("vectors", "partial sums that do not wait for each other");
const FOUR_ROWS: Implementation = Implementation::vector(
    "four-rows",
    "four rows side by side, so that a load of the query serves all of them",
);
/// Both sides of a run of pairs together: half of the smallest first-level cache in use.
const BYTES_OF_BOTH_SIDES: usize = 24 << 10;

/// Vectors on each side of a run: as many as fit, at least one, at most `most`.
const fn side(vector_bytes: usize, most: usize) -> usize {
    let fitting = BYTES_OF_BOTH_SIDES / (2 * vector_bytes);
    if fitting > most {
        most
    } else if fitting == 0 {
        1
    } else {
        fitting
    }
}

/// The most vectors on each side: 64 pairs.
const FLOAT_VECTORS: usize = 8;

/// A measure of pairs of vectors of a length.
struct Pairs {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    measure: Measure,
    implementations: &'static [Implementation],
}

impl Benchmark for Pairs {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: self.implementations }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let widths: &[usize] = match extensiveness {
            Extensiveness::Quick => &[384],
            Extensiveness::Default => &[384, 768, 1024],
            Extensiveness::Full => &[384, 768, 1024, 128, 256, 1536],
        };
        widths.iter().map(|&width| Shape::new(&[width])).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [width] = counts(shape)?;
        let side = side(4 * width, FLOAT_VECTORS) as f64;
        let (pairs, width) = (side * side, width as f64);
        // Every pair loads both vectors and stores a number: nothing is shared between pairs.
        let (read, written) = (pairs * 8.0 * width, pairs * 4.0);
        let touched = side * 8.0 * width;
        Some(Cost {
            flops: match self.measure {
                Measure::Dot => pairs * 2.0 * width,
                // Three sums, two roots, a product and a division.
                Measure::Cosine => pairs * (6.0 * width + 4.0),
            },
            core_bytes: read + written,
            // Each vector once, and each line of the output read before it is written.
            dram_bytes: touched + 2.0 * written,
            written_bytes: written,
            working_set_bytes: touched + written,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [width] = fitting_counts(&case.shape, &resources.machine, |[d]| 16 * d.max(BYTES_OF_BOTH_SIDES))?;
        let (tier, measure) = (inputs::tier(case)?, self.measure);
        let side = side(4 * width, FLOAT_VECTORS);
        let left = inputs::floats(side * width, resources.seed);
        let right = inputs::floats(side * width, resources.seed ^ 1);
        let reference = similarity::reference_pairs(measure, &left, &right, width);
        let tolerance = tolerance(measure, width);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                similarity::plain_pairs(measure, &left, &right, width, out);
            })),
            "scalar" if measure == Measure::Dot => {
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    similarity::scalar_dot_pairs(&left, &right, width, out);
                }))
            }
            "vectors" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = similarity::pairs(tier, measure, &left, &right, width, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// Inputs are at most 1 in magnitude: a partial sum of n random signs stays near the root of n, and the roundings of
/// n additions to it, random themselves, add up to some n x epsilon. A cosine is that over lengths near the root of
/// n / 3 each.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
fn tolerance(measure: Measure, width: usize) -> Tolerance {
    let epsilon = f64::from(f32::EPSILON);
    let absolute = match measure {
        Measure::Dot => 4.0 * width as f64 * epsilon,
        Measure::Cosine => 16.0 * epsilon,
    };
    Tolerance { relative: 16.0 * epsilon, absolute }
}

/// Rows for which vectors of `row_bytes` fill four times the last cache, so that they come from memory.
fn rows_beyond_caches(machine: &Machine, row_bytes: usize) -> usize {
    const WHERE_UNKNOWN: u64 = 32 << 20;
    let last = machine.cache_bytes(3).or_else(|| machine.cache_bytes(2));
    let bytes = usize::try_from(4 * last.unwrap_or(WHERE_UNKNOWN)).unwrap_or(usize::MAX / 2);
    (bytes / row_bytes).next_power_of_two()
}

/// One query against ROWSxCOLS rows.
struct DotRows;

impl Benchmark for DotRows {
    fn id(&self) -> &str {
        "similarity/dot-rows-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "A scan: the dot products of one query with every row of a table.",
            formula: "2 R C flops; reads 4 R C + 4 C bytes, writes 4 R",
            implementations: &[PLAIN, FOUR_ROWS],
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let beyond = rows_beyond_caches(machine, 4 * 384);
        let shapes: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick => &[[400, 384]],
            Extensiveness::Default => &[[400, 384], [beyond, 384]],
            Extensiveness::Full => &[[400, 384], [beyond, 384], [16, 384], [5460, 384], [200, 768]],
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let (rows, columns) = (rows as f64, columns as f64);
        // Every row once and the query once (a scan may hold it in registers or L1); a number written a row.
        let (read, written) = (4.0 * (rows + 1.0) * columns, 4.0 * rows);
        Some(Cost { flops: 2.0 * rows * columns, ..Cost::streamed(read, written) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 4 * r * (c + 4))?;
        let tier = inputs::tier(case)?;
        let query = inputs::floats(width, resources.seed);
        let data = inputs::floats(rows * width, resources.seed ^ 1);
        let reference = similarity::reference_pairs(Measure::Dot, &query, &data, width);
        let tolerance = tolerance(Measure::Dot, width);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                similarity::plain_pairs(Measure::Dot, &query, &data, width, out);
            })),
            "four-rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = similarity::dot_rows(tier, &query, &data, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
