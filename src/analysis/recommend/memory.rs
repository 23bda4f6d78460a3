//! Advice about memory: pages, and threads that share a bus.

use crate::analysis::roofline::{CeilingKind, ceilings, is_ceiling, place};
use crate::document::{Document, Measurement};

use super::{Advice, Effect, factor, median};

/// The same DRAM read on small pages and on huge ones, where the first is at least 5 % slower and the system does not
/// hand out huge pages by itself.
pub(super) fn huge_pages(document: &Document) -> Option<Advice> {
    let setting = document.machine.memory.huge_pages.transparent.as_deref();
    if setting == Some("always") {
        return None;
    }
    let small_pages = |m: &&Measurement| {
        m.case.family() == "memory"
            && (m.case.benchmark.contains("small-pages") || m.case.implementation.contains("small-pages"))
    };
    let (small, huge, gain) = document
        .measured()
        .filter(small_pages)
        .filter_map(|small| {
            let huge = same_on_huge_pages(document, small)?;
            Some((small, huge, per_byte(small) / per_byte(huge)))
        })
        .max_by(|a, b| a.2.total_cmp(&b.2))?;
    (gain > 1.05).then(|| Advice {
        action: "turn transparent huge pages on for the service: `echo always > /sys/kernel/mm/transparent_hugepage/enabled`, or madvise(MADV_HUGEPAGE) on its large buffers".to_owned(),
        why: format!(
            "they are set to {}, and the same {} runs {} as fast on huge pages: fewer address translations miss",
            setting.unwrap_or("an unknown mode"),
            huge.case.benchmark.trim_start_matches("memory/"),
            factor(gain)
        ),
        evidence: vec![small.case.clone(), huge.case.clone()],
        effect: Effect::Measured(gain),
    })
}

fn same_on_huge_pages<'a>(document: &'a Document, small: &Measurement) -> Option<&'a Measurement> {
    let benchmark = small.case.benchmark.replace("-small-pages", "");
    document
        .measured()
        .filter(|m| {
            m.case.benchmark == benchmark
                && !m.case.implementation.contains("small-pages")
                && (m.case.tier, m.case.threads) == (small.case.tier, small.case.threads)
                && m.case.shape == small.case.shape
        })
        .min_by(|a, b| per_byte(a).total_cmp(&per_byte(b)))
}

fn per_byte(measurement: &Measurement) -> f64 {
    let amount = measurement.cost.core_bytes.max(measurement.cost.flops).max(1.0);
    median(measurement) / amount
}

/// Main memory gives all threads together less than 1.3 times what it gives one, and there is a kernel that it binds.
pub(super) fn bandwidth_does_not_scale(document: &Document) -> Option<Advice> {
    let roofs = ceilings(document);
    let dram = |r: &&crate::analysis::roofline::Ceiling| {
        r.kind == CeilingKind::Bandwidth && r.level.as_deref() == Some("dram")
    };
    let (one, many) = roofs
        .iter()
        .filter(dram)
        .filter(|r| r.case.threads.get() == 1)
        .filter_map(|one| {
            let same = |r: &&crate::analysis::roofline::Ceiling| {
                r.case.threads.get() > 1 && r.what == one.what && r.case.tier == one.case.tier
            };
            Some((one, roofs.iter().filter(dram).filter(same).max_by_key(|r| r.case.threads)?))
        })
        .max_by(|a, b| a.0.per_second.total_cmp(&b.0.per_second))?;
    let gain = many.per_second / one.per_second;
    let bound = place(document)
        .into_iter()
        .find(|p| p.ceiling.as_ref().is_some_and(|c| c.level.as_deref() == Some("dram")));
    if gain >= 1.3 || bound.as_ref().is_some_and(|p| is_ceiling(&p.case)) {
        return None;
    }
    let bound = bound?;
    Some(Advice {
        action: format!(
            "do not add threads to work that main memory binds (such as {}); keep its data in a cache by smaller blocks or fewer bits per number",
            bound.case.benchmark
        ),
        why: format!(
            "{} threads read {} in all, one reads {}: {} for {} times the threads",
            many.case.threads,
            crate::units::bytes_per_second(many.per_second),
            crate::units::bytes_per_second(one.per_second),
            factor(gain),
            many.case.threads
        ),
        evidence: vec![one.case.clone(), many.case.clone(), bound.case],
        effect: Effect::Unknown,
    })
}
