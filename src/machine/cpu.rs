//! The processors, put together from their parts: identity, topology, caches, kinds, tiers.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::caches::{self, Instances};
use super::cpuid::{self, DumpedCpu, Reader};
use super::cpuinfo::Cpuinfo;
use super::findings::{Fact, Findings};
use super::identity::{self, Identity};
use super::kinds;
use super::root::Root;
use super::tiers;
use super::topology::{self, Topology};
use crate::document::Cpu;
use crate::simd::Tier;
use crate::units::CpuList;

/// What is known of the processors, each part from where it could be had.
#[derive(Default)]
pub(super) struct Parts {
    identity: Identity,
    topology: Topology,
    instances: Instances,
    cache_source: &'static str,
    kinds: Option<Fact<BTreeMap<String, CpuList>>>,
    tiers: Option<Fact<Vec<Tier>>>,
}

impl Parts {
    /// The online CPUs; empty where nothing names them.
    pub(super) fn online(&self) -> CpuList {
        self.topology.online.as_ref().map(|fact| fact.value.clone()).unwrap_or_default()
    }

    /// The features that all CPUs have.
    pub(super) fn features(&self) -> Vec<String> {
        self.identity.features.as_ref().map(|fact| fact.value.clone()).unwrap_or_default()
    }
}

/// The parts from files below a root, and from the running system where it is this machine's.
pub(super) fn from_root(
    root: &Root,
    info: &Cpuinfo<'_>,
    cpuid: Option<&dyn Reader>,
    live: Option<&Live>,
) -> Parts {
    let mut topology = topology::read(root, info);
    if let (None, Some(live)) = (&topology.online, live) {
        topology.online = live.affinity.clone().map(|cpus| Fact::inferred(cpus, "kernel"));
    }
    let online = topology.online.as_ref().map(|fact| fact.value.clone()).unwrap_or_default();
    let mut identity = identity::read(root, info, &online, live.map(|_| std::env::consts::ARCH));
    if let (None, Some(cpuid)) = (&identity.vendor, cpuid) {
        identity = identity::by_cpuid(std::iter::once(cpuid));
    }
    if identity.has_modules() {
        topology.cores =
            topology.cores.map(|fact| fact.map(|_| online.iter().map(|c| CpuList::from_iter([c])).collect()));
    }
    let instances = caches::read(root, &online);
    let intel = identity.vendor.as_ref().is_some_and(|vendor| vendor.value == "GenuineIntel");
    let kinds = kinds::read(root, info, &online)
        .or_else(|| intel.then(|| kinds::by_caches(&instances, &online)).flatten());
    let tiers = match (live, &identity.features) {
        (Some(live), _) => Some(Fact::reported(live.tiers.clone(), "cpuid")),
        (None, Some(features)) => Some(Fact::inferred(tiers::tiers(&features.value), "procfs")),
        (None, None) => None,
    };
    Parts { identity, topology, instances, cache_source: "sysfs", kinds, tiers }
}

/// The parts from the CPUID of every CPU.
pub(super) fn from_dump(dump: &BTreeMap<u32, DumpedCpu>) -> Parts {
    let identity = identity::by_cpuid(dump.values().map(|cpu| cpu as &dyn Reader));
    let tiers = identity.features.as_ref().map(|f| Fact::inferred(tiers::tiers(&f.value), "cpuid"));
    Parts {
        topology: cpuid::topology::topology(dump),
        instances: cpuid::topology::caches(dump),
        cache_source: "cpuid",
        kinds: kinds::by_cpuid(dump.iter().map(|(&cpu, reader)| (cpu, reader as &dyn Reader))),
        tiers,
        identity,
    }
}

/// The processors for the document, with sources and reasons.
pub(super) fn describe(parts: Parts, findings: &mut Findings) -> Cpu {
    let Parts { identity, topology, instances, cache_source, kinds, tiers } = parts;
    let mut cpu = Cpu::default();
    let has_modules = identity.has_modules();
    describe_identity(&mut cpu, identity, findings);
    let hidden = "the system does not show which CPUs belong together";
    cpu.packages = findings.keep("cpu.packages", topology.packages, hidden);
    cpu.dies = findings.keep(
        "cpu.dies",
        topology.dies,
        "no package has several dies, or the system knows no die level",
    );
    let cores = findings.keep("cpu.cores", topology.cores, hidden);
    cpu.cores = cores.as_ref().map(BTreeSet::len);
    let online =
        findings.keep("cpu.online_cpus", topology.online, "nothing names the CPUs").unwrap_or_default();
    cpu.threads = (!online.is_empty()).then_some(online.len());
    if cpu.threads.is_none() {
        findings.unknown("cpu.threads", "nothing names the CPUs");
    }
    if instances.is_empty() {
        findings.unknown("cpu.caches", "the system does not describe its caches");
    } else {
        findings.known("cpu.caches", Fact::reported((), cache_source));
    }
    cpu.caches = caches::summarize(&instances);
    let one_name = match (&cpu.microarchitecture, has_modules) {
        (Some(name), true) => Some(format!("{name} core (two share a module)")),
        (name, _) => name.clone(),
    };
    let kinds = kinds.map(|kinds| findings.known("cpu.kinds", kinds));
    cpu.kinds = kinds::describe(kinds, one_name, &online, cores.as_ref());
    cpu.tiers = findings
        .keep("cpu.tiers", tiers, "without the features only the baseline is sure")
        .unwrap_or_else(|| vec![Tier::Baseline]);
    cpu.online_cpus = online;
    cpu
}

fn describe_identity(cpu: &mut Cpu, identity: Identity, findings: &mut Findings) {
    let unnamed = identity.why_unnamed();
    let x86 = identity.architecture.as_ref().is_some_and(|a| a.value.starts_with("x86"));
    let no_number = if x86 { "the system does not tell" } else { "only x86 processors have it" };
    let silent = "the system does not tell";
    cpu.architecture =
        findings.keep("cpu.architecture", identity.architecture, "nothing that was read gives it away");
    cpu.vendor = findings.keep("cpu.vendor", identity.vendor, silent);
    cpu.brand =
        findings.keep("cpu.brand", identity.brand, "the processor has no marketing name that it could tell");
    cpu.microarchitecture = findings.keep("cpu.microarchitecture", identity.microarchitecture, unnamed);
    cpu.family = findings.keep("cpu.family", identity.family, no_number);
    cpu.model = findings.keep("cpu.model", identity.model, no_number);
    cpu.stepping = findings.keep("cpu.stepping", identity.stepping, no_number);
    cpu.features = findings.keep("cpu.features", identity.features, silent).unwrap_or_default();
}
