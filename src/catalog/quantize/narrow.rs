//! Numbers to unsigned bytes, to sixteen-bit floats and to two bits.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::{Benchmark, Card, Extensiveness, PrepareError, Resources};
use super::{PLAIN, Scales, VECTORS, shapes_of};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::quantize::{self, Affine, Half};
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact};

/// Writes bytes, and for every row what they stand for.
type Write<M> = Box<dyn FnMut(&mut [u8], &mut [M])>;

/// Work whose output is bytes that are right to the bit, and a row's scale (with its zero point, where it has one).
struct ByteWork<M> {
    run: Write<M>,
    out: AlignedBuffer<u8>,
    maps: Vec<M>,
    bytes: Vec<u8>,
    reference: Vec<M>,
    same: fn(&M, &M) -> bool,
}

impl<M: Default + 'static> ByteWork<M> {
    /// The output begins as the reference's complement, so that what is never written is never right.
    fn boxed(
        run: Write<M>,
        bytes: Vec<u8>,
        reference: Vec<M>,
        same: fn(&M, &M) -> bool,
    ) -> Box<dyn Workload> {
        let out = AlignedBuffer::from_fn(bytes.len(), |i| !bytes[i]);
        let maps = reference.iter().map(|_| M::default()).collect();
        Box::new(Self { run, out, maps, bytes, reference, same })
    }
}

impl<M> Workload for ByteWork<M> {
    fn run(&mut self) {
        (self.run)(&mut self.out, &mut self.maps);
    }

    #[expect(clippy::cast_precision_loss, reason = "for the message alone")]
    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.out, &self.bytes, f64::from)?;
        let wrong = self.maps.iter().zip(&self.reference).position(|(got, want)| !(self.same)(got, want));
        // Rows are numbered after the bytes, and named by their number.
        wrong.map_or(Ok(()), |row| {
            let element = self.bytes.len() + row;
            Err(Mismatch { element, got: f64::NAN, reference: row as f64, tolerance: 0.0 })
        })
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U8(&mut self.out)
    }
}

/// ROWSxCOLS numbers to unsigned bytes.
pub(super) struct Uint8 {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) scales: Scales,
}

impl Benchmark for Uint8 {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, VECTORS] } }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, width] = self.scales.layout(counts(shape)?);
        let numbers = rows as f64 * width as f64;
        let input = 4.0 * numbers;
        let written = numbers + (size_of::<Affine>() * rows) as f64;
        // As for signed bytes: the second reading of a row finds it in registers or L1.
        let read = if self.scales == Scales::One { 2.0 * input } else { input };
        Some(Cost {
            // Two comparisons, a product, a rounding and an addition a number.
            flops: 5.0 * numbers,
            working_set_bytes: input + written,
            ..Cost::streamed(read, written)
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let shape = fitting_counts(&case.shape, &resources.machine, |[r, c]| 6 * r * c + 16 * r)?;
        let [rows, width] = self.scales.layout(shape);
        let tier = inputs::tier(case)?;
        let values = inputs::floats(rows * width, resources.seed);
        let (bytes, maps) = quantize::reference_uint8_rows(&values, width);
        let run: Write<Affine> = match &*case.implementation {
            "plain" => Box::new(move |out, maps| quantize::plain_uint8_rows(&values, width, out, maps)),
            "vectors" => Box::new(move |out, maps| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::uint8_rows(tier, &values, width, out, maps);
            }),
            _ => return Err(inputs::no_such_implementation(case)),
        };
        Ok(ByteWork::boxed(run, bytes, maps, |got, want| got == want))
    }
}

/// ROWSxCOLS numbers to sixteen-bit floats.
pub(super) struct ToHalf {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) half: Half,
}

impl Benchmark for ToHalf {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: "R C roundings; reads 4 R C bytes, writes 2 R C",
            implementations: const { &[PLAIN, VECTORS] },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts::<2>(shape)?.map(|count| count as f64);
        let numbers = rows * columns;
        Some(Cost { flops: numbers, ..Cost::streamed(4.0 * numbers, 2.0 * numbers) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 8 * r * c)?;
        let (tier, half) = (inputs::tier(case)?, self.half);
        let values = inputs::floats(rows * width, resources.seed);
        let reference = quantize::reference_to_half(half, &values);
        let run: WriteHalves = match &*case.implementation {
            "plain" => Box::new(move |out| quantize::plain_to_half(half, &values, out)),
            "vectors" => Box::new(move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::to_half(tier, half, &values, out);
            }),
            _ => return Err(inputs::no_such_implementation(case)),
        };
        let out = AlignedBuffer::from_fn(reference.len(), |i| !reference[i]);
        Ok(Box::new(HalfWork { run, out, reference, words: Vec::new() }))
    }
}

type WriteHalves = Box<dyn FnMut(&mut [u16])>;

/// Work whose output is sixteen-bit floats that are right to the bit.
struct HalfWork {
    run: WriteHalves,
    out: AlignedBuffer<u16>,
    reference: Vec<u16>,
    /// The output as a caller altered it, where one did since the last run.
    words: Vec<u64>,
}

impl Workload for HalfWork {
    fn run(&mut self) {
        (self.run)(&mut self.out);
        self.words.clear();
    }

    fn check(&self) -> Result<(), Mismatch> {
        let altered = self.words.iter().zip(&self.reference).position(|(&got, &want)| got != u64::from(want));
        match altered {
            Some(element) => Err(Mismatch {
                element,
                got: f64::NAN,
                reference: f64::from(self.reference[element]),
                tolerance: 0.0,
            }),
            None => compare_exact(&self.out, &self.reference, f64::from),
        }
    }

    fn output(&mut self) -> OutputMut<'_> {
        self.words = self.out.iter().map(|&half| u64::from(half)).collect();
        OutputMut::U64(&mut self.words)
    }
}

/// ROWSxCOLS numbers to -1, 0 and 1.
pub(super) struct Ternary;

impl Benchmark for Ternary {
    fn id(&self) -> &str {
        "quantize/ternary-row-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "Numbers to -1, 0 and 1 in two bits with a scale for every row, as Ternary Weight Networks have it.",
            formula: "6 R C + 3 R operations; reads 4 R C bytes, writes R ceil(C/4) + 4 R",
            implementations: const { &[PLAIN, VECTORS] },
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes_of(extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let (read, written) = ((4 * rows * columns) as f64, (rows * columns.div_ceil(4) + 4 * rows) as f64);
        // An addition for the mean; a comparison and two additions for the scale; two comparisons for the code. The
        // second and third pass find a row in L1.
        let flops = (6 * rows * columns + 3 * rows) as f64;
        Some(Cost { flops, ..Cost::streamed(read, written) })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "scales are compared within single precision's roundings"
    )]
    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 5 * r * c + 16 * r)?;
        let tier = inputs::tier(case)?;
        let mut values = inputs::floats(rows * width, resources.seed);
        for row in values.chunks_exact_mut(width) {
            away_from_threshold(row);
        }
        let (bytes, scales) = quantize::reference_ternary_rows(&values, width);
        let scales = scales.into_iter().map(|scale| scale as f32).collect();
        let run: Write<f32> = match &*case.implementation {
            "plain" => Box::new(move |out, scales| quantize::plain_ternary_rows(&values, width, out, scales)),
            "vectors" => Box::new(move |out, scales| {
                // Tested above; and an output that is not written fails the check.
                let _ = quantize::ternary_rows(tier, &values, width, out, scales);
            }),
            _ => return Err(inputs::no_such_implementation(case)),
        };
        // The plain loop adds up to some thousand numbers one after the other.
        Ok(ByteWork::boxed(run, bytes, scales, |got, want| (got - want).abs() <= 1e-4 * want.abs()))
    }
}

/// Moves numbers that are so near a row's threshold that the order of its sum decides about them: with some 0.37 it is in
/// the middle of the magnitudes, and a number near it counts for hardly more or less where it stands now.
fn away_from_threshold(row: &mut [f32]) {
    #[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^52")]
    let mean = row.iter().map(|&x| f64::from(x).abs()).sum::<f64>() / row.len() as f64;
    for x in row {
        if (f64::from(*x).abs() - 0.7 * mean).abs() < 1e-3 {
            *x *= 0.98;
        }
    }
}
