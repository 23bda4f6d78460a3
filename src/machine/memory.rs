//! Memory: total, page size, huge pages; the modules are in `smbios`.

use std::collections::BTreeMap;

use super::findings::{Fact, Findings};
use super::root::Root;
use super::smbios;
use crate::document::{HugePages, Memory, MemoryTier, SideCache};
use crate::units::CpuList;

/// The folder of the nodes.
pub(super) const NODES: &str = "sys/devices/system/node";

/// Reads the memory below a root; `live_total` is what the kernel tells this process, as a last resort.
pub(super) fn read(
    root: &Root,
    architecture: Option<&str>,
    live_total: Option<u64>,
    findings: &mut Findings,
) -> Memory {
    let total = meminfo_total(root)
        .map(|bytes| Fact::reported(bytes, "procfs"))
        .or_else(|| node_total(root).map(|bytes| Fact::inferred(bytes, "sysfs")))
        .or_else(|| live_total.map(|bytes| Fact::reported(bytes, "kernel")));
    let modules = smbios::modules(root);
    let modules_rate = modules.as_deref().and_then(smbios::bytes_per_second);
    let why = if root.exists(smbios::ENTRIES) {
        "the SMBIOS entries of the modules are not readable (only root may read them) or there are none"
    } else {
        "the system shows no SMBIOS tables (virtual machines and many ARM boards have none)"
    };
    Memory {
        total_bytes: findings.keep(
            "memory.total_bytes",
            total,
            "neither /proc/meminfo nor the NUMA nodes tell",
        ),
        page_bytes: findings.keep(
            "memory.page_bytes",
            page_bytes(root, architecture),
            "a snapshot does not hold it, and the architecture allows several",
        ),
        huge_pages: huge_pages(root, findings),
        modules_bytes_per_second: findings.keep(
            "memory.modules_bytes_per_second",
            modules_rate.map(|rate| Fact::inferred(rate, "smbios")),
            "the speed and width of every module are needed for it",
        ),
        modules: findings.keep("memory.modules", modules.map(|m| Fact::reported(m, "smbios")), why),
        swap_bytes: findings.keep(
            "memory.swap_bytes",
            meminfo(root, "SwapTotal:").map(|bytes| Fact::reported(bytes, "procfs")),
            "there is no /proc/meminfo, or it does not tell",
        ),
        side_caches: side_caches(root, findings),
        tiers: tiers(root, findings),
    }
}

/// `MemTotal:  24684092 kB` in bytes.
fn meminfo_total(root: &Root) -> Option<u64> {
    meminfo(root, "MemTotal:")
}

/// A line of `/proc/meminfo` in bytes.
pub(super) fn meminfo(root: &Root, key: &str) -> Option<u64> {
    kilobytes(root.text("proc/meminfo")?.lines().find_map(|line| line.strip_prefix(key))?)
}

/// Fast memory that caches slow memory, by node.
fn side_caches(root: &Root, findings: &mut Findings) -> Vec<SideCache> {
    let mut caches = Vec::new();
    for node in root.numbered(NODES, "node") {
        let folder = format!("{NODES}/node{node}/memory_side_cache");
        for level in root.numbered(&folder, "index") {
            let file = |name: &str| root.parse::<u64>(&format!("{folder}/index{level}/{name}"));
            let word = |name: &str, words: &[&str]| {
                let code = usize::try_from(file(name)?).ok()?;
                words.get(code).map(|&word| word.to_owned())
            };
            caches.push(SideCache {
                node,
                level,
                size_bytes: file("size").filter(|&size| size > 0),
                line_bytes: file("line_size").filter(|&size| size > 0),
                indexing: word("indexing", &["direct-mapped", "other"]),
                write_policy: word("write_policy", &["write-back", "write-through"]),
            });
        }
    }
    if caches.is_empty() {
        findings.unknown("memory.side_caches", "no node has a folder of memory-side caches");
    } else {
        findings.known("memory.side_caches", Fact::reported((), "sysfs"));
    }
    caches
}

/// The kernel gives faster memory a lower number.
fn tiers(root: &Root, findings: &mut Findings) -> Vec<MemoryTier> {
    const TIERS: &str = "sys/devices/virtual/memory_tiering";
    let tier = |number: u32| {
        let name = format!("memory_tier{number}");
        let nodes: CpuList = root.parse(&format!("{TIERS}/{name}/nodelist"))?;
        Some(MemoryTier { name, nodes })
    };
    let tiers: Vec<MemoryTier> = root.numbered(TIERS, "memory_tier").into_iter().filter_map(tier).collect();
    if tiers.is_empty() {
        findings.unknown("memory.tiers", "the kernel does not sort its nodes into tiers");
    } else {
        findings.known("memory.tiers", Fact::reported((), "sysfs"));
    }
    tiers
}

fn kilobytes(text: &str) -> Option<u64> {
    text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The sum of the nodes' memory, where `/proc/meminfo` is missing from a snapshot.
fn node_total(root: &Root) -> Option<u64> {
    let nodes = root.numbered(NODES, "node");
    nodes.into_iter().filter_map(|node| node_bytes(root, node)).reduce(u64::saturating_add).filter(|&n| n > 0)
}

/// A node's memory.
pub(super) fn node_bytes(root: &Root, node: u32) -> Option<u64> {
    let text = root.text(&format!("{NODES}/node{node}/meminfo"))?;
    kilobytes(text.lines().find_map(|line| line.split_once("MemTotal:"))?.1)
}

/// The size of a base page: the kernel hands it to each process; on some architectures there is only one.
fn page_bytes(root: &Root, architecture: Option<&str>) -> Option<Fact<u64>> {
    const PAGE_SIZE: u64 = 6;
    let vector = || {
        let bytes = root.bytes("proc/self/auxv")?;
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?)))
            .collect();
        words
            .chunks_exact(2)
            .find(|pair| pair[0] == PAGE_SIZE)
            .map(|pair| pair[1])
            .filter(|p| p.is_power_of_two())
    };
    let by_huge_pages =
        || page_of_huge_pages(root, architecture?).map(|bytes| Fact::inferred(bytes, "sysfs"));
    vector().map(|bytes| Fact::reported(bytes, "kernel")).or_else(by_huge_pages).or_else(|| {
        let fixed =
            matches!(architecture?, "x86_64" | "x86" | "s390x" | "riscv64" | "riscv32" | "armv7" | "armv6");
        fixed.then(|| Fact::inferred(4096, "table"))
    })
}

/// On ARM a transparent huge page is what one table of pages maps: 2 MiB of 4 KiB, 32 MiB of 16 KiB, 512 MiB of 64 KiB. Of
/// the pools, one of 64 KiB is only there with the smallest pages, one of 512 MiB with the largest.
fn page_of_huge_pages(root: &Root, architecture: &str) -> Option<u64> {
    if architecture != "aarch64" {
        return None;
    }
    let by_pools = || {
        let pools = pools(root);
        let has = |size: u64| pools.contains_key(&size);
        let of_pages = [(has(64 << 10), 4 << 10), (has(512 << 20), 64 << 10), (has(32 << 20), 16 << 10)];
        of_pages.into_iter().find(|(there, _)| *there).map(|(_, page)| page)
    };
    match root.parse::<u64>("sys/kernel/mm/transparent_hugepage/hpage_pmd_size") {
        Some(bytes) if bytes == 2 << 20 => Some(4 << 10),
        Some(bytes) if bytes == 32 << 20 => Some(16 << 10),
        Some(bytes) if bytes == 512 << 20 => Some(64 << 10),
        Some(_) | None => by_pools(),
    }
}

/// The vector with nothing in it but the size of a page: the rest are addresses.
pub(super) fn page_size_alone(vector: &[u8]) -> Vec<u8> {
    const PAGE_SIZE: [u8; 8] = 6_u64.to_ne_bytes();
    let pairs = vector.chunks_exact(16).filter(|pair| pair.starts_with(&PAGE_SIZE));
    pairs.flatten().copied().chain([0; 16]).collect()
}

fn huge_pages(root: &Root, findings: &mut Findings) -> HugePages {
    const FOLDER: &str = "sys/kernel/mm/transparent_hugepage";
    let mode = root.text(&format!("{FOLDER}/enabled")).and_then(|text| chosen(&text));
    let pools = pools(root);
    if pools.is_empty() {
        findings.unknown(
            "memory.huge_pages.pools",
            "the kernel has no pools of huge pages, or does not show them",
        );
    } else {
        findings.known("memory.huge_pages.pools", Fact::reported((), "sysfs"));
    }
    let transparent_sizes = transparent_sizes(root);
    if !transparent_sizes.is_empty() {
        findings.known("memory.huge_pages.transparent_sizes", Fact::reported((), "sysfs"));
    }
    let defragmentation = root.text(&format!("{FOLDER}/defrag")).and_then(|text| chosen(&text));
    HugePages {
        transparent_sizes,
        defragmentation: findings.keep(
            "memory.huge_pages.defragmentation",
            defragmentation.map(|mode| Fact::reported(mode, "sysfs")),
            "the kernel has no transparent huge pages, or does not show them",
        ),
        transparent: findings.keep(
            "memory.huge_pages.transparent",
            mode.map(|mode| Fact::reported(mode, "sysfs")),
            "the kernel has no transparent huge pages, or does not show them",
        ),
        pools,
    }
}

/// The word in brackets of `always [madvise] never`.
pub(super) fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.trim().to_owned()).filter(|word| !word.is_empty())
}

/// Modes of transparent huge pages of other sizes than the usual one.
fn transparent_sizes(root: &Root) -> BTreeMap<u64, String> {
    const FOLDER: &str = "sys/kernel/mm/transparent_hugepage";
    let size = |name: &String| {
        let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let mode = chosen(&root.text(&format!("{FOLDER}/{name}/enabled"))?)?;
        Some((kilobytes.checked_mul(1024)?, mode))
    };
    root.names(FOLDER).iter().filter_map(size).collect()
}

/// Reserved pages by page size.
fn pools(root: &Root) -> BTreeMap<u64, u64> {
    const FOLDER: &str = "sys/kernel/mm/hugepages";
    let pool = |name: &String| {
        let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        Some((kilobytes.checked_mul(1024)?, root.parse(&format!("{FOLDER}/{name}/nr_hugepages"))?))
    };
    root.names(FOLDER).iter().filter_map(pool).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_stands_in_brackets() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        for text in ["", "always", "[", "[]"] {
            assert_eq!(chosen(text), None, "{text}");
        }
        assert_eq!(kilobytes(" 24684092 kB"), Some(24_684_092 * 1024));
        assert_eq!(kilobytes("99999999999999999999 kB"), None);
    }
}
