//! Benchmarks of family `norm`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::norm;
use crate::workload::Workload;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &LayerNorm {
        id: "norm/layernorm-f32",
        about: "Rows to mean 0 and variance 1, then an affine map per column.",
        formula: "R (8 C + 5) flops; reads 4 R C + 8 C bytes, writes 4 R C",
        addend: Addend::None,
    },
    &LayerNorm {
        id: "norm/layernorm-residual-f32",
        about: "LayerNorm of the sum of a layer's input and output, in one pass over both.",
        formula: "R (9 C + 5) flops; reads 8 R C + 8 C bytes, writes 4 R C",
        addend: Addend::Residual,
    },
    &rms::RmsNorm {
        id: "norm/rmsnorm-f32",
        about: "Rows over the root of their mean square, times a factor per column.",
        formula: "R (4 C + 4) flops; reads 4 R C + 4 C bytes, writes 4 R C",
        addend: Addend::None,
    },
    &rms::RmsNorm {
        id: "norm/rmsnorm-residual-f32",
        about: "RMSNorm of the sum of a layer's input and output, in one pass over both.",
        formula: "R (5 C + 4) flops; reads 8 R C + 4 C bytes, writes 4 R C",
        addend: Addend::Residual,
    },
];

mod rms;

const EPSILON: f32 = 1e-12;

/// What is added to the input first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addend {
    None,
    Residual,
}

/// ROWSxCOLS of the layers of small models.
fn shapes_of(extensiveness: Extensiveness) -> Vec<Shape> {
    let shapes: &[[usize; 2]] = match extensiveness {
        Extensiveness::Quick => &[[128, 384]],
        Extensiveness::Default => &[[128, 384], [4096, 384]],
        Extensiveness::Full => &[[128, 384], [4096, 384], [3, 384], [128, 768], [128, 1024]],
    };
    shapes.iter().map(|shape| Shape::new(shape)).collect()
}

/// LayerNorm of ROWSxCOLS.
struct LayerNorm {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    addend: Addend,
}

impl Benchmark for LayerNorm {
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
                    Implementation::vector(
                        "rows",
                        "mean, variance about it and the affine map, a vector at a time on a row in L1",
                    ),
                ]
            },
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let (rows, columns) = (rows as f64, columns as f64);
        let side = 4.0 * rows * columns;
        let (sides_read, additions) = match self.addend {
            Addend::None => (1.0, 0.0),
            Addend::Residual => (2.0, 1.0),
        };
        let read = sides_read * side + 8.0 * columns;
        Some(Cost {
            // An addition for the mean; a difference and an FMA for the variance; a difference, a product and an FMA
            // for the answer. A row adds two quotients, the sum with epsilon, a root and a reciprocal.
            flops: rows * ((8.0 + additions) * columns + 5.0),
            // Read once and written once: the later passes over a row, and gamma and beta, are found in L1.
            core_bytes: read + side,
            // A store that misses reads its line first.
            dram_bytes: read + 2.0 * side,
            written_bytes: side,
            working_set_bytes: read + side,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 20 * r * c)?;
        let tier = inputs::tier(case)?;
        let seed = resources.seed;
        let input = inputs::floats(rows * width, seed);
        let residual = match self.addend {
            Addend::None => None,
            Addend::Residual => Some(inputs::floats(rows * width, seed.wrapping_add(1))),
        };
        let gamma = inputs::floats(width, seed.wrapping_add(2));
        let beta = inputs::floats(width, seed.wrapping_add(3));
        let reference = norm::reference_layer_norm(&input, residual.as_deref(), &gamma, &beta, EPSILON);
        // A normalised number has magnitude around 1, and its error comes from sums of `width` roundings; beta can cancel it.
        let tolerance = Tolerance { relative: 0.0, absolute: 5e-6 };
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                norm::plain_layer_norm(&input, residual.as_deref(), &gamma, &beta, EPSILON, out);
            })),
            "rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = norm::layer_norm(tier, &input, residual.as_deref(), &gamma, &beta, EPSILON, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
