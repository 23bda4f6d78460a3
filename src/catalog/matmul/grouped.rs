//! A linear layer on byte products with a scale for every group of the depth, as the engine's int8 has it.

use super::super::inputs;
use super::super::prepared::FloatWork;
use super::super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use super::byte_layer::{ByteLayer, byte_layer};
use super::int8::{BYTE_TIERS, cost, shapes};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::grouped::{
    GroupedInt8, PlainGrouped, Smoothing, linear_grouped, reference_linear_grouped,
};
use crate::workload::Workload;

const PLAIN: Implementation =
    Implementation::plain("ordinary loops: groups of a row to bytes, sums, numbers");
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: BYTE_TIERS,
    threads: Threading::Parallel,
    about: "a tile's rows become bytes once for all columns of a block; weights are packed beforehand",
};

/// `Y = X W + bias`, the arithmetic being that of bytes: hence the id's data type.
pub(super) struct LinearGrouped;

impl Benchmark for LinearGrouped {
    fn id(&self) -> &str {
        "matmul/linear-grouped-u8s8s32"
    }
    fn card(&self) -> Card {
        Card {
            about: "linear layer, f32 in and out, on bytes: a scale for every row and 192 inputs, and every channel",
            formula: "MxKxN: 2 M K N operations; 4 M K + K N + 8 K + 8 N bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        // Each channel of the inputs has a multiplier and a shift.
        cost(shape, |[m, k, n]| 4.0 * m * k + k * n + 8.0 * k + 8.0 * n)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let ByteLayer { tier, shape: [m, k, _], x, weights, bias, tolerance } = byte_layer(case, resources)?;
        let smoothing = Smoothing::none(k);
        let reference = reference_linear_grouped(&x, m, &weights, &bias, &smoothing);
        Ok(match &*case.implementation {
            "plain" => {
                let mut layer = PlainGrouped::new(&weights, &bias, k);
                Box::new(FloatWork::new(reference, tolerance, move |out| layer.apply(&x, out)))
            }
            "packed" => {
                let packed = GroupedInt8::quantize_pack(tier, &weights, &bias, &smoothing)?;
                let team = resources.team.clone();
                Box::new(FloatWork::new(reference, tolerance, move |out| {
                    linear_grouped(&team, &x, m, &packed, out);
                }))
            }
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}
