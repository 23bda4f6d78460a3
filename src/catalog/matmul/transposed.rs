//! `A B` with B stored as its columns: `A B^T` of what lies in memory, as the weights of linear layers do.

use super::super::inputs::{self, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::int8::{cost, shapes};
use super::{PACKED, TIERS, gemm_crossover};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedMatrix, Unpacked};
use crate::workload::Workload;

const PLAIN: Implementation = Implementation::plain("a dot product an element");
const AUTO: Implementation = Implementation {
    name: "auto",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "register tiles over B packed on the way, which is timed",
};

/// `C = A B` in single precision, element `(k, n)` of B at `n * K + k`.
pub(super) struct GemmTransposed;

impl Benchmark for GemmTransposed {
    fn id(&self) -> &str {
        "matmul/gemm-transposed-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product in single precision by rows of weights: A B^T",
            formula: "MxKxN: 2 M K N flops; 4 (M K + K N) bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED, AUTO],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| 4.0 * (m * k + k * n))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [m, k, n] = fitting_counts(&case.shape, &resources.machine, |[m, k, n]| {
            4 * (m * k + 3 * k * n) + 12 * m * n
        })?;
        let tier = inputs::tier(case)?;
        let a = inputs::floats(m * k, resources.seed);
        let weights = inputs::floats(k * n, resources.seed.wrapping_add(1));
        let b: Vec<f32> = (0..k * n).map(|at| weights[at % n * k + at / n]).collect();
        let reference = matmul::reference_gemm(&a, m, k, &b, n, None);
        let tolerance = Tolerance::of_sum(k);
        let team = resources.team.clone();
        Ok(match &*case.implementation {
            "plain" => Box::new(FloatWork::new(reference, tolerance, move |c| {
                for (a, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
                    for (weights, c) in weights.chunks_exact(k).zip(c) {
                        *c = a.iter().zip(weights).map(|(a, b)| a * b).sum();
                    }
                }
            })),
            "packed" => {
                let packed = PackedMatrix::pack(tier, &weights, k, n, Layout::NxK)?;
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    matmul::gemm(&team, &a, m, &packed, None, c);
                }))
            }
            "auto" => {
                let (crossover, mut scratch) = (gemm_crossover(tier)?, PackedMatrix::empty(tier)?);
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    let b = Unpacked { values: &weights, k, n, layout: Layout::NxK };
                    matmul::gemm_unpacked(&team, crossover.choose(m, &b), &a, m, b, &mut scratch, c);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
