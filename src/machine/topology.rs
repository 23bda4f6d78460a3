//! Packages, dies and cores as sets of CPUs, from sysfs, or from `/proc/cpuinfo` where there is no sysfs.
//!
//! A core is the set of its threads, never a `core_id`: ids repeat across packages. CPU numbers are a set: they may
//! have gaps, and CPU 0 may be offline.

use std::collections::{BTreeMap, BTreeSet};

use super::cpuinfo::Cpuinfo;
use super::findings::Fact;
use super::root::Root;
use crate::units::CpuList;

/// How the online CPUs are grouped.
#[derive(Debug, Default)]
pub(super) struct Topology {
    pub(super) online: Option<Fact<CpuList>>,
    pub(super) packages: Option<Fact<usize>>,
    /// Only where a package has several.
    pub(super) dies: Option<Fact<usize>>,
    /// Only where one holds several cores and a package several of them.
    pub(super) clusters: Option<Fact<usize>>,
    /// Levels of IBM Z.
    pub(super) books: Option<Fact<usize>>,
    pub(super) drawers: Option<Fact<usize>>,
    /// The CPUs of each package, where the system names them.
    pub(super) package_sets: BTreeSet<CpuList>,
    pub(super) cores: Option<Fact<BTreeSet<CpuList>>>,
}

/// The folder of the CPUs.
pub(super) const CPUS: &str = "sys/devices/system/cpu";

/// Reads the topology below a root.
pub(super) fn read(root: &Root, info: &Cpuinfo<'_>) -> Topology {
    let Some(online) = online(root, info) else { return Topology::default() };
    let cpus = &online.value;
    let file = |cpu: u32, name: &str| root.parse::<i64>(&format!("{CPUS}/cpu{cpu}/topology/{name}"));
    let set = |cpu: u32, names: [&str; 2]| {
        names.iter().find_map(|name| {
            let path = format!("{CPUS}/cpu{cpu}/topology/{name}");
            root.cpus(&format!("{path}_list"), &path)
                .map(|set| set.intersection(cpus))
                .filter(|s| s.contains(cpu))
        })
    };
    let cores = distinct(cpus, |cpu| set(cpu, ["core_cpus", "thread_siblings"]));
    let package_sets = distinct(cpus, |cpu| set(cpu, ["package_cpus", "core_siblings"]))
        .unwrap_or_else(|| by_package_id(cpus, &file));
    let packages = Some(package_sets.len()).filter(|&count| count > 0);
    let dies = distinct(cpus, |cpu| {
        file(cpu, "die_id").filter(|&id| id >= 0)?;
        set(cpu, ["die_cpus", "die_cpus"])
    });
    let clusters = distinct(cpus, |cpu| {
        file(cpu, "cluster_id").filter(|&id| (0..0xffff).contains(&id))?;
        set(cpu, ["cluster_cpus", "cluster_cpus"])
    });
    let first_threads: CpuList = cores.iter().flatten().filter_map(CpuList::first).collect();
    let holds_cores = |cluster: &CpuList| cluster.intersection(&first_threads).len() > 1;
    let level = |names: [&str; 2]| {
        distinct(cpus, |cpu| set(cpu, names)).map(|sets| Fact::reported(sets.len(), "sysfs"))
    };
    Topology {
        clusters: clusters
            .filter(|sets| packages.is_some_and(|p| sets.len() > p) && sets.iter().any(holds_cores))
            .map(|sets| Fact::reported(sets.len(), "sysfs")),
        books: level(["book_cpus", "book_siblings"]),
        drawers: level(["drawer_cpus", "drawer_siblings"]),
        // Old kernels name a die of one CPU where there is no die level, which gives as many dies as CPUs.
        dies: dies
            .filter(|dies| packages.is_some_and(|p| dies.len() > p) && dies.iter().any(|die| die.len() > 1))
            .map(|dies| Fact::reported(dies.len(), "sysfs")),
        packages: packages.map(|n| Fact::reported(n, "sysfs")).or_else(|| packages_by_cpuinfo(info, cpus)),
        cores: cores.map(|cores| Fact::reported(cores, "sysfs")).or_else(|| cores_by_cpuinfo(info, cpus)),
        package_sets,
        online: Some(online),
    }
}

/// The packages by their numbers, on kernels that name no sets; empty where a CPU has none.
fn by_package_id(cpus: &CpuList, file: &dyn Fn(u32, &str) -> Option<i64>) -> BTreeSet<CpuList> {
    let mut packages: BTreeMap<i64, CpuList> = BTreeMap::new();
    for cpu in cpus.iter() {
        let Some(id) = file(cpu, "physical_package_id") else { return BTreeSet::new() };
        packages.entry(id).or_default().insert(cpu);
    }
    packages.into_values().collect()
}

/// The online CPUs: the kernel's list; on old kernels those with a topology; without sysfs those of `/proc/cpuinfo`.
fn online(root: &Root, info: &Cpuinfo<'_>) -> Option<Fact<CpuList>> {
    let some = |cpus: &CpuList| !cpus.is_empty();
    let listed = || root.parse::<CpuList>(&format!("{CPUS}/online")).filter(some);
    let with_topology = || {
        let here = |cpu: &u32| {
            root.exists(&format!("{CPUS}/cpu{cpu}/topology"))
                && root.text(&format!("{CPUS}/cpu{cpu}/online")).as_deref() != Some("0")
        };
        Some(root.numbered(CPUS, "cpu").into_iter().filter(here).collect()).filter(some)
    };
    listed()
        .map(|cpus| Fact::reported(cpus, "sysfs"))
        .or_else(|| with_topology().map(|cpus| Fact::inferred(cpus, "sysfs")))
        .or_else(|| Some(Fact::inferred(info.cpus(), "procfs")).filter(|fact| some(&fact.value)))
}

/// The distinct answers for all CPUs, or `None` when a CPU has none.
fn distinct<T: Ord>(cpus: &CpuList, answer: impl Fn(u32) -> Option<T>) -> Option<BTreeSet<T>> {
    cpus.iter().map(answer).collect::<Option<BTreeSet<T>>>().filter(|set| !set.is_empty())
}

fn packages_by_cpuinfo(info: &Cpuinfo<'_>, cpus: &CpuList) -> Option<Fact<usize>> {
    distinct(cpus, |cpu| info.of(cpu, "physical id")).map(|ids| Fact::inferred(ids.len(), "procfs"))
}

fn cores_by_cpuinfo(info: &Cpuinfo<'_>, cpus: &CpuList) -> Option<Fact<BTreeSet<CpuList>>> {
    let mut cores: BTreeMap<(&str, &str), CpuList> = BTreeMap::new();
    for cpu in cpus.iter() {
        let id = (info.of(cpu, "physical id")?, info.of(cpu, "core id")?);
        cores.entry(id).or_default().insert(cpu);
    }
    (!cores.is_empty()).then(|| Fact::inferred(cores.into_values().collect(), "procfs"))
}
