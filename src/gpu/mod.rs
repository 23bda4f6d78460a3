//! Devices: the only door to a GPU driver and to NVML.

mod bus_widths;
pub mod nvidia_smi;
pub mod nvml;
mod xml;

/// What a driver, or a file that it wrote, says of a device. Everything is optional: drivers of virtual, shared and
/// embedded devices each leave other fields out. Serial numbers and UUIDs are not read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Device {
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
    /// The width is from our table, not from the driver.
    pub bus_width_by_table: bool,
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
    /// Takes the width of the memory bus from the table where the driver does not give it.
    pub(crate) fn complete(mut self) -> Self {
        if self.bus_width_bits.is_none() {
            self.bus_width_bits = bus_widths::find(self.name.as_deref(), self.memory_total_bytes);
            self.bus_width_by_table = self.bus_width_bits.is_some();
        }
        self
    }
}
