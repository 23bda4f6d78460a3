//! The processors of `perfkit.machine/1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::simd::Tier;
use crate::units::CpuList;

/// The processors that are online.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cpu {
    /// As CPUID or the device tree says: `AuthenticAMD`.
    pub vendor: Option<String>,
    /// The marketing name.
    pub brand: Option<String>,
    /// `Zen 5`, by family and model or implementer and part.
    pub microarchitecture: Option<String>,
    /// `x86_64`, `aarch64`, ...
    pub architecture: Option<String>,
    /// CPUID family, where there is one.
    pub family: Option<u32>,
    /// CPUID model.
    pub model: Option<u32>,
    /// CPUID stepping.
    pub stepping: Option<u32>,
    /// Sockets.
    pub packages: Option<usize>,
    /// Drawers (IBM Z), where the system has that level.
    pub drawers: Option<usize>,
    /// Books (IBM Z), where the system has that level.
    pub books: Option<usize>,
    /// Dies, where the system knows a die level.
    pub dies: Option<usize>,
    /// Clusters of cores inside a package, where the system knows that level and one holds several cores.
    pub clusters: Option<usize>,
    /// Physical cores.
    pub cores: Option<usize>,
    /// Hardware threads.
    pub threads: Option<usize>,
    /// The CPUs of each package.
    pub package_cpus: Vec<CpuList>,
    /// The CPUs of each core.
    pub core_cpus: Vec<CpuList>,
    /// The online CPUs.
    pub online_cpus: CpuList,
    /// Kinds of cores, one entry where all are alike.
    pub kinds: Vec<CoreKind>,
    /// Caches by level, type and size.
    pub caches: Vec<Cache>,
    /// How the latency of loads confirms their sizes (`detect --measure`).
    pub knees: Option<Vec<CacheKnee>>,
    /// Every cache of data with its CPUs.
    pub cache_instances: Vec<CacheInstance>,
    /// Caches that the system names without saying which CPUs share them.
    pub unplaced_caches: Vec<UnplacedCache>,
    /// The tiers that kernels may use.
    pub tiers: Vec<Tier>,
    /// What the features amount to, by the names that people use.
    pub isa: Isa,
    /// Instruction-set features by their Linux names: those that every online CPU has and the system lets programs use.
    pub features: Vec<String>,
    /// Clocks.
    pub frequency: Frequency,
}

/// Cores that are alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CoreKind {
    /// `P-core`, `Cortex-X925`, ...
    pub name: Option<String>,
    /// Their CPUs.
    pub cpus: CpuList,
    /// How many.
    pub cores: usize,
    /// The highest clock that the system allows them.
    pub max_hertz: Option<f64>,
    /// Their guaranteed clock.
    pub base_hertz: Option<f64>,
    /// How much work they do against the fastest kind, 1024 being its own (Linux's `cpu_capacity`).
    pub capacity: Option<u32>,
    /// Features that they have and another kind has not: no program that may be moved can use them.
    pub own_features: Vec<String>,
}

/// What the instruction set amounts to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Isa {
    /// 1 to 4: the level of the x86-64 psABI whose features are all there.
    pub x86_64_level: Option<u32>,
    /// Version of AVX10.
    pub avx10_version: Option<u32>,
    /// The widest vectors that programs can use.
    pub vector_bits: Option<u32>,
    /// Vector length of SVE, as the system sets it for new processes.
    pub sve_bits: Option<u32>,
    /// Vector length of SME's streaming mode, as the system sets it for new processes.
    pub sme_bits: Option<u32>,
    /// The least vector length of RISC-V's V that the instruction set promises.
    pub rvv_bits: Option<u32>,
    /// Extensions that matter to vector and matrix code: `AVX-512 VNNI`, `AMX int8`, `dotprod`, ...
    pub extensions: Vec<String>,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// Data only.
    Data,
    /// Instructions only.
    Instruction,
    /// Both.
    #[default]
    Unified,
}

/// Caches that are alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u32,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: CacheType,
    /// Size of one instance.
    pub size_bytes: Option<u64>,
    /// Line size.
    pub line_bytes: Option<u64>,
    /// Associativity.
    pub ways: Option<u64>,
    /// Number of instances.
    pub count: usize,
    /// Online hardware threads that share one instance.
    pub shared_by_threads: usize,
}

/// One cache with the CPUs that share it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CacheInstance {
    /// 1 is nearest to the core.
    pub level: u32,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: CacheType,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// Its online CPUs.
    pub cpus: CpuList,
}

/// A cache whose sharing is not told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UnplacedCache {
    /// 1 is nearest to the core.
    pub level: u32,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: CacheType,
    /// Size of one instance.
    pub size_bytes: Option<u64>,
    /// Line size.
    pub line_bytes: Option<u64>,
    /// Associativity.
    pub ways: Option<u64>,
}

/// Clocks; the time-stamp counter is not the core clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Frequency {
    /// Time-stamp counter.
    pub tsc_hertz: Option<f64>,
    /// Guaranteed, as the system says.
    pub base_hertz: Option<f64>,
    /// Highest, as the system says.
    pub max_hertz: Option<f64>,
    /// Now, as the system says: the highest of the online CPUs.
    pub current_hertz: Option<f64>,
    /// The core clock as measured by a dependency chain (`detect --measure`).
    pub measured_hertz: Option<f64>,
    /// The core clock under different loads (`detect --measure`).
    pub under_load: Option<Vec<LoadedClock>>,
}

/// The core clock while some instructions ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LoadedClock {
    /// What loaded the cores: `scalar`, or the tier of the vector instructions.
    pub load: String,
    /// How many cores worked.
    pub cores: usize,
    /// The clock that the fastest tenth of the chains reaches, or null where the cores were taken away or no clock was held.
    pub hertz: Option<f64>,
    /// A quarter of the chains gave less than this: the clock moves, or other guests of the host disturb it.
    pub low_hertz: Option<f64>,
    /// The clock against the one under scalar load on as many cores, by pairs of neighbouring moments.
    pub against_scalar: Option<f64>,
    /// The clock by another chain, of other instructions, against this one: they must agree within 2 %.
    pub second_chain: Option<f64>,
    /// CPU time over wall time while it was measured.
    pub cpu_share: Option<f64>,
    /// Why there is no clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A step of the latency of loads over footprints, and whether the cache that is reported would leave it there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CacheKnee {
    /// The level of the cache that it should confirm.
    pub level: u32,
    /// The size that the system reports.
    pub reported_bytes: Option<u64>,
    /// The largest measured footprint whose loads are still as fast as this level's.
    pub fits_bytes: Option<u64>,
    /// The smallest measured footprint whose loads are clearly slower.
    pub spills_bytes: Option<u64>,
    /// Latency of a load from this level.
    pub seconds: Option<f64>,
    /// Latency of a load behind the step.
    pub beyond_seconds: Option<f64>,
    /// Whether the measured step lies where the reported size puts it; null where there is no step to see.
    pub agrees: Option<bool>,
    /// What was concluded.
    pub detail: String,
}
