//! Scans of rows of floats, with every score or the best ten.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::FloatWork;
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use super::pairs::flops;
use super::top::{BEST, TopWork};
use super::{PLAIN, rows_beyond_caches, tolerance};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity::{self, Best, Hit, Measure, Number};
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

pub(super) const FOUR_ROWS: Implementation = Implementation::vector(
    "four-rows",
    "four rows side by side, so that a load of the query serves all of them",
);

/// What a scan leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Every score.
    Scores,
    /// The best ten rows.
    Best,
}

/// One query against ROWSxCOLS rows.
pub(super) struct Rows<N: Number> {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) measure: Measure,
    pub(super) answer: Answer,
    /// So many numbers from a seed, as [`inputs::floats`] has them.
    pub(super) numbers: fn(usize, u64) -> AlignedBuffer<N::Stored>,
}

/// Tables that caches hold: for measures and types whose scans of more are those of others, held up by memory alike.
pub(super) fn cached_tables(extensiveness: Extensiveness, number_bytes: usize) -> Vec<Shape> {
    let rows = |rows: usize| rows * 4 / number_bytes;
    let shapes: &[[usize; 2]] = match extensiveness {
        Extensiveness::Quick | Extensiveness::Default => &[[rows(400), 384]],
        Extensiveness::Full => &[[rows(400), 384], [rows(5460), 384]],
    };
    shapes.iter().map(|shape| Shape::new(shape)).collect()
}

/// Tables of rows of `row_bytes(columns)`: in L2, and beyond the caches.
pub(super) fn tables(machine: &Machine, extensiveness: Extensiveness, number_bytes: usize) -> Vec<Shape> {
    // As many bytes whatever the type.
    let rows = |rows: usize| rows * 4 / number_bytes;
    let beyond = rows_beyond_caches(machine, number_bytes * 384);
    let shapes: &[[usize; 2]] = match extensiveness {
        Extensiveness::Quick => &[[rows(400), 384]],
        Extensiveness::Default if number_bytes == 4 => &[[rows(400), 384], [beyond, 384]],
        Extensiveness::Default => &[[rows(400), 384]],
        Extensiveness::Full => {
            &[[rows(400), 384], [beyond, 384], [rows(16), 384], [rows(5460), 384], [rows(200), 768]]
        }
    };
    shapes.iter().map(|shape| Shape::new(shape)).collect()
}

/// Operations of a measure of a row: those of a pair, less what is known of the query before.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
pub(super) fn row_flops(measure: Measure, width: usize) -> f64 {
    match measure {
        Measure::Dot | Measure::SquaredL2 => flops(measure, width),
        Measure::Cosine => flops(measure, width) - 2.0 * width as f64,
    }
}

/// The cost of a scan of `rows` rows, each of which takes `flops` operations.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
pub(super) fn scan_cost(rows: usize, row_bytes: usize, flops: f64, answer: Answer) -> Cost {
    // Every row once and the query once (a scan may hold it in registers or L1).
    let read = ((rows + 1) * row_bytes) as f64;
    let written = match answer {
        Answer::Scores => 4.0 * rows as f64,
        Answer::Best => (size_of::<u64>() * BEST) as f64,
    };
    Cost { flops: rows as f64 * flops, ..Cost::streamed(read, written) }
}

impl<N: Number> Benchmark for Rows<N> {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, FOUR_ROWS] } }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let number_bytes = size_of::<N::Stored>();
        if number_bytes == size_of::<f32>() || (self.measure, self.answer) == (Measure::Dot, Answer::Scores) {
            tables(machine, extensiveness, number_bytes)
        } else {
            cached_tables(extensiveness, number_bytes)
        }
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        Some(scan_cost(rows, size_of::<N::Stored>() * columns, row_flops(self.measure, columns), self.answer))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let number = size_of::<N::Stored>();
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| r * (number * c + 24))?;
        let (tier, measure) = (inputs::tier(case)?, self.measure);
        let query = (self.numbers)(width, resources.seed);
        let data = (self.numbers)(rows * width, resources.seed ^ 1);
        let reference = similarity::reference_pairs::<N>(measure, &query, &data, width);
        let tolerance = tolerance(measure, width);
        let best = if measure == Measure::SquaredL2 { Best::Smallest } else { Best::Largest };
        Ok(match (&*case.implementation, self.answer) {
            ("plain", Answer::Scores) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                similarity::plain_pairs::<N>(measure, &query, &data, width, out);
            })),
            ("four-rows", Answer::Scores) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = similarity::rows_of::<N>(tier, measure, &query, &data, out);
            })),
            ("plain", Answer::Best) => {
                let mut scores = AlignedBuffer::from_fn(rows, |_| f32::NAN);
                Box::new(TopWork::new(reference, best, tolerance.absolute, move |hits| {
                    similarity::plain_pairs::<N>(measure, &query, &data, width, &mut scores);
                    similarity::plain_top(&scores, best, hits)
                }))
            }
            ("four-rows", Answer::Best) => {
                Box::new(TopWork::new(reference, best, tolerance.absolute, move |hits: &mut [Hit<f32>]| {
                    // Tested above; and no hit is no right answer.
                    similarity::top_of::<N>(tier, measure, &query, &data, hits).unwrap_or(0)
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
