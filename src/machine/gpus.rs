//! Graphics processors for the document, from what `gpu` reads.

use super::findings::{Fact, Findings};
use crate::document::{Gpu, GpuClocks, GpuPcie, NowMax};
use crate::gpu::Device;

/// The devices of this machine by NVML; without a driver the reason is noted and there are none.
pub(super) fn live(findings: &mut Findings) -> Vec<Gpu> {
    match crate::gpu::nvml::devices() {
        Ok(devices) => record(devices, "nvml", findings),
        Err(why) => {
            findings.unknown("gpus", why.to_string());
            Vec::new()
        }
    }
}

/// Notes the source of every device and describes it.
pub(super) fn record(devices: Vec<Device>, source: &'static str, findings: &mut Findings) -> Vec<Gpu> {
    for (index, device) in devices.iter().enumerate() {
        findings.known(&format!("gpus[{index}]"), Fact::reported((), source));
        if device.bus_width_by_table {
            findings.known(&format!("gpus[{index}].bus_width_bits"), Fact::inferred((), "table"));
        }
    }
    devices.into_iter().map(describe).collect()
}

fn describe(device: Device) -> Gpu {
    let megahertz = |value: Option<u32>| value.map(|megahertz| f64::from(megahertz) * 1e6);
    let memory_max_hertz = megahertz(device.memory_max_megahertz);
    // Memory transfers twice a clock in the way that drivers state clocks, whatever the kind of memory.
    let memory_bytes_per_second =
        memory_max_hertz.zip(device.bus_width_bits).map(|(hertz, bits)| 2.0 * hertz * f64::from(bits) / 8.0);
    Gpu {
        name: device.name,
        vendor: Some("nvidia".to_owned()),
        architecture: device.architecture,
        compute_capability: device.compute_capability,
        driver_version: device.driver_version,
        cuda_version: device.cuda_version,
        memory_total_bytes: device.memory_total_bytes,
        bus_width_bits: device.bus_width_bits,
        memory_bytes_per_second,
        clocks: GpuClocks {
            sm_hertz: megahertz(device.sm_megahertz),
            sm_max_hertz: megahertz(device.sm_max_megahertz),
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
        throttle: device.throttle,
    }
}
