//! A machine for a terminal: what it is, what this process may use of it, and whether it is fit for measuring.

mod gpu;
mod page;
mod processor;

use crate::document::{Confidence, Machine, MachineComparison};
use crate::units::{bytes, bytes_per_second};
use gpu::{gpus, providers};
use page::Page;
use processor::{caches, clocks, instructions, processor};

/// How a view is written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// With colour.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What a person wants to know.
    Brief,
    /// Also where each fact comes from, why others are unknown, and every feature.
    Verbose,
}

/// The machine as text.
#[must_use]
pub fn view(machine: &Machine, detail: Detail, style: Style) -> String {
    let mut page = Page { text: String::new(), style, label: 14 };
    page.title(&title(machine));
    for (label, lines) in sections(machine) {
        page.section(label, &lines);
    }
    page.readiness(machine);
    if detail == Detail::Verbose {
        page.section("Features", &[machine.cpu.features.join(" ")]);
        page.section("Fingerprint", std::slice::from_ref(&machine.fingerprint));
        let known =
            machine.sources.iter().map(|s| (&*s.field, format!("{} ({})", s.source, sureness(s.confidence))));
        page.table("Where the facts come from", known);
        page.table("What is unknown, and why", machine.unknown.iter().map(|u| (&*u.field, u.reason.clone())));
    } else if !machine.unknown.is_empty() {
        let count = machine.unknown.len();
        page.line(&format!("  {count} facts are unknown or absent; --verbose says why."), "2");
    }
    page.text
}

const fn sureness(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Reported => "os-reported",
        Confidence::Measured => "measured",
        Confidence::Inferred => "inferred",
    }
}

fn title(machine: &Machine) -> String {
    let cpu = &machine.cpu;
    let by_number = || Some(format!("family {} model {}", cpu.family?, cpu.model?));
    let name = cpu.microarchitecture.clone().or_else(by_number);
    let parts = [cpu.brand.clone(), name, cpu.architecture.clone()];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { "An unknown machine".to_owned() } else { known.join(" · ") }
}

fn sections(machine: &Machine) -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("Processor", processor(machine)),
        ("Instructions", instructions(machine)),
        ("Clock", clocks(machine)),
        ("Caches", caches(machine)),
        ("Memory", memory(machine)),
        ("Usable", limits(machine)),
        ("Runs in", vec![environment(machine)]),
        ("GPU", gpus(machine)),
        ("Providers", providers(machine)),
    ]
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn memory(machine: &Machine) -> Vec<String> {
    let memory = &machine.memory;
    let total = memory.total_bytes.map_or_else(|| "size unknown".to_owned(), bytes);
    let nodes = machine.numa.nodes.map(|nodes| plural(nodes, "NUMA node"));
    let pages = memory.page_bytes.map(|page| format!("{} pages", bytes(page)));
    let huge = memory.huge_pages.transparent.as_ref().map(|mode| format!("transparent huge pages: {mode}"));
    let parts: Vec<String> = [Some(total), nodes, pages, huge].into_iter().flatten().collect();
    let mut lines = vec![parts.join(", ")];
    let pools = memory.huge_pages.pools.iter().filter(|(_, count)| **count > 0);
    lines.extend(pools.map(|(size, count)| {
        let pages = if *count == 1 { "page" } else { "pages" };
        format!("{count} huge {pages} of {} reserved", bytes(*size))
    }));
    let mut modules: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for module in memory.modules.iter().flatten() {
        let size = module.size_bytes.map_or_else(|| "?".to_owned(), bytes);
        let kind = module.memory_type.as_deref().unwrap_or("memory");
        let speed = module.transfers_per_second.or(module.rated_transfers_per_second);
        let speed = speed.map(|speed| format!(" at {:.0} MT/s", speed / 1e6)).unwrap_or_default();
        *modules.entry(format!("{size} {kind}{speed}")).or_default() += 1;
    }
    lines.extend(modules.into_iter().map(|(module, count)| format!("{count:>3} x {module}")));
    if let Some(rate) = memory.modules_bytes_per_second {
        lines.push(format!("{} at most, if every module has a channel of its own", bytes_per_second(rate)));
    }
    let sizes: Vec<String> = memory
        .huge_pages
        .transparent_sizes
        .iter()
        .filter(|(_, mode)| *mode != "never" && *mode != "inherit")
        .map(|(size, mode)| format!("{} {mode}", bytes(*size)))
        .collect();
    if !sizes.is_empty() {
        lines.push(format!("transparent huge pages of other sizes: {}", sizes.join(", ")));
    }
    let mut side: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for cache in &memory.side_caches {
        let size = cache.size_bytes.map_or_else(|| "?".to_owned(), bytes);
        let policy = cache.write_policy.as_deref().map(|policy| format!(", {policy}")).unwrap_or_default();
        *side.entry(format!("memory-side cache of {size}{policy}")).or_default() += 1;
    }
    lines.extend(side.into_iter().map(|(cache, count)| format!("{count:>3} x {cache}")));
    if memory.tiers.len() > 1 {
        let tiers: Vec<String> = memory.tiers.iter().map(|tier| format!("nodes {}", tier.nodes)).collect();
        lines.push(format!("tiers of memory, the fastest first: {}", tiers.join("; ")));
    }
    lines
}

fn limits(machine: &Machine) -> Vec<String> {
    let limits = &machine.limits;
    let quota = match limits.quota_cpus {
        Some(quota) => format!("quota {quota:.2} CPUs"),
        None => "no quota".to_owned(),
    };
    let memory = match limits.memory_limit_bytes {
        Some(limit) => format!("memory up to {}", bytes(limit)),
        None => "no memory limit".to_owned(),
    };
    let threads = plural(limits.effective_cpus, "thread");
    let mut lines = vec![format!("{threads} (CPUs {}, {quota}), {memory}", limits.allowed_cpus)];
    let allowed = [(limits.allowed_cores, "core"), (limits.allowed_packages, "package")];
    let all = [machine.cpu.cores, machine.cpu.packages];
    if allowed.iter().zip(all).any(|((own, _), all)| own.is_some() && *own != all) {
        let parts: Vec<String> =
            allowed.iter().filter_map(|(count, noun)| Some(plural((*count)?, noun))).collect();
        let nodes = limits.allowed_nodes.as_ref().map(|nodes| format!(", memory of nodes {nodes}"));
        lines.push(format!("on {}{}", parts.join(" of "), nodes.unwrap_or_default()));
    }
    lines
}

fn environment(machine: &Machine) -> String {
    let environment = &machine.environment;
    let kernel = environment.kernel.as_ref().map(|kernel| format!("kernel {kernel}"));
    let instance = match (&environment.cloud, &environment.instance_type) {
        (Some(cloud), Some(kind)) => Some(format!("{kind} of {cloud}")),
        (cloud, kind) => cloud.clone().or_else(|| kind.clone()),
    };
    let parts = [
        instance,
        environment.hypervisor.clone(),
        environment.container.clone(),
        environment.product.clone(),
        environment.os.clone(),
        kernel,
    ];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { "unknown".to_owned() } else { known.join(", ") }
}

/// What differs between two machines, as text.
#[must_use]
pub fn comparison(compared: &MachineComparison, style: Style) -> String {
    let mut page = Page { text: String::new(), style, label: 18 };
    page.title(&compared.meaning);
    let parts = [
        (true, "Results do not compare, because of (this machine -> the other)"),
        (false, "And differ for other reasons (this machine -> the other)"),
    ];
    for (decisive, title) in parts {
        let mut own = compared.differences.iter().filter(|d| d.decisive == decisive).peekable();
        if own.peek().is_some() {
            page.line(title, "1");
        }
        for difference in own {
            let values = format!("{}  ->  {}", difference.here, difference.there);
            page.section(&difference.fact, &[values, difference.meaning.clone()]);
        }
    }
    page.text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Cache, ReadinessCheck, ReadinessVerdict, Unknown};

    fn machine() -> Machine {
        let mut machine = Machine::default();
        machine.cpu.brand =
            Some("A processor with a name that goes on for a while, as names do @ 2.10GHz".into());
        machine.cpu.caches = vec![Cache { level: 1, count: 40, shared_by_threads: 2, ..Cache::default() }];
        machine.cpu.features = vec!["feature".into(); 60];
        machine.readiness = vec![ReadinessCheck {
            check: "load".into(),
            verdict: ReadinessVerdict::Warn,
            detail: "many tasks run beside this one and share its caches, its clock and its memory".into(),
            remedy: None,
        }];
        machine.unknown = vec![Unknown { field: "gpus".into(), reason: "no driver ".repeat(20) }];
        machine
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for detail in [Detail::Brief, Detail::Verbose] {
            let text = view(&machine(), detail, Style { color: false, width: 80 });
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            assert!(text.contains("Fit for measuring?") && text.contains("warn"));
        }
    }

    #[test]
    fn colour_is_only_there_when_wanted() {
        assert!(!view(&machine(), Detail::Verbose, Style { color: false, width: 80 }).contains('\u{1b}'));
        assert!(view(&machine(), Detail::Brief, Style { color: true, width: 80 }).contains('\u{1b}'));
    }
}
