//! Advice about instructions: precision, vector width, hand-written kernels.

use crate::analysis::roofline::{Ceiling, CeilingKind, ceilings, is_ceiling};
use crate::document::Tier;
use crate::document::{CaseTier, Document, Measurement};

use super::{Advice, Effect, factor, median};

/// The byte dot product's peak is at least twice the f32 peak on the same threads, and a matrix product in f32 was
/// measured that would gain.
pub(super) fn int8_is_worth_it(document: &Document) -> Option<Advice> {
    let roofs = ceilings(document);
    let best = |what: &[&str]| {
        roofs
            .iter()
            .filter(|c| {
                c.kind == CeilingKind::Compute && what.contains(&&*c.what) && c.case.threads.get() == 1
            })
            .max_by(|a, b| a.per_second.total_cmp(&b.per_second))
    };
    let (bytes, floats): (&Ceiling, &Ceiling) = (best(&["u8s8s32", "s8s8s32"])?, best(&["f32"])?);
    let matmul = document
        .measured()
        .filter(|m| m.case.benchmark.starts_with("matmul/") && m.case.dtype() == "f32")
        .max_by(|a, b| a.cost.flops.total_cmp(&b.cost.flops))?;
    let gain = bytes.per_second / floats.per_second;
    (gain >= 2.0).then(|| Advice {
        action: "quantise the encoder's matrix products to 8 bits (dynamic per-row activations, per-channel weights), and check retrieval quality".to_owned(),
        why: format!(
            "this CPU does {} on bytes and {} in single precision; matrix products are bound by that peak",
            crate::units::rate(bytes.per_second, "OP/s"),
            crate::units::flops_per_second(floats.per_second)
        ),
        evidence: vec![bytes.case.clone(), floats.case.clone(), matmul.case.clone()],
        effect: Effect::Computed(gain, "the ratio of the two peaks: an upper bound for the matrix products alone"),
    })
}

/// AVX-512 against AVX2 where both were measured on the same work: worth it from 1.1x, not worth it below 1.0x.
pub(super) fn widest_vectors(document: &Document) -> Option<Advice> {
    let on = |tier: Tier| move |m: &&Measurement| m.case.tier == CaseTier::Ours(tier);
    let pairs = document.measured().filter(on(Tier::Avx512)).filter_map(|wide| {
        let narrow = document.measured().filter(on(Tier::Avx2)).find(|narrow| {
            (&narrow.case.benchmark, &narrow.case.implementation, &narrow.case.shape, narrow.case.threads)
                == (&wide.case.benchmark, &wide.case.implementation, &wide.case.shape, wide.case.threads)
        })?;
        Some((wide, narrow, median(narrow) / median(wide)))
    });
    // Real work before the synthetic peak, then the largest effect either way.
    let (wide, narrow, gain) = pairs.max_by(|a, b| {
        let rank = |p: &(&Measurement, &Measurement, f64)| (!is_ceiling(&p.0.case), p.2.ln().abs());
        let (a, b) = (rank(a), rank(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })?;
    if (0.98..1.1).contains(&gain) {
        return None;
    }
    let (action, effect) = if gain >= 1.1 {
        (
            "build and choose libraries that use AVX-512 here (for onnxruntime and oneDNN: ONEDNN_MAX_CPU_ISA unset or AVX512_CORE_VNNI)",
            gain,
        )
    } else {
        ("keep to AVX2 here: the wider vectors do not pay on this CPU", 1.0 / gain)
    };
    Some(Advice {
        action: action.to_owned(),
        why: format!("{} is {} as fast with AVX-512 as with AVX2", wide.case.benchmark, factor(gain)),
        evidence: vec![wide.case.clone(), narrow.case.clone()],
        effect: Effect::Measured(effect),
    })
}

/// The kernel whose vector form gains most over the plain loop, from twice.
pub(super) fn vectors_over_plain(document: &Document) -> Option<Advice> {
    let pairs = document
        .measured()
        .filter(|m| !is_ceiling(&m.case) && m.case.implementation != "plain" && m.case.family() != "embed")
        // What a library does is said by the rules about libraries.
        .filter(|m| m.peer.is_none())
        .filter_map(|fast| {
            let plain = document.measured().find(|m| {
                m.case.implementation == "plain"
                    && (&m.case.benchmark, &m.case.shape, m.case.threads)
                        == (&fast.case.benchmark, &fast.case.shape, fast.case.threads)
            })?;
            Some((fast, plain, median(plain) / median(fast)))
        });
    let (fast, plain, gain) = pairs.max_by(|a, b| a.2.total_cmp(&b.2))?;
    (gain >= 2.0).then(|| Advice {
        action: format!(
            "where your code does {} in a plain loop, use a vector kernel (runtime dispatch, or -C target-cpu / -march for this CPU)",
            fast.case.benchmark
        ),
        why: format!(
            "{} runs {} as fast as the plain loop as the compiler builds it for the baseline",
            fast.case,
            factor(gain)
        ),
        evidence: vec![plain.case.clone(), fast.case.clone()],
        effect: Effect::Measured(gain),
    })
}
