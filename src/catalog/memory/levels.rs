//! Memory levels, and how much must be walked over to see each of them.

use crate::catalog::Extensiveness;
use crate::document::Machine;

/// Where the arrays fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    L1,
    L2,
    L3,
    Dram,
}

impl Level {
    /// Bytes that `threads` threads together should walk over, smallest first; several, because which of them shows a
    /// level's best rate depends on associativity, page placement and who else uses the cache.
    pub(super) fn footprints(
        self,
        machine: &Machine,
        threads: usize,
        extensiveness: Extensiveness,
    ) -> Vec<u64> {
        let quick = extensiveness == Extensiveness::Quick;
        let of = |level: u32, shares: &[(u64, u64)]| {
            let Some(bytes) = machine.cache_bytes(level) else { return Vec::new() };
            let instances = (threads / shared_by(machine, level).max(1)).max(1) as u64;
            shares.iter().map(|(part, of)| bytes * part / of * instances).collect()
        };
        match self {
            Self::L1 | Self::L2 if quick => of(self.number(), &[(1, 2), (3, 4)]),
            Self::L1 | Self::L2 => of(self.number(), &[(1, 3), (1, 2), (3, 4)]),
            // A guest shares this level with whoever else is on the host: small shares are what it can count on.
            Self::L3 if quick => of(3, &[(1, 8), (1, 4)]),
            Self::L3 => of(3, &[(1, 8), (1, 4), (1, 2)]),
            Self::Dram => vec![dram_footprint(machine)],
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
            Self::Dram => 4,
        }
    }
}

/// Threads that share one instance of a level, at least 1.
fn shared_by(machine: &Machine, level: u32) -> usize {
    let caches = machine.cpu.caches.iter();
    caches.filter(|cache| cache.level == level).map(|cache| cache.shared_by_threads).max().unwrap_or(1)
}

/// Four times the last cache, within 64 MiB to 1 GiB and an eighth of what memory there is.
pub(in crate::catalog) fn dram_footprint(machine: &Machine) -> u64 {
    let last_cache = (1..=4).rev().find_map(|level| machine.cache_bytes(level)).unwrap_or(0);
    let memory = [machine.memory.total_bytes, machine.limits.memory_limit_bytes].into_iter().flatten().min();
    (4 * last_cache).clamp(64 << 20, 1 << 30).min(memory.map_or(u64::MAX, |bytes| bytes / 8))
}
