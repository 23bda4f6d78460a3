//! `perfkit.machine/1`: facts of a machine. Unknown is `null`, and its reason stands in `unknown`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::simd::Tier;
use crate::units::CpuList;

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// `perfkit.machine/1`.
    pub schema: String,
    /// The processors.
    pub cpu: Cpu,
    /// The memory.
    pub memory: Memory,
    /// The NUMA nodes.
    pub numa: Numa,
    /// What this process may use.
    pub limits: Limits,
    /// Graphics processors.
    pub gpus: Vec<Gpu>,
    /// What the machine runs in and how it is set.
    pub environment: Environment,
    /// Whether it is fit for measuring, check by check.
    pub readiness: Vec<ReadinessCheck>,
    /// Identifies machines whose results may be compared; made of facts, of no measured quantity.
    pub fingerprint: String,
    /// Where the facts come from.
    pub sources: Vec<FactSource>,
    /// Why a field is null.
    pub unknown: Vec<Unknown>,
}

impl Machine {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.machine/1";

    /// The size in bytes of the data (or unified) cache at `level`, as reported; the smallest kind of core's.
    #[must_use]
    pub fn cache_bytes(&self, level: u32) -> Option<u64> {
        let data = |c: &&Cache| c.level == level && c.kind != CacheType::Instruction;
        self.cpu.caches.iter().filter(data).filter_map(|c| c.size_bytes).min()
    }

    /// Paths of the fields that are null, such as `cpu.caches[2].ways`; each has its reason in `unknown`. (A readiness
    /// check without a remedy needs none.)
    #[must_use]
    pub fn null_fields(&self) -> Vec<String> {
        fn walk(value: &serde_json::Value, path: &str, nulls: &mut Vec<String>) {
            match value {
                serde_json::Value::Null => nulls.push(path.to_owned()),
                serde_json::Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        walk(item, &format!("{path}[{index}]"), nulls);
                    }
                }
                serde_json::Value::Object(fields) => {
                    for (name, field) in fields {
                        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        walk(field, &path, nulls);
                    }
                }
                _ => {}
            }
        }
        let mut nulls = Vec::new();
        walk(&serde_json::to_value(self).unwrap_or_default(), "", &mut nulls);
        nulls.retain(|path| !path.starts_with("readiness"));
        nulls
    }

    /// `vendor-microarchitecture-cpus`, such as `amd-zen5-2`: the folder of this machine's baselines.
    #[must_use]
    pub fn slug(&self) -> String {
        let vendor = match self.cpu.vendor.as_deref() {
            Some("AuthenticAMD") => "amd",
            Some("GenuineIntel") => "intel",
            Some(other) => other,
            None => "unknown",
        };
        let name = self.cpu.microarchitecture.as_deref().unwrap_or("unknown");
        let clean = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        format!("{}-{}-{}", clean(vendor), clean(name), self.limits.effective_cpus)
    }
}

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
    /// Dies, where the system knows a die level.
    pub dies: Option<usize>,
    /// Physical cores.
    pub cores: Option<usize>,
    /// Hardware threads.
    pub threads: Option<usize>,
    /// The online CPUs.
    pub online_cpus: CpuList,
    /// Kinds of cores, one entry where all are alike.
    pub kinds: Vec<CoreKind>,
    /// Caches by level, type and size.
    pub caches: Vec<Cache>,
    /// The tiers that kernels may use.
    pub tiers: Vec<Tier>,
    /// Instruction-set features by their Linux names.
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
    /// The core clock as measured by a dependency chain (`detect --measure`).
    pub measured_hertz: Option<f64>,
}

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
}

/// Huge pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HugePages {
    /// `always`, `madvise` or `never`.
    pub transparent: Option<String>,
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
}

/// What this process may use of the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Affinity and cpuset.
    pub allowed_cpus: CpuList,
    /// CPUs' worth of time by cgroup quota.
    pub quota_cpus: Option<f64>,
    /// min(affinity, cpuset, quota), at least 1: what every thread count comes from.
    pub effective_cpus: usize,
    /// The smallest memory limit of the process's cgroups.
    pub memory_limit_bytes: Option<u64>,
}

/// A graphics processor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Gpu {
    /// Marketing name.
    pub name: Option<String>,
    /// `nvidia`, `amd`, `intel`, `apple`.
    pub vendor: Option<String>,
    /// `Hopper`, ...
    pub architecture: Option<String>,
    /// CUDA compute capability: `9.0`.
    pub compute_capability: Option<String>,
    /// Version of the driver.
    pub driver_version: Option<String>,
    /// Highest CUDA version that the driver serves.
    pub cuda_version: Option<String>,
    /// Memory.
    pub memory_total_bytes: Option<u64>,
    /// Width of the memory bus.
    pub bus_width_bits: Option<u32>,
    /// 2 x memory clock x bus width / 8.
    pub memory_bytes_per_second: Option<f64>,
    /// Clocks.
    pub clocks: GpuClocks,
    /// Power limit.
    pub power_limit_watts: Option<f64>,
    /// The link to the host.
    pub pcie: GpuPcie,
    /// Error correction.
    pub ecc: Option<bool>,
    /// Multi-instance mode.
    pub mig: Option<bool>,
    /// Multi-instance devices that it is divided into.
    pub mig_devices: Option<u32>,
    /// Memory that the host can map.
    pub bar1_bytes: Option<u64>,
    /// The driver keeps the device initialised between users.
    pub persistence: Option<bool>,
    /// `none`, `pass-through`, `vgpu`, ...
    pub virtualization: Option<String>,
    /// Reasons why it runs below its clocks now.
    pub throttle: Vec<String>,
}

/// Clocks of a GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GpuClocks {
    /// Multiprocessors, now.
    pub sm_hertz: Option<f64>,
    /// Multiprocessors, highest.
    pub sm_max_hertz: Option<f64>,
    /// Memory, highest.
    pub memory_max_hertz: Option<f64>,
}

/// A GPU's link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GpuPcie {
    /// Generation.
    pub generation: NowMax,
    /// Lanes.
    pub width: NowMax,
}

/// A quantity now and at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NowMax {
    /// Now (links rest at a low state when idle).
    pub now: Option<u32>,
    /// At most.
    pub max: Option<u32>,
}

/// What the machine runs in and how it is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Environment {
    /// `kvm`, `firecracker`, ...
    pub hypervisor: Option<String>,
    /// `docker`, ...
    pub container: Option<String>,
    /// cpufreq governor.
    pub governor: Option<String>,
    /// Turbo allowed.
    pub turbo: Option<bool>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Operating system name.
    pub os: Option<String>,
}

/// How a readiness check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadinessVerdict {
    /// Nothing to do.
    Ok,
    /// It can disturb a measurement.
    Warn,
    /// Figures will be wrong.
    Bad,
}

/// One thing that decides whether a machine is fit for measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReadinessCheck {
    /// `steal`, `governor`, ...
    pub check: String,
    /// How it came out.
    pub verdict: ReadinessVerdict,
    /// What was found and why it matters.
    pub detail: String,
    /// The command that changes it, where there is one; perfkit changes nothing itself.
    #[serde(default)]
    pub remedy: Option<String>,
}

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The system, the firmware or the processor says so.
    #[serde(rename = "os-reported")]
    Reported,
    /// We measured it.
    Measured,
    /// It follows from other facts, or from a table.
    Inferred,
}

/// Where a fact comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactSource {
    /// Path of the field: `cpu.packages`.
    pub field: String,
    /// `sysfs`, `procfs`, `cpuid`, `smbios`, `kernel` (a system call), `nvml`, `nvidia-smi`, `table`, `measured`, ...
    pub source: String,
    /// How sure it is.
    pub confidence: Confidence,
}

/// Why a field is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unknown {
    /// Path of the field: `cpu.frequency.max_hertz`.
    pub field: String,
    /// The reason.
    pub reason: String,
}
