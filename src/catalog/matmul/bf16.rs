//! Products of bfloat16 numbers summed in single precision.

use super::super::inputs::{self, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, own_tier,
};
use super::int8::{cost, shapes};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Bf16Method, Layout, PackedBf16};
use crate::simd::{Tier, bf16_to_f32};
use crate::workload::Workload;

const PLAIN: Implementation = Implementation::plain("the ordinary loop, rows of B innermost");
const PAIRS: Implementation = Implementation {
    name: "pairs",
    tiers: &[Tier::Avx512bf16],
    threads: Threading::Parallel,
    about: "dot products of pairs over B packed beforehand; packing is not timed",
};
const WIDENED: Implementation = Implementation {
    name: "widened",
    tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon],
    threads: Threading::Parallel,
    about: "single-precision multiply-adds, operands widened as they are loaded; packing is not timed",
};

/// `C = A B`.
pub(super) struct GemmBf16;

impl Benchmark for GemmBf16 {
    fn id(&self) -> &str {
        "matmul/gemm-bf16bf16f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product of bfloat16 numbers, summed in single precision",
            formula: "MxKxN: 2 M K N flops; 2 (M K + K N) bytes read, 4 M N written",
            implementations: &[PLAIN, PAIRS, WIDENED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| 2.0 * (m * k + k * n))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [m, k, n] =
            fitting_counts(&case.shape, &resources.machine, |[m, k, n]| 8 * (m * k + k * n) + 12 * m * n)?;
        let tier = own_tier(case)?;
        let a = numbers(m * k, resources.seed);
        let b = numbers(k * n, resources.seed.wrapping_add(1));
        let widened = |bits: &[u16]| -> Vec<f32> { bits.iter().map(|&bits| bf16_to_f32(bits)).collect() };
        let (wide_a, wide_b) = (widened(&a), widened(&b));
        let reference = matmul::reference_gemm(&wide_a, m, k, &wide_b, n, None);
        let tolerance = Tolerance::of_sum(k);
        let method = match &*case.implementation {
            "plain" => {
                return Ok(Box::new(FloatWork::new(reference, tolerance, move |c| {
                    matmul::plain_gemm_bf16(&a, m, k, &b, n, c);
                })));
            }
            "pairs" => Bf16Method::Pairs,
            "widened" => Bf16Method::Widened,
            _ => return Err(inputs::no_such_implementation(case)),
        };
        let packed = PackedBf16::pack(tier, method, &b, k, n, Layout::KxN)?;
        let team = resources.team.clone();
        Ok(Box::new(FloatWork::new(reference, tolerance, move |c| {
            matmul::gemm_bf16(&team, &a, m, &packed, None, c);
        })))
    }
}

/// The upper halves of random numbers: their bfloat16 neighbours towards zero.
fn numbers(len: usize, seed: u64) -> Vec<u16> {
    inputs::floats(len, seed).iter().map(|x| (x.to_bits() >> 16) as u16).collect()
}
