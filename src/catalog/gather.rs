//! Benchmarks of family `gather`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::gather::{self, Tables};
use crate::sys::Rng;
use crate::workload::Workload;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Gather {
        id: "gather/rows-f32",
        about: "An embedding lookup: the rows of a table of 30522 that random ids name.",
        formula: "no flops; reads 4 R C + 4 R bytes, writes 4 R C",
        what: What::Rows,
    },
    &Gather {
        id: "gather/sum-f32",
        about: "The input of a BERT-like model: the sum of a word's, a position's and a segment's row.",
        formula: "2 R C flops; reads 12 R C + 8 R bytes, writes 4 R C",
        what: What::Sums,
    },
];

/// Rows of the words' table: the vocabulary of BERT.
const WORDS: usize = 30_522;
/// The longest text; longer inputs are several.
const TOKENS: usize = 512;

/// What is written for an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Rows,
    Sums,
}

/// ROWSxCOLS: as many ids, rows of so many numbers.
struct Gather {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    what: What,
}

impl Benchmark for Gather {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: self.formula,
            implementations: const {
                &[
                    Implementation::plain("a copy a row, and a loop for each thing added"),
                    Implementation::vector(
                        "ahead",
                        "one pass a row, the lines of the next rows asked for before",
                    ),
                ]
            },
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let shapes: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick => &[[128, 384]],
            Extensiveness::Default => &[[128, 384], [4096, 384]],
            Extensiveness::Full => &[[128, 384], [4096, 384], [128, 768], [32_768, 384]],
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let numbers = (rows * columns) as f64;
        let (flops, read, others) = match self.what {
            What::Rows => (0.0, 4.0 * numbers + (4 * rows) as f64, 0),
            What::Sums => (2.0 * numbers, 12.0 * numbers + (8 * rows) as f64, rows.min(TOKENS) + 2),
        };
        let written = 4.0 * numbers;
        // Positions and segments are read once from memory and then found in the caches.
        let touched = 4.0 * numbers + (8 * rows + 4 * others * columns) as f64;
        Some(Cost {
            flops,
            core_bytes: read + written,
            dram_bytes: touched + 2.0 * written,
            written_bytes: written,
            working_set_bytes: touched + written,
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "ids are below the number of words")]
    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, width] =
            fitting_counts(&case.shape, &resources.machine, |[r, c]| 12 * r * c + 4 * (WORDS + TOKENS) * c)?;
        let (tier, what) = (inputs::tier(case)?, self.what);
        let words = inputs::floats(WORDS * width, resources.seed);
        let positions = inputs::floats(TOKENS * width, resources.seed ^ 1);
        let segments = inputs::floats(2 * width, resources.seed ^ 2);
        let mut rng = Rng::new(resources.seed ^ 3);
        let ids: Vec<u32> = (0..rows).map(|_| (rng.next_u64() % WORDS as u64) as u32).collect();
        let kinds: Vec<u32> = (0..rows).map(|i| u32::from(i % TOKENS >= TOKENS / 2)).collect();
        let reference = match what {
            What::Rows => gather::reference_rows(&words, &ids, width),
            What::Sums => {
                let tables = Tables { words: &words, positions: &positions, segments: &segments };
                gather::reference_sums(tables, &ids, &kinds, TOKENS, width)
            }
        };
        // Two roundings of numbers of at most 3; a copy is exact.
        let absolute = if what == What::Rows { 0.0 } else { 4e-7 };
        let tolerance = Tolerance { relative: 0.0, absolute };
        // Tested above; and an output that is not written fails the check.
        Ok(match (&*case.implementation, what) {
            ("plain", What::Rows) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                gather::plain_rows(&words, &ids, width, out);
            })),
            ("ahead", What::Rows) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                let _ = gather::rows(tier, &words, &ids, width, out);
            })),
            ("plain", What::Sums) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                let tables = Tables { words: &words, positions: &positions, segments: &segments };
                gather::plain_sums(tables, &ids, &kinds, TOKENS, width, out);
            })),
            ("ahead", What::Sums) => Box::new(FloatWork::new(reference, tolerance, move |out| {
                let tables = Tables { words: &words, positions: &positions, segments: &segments };
                let _ = gather::sums(tier, tables, &ids, &kinds, TOKENS, width, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
