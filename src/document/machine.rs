//! `perfkit.machine/1`: facts of a machine. Unknown is `null`, and its reason stands in `unknown`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::execution::Execution;
use super::gpu::Gpu;
use super::memory::{Memory, Numa};
use super::processor::{Cache, CacheType, Cpu};
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
    /// Which execution providers this machine can use, and how they should be set.
    pub execution: Execution,
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
    /// Cores among the allowed CPUs.
    pub allowed_cores: Option<usize>,
    /// Packages whose CPUs or memory the process may use.
    pub allowed_packages: Option<usize>,
    /// NUMA nodes that the process may take memory from.
    pub allowed_nodes: Option<CpuList>,
    /// Periods of the quota so far.
    pub quota_periods: Option<u64>,
    /// Periods in which the quota stopped the group.
    pub throttled_periods: Option<u64>,
    /// For how long it did.
    pub throttled_seconds: Option<f64>,
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
    /// cpufreq driver.
    pub governor_driver: Option<String>,
    /// Turbo allowed.
    pub turbo: Option<bool>,
    /// The cloud that the machine says it is in.
    pub cloud: Option<String>,
    /// The type of instance, where the machine says it without a question to the network.
    pub instance_type: Option<String>,
    /// Maker and product, as the firmware says.
    pub product: Option<String>,
    /// How simultaneous multithreading is set: `on`, `off`, `forceoff`, `notsupported`, ...
    pub smt: Option<String>,
    /// Revision of the processor's microcode.
    pub microcode: Option<String>,
    /// What the kernel does against each weakness of the processor.
    pub mitigations: BTreeMap<String, String>,
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
