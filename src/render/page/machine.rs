//! What is said about a machine.

use super::{Block, Cell, Fact, Note, Section, Table, Tone, number_column, words_column};
use crate::document::{CacheType, Gpu, Machine, ReadinessVerdict};
use crate::render::figure::topology;
use crate::render::words;
use crate::units;

/// The facts of a machine, its caches, its GPUs, and whether it is fit for measuring.
pub(super) fn machine(machine: &Machine) -> Section {
    let mut blocks = vec![Block::Facts(facts(machine))];
    if let Some(drawing) = topology(machine) {
        blocks.push(Block::Figure(Box::new(drawing)));
    }
    if !machine.cpu.caches.is_empty() {
        blocks.push(Block::Table(caches(machine)));
    }
    if !machine.gpus.is_empty() {
        blocks.push(Block::Table(gpus(&machine.gpus)));
    }
    if !machine.execution.providers.is_empty() {
        blocks.push(Block::Table(providers(machine)));
    }
    if !machine.readiness.is_empty() {
        blocks.push(Block::Notes(readiness(machine)));
    }
    if !machine.unknown.is_empty() {
        blocks.push(Block::Table(unknown(machine)));
    }
    Section { id: "machine", title: "Machine".to_owned(), lead: None, blocks }
}

fn facts(machine: &Machine) -> Vec<Fact> {
    let cpu = &machine.cpu;
    let mut out = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            out.push(Fact::new(name, value));
        }
    };
    say("Processor", cpu.brand.clone().or_else(|| cpu.vendor.clone()));
    let kind = [cpu.microarchitecture.clone(), cpu.architecture.clone()];
    say("Architecture", Some(kind.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    let counted = |count: Option<usize>, one: &str, many: &str| count.map(|n| words::counted(n, one, many));
    let counts = [
        counted(cpu.packages, "package", "packages"),
        counted(cpu.cores, "core", "cores"),
        counted(cpu.threads, "hardware thread", "hardware threads"),
    ];
    say("Online", Some(counts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    let quota = machine.limits.quota_cpus.map(|q| format!(", quota {}", units::significant(q, 3)));
    let usable = words::counted(machine.limits.effective_cpus, "CPU", "CPUs");
    say("Usable by this process", Some(format!("{usable}{}", quota.unwrap_or_default())));
    let frequency = &cpu.frequency;
    let clocks = [
        frequency.measured_hertz.map(|hz| format!("{} measured", units::hertz(hz))),
        frequency.max_hertz.map(|hz| format!("{} at most", units::hertz(hz))),
    ];
    say("Core clock", Some(clocks.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    let tiers: Vec<String> = cpu.tiers.iter().map(ToString::to_string).collect();
    say("Instruction tiers", Some(tiers.join(", ")));
    let level = cpu.isa.x86_64_level.map(|level| format!("x86-64-v{level}"));
    let vectors = cpu.isa.vector_bits.map(|bits| format!("vectors of {bits} bits"));
    say("Instruction set", Some(level.into_iter().chain(vectors).collect::<Vec<_>>().join(", ")));
    let kinds = cpu.kinds.iter().filter(|_| cpu.kinds.len() > 1);
    let kinds: Vec<String> =
        kinds.map(|kind| format!("{} {}", kind.cores, kind.name.as_deref().unwrap_or("unnamed"))).collect();
    say("Kinds of cores", Some(kinds.join(", ")));
    let loaded = frequency.under_load.iter().flatten().filter_map(|loaded| {
        let cores = words::counted(loaded.cores, "core", "cores");
        Some(format!("{} ({} on {cores})", units::hertz(loaded.hertz?), loaded.load))
    });
    say("Clock under load", Some(loaded.collect::<Vec<_>>().join(", ")));
    say("Memory", machine.memory.total_bytes.map(units::bytes));
    say("Memory limit", machine.limits.memory_limit_bytes.map(units::bytes));
    let side = machine.memory.side_caches.iter().filter_map(|cache| cache.size_bytes).map(units::bytes);
    say("Memory-side caches", Some(side.collect::<Vec<_>>().join(", ")));
    say("Modules deliver at most", machine.memory.modules_bytes_per_second.map(units::bytes_per_second));
    say("Transparent huge pages", machine.memory.huge_pages.transparent.clone());
    say("NUMA nodes", machine.numa.nodes.map(|n| n.to_string()));
    let environment = &machine.environment;
    say("System", environment.os.clone());
    say("Kernel", environment.kernel.clone());
    let instance = [environment.cloud.clone(), environment.instance_type.clone()];
    say("Cloud", Some(instance.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    say("Product", environment.product.clone());
    say("Hypervisor", environment.hypervisor.clone());
    say("Container", environment.container.clone());
    say("Governor", environment.governor.clone());
    say("Turbo", environment.turbo.map(|on| if on { "on" } else { "off" }.to_owned()));
    out
}

fn caches(machine: &Machine) -> Table {
    let rows = machine.cpu.caches.iter().map(|cache| {
        let kind = match cache.kind {
            CacheType::Data => "data",
            CacheType::Instruction => "instruction",
            CacheType::Unified => "unified",
        };
        let size =
            |bytes: Option<u64>| Cell::maybe(bytes.map(|b| b as f64), |_| units::bytes(bytes.unwrap_or(0)));
        vec![
            Cell::text(format!("L{} {kind}", cache.level)),
            size(cache.size_bytes),
            Cell::maybe(cache.ways.map(|w| w as f64), |w| format!("{w}")),
            size(cache.line_bytes),
            Cell::number(cache.count as f64, cache.count.to_string()),
            Cell::number(cache.shared_by_threads as f64, cache.shared_by_threads.to_string()),
        ]
    });
    Table {
        caption: "Caches".to_owned(),
        columns: vec![
            words_column("Cache", 0),
            number_column("Size", 0),
            number_column("Ways", 2),
            number_column("Line", 2),
            number_column("Instances", 1),
            number_column("Threads sharing one", 1),
        ],
        rows: rows.collect(),
        folded: false,
    }
}

fn gpus(gpus: &[Gpu]) -> Table {
    let rows = gpus.iter().map(|gpu| {
        let link = match (gpu.pcie.generation.max, gpu.pcie.width.max) {
            (Some(generation), Some(width)) => Cell::text(format!("PCIe {generation} x{width}")),
            (Some(_) | None, _) => Cell::none(),
        };
        vec![
            Cell::text(gpu.name.clone().unwrap_or_else(|| "unnamed".to_owned())),
            gpu.architecture.clone().map_or_else(Cell::none, Cell::text),
            Cell::maybe(gpu.memory_total_bytes.map(|b| b as f64), |_| {
                units::bytes(gpu.memory_total_bytes.unwrap_or(0))
            }),
            Cell::maybe(gpu.memory_bytes_per_second, units::bytes_per_second),
            Cell::maybe(gpu.clocks.sm_max_hertz, units::hertz),
            link,
        ]
    });
    Table {
        caption: "Graphics processors".to_owned(),
        columns: vec![
            words_column("GPU", 0),
            words_column("Architecture", 1),
            number_column("Memory", 0),
            number_column("Bandwidth by its clocks", 1),
            number_column("Highest clock", 2),
            words_column("Link at most", 2),
        ],
        rows: rows.collect(),
        folded: false,
    }
}

/// Execution providers in the order in which they should be tried.
fn providers(machine: &Machine) -> Table {
    let rows = machine.execution.providers.iter().map(|provider| {
        let usable = if provider.usable { "yes" } else { "no" };
        vec![Cell::text(&*provider.name), Cell::text(usable), Cell::text(&*provider.reason)]
    });
    Table {
        caption: "Execution providers".to_owned(),
        columns: vec![words_column("Provider", 0), words_column("Usable", 0), words_column("Reason", 1)],
        rows: rows.collect(),
        folded: true,
    }
}

/// The checks, the worst first.
fn readiness(machine: &Machine) -> Vec<Note> {
    let mut checks: Vec<_> = machine.readiness.iter().collect();
    checks.sort_by_key(|check| std::cmp::Reverse(check.verdict));
    let note = |check: &crate::document::ReadinessCheck| Note {
        tone: match check.verdict {
            ReadinessVerdict::Ok => Tone::Good,
            ReadinessVerdict::Warn => Tone::Warn,
            ReadinessVerdict::Bad => Tone::Bad,
        },
        name: check.check.clone(),
        text: check.detail.clone(),
        remedy: check.remedy.clone(),
    };
    checks.into_iter().map(note).collect()
}

fn unknown(machine: &Machine) -> Table {
    let rows = machine.unknown.iter();
    Table {
        caption: "What could not be found out".to_owned(),
        columns: vec![words_column("Fact", 0), words_column("Reason", 0)],
        rows: rows.map(|u| vec![Cell::text(&*u.field), Cell::text(&*u.reason)]).collect(),
        folded: true,
    }
}
