//! Benchmarks of family `pool`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::pool::{self, Pooling};
use crate::simd::Tier;
use crate::workload::Workload;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Pool {
        id: "pool/mean-f32",
        about: "The mean of a text's token vectors.",
        formula: "R C flops; reads 4 R C bytes, writes 4 C",
        how: Pooling::Mean,
        masked: false,
        implementations: &[PLAIN, SCALAR, ROWS],
    },
    &Pool {
        id: "pool/mean-masked-f32",
        about: "The mean of the token vectors that a mask of bytes keeps: all but the last quarter.",
        formula: "K C flops with K = R - floor(R/4); reads 4 K C + R bytes, writes 4 C",
        how: Pooling::Mean,
        masked: true,
        implementations: &[PLAIN, ROWS],
    },
    &Pool {
        id: "pool/max-f32",
        about: "The largest number of each column of a text's token vectors.",
        formula: "(R - 1) C comparisons; reads 4 R C bytes, writes 4 C",
        how: Pooling::Max,
        masked: false,
        implementations: &[PLAIN, ROWS],
    },
    &Pool {
        id: "pool/cls-f32",
        about: "The first token vector of a text: a copy.",
        formula: "no flops; reads 4 C bytes, writes 4 C",
        how: Pooling::Cls,
        masked: false,
        implementations: &[PLAIN, ROWS],
    },
    &Pool {
        id: "pool/mean-sqrt-f32",
        about: "The sum of a text's token vectors over the square root of their number.",
        formula: "R C flops; reads 4 R C bytes, writes 4 C",
        how: Pooling::MeanSqrt,
        masked: false,
        implementations: &[PLAIN, ROWS],
    },
    &MeanBatch,
];

const PLAIN: Implementation =
    Implementation::plain("row after row folded into the output, as the compiler builds it");
const SCALAR: Implementation = Implementation {
    name: "scalar",
    tiers: &[Tier::Baseline],
    threads: Threading::Single,
    about: "one column after the other, one element at a time",
};
const ROWS: Implementation =
    Implementation::vector("rows", "a block of columns in registers, all rows streamed past it once");

/// ROWSxCOLS token vectors to one.
struct Pool {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    how: Pooling,
    masked: bool,
    implementations: &'static [Implementation],
}

impl Pool {
    /// How many of `rows` are read.
    const fn kept(&self, rows: usize) -> usize {
        match self.how {
            Pooling::Cls => 1,
            Pooling::Mean | Pooling::MeanSqrt | Pooling::Max if self.masked => rows - rows / 4,
            Pooling::Mean | Pooling::MeanSqrt | Pooling::Max => rows,
        }
    }

    /// Padding stands at the end, as tokenisers leave it.
    fn mask(&self, rows: usize) -> Option<Vec<u8>> {
        let kept = self.kept(rows);
        self.masked.then(|| (0..rows).map(|row| u8::from(row < kept)).collect())
    }
}

impl Benchmark for Pool {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: self.implementations }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let more: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick => &[],
            Extensiveness::Default => &[[32, 384], [128, 768], [512, 384]],
            Extensiveness::Full => &[[32, 384], [128, 768], [512, 384], [8, 384], [128, 1024], [512, 1024]],
        };
        [[128, 384]].iter().chain(more).map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [rows, columns] = counts(shape)?;
        let (kept, columns) = (self.kept(rows) as f64, columns as f64);
        // Each number that is kept is loaded once, and each of the answer's stored once; a mask adds its bytes.
        let mask = if self.masked { rows as f64 } else { 0.0 };
        let (read, written) = (4.0 * kept * columns + mask, 4.0 * columns);
        Some(Cost {
            flops: match self.how {
                // kept - 1 additions and one multiplication a column; the reciprocal of the count is not counted.
                Pooling::Mean | Pooling::MeanSqrt => kept * columns,
                Pooling::Max => (kept - 1.0) * columns,
                Pooling::Cls => 0.0,
            },
            ..Cost::streamed(read, written)
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [rows, columns] = fitting_counts(&case.shape, &resources.machine, |[r, c]| 4 * r * c + 16 * c)?;
        let (tier, how) = (inputs::tier(case)?, self.how);
        let tokens = inputs::floats(rows * columns, resources.seed);
        let mask = self.mask(rows);
        let reference = pool::reference_pool(how, &tokens, columns, mask.as_deref());
        let tolerance = tolerance(how, self.kept(rows));
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                pool::plain_pool(how, &tokens, columns, mask.as_deref(), out);
            })),
            "scalar" if how == Pooling::Mean && !self.masked => {
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    pool::scalar_mean(&tokens, columns, out);
                }))
            }
            "rows" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = pool::pool(tier, how, &tokens, columns, mask.as_deref(), out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// TEXTSxROWSxCOLS: the means of several texts, so that a call for each of them stands beside one entry for all.
struct MeanBatch;

impl Benchmark for MeanBatch {
    fn id(&self) -> &str {
        "pool/mean-batch-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "The means of several texts' token vectors: what a call a text costs over one entry for all.",
            formula: "T R C flops; reads 4 T R C bytes, writes 4 T C",
            implementations: &[
                PLAIN,
                Implementation { name: "once", about: "the tier entered once for all texts", ..ROWS },
                Implementation { name: "calls", about: "one call of the library a text", ..ROWS },
            ],
        }
    }

    fn shapes(&self, _: &Machine, _: Extensiveness) -> Vec<Shape> {
        vec![Shape::new(&[4, 128, 384])]
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [texts, rows, columns] = counts(shape)?;
        let (texts, rows, columns) = (texts as f64, rows as f64, columns as f64);
        let (read, written) = (4.0 * texts * rows * columns, 4.0 * texts * columns);
        Some(Cost { flops: texts * rows * columns, ..Cost::streamed(read, written) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [texts, rows, columns] =
            fitting_counts(&case.shape, &resources.machine, |[t, r, c]| t * (4 * r * c + 16 * c))?;
        let tier = inputs::tier(case)?;
        let tokens = inputs::floats(texts * rows * columns, resources.seed);
        let text = rows * columns;
        let reference = tokens
            .chunks_exact(text)
            .flat_map(|tokens| pool::reference_pool(Pooling::Mean, tokens, columns, None))
            .collect();
        let tolerance = tolerance(Pooling::Mean, rows);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                for (tokens, out) in tokens.chunks_exact(text).zip(out.chunks_exact_mut(columns)) {
                    pool::plain_pool(Pooling::Mean, tokens, columns, None, out);
                }
            })),
            "once" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = pool::mean_batch(tier, &tokens, rows, columns, out);
            })),
            "calls" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                for (tokens, out) in tokens.chunks_exact(text).zip(out.chunks_exact_mut(columns)) {
                    let _ = pool::pool(tier, Pooling::Mean, tokens, columns, None, out);
                }
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// Inputs are at most 1 in magnitude: a partial sum of n random signs stays near the root of n, and the roundings of
/// n additions to it, random themselves, add up to some n x epsilon.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
fn tolerance(how: Pooling, kept: usize) -> Tolerance {
    let epsilon = f64::from(f32::EPSILON);
    let absolute = match how {
        Pooling::Max | Pooling::Cls => 0.0,
        Pooling::Mean => 4.0 * epsilon,
        Pooling::MeanSqrt => 4.0 * (kept as f64).sqrt() * epsilon,
    };
    Tolerance { relative: 4.0 * epsilon, absolute }
}
