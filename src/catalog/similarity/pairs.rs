//! Pairs of vectors of floats in L1.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::FloatWork;
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::{BYTES_OF_BOTH_SIDES, side, tolerance};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity::{self, F32, Measure, Number};
use crate::simd::Tier;
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

pub(super) const SCALAR: Implementation = Implementation {
    name: "scalar",
    tiers: &[Tier::Baseline],
    threads: Threading::Single,
    about: "one element at a time by index, each addition after the one before it",
};
pub(super) const VECTORS: Implementation =
    Implementation::vector("vectors", "partial sums that do not wait for each other");

/// The most vectors on each side: 64 pairs.
pub(super) const VECTORS_OF_A_SIDE: usize = 8;

/// A measure of pairs of vectors of a length, stored as a type of number.
pub(super) struct Pairs<N: Number> {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) measure: Measure,
    pub(super) implementations: &'static [Implementation],
    /// So many numbers from a seed, as [`inputs::floats`] has them.
    pub(super) numbers: fn(usize, u64) -> AlignedBuffer<N::Stored>,
}

/// The lengths of vectors that pairs are measured at.
pub(super) fn widths(extensiveness: Extensiveness) -> Vec<Shape> {
    let widths: &[usize] = match extensiveness {
        Extensiveness::Quick => &[384],
        Extensiveness::Default => &[384, 768, 1024],
        Extensiveness::Full => &[384, 768, 1024, 128, 256, 1536],
    };
    widths.iter().map(|&width| Shape::new(&[width])).collect()
}

/// The cost of the pairs of a run, of which one takes `flops` operations and writes 4 bytes.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
pub(super) fn pairs_cost(side: usize, vector_bytes: usize, flops: f64) -> Cost {
    let pairs = (side * side) as f64;
    // Every pair loads both vectors and stores a number: nothing is shared between pairs.
    let (read, written) = (pairs * 2.0 * vector_bytes as f64, pairs * 4.0);
    let touched = (2 * side * vector_bytes) as f64;
    Cost {
        flops: pairs * flops,
        core_bytes: read + written,
        // Each vector once, and each line of the output read before it is written.
        dram_bytes: touched + 2.0 * written,
        written_bytes: written,
        working_set_bytes: touched + written,
    }
}

/// Operations of a measure of a pair of `width` numbers.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
pub(super) fn flops(measure: Measure, width: usize) -> f64 {
    match measure {
        Measure::Dot => 2.0 * width as f64,
        Measure::SquaredL2 => 3.0 * width as f64,
        // Three sums, two roots, a product and a division.
        Measure::Cosine => 6.0 * width as f64 + 4.0,
    }
}

impl<N: Number> Benchmark for Pairs<N> {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: self.implementations }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        widths(extensiveness)
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [width] = counts(shape)?;
        let bytes = size_of::<N::Stored>() * width;
        Some(pairs_cost(side(bytes, VECTORS_OF_A_SIDE), bytes, flops(self.measure, width)))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [width] = fitting_counts(&case.shape, &resources.machine, |[d]| 16 * d.max(BYTES_OF_BOTH_SIDES))?;
        let (tier, measure) = (inputs::tier(case)?, self.measure);
        let side = side(size_of::<N::Stored>() * width, VECTORS_OF_A_SIDE);
        let left = (self.numbers)(side * width, resources.seed);
        let right = (self.numbers)(side * width, resources.seed ^ 1);
        let reference = similarity::reference_pairs::<N>(measure, &left, &right, width);
        let tolerance = tolerance(measure, width);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                similarity::plain_pairs::<N>(measure, &left, &right, width, out);
            })),
            "vectors" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = similarity::pairs_of::<N>(tier, measure, &left, &right, width, out);
            })),
            "scalar" if measure == Measure::Dot => {
                let [left, right] =
                    [resources.seed, resources.seed ^ 1].map(|seed| inputs::floats(side * width, seed));
                let reference = similarity::reference_pairs::<F32>(measure, &left, &right, width);
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    similarity::scalar_dot_pairs(&left, &right, width, out);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
