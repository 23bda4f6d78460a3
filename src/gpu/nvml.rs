//! NVIDIA's devices by NVML, which is looked for at run time: no driver is a reason, not an error.

use std::ffi::OsString;

use nvml_wrapper::enum_wrappers::device::{
    Clock, GpuVirtualizationMode, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use super::Device;

/// Names another library than the driver's: a stand-in for tests.
const LIBRARY: &str = "PERFKIT_NVML_LIB";

/// Why there are no devices to list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no library to ask.
    #[error("no NVIDIA driver: libnvidia-ml.so.1 was not found or could not be loaded")]
    NoLibrary,
    /// The library is there and cannot be used.
    #[error("NVIDIA's driver does not answer: {0}")]
    NoAnswer(String),
}

/// Every device that the driver shows to this process.
pub fn devices() -> Result<Vec<Device>, Unavailable> {
    let nvml = open()?;
    let count = nvml.device_count().map_err(no_answer)?;
    let driver_version = nvml.sys_driver_version().ok();
    let cuda_version = nvml
        .sys_cuda_driver_version()
        .ok()
        .map(|v| format!("{}.{}", cuda_driver_version_major(v), cuda_driver_version_minor(v)));
    let read = |index| {
        let device = nvml.device_by_index(index).map_err(no_answer)?;
        let device = Device {
            driver_version: driver_version.clone(),
            cuda_version: cuda_version.clone(),
            ..describe(&device)
        };
        Ok(device.complete())
    };
    (0..count).map(read).collect()
}

fn open() -> Result<Nvml, Unavailable> {
    let named = std::env::var_os(LIBRARY).filter(|path| !path.is_empty());
    let open = |path: OsString| Nvml::builder().lib_path(&path).init();
    // The name with the version is the one that a driver installs; the other comes with development packages.
    let names =
        named.map_or_else(|| vec!["libnvidia-ml.so.1".into(), "libnvidia-ml.so".into()], |path| vec![path]);
    let mut error = Unavailable::NoLibrary;
    for name in names {
        match open(name) {
            Ok(nvml) => return Ok(nvml),
            Err(NvmlError::LibloadingError(_)) => {}
            Err(other) => error = no_answer(other),
        }
    }
    Err(error)
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn no_answer(error: NvmlError) -> Unavailable {
    Unavailable::NoAnswer(error.to_string())
}

/// Every field by its own call: a device that refuses one may answer the next.
fn describe(device: &nvml_wrapper::Device<'_>) -> Device {
    let mig = device.mig_mode().ok();
    let memory = device.memory_info().ok();
    let pci = device.pci_info().ok();
    let users = [device.running_compute_processes_count(), device.running_graphics_processes_count()];
    let users: Vec<u32> = users.into_iter().filter_map(Result::ok).collect();
    Device {
        name: device.name().ok(),
        architecture: device.architecture().ok().and_then(architecture),
        compute_capability: device.cuda_compute_capability().ok().map(|c| format!("{}.{}", c.major, c.minor)),
        vendor: "nvidia".to_owned(),
        source: "nvml".to_owned(),
        pci_address: pci
            .as_ref()
            .map(|pci| format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device)),
        pci_id: pci.map(|pci| format!("{:04x}:{:04x}", pci.pci_device_id & 0xffff, pci.pci_device_id >> 16)),
        compute_units: device.attributes().ok().map(|attributes| attributes.multiprocessor_count),
        memory_reserved_bytes: memory.as_ref().map(|memory| memory.reserved),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        memory_total_bytes: memory.map(|memory| memory.total),
        memory_megahertz: device.clock_info(Clock::Memory).ok(),
        utilization_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        processes: users.into_iter().reduce(u32::saturating_add),
        temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
        slowdown_celsius: device.temperature_threshold(TemperatureThreshold::Slowdown).ok().map(f64::from),
        virtualization: device.virtualization_mode().ok().map(virtualization),
        bus_width_bits: device.memory_bus_width().ok().filter(|&bits| bits > 0),
        sm_megahertz: device.clock_info(Clock::SM).ok(),
        sm_max_megahertz: device.max_clock_info(Clock::SM).ok(),
        memory_max_megahertz: device.max_clock_info(Clock::Memory).ok(),
        power_limit_watts: device.enforced_power_limit().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
        pcie_generation: (device.current_pcie_link_gen().ok(), device.max_pcie_link_gen().ok()),
        pcie_width: (device.current_pcie_link_width().ok(), device.max_pcie_link_width().ok()),
        ecc: device.is_ecc_enabled().ok().map(|ecc| ecc.currently_enabled),
        mig: mig.as_ref().map(|mode| mode.current == 1),
        mig_devices: mig.filter(|mode| mode.current == 1).and_then(|_| mig_devices(device)),
        bar1_bytes: device.bar1_memory_info().ok().map(|memory| memory.total),
        persistence: device.is_in_persistent_mode().ok(),
        throttle: device.current_throttle_reasons().map(names).unwrap_or_default(),
        ..Device::default()
    }
}

/// The places for multi-instance devices that are taken.
fn mig_devices(device: &nvml_wrapper::Device<'_>) -> Option<u32> {
    let places = device.mig_device_count().ok()?;
    u32::try_from((0..places).filter(|&index| device.mig_device_by_index(index).is_ok()).count()).ok()
}

/// The mode in the words of `nvidia-smi`.
fn virtualization(mode: GpuVirtualizationMode) -> String {
    use GpuVirtualizationMode as Mode;
    match mode {
        Mode::Bare => "none",
        Mode::PassThrough => "pass-through",
        Mode::Vgpu => "vgpu",
        Mode::HostVgpu => "host vgpu",
        Mode::HostVsga => "host vsga",
    }
    .to_owned()
}

fn architecture(architecture: DeviceArchitecture) -> Option<String> {
    match architecture {
        DeviceArchitecture::Unknown => None,
        DeviceArchitecture::Ada => Some("Ada Lovelace".to_owned()),
        other => Some(other.to_string()),
    }
}

/// The reasons in the words of `nvidia-smi`.
fn names(reasons: nvml_wrapper::bitmasks::device::ThrottleReasons) -> Vec<String> {
    reasons.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect()
}
