//! Benchmarks of family `matmul`.

use super::inputs::{self, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedMatrix, Unpacked};
use crate::simd::Tier;
use crate::workload::Workload;

mod batched;
mod bf16;
mod byte_layer;
mod crossover;
mod dynamic;
mod grouped;
mod halves;
mod int8;
mod scaled;
mod ternary;
mod transposed;
mod trial;

pub use crossover::{gemm_crossover, learn_crossover, measure_crossover};
pub use trial::{StrategyTrial, Way};

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &GemmF32,
    &transposed::GemmTransposed,
    &batched::GemmBatched,
    &int8::GEMM_U8S8,
    &int8::GEMM_S8S8,
    &scaled::GemmScaled,
    &ternary::GemmTernary,
    &dynamic::LinearDynamic,
    &grouped::LinearGrouped,
    &bf16::GemmBf16,
    &halves::GemmF16,
];

const PLAIN: Implementation = Implementation::plain("the ordinary loop, rows of B innermost");
const DIRECT: Implementation = Implementation::vector("direct", "register tiles straight from both operands");
const AUTO: Implementation = Implementation {
    name: "auto",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "direct, or packing B on the way where that pays on this machine; packing is timed",
};
/// The tiers whose products in single precision differ.
const TIERS: &[Tier] = &[Tier::Avx2, Tier::Avx512, Tier::Neon];
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "register tiles over B packed beforehand, as weights are; packing is not timed",
};

/// `C = A B` in single precision.
struct GemmF32;

impl Benchmark for GemmF32 {
    fn id(&self) -> &str {
        "matmul/gemm-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product in single precision",
            formula: "MxKxN: 2 M K N flops; 4 (M K + K N) bytes read, 4 M N written",
            implementations: &[PLAIN, DIRECT, PACKED, AUTO],
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let mut shapes = vec![[512, 512, 512]];
        if extensiveness >= Extensiveness::Default {
            shapes.extend([
                [64, 64, 64],
                [128, 384, 1536],
                [1024, 384, 384],
                [1024, 1536, 384],
                [1, 4096, 4096],
            ]);
        }
        if extensiveness == Extensiveness::Full {
            shapes.extend([32, 128, 256, 1024, 2048].map(|n| [n, n, n]));
            shapes.extend([[8, 384, 1536], [128, 384, 384], [128, 1536, 384], [1024, 384, 1536]]);
            shapes.extend([[4096, 384, 384], [4096, 384, 1536], [4096, 1536, 384]]);
        }
        shapes.iter().map(|extents| Shape::new(extents)).collect()
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        int8::cost(shape, |[m, k, n]| 4.0 * (m * k + k * n))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [m, k, n] = fitting_counts(&case.shape, &resources.machine, |[m, k, n]| {
            4 * (m * k + 2 * k * n) + 12 * m * n
        })?;
        let tier = inputs::tier(case)?;
        let a = inputs::floats(m * k, resources.seed);
        let b = inputs::floats(k * n, resources.seed.wrapping_add(1));
        let reference = matmul::reference_gemm(&a, m, k, &b, n, None);
        let tolerance = Tolerance::of_sum(k);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |c| {
                matmul::plain_gemm(&a, m, k, &b, n, c);
            })),
            "direct" => Box::new(FloatWork::new(reference, tolerance, move |c| {
                // The tier is tested above; and an output that is not written fails the check.
                let _ = matmul::gemm_direct(tier, &a, m, k, &b, n, c);
            })),
            "packed" => {
                let packed = PackedMatrix::pack(tier, &b, k, n, Layout::KxN)?;
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    matmul::gemm(&team, &a, m, &packed, None, c);
                }))
            }
            "auto" => {
                let (crossover, mut scratch) = (gemm_crossover(tier)?, PackedMatrix::empty(tier)?);
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    let b = Unpacked { values: &b, k, n, layout: Layout::KxN };
                    matmul::gemm_unpacked(&team, crossover.choose(m, &b), &a, m, b, &mut scratch, c);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
