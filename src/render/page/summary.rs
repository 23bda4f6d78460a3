//! The headline: the machine and its best results.

use super::Fact;
use crate::analysis::roofline::{CeilingKind, Placement};
use crate::document::{Document, Machine, Measurement};
use crate::render::facts::{Facts, texts_per_second, tokens_per_second, usable};
use crate::render::words;
use crate::units;

/// When and how the document came about.
pub(super) fn subtitle(document: &Document) -> String {
    let run = &document.run;
    let mut parts = vec![run.tool.clone(), run.command.clone(), run.started.clone()];
    if run.seconds > 0.0 {
        parts.push(format!("took {}", units::seconds(run.seconds)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" \u{b7} ")
}

/// The processor in a few words: `AMD EPYC 9575F (Zen 5), 2 CPUs`.
pub(in crate::render) fn processor(machine: &Machine) -> String {
    let cpu = &machine.cpu;
    let name = cpu.brand.as_deref().or(cpu.vendor.as_deref()).unwrap_or("an unknown processor");
    let kind = cpu.microarchitecture.as_deref().map(|m| format!(" ({m})")).unwrap_or_default();
    let cpus = words::counted(machine.limits.effective_cpus.max(1), "CPU", "CPUs");
    format!("{}{kind}, {cpus}", name.trim())
}

/// One sentence: machine and best results.
pub(super) fn headline(facts: &Facts<'_>) -> String {
    let mut claims = Vec::new();
    if let Some((measurement, rate)) = fastest_pipeline(facts) {
        let model = measurement.case.benchmark.trim_start_matches("embed/");
        claims.push(format!("embeds {} of {model}", units::rate(rate, "texts/s")));
    }
    if let Some((placement, fraction)) = best_fraction(facts) {
        claims.push(format!(
            "its best kernel ({}) reaches {} of its roof",
            placement.case.benchmark,
            units::percent(fraction)
        ));
    }
    let kernels = facts.work().len();
    if claims.is_empty() && kernels > 0 {
        claims.push(format!("{} measured", words::counted(kernels, "kernel was", "kernels were")));
    }
    let run = &facts.document.run;
    let processor = match (run.optimised, run.interrupted) {
        (false, _) => format!(
            "Unoptimised build, so these figures mean nothing. {}",
            processor(&facts.document.machine)
        ),
        (true, true) => format!("Interrupted run. {}", processor(&facts.document.machine)),
        (true, false) => processor(&facts.document.machine),
    };
    if claims.is_empty() { format!("{processor}.") } else { format!("{processor}: {}.", claims.join("; ")) }
}

fn fastest_pipeline<'a>(facts: &Facts<'a>) -> Option<(&'a Measurement, f64)> {
    let ours = facts.pipelines().filter(|m| m.peer.is_none());
    let rated = ours.filter_map(|m| Some((m, texts_per_second(m)?)));
    rated.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn best_fraction<'f>(facts: &'f Facts<'_>) -> Option<(&'f Placement, f64)> {
    let work = facts.work();
    let rated = work.iter().filter_map(|work| Some((work.best, *work.best.fraction.as_ref().ok()?)));
    rated.filter(|(_, fraction)| fraction.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The figures that a reader looks for first.
pub(super) fn highlights(facts: &Facts<'_>) -> Vec<Fact> {
    let mut out = Vec::new();
    if let Some((measurement, rate)) = fastest_pipeline(facts) {
        let case = &measurement.case;
        out.push(Fact::new("Embeddings", units::rate(rate, "texts/s")).detail(pipeline_words(measurement)));
        if let Some(tokens) = tokens_per_second(measurement) {
            let detail = format!("{}, {}", words::way(case), words::threads(case.threads.get()));
            out.push(Fact::new("Tokens", units::rate(tokens, "tokens/s")).detail(detail));
        }
    }
    if let Some((placement, fraction)) = best_fraction(facts) {
        let detail = placement.ceiling.as_ref().map(|c| c.name.clone()).unwrap_or_default();
        out.push(
            Fact::new("Closest to its roof", units::percent(fraction))
                .detail(format!("{}; {detail}", words::work(&placement.case))),
        );
    }
    let peaks = facts.best_ceilings(CeilingKind::Compute, |c| (c.what == "f32").then_some(()));
    if let Some(peak) = peaks.first() {
        let rate = words::operations_per_second(peak.per_second, &peak.what);
        out.push(Fact::new("Arithmetic", rate).detail(peak.name.clone()));
    }
    let dram = facts.best_ceilings(CeilingKind::Bandwidth, |c| {
        (c.level.as_deref() == Some("dram") && c.what == "read").then_some(())
    });
    if let Some(dram) = dram.first() {
        out.push(Fact::new("Memory", units::bytes_per_second(dram.per_second)).detail(dram.name.clone()));
    }
    let speedup = facts.work().iter().filter_map(|w| Some((w.best.speedup_over_plain?, w.best))).fold(
        None,
        |best: Option<(f64, &Placement)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            Some(_) | None => usable(next.0).then_some(next).or(best),
        },
    );
    if let Some((speedup, placement)) = speedup {
        let case = &placement.case;
        let detail = format!("{} over the plain loop", words::work(case));
        out.push(Fact::new("Largest speed-up", words::factor(speedup)).detail(detail));
    }
    out
}

fn pipeline_words(measurement: &Measurement) -> String {
    let model = measurement.case.benchmark.trim_start_matches("embed/");
    format!("{model}, batch x tokens {}", measurement.case.shape)
}
