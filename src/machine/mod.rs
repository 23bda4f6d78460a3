//! Detects a machine, live or from a snapshot of its `/sys` and `/proc`: reads, never times.
//!
//! One reader serves all: files below a root, which is `/` here and a folder of a snapshot elsewhere. What only a live
//! machine can tell (this process's affinity, CPUID, the GPU driver, the tiers' tokens) comes beside it. Every fact notes
//! its source in `sources`, every null its reason in `unknown`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::document::Machine;

mod archive;
mod caches;
mod cgroup;
mod cloud;
mod container;
mod cpu;
mod cpuid;
mod cpuinfo;
mod device_tree;
mod environment;
mod execution;
mod findings;
mod fingerprint;
mod frequency;
mod gpus;
mod hypervisor;
mod identity;
mod isa;
mod kinds;
mod limits;
mod live;
mod memory;
mod names;
mod numa;
mod readiness;
mod redaction;
mod root;
mod smbios;
mod tiers;
mod topology;

pub use archive::ArchiveError;
pub use execution::memory_limit;
pub use fingerprint::compare;
pub use readiness::check_names;

use archive::{Archive, Entry};
use cpuid::{DumpedCpu, Reader};
use cpuinfo::Cpuinfo;
use findings::Findings;
use live::Live;
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

/// The facts of a machine. Nothing is an error: what cannot be read is null, with its reason in `unknown`.
#[must_use]
pub fn detect(source: Source<'_>) -> Machine {
    match source {
        Source::Live => machine_of(&Root::live(), Some(&Live::now())),
        Source::Root(folder) => {
            let root = Root::snapshot(folder);
            machine_of(&root, Live::of(&root).as_ref())
        }
        Source::Cpuid(folder) => {
            let mut findings = Findings::default();
            let machine = from_dump(&cpuid::read_dump(folder), &mut findings);
            finish(machine, findings)
        }
    }
}

/// The facts of the machine of a snapshot in one file: a tar archive, compressed by gzip or not.
///
/// # Errors
/// The file is no such archive, or too large for one.
pub fn detect_archive(file: &Path) -> Result<Machine, ArchiveError> {
    let root = Root::archive(Archive::open(file)?);
    Ok(machine_of(&root, Live::of(&root).as_ref()))
}

/// Writes all that `detect` reads, of this machine or of a folder's, to an archive, without what names its owner: serial
/// numbers, UUIDs, hardware addresses, the host's name. The answer is the machine that the archive reads back to.
///
/// # Errors
/// The archive cannot be written.
pub fn snapshot(folder: Option<&Path>, to: impl std::io::Write) -> std::io::Result<Machine> {
    let root = folder.map_or_else(Root::live, Root::snapshot).recording();
    let live = if folder.is_none() { Some(Live::now()) } else { Live::of(&root) };
    let _ = machine_of(&root, live.as_ref());
    let host = root.host_name();
    let mut archive = root.into_record();
    // A root in which nothing was found is a snapshot too.
    archive.insert("perfkit", Entry::Folder);
    if let Some(live) = live {
        live.store(&mut archive)?;
    }
    let archive = redaction::without_private_facts(archive, host.as_deref());
    archive.write(to)?;
    let root = Root::archive(archive);
    Ok(machine_of(&root, Live::of(&root).as_ref()))
}

/// The file holds no GPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAGpuReport {
    /// It looks like XML.
    #[error(transparent)]
    Nvidia(#[from] crate::gpu::nvidia_smi::NotNvidiaSmi),
    /// It looks like JSON.
    #[error(transparent)]
    Amd(#[from] crate::gpu::rocm_smi::NotRocmSmi),
}

/// The GPUs that a file of `nvidia-smi -q -x` or of `rocm-smi --json` lists; `machine`'s own are replaced.
pub fn replace_gpus(machine: &mut Machine, text: &str) -> Result<(), NotAGpuReport> {
    let json = text.trim_start_matches('\u{feff}').trim_start();
    // rocm-smi's warnings stand before its JSON; XML begins with its own sign.
    let devices = if json.starts_with('<') || !json.contains('{') {
        crate::gpu::nvidia_smi::parse(text)?
    } else {
        crate::gpu::rocm_smi::parse(text)?
    };
    let of_gpus =
        |field: &str| field == "gpus" || field.starts_with("gpus[") || field.starts_with("execution");
    machine.sources.retain(|source| !of_gpus(&source.field));
    machine.unknown.retain(|unknown| !of_gpus(&unknown.field));
    let mut findings = Findings {
        sources: std::mem::take(&mut machine.sources),
        unknown: std::mem::take(&mut machine.unknown),
    };
    machine.gpus = gpus::record(devices, &mut findings);
    // The file may be another machine's: the libraries of the one that was detected say nothing of it.
    machine.execution = execution::choose(machine, &execution::Libraries::not_looked_for());
    findings.known("execution", findings::Fact::inferred((), "rules"));
    readiness::renew_gpus(machine);
    *machine = finish(std::mem::take(machine), findings);
    Ok(())
}

fn machine_of(root: &Root, live: Option<&Live>) -> Machine {
    let mut findings = Findings::default();
    let machine = from_root(root, live, &mut findings);
    finish(machine, findings)
}

fn from_root(root: &Root, live: Option<&Live>, findings: &mut Findings) -> Machine {
    let text = root.text("proc/cpuinfo").unwrap_or_default();
    let info = Cpuinfo::parse(&text);
    let cpuid = live.and_then(Live::reader);
    let parts = cpu::from_root(root, &info, cpuid, live);
    let online = parts.online();
    let (features, brand) = (parts.features(), parts.brand());
    let (cores, packages) = parts.sets();
    let sources = frequency::Sources {
        root: Some(root),
        info: &info,
        cpuid,
        online: &online,
        features: &features,
        brand: brand.as_deref(),
    };
    let frequency = frequency::read(&sources, findings);
    let mut machine = Machine { cpu: cpu::describe(parts, findings), ..Machine::default() };
    machine.cpu.frequency = frequency;
    let live_total = live.and_then(|live| live.memory_total_bytes);
    machine.memory = memory::read(root, machine.cpu.architecture.as_deref(), live_total, findings);
    machine.numa = numa::read(root, &online, findings);
    let sets = limits::Sets { online: &online, cores: &cores, packages: &packages };
    machine.limits = limits::read(root, &sets, live.and_then(|live| live.affinity.clone()), findings);
    machine.environment = environment::read(root, &info, cpuid, &online, findings);
    machine.gpus = gpus::read(root, live.map(|live| &live.driver), findings);
    machine.execution = execution::choose(&machine, &execution::Libraries::below(root));
    findings.known("execution", findings::Fact::inferred((), "rules"));
    machine.readiness = readiness::check(&readiness::Evidence { root, machine: &machine });
    machine
}

/// Reads what CPUID alone tells; everything else is unknown.
fn from_dump(dump: &BTreeMap<u32, DumpedCpu>, findings: &mut Findings) -> Machine {
    let first = dump.values().next().map(|cpu| cpu as &dyn Reader);
    let parts = cpu::from_dump(dump);
    let online = parts.online();
    let (features, brand) = (parts.features(), parts.brand());
    let sources = frequency::Sources {
        root: None,
        info: &Cpuinfo::default(),
        cpuid: first,
        online: &online,
        features: &features,
        brand: brand.as_deref(),
    };
    let frequency = frequency::read(&sources, findings);
    let mut machine = Machine { cpu: cpu::describe(parts, findings), ..Machine::default() };
    machine.cpu.frequency = frequency;
    for field in ["limits.effective_cpus", "limits.allowed_cpus"] {
        findings.known(field, findings::Fact::inferred((), "cpuid"));
    }
    machine.limits.effective_cpus = online.len().max(1);
    machine.limits.allowed_cpus = online;
    let host = first.and_then(|cpu| {
        let guest = cpu.leaf(1, 0).ecx >> 31 == 1;
        hypervisor::by_cpuid(cpu).or_else(|| guest.then_some("unknown"))
    });
    let host = host.map(|name| findings::Fact::reported(name.to_owned(), "cpuid"));
    machine.environment.hypervisor =
        findings.keep("environment.hypervisor", host, "no sign of one: bare metal, or one that hides");
    findings.unknown("gpus", "a dump of CPUID tells of the processor alone");
    machine.execution = execution::choose(&machine, &execution::Libraries::not_looked_for());
    findings.known("execution", findings::Fact::inferred((), "rules"));
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
