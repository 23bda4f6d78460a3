//! Ceilings that cannot be: more operations than the lanes and pipes have cycles, more bytes than the load and store
//! ports move.

use crate::document::Tier;
use crate::document::{Case, Document, Machine};

use super::{Ceiling, CeilingKind, ceiling_of};

/// Above this multiple of physics a figure is wrong, not lucky: the clock itself is measured within a few percent, and moves.
const TOLERANCE: f64 = 1.05;

/// Measured roofs that are withheld, and why.
#[must_use]
pub fn rejected_ceilings(document: &Document) -> Vec<(Case, String)> {
    document
        .measured()
        .filter_map(ceiling_of)
        .filter_map(|ceiling| {
            let why = objection(&ceiling, &document.machine)?;
            Some((ceiling.case, why))
        })
        .collect()
}

/// Why a ceiling cannot be, where the machine's clock was measured.
pub(super) fn objection(ceiling: &Ceiling, machine: &Machine) -> Option<String> {
    let hertz = machine.cpu.frequency.measured_hertz?;
    let tier = ceiling.case.tier.ours()?;
    let per_cycle = match ceiling.kind {
        CeilingKind::Bandwidth => bytes_per_cycle(tier),
        CeilingKind::Compute => operations_per_cycle(tier, &ceiling.what)?,
    };
    #[expect(clippy::cast_precision_loss, reason = "thread counts are small")]
    let limit = per_cycle * hertz * ceiling.case.threads.get() as f64;
    (ceiling.per_second > limit * TOLERANCE).then(|| {
        format!(
            "{} is above physics: {:.3e} per second measured, {limit:.3e} possible ({per_cycle} per cycle at {:.2} GHz)",
            ceiling.name,
            ceiling.per_second,
            hertz / 1e9
        )
    })
}

/// Lanes x pipes x operations of a lane: 2 FMA pipes on x86 and 4 on Arm's and Apple's widest cores; an FMA is two
/// operations, a byte dot product eight and a bfloat16 one four a lane.
fn operations_per_cycle(tier: Tier, dtype: &str) -> Option<f64> {
    let (lanes, pipes) = match tier {
        // SSE2 has no FMA, but two multiplying and two adding pipes.
        Tier::Baseline | Tier::Sse41 => (4.0, 2.0),
        Tier::Avx2 => (8.0, 2.0),
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => (16.0, 2.0),
        Tier::Neon | Tier::NeonDotprod => (4.0, 4.0),
    };
    let operations = match dtype {
        "f64" | "f32 add" | "f32 mul" => 1.0,
        "f64 add" | "f64 mul" => 0.5,
        "f32" => 2.0,
        "bf16" | "bf16f32" => 4.0,
        "u8s8s32" | "s8s8s32" | "s8t2s32" | "u8s8f32" => 8.0,
        _ => return None,
    };
    Some(lanes * pipes * operations)
}

/// Two loads and a store of a vector a cycle; narrow vectors have up to four loads and two stores on wide cores.
fn bytes_per_cycle(tier: Tier) -> f64 {
    match tier {
        Tier::Baseline | Tier::Sse41 | Tier::Neon | Tier::NeonDotprod => 16.0 * 6.0,
        Tier::Avx2 => 32.0 * 5.0,
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => 64.0 * 3.0,
    }
}
