//! Graphics processors for the document: from NVIDIA's driver, from the files that drivers keep below the root, and as
//! the last resort from the numbers on the PCI bus.

mod amd;
mod intel;
mod pci;

use super::findings::{Fact, Findings};
use super::root::Root;
use crate::document::{Gpu, GpuClocks, GpuPcie, NowMax};
use crate::gpu::Device;
use serde::{Deserialize, Serialize};

/// What NVIDIA's driver answers this process, or why it does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Driver {
    devices: Vec<Device>,
    silent: Option<String>,
}

impl Driver {
    /// Asks NVML, or else the driver's tool.
    pub(super) fn ask() -> Self {
        match crate::gpu::nvml::devices() {
            Ok(devices) => Self { devices, silent: None },
            Err(why) => match crate::gpu::nvidia_smi::ask() {
                Some(devices) => Self { devices, silent: None },
                None => Self { devices: Vec::new(), silent: Some(why.to_string()) },
            },
        }
    }
}

/// The devices below the root, those that the driver tells of first; without any the reason is noted.
pub(super) fn read(root: &Root, driver: Option<&Driver>, findings: &mut Findings) -> Vec<Gpu> {
    let mut devices = driver.map(|driver| driver.devices.clone()).unwrap_or_default();
    let others = [pci::nvidia, amd::devices, intel::devices, pci::devices];
    for find in others {
        let known: Vec<String> = devices.iter().filter_map(|device| device.pci_address.clone()).collect();
        let is_new =
            |device: &Device| device.pci_address.as_ref().is_none_or(|address| !known.contains(address));
        devices.extend(find(root).into_iter().filter(is_new));
    }
    if devices.is_empty() {
        let bus = if root.exists(pci::DEVICES) {
            "no device of NVIDIA's, AMD's or Intel's for graphics or computing is on the PCI bus"
        } else {
            "the system shows no PCI bus"
        };
        let driver = match driver.map(|driver| &driver.silent) {
            Some(Some(why)) => why,
            Some(None) => "NVIDIA's driver lists no device",
            None => "a snapshot of files holds no answers of a driver (give a file of them with --gpu-file)",
        };
        findings.unknown("gpus", format!("{driver}; {bus}"));
    }
    record(devices, findings)
}

/// Notes the source of every device and describes it.
pub(super) fn record(devices: Vec<Device>, findings: &mut Findings) -> Vec<Gpu> {
    for (index, device) in devices.iter().enumerate() {
        let source = known_source(&device.source);
        findings.known(&format!("gpus[{index}]"), Fact::reported((), source));
        for field in &device.by_table {
            findings.known(&format!("gpus[{index}].{field}"), Fact::inferred((), "table"));
        }
        for (field, reason) in reasons(device) {
            findings.unknown(format!("gpus[{index}].{field}").as_str(), reason);
        }
    }
    devices.into_iter().map(describe).collect()
}

/// Sources are words of ours; a file may name others.
fn known_source(name: &str) -> &'static str {
    ["nvml", "nvidia-smi", "rocm-smi", "sysfs", "procfs"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("pci")
}

/// Why fields are unknown, where more can be said than that the driver is silent.
fn reasons(device: &Device) -> Vec<(&'static str, String)> {
    let mut reasons = Vec::new();
    let mut say = |missing: bool, field, reason: &str| {
        if missing {
            reasons.push((field, reason.to_owned()));
        }
    };
    let (nvidia, source) = (device.vendor == "nvidia", &*device.source);
    say(device.gfx.is_none() && device.vendor != "amd", "gfx", "only AMD's devices have it");
    for (missing, field) in [
        (device.compute_capability.is_none(), "compute_capability"),
        (device.cuda_version.is_none(), "cuda_version"),
        (device.mig.is_none(), "mig"),
        (device.mig_devices.is_none(), "mig_devices"),
        (device.persistence.is_none(), "persistence"),
    ] {
        say(missing && !nvidia, field, "only NVIDIA's devices have it");
    }
    if source == "rocm-smi" {
        let mixed = "the output lists the levels of all clocks under the same keys";
        say(device.sm_max_megahertz.is_none(), "clocks.sm_max_hertz", mixed);
        say(device.memory_max_megahertz.is_none(), "clocks.memory_max_hertz", mixed);
    }
    let rate_known = device.memory_max_megahertz.is_some() && device.bus_width_bits.is_some();
    let why = match (device.memory_max_megahertz, device.bus_width_bits, device.transfers_per_clock) {
        (None, _, _) => "the highest clock of the memory is not told",
        (_, None, _) => "the width of the memory's bus is neither told nor in the table",
        (_, _, _) => "how often the memory transfers in a clock is not known for this device",
    };
    say(!rate_known || device.transfers_per_clock.is_none(), "memory_bytes_per_second", why);
    say(
        device.bus_width_bits.is_none() && source != "nvml",
        "bus_width_bits",
        "this source does not tell it and the product is not in the table",
    );
    if source == "pci" || source == "procfs" {
        for field in ["driver_version", "memory_total_bytes", "power_limit_watts", "ecc", "virtualization"] {
            say(
                null_in(device, field),
                field,
                "no driver answered: what is known of the device is its number on the bus",
            );
        }
    }
    if device.virtualization.as_deref() == Some("vgpu") {
        for field in ["power_limit_watts", "temperature_celsius", "utilization_percent", "pcie.width.now"] {
            say(null_in(device, field), field, "a virtual GPU does not show the physical device's");
        }
    }
    if device.mig == Some(true) {
        for field in ["memory_total_bytes", "utilization_percent", "memory_used_bytes"] {
            say(
                null_in(device, field),
                field,
                "in multi-instance mode the driver tells it for the instances only",
            );
        }
    }
    reasons
}

fn null_in(device: &Device, field: &str) -> bool {
    match field {
        "driver_version" => device.driver_version.is_none(),
        "memory_total_bytes" => device.memory_total_bytes.is_none(),
        "memory_used_bytes" => device.memory_used_bytes.is_none(),
        "power_limit_watts" => device.power_limit_watts.is_none(),
        "temperature_celsius" => device.temperature_celsius.is_none(),
        "utilization_percent" => device.utilization_percent.is_none(),
        "pcie.width.now" => device.pcie_width.0.is_none(),
        "ecc" => device.ecc.is_none(),
        "virtualization" => device.virtualization.is_none(),
        _ => false,
    }
}

fn describe(device: Device) -> Gpu {
    let megahertz = |value: Option<u32>| value.map(|megahertz| f64::from(megahertz) * 1e6);
    let memory_max_hertz = megahertz(device.memory_max_megahertz);
    let width = memory_max_hertz.zip(device.bus_width_bits).zip(device.transfers_per_clock);
    let memory_bytes_per_second =
        width.map(|((hertz, bits), transfers)| f64::from(transfers) * hertz * f64::from(bits) / 8.0);
    Gpu {
        name: device.name,
        vendor: Some(device.vendor).filter(|vendor| !vendor.is_empty()),
        architecture: device.architecture,
        compute_capability: device.compute_capability,
        gfx: device.gfx,
        driver_version: device.driver_version,
        cuda_version: device.cuda_version,
        pci_address: device.pci_address,
        pci_id: device.pci_id,
        compute_units: device.compute_units,
        memory_total_bytes: device.memory_total_bytes,
        memory_reserved_bytes: device.memory_reserved_bytes,
        memory_used_bytes: device.memory_used_bytes,
        bus_width_bits: device.bus_width_bits,
        memory_bytes_per_second,
        clocks: GpuClocks {
            sm_hertz: megahertz(device.sm_megahertz),
            sm_max_hertz: megahertz(device.sm_max_megahertz),
            memory_hertz: megahertz(device.memory_megahertz),
            memory_max_hertz,
        },
        power_limit_watts: device.power_limit_watts,
        pcie: GpuPcie {
            generation: NowMax { now: device.pcie_generation.0, max: device.pcie_generation.1 },
            width: NowMax { now: device.pcie_width.0, max: device.pcie_width.1 },
        },
        ecc: device.ecc,
        mig: device.mig,
        mig_devices: device.mig_devices,
        bar1_bytes: device.bar1_bytes,
        persistence: device.persistence,
        virtualization: device.virtualization,
        utilization_percent: device.utilization_percent,
        processes: device.processes,
        temperature_celsius: device.temperature_celsius,
        slowdown_celsius: device.slowdown_celsius,
        throttle: device.throttle,
    }
}
