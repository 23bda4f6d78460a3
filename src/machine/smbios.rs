//! Memory modules from raw SMBIOS entries of type 17 (DMTF DSP0134, "Memory Device"). Serial numbers and asset tags,
//! which stand in the same entries, are not read.

use super::root::Root;
use crate::document::MemoryModule;

/// The folder of the entries, one folder `17-N` a module, each with a file `raw`.
pub(super) const ENTRIES: &str = "sys/firmware/dmi/entries";

/// The modules of the populated slots, or `None` where no entry can be read.
pub(super) fn modules(root: &Root) -> Option<Vec<MemoryModule>> {
    let entries: Vec<Vec<u8>> = root
        .numbered(ENTRIES, "17-")
        .into_iter()
        .filter_map(|number| root.bytes(&format!("{ENTRIES}/17-{number}/raw")))
        .collect();
    (!entries.is_empty()).then(|| entries.iter().filter_map(|entry| module(entry)).collect())
}

/// What the modules could deliver together, if each had a channel of its own; `None` where one leaves it open.
pub(super) fn bytes_per_second(modules: &[MemoryModule]) -> Option<f64> {
    let rate = |module: &MemoryModule| {
        let transfers = module.transfers_per_second.or(module.rated_transfers_per_second)?;
        Some(transfers * f64::from(module.width_bits?) / 8.0)
    };
    modules.iter().map(rate).sum::<Option<f64>>().filter(|&rate| rate > 0.0)
}

/// One entry; `None` for an empty slot or an entry that is none.
fn module(entry: &[u8]) -> Option<MemoryModule> {
    let length = usize::from(*entry.get(1)?);
    let (fields, strings) = entry.split_at_checked(length)?;
    if fields.first() != Some(&17) {
        return None;
    }
    let byte = |at: usize| fields.get(at).copied();
    let word = |at: usize| Some(u16::from_le_bytes([byte(at)?, byte(at + 1)?]));
    let double = |at: usize| Some(u32::from(word(at)?) | u32::from(word(at + 2)?) << 16);
    // All ones escape to the extended field; zero is unknown.
    let speed = |at: usize, extended: usize| {
        let speed = match word(at)? {
            u16::MAX => double(extended)? & 0x7fff_ffff,
            speed => u32::from(speed),
        };
        (speed > 0).then(|| f64::from(speed) * 1e6)
    };
    let width = |at: usize| word(at).filter(|&bits| bits != 0 && bits != u16::MAX).map(u32::from);
    let text = |at: usize| string(strings, byte(at)?);
    Some(MemoryModule {
        size_bytes: size(word(0x0c)?, double(0x1c))?,
        locator: text(0x10),
        memory_type: byte(0x12).and_then(type_name).map(str::to_owned),
        transfers_per_second: speed(0x20, 0x58),
        rated_transfers_per_second: speed(0x15, 0x54),
        width_bits: width(0x0a),
        total_width_bits: width(0x08),
        manufacturer: text(0x17),
        part_number: text(0x1a),
    })
}

/// The entry with the strings that are not read (serial numbers, asset tags) written over.
pub(super) fn without_private_facts(entry: &[u8]) -> Vec<u8> {
    let Some((fields, strings)) =
        entry.get(1).and_then(|&length| entry.split_at_checked(usize::from(length)))
    else {
        return Vec::new();
    };
    let kept: Vec<usize> = [0x10, 0x17, 0x1a]
        .iter()
        .filter_map(|&at| fields.get(at))
        .map(|&number| usize::from(number))
        .collect();
    let mut out = fields.to_vec();
    for (index, text) in strings.split(|&byte| byte == 0).enumerate() {
        if index > 0 {
            out.push(0);
        }
        if kept.contains(&(index + 1)) {
            out.extend_from_slice(text);
        } else {
            out.extend(std::iter::repeat_n(b'-', text.len()));
        }
    }
    out
}

/// The size field: 0 is an empty slot (outer `None`), all ones is unknown, 7FFFh escapes to the extended field in MiB,
/// and the highest bit says KiB instead of MiB.
fn size(field: u16, extended: Option<u32>) -> Option<Option<u64>> {
    match field {
        0 => None,
        u16::MAX => Some(None),
        0x7fff => Some(extended.map(|mib| u64::from(mib & 0x7fff_ffff) << 20)),
        kib if kib & 0x8000 != 0 => Some(Some(u64::from(kib & 0x7fff) << 10)),
        mib => Some(Some(u64::from(mib) << 20)),
    }
}

/// String `number` (from 1) of those that follow the fields, without padding and placeholders.
fn string(strings: &[u8], number: u8) -> Option<String> {
    let bytes = strings.split(|&b| b == 0).nth(usize::from(number.checked_sub(1)?))?;
    let text = String::from_utf8_lossy(bytes).trim().to_owned();
    let placeholder =
        ["", "unknown", "not specified", "no dimm", "n/a"].contains(&&*text.to_ascii_lowercase());
    (!placeholder).then_some(text)
}

/// Memory types by DSP0134, table 77.
const fn type_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0x0f => "SDRAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x14 => "DDR2 FB-DIMM",
        0x18 => "DDR3",
        0x19 => "FBD2",
        0x1a => "DDR4",
        0x1b => "LPDDR",
        0x1c => "LPDDR2",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x1f => "NVDIMM",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(size: u16, speed: u16, configured: u16) -> Vec<u8> {
        let mut raw = vec![0_u8; 0x5c];
        raw[0] = 17;
        raw[1] = 0x5c;
        raw[0x08..0x0a].copy_from_slice(&72_u16.to_le_bytes());
        raw[0x0a..0x0c].copy_from_slice(&64_u16.to_le_bytes());
        raw[0x0c..0x0e].copy_from_slice(&size.to_le_bytes());
        raw[0x10] = 1;
        raw[0x12] = 0x22;
        raw[0x15..0x17].copy_from_slice(&speed.to_le_bytes());
        raw[0x1c..0x20].copy_from_slice(&65536_u32.to_le_bytes());
        raw[0x20..0x22].copy_from_slice(&configured.to_le_bytes());
        raw[0x54..0x58].copy_from_slice(&70000_u32.to_le_bytes());
        raw.extend_from_slice(b"DIMM_A1 \0SERIAL\0\0");
        raw
    }

    #[test]
    fn sizes_and_speeds_follow_their_escapes() {
        let plain = module(&entry(4096, 1600, 1333)).unwrap();
        assert_eq!(plain.size_bytes, Some(4 << 30));
        assert_eq!(
            (plain.rated_transfers_per_second, plain.transfers_per_second),
            (Some(1.6e9), Some(1.333e9))
        );
        assert_eq!((plain.width_bits, plain.total_width_bits), (Some(64), Some(72)));
        assert_eq!((plain.locator.as_deref(), plain.memory_type.as_deref()), (Some("DIMM_A1"), Some("DDR5")));
        let large = module(&entry(0x7fff, u16::MAX, 0)).unwrap();
        assert_eq!(large.size_bytes, Some(64 << 30));
        assert_eq!((large.rated_transfers_per_second, large.transfers_per_second), (Some(7e10), None));
        assert_eq!(module(&entry(0xffff, 0, 0)).unwrap().size_bytes, None);
        assert_eq!(module(&entry(0x8400, 0, 0)).unwrap().size_bytes, Some(1 << 20));
    }

    #[test]
    fn empty_slots_and_broken_entries_are_no_modules() {
        assert_eq!(module(&entry(0, 1600, 1600)), None);
        let whole = entry(4096, 1600, 1600);
        for length in 0..whole.len() {
            let _ = module(&whole[..length]);
        }
        assert_eq!(module(&[17]), None);
        assert_eq!(module(&[17, 255, 0]), None);
        assert_eq!(module(&[16, 4, 0, 0]), None);
    }
}
