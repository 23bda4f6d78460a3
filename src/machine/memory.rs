//! Memory: total, page size, huge pages; the modules are in `smbios`.

use std::collections::BTreeMap;

use super::findings::{Fact, Findings};
use super::root::Root;
use super::smbios;
use crate::document::{HugePages, Memory};

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
        modules: findings.keep("memory.modules", modules.map(|m| Fact::reported(m, "smbios")), why),
    }
}

/// `MemTotal:  24684092 kB` in bytes.
fn meminfo_total(root: &Root) -> Option<u64> {
    kilobytes(root.text("proc/meminfo")?.lines().find_map(|line| line.strip_prefix("MemTotal:"))?)
}

fn kilobytes(text: &str) -> Option<u64> {
    text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The sum of the nodes' memory, where `/proc/meminfo` is missing from a snapshot.
fn node_total(root: &Root) -> Option<u64> {
    const NODES: &str = "sys/devices/system/node";
    let node = |number: u32| {
        let text = root.text(&format!("{NODES}/node{number}/meminfo"))?;
        kilobytes(text.lines().find_map(|line| line.split_once("MemTotal:"))?.1)
    };
    root.numbered(NODES, "node").into_iter().filter_map(node).reduce(u64::saturating_add).filter(|&n| n > 0)
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
    vector().map(|bytes| Fact::reported(bytes, "kernel")).or_else(|| {
        let fixed =
            matches!(architecture?, "x86_64" | "x86" | "s390x" | "riscv64" | "riscv32" | "armv7" | "armv6");
        fixed.then(|| Fact::inferred(4096, "table"))
    })
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
    }
    HugePages {
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
