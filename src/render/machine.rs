//! A machine for a terminal: what it is, what this process may use of it, and whether it is fit for measuring.

use crate::document::{Cache, CacheType, Gpu, Machine, ReadinessVerdict};
use crate::units::{bytes, bytes_per_second, hertz};

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

const LABEL: usize = 14;

/// The machine as text.
#[must_use]
pub fn view(machine: &Machine, detail: Detail, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.title(&title(machine));
    for (label, lines) in sections(machine) {
        page.section(label, &lines);
    }
    page.readiness(machine);
    if detail == Detail::Verbose {
        page.section("Features", &[machine.cpu.features.join(" ")]);
        page.section("Fingerprint", std::slice::from_ref(&machine.fingerprint));
        let known = machine.sources.iter().map(|s| (&*s.field, format!("{} ({:?})", s.source, s.confidence)));
        page.table("Where the facts come from", known);
        page.table("What is unknown, and why", machine.unknown.iter().map(|u| (&*u.field, u.reason.clone())));
    } else if !machine.unknown.is_empty() {
        let count = machine.unknown.len();
        page.line(&format!("  {count} facts are unknown or absent; --verbose says why."), "2");
    }
    page.text
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
        (
            "Instructions",
            vec![machine.cpu.tiers.iter().map(|tier| tier.name()).collect::<Vec<_>>().join(" ")],
        ),
        ("Clock", vec![clock(machine)]),
        ("Caches", machine.cpu.caches.iter().map(cache).collect()),
        ("Memory", memory(machine)),
        ("Usable", vec![limits(machine)]),
        ("Runs in", vec![environment(machine)]),
        ("GPU", gpus(machine)),
    ]
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn processor(machine: &Machine) -> Vec<String> {
    let cpu = &machine.cpu;
    let counts = [(cpu.packages, "package"), (cpu.dies, "die"), (cpu.cores, "core"), (cpu.threads, "thread")];
    let known: Vec<String> =
        counts.iter().filter_map(|(count, noun)| Some(plural((*count)?, noun))).collect();
    let mut lines = vec![format!("{} (CPUs {})", known.join(", "), cpu.online_cpus)];
    if cpu.kinds.len() > 1 {
        let kind = |kind: &crate::document::CoreKind| {
            let name = kind.name.as_deref().unwrap_or("unnamed");
            format!("{:>3} x {name} (CPUs {})", kind.cores, kind.cpus)
        };
        lines.extend(cpu.kinds.iter().map(kind));
    }
    lines
}

fn clock(machine: &Machine) -> String {
    let clocks = &machine.cpu.frequency;
    let named = [
        (clocks.measured_hertz, "measured"),
        (clocks.base_hertz, "base"),
        (clocks.max_hertz, "highest"),
        (clocks.tsc_hertz, "time-stamp counter (not the core's clock)"),
    ];
    let known: Vec<String> =
        named.iter().filter_map(|(value, name)| Some(format!("{} {name}", hertz((*value)?)))).collect();
    let hint = if clocks.measured_hertz.is_none() { "; --measure tells the core's" } else { "" };
    if known.is_empty() { "not stated; --measure tells it".to_owned() } else { known.join(", ") + hint }
}

fn cache(cache: &Cache) -> String {
    let kind = match cache.kind {
        CacheType::Data => "d",
        CacheType::Instruction => "i",
        CacheType::Unified => "",
    };
    let size = cache.size_bytes.map_or_else(|| "?".to_owned(), bytes);
    let ways = cache.ways.map(|ways| format!(", {ways} ways")).unwrap_or_default();
    let line = cache.line_bytes.map(|line| format!(", {line} B lines")).unwrap_or_default();
    let shared = match cache.shared_by_threads {
        1 => String::new(),
        threads => format!(", shared by {threads} threads"),
    };
    format!("{:<3} {:>3} x {size:<9}{ways}{line}{shared}", format!("L{}{kind}", cache.level), cache.count)
        .replacen(" ,", ",", 1)
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
    lines.extend(pools.map(|(size, count)| format!("{count} huge pages of {} reserved", bytes(*size))));
    let mut modules: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for module in memory.modules.iter().flatten() {
        let size = module.size_bytes.map_or_else(|| "?".to_owned(), bytes);
        let kind = module.memory_type.as_deref().unwrap_or("memory");
        let speed = module.transfers_per_second.or(module.rated_transfers_per_second);
        let speed = speed.map(|speed| format!(" at {:.0} MT/s", speed / 1e6)).unwrap_or_default();
        *modules.entry(format!("{size} {kind}{speed}")).or_default() += 1;
    }
    lines.extend(modules.into_iter().map(|(module, count)| format!("{count:>3} x {module}")));
    lines
}

fn limits(machine: &Machine) -> String {
    let limits = &machine.limits;
    let quota = match limits.quota_cpus {
        Some(quota) => format!("quota {quota:.2} CPUs"),
        None => "no quota".to_owned(),
    };
    let memory = match limits.memory_limit_bytes {
        Some(limit) => format!("memory up to {}", bytes(limit)),
        None => "no memory limit".to_owned(),
    };
    format!("{} (CPUs {}, {quota}), {memory}", plural(limits.effective_cpus, "thread"), limits.allowed_cpus)
}

fn environment(machine: &Machine) -> String {
    let environment = &machine.environment;
    let kernel = environment.kernel.as_ref().map(|kernel| format!("kernel {kernel}"));
    let parts =
        [environment.hypervisor.clone(), environment.container.clone(), environment.os.clone(), kernel];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { "unknown".to_owned() } else { known.join(", ") }
}

fn gpus(machine: &Machine) -> Vec<String> {
    if machine.gpus.is_empty() {
        let why =
            machine.unknown.iter().find(|unknown| unknown.field == "gpus").map(|unknown| &*unknown.reason);
        return vec![why.unwrap_or("none").to_owned()];
    }
    machine.gpus.iter().map(gpu).collect()
}

fn gpu(gpu: &Gpu) -> String {
    let link = |now: Option<u32>, max: Option<u32>| match (now, max) {
        (Some(now), Some(max)) if now != max => Some(format!("{now} of {max}")),
        (now, max) => now.or(max).map(|n| n.to_string()),
    };
    let pcie = link(gpu.pcie.generation.now, gpu.pcie.generation.max)
        .zip(link(gpu.pcie.width.now, gpu.pcie.width.max))
        .map(|(generation, width)| format!("PCIe generation {generation}, lanes {width}"));
    let parts = [
        Some(gpu.name.clone().unwrap_or_else(|| "unnamed".to_owned())),
        gpu.architecture.clone(),
        gpu.memory_total_bytes.map(bytes),
        gpu.memory_bytes_per_second.map(|rate| format!("{} memory", bytes_per_second(rate))),
        gpu.clocks.sm_max_hertz.map(|clock| format!("up to {}", hertz(clock))),
        gpu.power_limit_watts.map(|watts| format!("{watts:.0} W")),
        pcie,
        (!gpu.throttle.is_empty()).then(|| format!("clock held by {}", gpu.throttle.join(", "))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What differs between two machines, as text.
#[must_use]
pub fn differences(rows: &[[&str; 4]], summary: &str, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.title(summary);
    for [fact, here, there, meaning] in rows {
        page.section(fact, &[format!("{here}  ->  {there}"), (*meaning).to_owned()]);
    }
    page.text
}

/// Text under way.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn paint(&self, text: &str, code: &str) -> String {
        if self.style.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str, code: &str) {
        let painted = self.paint(text, code);
        self.text.push_str(&painted);
        self.text.push('\n');
    }

    fn title(&mut self, title: &str) {
        for line in wrap(title, self.style.width) {
            self.line(&line, "1");
        }
        self.text.push('\n');
    }

    /// A label and its lines; nothing without lines.
    fn section(&mut self, label: &str, lines: &[String]) {
        let room = self.style.width.saturating_sub(LABEL + 2);
        let mut label = label;
        for line in lines.iter().flat_map(|line| wrap(line, room)) {
            let padded = self.paint(&format!("{label:<LABEL$}"), "36");
            self.text.push_str(&format!("  {padded}{line}\n"));
            label = "";
        }
    }

    fn readiness(&mut self, machine: &Machine) {
        if machine.readiness.is_empty() {
            self.text.push('\n');
            return;
        }
        self.text.push('\n');
        self.line("Fit for measuring?", "1");
        let room = self.style.width.saturating_sub(8 + LABEL + 2);
        for check in &machine.readiness {
            let (word, code) = match check.verdict {
                ReadinessVerdict::Ok => ("ok", "32"),
                ReadinessVerdict::Warn => ("warn", "33"),
                ReadinessVerdict::Bad => ("bad", "31"),
            };
            let mut head =
                format!("  {}  {:<LABEL$}  ", self.paint(&format!("{word:<4}"), code), check.check);
            for line in wrap(&check.detail, room) {
                self.text.push_str(&format!("{head}{line}\n"));
                head = " ".repeat(10 + LABEL);
            }
            if let Some(remedy) = &check.remedy {
                // A command is not wrapped: it is there to be copied.
                let arrow = self.paint(&format!("-> {remedy}"), "2");
                self.text.push_str(&format!("{:10}{arrow}\n", ""));
            }
        }
        self.text.push('\n');
    }

    fn table<'r>(&mut self, title: &str, rows: impl Iterator<Item = (&'r str, String)>) {
        self.text.push('\n');
        self.line(title, "1");
        const FIELD: usize = 32;
        let room = self.style.width.saturating_sub(FIELD + 3);
        for (field, value) in rows {
            let mut field = field;
            for line in wrap(&value, room) {
                self.text.push_str(&format!("  {field:<FIELD$} {line}\n"));
                field = "";
            }
        }
    }
}

/// `text` in lines of at most `width` characters, broken between words; a longer word stands alone.
fn wrap(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ReadinessCheck, Unknown};

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
