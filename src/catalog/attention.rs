//! Benchmarks of family `attention`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::activation::EXP_SHARE_FLOPS;
use crate::kernels::attention::{self as kernel, Qkv, attention_scratch_len};
use crate::tensor::AlignedBuffer;
use crate::workload::Workload;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[&Attention];

/// TOKENSxHEADSxWIDTH: attention of one text, over queries, keys and values that lie side by side as one projection
/// writes them.
struct Attention;

impl Benchmark for Attention {
    fn id(&self) -> &str {
        "attention/tiled-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "Scaled dot-product attention of one text, every head, without a mask.",
            formula: "H (T T (4 W + 16) + 2 T W) flops; reads 12 T H W bytes, writes 4 T H W",
            implementations: const {
                &[
                    Implementation::plain(
                        "a query at a time with the C library's exp, as the compiler builds it",
                    ),
                    Implementation::vector(
                        "tiles",
                        "keys transposed per head; six queries at a time through scores, softmax and values",
                    ),
                ]
            },
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let shapes: &[[usize; 3]] = match extensiveness {
            Extensiveness::Quick => &[[128, 12, 32]],
            Extensiveness::Default => &[[128, 12, 32], [32, 12, 32], [256, 12, 32]],
            Extensiveness::Full => {
                &[[128, 12, 32], [32, 12, 32], [256, 12, 32], [512, 12, 32], [128, 12, 64]]
            }
        };
        shapes.iter().map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [tokens, heads, width] = counts(shape)?;
        let scratch = 4.0 * attention_scratch_len(tokens, heads, width) as f64;
        let (tokens, heads, width) = (tokens as f64, heads as f64, width as f64);
        let side = 4.0 * tokens * heads * width;
        Some(Cost {
            // Two products of 2 T T W; a maximum, a difference, an exponential and an addition a score; and a product
            // for each scaled key and each output.
            flops: heads * (tokens * tokens * (4.0 * width + 3.0 + EXP_SHARE_FLOPS) + 2.0 * tokens * width),
            // The three projections read once and the output written once: what a head re-reads, it finds in the caches.
            core_bytes: 4.0 * side,
            // A store that misses reads its line first.
            dram_bytes: 5.0 * side,
            written_bytes: side,
            working_set_bytes: 4.0 * side + scratch,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [tokens, heads, head_width] = fitting_counts(&case.shape, &resources.machine, |[t, h, w]| {
            24 * t * h * w + 4 * attention_scratch_len(t, h, w)
        })?;
        let tier = inputs::tier(case)?;
        let width = heads * head_width;
        let projections = inputs::floats(tokens * 3 * width, resources.seed);
        let reference =
            kernel::reference_attend(side_by_side(&projections, width), tokens, heads, head_width);
        // A weighted mean of values of magnitude 1, whose weights carry the errors of the scores.
        let tolerance = Tolerance { relative: 0.0, absolute: 2e-6 };
        let scratch_len = attention_scratch_len(tokens, heads, head_width);
        let mut scratch = AlignedBuffer::from_fn(scratch_len, |_| f32::NAN);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                let qkv = side_by_side(&projections, width);
                kernel::plain_attend(qkv, tokens, heads, head_width, &mut scratch, out);
            })),
            "tiles" => Box::new(FloatWork::new(reference, tolerance, move |out| {
                let qkv = side_by_side(&projections, width);
                // Tested above; and an output that is not written fails the check.
                let _ = kernel::attend(tier, qkv, tokens, heads, head_width, &mut scratch, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

/// Queries, keys and values of rows that hold the three one after the other, each `width` long.
fn side_by_side(projections: &[f32], width: usize) -> Qkv<'_> {
    Qkv { q: projections, k: &projections[width..], v: &projections[2 * width..], stride: 3 * width }
}
