//! NUMA nodes of the system: those with CPUs or memory of its own. Memory of a GPU that appears as a node is not one.

use std::collections::BTreeSet;

use super::findings::{Fact, Findings};
use super::memory::{NODES, node_bytes};
use super::root::Root;
use crate::document::{Numa, NumaNode};
use crate::units::CpuList;

/// Reads the nodes below a root.
pub(super) fn read(root: &Root, online: &CpuList, findings: &mut Findings) -> Numa {
    let all = root.numbered(NODES, "node");
    if all.is_empty() {
        let nodes = Some(findings.known("numa.nodes", Fact::inferred(1, "sysfs")));
        findings.unknown("numa.distances", "the system has no folder of NUMA nodes: one node is inferred");
        return Numa { nodes, ..Numa::default() };
    }
    let gpu_nodes = gpu_nodes(root, &all);
    if !gpu_nodes.is_empty() {
        findings.known("numa.gpu_nodes", Fact::inferred((), "sysfs"));
    }
    let own: Vec<u32> = all.iter().copied().filter(|node| !gpu_nodes.contains(node)).collect();
    let distances = distances(root, &all, &own).map(|rows| Fact::reported(rows, "sysfs"));
    findings.known("numa.details", Fact::reported((), "sysfs"));
    Numa {
        details: own.iter().map(|&node| detail(root, node, online)).collect(),
        gpu_nodes: gpu_nodes.into_iter().collect(),
        nodes: Some(findings.known("numa.nodes", Fact::reported(own.len(), "sysfs"))),
        distances: findings.keep(
            "numa.distances",
            distances,
            "the nodes have no distance files, or broken ones",
        ),
    }
}

/// The CPUs of some nodes.
pub(super) fn cpus_of(root: &Root, nodes: &CpuList) -> CpuList {
    let of =
        |node: u32| root.cpus(&format!("{NODES}/node{node}/cpulist"), &format!("{NODES}/node{node}/cpumap"));
    let lists: Vec<CpuList> = nodes.iter().take(1024).filter_map(of).collect();
    lists.iter().flat_map(CpuList::iter).collect()
}

/// What the system says of a node. The firmware's promises hold for its nearest CPUs, in MB/s and nanoseconds.
fn detail(root: &Root, id: u32, online: &CpuList) -> NumaNode {
    let folder = format!("{NODES}/node{id}");
    let cpus = root.cpus(&format!("{folder}/cpulist"), &format!("{folder}/cpumap")).unwrap_or_default();
    let promise = |name: &str| {
        let value: u32 = root.parse(&format!("{folder}/access0/initiators/{name}"))?;
        Some(f64::from(value)).filter(|&value| value > 0.0)
    };
    NumaNode {
        id,
        cpus: cpus.intersection(online),
        memory_bytes: node_bytes(root, id),
        read_bytes_per_second: promise("read_bandwidth").map(|megabytes| megabytes * 1e6),
        read_seconds: promise("read_latency").map(|nanoseconds| nanoseconds * 1e-9),
    }
}

/// The rows and columns of the system's own nodes. A row has a column for each online node, in their order.
fn distances(root: &Root, all: &[u32], own: &[u32]) -> Option<Vec<Vec<u32>>> {
    let columns: Vec<usize> = own.iter().filter_map(|node| all.iter().position(|n| n == node)).collect();
    let row = |node: &u32| {
        let text = root.text(&format!("{NODES}/node{node}/distance"))?;
        let row: Vec<u32> = text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        (row.len() == all.len()).then(|| columns.iter().map(|&column| row[column]).collect())
    };
    own.iter().map(row).collect()
}

/// The nodes that are memory of a GPU: those that NVIDIA's driver names, and where it names none, those without CPUs
/// that have memory but no normal memory on a machine with an NVIDIA device. (Expanders over CXL may look the same, but
/// not on machines whose GPUs are coherent, which are POWER9 and Grace.)
fn gpu_nodes(root: &Root, all: &[u32]) -> BTreeSet<u32> {
    const GPUS: &str = "proc/driver/nvidia/gpus";
    let named = |gpu: &String| {
        let status = root.text(&format!("{GPUS}/{gpu}/numa_status"))?;
        status.lines().find_map(|line| line.strip_prefix("Node:")?.trim().parse().ok())
    };
    let named: BTreeSet<u32> = root.names(GPUS).iter().filter_map(named).collect();
    if !named.is_empty() || !has_nvidia_device(root) {
        return named;
    }
    let list = |name: &str| root.parse::<CpuList>(&format!("{NODES}/{name}"));
    let (Some(memory), Some(normal)) = (list("has_memory"), list("has_normal_memory")) else { return named };
    let without_cpus = |node: u32| {
        let folder = format!("{NODES}/node{node}");
        root.cpus(&format!("{folder}/cpulist"), &format!("{folder}/cpumap"))
            .is_none_or(|cpus| cpus.is_empty())
    };
    all.iter().copied().filter(|&n| memory.contains(n) && !normal.contains(n) && without_cpus(n)).collect()
}

/// Whether a PCI device is a display or 3D controller of NVIDIA's; a snapshot may lack the vendor.
fn has_nvidia_device(root: &Root) -> bool {
    const DEVICES: &str = "sys/bus/pci/devices";
    root.names(DEVICES).iter().any(|device| {
        let file = |name: &str| root.text(&format!("{DEVICES}/{device}/{name}"));
        file("class").is_some_and(|class| class.starts_with("0x03"))
            && file("vendor").is_none_or(|vendor| vendor == "0x10de")
    })
}
