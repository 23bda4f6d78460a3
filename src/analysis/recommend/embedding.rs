//! Advice about how texts are handed to the pipeline.

use std::collections::BTreeMap;

use crate::document::{Document, Extent, Measurement};

use super::{Advice, Effect, factor, median};

/// Within this share of the best throughput a smaller batch is as good.
const KNEE: f64 = 0.95;

/// Texts a second, where the measurement has texts.
#[expect(clippy::cast_precision_loss, reason = "counts of texts are small")]
fn throughput(measurement: &Measurement) -> Option<f64> {
    let texts = measurement.texts.filter(|&texts| texts > 0)?;
    Some(texts as f64 / median(measurement))
}

/// The smallest batch within 5 % of the best throughput, among batches of one token length, against batch 1.
pub(super) fn batch_knee(document: &Document) -> Option<Advice> {
    let mut series: BTreeMap<_, Vec<(&Measurement, f64)>> = BTreeMap::new();
    let ours = document.measured().filter(|m| m.case.family() == "embed" && m.peer.is_none());
    for m in ours.filter(|m| m.case.shape.0.len() == 2) {
        if let (Extent::Count(_), Some(rate)) = (m.case.shape.0[0], throughput(m)) {
            let case = &m.case;
            let key = (&case.benchmark, &case.implementation, case.tier, case.threads, case.shape.0[1]);
            series.entry(key).or_default().push((m, rate));
        }
    }
    let (smallest, knee, gain) = series
        .into_values()
        .filter(|points| points.len() >= 3)
        .filter_map(|mut points| {
            points.sort_by_key(|(m, _)| m.case.shape.count(0));
            let best = points.iter().map(|p| p.1).fold(0.0, f64::max);
            let knee = points.iter().find(|p| p.1 >= KNEE * best)?;
            Some((points[0].0, knee.0, knee.1 / points[0].1))
        })
        .max_by(|a, b| a.2.total_cmp(&b.2))?;
    (smallest.case != knee.case && gain > 1.05).then(|| Advice {
        action: format!("embed in batches of {} texts", knee.case.shape.count(0)),
        why: format!(
            "that is the smallest batch within 5 % of the best throughput: {} against {} with batches of {}; a call then takes {}",
            crate::units::rate(throughput(knee).unwrap_or(0.0), "texts/s"),
            crate::units::rate(throughput(smallest).unwrap_or(0.0), "texts/s"),
            smallest.case.shape.count(0),
            crate::units::seconds(median(knee)),
        ),
        evidence: vec![smallest.case.clone(), knee.case.clone()],
        effect: Effect::Measured(gain),
    })
}

/// A batch of mixed lengths padded to its longest text (fact `padded_tokens`) has over 15 % more positions than tokens:
/// what an engine that pads computes for nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens are small")]
pub(super) fn padding_waste(document: &Document) -> Option<Advice> {
    let waste = |m: &Measurement| {
        let padded = *m.facts.get("padded_tokens")?;
        let tokens = m.tokens.filter(|&tokens| tokens > 0)? as f64;
        Some(padded / tokens)
    };
    let (worst, share) = document
        .measured()
        .filter(|m| m.case.family() == "embed" && m.case.shape.0.contains(&Extent::Mixed))
        .filter_map(|m| Some((m, waste(m)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    (share > 1.15).then(|| Advice {
        action: "in an engine that pads, sort texts by length before batching (or batch by token count); the native engine \
                 does not pad"
            .to_owned(),
        why: format!("padded to its longest text, this batch has {} the positions that its tokens need", factor(share)),
        evidence: vec![worst.case.clone()],
        effect: Effect::Computed(share, "positions over tokens of the batch: an engine that pads computes all of them"),
    })
}
