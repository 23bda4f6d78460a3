//! Packages, dies and cores as sets of CPUs, from sysfs, or from `/proc/cpuinfo` where there is no sysfs.
//!
//! A core is the set of its threads, never a `core_id`: ids repeat across packages. CPU numbers are a set: they may
//! have gaps, and CPU 0 may be offline.

use std::collections::BTreeSet;

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
    let packages = distinct(cpus, |cpu| set(cpu, ["package_cpus", "core_siblings"]))
        .map(|sets| sets.len())
        .or_else(|| distinct(cpus, |cpu| file(cpu, "physical_package_id")).map(|ids| ids.len()));
    let dies = distinct(cpus, |cpu| {
        file(cpu, "die_id").filter(|&id| id >= 0)?;
        set(cpu, ["die_cpus", "die_cpus"])
    });
    Topology {
        // Old kernels name a die of one CPU where there is no die level, which gives as many dies as CPUs.
        dies: dies
            .filter(|dies| packages.is_some_and(|p| dies.len() > p) && dies.iter().any(|die| die.len() > 1))
            .map(|dies| Fact::reported(dies.len(), "sysfs")),
        packages: packages.map(|n| Fact::reported(n, "sysfs")).or_else(|| packages_by_cpuinfo(info, cpus)),
        cores: cores.map(|cores| Fact::reported(cores, "sysfs")).or_else(|| cores_by_cpuinfo(info, cpus)),
        online: Some(online),
    }
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
    let core = |cpu: u32| Some((info.of(cpu, "physical id")?, info.of(cpu, "core id")?));
    let ids = distinct(cpus, core)?;
    let threads = |id| cpus.iter().filter(|&cpu| core(cpu) == Some(id)).collect();
    Some(Fact::inferred(ids.into_iter().map(threads).collect(), "procfs"))
}
