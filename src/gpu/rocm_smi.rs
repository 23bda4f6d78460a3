//! What `rocm-smi --json` wrote. Its keys changed their letters' case and their words over the years, and the levels of all
//! clocks share one set of keys, so that only the current clocks can be told. Serial numbers and unique ids are not read.

use serde_json::{Map, Value};

use super::Device;

/// The file is no such output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an output of `rocm-smi --json`: {0}")]
pub struct NotRocmSmi(&'static str);

/// The devices that the output lists, by their numbers.
pub fn parse(text: &str) -> Result<Vec<Device>, NotRocmSmi> {
    // Some versions write warnings before the document.
    let start = text.find('{').ok_or(NotRocmSmi("it holds no JSON"))?;
    let document: Value =
        serde_json::from_str(text[start..].trim_end()).map_err(|_| NotRocmSmi("it is no JSON"))?;
    let cards = document.as_object().ok_or(NotRocmSmi("it is no object"))?;
    let driver = cards.get("system").and_then(|system| value(system.as_object()?, &["driver version"]));
    let mut numbered: Vec<(u32, &Map<String, Value>)> = cards
        .iter()
        .filter_map(|(name, card)| Some((name.strip_prefix("card")?.parse().ok()?, card.as_object()?)))
        .collect();
    if numbered.is_empty() && !cards.contains_key("system") {
        return Err(NotRocmSmi("it has no card0"));
    }
    numbered.sort_by_key(|card| card.0);
    let complete = |(_, card): &(u32, &Map<String, Value>)| {
        Device { driver_version: driver.map(str::to_owned), ..device(card) }.complete()
    };
    Ok(numbered.iter().map(complete).collect())
}

fn device(card: &Map<String, Value>) -> Device {
    let text = |keys: &[&str]| value(card, keys);
    let number = |keys: &[&str]| text(keys)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let whole = |keys: &[&str]| text(keys)?.parse::<u32>().ok();
    let bytes = |keys: &[&str]| text(keys)?.parse::<u64>().ok();
    let name = text(&["card series", "device name", "card model"]).filter(|name| !name.starts_with("0x"));
    let link = text(&["pcie clock level"]).and_then(|text| link(text.split_once('(')?.1));
    let best = (0..16).filter_map(|level| link_level(card, level)).max();
    let device_id = text(&["device id", "gpu id"])
        .and_then(|id| u32::from_str_radix(id.trim_start_matches("0x"), 16).ok());
    Device {
        vendor: "amd".to_owned(),
        source: "rocm-smi".to_owned(),
        name: name.map(str::to_owned),
        pci_address: text(&["pci bus"]).map(str::to_ascii_lowercase),
        pci_id: device_id.map(|id| format!("1002:{id:04x}")),
        gfx: text(&["gfx version"]).filter(|gfx| gfx.starts_with("gfx")).map(str::to_owned),
        memory_total_bytes: bytes(&["vram total memory (b)"]),
        memory_used_bytes: bytes(&["vram total used memory (b)"]),
        bar1_bytes: bytes(&["vis_vram total memory (b)"]),
        sm_megahertz: text(&["sclk clock speed:"]).and_then(megahertz),
        memory_megahertz: text(&["mclk clock speed:"]).and_then(megahertz),
        power_limit_watts: number(&["max graphics package power (w)"]).filter(|watts| *watts > 0.0),
        pcie_generation: (link.map(|link| link.0), best.map(|link| link.0)),
        pcie_width: (link.map(|link| link.1), best.map(|link| link.1)),
        utilization_percent: whole(&["gpu use (%)"]),
        temperature_celsius: number(&["temperature (sensor edge) (c)", "temperature (sensor junction) (c)"]),
        ..Device::default()
    }
}

/// The value of the first of `keys` (in small letters) that is there and says something.
fn value<'a>(card: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a str> {
    let one = |key: &&str| {
        let (_, value) = card.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        value.as_str().map(str::trim).filter(|text| !["", "N/A", "None", "unknown"].contains(text))
    };
    keys.iter().find_map(one)
}

/// `(1402Mhz)`; 0 is a clock at rest.
fn megahertz(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches('(');
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    digits[..end].parse().ok().filter(|&clock| clock > 0)
}

/// A numbered level that is one of the link's.
fn link_level(card: &Map<String, Value>, level: u32) -> Option<(u32, u32)> {
    link(card.get(&level.to_string())?.as_str()?)
}

/// `16.0GT/s x16` as generation and lanes.
fn link(text: &str) -> Option<(u32, u32)> {
    let (speed, rest) = text.trim().split_once("GT/s")?;
    let lanes = rest.trim_start().strip_prefix('x')?;
    let end = lanes.find(|c: char| !c.is_ascii_digit()).unwrap_or(lanes.len());
    Some((generation(speed.trim())?, lanes[..end].parse().ok()?))
}

/// The generation of PCIe by its transfers in 10^9 a second and lane.
#[must_use]
pub fn generation(speed: &str) -> Option<u32> {
    Some(match speed {
        "2.5" => 1,
        "5" | "5.0" => 2,
        "8" | "8.0" => 3,
        "16" | "16.0" => 4,
        "32" | "32.0" => 5,
        "64" | "64.0" => 6,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"WARNING: something
        {"card1": {"Card Series": "Navi 22 [Radeon RX 6700 XT]", "Device ID": "0x73df", "GFX Version": "gfx1031",
        "PCI Bus": "0000:07:00.0", "VRAM Total Memory (B)": "12868124672", "pcie clock level": "0 (2.5GT/s x1)",
        "0": "2.5GT/s x1 *", "1": "16.0GT/s x16", "2": "1200Mhz", "sclk clock speed:": "(0Mhz)",
        "Max Graphics Package Power (W)": "211.0", "Serial Number": "s3cret", "GPU use (%)": "7"},
        "card0": {"Card series": "Radeon Instinct MI50 32GB", "Card model": "0x834", "Unique ID": "0x1"},
        "system": {"Driver version": "6.3.6"}}"#;

    #[test]
    fn cards_of_both_spellings_are_read_in_their_order() {
        let devices = parse(TWO).unwrap();
        let [old, new] = &*devices else { panic!("{devices:?}") };
        assert_eq!(
            (old.name.as_deref(), old.gfx.as_deref()),
            (Some("Radeon Instinct MI50 32GB"), Some("gfx906"))
        );
        assert_eq!(old.by_table, ["bus_width_bits", "gfx", "architecture"]);
        assert_eq!(new.architecture.as_deref(), Some("RDNA 2"));
        assert_eq!((new.pcie_generation, new.pcie_width), ((Some(1), Some(4)), (Some(1), Some(16))));
        assert_eq!((new.sm_megahertz, new.utilization_percent), (None, Some(7)));
        assert_eq!((new.pci_id.as_deref(), new.bus_width_bits), (Some("1002:73df"), Some(192)));
        assert_eq!(new.driver_version.as_deref(), Some("6.3.6"));
        assert!(!format!("{devices:?}").contains("s3cret"));
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "no", "{", "[]", "{}", "{\"gpu\": 1}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("{\"system\": {}}"), Ok(Vec::new()));
    }
}
