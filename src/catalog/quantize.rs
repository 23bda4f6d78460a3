//! Benchmarks of family `quantize`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::WordWork;
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::quantize::{self, Half};
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact, compare_floats};

mod back;
mod narrow;

use back::{FromHalf, FromInt8, FromUint8};
use narrow::{Ternary, ToHalf, Uint8};

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Int8 {
        id: "quantize/int8-tensor-f32",
        about: "Numbers to signed bytes with one scale for all of them.",
        formula: "3 R C operations; reads 8 R C bytes (the scale is known after the first pass), writes R C + 4",
        scales: Scales::One,
    },
    &Int8 {
        id: "quantize/int8-row-f32",
        about: "Numbers to signed bytes with a scale for every row.",
        formula: "3 R C operations; reads 4 R C bytes, writes R C + 4 R",
        scales: Scales::Rows,
    },
    &Int8 {
        id: "quantize/int8-column-f32",
        about: "Numbers to signed bytes with a scale for every column, as of weights stored inputs by channels.",
        formula: "3 R C operations; reads 8 R C bytes (a scale is known after the first pass), writes R C + 4 C",
        scales: Scales::Columns,
    },
    &Uint8 {
        id: "quantize/uint8-tensor-f32",
        about: "Numbers to unsigned bytes with one scale and zero point, from their own range.",
        formula: "5 R C operations; reads 8 R C bytes (the range is known after the first pass), writes R C",
        scales: Scales::One,
    },
    &Uint8 {
        id: "quantize/uint8-row-f32",
        about: "Numbers to unsigned bytes with a scale and a zero point for every row, from its own range.",
        formula: "5 R C operations; reads 4 R C bytes, writes R C + 8 R",
        scales: Scales::Rows,
    },
    &FromInt8,
    &FromUint8,
    &ToHalf { id: "quantize/f16-f32", about: "Single precision to binary16.", half: Half::F16 },
    &ToHalf { id: "quantize/bf16-f32", about: "Single precision to bfloat16.", half: Half::Bf16 },
    &FromHalf { id: "quantize/dequantize-f16", about: "Binary16 to single precision.", half: Half::F16 },
    &FromHalf { id: "quantize/dequantize-bf16", about: "Bfloat16 to single precision.", half: Half::Bf16 },
    &Ternary,
    &Bits,
];

const VECTORS: Implementation = Implementation::vector("vectors", "a vector of numbers narrowed at a time");
const PLAIN: Implementation = Implementation::plain("ordinary loops, as the compiler builds them");

/// ROWSxCOLS, first in L2, then in L1, then beyond the caches of most machines.
fn shapes_of(extensiveness: Extensiveness) -> Vec<Shape> {
    let shapes: &[[usize; 2]] = match extensiveness {
        Extensiveness::Quick => &[[256, 384]],
        Extensiveness::Default => &[[256, 384], [8, 384]],
        Extensiveness::Full => &[[256, 384], [8, 384], [128, 768], [65536, 384]],
    };
    shapes.iter().map(|shape| Shape::new(shape)).collect()
}

/// How many scales there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scales {
    One,
    Rows,
    Columns,
}

impl Scales {
    /// Rows and columns of what is quantised: one scale for all is one long row.
    const fn layout(self, [rows, columns]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::One => [1, rows * columns],
            Self::Rows | Self::Columns => [rows, columns],
        }
    }
}

/// ROWSxCOLS numbers to bytes.
struct Int8 {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    scales: Scales,
}

impl Benchmark for Int8 {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: &[PLAIN, VECTORS] }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, width] = self.scales.layout(counts(shape)?);
        let numbers = rows as f64 * width as f64;
        let input = 4.0 * numbers;
        // The scale must be known before the first byte: all numbers are read twice for one scale. A row is read
        // once, because its second reading finds it in registers or L1.
        let read = match self.scales {
            Scales::One | Scales::Columns => 2.0 * input,
            Scales::Rows => input,
        };
        let scales = if self.scales == Scales::Columns { width } else { rows };
        let written = numbers + 4.0 * scales as f64;
        Some(Cost {
            // A comparison, a product and a rounding a number.
            flops: 3.0 * numbers,
            core_bytes: read + written,
            // A store that misses reads its line first.
            dram_bytes: read + 2.0 * written,
            written_bytes: written,
            working_set_bytes: input + written,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let shape = fitting_counts(&case.shape, &resources.machine, |[r, c]| 6 * r * c + 8 * r)?;
        let [rows, width] = self.scales.layout(shape);
        let tier = inputs::tier(case)?;
        let values = inputs::floats(rows * width, resources.seed);
        let columns = self.scales == Scales::Columns;
        let reference =
            if columns { quantize::reference_int8_columns } else { quantize::reference_int8_rows };
        let (bytes, scales) = reference(&values, width);
        let run: Run = match &*case.implementation {
            "plain" if columns => {
                Box::new(move |out, scales| quantize::plain_int8_columns(&values, out, scales))
            }
            "vectors" if columns => Box::new(move |out, scales| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::int8_columns(tier, &values, out, scales);
            }),
            "plain" => Box::new(move |out, scales| quantize::plain_int8_rows(&values, width, out, scales)),
            "vectors" => Box::new(move |out, scales| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::int8_rows(tier, &values, width, out, scales);
            }),
            _ => return Err(inputs::no_such_implementation(case)),
        };
        Ok(Box::new(ByteWork {
            run,
            out: AlignedBuffer::from_fn(bytes.len(), |i| !bytes[i]),
            scales: AlignedBuffer::from_fn(scales.len(), |_| f32::NAN),
            bytes,
            reference_scales: scales.into_iter().map(f64::from).collect(),
        }))
    }
}

type Run = Box<dyn FnMut(&mut [i8], &mut [f32])>;

/// Work whose output is bytes and scales, both right to the bit.
struct ByteWork {
    run: Run,
    out: AlignedBuffer<i8>,
    scales: AlignedBuffer<f32>,
    bytes: Vec<i8>,
    reference_scales: Vec<f64>,
}

impl Workload for ByteWork {
    fn run(&mut self) {
        (self.run)(&mut self.out, &mut self.scales);
    }

    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.out, &self.bytes, f64::from)?;
        // Scales are numbered after the bytes.
        compare_floats(&*self.scales, &self.reference_scales, 0.0, 0.0)
            .map_err(|mismatch| Mismatch { element: mismatch.element + self.bytes.len(), ..mismatch })
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::I8(&mut self.out)
    }
}

/// ROWSxCOLS numbers to packed bits.
struct Bits;

impl Benchmark for Bits {
    fn id(&self) -> &str {
        "quantize/bits-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "Numbers to one bit each, set where they are above zero; rows begin with a new word.",
            formula: "R C comparisons; reads 4 R C bytes, writes 8 R ceil(C/64)",
            implementations: &[PLAIN, VECTORS],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let read = 4.0 * rows as f64 * columns as f64;
        let written = 8.0 * rows as f64 * columns.div_ceil(64) as f64;
        Some(Cost {
            // A comparison a number; moving its bit to its place is not counted.
            flops: rows as f64 * columns as f64,
            ..Cost::streamed(read, written)
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 4 * r * (c + 8))?;
        let tier = inputs::tier(case)?;
        let values = inputs::floats(rows * width, resources.seed);
        let reference = quantize::reference_bits_rows(&values, width);
        Ok(match &*case.implementation {
            "plain" => Box::new(WordWork::new(reference, move |out| {
                quantize::plain_bits_rows(&values, width, out);
            })),
            "vectors" => Box::new(WordWork::new(reference, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::bits_rows(tier, &values, width, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
