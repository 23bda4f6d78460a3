//! Advice about the libraries that a program links with.

use crate::analysis::peers::{Finding, findings};
use crate::document::Document;

use super::{Advice, Effect, factor};

/// A remedy below this is not worth a setting.
const WORTH_SETTING: f64 = 1.1;
/// A library that reaches less of the peak than this, while another reaches [`TWICE`] as much, is the wrong one.
const FAR_BELOW_PEAK: f64 = 0.6;
/// See [`FAR_BELOW_PEAK`].
const TWICE: f64 = 1.5;

/// The setting that makes a library most times as fast as it comes, and the other libraries that gain by one.
pub(super) fn dispatch(document: &Document) -> Option<Advice> {
    let mut gains: Vec<Finding> =
        findings(document).into_iter().filter(|f| f.gain.is_some_and(|gain| gain >= WORTH_SETTING)).collect();
    gains.sort_by(|a, b| b.gain.unwrap_or(0.0).total_cmp(&a.gain.unwrap_or(0.0)));
    let best = gains.first()?;
    let (installed, remedy) = (best.as_installed.as_ref()?, best.with_remedy.as_ref()?);
    let gain = best.gain?;
    let share = |fraction: Option<f64>| {
        fraction
            .map_or_else(String::new, |f| format!(", {} of this machine's peak", crate::units::percent(f)))
    };
    let kernels = |dispatched: &Option<String>| {
        dispatched.as_ref().map_or_else(String::new, |kernels| format!(" with its {kernels} kernels"))
    };
    let mut others: Vec<&str> =
        gains.iter().map(|f| &*f.library).filter(|name| *name != best.library).collect();
    let mut named = std::collections::BTreeSet::new();
    others.retain(|name| named.insert(*name));
    let others = if others.is_empty() {
        String::new()
    } else {
        format!("; other libraries that gain by theirs: {}", others.join(", "))
    };
    Some(Advice {
        action: format!("{} for programs that use {} {}", remedy.remedy(), best.library, best.version),
        why: format!(
            "as installed it runs {}{}{}; so, {} as fast{}{}{others}",
            installed.case.benchmark,
            kernels(&installed.dispatched),
            share(installed.fraction_of_peak),
            factor(gain),
            kernels(&remedy.dispatched),
            share(remedy.fraction_of_peak)
        ),
        evidence: vec![installed.case.clone(), remedy.case.clone()],
        effect: Effect::Measured(gain),
    })
}

/// A library that stays far below the peak in every mode that was measured, where another does not.
pub(super) fn choice(document: &Document) -> Option<Advice> {
    let findings = findings(document);
    let fastest = |finding: &Finding| finding.fastest().map(|way| (way.clone(), way.fraction_of_peak));
    let pairs = findings.iter().filter_map(|slow| {
        let (slow_way, fraction) = fastest(slow)?;
        let fraction = fraction.filter(|&fraction| fraction < FAR_BELOW_PEAK)?;
        let same_work = |other: &&Finding| {
            other.fastest().is_some_and(|way| {
                (&way.case.benchmark, &way.case.shape, way.case.threads)
                    == (&slow_way.case.benchmark, &slow_way.case.shape, slow_way.case.threads)
            })
        };
        let best = findings.iter().filter(same_work).filter_map(|f| Some((f, fastest(f)?.0)));
        let (best, best_way) = best.min_by(|a, b| a.1.median_seconds.total_cmp(&b.1.median_seconds))?;
        let gain = slow_way.median_seconds / best_way.median_seconds;
        (gain >= TWICE).then_some((slow, slow_way, fraction, best, best_way, gain))
    });
    let (slow, slow_way, fraction, best, best_way, gain) = pairs.max_by(|a, b| a.5.total_cmp(&b.5))?;
    Some(Advice {
        action: format!("use {} instead of {} for {}", best.library, slow.library, slow_way.case.benchmark),
        why: format!(
            "{} {} reaches {} of this machine's peak in the best mode that was measured, {} {} is {} as fast",
            slow.library,
            slow.version,
            crate::units::percent(fraction),
            best.library,
            best.version,
            factor(gain)
        ),
        evidence: vec![slow_way.case, best_way.case],
        effect: Effect::Measured(gain),
    })
}
