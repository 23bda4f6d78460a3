//! Cases under their roofs.

use crate::document::{Case, Document, Measurement};
use crate::stats;

use super::levels::{Pattern, level_of, peak_of, roof_tier};
use super::{Ceiling, CeilingKind, Placement, ceilings, is_ceiling};

/// A share above this is an error of the tool, not a record.
const WITHHELD_ABOVE: f64 = 1.02;

/// Places every measured case that is not itself a ceiling.
#[must_use]
pub fn place(document: &Document) -> Vec<Placement> {
    let roofs = ceilings(document);
    let cases = document.measured().filter(|m| !is_ceiling(&m.case));
    cases.filter_map(|measurement| place_one(document, &roofs, measurement)).collect()
}

/// The ceilings that some case stands above by more than 2 %: to be measured again.
#[must_use]
pub fn passed_ceilings(document: &Document) -> Vec<Case> {
    let roofs = ceilings(document);
    let mut passed: Vec<Case> = Vec::new();
    for measurement in document.measured().filter(|m| !is_ceiling(&m.case)) {
        let Some(roof) = binding(document, &roofs, measurement).ok() else { continue };
        let Some(median) = stats::median(&measurement.seconds.samples) else { continue };
        if roof.seconds / median > WITHHELD_ABOVE {
            passed.push(roof.ceiling.case);
        }
    }
    passed.sort();
    passed.dedup();
    passed
}

fn place_one(document: &Document, roofs: &[Ceiling], measurement: &Measurement) -> Option<Placement> {
    let case = &measurement.case;
    let cost = &measurement.cost;
    let median = stats::median(&measurement.seconds.samples)?;
    let roof = binding(document, roofs, measurement);
    let fraction = match &roof {
        Ok(roof) if roof.seconds / median > WITHHELD_ABOVE => Err(format!(
            "above 102 %: {} of {}, which was measured too low or does not apply",
            crate::units::percent(roof.seconds / median),
            roof.ceiling.name
        )),
        Ok(roof) => Ok(roof.seconds / median),
        Err(why) => Err(why.clone()),
    };
    let ceiling = roof.ok().map(|roof| roof.ceiling);
    Some(Placement {
        case: case.clone(),
        intensity: cost.intensity(),
        flops_per_second: (cost.flops > 0.0).then(|| cost.flops / median),
        bytes_per_second: (cost.core_bytes > 0.0).then(|| cost.core_bytes / median),
        attainable: ceiling.as_ref().map(|c| c.per_second),
        ceiling,
        fraction,
        speedup_over_plain: speedup_over_plain(document, case, median),
    })
}

/// The roof that binds, and the least time it allows.
struct Roof {
    ceiling: Ceiling,
    seconds: f64,
}

/// The slower of what the arithmetic and what the bytes allow. A case whose bytes have no measured roof is not placed
/// under its arithmetic alone, unless it is an embedding: its bytes move at every level at once, so its share is of
/// the arithmetic peak (model FLOP utilisation).
fn binding(document: &Document, roofs: &[Ceiling], measurement: &Measurement) -> Result<Roof, String> {
    let (case, cost) = (&measurement.case, &measurement.cost);
    if cost.flops == 0.0 && cost.core_bytes == 0.0 {
        return Err("no cost is declared: neither flops nor core_bytes".to_owned());
    }
    let tier = roof_tier(&document.machine, case.tier);
    let at = |kind, level: Option<&str>, what: &str, tier| {
        roofs.iter().find(|c| {
            c.kind == kind
                && c.level.as_deref() == level
                && c.what == what
                && c.case.tier == crate::document::CaseTier::Ours(tier)
                && c.case.threads == case.threads
        })
    };
    let roof = |ceiling: &Ceiling, amount: f64| Roof {
        ceiling: ceiling.clone(),
        seconds: amount / ceiling.per_second,
    };
    let (dtype, peak_tier) = peak_of(case.dtype(), tier);
    let peak = at(CeilingKind::Compute, None, dtype, peak_tier).filter(|_| cost.flops > 0.0);
    if case.family() == "embed" {
        return peak
            .map(|peak| roof(peak, cost.flops))
            .ok_or_else(|| missing(&format!("the {dtype} peak"), case));
    }
    let level = level_of(&document.machine, cost.working_set_bytes, case.threads);
    let pattern = Pattern::of(cost);
    let bandwidth = at(CeilingKind::Bandwidth, Some(level.name()), pattern.name(), tier.f32_tier());
    let Some(bandwidth) = bandwidth.filter(|_| cost.core_bytes > 0.0) else {
        return Err(missing(&format!("{} {}", level.title(), pattern.name()), case));
    };
    let bytes = roof(bandwidth, cost.core_bytes);
    match peak.map(|peak| roof(peak, cost.flops)) {
        Some(arithmetic) if arithmetic.seconds > bytes.seconds => Ok(arithmetic),
        Some(_) => Ok(bytes),
        // Without a peak of its precision a case is placed under its bytes only where they must bind: integer and bit
        // kernels, which have no arithmetic roof of their own.
        None if dtype != "f32" || cost.flops == 0.0 => Ok(bytes),
        None => Err(missing(&format!("the {dtype} peak"), case)),
    }
}

fn missing(what: &str, case: &Case) -> String {
    format!("no ceiling measured for {what} on {} with {} thread(s)", case.tier, case.threads)
}

fn speedup_over_plain(document: &Document, case: &Case, median: f64) -> Option<f64> {
    if case.implementation == "plain" {
        return None;
    }
    let plain = document.measured().find(|m| {
        m.case.implementation == "plain"
            && (&m.case.benchmark, &m.case.shape, m.case.threads)
                == (&case.benchmark, &case.shape, case.threads)
    })?;
    Some(stats::median(&plain.seconds.samples)? / median)
}
