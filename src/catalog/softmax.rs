//! Benchmarks of family `softmax`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::{activation, softmax};
use crate::workload::Workload;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Rows {
        id: "softmax/rows-f32",
        about: "Rows of scores to shares that add up to one.",
        formula: "R (17 C + 1) flops; reads 4 R C bytes, writes 4 R C",
        masking: Masking::None,
    },
    &Rows {
        id: "softmax/masked-rows-f32",
        about: "Rows of scores to shares, with the last quarter of the columns masked for every row.",
        formula: "R (17 C + 1) flops; reads 4 R C + C bytes, writes 4 R C",
        masking: Masking::Columns,
    },
];

/// Whether columns are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Masking {
    None,
    Columns,
}

/// ROWSxCOLS scores to shares, into another buffer: in place, every run would begin with the last one's answer.
struct Rows {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    masking: Masking,
}

impl Benchmark for Rows {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: self.formula,
            implementations: const {
                &[
                    Implementation::plain(
                        "three loops with the C library's exp, as the compiler builds them",
                    ),
                    Implementation::vector(
                        "rows",
                        "the largest, then exponentials and their sum, then one product, a vector at a time",
                    ),
                ]
            },
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let shapes: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick => &[[1024, 128]],
            Extensiveness::Default => &[[1024, 128], [8, 128]],
            Extensiveness::Full => &[[1024, 128], [8, 128], [1536, 32], [512, 512], [16_384, 128]],
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let (rows, columns) = (rows as f64, columns as f64);
        let side = 4.0 * rows * columns;
        let mask = if self.masking == Masking::Columns { columns } else { 0.0 };
        Some(Cost {
            // A maximum, a difference, an exponential, an addition and a product a score; a division a row.
            flops: rows * ((4.0 + activation::EXP_SHARE_FLOPS) * columns + 1.0),
            // Read once and written once: the later passes over a row find it in L1.
            ..Cost::streamed(side + mask, side)
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 16 * r * c)?;
        let tier = inputs::tier(case)?;
        let mut scores = inputs::floats(rows * width, resources.seed);
        // Scores of a trained model spread over several units.
        scores.iter_mut().for_each(|x| *x *= 4.0);
        let mask: Vec<u8> = (0..width).map(|column| u8::from(column < width - width / 4)).collect();
        let reference = match self.masking {
            Masking::None => softmax::reference_rows(&scores, width),
            Masking::Columns => softmax::reference_masked_rows(&scores, &mask),
        };
        // The roundings of a sum of `width` numbers are random: together some root of the width.
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
        let relative = (8.0 + (width as f64).sqrt()) * f64::from(f32::EPSILON);
        let tolerance = Tolerance { relative, absolute: 0.0 };
        Ok(match &*case.implementation {
            "plain" if self.masking == Masking::Columns => {
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    softmax::plain_masked_rows(&scores, &mask, out);
                }))
            }
            "rows" if self.masking == Masking::Columns => {
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    // Tested above; and an output that is not written fails the check.
                    let _ = softmax::masked_rows_into(tier, &scores, &mask, out);
                }))
            }
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                softmax::plain_rows(&scores, width, out);
            })),
            "rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = softmax::rows_into(tier, &scores, width, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
