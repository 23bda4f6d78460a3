//! RMSNorm.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use super::{Addend, EPSILON, shapes_of};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::norm;
use crate::workload::Workload;

/// RMSNorm of ROWSxCOLS.
pub(super) struct RmsNorm {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) addend: Addend,
}

impl Benchmark for RmsNorm {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: self.formula,
            implementations: const {
                &[
                    Implementation::plain("sums by iterator and a loop, as the compiler builds them"),
                    Implementation::vector("rows", "the sum of squares and the products on rows in L1"),
                ]
            },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts::<2>(shape)?.map(|count| count as f64);
        let side = 4.0 * rows * columns;
        let (sides_read, additions) = match self.addend {
            Addend::None => (1.0, 0.0),
            Addend::Residual => (2.0, 1.0),
        };
        // An FMA for the square and two products for the answer. A row adds a quotient, the sum with epsilon, a root and a
        // reciprocal. The later pass over a row, and gamma, are found in L1.
        let flops = rows * ((4.0 + additions) * columns + 4.0);
        Some(Cost { flops, ..Cost::streamed(sides_read * side + 4.0 * columns, side) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 20 * r * c)?;
        let (tier, seed) = (inputs::tier(case)?, resources.seed);
        let input = inputs::floats(rows * width, seed);
        let residual = match self.addend {
            Addend::None => None,
            Addend::Residual => Some(inputs::floats(rows * width, seed.wrapping_add(1))),
        };
        let gamma = inputs::floats(width, seed.wrapping_add(2));
        let reference = norm::reference_rms_norm(&input, residual.as_deref(), &gamma, EPSILON);
        // Answers have magnitude around 1, and a sum with a residual may cancel.
        let tolerance = Tolerance { relative: 0.0, absolute: 5e-6 };
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                norm::plain_rms_norm(&input, residual.as_deref(), &gamma, EPSILON, out);
            })),
            "rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = norm::rms_norm(tier, &input, residual.as_deref(), &gamma, EPSILON, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
