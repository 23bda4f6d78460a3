//! Detects a machine, live or from a snapshot of its `/sys` and `/proc`: reads, never times.
//!
//! One reader serves all: files below a root, which is `/` here and a folder of a snapshot elsewhere. What only a live
//! machine can tell (this process's affinity, CPUID, the GPU driver, the tiers' tokens) comes beside it. Every fact notes
//! its source in `sources`, every null its reason in `unknown`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::document::{Gpu, Machine};
use crate::simd::Tier;
use crate::units::CpuList;

mod caches;
mod cgroup;
mod cpu;
mod cpuid;
mod cpuinfo;
mod environment;
mod findings;
mod fingerprint;
mod frequency;
mod gpus;
mod identity;
mod kinds;
mod limits;
mod memory;
mod names;
mod numa;
mod readiness;
mod root;
mod smbios;
mod tiers;
mod topology;

pub use fingerprint::{Difference, differences};

use cpuid::{DumpedCpu, Reader};
use cpuinfo::Cpuinfo;
use findings::Findings;
use root::Root;

/// Where the facts come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// This machine.
    Live,
    /// A folder that holds another's `sys` and `proc`.
    Root(&'a Path),
    /// A folder that holds another's CPUID, one file `pu0`, `pu1`, ... a CPU.
    Cpuid(&'a Path),
}

/// What only the running system can tell.
struct Live {
    affinity: Option<CpuList>,
    cpuid: Option<Box<dyn Reader>>,
    tiers: Vec<Tier>,
}

/// The facts of a machine. Nothing is an error: what cannot be read is null, with its reason in `unknown`.
#[must_use]
pub fn detect(source: Source<'_>) -> Machine {
    let mut findings = Findings::default();
    let machine = match source {
        Source::Live => {
            let live = Live {
                affinity: crate::sys::threads::affinity().map(CpuList::from_iter),
                cpuid: cpuid::live(),
                tiers: Tier::available().collect(),
            };
            from_root(&Root::live(), Some(&live), &mut findings)
        }
        Source::Root(folder) => from_root(&Root::snapshot(folder), None, &mut findings),
        Source::Cpuid(folder) => from_dump(&cpuid::read_dump(folder), &mut findings),
    };
    finish(machine, findings)
}

/// The GPUs that a file of `nvidia-smi -q -x` lists; `machine`'s own are replaced.
pub fn replace_gpus(machine: &mut Machine, text: &str) -> Result<(), crate::gpu::nvidia_smi::NotNvidiaSmi> {
    let devices = crate::gpu::nvidia_smi::parse(text)?;
    let of_gpus = |field: &str| field == "gpus" || field.starts_with("gpus[");
    machine.sources.retain(|source| !of_gpus(&source.field));
    machine.unknown.retain(|unknown| !of_gpus(&unknown.field));
    let mut findings = Findings {
        sources: std::mem::take(&mut machine.sources),
        unknown: std::mem::take(&mut machine.unknown),
    };
    machine.gpus = gpus::record(devices, "nvidia-smi", &mut findings);
    *machine = finish(std::mem::take(machine), findings);
    Ok(())
}

fn from_root(root: &Root, live: Option<&Live>, findings: &mut Findings) -> Machine {
    let text = root.text("proc/cpuinfo").unwrap_or_default();
    let info = Cpuinfo::parse(&text);
    let cpuid = live.and_then(|live| live.cpuid.as_deref());
    let parts = cpu::from_root(root, &info, cpuid, live);
    let online = parts.online();
    let features = parts.features();
    let frequency = frequency::read(
        &frequency::Sources { root: Some(root), info: &info, cpuid, online: &online, features: &features },
        findings,
    );
    let mut machine = Machine { cpu: cpu::describe(parts, findings), ..Machine::default() };
    machine.cpu.frequency = frequency;
    let live_total = live.and_then(|_| crate::sys::resources::memory_now()).map(|memory| memory.0);
    machine.memory = memory::read(root, machine.cpu.architecture.as_deref(), live_total, findings);
    machine.numa = numa::read(root, findings);
    let limits = limits::read(root, &online, live.and_then(|live| live.affinity.clone()), findings);
    machine.limits = limits.limits;
    machine.environment = environment::read(root, &info, cpuid, &online, findings);
    machine.gpus = match live {
        Some(_) => gpus::live(findings),
        None => no_gpus(findings),
    };
    let evidence =
        readiness::Evidence { root, machine: &machine, throttled_periods: limits.throttled_periods };
    machine.readiness = readiness::check(&evidence);
    machine
}

fn no_gpus(findings: &mut Findings) -> Vec<Gpu> {
    findings.unknown(
        "gpus",
        "a snapshot holds no answers of a GPU's driver: give a file of them with --gpu-file",
    );
    Vec::new()
}

/// Reads what CPUID alone tells; everything else is unknown.
fn from_dump(dump: &BTreeMap<u32, DumpedCpu>, findings: &mut Findings) -> Machine {
    let first = dump.values().next().map(|cpu| cpu as &dyn Reader);
    let parts = cpu::from_dump(dump);
    let online = parts.online();
    let features = parts.features();
    let info = Cpuinfo::default();
    let sources =
        frequency::Sources { root: None, info: &info, cpuid: first, online: &online, features: &features };
    let frequency = frequency::read(&sources, findings);
    let mut machine = Machine { cpu: cpu::describe(parts, findings), ..Machine::default() };
    machine.cpu.frequency = frequency;
    machine.limits.effective_cpus = online.len().max(1);
    machine.limits.allowed_cpus = online;
    machine
}

/// Adds the schema, the fingerprint, and a reason for every null that has none yet.
fn finish(mut machine: Machine, findings: Findings) -> Machine {
    machine.schema = Machine::SCHEMA.to_owned();
    machine.fingerprint = fingerprint::of(&machine);
    machine.sources = findings.sources;
    machine.unknown = findings.unknown;
    for field in machine.null_fields() {
        if machine.unknown.iter().any(|unknown| unknown.field == field) {
            continue;
        }
        let reason = match field.split(['.', '[']).next() {
            Some("gpus") => "the driver does not tell it for this device",
            Some("memory") if field.contains('[') => "the firmware left it out",
            Some("cpu") if field.contains('[') => "the system does not tell it",
            _ => "what was read does not hold it",
        };
        machine.unknown.push(crate::document::Unknown { field, reason: reason.to_owned() });
    }
    machine
}
