//! Intel's devices by the files of the kernel's drivers: `i915` keeps them in the card's folder, `xe` in one of each tile.

use super::super::root::Root;
use super::pci;
use crate::gpu::Device;

const CARDS: &str = "sys/class/drm";

/// The cards of Intel's that a driver serves.
pub(super) fn devices(root: &Root) -> Vec<Device> {
    root.numbered(CARDS, "card")
        .into_iter()
        .filter_map(|card| device(root, &format!("{CARDS}/card{card}")))
        .collect()
}

fn device(root: &Root, card: &str) -> Option<Device> {
    let folder = format!("{card}/device");
    root.text(&format!("{folder}/vendor")).filter(|vendor| vendor == "0x8086")?;
    let megahertz = |paths: [String; 2]| {
        paths.iter().find_map(|path| root.parse::<u32>(path)).filter(|&megahertz| megahertz > 0)
    };
    let of_tile = |name: &str| format!("{folder}/tile0/gt0/freq0/{name}");
    let by_number = pci::by_folder(root, &folder);
    let watts = root.numbered(&format!("{folder}/hwmon"), "hwmon").into_iter().find_map(|number| {
        let file = |name: &str| root.parse::<u32>(&format!("{folder}/hwmon/hwmon{number}/{name}"));
        file("power1_max").or_else(|| file("power1_rated_max")).filter(|&microwatts| microwatts > 0)
    });
    Some(
        Device {
            source: "sysfs".to_owned(),
            vendor: "intel".to_owned(),
            pci_address: pci::address_of(root, &folder),
            memory_total_bytes: root
                .parse(&format!("{card}/lmem_total_bytes"))
                .filter(|&bytes: &u64| bytes > 0),
            sm_megahertz: megahertz([of_tile("act_freq"), format!("{card}/gt_act_freq_mhz")]),
            sm_max_megahertz: megahertz([of_tile("max_freq"), format!("{card}/gt_max_freq_mhz")]),
            power_limit_watts: watts.map(|microwatts| f64::from(microwatts) / 1e6),
            ..by_number
        }
        .complete(),
    )
}
