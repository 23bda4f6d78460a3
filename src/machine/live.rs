//! What only a running system can tell, and a snapshot keeps in a file of its own beside `sys` and `proc`.

use serde::{Deserialize, Serialize};

use super::archive::{Archive, Entry};
use super::cpuid::{self, DumpedCpu, Reader, Recording};
use super::gpus::Driver;
use super::kinds::Kinds;
use super::root::Root;
use crate::simd::Tier;
use crate::units::CpuList;

/// The file in a snapshot.
const FILE: &str = "perfkit/live.json";

/// Facts beside the files.
pub(super) struct Live {
    pub(super) affinity: Option<CpuList>,
    pub(super) cpuid: Option<Recording>,
    /// The kinds of cores that the CPUs name themselves.
    pub(super) kinds: Option<Kinds>,
    pub(super) tiers: Vec<Tier>,
    pub(super) driver: Driver,
    pub(super) memory_total_bytes: Option<u64>,
    pub(super) architecture: String,
}

/// The same as a snapshot holds it.
#[derive(Serialize, Deserialize)]
struct Stored {
    affinity: Option<CpuList>,
    /// Lines as in a dump of CPUID.
    cpuid: String,
    #[serde(default)]
    kinds: Option<Kinds>,
    tiers: Vec<Tier>,
    driver: Driver,
    memory_total_bytes: Option<u64>,
    architecture: String,
}

impl Live {
    /// Asks this system.
    pub(super) fn now() -> Self {
        let affinity = crate::sys::threads::affinity().map(CpuList::from_iter);
        Self {
            kinds: affinity.as_ref().and_then(cpuid::live_kinds),
            affinity,
            cpuid: cpuid::live().map(Recording::new),
            tiers: Tier::available().collect(),
            driver: Driver::ask(),
            memory_total_bytes: crate::sys::resources::memory_now().map(|memory| memory.0),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }

    /// What a snapshot below `root` holds of it.
    pub(super) fn of(root: &Root) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(&root.bytes(FILE)?).ok()?;
        let cpu = DumpedCpu::parse(&stored.cpuid);
        Some(Self {
            affinity: stored.affinity,
            cpuid: (!cpu.is_empty()).then(|| Recording::new(Box::new(cpu))),
            kinds: stored.kinds,
            tiers: stored.tiers,
            driver: stored.driver,
            memory_total_bytes: stored.memory_total_bytes,
            architecture: stored.architecture,
        })
    }

    /// CPUID of one CPU.
    pub(super) fn reader(&self) -> Option<&dyn Reader> {
        self.cpuid.as_ref().map(|cpuid| cpuid as &dyn Reader)
    }

    /// Puts what was asked into a snapshot.
    pub(super) fn store(self, archive: &mut Archive) -> serde_json::Result<()> {
        let stored = Stored {
            affinity: self.affinity,
            cpuid: self.cpuid.map(|cpuid| cpuid.lines()).unwrap_or_default(),
            kinds: self.kinds,
            tiers: self.tiers,
            driver: self.driver,
            memory_total_bytes: self.memory_total_bytes,
            architecture: self.architecture,
        };
        archive.insert(FILE, Entry::File(serde_json::to_vec(&stored)?));
        Ok(())
    }
}
