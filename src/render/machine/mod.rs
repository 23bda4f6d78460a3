//! A machine for a terminal: what it is, what this process may use of it, and whether it is fit for measuring.

mod page;

use crate::document::{Cache, CacheType, Confidence, CoreKind, Gpu, Isa, Machine};
use crate::units::{bytes, bytes_per_second, hertz};
use page::Page;

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

fn processor(machine: &Machine) -> Vec<String> {
    let cpu = &machine.cpu;
    let counts = [
        (cpu.drawers, "drawer"),
        (cpu.books, "book"),
        (cpu.packages, "package"),
        (cpu.dies, "die"),
        (cpu.clusters, "cluster"),
        (cpu.cores, "core"),
        (cpu.threads, "thread"),
    ];
    let known: Vec<String> =
        counts.iter().filter_map(|(count, noun)| Some(plural((*count)?, noun))).collect();
    let mut lines = vec![format!("{} (CPUs {})", known.join(", "), cpu.online_cpus)];
    if cpu.kinds.len() > 1 {
        lines.extend(cpu.kinds.iter().map(kind));
    }
    lines
}

fn kind(kind: &CoreKind) -> String {
    let name = kind.name.as_deref().unwrap_or("unnamed");
    let clock = kind.max_hertz.map(|clock| format!(", up to {}", hertz(clock))).unwrap_or_default();
    let own = match &*kind.own_features {
        [] => String::new(),
        [one, two, ..] if kind.own_features.len() > 3 => {
            format!(", alone with {one}, {two} and {} more", kind.own_features.len() - 2)
        }
        few => format!(", alone with {}", few.join(", ")),
    };
    format!("{:>3} x {name} (CPUs {}){clock}{own}", kind.cores, kind.cpus)
}

/// The tiers, and what else decides how fast vectors and matrices are.
fn instructions(machine: &Machine) -> Vec<String> {
    let isa = &machine.cpu.isa;
    let mut lines = vec![machine.cpu.tiers.iter().map(|tier| tier.name()).collect::<Vec<_>>().join(" ")];
    let level = isa.x86_64_level.map(|level| format!("x86-64-v{level}"));
    let widths = [("SVE", isa.sve_bits), ("SME", isa.sme_bits), ("RVV", isa.rvv_bits)];
    let lengths = widths.iter().filter_map(|(name, bits)| Some(format!("{name} of {} bits", (*bits)?)));
    let avx10 = isa.avx10_version.map(|version| format!("AVX10.{version}"));
    let parts: Vec<String> = level.into_iter().chain(avx10).chain(lengths).chain(extensions(isa)).collect();
    if !parts.is_empty() {
        lines.push(parts.join(", "));
    }
    lines
}

/// The extensions that the level does not imply, those of a family behind its name: `AVX-512 (VNNI BF16)`.
fn extensions(isa: &Isa) -> Vec<String> {
    const IMPLIED: [(u32, &[&str]); 2] = [
        (3, &["AVX2", "FMA", "F16C"]),
        (4, &["AVX-512 F", "AVX-512 CD", "AVX-512 BW", "AVX-512 DQ", "AVX-512 VL"]),
    ];
    let level = isa.x86_64_level.unwrap_or(0);
    let implied = |name: &str| IMPLIED.iter().any(|(least, names)| level >= *least && names.contains(&name));
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for extension in isa.extensions.iter().filter(|name| !implied(name)) {
        let family = ["AVX-512", "AVX", "AMX", "SVE", "SME"]
            .into_iter()
            .find(|family| extension.strip_prefix(family).is_some_and(|rest| rest.starts_with(' ')));
        let (family, member) =
            family.map_or((&**extension, ""), |family| (family, &extension[family.len() + 1..]));
        match groups.iter_mut().find(|group| group.0 == family) {
            Some(group) => group.1.push(member),
            None => groups.push((family, vec![member])),
        }
    }
    let written = |(family, members): (&str, Vec<&str>)| {
        let named: Vec<&str> = members.into_iter().filter(|member| !member.is_empty()).collect();
        if named.is_empty() { family.to_owned() } else { format!("{family} ({})", named.join(" ")) }
    };
    groups.into_iter().map(written).collect()
}

fn caches(machine: &Machine) -> Vec<String> {
    let cpu = &machine.cpu;
    let unplaced = cpu.unplaced_caches.iter().map(|unplaced| {
        let alike = Cache {
            level: unplaced.level,
            kind: unplaced.kind,
            size_bytes: unplaced.size_bytes,
            line_bytes: unplaced.line_bytes,
            ways: unplaced.ways,
            count: 0,
            shared_by_threads: 1,
        };
        format!("{}, sharing not told", cache(&alike).replace("  0 x", "  ? x"))
    });
    let knees = cpu.knees.iter().flatten().map(|knee| format!("L{}: {}", knee.level, knee.detail));
    cpu.caches.iter().map(cache).chain(unplaced).chain(knees).collect()
}

fn clocks(machine: &Machine) -> Vec<String> {
    let loaded = machine.cpu.frequency.under_load.iter().flatten().map(|loaded| {
        let cores = plural(loaded.cores, "core");
        match (loaded.hertz, &loaded.why) {
            (Some(clock), _) => format!("{} under {} load on {cores}", hertz(clock), loaded.load),
            (None, Some(why)) => format!("unknown under {} load on {cores}: {why}", loaded.load),
            (None, None) => format!("unknown under {} load on {cores}", loaded.load),
        }
    });
    std::iter::once(clock(machine)).chain(loaded).collect()
}

/// The providers that can be used, in their order.
fn providers(machine: &Machine) -> Vec<String> {
    let execution = &machine.execution;
    if execution.providers.is_empty() {
        return Vec::new();
    }
    let usable: Vec<&str> = execution
        .providers
        .iter()
        .filter(|provider| provider.usable)
        .map(|provider| &*provider.name)
        .collect();
    let threads = plural(execution.intra_op_threads, "thread");
    let mut lines =
        vec![format!("{}; {threads} inside an operation ({})", usable.join(", "), execution.intra_op_reason)];
    let advice = execution.precisions.iter().filter_map(|advice| {
        Some((advice.gpu, format!("{} first ({})", advice.advised.as_ref()?, advice.reason)))
    });
    lines.extend(by_gpu(advice.collect(), machine.gpus.len()));
    let limits = execution.memory_limits.iter().filter(|limit| limit.limit_bytes.is_some());
    let limits = limits.map(|limit| (limit.gpu, format!("memory for one process: {}", limit.formula)));
    lines.extend(by_gpu(limits.collect(), machine.gpus.len()));
    lines
}

/// What is the same of several GPUs once, with their numbers where it is not so of all.
fn by_gpu(said: Vec<(usize, String)>, all: usize) -> Vec<String> {
    let mut lines: Vec<(Vec<usize>, String)> = Vec::new();
    for (gpu, text) in said {
        match lines.iter_mut().find(|line| line.1 == text) {
            Some(line) => line.0.push(gpu),
            None => lines.push((vec![gpu], text)),
        }
    }
    let written = |(gpus, text): (Vec<usize>, String)| {
        let numbers: Vec<String> = gpus.iter().map(ToString::to_string).collect();
        if gpus.len() == all { text } else { format!("GPU {}: {text}", numbers.join(", ")) }
    };
    lines.into_iter().map(written).collect()
}

fn clock(machine: &Machine) -> String {
    let clocks = &machine.cpu.frequency;
    let named = [
        (clocks.measured_hertz, "measured"),
        (clocks.base_hertz, "base"),
        (clocks.max_hertz, "highest"),
        (clocks.current_hertz, "now"),
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
    let ways = cache.ways.map(|ways| format!("  {ways:>2} ways")).unwrap_or_default();
    let line = cache.line_bytes.map(|line| format!(", {line} B lines")).unwrap_or_default();
    let shared = match cache.shared_by_threads {
        1 => String::new(),
        threads => format!(", shared by {threads} threads"),
    };
    format!(
        "{:<3} {:>3} x {size:<8}{}",
        format!("L{}{kind}", cache.level),
        cache.count,
        ways + &line + &shared
    )
    .trim_end()
    .to_owned()
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

fn gpus(machine: &Machine) -> Vec<String> {
    if machine.gpus.is_empty() {
        let why =
            machine.unknown.iter().find(|unknown| unknown.field == "gpus").map(|unknown| &*unknown.reason);
        return vec![why.unwrap_or("none").to_owned()];
    }
    // Devices that are alike are said once.
    let mut lines: Vec<(String, usize)> = Vec::new();
    for line in machine.gpus.iter().map(gpu) {
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => lines.push((line, 1)),
        }
    }
    lines
        .into_iter()
        .map(|(line, count)| if count > 1 { format!("{count} x {line}") } else { line })
        .collect()
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
        gpu.compute_capability.as_ref().map(|capability| format!("compute capability {capability}")),
        gpu.gfx.clone(),
        gpu.memory_total_bytes.map(bytes),
        gpu.memory_bytes_per_second.map(|rate| format!("{} memory", bytes_per_second(rate))),
        gpu.clocks.sm_max_hertz.map(|clock| format!("up to {}", hertz(clock))),
        gpu.power_limit_watts.map(|watts| format!("{watts:.0} W")),
        pcie,
        gpu.mig
            .filter(|&on| on)
            .map(|_| format!("divided into {}", plural(gpu.mig_devices.unwrap_or(0) as usize, "instance"))),
        gpu.virtualization.clone().filter(|mode| mode != "none"),
        held(&gpu.throttle),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What holds the clock down; a device at rest is only that.
fn held(reasons: &[String]) -> Option<String> {
    let (rest, others): (Vec<&str>, Vec<&str>) =
        reasons.iter().map(|reason| &**reason).partition(|reason| *reason == "gpu_idle");
    if others.is_empty() {
        return (!rest.is_empty()).then(|| "idle".to_owned());
    }
    Some(format!("clock held by {}", others.join(", ")))
}

/// What differs between two machines, as text.
#[must_use]
pub fn differences(rows: &[[&str; 4]], summary: &str, style: Style) -> String {
    let mut page = Page { text: String::new(), style, label: 18 };
    page.title(summary);
    for [fact, here, there, meaning] in rows {
        page.section(fact, &[format!("{here}  ->  {there}"), (*meaning).to_owned()]);
    }
    page.text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ReadinessCheck, ReadinessVerdict, Unknown};

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
