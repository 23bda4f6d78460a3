//! Predicted beside measured: the time of forms that the arithmetic binds, from the ceilings of the same run.
//!
//! A form does its products at the rate of multiply-adds, its other operations at half of that (one an instruction), and
//! its exponentials at the rate that `peak/exp-f32` measured: on the same pipes, so their times add up. Each rate is of the case's tier
//! and threads. The plain loops are the compiler's and the eager forms the memory's: neither is predicted here.

use crate::analysis::roofline::{Ceiling, CeilingKind, ceilings};
use crate::document::{Case, Document, Shape};
use crate::stats;

use super::{Fusion, Items, Mol, Precision, Work};

/// A case with the time that its count predicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Which.
    pub case: Case,
    /// From the count and the ceilings, or what is missing.
    pub predicted_seconds: Result<f64, String>,
    /// The median.
    pub measured_seconds: f64,
}

impl Prediction {
    /// How far the measured time is from the predicted one, as a share of the measured: 0.1 where a tenth of the time was not predicted.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        self.predicted_seconds.as_ref().ok().map(|predicted| 1.0 - predicted / self.measured_seconds)
    }
}

/// The measured mixtures of logits whose form the arithmetic binds.
#[must_use]
pub fn predictions(document: &Document) -> Vec<Prediction> {
    let ceilings = ceilings(document);
    let measured = document.measured().filter_map(|measurement| {
        let work = work_of(&measurement.case)?;
        Some(Prediction {
            predicted_seconds: predict(&work, &measurement.case, &ceilings),
            measured_seconds: stats::median(&measurement.seconds.samples)?,
            case: measurement.case.clone(),
        })
    });
    measured.collect()
}

/// The median of the predictions' errors, whatever their sign.
#[must_use]
pub fn median_error(predictions: &[Prediction]) -> Option<f64> {
    let errors: Vec<f64> =
        predictions.iter().filter_map(Prediction::error).map(f64::abs).filter(|x| x.is_finite()).collect();
    stats::median(&errors)
}

/// What a case does, where the arithmetic binds its form.
fn work_of(case: &Case) -> Option<Work> {
    let scores = matches!(&*case.benchmark, "mol/score-f32" | "mol/score-bf16" | "mol/topk-f32");
    let bound = matches!(&*case.implementation, "tiled" | "fused" | "pairs" | "widened");
    (scores && bound).then(|| mixture(&case.shape, case.dtype())).map(|mol| mol.work())
}

/// The model of a shape of six counts.
fn mixture(shape: &Shape, dtype: &str) -> Mol {
    Mol {
        batch: shape.count(0),
        items: shape.count(1),
        query_components: shape.count(2),
        item_components: shape.count(3),
        width: shape.count(4),
        gate_hidden: shape.count(5),
        precision: if dtype == "f32" { Precision::F32 } else { Precision::Bf16 },
        fusion: Fusion::Full,
        item_side: Items::Cached,
        query_side: None,
        top: None,
    }
}

fn predict(work: &Work, case: &Case, ceilings: &[Ceiling]) -> Result<f64, String> {
    let rate = |what: &str, tier| {
        let of = |ceiling: &&Ceiling| {
            ceiling.kind == CeilingKind::Compute
                && ceiling.what == what
                && ceiling.case.tier.ours() == Some(tier)
                && ceiling.case.threads == case.threads
        };
        let found = ceilings.iter().find(of).map(|ceiling| ceiling.per_second);
        found.ok_or_else(|| format!("no rate of {what} on {tier} was measured"))
    };
    let tier = case.tier.ours().ok_or_else(|| "a peer's".to_owned())?;
    // Dot products of bfloat16 pairs have a peak of their own; what is widened runs as single precision does.
    let products =
        if case.implementation == "pairs" { rate("bf16", tier)? } else { rate("f32", tier.f32_tier())? };
    let others = rate("f32", tier.f32_tier())? / 2.0;
    let exponentials = rate("f32 exp", tier.f32_tier())?;
    Ok(work.matrix_flops() / products
        + work.elementwise_flops() / others
        + work.transcendentals() / exponentials)
}
