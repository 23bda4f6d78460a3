//! Advice about what this process may use, and about who else uses it.

use crate::document::{Document, Measurement};

use super::{Advice, Effect, factor, median};

/// Some case ran on more threads than there are CPUs' worth of time, and was no faster than with as many as there are.
pub(super) fn threads_above_quota(document: &Document) -> Option<Advice> {
    let limit = document.conditions.effective_cpus.max(1);
    let machine = &document.machine;
    let over = |m: &&Measurement| m.case.threads.get() > limit;
    let (many, fitting, gain) = document
        .measured()
        .filter(over)
        .filter_map(|many| {
            let fitting = document
                .measured()
                .filter(|m| m.case.threads.get() <= limit && same_work(m, many))
                .min_by(|a, b| median(a).total_cmp(&median(b)))?;
            Some((many, fitting, median(many) / median(fitting)))
        })
        .max_by(|a, b| a.2.total_cmp(&b.2))?;
    let why_limit = match machine.limits.quota_cpus {
        Some(quota) => format!("the cgroup's quota is {quota} CPUs"),
        None => format!("this process may use {limit} CPU(s)"),
    };
    (gain > 1.0).then(|| Advice {
        action: format!("set the number of threads to {} (OMP_NUM_THREADS, RAYON_NUM_THREADS, or the library's own option)", fitting.case.threads),
        why: format!(
            "{why_limit}; {} with {} threads takes {} the time it takes with {}",
            many.case.benchmark,
            many.case.threads,
            factor(gain),
            fitting.case.threads
        ),
        evidence: vec![many.case.clone(), fitting.case.clone()],
        effect: Effect::Measured(gain),
    })
}

fn same_work(a: &Measurement, b: &Measurement) -> bool {
    (&a.case.benchmark, &a.case.implementation, a.case.tier, &a.case.shape)
        == (&b.case.benchmark, &b.case.implementation, b.case.tier, &b.case.shape)
}

/// Steal above 1 %, throttling, tasks waiting for a CPU in over 10 % of the time, or a ceiling that changed by over 5 %
/// within the run. Its evidence is the case with the widest interval.
pub(super) fn disturbed_host(document: &Document) -> Option<Advice> {
    let conditions = &document.conditions;
    let mut seen = Vec::new();
    let mut note = |value: Option<f64>, above: f64, text: &str| {
        if let Some(value) = value.filter(|&v| v > above) {
            seen.push(format!("{text} {}", crate::units::percent(value)));
        }
    };
    note(conditions.steal_fraction, 0.01, "the hypervisor took a share of");
    note(conditions.cpu_pressure_fraction, 0.10, "tasks waited for a CPU in");
    note(conditions.ceiling_drift, 0.05, "a ceiling changed within the run by");
    if let Some(periods) = conditions.throttled_periods.filter(|&p| p > 0) {
        seen.push(format!("the cgroup's quota stopped the process in {periods} periods"));
    }
    if seen.is_empty() {
        return None;
    }
    let spread = |m: &Measurement| crate::stats::Summary::of(&m.seconds.samples).map_or(0.0, |s| s.spread);
    let widest = document.measured().max_by(|a, b| spread(a).total_cmp(&spread(b)))?;
    let action = if conditions.throttled_periods.is_some_and(|p| p > 0) {
        "raise the cgroup's CPU quota or use fewer threads, and measure again"
    } else {
        "measure on a quieter host (a dedicated instance, other jobs stopped) before comparing with another run; compare within one run meanwhile"
    };
    Some(Advice {
        action: action.to_owned(),
        why: format!(
            "{}; the widest spread is {} of {}",
            seen.join("; "),
            crate::units::percent(spread(widest)),
            widest.case
        ),
        evidence: vec![widest.case.clone()],
        effect: Effect::Unknown,
    })
}
