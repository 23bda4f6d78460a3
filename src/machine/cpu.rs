//! The processors, put together from their parts: identity, topology, caches, kinds, tiers.

use std::collections::{BTreeMap, BTreeSet};

use super::caches::{self, Instances};
use super::cpuid::{self, DumpedCpu, Reader};
use super::cpuinfo::Cpuinfo;
use super::device_tree;
use super::findings::{Fact, Findings};
use super::identity::{self, Identity};
use super::isa;
use super::kinds::{self, Detail};
use super::live::Live;
use super::root::Root;
use super::tiers;
use super::topology::{self, Topology};
use crate::document::{Cpu, UnplacedCache};
use crate::simd::Tier;
use crate::units::CpuList;

/// What is known of the processors, each part from where it could be had.
#[derive(Default)]
pub(super) struct Parts {
    identity: Identity,
    topology: Topology,
    instances: Instances,
    unplaced: Vec<UnplacedCache>,
    cache_source: &'static str,
    kinds: Option<Fact<BTreeMap<String, CpuList>>>,
    details: BTreeMap<u32, Detail>,
    tiers: Option<Fact<Vec<Tier>>>,
    isa: isa::Found,
}

impl Parts {
    /// The online CPUs; empty where nothing names them.
    pub(super) fn online(&self) -> CpuList {
        self.topology.online.as_ref().map(|fact| fact.value.clone()).unwrap_or_default()
    }

    /// The cores and packages as sets of CPUs; empty where nothing tells them.
    pub(super) fn sets(&self) -> (BTreeSet<CpuList>, BTreeSet<CpuList>) {
        let cores = self.topology.cores.as_ref().map(|fact| fact.value.clone()).unwrap_or_default();
        (cores, self.topology.package_sets.clone())
    }

    /// The marketing name.
    pub(super) fn brand(&self) -> Option<String> {
        self.identity.brand.as_ref().map(|fact| fact.value.clone())
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
    let mut identity = identity::read(root, info, &online, live.map(|live| &*live.architecture));
    if let (None, Some(cpuid)) = (&identity.vendor, cpuid) {
        identity = identity::by_cpuid(std::iter::once(cpuid));
    }
    if identity.has_modules() {
        topology.cores =
            topology.cores.map(|fact| fact.map(|_| online.iter().map(|c| CpuList::from_iter([c])).collect()));
    }
    let mut instances = caches::read(root, &online);
    let mut cache_source = "sysfs";
    let mut unplaced = caches::unplaced(root, info, &online);
    if instances.is_empty() {
        let cores = topology.cores.as_ref().map(|fact| fact.value.clone()).unwrap_or_default();
        (instances, cache_source) = device_tree::caches(root, &cores, &online);
    }
    if instances.is_empty() {
        // A kernel without a folder of caches may still name them, or the processor does.
        unplaced
            .extend(cpuid.filter(|_| unplaced.is_empty()).map(cpuid::topology::unplaced).unwrap_or_default());
    }
    let intel = identity.vendor.as_ref().is_some_and(|vendor| vendor.value == "GenuineIntel");
    let kinds = kinds::read(root, info, &online)
        .or_else(|| Some(Fact::reported(live?.kinds.clone()?, "cpuid")))
        .or_else(|| intel.then(|| kinds::by_caches(&instances, &online)).flatten());
    let kinds = kinds.map(|kinds| kinds::split_low_power(kinds, &instances));
    let details = kinds::details(root, info, &online);
    let isa = isa::read(Some(root), cpuid, &identity);
    let tiers = match (live, &identity.features) {
        (Some(live), _) => Some(Fact::reported(live.tiers.clone(), "cpuid")),
        (None, Some(features)) => Some(Fact::inferred(tiers::tiers(&features.value), "procfs")),
        (None, None) => None,
    };
    Parts { identity, topology, instances, unplaced, cache_source, kinds, details, tiers, isa }
}

/// The parts from the CPUID of every CPU.
pub(super) fn from_dump(dump: &BTreeMap<u32, DumpedCpu>) -> Parts {
    let identity = identity::by_cpuid(dump.values().map(|cpu| cpu as &dyn Reader));
    let tiers = identity.features.as_ref().map(|f| Fact::inferred(tiers::tiers(&f.value), "cpuid"));
    Parts {
        topology: cpuid::topology::topology(dump),
        instances: cpuid::topology::caches(dump),
        unplaced: Vec::new(),
        cache_source: "cpuid",
        kinds: kinds::by_cpuid(dump.iter().map(|(&cpu, reader)| (cpu, reader as &dyn Reader))),
        details: kinds::details_by_cpuid(dump.iter().map(|(&cpu, reader)| (cpu, reader as &dyn Reader))),
        tiers,
        isa: isa::read(None, dump.values().next().map(|cpu| cpu as &dyn Reader), &identity),
        identity,
    }
}

/// The processors for the document, with sources and reasons.
pub(super) fn describe(parts: Parts, findings: &mut Findings) -> Cpu {
    let Parts { identity, topology, instances, unplaced, cache_source, kinds, details, tiers, isa } = parts;
    let mut cpu = Cpu::default();
    let has_modules = identity.has_modules();
    describe_identity(&mut cpu, identity, findings);
    let hidden = "the system does not show which CPUs belong together";
    let together = [
        ("cpu.core_cpus", topology.cores.as_ref().map(|cores| cores.with(()))),
        ("cpu.package_cpus", topology.packages.as_ref().map(|packages| packages.with(()))),
        ("cpu.threads", topology.online.as_ref().map(|online| online.with(()))),
    ];
    for (field, fact) in together {
        let _ = fact.map(|fact| findings.known(field, fact));
    }
    cpu.packages = findings.keep("cpu.packages", topology.packages, hidden);
    cpu.dies = findings.keep(
        "cpu.dies",
        topology.dies,
        "no package has several dies, or the system knows no die level",
    );
    cpu.clusters = findings.keep(
        "cpu.clusters",
        topology.clusters,
        "no package has several clusters of several cores, or the system knows no such level",
    );
    let of_z = "only IBM Z has this level";
    cpu.drawers = findings.keep("cpu.drawers", topology.drawers, of_z);
    cpu.books = findings.keep("cpu.books", topology.books, of_z);
    let cores = findings.keep("cpu.cores", topology.cores, hidden);
    cpu.cores = cores.as_ref().map(BTreeSet::len);
    cpu.core_cpus = by_first(cores.iter().flatten());
    cpu.package_cpus = by_first(topology.package_sets.iter());
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
        findings.known("cpu.cache_instances", Fact::reported((), cache_source));
    }
    cpu.caches = caches::summarize(&instances);
    cpu.cache_instances = caches::of_data(&instances);
    if !unplaced.is_empty() {
        findings.known("cpu.unplaced_caches", Fact::reported((), "procfs"));
    }
    cpu.unplaced_caches = unplaced;
    cpu.knees = None;
    findings.unknown("cpu.knees", "nothing was timed: ask with detect --measure");
    cpu.isa = isa.describe(findings);
    let one_name = match (&cpu.microarchitecture, has_modules) {
        (Some(name), true) => Some(format!("{name} core (two share a module)")),
        (name, _) => name.clone(),
    };
    // Where nothing tells cores apart they are taken to be alike.
    let alike = Fact::inferred(None, "topology");
    let kinds = findings.known("cpu.kinds", kinds.map_or(alike, |kinds| kinds.map(Some)));
    cpu.kinds = kinds::describe(kinds, one_name, &online, cores.as_ref());
    let common: BTreeSet<&str> = cpu.features.iter().map(String::as_str).collect();
    for kind in &mut cpu.kinds {
        kinds::complete(kind, &details, &common);
    }
    cpu.tiers = findings
        .keep("cpu.tiers", tiers, "without the features only the baseline is sure")
        .unwrap_or_else(|| vec![Tier::Baseline]);
    cpu.online_cpus = online;
    cpu
}

/// Sets in the order of their first CPUs.
fn by_first<'a>(sets: impl Iterator<Item = &'a CpuList>) -> Vec<CpuList> {
    let mut sets: Vec<CpuList> = sets.cloned().collect();
    sets.sort_by_key(CpuList::first);
    sets
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
