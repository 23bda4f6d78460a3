//! Devices: the only door to a GPU driver and to NVML.

mod bus_widths;
mod compute_capabilities;
mod intel;
pub mod nvidia_smi;
pub mod nvml;
pub mod rocm_smi;
mod xml;

use serde::{Deserialize, Serialize};

/// What a driver, or a file that it wrote, says of a device. Everything is optional: drivers of virtual, shared and
/// embedded devices each leave other fields out. Serial numbers and UUIDs are not read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// `nvidia`, `amd`, `intel`.
    pub vendor: String,
    /// Who said so: `nvml`, `nvidia-smi`, `rocm-smi`, `sysfs`, `procfs`, `pci`.
    pub source: String,
    /// `0000:01:00.0`.
    pub pci_address: Option<String>,
    /// Vendor and device by PCI's numbers: `10de:2330`.
    pub pci_id: Option<String>,
    /// AMD's instruction set: `gfx90a`.
    pub gfx: Option<String>,
    /// Multiprocessors or compute units.
    pub compute_units: Option<u32>,
    /// Memory that the driver keeps for itself.
    pub memory_reserved_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Clock of the memory now.
    pub memory_megahertz: Option<u32>,
    /// Transfers of the memory in a clock as the driver states it, where that is known.
    pub transfers_per_clock: Option<u32>,
    /// Share of the last moments in which it worked.
    pub utilization_percent: Option<u32>,
    /// Processes that use it.
    pub processes: Option<u32>,
    /// Temperature.
    pub temperature_celsius: Option<f64>,
    /// Temperature at which it slows down.
    pub slowdown_celsius: Option<f64>,
    /// Fields whose value is from our tables, not from the driver.
    pub by_table: Vec<String>,
    /// Marketing name.
    pub name: Option<String>,
    /// `Hopper`, ...
    pub architecture: Option<String>,
    /// `9.0`.
    pub compute_capability: Option<String>,
    /// Version of the driver.
    pub driver_version: Option<String>,
    /// Highest CUDA version that the driver serves.
    pub cuda_version: Option<String>,
    /// Memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Width of the memory bus in bits.
    pub bus_width_bits: Option<u32>,
    /// Clock of the multiprocessors now.
    pub sm_megahertz: Option<u32>,
    /// Their highest.
    pub sm_max_megahertz: Option<u32>,
    /// Highest clock of the memory.
    pub memory_max_megahertz: Option<u32>,
    /// Power limit.
    pub power_limit_watts: Option<f64>,
    /// PCIe generation now and at most.
    pub pcie_generation: (Option<u32>, Option<u32>),
    /// PCIe lanes now and at most.
    pub pcie_width: (Option<u32>, Option<u32>),
    /// Error correction is on.
    pub ecc: Option<bool>,
    /// Multi-instance mode is on.
    pub mig: Option<bool>,
    /// Multi-instance devices.
    pub mig_devices: Option<u32>,
    /// Memory that the host can map, in bytes.
    pub bar1_bytes: Option<u64>,
    /// The driver keeps the device initialised.
    pub persistence: Option<bool>,
    /// `none`, `pass-through`, `vgpu`, ...
    pub virtualization: Option<String>,
    /// Reasons for a lowered clock now: `sw_power_cap`, `gpu_idle`, ...
    pub throttle: Vec<String>,
}

impl Device {
    /// Takes from tables what the driver does not give: the width of the memory bus, the compute capability, the
    /// architecture.
    #[must_use]
    pub fn complete(mut self) -> Self {
        let mut noted: Vec<&str> = Vec::new();
        if let Some((name, architecture)) = self.pci_id.as_deref().and_then(intel::find) {
            noted.extend(self.name.is_none().then_some("name"));
            noted.extend(self.architecture.is_none().then_some("architecture"));
            self.name.get_or_insert_with(|| name.to_owned());
            self.architecture.get_or_insert_with(|| architecture.to_owned());
        }
        if self.bus_width_bits.is_none() {
            self.bus_width_bits = bus_widths::find(self.name.as_deref(), self.memory_total_bytes);
            noted.extend(self.bus_width_bits.is_some().then_some("bus_width_bits"));
        }
        if self.compute_capability.is_none() && self.vendor == "nvidia" {
            self.compute_capability =
                self.name.as_deref().and_then(compute_capabilities::find).map(str::to_owned);
            noted.extend(self.compute_capability.is_some().then_some("compute_capability"));
        }
        if self.gfx.is_none() && self.vendor == "amd" {
            self.gfx = self.name.as_deref().and_then(compute_capabilities::gfx).map(str::to_owned);
            noted.extend(self.gfx.is_some().then_some("gfx"));
        }
        if self.architecture.is_none() {
            let by_number = match &*self.vendor {
                "nvidia" => self.compute_capability.as_deref().and_then(compute_capabilities::architecture),
                _ => self.gfx.as_deref().and_then(compute_capabilities::amd_architecture),
            };
            self.architecture = by_number.map(str::to_owned);
            noted.extend(self.architecture.is_some().then_some("architecture"));
        }
        self.transfers_per_clock = self.transfers_per_clock.or_else(|| match &*self.vendor {
            // NVIDIA states clocks so that every kind of memory transfers twice in one.
            "nvidia" => Some(2),
            _ => self.gfx.as_deref().and_then(compute_capabilities::transfers_per_clock),
        });
        self.by_table.extend(noted.into_iter().map(str::to_owned));
        self
    }
}
