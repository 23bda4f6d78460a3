//! Packed bits: Hamming distances of pairs in L1, scans, and the nearest rows of one.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::WordWork;
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::top::{BEST, TopWork};
use super::{BYTES_OF_BOTH_SIDES, PLAIN, rows_beyond_caches, side};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity::{self, Best, Hit};
use crate::simd::Tier;
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

pub(super) const COUNTED: Implementation = Implementation::vector(
    "counted",
    "the tier's way to count bits, or the CPU's instruction for it where it has one besides the tier",
);
const TABLE: Implementation = Implementation {
    name: "table",
    tiers: &[Tier::Baseline],
    threads: Threading::Single,
    about: "the set bits of every byte from a table of 256",
};

/// The most vectors on each side: 256 pairs, because one takes about a nanosecond.
const BIT_VECTORS: usize = 16;

/// Words for vectors of so many bits; what is left of the last word is zero.
pub(super) fn packed(vectors: usize, bits: usize, seed: u64) -> AlignedBuffer<u64> {
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
        "table" => Box::new(WordWork::new(reference, move |out| {
            similarity::table_hamming_pairs(&left, &right, words, out);
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
    pub(super) fn side(bits: usize) -> usize {
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
            implementations: const { &[PLAIN, TABLE, COUNTED] },
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
            implementations: const { &[PLAIN, TABLE, COUNTED] },
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

/// The ten of ROWSxBITS rows that are nearest to a query.
pub(super) struct HammingTop;

impl Benchmark for HammingTop {
    fn id(&self) -> &str {
        "similarity/hamming-top-10-bits"
    }
    fn card(&self) -> Card {
        Card {
            about: "A search: the ten rows of a table of packed bits nearest to a query by Hamming distance.",
            formula: "3 R W operations, W = ceil(B/64); reads 8 (R + 1) W bytes, writes 80",
            implementations: const { &[PLAIN, COUNTED] },
        }
    }
    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        HammingRows.shapes(machine, extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, bits] = counts(shape)?;
        let words = bits.div_ceil(64);
        let (read, written) = ((8 * (rows + 1) * words) as f64, (size_of::<u64>() * BEST) as f64);
        Some(Cost { flops: (3 * rows * words) as f64, ..Cost::streamed(read, written) })
    }

    #[expect(clippy::cast_precision_loss, reason = "distances are far below 2^52")]
    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, bits] = fitting_counts(&case.shape, &resources.machine, |[r, b]| r * (b / 8 + 24))?;
        let (tier, words) = (inputs::tier(case)?, bits.div_ceil(64));
        let (query, table) = (packed(1, bits, resources.seed), packed(rows, bits, resources.seed ^ 1));
        let distances = similarity::reference_hamming_pairs(&query, &table, words);
        let distances = distances.into_iter().map(|distance| distance as f64).collect();
        Ok(match &*case.implementation {
            "plain" => {
                let mut scores = AlignedBuffer::from_fn(rows, |_| 0_u64);
                Box::new(TopWork::new(distances, Best::Smallest, 0.0, move |hits| {
                    similarity::plain_hamming_pairs(&query, &table, words, &mut scores);
                    similarity::plain_top(&scores, Best::Smallest, hits)
                }))
            }
            "counted" => {
                Box::new(TopWork::new(distances, Best::Smallest, 0.0, move |hits: &mut [Hit<u64>]| {
                    // Tested above; and no hit is no right answer.
                    similarity::hamming_top(tier, &query, &table, hits).unwrap_or(0)
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
