//! What `nvidia-smi -q -x` wrote, of any version since 2018: fields moved and were renamed over the years.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Device;
use super::xml::Element;

/// The file is no such output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an output of `nvidia-smi -q -x`: {0}")]
pub struct NotNvidiaSmi(&'static str);

/// The devices that the output lists.
pub fn parse(text: &str) -> Result<Vec<Device>, NotNvidiaSmi> {
    let document = Element::parse(text.trim_start_matches('\u{feff}')).map_err(NotNvidiaSmi)?;
    let log = document.child("nvidia_smi_log").ok_or(NotNvidiaSmi("it has no element nvidia_smi_log"))?;
    let common = |path: &str| log.value(&[path]).map(str::to_owned);
    let gpus = log.children.iter().filter(|child| child.name == "gpu");
    let complete = |gpu: &Element| {
        let device = Device {
            driver_version: common("driver_version"),
            cuda_version: common("cuda_version"),
            ..device(gpu)
        };
        device.complete()
    };
    Ok(gpus.map(complete).collect())
}

/// Runs the driver's own tool, for machines on which it is there and NVML cannot be loaded. One that hangs, as it does
/// with broken drivers, is ended.
#[must_use]
pub fn ask() -> Option<Vec<Device>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const MOST_BYTES: u64 = 16 << 20;
    let mut command = Command::new("nvidia-smi");
    command.args(["-q", "-x"]).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    let (say, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(MOST_BYTES).read_to_end(&mut bytes);
        let _ = say.send(read.map(|_| bytes));
    });
    let answer = hear.recv_timeout(PATIENCE);
    let _ = child.kill();
    let _ = child.wait();
    let text = String::from_utf8_lossy(&answer.ok()?.ok()?).into_owned();
    parse(&text).ok().filter(|devices| !devices.is_empty())
}

fn device(gpu: &Element) -> Device {
    let text = |path: &[&str]| gpu.value(path).map(str::to_owned);
    let whole = |path: &[&str]| number(gpu.value(path)?);
    let link = |group: &str, name: &str| whole(&["pci", "pci_gpu_link_info", group, name]);
    let address = text(&["pci", "pci_bus_id"]);
    Device {
        vendor: "nvidia".to_owned(),
        source: "nvidia-smi".to_owned(),
        // The tool writes eight digits of the domain where the system writes four.
        pci_address: address
            .map(|a| a.strip_prefix("0000").map_or(a.clone(), str::to_owned).to_ascii_lowercase()),
        pci_id: gpu.value(&["pci", "pci_device_id"]).and_then(pci_id),
        memory_reserved_bytes: gpu.value(&["fb_memory_usage", "reserved"]).and_then(bytes),
        memory_used_bytes: gpu.value(&["fb_memory_usage", "used"]).and_then(bytes),
        memory_megahertz: whole(&["clocks", "mem_clock"]),
        utilization_percent: whole(&["utilization", "gpu_util"]),
        processes: gpu.child("processes").and_then(|list| {
            u32::try_from(list.children.iter().filter(|child| child.name == "process_info").count()).ok()
        }),
        temperature_celsius: celsius(gpu, "gpu_temp"),
        slowdown_celsius: celsius(gpu, "gpu_temp_slow_threshold"),
        name: text(&["product_name"]),
        architecture: text(&["product_architecture"]),
        memory_total_bytes: gpu.value(&["fb_memory_usage", "total"]).and_then(bytes),
        sm_megahertz: whole(&["clocks", "sm_clock"]),
        sm_max_megahertz: whole(&["max_clocks", "sm_clock"]),
        memory_max_megahertz: whole(&["max_clocks", "mem_clock"]),
        power_limit_watts: power_limit(gpu),
        pcie_generation: (link("pcie_gen", "current_link_gen"), link("pcie_gen", "max_link_gen")),
        pcie_width: (link("link_widths", "current_link_width"), link("link_widths", "max_link_width")),
        ecc: gpu.value(&["ecc_mode", "current_ecc"]).and_then(switch),
        mig: gpu.value(&["mig_mode", "current_mig"]).and_then(switch),
        mig_devices: gpu.child("mig_devices").and_then(|list| {
            u32::try_from(list.children.iter().filter(|child| child.name == "mig_device").count()).ok()
        }),
        bar1_bytes: gpu.value(&["bar1_memory_usage", "total"]).and_then(bytes),
        persistence: gpu.value(&["persistence_mode"]).and_then(switch),
        virtualization: gpu
            .value(&["gpu_virtualization_mode", "virtualization_mode"])
            .map(str::to_ascii_lowercase),
        throttle: throttle(gpu),
        ..Device::default()
    }
}

/// `27B010DE`, device before vendor, as `10de:27b0`; older tools write `0x`.
fn pci_id(text: &str) -> Option<String> {
    let digits = text.trim_start_matches("0x").to_ascii_lowercase();
    let (device, vendor) = digits.split_at_checked(4)?;
    (digits.len() == 8).then(|| format!("{vendor}:{device}"))
}

/// `38 C`
fn celsius(gpu: &Element, name: &str) -> Option<f64> {
    let degrees: f64 = gpu.value(&["temperature", name])?.strip_suffix('C')?.trim().parse().ok()?;
    (degrees.is_finite() && degrees > 0.0).then_some(degrees)
}

/// The limit in force stands in one of three places.
fn power_limit(gpu: &Element) -> Option<f64> {
    let places = [
        ["gpu_power_readings", "current_power_limit"],
        ["gpu_power_readings", "power_limit"],
        ["power_readings", "power_limit"],
        ["power_readings", "enforced_power_limit"],
    ];
    let watts = |path: &[&str; 2]| gpu.value(path)?.strip_suffix('W')?.trim().parse::<f64>().ok();
    places.iter().find_map(watts).filter(|watts| watts.is_finite() && *watts > 0.0)
}

/// The active reasons, without the prefix, which has two forms.
fn throttle(gpu: &Element) -> Vec<String> {
    let prefixes = ["clocks_event_reason_", "clocks_throttle_reason_"];
    let name = |reason: &Element| {
        let name = prefixes.iter().find_map(|prefix| reason.name.strip_prefix(prefix))?;
        (reason.text == "Active").then(|| name.to_owned())
    };
    ["clocks_event_reasons", "clocks_throttle_reasons"]
        .iter()
        .filter_map(|group| gpu.child(group))
        .flat_map(|group| group.children.iter().filter_map(name))
        .collect()
}

/// `1410 MHz`, `16x`, `4`: the number at the start.
fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// `81920 MiB` in bytes.
fn bytes(text: &str) -> Option<u64> {
    text.strip_suffix("MiB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "Enabled" => Some(true),
        "Disabled" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made up in the form that drivers of two ages write.
    const NEW: &str = "<nvidia_smi_log><driver_version>575.1</driver_version><cuda_version>12.9</cuda_version>
        <gpu id='0'><product_name>NVIDIA L4</product_name><product_architecture>Ada Lovelace</product_architecture>
        <mig_mode><current_mig>N/A</current_mig></mig_mode><mig_devices>None</mig_devices>
        <serial>123</serial><uuid>GPU-1</uuid><ecc_mode><current_ecc>Enabled</current_ecc></ecc_mode>
        <pci><pci_gpu_link_info><pcie_gen><max_link_gen>4</max_link_gen><current_link_gen>1</current_link_gen></pcie_gen>
        <link_widths><max_link_width>16x</max_link_width><current_link_width>8x</current_link_width></link_widths>
        </pci_gpu_link_info></pci>
        <clocks_event_reasons><clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle>
        <clocks_event_reason_sw_power_cap>Not Active</clocks_event_reason_sw_power_cap></clocks_event_reasons>
        <fb_memory_usage><total>23034 MiB</total></fb_memory_usage>
        <gpu_power_readings><current_power_limit>72.00 W</current_power_limit></gpu_power_readings>
        <clocks><sm_clock>210 MHz</sm_clock></clocks>
        <max_clocks><sm_clock>2040 MHz</sm_clock><mem_clock>6251 MHz</mem_clock></max_clocks></gpu></nvidia_smi_log>";

    #[test]
    fn fields_are_found_and_what_the_driver_has_not_is_unknown() {
        let devices = parse(NEW).unwrap();
        let [device] = &*devices else { panic!("{devices:?}") };
        assert_eq!(device.name.as_deref(), Some("NVIDIA L4"));
        assert_eq!(device.memory_total_bytes, Some(23034 << 20));
        assert_eq!((device.pcie_generation, device.pcie_width), ((Some(1), Some(4)), (Some(8), Some(16))));
        assert_eq!((device.ecc, device.mig, device.mig_devices), (Some(true), None, Some(0)));
        assert_eq!(device.throttle, ["gpu_idle"]);
        assert_eq!(device.bus_width_bits, Some(192));
        assert_eq!(device.compute_capability.as_deref(), Some("8.9"));
        assert_eq!(device.by_table, ["bus_width_bits", "compute_capability"]);
        assert_eq!(device.power_limit_watts, Some(72.0));
        assert_eq!(device.bar1_bytes, None);
        assert!(!format!("{device:?}").contains("123"));
    }

    #[test]
    fn the_older_form_is_read_too() {
        let old = NEW
            .replace("clocks_event_reason", "clocks_throttle_reason")
            .replace("gpu_power_readings", "power_readings")
            .replace("current_power_limit", "power_limit");
        assert_eq!(parse(&old), parse(NEW));
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "{}", "<html></html>", "<nvidia_smi_log>", "<nvidia_smi_log><gpu></nvidia_smi_log>"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("<nvidia_smi_log></nvidia_smi_log>"), Ok(Vec::new()));
    }
}
