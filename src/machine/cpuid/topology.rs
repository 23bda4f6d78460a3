//! Packages, dies, cores, caches and kinds of cores from the CPUID of every CPU.
//!
//! A CPU's APIC id holds, from the low bits up, its number in the core, in the die and in the package; the leaves tell
//! how many bits each has (Intel's manual, volume 3A, "programming considerations for hardware multi-threading";
//! AMD's manual, volume 3, appendix E).

use std::collections::{BTreeMap, BTreeSet};

use super::{Reader, signature};
use crate::document::{CacheType, UnplacedCache};
use crate::machine::caches::{Geometry, InstanceKey, Instances};
use crate::machine::findings::Fact;
use crate::machine::topology::Topology;
use crate::units::CpuList;

/// A CPU's APIC id and how far to shift it for the id of each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    apic: u32,
    core_shift: u32,
    die_shift: Option<u32>,
    package_shift: u32,
}

/// The topology that the CPUs of a dump describe.
pub(in crate::machine) fn topology<R: Reader>(cpus: &BTreeMap<u32, R>) -> Topology {
    let places: BTreeMap<u32, Place> =
        cpus.iter().filter_map(|(&cpu, reader)| Some((cpu, place(reader)?))).collect();
    let online: CpuList = cpus.keys().copied().collect();
    if online.is_empty() {
        return Topology::default();
    }
    let groups = |shift: &dyn Fn(&Place) -> Option<u32>| -> Option<BTreeSet<CpuList>> {
        let mut groups: BTreeMap<u32, CpuList> = BTreeMap::new();
        for (&cpu, place) in &places {
            groups.entry(shifted(place.apic, shift(place)?)).or_default().insert(cpu);
        }
        (places.len() == online.len()).then(|| groups.into_values().collect())
    };
    let packages = groups(&|place| Some(place.package_shift)).map(|packages| packages.len());
    let dies = groups(&|place| place.die_shift).map(|dies| dies.len());
    Topology {
        online: Some(Fact::reported(online.clone(), "cpuid")),
        packages: packages.map(|n| Fact::reported(n, "cpuid")),
        package_sets: groups(&|place| Some(place.package_shift)).unwrap_or_default(),
        dies: dies.filter(|&dies| packages.is_some_and(|p| dies > p)).map(|n| Fact::reported(n, "cpuid")),
        cores: groups(&|place| Some(place.core_shift)).map(|cores| Fact::reported(cores, "cpuid")),
        ..Topology::default()
    }
}

fn shifted(apic: u32, shift: u32) -> u32 {
    apic.checked_shr(shift).unwrap_or(0)
}

fn place(cpu: &dyn Reader) -> Option<Place> {
    by_extended_leaf(cpu, 0x1f)
        .or_else(|| by_extended_leaf(cpu, 0xb))
        .or_else(|| by_amd_leaves(cpu))
        .or_else(|| by_old_leaves(cpu))
}

/// Leaf 1Fh, or Bh that knows threads and cores only: each subleaf gives the shift to the level above it.
fn by_extended_leaf(cpu: &dyn Reader, leaf: u32) -> Option<Place> {
    let first = cpu.read(leaf, 0).filter(|r| r.ebx & 0xffff != 0)?;
    let mut place = Place { apic: first.edx, core_shift: 0, die_shift: None, package_shift: 0 };
    for subleaf in 0..8 {
        let level = cpu.leaf(leaf, subleaf);
        match level.ecx >> 8 & 0xff {
            0 => break,
            1 => place.core_shift = level.eax & 31,
            5 => place.die_shift = Some(place.package_shift),
            _ => {}
        }
        place.package_shift = level.eax & 31;
    }
    Some(place)
}

/// AMD before leaf Bh: 8000_0008h gives the bits of the number in the package, 8000_001Eh the threads of a core.
fn by_amd_leaves(cpu: &dyn Reader) -> Option<Place> {
    let size = cpu.read(0x8000_0008, 0).filter(|r| r.ecx & 0xff != 0)?.ecx;
    let apic = cpu.read(1, 0)?.ebx >> 24;
    let bits = match size >> 12 & 15 {
        0 => bits_for((size & 0xff) + 1),
        bits => bits,
    };
    let topoext = cpu.leaf(0x8000_0001, 0).ecx >> 22 & 1 == 1;
    let unit = cpu.leaf(0x8000_001e, 0);
    let threads = if topoext { (unit.ebx >> 8 & 0xff) + 1 } else { 1 };
    // From family 17h on these are the threads of a core; on family 15h the cores of a module, which are cores.
    let smt = signature(cpu).is_some_and(|s| s.family >= 0x17);
    let core_shift = if smt { bits_for(threads) } else { 0 };
    Some(Place { apic, core_shift, die_shift: None, package_shift: bits })
}

/// Leaves 1 and 4: logical processors of the package over its cores.
fn by_old_leaves(cpu: &dyn Reader) -> Option<Place> {
    let version = cpu.read(1, 0)?;
    let logical = if version.edx >> 28 & 1 == 1 { (version.ebx >> 16 & 0xff).max(1) } else { 1 };
    let cores = cpu.read(4, 0).map_or(1, |r| (r.eax >> 26) + 1);
    let package_shift = bits_for(logical.max(cores));
    let core_shift = package_shift.saturating_sub(bits_for(cores));
    Some(Place { apic: version.ebx >> 24, core_shift, die_shift: None, package_shift })
}

/// Bits that hold the numbers below `count`.
fn bits_for(count: u32) -> u32 {
    count.max(1).next_power_of_two().trailing_zeros()
}

/// The caches that the CPUs of a dump describe: leaf 4, or 8000_001Dh on AMD.
pub(in crate::machine) fn caches<R: Reader>(cpus: &BTreeMap<u32, R>) -> Instances {
    let mut sharing: BTreeMap<(u32, CacheType, Geometry, u32), CpuList> = BTreeMap::new();
    for (&cpu, reader) in cpus {
        let Some(place) = place(reader) else { continue };
        for (level, kind, geometry, sharers) in cache_leaves(reader) {
            let id = shifted(place.apic, bits_for(sharers));
            sharing.entry((level, kind, geometry, id)).or_default().insert(cpu);
        }
    }
    let instance = |((level, kind, geometry, _), cpus)| (InstanceKey { level, kind, cpus }, geometry);
    sharing.into_iter().map(instance).collect()
}

/// The caches of one CPU without the others' word on who shares them.
pub(in crate::machine) fn unplaced(cpu: &dyn Reader) -> Vec<UnplacedCache> {
    let cache = |(level, kind, geometry, _): (u32, CacheType, Geometry, u32)| UnplacedCache {
        level,
        kind,
        size_bytes: geometry.size_bytes,
        line_bytes: geometry.line_bytes,
        ways: geometry.ways,
    };
    cache_leaves(cpu).into_iter().map(cache).collect()
}

/// AMD before 8000_001Dh: first level in 8000_0005h, the others in 8000_0006h. The first two belong to a core, the third
/// to all cores of a node.
fn old_amd_caches(cpu: &dyn Reader) -> Vec<(u32, CacheType, Geometry, u32)> {
    let (first, above) = (cpu.leaf(0x8000_0005, 0), cpu.leaf(0x8000_0006, 0));
    // Fields of associativity above the first level are codes.
    let coded = |code: u32| match code & 15 {
        ways @ (1 | 2 | 4) => Some(u64::from(ways)),
        6 => Some(8),
        8 => Some(16),
        0xa => Some(32),
        0xb => Some(48),
        0xc => Some(64),
        0xd => Some(96),
        0xe => Some(128),
        _ => None,
    };
    let geometry = |size: u32, unit: u64, line: u32, ways: Option<u64>| Geometry {
        size_bytes: Some(u64::from(size) * unit),
        line_bytes: Some(u64::from(line)).filter(|&line| line > 0),
        ways,
    };
    let level_one = |register: u32| {
        geometry(
            register >> 24,
            1 << 10,
            register & 0xff,
            Some(u64::from(register >> 16 & 0xff)).filter(|&w| w > 0 && w < 0xff),
        )
    };
    let cores = (cpu.leaf(0x8000_0008, 0).ecx & 0xff) + 1;
    let nodes = (cpu.leaf(0x8000_001e, 0).ecx >> 8 & 7) + 1;
    let package_l3 = above.edx >> 18;
    let caches = [
        (1, CacheType::Data, level_one(first.ecx), 1),
        (1, CacheType::Instruction, level_one(first.edx), 1),
        (
            2,
            CacheType::Unified,
            geometry(above.ecx >> 16, 1 << 10, above.ecx & 0xff, coded(above.ecx >> 12)),
            1,
        ),
        (
            3,
            CacheType::Unified,
            geometry(package_l3 / nodes, 512 << 10, above.edx & 0xff, coded(above.edx >> 12)),
            cores.div_ceil(nodes),
        ),
    ];
    caches.into_iter().filter(|cache| cache.2.size_bytes != Some(0)).collect()
}

fn cache_leaves(cpu: &dyn Reader) -> Vec<(u32, CacheType, Geometry, u32)> {
    let amd = cpu.leaf(0x8000_0001, 0).ecx >> 22 & 1 == 1 && cpu.leaf(0x8000_001d, 0).eax & 31 != 0;
    let leaf = if amd { 0x8000_001d } else { 4 };
    if cpu.leaf(leaf, 0).eax & 31 == 0 {
        return old_amd_caches(cpu);
    }
    let mut caches = Vec::new();
    for subleaf in 0..16 {
        let registers = cpu.leaf(leaf, subleaf);
        let kind = match registers.eax & 31 {
            1 => CacheType::Data,
            2 => CacheType::Instruction,
            3 => CacheType::Unified,
            _ => break,
        };
        let line = u64::from(registers.ebx & 0xfff) + 1;
        let partitions = u64::from(registers.ebx >> 12 & 0x3ff) + 1;
        let ways = u64::from(registers.ebx >> 22) + 1;
        let sets = u64::from(registers.ecx) + 1;
        let geometry = Geometry {
            size_bytes: Some(line * partitions * ways * sets),
            line_bytes: Some(line),
            ways: Some(ways),
        };
        caches.push((registers.eax >> 5 & 7, kind, geometry, (registers.eax >> 14 & 0xfff) + 1));
    }
    caches
}

/// The kind of core that a CPU says it is: leaf 1Ah (Intel), 8000_0026h (AMD).
pub(in crate::machine) fn core_kind(cpu: &dyn Reader) -> Option<&'static str> {
    if cpu.leaf(7, 0).edx >> 15 & 1 == 1 {
        return match cpu.leaf(0x1a, 0).eax >> 24 {
            // Cores on the die of the system agent have no cache of the third level.
            0x20 if !cache_leaves(cpu).iter().any(|cache| cache.0 == 3) => Some("LP E-core"),
            0x20 => Some("E-core"),
            0x40 => Some("P-core"),
            _ => None,
        };
    }
    let amd = cpu.read(0x8000_0026, 0).filter(|r| r.eax >> 30 & 1 == 1)?;
    match amd.ebx >> 28 {
        0 => Some("performance core"),
        1 => Some("efficiency core"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::DumpedCpu;
    use super::*;

    fn summary(topology: &Topology) -> (usize, usize, usize) {
        let count = |fact: &Option<Fact<usize>>| fact.as_ref().map_or(0, |f| f.value);
        (
            count(&topology.packages),
            count(&topology.dies),
            topology.cores.as_ref().map_or(0, |c| c.value.len()),
        )
    }

    #[test]
    fn apic_ids_split_into_threads_dies_and_packages() {
        // Two threads a core (1 bit), two cores a die (1 bit), two dies a package (1 bit), two packages.
        let cpu = |apic: u32| {
            DumpedCpu::parse(&format!(
                "5 1f 0 0 0 => 1 2 100 {apic:x}\n5 1f 0 1 0 => 2 4 201 {apic:x}\n5 1f 0 2 0 => 3 8 502 {apic:x}\n\
                 5 4 0 0 0 => 4021 1c0003f 3f 0\n5 4 0 1 0 => c063 3c0003f fff 0\n"
            ))
        };
        let cpus: BTreeMap<u32, DumpedCpu> = (0..16).map(|apic| (apic, cpu(apic))).collect();
        assert_eq!(summary(&topology(&cpus)), (2, 4, 8));
        let instances = caches(&cpus);
        let shared: Vec<(u32, usize)> = instances.keys().map(|key| (key.level, key.cpus.len())).collect();
        assert_eq!(shared.iter().filter(|&&x| x == (1, 2)).count(), 8);
        assert_eq!(shared.iter().filter(|&&x| x == (3, 4)).count(), 4);
    }

    #[test]
    fn processors_without_the_topology_leaf_are_counted_by_the_old_ones() {
        let cpu = |apic: u32| {
            DumpedCpu::parse(&format!(
                "1 1 0 0 0 => 10676 {apic:02x}040800 0 10000000\n5 4 0 0 0 => c000121 0 0 0\n"
            ))
        };
        let cpus: BTreeMap<u32, DumpedCpu> = (0..4).map(|apic| (apic, cpu(apic))).collect();
        assert_eq!(summary(&topology(&cpus)), (1, 0, 4));
        assert_eq!(summary(&topology(&BTreeMap::<u32, DumpedCpu>::new())), (0, 0, 0));
    }
}
