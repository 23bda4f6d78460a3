//! Caches by the device tree, on ARM and POWER kernels that have no folders of them: each core's node states the sizes of
//! its first-level caches and points to the levels above.

use std::collections::{BTreeMap, BTreeSet};

use super::caches::{Geometry, InstanceKey, Instances};
use super::root::Root;
use crate::document::CacheType;
use crate::units::CpuList;

/// Where kernels show the tree.
const TREES: [&str; 2] = ["sys/firmware/devicetree/base", "proc/device-tree"];

/// Levels that pointers are followed through.
const MOST_LEVELS: u32 = 4;

/// The caches of the cores, where the tree has as many cores as the system, and its name as their source.
pub(super) fn caches(root: &Root, cores: &BTreeSet<CpuList>, online: &CpuList) -> (Instances, &'static str) {
    let mut instances = Instances::new();
    let Some(tree) = TREES.into_iter().find(|tree| root.exists(&format!("{tree}/cpus"))) else {
        return (instances, "device tree");
    };
    // Without sets of threads every CPU is a core.
    let single = || online.iter().map(|cpu| CpuList::from_iter([cpu])).collect();
    let cores: BTreeSet<CpuList> = if cores.is_empty() { single() } else { cores.clone() };
    let handles = handles(root, tree);
    let mut nodes: Vec<(u32, String)> = core_nodes(root, tree);
    nodes.sort_unstable();
    if nodes.len() != cores.len() {
        return (instances, "device tree");
    }
    let mut ordered: Vec<&CpuList> = cores.iter().collect();
    ordered.sort_by_key(|core| core.first());
    // Caches above the first level, by their node: all cores that point there share them.
    let mut shared: BTreeMap<(String, u32, CacheType), (CpuList, Geometry)> = BTreeMap::new();
    for ((_, node), cpus) in nodes.iter().zip(ordered) {
        for (kind, prefix) in [(CacheType::Data, "d-cache"), (CacheType::Instruction, "i-cache")] {
            if let Some(geometry) = geometry(root, node, prefix) {
                instances.insert(InstanceKey { level: 1, kind, cpus: cpus.clone() }, geometry);
            }
        }
        let mut at = node.clone();
        for level in 2..=MOST_LEVELS {
            let pointer =
                ["next-level-cache", "l2-cache"].iter().find_map(|name| cell(root, &format!("{at}/{name}")));
            let Some(next) = pointer.and_then(|handle| handles.get(&handle)) else { break };
            let unified = ["cache", "d-cache"].iter().find_map(|prefix| geometry(root, next, prefix));
            if let Some(geometry) = unified {
                let entry = shared.entry((next.clone(), level, CacheType::Unified));
                let cpu_set = &mut entry.or_insert_with(|| (CpuList::default(), geometry)).0;
                cpus.iter().for_each(|cpu| cpu_set.insert(cpu));
            }
            at.clone_from(next);
        }
    }
    let above = shared
        .into_iter()
        .map(|((_, level, kind), (cpus, geometry))| (InstanceKey { level, kind, cpus }, geometry));
    instances.extend(above);
    (instances, "device tree")
}

/// The nodes of cores, with the number by which the hardware knows them.
fn core_nodes(root: &Root, tree: &str) -> Vec<(u32, String)> {
    let folder = format!("{tree}/cpus");
    let node = |name: &String| {
        let path = format!("{folder}/{name}");
        let is_core = root.text(&format!("{path}/device_type")).is_some_and(|kind| kind == "cpu");
        let number = cell(root, &format!("{path}/reg"))
            .or_else(|| u32::from_str_radix(name.rsplit_once('@')?.1, 16).ok());
        is_core.then(|| Some((number?, path))).flatten()
    };
    root.names(&folder).iter().filter_map(node).collect()
}

/// The nodes that others point to, which lie beside the cores or below them.
fn handles(root: &Root, tree: &str) -> BTreeMap<u32, String> {
    let folder = format!("{tree}/cpus");
    let mut handles = BTreeMap::new();
    let mut add = |path: String| {
        let names = ["phandle", "linux,phandle", "ibm,phandle"];
        for handle in names.iter().filter_map(|name| cell(root, &format!("{path}/{name}"))) {
            handles.entry(handle).or_insert_with(|| path.clone());
        }
    };
    let is_cache = |name: &&String| name.contains("cache") && !name.contains("-cache-");
    for name in root.names(&folder) {
        let path = format!("{folder}/{name}");
        for below in root.names(&path).iter().filter(is_cache) {
            add(format!("{path}/{below}"));
        }
        add(path);
    }
    for name in root.names(tree).iter().filter(is_cache) {
        add(format!("{tree}/{name}"));
    }
    handles
}

/// `d-cache-size`, `d-cache-line-size`, `d-cache-sets` as the standard names them; POWER writes block sizes.
fn geometry(root: &Root, node: &str, prefix: &str) -> Option<Geometry> {
    let value = |what: &str| cell(root, &format!("{node}/{prefix}-{what}")).filter(|&n| n > 0).map(u64::from);
    let size = value("size")?;
    let line = value("line-size").or_else(|| value("block-size"));
    // One set is full associativity, which the standard writes so.
    let ways = value("sets").zip(line).map(|(sets, line)| size / sets / line).filter(|&ways| ways > 0);
    Some(Geometry { size_bytes: Some(size), line_bytes: line, ways })
}

/// The last cell of a property: 32 bits, the highest byte first.
fn cell(root: &Root, path: &str) -> Option<u32> {
    let bytes = root.bytes(path)?;
    Some(u32::from_be_bytes(*bytes.last_chunk::<4>()?))
}
