//! Packed bits as sets: Jaccard similarities of pairs in L1, scans, and the most similar rows of one.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{Benchmark, Card, Extensiveness, PrepareError, Resources};
use super::bits::{COUNTED, Hamming, packed};
use super::pairs::pairs_cost;
use super::rows::{Answer, scan_cost};
use super::top::TopWork;
use super::{BYTES_OF_BOTH_SIDES, PLAIN};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::similarity::{self, Best, Hit};
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

/// One rounded quotient of two exact counts.
const TOLERANCE: Tolerance = Tolerance { relative: 1e-7, absolute: 0.0 };

/// The workload of every pair's similarity.
fn similarities(
    case: &Case,
    resources: &Resources,
    [left, right, bits]: [usize; 3],
) -> Result<Box<dyn Workload>, PrepareError> {
    let (tier, words) = (inputs::tier(case)?, bits.div_ceil(64));
    let (left, right) = (packed(left, bits, resources.seed), packed(right, bits, resources.seed ^ 1));
    let reference = similarity::reference_jaccard_pairs(&left, &right, words);
    Ok(match &*case.implementation {
        "plain" => Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
            similarity::plain_jaccard_pairs(&left, &right, words, out);
        })),
        "counted" => Box::new(FloatWork::new(reference, TOLERANCE, move |out| {
            // Tested above; and an output that is not written fails the check.
            let _ = similarity::jaccard_pairs(tier, &left, &right, words, out);
        })),
        _ => return Err(inputs::no_such_implementation(case)),
    })
}

/// Jaccard similarities between sets as a number of bits.
pub(super) struct Jaccard;

impl Benchmark for Jaccard {
    fn id(&self) -> &str {
        "similarity/jaccard-bits"
    }
    fn card(&self) -> Card {
        Card {
            about: "The bits that two packed vectors in L1 share, over those that either has; many pairs a run.",
            formula: "S^2 pairs of W = ceil(B/64) words, S = min(16, max(1, floor(1536 / W))); a pair: 6 W + 2 operations, \
                      reads 16 W bytes, writes 4",
            implementations: const { &[PLAIN, COUNTED] },
        }
    }
    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        Hamming.shapes(machine, extensiveness)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [bits] = counts(shape)?;
        let (side, words) = (Hamming::side(bits), bits.div_ceil(64));
        // An "and", an exclusive or, two counts and two additions a word; an addition and a quotient a pair.
        let operations = (6 * words + 2) as f64;
        Some(pairs_cost(side, 8 * words, operations))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [bits] = fitting_counts(&case.shape, &resources.machine, |[b]| b.max(BYTES_OF_BOTH_SIDES))?;
        similarities(case, resources, [Hamming::side(bits), Hamming::side(bits), bits])
    }
}

/// Jaccard similarities of one query with ROWSxBITS rows, or the ten most similar.
pub(super) struct JaccardRows {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) formula: &'static str,
    pub(super) answer: Answer,
}

impl Benchmark for JaccardRows {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: const { &[PLAIN, COUNTED] } }
    }
    /// In caches alone: a scan of more is held up by memory, as that of Hamming distances is.
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let shapes: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick | Extensiveness::Default => &[[10_000, 384]],
            Extensiveness::Full => &[[10_000, 384], [4_000, 1024]],
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, bits] = counts(shape)?;
        let words = bits.div_ceil(64);
        Some(scan_cost(rows, 8 * words, (6 * words + 2) as f64, self.answer))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, bits] = fitting_counts(&case.shape, &resources.machine, |[r, b]| r * (b / 8 + 24))?;
        if self.answer == Answer::Scores {
            return similarities(case, resources, [1, rows, bits]);
        }
        let (tier, words) = (inputs::tier(case)?, bits.div_ceil(64));
        let (query, table) = (packed(1, bits, resources.seed), packed(rows, bits, resources.seed ^ 1));
        let reference = similarity::reference_jaccard_pairs(&query, &table, words);
        // Rows whose quotients round to one number may stand in any order.
        let tolerance = TOLERANCE.relative;
        Ok(match &*case.implementation {
            "plain" => {
                let mut scores = AlignedBuffer::from_fn(rows, |_| f32::NAN);
                Box::new(TopWork::new(reference, Best::Largest, tolerance, move |hits| {
                    similarity::plain_jaccard_pairs(&query, &table, words, &mut scores);
                    similarity::plain_top(&scores, Best::Largest, hits)
                }))
            }
            "counted" => {
                Box::new(TopWork::new(reference, Best::Largest, tolerance, move |hits: &mut [Hit<f32>]| {
                    // Tested above; and no hit is no right answer.
                    similarity::jaccard_top(tier, &query, &table, hits).unwrap_or(0)
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
