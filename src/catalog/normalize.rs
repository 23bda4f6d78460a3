//! Benchmarks of family `normalize`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::normalize;
use crate::workload::Workload;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[&L2];

/// ROWSxCOLS vectors to unit length, into another buffer: in place, every run after the first would find the work
/// done already.
struct L2;

impl Benchmark for L2 {
    fn id(&self) -> &str {
        "normalize/l2-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "Rows divided by their Euclidean length.",
            formula: "R (3 C + 2) flops; reads 4 R C bytes, writes 4 R C",
            implementations: const {
                &[
                    Implementation::plain("a sum by iterator and a loop, as the compiler builds them"),
                    Implementation::vector("rows", "eight partial sums, then one multiplication a vector"),
                ]
            },
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let shapes: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick => &[[256, 384]],
            Extensiveness::Default => &[[256, 384], [8, 384], [2048, 384]],
            Extensiveness::Full => &[[256, 384], [8, 384], [2048, 384], [128, 768], [64, 1024], [65536, 384]],
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let (rows, columns) = (rows as f64, columns as f64);
        let side = 4.0 * rows * columns;
        Some(Cost {
            // A square, an addition and the final product a number; a root and a division a row.
            flops: rows * (3.0 * columns + 2.0),
            // Read once and written once: the second look at a row finds it in registers or L1.
            ..Cost::streamed(side, side)
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 16 * r * c)?;
        let tier = inputs::tier(case)?;
        let vectors = inputs::floats(rows * width, resources.seed);
        let reference = normalize::reference_l2(&vectors, width);
        // The roundings of a sum of `width` squares are random: together some root of the width, and the root halves
        // them.
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
        let relative = (4.0 + 4.0 * (width as f64).sqrt()) * f64::from(f32::EPSILON);
        let tolerance = Tolerance { relative, absolute: 0.0 };
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                normalize::plain_l2(&vectors, width, out);
            })),
            "rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = normalize::l2_into(tier, &vectors, width, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
