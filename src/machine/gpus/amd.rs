//! AMD's devices by the files of the kernel's driver: those of the card, of its sensors, and of the compute driver's
//! topology (`kfd`), which knows the instruction set and the width of the memory.

use super::super::root::Root;
use super::pci;
use crate::gpu::Device;
use crate::gpu::rocm_smi::generation;

const CARDS: &str = "sys/class/drm";
const NODES: &str = "sys/class/kfd/kfd/topology/nodes";

/// The cards of AMD's that a driver serves.
pub(super) fn devices(root: &Root) -> Vec<Device> {
    let is_amd = |card: &u32| {
        root.text(&format!("{CARDS}/card{card}/device/vendor")).is_some_and(|vendor| vendor == "0x1002")
    };
    root.numbered(CARDS, "card").into_iter().filter(is_amd).map(|card| device(root, card)).collect()
}

fn device(root: &Root, card: u32) -> Device {
    let folder = format!("{CARDS}/card{card}/device");
    let text = |name: &str| root.text(&format!("{folder}/{name}"));
    let bytes = |name: &str| root.parse::<u64>(&format!("{folder}/{name}")).filter(|&bytes| bytes > 0);
    let sclk = levels(&text("pp_dpm_sclk").unwrap_or_default());
    let mclk = levels(&text("pp_dpm_mclk").unwrap_or_default());
    let address = pci::address_of(root, &folder);
    let id = text("device").and_then(|id| u32::from_str_radix(id.trim_start_matches("0x"), 16).ok());
    let pci_id = id.map(|id| format!("1002:{id:04x}"));
    let node = address.as_deref().and_then(|address| Node::of(root, address));
    let sensor = Sensor::of(root, &folder);
    let name = text("product_name").or_else(|| pci_id.as_deref().and_then(|id| pci::name(root, id)));
    Device {
        vendor: "amd".to_owned(),
        source: "sysfs".to_owned(),
        name,
        gfx: node.as_ref().and_then(|node| node.gfx.clone()),
        compute_units: node.as_ref().and_then(|node| node.compute_units),
        bus_width_bits: node.as_ref().and_then(|node| node.bus_width_bits),
        driver_version: root.text("sys/module/amdgpu/version"),
        memory_total_bytes: bytes("mem_info_vram_total"),
        memory_used_bytes: root.parse(&format!("{folder}/mem_info_vram_used")),
        bar1_bytes: bytes("mem_info_vis_vram_total"),
        sm_megahertz: sclk.0,
        sm_max_megahertz: sclk.1,
        memory_megahertz: mclk.0,
        memory_max_megahertz: mclk.1.or_else(|| node.as_ref().and_then(|node| node.memory_megahertz)),
        power_limit_watts: sensor.power_limit_watts,
        temperature_celsius: sensor.celsius,
        slowdown_celsius: sensor.critical_celsius,
        pcie_generation: (speed(text("current_link_speed")), speed(text("max_link_speed"))),
        pcie_width: (lanes(text("current_link_width")), lanes(text("max_link_width"))),
        utilization_percent: root.parse(&format!("{folder}/gpu_busy_percent")),
        pci_address: address,
        pci_id,
        ..Device::default()
    }
    .complete()
}

/// `1: 1500Mhz *`: the clock now, which has the star, and the highest.
fn levels(text: &str) -> (Option<u32>, Option<u32>) {
    let clock = |line: &str| {
        let (_, value) = line.split_once(':')?;
        let value = value.trim_start();
        value[..value.find(|c: char| !c.is_ascii_digit())?].parse::<u32>().ok().filter(|&clock| clock > 0)
    };
    let now = text.lines().find(|line| line.trim_end().ends_with('*')).and_then(clock);
    (now, text.lines().filter_map(clock).max())
}

/// `16.0 GT/s PCIe` as a generation.
pub(super) fn speed(text: Option<String>) -> Option<u32> {
    generation(text?.split_whitespace().next()?)
}

/// Lanes; a device without a link says 0 or 255.
pub(super) fn lanes(text: Option<String>) -> Option<u32> {
    text?.parse().ok().filter(|lanes| (1..=32).contains(lanes))
}

/// The card's sensors: watts in millionths, degrees in thousandths.
#[derive(Default)]
struct Sensor {
    power_limit_watts: Option<f64>,
    celsius: Option<f64>,
    critical_celsius: Option<f64>,
}

impl Sensor {
    fn of(root: &Root, folder: &str) -> Self {
        let Some(number) = root.numbered(&format!("{folder}/hwmon"), "hwmon").first().copied() else {
            return Self::default();
        };
        let file = |name: &str| {
            root.parse::<u32>(&format!("{folder}/hwmon/hwmon{number}/{name}")).filter(|&v| v > 0)
        };
        Self {
            power_limit_watts: file("power1_cap").map(|microwatts| f64::from(microwatts) / 1e6),
            celsius: file("temp1_input").map(|millidegrees| f64::from(millidegrees) / 1e3),
            critical_celsius: file("temp1_crit").map(|millidegrees| f64::from(millidegrees) / 1e3),
        }
    }
}

/// A node of the compute driver's topology.
struct Node {
    gfx: Option<String>,
    compute_units: Option<u32>,
    bus_width_bits: Option<u32>,
    memory_megahertz: Option<u32>,
}

impl Node {
    /// The node at a PCI address: it holds bus, device and function in one number, the domain in another.
    fn of(root: &Root, address: &str) -> Option<Self> {
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let (domain, rest) = address.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        let location = (number(bus)? & 0xff) << 8 | (number(slot)? & 0x1f) << 3 | number(function)? & 7;
        let domain = number(domain)?;
        root.numbered(NODES, "").into_iter().find_map(|node| {
            let folder = format!("{NODES}/{node}");
            let properties = root.text(&format!("{folder}/properties"))?;
            let here = property(&properties, "location_id") == Some(location)
                && property(&properties, "domain").unwrap_or(0) == domain;
            here.then(|| Self::read(root, &folder, &properties))
        })
    }

    fn read(root: &Root, folder: &str, properties: &str) -> Self {
        let per_unit = property(properties, "simd_per_cu").filter(|&n| n > 0);
        let banks = format!("{folder}/mem_banks");
        let bank = root
            .numbered(&banks, "")
            .first()
            .and_then(|bank| root.text(&format!("{banks}/{bank}/properties")));
        let of_bank = |key: &str| property(bank.as_deref()?, key).filter(|&n| n > 0);
        Self {
            gfx: property(properties, "gfx_target_version").and_then(gfx),
            compute_units: property(properties, "simd_count")
                .zip(per_unit)
                .map(|(all, per)| all / per)
                .filter(|&n| n > 0),
            bus_width_bits: of_bank("width"),
            memory_megahertz: of_bank("mem_clk_max"),
        }
    }
}

fn property(text: &str, key: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// 90010 is `gfx90a`, 100301 `gfx1031`: major version, minor, and stepping in hexadecimal.
fn gfx(version: u32) -> Option<String> {
    let (major, minor, stepping) = (version / 10_000, version / 100 % 100, version % 100);
    (major > 0).then(|| format!("gfx{major}{minor:x}{stepping:x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_levels_are_read() {
        for (version, name) in
            [(90010, "gfx90a"), (90402, "gfx942"), (100_301, "gfx1031"), (110_000, "gfx1100")]
        {
            assert_eq!(gfx(version).as_deref(), Some(name));
        }
        assert_eq!(gfx(0), None);
        assert_eq!(levels("0: 300Mhz\n1: 1502Mhz *\n2: 1700Mhz\n"), (Some(1502), Some(1700)));
        assert_eq!(levels("S: 19Mhz *\n0: x\n"), (Some(19), Some(19)));
        assert_eq!(levels(""), (None, None));
        assert_eq!((speed(Some("16.0 GT/s PCIe".into())), lanes(Some("255".into()))), (Some(4), None));
    }
}
