//! Memory and NUMA nodes of `perfkit.machine/1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::CpuList;

/// The memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Memory {
    /// All of it.
    pub total_bytes: Option<u64>,
    /// Size of a base page.
    pub page_bytes: Option<u64>,
    /// Pools of huge pages and transparent huge pages.
    pub huge_pages: HugePages,
    /// Modules, where SMBIOS is readable.
    pub modules: Option<Vec<MemoryModule>>,
    /// What the modules could deliver if each had a channel of its own: the sum of transfers x data width / 8.
    pub modules_bytes_per_second: Option<f64>,
    /// Swap space.
    pub swap_bytes: Option<u64>,
    /// Caches in front of memory: fast memory that caches slow memory.
    pub side_caches: Vec<SideCache>,
    /// Tiers by speed, the fastest first.
    pub tiers: Vec<MemoryTier>,
}

/// A memory-side cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SideCache {
    /// The node whose memory it caches.
    pub node: u32,
    /// Counted from the memory: 1 is nearest to it.
    pub level: u32,
    /// Size.
    pub size_bytes: Option<u64>,
    /// Line size.
    pub line_bytes: Option<u64>,
    /// `direct-mapped` or `other`.
    pub indexing: Option<String>,
    /// `write-back` or `write-through`.
    pub write_policy: Option<String>,
}

/// Nodes whose memory is about as fast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemoryTier {
    /// The kernel's name for it: `memory_tier4`.
    pub name: String,
    /// Its nodes.
    pub nodes: CpuList,
}

/// Huge pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HugePages {
    /// `always`, `madvise` or `never`.
    pub transparent: Option<String>,
    /// Transparent huge pages of other sizes, by size in bytes: `always`, `inherit`, `madvise` or `never`.
    pub transparent_sizes: BTreeMap<u64, String>,
    /// What a fault does when no huge page is free: `always`, `defer`, `defer+madvise`, `madvise` or `never`.
    pub defragmentation: Option<String>,
    /// Reserved pages by page size in bytes.
    pub pools: BTreeMap<u64, u64>,
}

/// A memory module. Its serial number is never read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemoryModule {
    /// The slot's name on the board: `DIMM_A1`.
    pub locator: Option<String>,
    /// Capacity.
    pub size_bytes: Option<u64>,
    /// `DDR5`, ...
    pub memory_type: Option<String>,
    /// Transfers per second as configured.
    pub transfers_per_second: Option<f64>,
    /// Transfers per second that the module is made for.
    pub rated_transfers_per_second: Option<f64>,
    /// Data width.
    pub width_bits: Option<u32>,
    /// Data width with the bits for error correction.
    pub total_width_bits: Option<u32>,
    /// Who made it, as the firmware writes it.
    pub manufacturer: Option<String>,
    /// The maker's part number.
    pub part_number: Option<String>,
}

/// NUMA nodes with CPUs or memory of the system's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Numa {
    /// How many.
    pub nodes: Option<usize>,
    /// The firmware's distances.
    pub distances: Option<Vec<Vec<u32>>>,
    /// Each of them, in the order of the distances.
    pub details: Vec<NumaNode>,
    /// Nodes that are memory of a GPU, and count nowhere.
    pub gpu_nodes: CpuList,
}

/// A NUMA node of the system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NumaNode {
    /// The kernel's number for it; numbers may have gaps.
    pub id: u32,
    /// Its online CPUs.
    pub cpus: CpuList,
    /// Its memory.
    pub memory_bytes: Option<u64>,
    /// What the firmware promises to its nearest CPUs (HMAT).
    pub read_bytes_per_second: Option<f64>,
    /// Latency that the firmware promises to its nearest CPUs (HMAT).
    pub read_seconds: Option<f64>,
}
