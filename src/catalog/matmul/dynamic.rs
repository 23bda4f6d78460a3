//! A linear layer with single-precision inputs and outputs on byte products, quantised on the fly.

use super::super::inputs;
use super::super::prepared::FloatWork;
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::byte_layer::{ByteLayer, byte_layer};
use super::int8::{BYTE_TIERS, cost, shapes};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedInt8};
use crate::workload::Workload;

const PLAIN: Implementation = Implementation::plain("ordinary loops: a row to bytes, sums, numbers");
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: BYTE_TIERS,
    threads: Threading::Parallel,
    about: "rows become bytes as a tile is fed, sums become numbers as it ends; weights are packed beforehand",
};

/// `Y = X W + bias`, the arithmetic being that of bytes: hence the id's data type.
pub(super) struct LinearDynamic;

impl Benchmark for LinearDynamic {
    fn id(&self) -> &str {
        "matmul/linear-dynamic-u8s8s32"
    }
    fn card(&self) -> Card {
        Card {
            about: "linear layer, f32 in and out, on bytes: a scale for every row, found on the fly, and every channel",
            formula: "MxKxN: 2 M K N operations; 4 M K + K N + 8 N bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| 4.0 * m * k + k * n + 8.0 * n)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let ByteLayer { tier, shape: [m, k, n], x, weights, bias, tolerance } = byte_layer(case, resources)?;
        let reference = matmul::reference_linear_dynamic(&x, m, k, &weights, n, Some(&bias));
        Ok(match &*case.implementation {
            "plain" => {
                let (bytes, scales) = matmul::quantize_channels(&weights, k, n);
                let (mut row, mut sums) = (vec![0; k], vec![0; n]);
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    let scratch = (&mut *row, &mut *sums);
                    matmul::plain_linear_dynamic(&x, k, (&bytes, &scales), Some(&bias), scratch, out);
                }))
            }
            "packed" => {
                let packed = PackedInt8::quantize_pack(tier, &weights, k, n, Layout::KxN)?;
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    matmul::linear_dynamic(&team, &x, m, &packed, Some(&bias), out);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
