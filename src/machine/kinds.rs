//! Kinds of cores: P and E on x86, big and LITTLE on ARM. The highest frequency is no kind: favoured cores of one kind
//! differ in it.

use std::collections::{BTreeMap, BTreeSet};

use super::caches::{self, Instances};
use super::cpuid::{self, Reader};
use super::cpuinfo::{Cpuinfo, number};
use super::findings::Fact;
use super::names;
use super::root::Root;
use super::topology::CPUS;
use crate::document::CoreKind;
use crate::units::CpuList;

/// CPUs by the name of their kind.
type Kinds = BTreeMap<String, CpuList>;

/// The kinds that the files below a root tell, or `None` where nothing tells them apart.
pub(super) fn read(root: &Root, info: &Cpuinfo<'_>, online: &CpuList) -> Option<Fact<Kinds>> {
    by_perf_units(root, online)
        .or_else(|| by_midr(root, info, online))
        .filter(|kinds| !kinds.is_empty())
        .map(|kinds| Fact::reported(kinds, "sysfs"))
}

/// x86 kernels have a performance-counter unit a kind, each with the list of its CPUs.
fn by_perf_units(root: &Root, online: &CpuList) -> Option<Kinds> {
    let unit = |(folder, name): (&str, &str)| {
        let cpus: CpuList = root.parse(&format!("sys/devices/{folder}/cpus"))?;
        let cpus = cpus.intersection(online);
        (!cpus.is_empty()).then(|| (name.to_owned(), cpus))
    };
    let units = [("cpu_core", "P-core"), ("cpu_atom", "E-core"), ("cpu_lowpower", "LP E-core")];
    Some(units.into_iter().filter_map(unit).collect::<Kinds>()).filter(|kinds| !kinds.is_empty())
}

/// ARM cores name implementer and part in their MIDR register.
fn by_midr(root: &Root, info: &Cpuinfo<'_>, online: &CpuList) -> Option<Kinds> {
    let mut kinds = Kinds::new();
    for cpu in online.iter() {
        let register = || {
            let text = root.text(&format!("{CPUS}/cpu{cpu}/regs/identification/midr_el1"))?;
            let midr = number(&text)?;
            Some((midr >> 24 & 0xff, midr >> 4 & 0xfff))
        };
        let listed = || Some((number(info.of(cpu, "CPU implementer")?)?, number(info.of(cpu, "CPU part")?)?));
        let (implementer, part) = register().or_else(listed)?;
        let (implementer, part) = (u32::try_from(implementer).ok()?, u32::try_from(part).ok()?);
        let name = names::arm_part(implementer, part)
            .map_or_else(|| format!("implementer {implementer:#04x} part {part:#05x}"), str::to_owned);
        kinds.entry(name).or_default().insert(cpu);
    }
    Some(kinds)
}

/// The kinds that the CPUs of a dump name themselves.
pub(super) fn by_cpuid<'a>(cpus: impl Iterator<Item = (u32, &'a dyn Reader)>) -> Option<Fact<Kinds>> {
    let mut kinds = Kinds::new();
    for (cpu, reader) in cpus {
        kinds.entry(cpuid::topology::core_kind(reader)?.to_owned()).or_default().insert(cpu);
    }
    (!kinds.is_empty()).then(|| Fact::reported(kinds, "cpuid"))
}

/// Intel's hybrids without any of that: cores whose caches of level 1 differ in size are of different kinds, and those
/// with more data cache are the P-cores (48 KiB against 32 KiB in every hybrid so far).
pub(super) fn by_caches(instances: &Instances, online: &CpuList) -> Option<Fact<Kinds>> {
    let mut groups: BTreeMap<_, CpuList> = BTreeMap::new();
    for cpu in online.iter() {
        groups.entry(caches::first_level_sizes(instances, cpu)).or_default().insert(cpu);
    }
    if groups.len() != 2 {
        return None;
    }
    let names = ["E-core", "P-core"].map(str::to_owned);
    Some(Fact::inferred(names.into_iter().zip(groups.into_values()).collect(), "sysfs"))
}

/// The kinds for the document: the larger number of the first CPU last, one kind with `name` where nothing differs.
pub(super) fn describe(
    kinds: Option<Kinds>,
    name: Option<String>,
    online: &CpuList,
    cores: Option<&BTreeSet<CpuList>>,
) -> Vec<CoreKind> {
    let counted = |cpus: &CpuList| {
        let of_kind = |core: &&CpuList| core.first().is_some_and(|cpu| cpus.contains(cpu));
        cores.map_or(cpus.len(), |cores| cores.iter().filter(of_kind).count())
    };
    let mut described: Vec<CoreKind> = match kinds {
        Some(kinds) => {
            let kind =
                |(name, cpus): (String, CpuList)| CoreKind { cores: counted(&cpus), name: Some(name), cpus };
            kinds.into_iter().map(kind).collect()
        }
        None if online.is_empty() => Vec::new(),
        None => vec![CoreKind { name, cpus: online.clone(), cores: counted(online) }],
    };
    described.sort_by_key(|kind| kind.cpus.first());
    described
}
