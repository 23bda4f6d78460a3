//! Products of bytes that leave the registers as single-precision numbers.

use super::super::inputs::{self, fitting_counts};
use super::super::prepared::{FloatWork, Tolerance};
use super::super::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, own_tier,
};
use super::int8::{BYTE_TIERS, cost, shapes};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedBytes, Scales};
use crate::workload::Workload;

const PLAIN: Implementation = Implementation::plain("the ordinary loop, then scales and bias");
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: BYTE_TIERS,
    threads: Threading::Parallel,
    about: "register tiles whose sums are scaled before they are stored; B is packed beforehand",
};

/// `C = scale (A B) + bias`, with a scale for every row and every column.
pub(super) struct GemmScaled;

impl Benchmark for GemmScaled {
    fn id(&self) -> &str {
        "matmul/gemm-u8s8f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product of unsigned by signed bytes, scaled by row and column, with a bias",
            formula: "MxKxN: 2 M K N operations; M K + K N + 4 M + 8 N bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| m * k + k * n + 4.0 * m + 8.0 * n)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let [m, k, n] =
            fitting_counts(&case.shape, &resources.machine, |[m, k, n]| m * k + 2 * k * n + 20 * m * n)?;
        let tier = own_tier(case)?;
        let seed = |i| resources.seed.wrapping_add(i);
        let (a, b) = (inputs::bytes(m * k, seed(0)), inputs::signed_bytes(k * n, seed(1)));
        let [rows, columns, bias] = [(m, 2), (n, 3), (n, 4)].map(|(len, i)| inputs::floats(len, seed(i)));
        let sums = matmul::reference_gemm_bytes(&a, m, k, &b, n);
        let exact = |(i, &sum): (usize, &i32)| {
            f64::from(sum) * f64::from(rows[i / n]) * f64::from(columns[i % n]) + f64::from(bias[i % n])
        };
        let reference = sums.iter().enumerate().map(exact).collect();
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let depth = k as f64;
        // Three roundings of a number below 2^15 K, and one more for each further block of the depth.
        let absolute = 4.0 * 32_768.0 * depth * f64::from(f32::EPSILON);
        let tolerance = Tolerance { relative: 1e-6, absolute };
        Ok(match &*case.implementation {
            "plain" => {
                let mut sums = vec![0; m * n];
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    matmul::plain_gemm_bytes(&a, m, k, &b, n, &mut sums);
                    for (row, (c, sums)) in c.chunks_exact_mut(n).zip(sums.chunks_exact(n)).enumerate() {
                        for (column, (c, &sum)) in c.iter_mut().zip(sums).enumerate() {
                            *c = rounded(sum) * (rows[row] * columns[column]) + bias[column];
                        }
                    }
                }))
            }
            "packed" => {
                let packed = PackedBytes::pack(tier, &b, k, n, Layout::KxN)?;
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |c| {
                    let scales = Scales { rows: &rows, columns: &columns };
                    matmul::gemm_bytes_scaled(&team, &a, m, &packed, scales, Some(&bias), c);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "the conversion is meant")]
fn rounded(sum: i32) -> f32 {
    sum as f32
}
