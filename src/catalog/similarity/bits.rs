//! Hamming distances: pairs in L1, and scans.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::WordWork;
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use super::{BYTES_OF_BOTH_SIDES, PLAIN, rows_beyond_caches, side};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity;
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

const COUNTED: Implementation =
    Implementation::vector("counted", "exclusive or and the tier's way to count bits");

/// The most vectors on each side: 256 pairs, because one takes about a nanosecond.
const BIT_VECTORS: usize = 16;

/// Words for vectors of so many bits; what is left of the last word is zero.
fn packed(vectors: usize, bits: usize, seed: u64) -> AlignedBuffer<u64> {
    let words = bits.div_ceil(64);
    let mut packed = inputs::words(vectors * words, seed);
    for row in packed.chunks_exact_mut(words) {
        if let Some(last) = row.last_mut().filter(|_| !bits.is_multiple_of(64)) {
            *last &= (1 << (bits % 64)) - 1;
        }
    }
    packed
}

/// The cost of `pairs` Hamming distances between vectors of `words` words, with what they touch.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
fn hamming_cost(left: usize, right: usize, words: usize, words_read: usize) -> Cost {
    let pairs = (left * right) as f64;
    let (read, written) = (8.0 * words_read as f64, 8.0 * pairs);
    let touched = 8.0 * ((left + right) * words) as f64;
    Cost {
        // An exclusive or, a count and an addition a word.
        flops: 3.0 * pairs * words as f64,
        core_bytes: read + written,
        // Each vector once, and each line of the output read before it is written.
        dram_bytes: touched + 2.0 * written,
        written_bytes: written,
        working_set_bytes: touched + written,
    }
}

/// The workload of both Hamming benchmarks.
fn hamming_work(
    case: &Case,
    resources: &Resources,
    [left, right, bits]: [usize; 3],
) -> Result<Box<dyn Workload>, PrepareError> {
    let (tier, words) = (inputs::tier(case)?, bits.div_ceil(64));
    let (left, right) = (packed(left, bits, resources.seed), packed(right, bits, resources.seed ^ 1));
    let reference = similarity::reference_hamming_pairs(&left, &right, words);
    Ok(match &*case.implementation {
        "plain" => Box::new(WordWork::new(reference, move |out| {
            similarity::plain_hamming_pairs(&left, &right, words, out);
        })),
        "counted" => Box::new(WordWork::new(reference, move |out| {
            // Tested above; and an output that is not written fails the check.
            let _ = similarity::hamming_pairs(tier, &left, &right, words, out);
        })),
        _ => return Err(inputs::no_such_implementation(case)),
    })
}

/// Hamming distances between vectors of a number of bits.
pub(super) struct Hamming;

impl Hamming {
    fn side(bits: usize) -> usize {
        side(8 * bits.div_ceil(64), BIT_VECTORS)
    }
}

impl Benchmark for Hamming {
    fn id(&self) -> &str {
        "similarity/hamming-bits"
    }
    fn card(&self) -> Card {
        Card {
            about: "The number of bits in which two packed vectors in L1 differ, many pairs a run.",
            formula: "S^2 pairs of W = ceil(B/64) words, S = min(16, max(1, floor(1536 / W))); a pair: 3 W operations, reads 16 W \
         bytes, writes 8",
            implementations: &[PLAIN, COUNTED],
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let bits: &[usize] = match extensiveness {
            Extensiveness::Quick => &[384],
            Extensiveness::Default => &[384, 1024],
            Extensiveness::Full => &[384, 1024, 128, 768, 4096],
        };
        bits.iter().map(|&bits| Shape::new(&[bits])).collect()
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [bits] = counts(shape)?;
        let (side, words) = (Self::side(bits), bits.div_ceil(64));
        // Every pair loads both vectors.
        Some(hamming_cost(side, side, words, 2 * side * side * words))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [bits] = fitting_counts(&case.shape, &resources.machine, |[b]| b.max(BYTES_OF_BOTH_SIDES))?;
        hamming_work(case, resources, [Self::side(bits), Self::side(bits), bits])
    }
}

/// Hamming distances of one query to ROWSxBITS rows.
pub(super) struct HammingRows;

impl Benchmark for HammingRows {
    fn id(&self) -> &str {
        "similarity/hamming-rows-bits"
    }
    fn card(&self) -> Card {
        Card {
            about: "A scan: the Hamming distances of one query to every row of a table of packed bits.",
            formula: "3 R W operations, W = ceil(B/64); reads 8 (R + 1) W bytes, writes 8 R",
            implementations: &[PLAIN, COUNTED],
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let beyond = rows_beyond_caches(machine, 384 / 8);
        let shapes: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick | Extensiveness::Default => &[[10_000, 384]],
            Extensiveness::Full => &[[10_000, 384], [4_000, 1024], [beyond, 384]],
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, bits] = counts(shape)?;
        let words = bits.div_ceil(64);
        // Every row once and the query once: a scan may hold it in registers.
        Some(hamming_cost(1, rows, words, (rows + 1) * words))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, bits] = fitting_counts(&case.shape, &resources.machine, |[r, b]| r * (b / 8 + 24))?;
        hamming_work(case, resources, [1, rows, bits])
    }
}
