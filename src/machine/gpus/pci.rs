//! Devices by their numbers on the PCI bus, for those that no driver describes, and NVIDIA's by the files that its kernel
//! driver keeps in `/proc`.

use super::super::root::Root;
use super::amd::{lanes, speed};
use crate::gpu::Device;

/// The devices on the bus.
pub(super) const DEVICES: &str = "sys/bus/pci/devices";

/// Makers of graphics processors. Display controllers of others belong to management boards and hypervisors.
static VENDORS: &[(u32, &str)] = &[(0x10de, "nvidia"), (0x1002, "amd"), (0x8086, "intel")];

/// Classes of displays (03xx) and of processing accelerators (1200).
const DISPLAY: u32 = 0x03;
const ACCELERATOR: u32 = 0x1200;

/// Every device of a known maker for graphics or computing.
pub(super) fn devices(root: &Root) -> Vec<Device> {
    root.names(DEVICES).iter().filter_map(|address| device(root, address)).map(Device::complete).collect()
}

fn device(root: &Root, address: &str) -> Option<Device> {
    let folder = format!("{DEVICES}/{address}");
    let text = |name: &str| root.text(&format!("{folder}/{name}"));
    let hexadecimal = |name: &str| u32::from_str_radix(text(name)?.trim_start_matches("0x"), 16).ok();
    let class = hexadecimal("class")?;
    if class >> 16 != DISPLAY && class >> 8 != ACCELERATOR {
        return None;
    }
    let device = Device { pci_address: Some(address.to_ascii_lowercase()), ..by_folder(root, &folder) };
    (!device.vendor.is_empty()).then_some(device)
}

/// Numbers, name and link of the device with this folder; no maker where it is none of a graphics processor.
pub(super) fn by_folder(root: &Root, folder: &str) -> Device {
    let text = |name: &str| root.text(&format!("{folder}/{name}"));
    let hexadecimal = |name: &str| u32::from_str_radix(text(name)?.trim_start_matches("0x"), 16).ok();
    let numbers = hexadecimal("vendor").zip(hexadecimal("device"));
    let numbers = numbers.or_else(|| numbers_of_header(&root.bytes(&format!("{folder}/config"))?));
    let maker = numbers.and_then(|(number, _)| VENDORS.iter().find(|row| row.0 == number));
    let Some(((number, model), (_, maker))) = numbers.zip(maker) else { return Device::default() };
    let id = format!("{number:04x}:{model:04x}");
    Device {
        vendor: (*maker).to_owned(),
        source: "pci".to_owned(),
        name: name(root, &id),
        pci_id: Some(id),
        pcie_generation: (speed(text("current_link_speed")), speed(text("max_link_speed"))),
        pcie_width: (lanes(text("current_link_width")), lanes(text("max_link_width"))),
        ..Device::default()
    }
}

/// The device's address, by its own record of events.
pub(super) fn address_of(root: &Root, folder: &str) -> Option<String> {
    let events = root.text(&format!("{folder}/uevent"))?;
    events.lines().find_map(|line| line.strip_prefix("PCI_SLOT_NAME=")).map(str::to_ascii_lowercase)
}

/// Vendor and device stand first in the header of a device's configuration.
fn numbers_of_header(header: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?)));
    Some((word(0)?, word(2)?))
}

/// NVIDIA's devices by `/proc/driver/nvidia`, which tells the product's name. Its UUIDs are not read.
pub(super) fn nvidia(root: &Root) -> Vec<Device> {
    const GPUS: &str = "proc/driver/nvidia/gpus";
    let version = root.text("proc/driver/nvidia/version").and_then(|text| driver_version(&text));
    let one = |address: &String| {
        let text = root.text(&format!("{GPUS}/{address}/information")).unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("Model:")).map(str::trim);
        let address = address.to_ascii_lowercase();
        let on_bus = device(root, &address).unwrap_or_default();
        Device {
            vendor: "nvidia".to_owned(),
            source: "procfs".to_owned(),
            name: model.filter(|model| !model.is_empty()).map(str::to_owned).or(on_bus.name.clone()),
            driver_version: version.clone(),
            pci_address: Some(address),
            ..on_bus
        }
        .complete()
    };
    root.names(GPUS).iter().map(one).collect()
}

/// `NVRM version: NVIDIA UNIX ppc64le Kernel Module  396.26  Mon ...`
fn driver_version(text: &str) -> Option<String> {
    let words = text.lines().find(|line| line.starts_with("NVRM version"))?.split_whitespace();
    let version = |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    words.into_iter().find(version).map(str::to_owned)
}

/// The name of `vendor:device` by the system's list of PCI numbers.
pub(super) fn name(root: &Root, id: &str) -> Option<String> {
    const LISTS: [&str; 3] =
        ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "var/lib/pciutils/pci.ids"];
    let (vendor, device) = id.split_once(':')?;
    let list = LISTS.iter().find_map(|path| root.text(path))?;
    let of_vendor = list.lines().skip_while(|line| !line.starts_with(vendor)).skip(1);
    let own = of_vendor.take_while(|line| line.starts_with('\t') || line.starts_with('#'));
    let line = own.into_iter().find_map(|line| line.strip_prefix('\t')?.strip_prefix(device))?;
    Some(line.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_version_is_found_among_words() {
        let text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  396.26  Mon Apr 30 18:01:39 PDT 2018\nGCC version: 4.8.5";
        assert_eq!(driver_version(text).as_deref(), Some("396.26"));
        assert_eq!(driver_version("GCC version: 4.8.5"), None);
    }
}
