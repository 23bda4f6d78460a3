//! Products of signed bytes with weights of two bits.

use super::super::inputs::{self, fitting_counts};
use super::super::prepared::IntegerWork;
use super::super::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, own_tier,
};
use super::int8::{BYTE_TIERS, cost, shapes};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, PackedTernary};
use crate::kernels::quantize;
use crate::workload::Workload;

const PLAIN: Implementation = Implementation::plain("the ordinary loop over weights as bytes");
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: BYTE_TIERS,
    threads: Threading::Parallel,
    about: "register tiles over fields packed beforehand: made bytes in registers for few rows, by blocks for many",
};

/// `C = A B` with B of -1, 0 and 1.
pub(super) struct GemmTernary;

impl Benchmark for GemmTernary {
    fn id(&self) -> &str {
        "matmul/gemm-s8t2s32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product of signed bytes by ternary weights of two bits, summed in 32 bits",
            formula: "MxKxN: 2 M K N operations; M K + K N / 4 bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let mut shapes = shapes(extensiveness);
        if extensiveness >= Extensiveness::Default {
            // One token's layer of a large model: memory bound, which is what two bits are for.
            shapes.push(Shape::new(&[1, 4096, 4096]));
        }
        shapes
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| m * k + k * n / 4.0)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [m, k, n] =
            fitting_counts(&case.shape, &resources.machine, |[m, k, n]| m * k + 6 * k * n + 8 * m * n)?;
        let tier = own_tier(case)?;
        let a = inputs::signed_bytes(m * k, resources.seed);
        // A layer's weights, an output a row.
        let weights = inputs::floats(k * n, resources.seed.wrapping_add(1));
        let (fields, _) = quantize::reference_ternary_rows(&weights, k);
        let row = k.div_ceil(4);
        let weight = |depth: usize, column: usize| {
            (fields[column * row + depth / 4] >> (2 * (depth % 4)) & 3).cast_signed() - 1
        };
        let bytes: Vec<i8> = (0..k * n).map(|at| weight(at / n, at % n)).collect();
        let reference = matmul::reference_gemm_bytes(&a, m, k, &bytes, n);
        Ok(match &*case.implementation {
            "plain" => Box::new(IntegerWork::new(reference, move |c| {
                matmul::plain_gemm_bytes(&a, m, k, &bytes, n, c);
            })),
            "packed" => {
                let packed = PackedTernary::pack(tier, &fields, k, n)?;
                let team = resources.team.clone();
                Box::new(IntegerWork::new(reference, move |c| {
                    matmul::gemm_bytes(&team, &a, m, &packed, c);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
