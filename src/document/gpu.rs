//! Graphics processors of `perfkit.machine/1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// AMD's instruction set: `gfx90a`.
    pub gfx: Option<String>,
    /// Version of the driver.
    pub driver_version: Option<String>,
    /// Highest CUDA version that the driver serves.
    pub cuda_version: Option<String>,
    /// The PCI address: `0000:01:00.0`.
    pub pci_address: Option<String>,
    /// Vendor and device by PCI's numbers: `10de:2330`.
    pub pci_id: Option<String>,
    /// Multiprocessors (NVIDIA) or compute units (AMD).
    pub compute_units: Option<u32>,
    /// Memory.
    pub memory_total_bytes: Option<u64>,
    /// Memory that the driver keeps for itself.
    pub memory_reserved_bytes: Option<u64>,
    /// Memory in use, everybody's.
    pub memory_used_bytes: Option<u64>,
    /// Width of the memory bus.
    pub bus_width_bits: Option<u32>,
    /// Transfers a clock (2 by NVIDIA's clocks; 2, 4 or 16 by AMD's) x highest memory clock x bus width / 8.
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
    /// Share of the last moments in which it worked.
    pub utilization_percent: Option<u32>,
    /// Processes that use it.
    pub processes: Option<u32>,
    /// Temperature in degrees Celsius.
    pub temperature_celsius: Option<f64>,
    /// Temperature at which it slows down.
    pub slowdown_celsius: Option<f64>,
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
    /// Memory, now.
    pub memory_hertz: Option<f64>,
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
