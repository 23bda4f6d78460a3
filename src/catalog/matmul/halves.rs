//! Products of single precision by weights kept as binary16.

use super::super::inputs::{self, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, own_tier,
};
use super::TIERS;
use super::int8::{cost, shapes};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedF16};
use crate::simd::{f16_to_f32, f32_to_f16};
use crate::workload::Workload;

const PLAIN: Implementation =
    Implementation::plain("the ordinary loop, each weight widened where it is used");
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "single-precision multiply-adds, weights widened as they are loaded; packing is not timed",
};

/// `C = A B`.
pub(super) struct GemmF16;

impl Benchmark for GemmF16 {
    fn id(&self) -> &str {
        "matmul/gemm-f32f16f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product of single precision by weights of half of it",
            formula: "MxKxN: 2 M K N flops; 4 M K + 2 K N bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| 4.0 * m * k + 2.0 * k * n)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [m, k, n] =
            fitting_counts(&case.shape, &resources.machine, |[m, k, n]| 4 * m * k + 12 * (k * n + m * n))?;
        let tier = own_tier(case)?;
        let a = inputs::floats(m * k, resources.seed);
        let halves: Vec<u16> =
            inputs::floats(k * n, resources.seed.wrapping_add(1)).iter().map(|&x| f32_to_f16(x)).collect();
        let weights: Vec<f32> = halves.iter().map(|&bits| f16_to_f32(bits)).collect();
        let reference = matmul::reference_gemm(&a, m, k, &weights, n, None);
        let tolerance = Tolerance::of_sum(k);
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |c| {
                matmul::plain_gemm_f16(&a, m, k, &halves, n, c);
            })),
            "packed" => {
                let packed = PackedF16::pack(tier, &weights, k, n, Layout::KxN)?;
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    matmul::gemm_f16(&team, &a, m, &packed, None, c);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
