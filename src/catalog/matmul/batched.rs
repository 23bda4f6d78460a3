//! Many small products of one shape.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::TIERS;
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul;
use crate::workload::Workload;

const PLAIN: Implementation = Implementation::plain("the ordinary loop, product by product");
const DIRECT: Implementation = Implementation {
    name: "direct",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "register tiles straight from both operands, the tier entered once for all products",
};

/// `C = A B` for BATCH matrices each.
pub(super) struct GemmBatched;

impl Benchmark for GemmBatched {
    fn id(&self) -> &str {
        "matmul/gemm-batched-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "many small matrix products of one shape in single precision",
            formula: "BxMxKxN: 2 B M K N flops; 4 B (M K + K N) bytes read, 4 B M N written",
            implementations: &[PLAIN, DIRECT],
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        // The scores of a text of 32 tokens by 12 heads of 32, then what fits the first-level cache, then more.
        let mut shapes = vec![[12, 32, 32, 32]];
        if extensiveness >= Extensiveness::Default {
            shapes.extend([[64, 8, 8, 8], [64, 16, 16, 16], [1024, 16, 16, 16]]);
        }
        if extensiveness == Extensiveness::Full {
            shapes.extend([[12, 128, 32, 128], [384, 32, 32, 32], [256, 64, 64, 64]]);
        }
        shapes.iter().map(|extents| Shape::new(extents)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [batch, m, k, n] = counts(shape)?.map(|extent: usize| extent as f64);
        let read = 4.0 * batch * (m * k + k * n);
        Some(Cost { flops: 2.0 * batch * m * k * n, ..Cost::streamed(read, 4.0 * batch * m * n) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let bytes = |[batch, m, k, n]: [usize; 4]| batch * (4 * (m * k + k * n) + 12 * m * n);
        let [batch, m, k, n] = fitting_counts(&case.shape, &resources.machine, bytes)?;
        let tier = inputs::tier(case)?;
        let a = inputs::floats(batch * m * k, resources.seed);
        let b = inputs::floats(batch * k * n, resources.seed.wrapping_add(1));
        let pairs = a.chunks_exact(m * k).zip(b.chunks_exact(k * n));
        let reference = pairs.flat_map(|(a, b)| matmul::reference_gemm(a, m, k, b, n, None)).collect();
        let tolerance = Tolerance::of_sum(k);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |c| {
                let pairs = a.chunks_exact(m * k).zip(b.chunks_exact(k * n));
                for ((a, b), c) in pairs.zip(c.chunks_exact_mut(m * n)) {
                    matmul::plain_gemm(a, m, k, b, n, c);
                }
            })),
            "direct" => {
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    // The tier is tested above; and an output that is not written fails the check.
                    let _ = matmul::gemm_batched(&team, tier, &a, &b, [m, k, n], c);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
