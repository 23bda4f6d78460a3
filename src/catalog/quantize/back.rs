//! Bytes and sixteen-bit floats back to numbers.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{Benchmark, Card, Extensiveness, PrepareError, Resources};
use super::{PLAIN, VECTORS, shapes_of};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::quantize::{self, Affine, Half};
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

/// One rounding of the right number.
const TOLERANCE: Tolerance = Tolerance { relative: 6e-8, absolute: 0.0 };

/// The cost of widening ROWSxCOLS numbers of `bytes` each with `row_bytes` beside a row and `flops` a number.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
fn widening_cost(shape: &Shape, bytes: usize, row_bytes: usize, flops: usize) -> Option<Cost> {
    let [rows, columns] = counts(shape)?;
    let numbers = rows * columns;
    let (read, written) = ((bytes * numbers + row_bytes * rows) as f64, (4 * numbers) as f64);
    Some(Cost { flops: (flops * numbers) as f64, ..Cost::streamed(read, written) })
}

/// Scales of rows, none like another.
fn scales(rows: usize, seed: u64) -> Vec<f32> {
    inputs::floats(rows, seed).iter().map(|x| x.abs() / 100.0).collect()
}

/// ROWSxCOLS signed bytes to numbers.
pub(super) struct FromInt8;

impl Benchmark for FromInt8 {
    fn id(&self) -> &str {
        "quantize/dequantize-int8-row"
    }
    fn card(&self) -> Card {
        Card {
            about: "Signed bytes with a scale for every row to single precision.",
            formula: "R C products; reads R C + 4 R bytes, writes 4 R C",
            implementations: const { &[PLAIN, VECTORS] },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        widening_cost(shape, 1, size_of::<f32>(), 1)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 14 * r * c)?;
        let tier = inputs::tier(case)?;
        let random = inputs::bytes(rows * width, resources.seed);
        let bytes = AlignedBuffer::from_fn(random.len(), |i| random[i].cast_signed());
        let scales = scales(rows, resources.seed ^ 1);
        let reference = quantize::reference_int8_rows_to_f32(&bytes, width, &scales);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
                quantize::plain_int8_rows_to_f32(&bytes, width, &scales, out);
            })),
            "vectors" => Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::int8_rows_to_f32(tier, &bytes, width, &scales, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// ROWSxCOLS unsigned bytes to numbers.
pub(super) struct FromUint8;

impl Benchmark for FromUint8 {
    fn id(&self) -> &str {
        "quantize/dequantize-uint8-row"
    }
    fn card(&self) -> Card {
        Card {
            about: "Unsigned bytes with a scale and a zero point for every row to single precision.",
            formula: "2 R C operations; reads R C + 8 R bytes, writes 4 R C",
            implementations: const { &[PLAIN, VECTORS] },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        widening_cost(shape, 1, size_of::<Affine>(), 2)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 14 * r * c)?;
        let tier = inputs::tier(case)?;
        let bytes = inputs::bytes(rows * width, resources.seed);
        let zeros = inputs::bytes(rows, resources.seed ^ 2);
        let scales = scales(rows, resources.seed ^ 1);
        let maps: Vec<Affine> =
            scales.into_iter().zip(zeros.iter()).map(|(scale, &zero)| Affine { scale, zero }).collect();
        let reference = quantize::reference_uint8_rows_to_f32(&bytes, width, &maps);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
                quantize::plain_uint8_rows_to_f32(&bytes, width, &maps, out);
            })),
            "vectors" => Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::uint8_rows_to_f32(tier, &bytes, width, &maps, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// ROWSxCOLS sixteen-bit floats to numbers.
pub(super) struct FromHalf {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) half: Half,
}

impl Benchmark for FromHalf {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: "R C conversions; reads 2 R C bytes, writes 4 R C",
            implementations: const { &[PLAIN, VECTORS] },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        widening_cost(shape, 2, 0, 1)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 16 * r * c)?;
        let (tier, half) = (inputs::tier(case)?, self.half);
        let floats = inputs::floats(rows * width, resources.seed);
        let mut values = AlignedBuffer::zeroed(floats.len());
        quantize::plain_to_half(half, &floats, &mut values);
        let reference = quantize::reference_from_half(half, &values);
        let exact = Tolerance { relative: 0.0, absolute: 0.0 };
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, exact, move |out| {
                quantize::plain_from_half(half, &values, out);
            })),
            "vectors" => Box::new(FloatWork::new(reference, exact, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::from_half(tier, half, &values, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
