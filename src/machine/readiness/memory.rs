//! Whether memory behaves: huge pages, pages that move, swap, and where processes are laid out.

use super::super::memory;
use super::ReadinessVerdict::{Bad, Ok, Warn};
use super::{Answer, Evidence, remedy};

pub(super) fn huge_pages(evidence: &Evidence<'_>) -> Option<Answer> {
    const PATH: &str = "/sys/kernel/mm/transparent_hugepage";
    let pages = &evidence.machine.memory.huge_pages;
    let mode = pages.transparent.as_deref()?;
    let reserved: u64 = pages.pools.values().fold(0, |sum, &count| sum.saturating_add(count));
    let on = Some(format!("echo madvise | sudo tee {PATH}/enabled"));
    Some(match (mode, pages.defragmentation.as_deref()) {
        ("never", _) if reserved == 0 => {
            let detail =
                "no huge pages, transparent or reserved: large matrices and ceilings pay for TLB misses";
            (Bad, detail.to_owned(), on)
        }
        ("never", _) => {
            let detail =
                "transparent huge pages are off, some are reserved: large matrices pay for TLB misses";
            (Warn, detail.to_owned(), on)
        }
        ("always", Some("always")) => {
            let detail =
                "transparent huge pages: always, defrag always: a first touch may wait for compaction";
            (Warn, detail.to_owned(), Some(format!("echo madvise | sudo tee {PATH}/defrag")))
        }
        (mode, defragmentation) => {
            let defrag = defragmentation.map(|d| format!(", defrag {d}")).unwrap_or_default();
            (
                Ok,
                format!("transparent huge pages: {mode}{defrag}; perfkit asks for them where they help"),
                None,
            )
        }
    })
}

pub(super) fn numa_balancing(evidence: &Evidence<'_>) -> Option<Answer> {
    let mode = evidence.root.parse::<u32>("proc/sys/kernel/numa_balancing")?;
    if evidence.machine.numa.nodes? < 2 {
        let detail = "there is one node: no page has another place to go".to_owned();
        return Some((Ok, detail, None));
    }
    let command = remedy("echo 0 | sudo tee /proc/sys/kernel/numa_balancing");
    Some(match mode {
        0 => (Ok, "the kernel leaves pages on their nodes".to_owned(), None),
        1 => (Warn, "the kernel moves pages between nodes while a case runs".to_owned(), command),
        _ => {
            let detail =
                "the kernel moves pages between tiers of memory while a case runs: it is timed in both";
            (Bad, detail.to_owned(), command)
        }
    })
}

pub(super) fn swap(evidence: &Evidence<'_>) -> Option<Answer> {
    let value = |key: &str| memory::meminfo(evidence.root, key);
    let used = value("SwapTotal:")?.saturating_sub(value("SwapFree:")?);
    let total = evidence.machine.memory.total_bytes.unwrap_or(u64::MAX);
    let shown = crate::units::bytes(used);
    let off = remedy("sudo swapoff -a   (if memory allows)");
    Some(if used == 0 {
        (Ok, "nothing is swapped out".to_owned(), None)
    } else if used > total / 4 {
        (
            Bad,
            format!("{shown} are swapped out, a quarter of memory or more: cases will wait for the disk"),
            off,
        )
    } else {
        (Warn, format!("{shown} are swapped out: a first touch may wait for the disk"), off)
    })
}

pub(super) fn aslr(evidence: &Evidence<'_>) -> Option<Answer> {
    let level: u32 = evidence.root.parse("proc/sys/kernel/randomize_va_space")?;
    let on = remedy("sudo sysctl kernel.randomize_va_space=2");
    Some(match level {
        0 => {
            let detail = "off: every process has the same layout, whose luck no repetition shows";
            (Bad, detail.to_owned(), on)
        }
        1 => (
            Warn,
            "the heap's place is not random: its luck may stay the same in every process".to_owned(),
            on,
        ),
        _ => (Ok, "on: fresh processes see different layouts, and the spread shows it".to_owned(), None),
    })
}
