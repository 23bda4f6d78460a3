//! Kinds of cores: P and E on x86, big and LITTLE on ARM. The highest frequency is no kind: favoured cores of one kind
//! differ in it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

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
pub(super) type Kinds = BTreeMap<String, CpuList>;

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

/// Splits the E-cores that have no cache of the third level off: they lie on another die, and their memory is further.
pub(super) fn split_low_power(kinds: Fact<Kinds>, instances: &Instances) -> Fact<Kinds> {
    let has_third = |cpu: u32| instances.keys().any(|key| key.level == 3 && key.cpus.contains(cpu));
    let any_third = instances.keys().any(|key| key.level == 3);
    kinds.map(|mut kinds| {
        let Some(cpus) = kinds.get("E-core").filter(|_| any_third).cloned() else { return kinds };
        let (near, far): (Vec<u32>, Vec<u32>) = cpus.iter().partition(|&cpu| has_third(cpu));
        if !near.is_empty() && !far.is_empty() {
            kinds.insert("E-core".to_owned(), near.into_iter().collect());
            let low = kinds.entry("LP E-core".to_owned()).or_default();
            far.into_iter().for_each(|cpu| low.insert(cpu));
        }
        kinds
    })
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

/// What the system says of one CPU, beyond its kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Detail {
    max_hertz: Option<f64>,
    base_hertz: Option<f64>,
    capacity: Option<u32>,
    /// Shared by the CPUs whose lists are the same text.
    features: Rc<BTreeSet<String>>,
}

/// Clocks, capacity and features of every CPU.
pub(super) fn details(root: &Root, info: &Cpuinfo<'_>, online: &CpuList) -> BTreeMap<u32, Detail> {
    let key = ["flags", "Features", "features"].into_iter().find(|key| info.first(key).is_some());
    let mut known: BTreeMap<&str, Rc<BTreeSet<String>>> = BTreeMap::new();
    let mut detail = |cpu: u32| {
        let clock = |file: &str| {
            let kilohertz: u32 = root.parse(&format!("{CPUS}/cpu{cpu}/cpufreq/{file}"))?;
            (kilohertz > 0).then(|| f64::from(kilohertz) * 1e3)
        };
        let words = key.and_then(|key| info.of(cpu, key)).unwrap_or_default();
        Detail {
            max_hertz: clock("cpuinfo_max_freq"),
            base_hertz: clock("base_frequency"),
            capacity: root.parse(&format!("{CPUS}/cpu{cpu}/cpu_capacity")),
            features: Rc::clone(
                known
                    .entry(words)
                    .or_insert_with(|| Rc::new(words.split_whitespace().map(str::to_owned).collect())),
            ),
        }
    };
    online.iter().map(|cpu| (cpu, detail(cpu))).collect()
}

/// The features that each CPU of a dump has.
pub(super) fn details_by_cpuid<'a>(
    cpus: impl Iterator<Item = (u32, &'a dyn Reader)>,
) -> BTreeMap<u32, Detail> {
    let detail = |reader: &dyn Reader| Detail {
        features: Rc::new(cpuid::features::features(reader).into_iter().map(str::to_owned).collect()),
        ..Detail::default()
    };
    cpus.map(|(cpu, reader)| (cpu, detail(reader))).collect()
}

/// Adds what the details of its CPUs say of a kind; `common` are the features of all CPUs.
pub(super) fn complete(kind: &mut CoreKind, details: &BTreeMap<u32, Detail>, common: &BTreeSet<&str>) {
    let own: Vec<&Detail> = kind.cpus.iter().filter_map(|cpu| details.get(&cpu)).collect();
    let highest =
        |value: fn(&Detail) -> Option<f64>| own.iter().filter_map(|d| value(d)).max_by(f64::total_cmp);
    kind.max_hertz = highest(|detail| detail.max_hertz);
    kind.base_hertz = highest(|detail| detail.base_hertz);
    kind.capacity = own.iter().filter_map(|detail| detail.capacity).max();
    let Some((first, rest)) = own.split_first() else { return };
    let all_have = |name: &&String| rest.iter().all(|detail| detail.features.contains(*name));
    let beyond = |name: &&String| !common.contains(name.as_str());
    kind.own_features = first.features.iter().filter(beyond).filter(all_have).cloned().collect();
}

/// The kinds for the document: the larger number of the first CPU last, one kind with `name` where nothing differs.
pub(super) fn describe(
    kinds: Option<Kinds>,
    name: Option<String>,
    online: &CpuList,
    cores: Option<&BTreeSet<CpuList>>,
) -> Vec<CoreKind> {
    let first_threads: Option<CpuList> = cores.map(|cores| cores.iter().filter_map(CpuList::first).collect());
    let counted = |cpus: &CpuList| {
        first_threads.as_ref().map_or(cpus.len(), |threads| threads.intersection(cpus).len())
    };
    let mut described: Vec<CoreKind> = match kinds {
        Some(kinds) => {
            let kind = |(name, cpus): (String, CpuList)| CoreKind {
                cores: counted(&cpus),
                name: Some(name),
                cpus,
                ..CoreKind::default()
            };
            kinds.into_iter().map(kind).collect()
        }
        None if online.is_empty() => Vec::new(),
        None => vec![CoreKind { name, cpus: online.clone(), cores: counted(online), ..CoreKind::default() }],
    };
    described.sort_by_key(|kind| kind.cpus.first());
    described
}
