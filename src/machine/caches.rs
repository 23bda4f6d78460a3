//! Caches: an instance is a level, a type and the set of online CPUs that share it.

use std::collections::BTreeMap;

use super::cpuinfo::Cpuinfo;
use super::root::Root;
use super::topology::CPUS;
use crate::document::{Cache, CacheInstance, CacheType, UnplacedCache};
use crate::units::CpuList;

/// What tells instances apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InstanceKey {
    pub(super) level: u32,
    pub(super) kind: CacheType,
    pub(super) cpus: CpuList,
}

/// What an instance is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Geometry {
    pub(super) size_bytes: Option<u64>,
    pub(super) line_bytes: Option<u64>,
    pub(super) ways: Option<u64>,
}

/// Every cache instance of a machine.
pub(super) type Instances = BTreeMap<InstanceKey, Geometry>;

/// Reads the caches of the online CPUs.
pub(super) fn read(root: &Root, online: &CpuList) -> Instances {
    let mut instances = Instances::new();
    for cpu in online.iter() {
        let folder = format!("{CPUS}/cpu{cpu}/cache");
        for index in root.numbered(&folder, "index") {
            let folder = format!("{folder}/index{index}");
            if let Some(key) = key(root, &folder, cpu, online) {
                // On large machines most folders describe an instance that another CPU has told already.
                instances.entry(key).or_insert_with(|| geometry(root, &folder));
            }
        }
    }
    instances
}

/// Caches that are named without their CPUs: IBM Z's kernel writes those that several cores share into
/// `/proc/cpuinfo` alone, SPARC's writes sizes for each CPU.
pub(super) fn unplaced(root: &Root, info: &Cpuinfo<'_>, online: &CpuList) -> Vec<UnplacedCache> {
    let mut caches: Vec<UnplacedCache> = (0..16)
        .map_while(|n| info.first(&format!("cache{n}")))
        .filter(|line| line.contains("scope=Shared"))
        .filter_map(z_cache)
        .collect();
    let sparc = [
        (1, CacheType::Data, "l1_dcache"),
        (1, CacheType::Instruction, "l1_icache"),
        (2, CacheType::Unified, "l2_cache"),
    ];
    let Some(first) = online.first() else { return caches };
    for (level, kind, name) in sparc {
        let file =
            |what: &str| root.parse::<u64>(&format!("{CPUS}/cpu{first}/{name}_{what}")).filter(|&n| n > 0);
        if let Some(size) = file("size") {
            caches.push(UnplacedCache {
                level,
                kind,
                size_bytes: Some(size),
                line_bytes: file("line_size"),
                ways: None,
            });
        }
    }
    caches
}

/// `level=3 type=Unified scope=Shared size=65536K line_size=256 associativity=16`
fn z_cache(line: &str) -> Option<UnplacedCache> {
    let value =
        |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let kind = match value("type")? {
        "Data" => CacheType::Data,
        "Instruction" => CacheType::Instruction,
        "Unified" => CacheType::Unified,
        _ => return None,
    };
    let count = |key: &str| value(key)?.parse::<u64>().ok().filter(|&n| n > 0);
    Some(UnplacedCache {
        level: value("level")?.parse().ok()?,
        kind,
        size_bytes: value("size").and_then(parse_size),
        line_bytes: count("line_size"),
        ways: count("associativity"),
    })
}

fn key(root: &Root, folder: &str, cpu: u32, online: &CpuList) -> Option<InstanceKey> {
    let kind = match &*root.text(&format!("{folder}/type"))? {
        "Data" => CacheType::Data,
        "Instruction" => CacheType::Instruction,
        "Unified" => CacheType::Unified,
        _ => return None,
    };
    let level = root.parse(&format!("{folder}/level"))?;
    let shared = root.cpus(&format!("{folder}/shared_cpu_list"), &format!("{folder}/shared_cpu_map"));
    let mut cpus = shared.unwrap_or_default().intersection(online);
    cpus.insert(cpu);
    Some(InstanceKey { level, kind, cpus })
}

fn geometry(root: &Root, folder: &str) -> Geometry {
    // Zero stands for "the firmware did not say".
    let count = |name: &str| root.parse::<u64>(&format!("{folder}/{name}")).filter(|&n| n > 0);
    Geometry {
        size_bytes: root.text(&format!("{folder}/size")).as_deref().and_then(parse_size),
        line_bytes: count("coherency_line_size"),
        ways: count("ways_of_associativity"),
    }
}

/// `48K`, `1024K`, `32M` in bytes; nothing is unknown, not zero.
fn parse_size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let scale = match &text[split..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    text[..split].parse::<u64>().ok()?.checked_mul(scale).filter(|&size| size > 0)
}

/// Instances that are alike, counted: by level, then data, instruction, unified, then larger ones first.
pub(super) fn summarize(instances: &Instances) -> Vec<Cache> {
    let mut groups: BTreeMap<(u32, CacheType, Geometry, usize), usize> = BTreeMap::new();
    for (key, geometry) in instances {
        *groups.entry((key.level, key.kind, *geometry, key.cpus.len())).or_default() += 1;
    }
    let mut caches: Vec<Cache> = groups
        .into_iter()
        .map(|((level, kind, geometry, shared_by_threads), count)| Cache {
            level,
            kind,
            size_bytes: geometry.size_bytes,
            line_bytes: geometry.line_bytes,
            ways: geometry.ways,
            count,
            shared_by_threads,
        })
        .collect();
    caches.sort_by_key(|cache| (cache.level, cache.kind, std::cmp::Reverse(cache.size_bytes)));
    caches
}

/// The caches that hold data, by level and first CPU.
pub(super) fn of_data(instances: &Instances) -> Vec<CacheInstance> {
    let of_data = instances.iter().filter(|(key, _)| key.kind != CacheType::Instruction);
    let instance = |(key, geometry): (&InstanceKey, &Geometry)| CacheInstance {
        level: key.level,
        kind: key.kind,
        size_bytes: geometry.size_bytes,
        cpus: key.cpus.clone(),
    };
    let mut all: Vec<CacheInstance> = of_data.map(instance).collect();
    all.sort_by_key(|cache| (cache.level, cache.cpus.first()));
    all
}

/// The sizes of a CPU's caches of level 1, by type: they differ between kinds of cores. The levels above may differ
/// between dies or clusters of one kind.
pub(super) fn first_level_sizes(instances: &Instances, cpu: u32) -> Vec<(CacheType, Option<u64>)> {
    instances
        .iter()
        .filter(|(key, _)| key.level == 1 && key.cpus.contains(cpu))
        .map(|(key, geometry)| (key.kind, geometry.size_bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_zero_is_unknown() {
        for (text, size) in [
            ("48K", Some(49152)),
            ("32M", Some(33_554_432)),
            ("512", Some(512)),
            ("0K", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text), size, "{text}");
        }
        let line = "level=4 type=Unified scope=Shared size=491520K line_size=256 associativity=30";
        let cache = z_cache(line).unwrap();
        assert_eq!((cache.level, cache.size_bytes, cache.ways), (4, Some(480 << 20), Some(30)));
        assert_eq!(z_cache("level=x type=Unified"), None);
    }
}
