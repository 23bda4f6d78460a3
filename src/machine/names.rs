//! Names of microarchitectures and makers: by family and model on x86, by implementer and part on ARM, by machine type
//! on IBM Z. Feature sets name nothing: hypervisors hide features, and a name by features would drop a generation.
//!
//! The numbers are those of the makers' manuals as the Linux kernel lists them.

/// A range of x86 models with one name. Families and models are the displayed ones, extended fields added.
struct X86 {
    vendor: Vendor,
    family: u32,
    models: std::ops::RangeInclusive<u32>,
    steppings: std::ops::RangeInclusive<u32>,
    name: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Vendor {
    Intel,
    Amd,
    Hygon,
    Zhaoxin,
}

const fn intel(model: u32, name: &'static str) -> X86 {
    X86 { vendor: Vendor::Intel, family: 6, models: model..=model, steppings: 0..=15, name }
}

const fn intel_stepping(model: u32, first: u32, last: u32, name: &'static str) -> X86 {
    X86 { vendor: Vendor::Intel, family: 6, models: model..=model, steppings: first..=last, name }
}

const fn family(vendor: Vendor, family: u32, first: u32, last: u32, name: &'static str) -> X86 {
    X86 { vendor, family, models: first..=last, steppings: 0..=15, name }
}

const fn amd(number: u32, first: u32, last: u32, name: &'static str) -> X86 {
    family(Vendor::Amd, number, first, last, name)
}

/// The first row that fits names the microarchitecture.
static X86: &[X86] = &[
    intel(0x0f, "Merom"),
    intel(0x16, "Merom"),
    intel(0x17, "Penryn"),
    intel(0x1d, "Penryn"),
    intel(0x1a, "Nehalem"),
    intel(0x1e, "Nehalem"),
    intel(0x1f, "Nehalem"),
    intel(0x2e, "Nehalem"),
    intel(0x25, "Westmere"),
    intel(0x2c, "Westmere"),
    intel(0x2f, "Westmere"),
    intel(0x2a, "Sandy Bridge"),
    intel(0x2d, "Sandy Bridge"),
    intel(0x3a, "Ivy Bridge"),
    intel(0x3e, "Ivy Bridge"),
    intel(0x3c, "Haswell"),
    intel(0x3f, "Haswell"),
    intel(0x45, "Haswell"),
    intel(0x46, "Haswell"),
    intel(0x3d, "Broadwell"),
    intel(0x47, "Broadwell"),
    intel(0x4f, "Broadwell"),
    intel(0x56, "Broadwell"),
    intel(0x4e, "Skylake"),
    intel(0x5e, "Skylake"),
    intel_stepping(0x55, 0, 4, "Skylake"),
    intel_stepping(0x55, 5, 9, "Cascade Lake"),
    intel_stepping(0x55, 10, 15, "Cooper Lake"),
    intel_stepping(0x8e, 0, 9, "Kaby Lake"),
    intel_stepping(0x8e, 10, 10, "Coffee Lake"),
    intel_stepping(0x8e, 11, 11, "Whiskey Lake"),
    intel_stepping(0x8e, 12, 15, "Comet Lake"),
    intel_stepping(0x9e, 0, 9, "Kaby Lake"),
    intel_stepping(0x9e, 10, 15, "Coffee Lake"),
    intel(0xa5, "Comet Lake"),
    intel(0xa6, "Comet Lake"),
    intel(0x66, "Cannon Lake"),
    intel(0x6a, "Ice Lake"),
    intel(0x6c, "Ice Lake"),
    intel(0x7d, "Ice Lake"),
    intel(0x7e, "Ice Lake"),
    intel(0x8c, "Tiger Lake"),
    intel(0x8d, "Tiger Lake"),
    intel(0xa7, "Rocket Lake"),
    intel(0x8a, "Lakefield"),
    intel(0x97, "Alder Lake"),
    intel(0x9a, "Alder Lake"),
    intel(0xbe, "Gracemont"),
    intel(0xb7, "Raptor Lake"),
    intel(0xba, "Raptor Lake"),
    intel(0xbf, "Raptor Lake"),
    intel(0xaa, "Meteor Lake"),
    intel(0xac, "Meteor Lake"),
    intel(0xb5, "Arrow Lake"),
    intel(0xc5, "Arrow Lake"),
    intel(0xc6, "Arrow Lake"),
    intel(0xbd, "Lunar Lake"),
    intel(0xcc, "Panther Lake"),
    intel(0xd5, "Wildcat Lake"),
    intel(0x09, "Pentium M"),
    intel(0x0d, "Pentium M"),
    intel(0x0e, "Yonah"),
    intel(0x15, "Pentium M"),
    intel(0xa8, "Rocket Lake"),
    intel(0xd7, "Bartlett Lake"),
    intel(0x65, "Airmont"),
    intel(0x6e, "Airmont"),
    intel(0x8f, "Sapphire Rapids"),
    intel(0xcf, "Emerald Rapids"),
    intel(0xad, "Granite Rapids"),
    intel(0xae, "Granite Rapids"),
    intel(0xaf, "Sierra Forest"),
    intel(0xb6, "Grand Ridge"),
    intel(0xdd, "Clearwater Forest"),
    intel(0x1c, "Bonnell"),
    intel(0x26, "Bonnell"),
    intel(0x27, "Saltwell"),
    intel(0x35, "Saltwell"),
    intel(0x36, "Saltwell"),
    intel(0x37, "Silvermont"),
    intel(0x4a, "Silvermont"),
    intel(0x4d, "Silvermont"),
    intel(0x5a, "Silvermont"),
    intel(0x5d, "Silvermont"),
    intel(0x4c, "Airmont"),
    intel(0x75, "Airmont"),
    intel(0x5c, "Goldmont"),
    intel(0x5f, "Goldmont"),
    intel(0x7a, "Goldmont Plus"),
    intel(0x86, "Tremont"),
    intel(0x96, "Tremont"),
    intel(0x9c, "Tremont"),
    intel(0x57, "Knights Landing"),
    intel(0x85, "Knights Mill"),
    family(Vendor::Intel, 11, 0, 255, "Knights Corner"),
    family(Vendor::Intel, 15, 0, 255, "NetBurst"),
    family(Vendor::Intel, 18, 1, 3, "Nova Lake"),
    family(Vendor::Intel, 19, 1, 1, "Diamond Rapids"),
    amd(0x05, 0, 255, "K6"),
    amd(0x06, 0, 255, "K7"),
    amd(0x0f, 0, 255, "K8"),
    amd(0x10, 0, 255, "K10"),
    amd(0x11, 0, 255, "K8"),
    amd(0x12, 0, 255, "K10"),
    amd(0x14, 0, 255, "Bobcat"),
    amd(0x15, 0x00, 0x01, "Bulldozer"),
    amd(0x15, 0x02, 0x1f, "Piledriver"),
    amd(0x15, 0x30, 0x3f, "Steamroller"),
    amd(0x15, 0x60, 0x7f, "Excavator"),
    amd(0x16, 0x00, 0x0f, "Jaguar"),
    amd(0x16, 0x30, 0x3f, "Puma"),
    amd(0x17, 0x08, 0x08, "Zen+"),
    amd(0x17, 0x18, 0x18, "Zen+"),
    amd(0x17, 0x00, 0x2f, "Zen"),
    amd(0x17, 0x30, 0xff, "Zen 2"),
    amd(0x19, 0x00, 0x0f, "Zen 3"),
    amd(0x19, 0x10, 0x1f, "Zen 4"),
    amd(0x19, 0x20, 0x3f, "Zen 3"),
    amd(0x19, 0x40, 0x4f, "Zen 3+"),
    amd(0x19, 0x50, 0x5f, "Zen 3"),
    amd(0x19, 0x60, 0x7f, "Zen 4"),
    amd(0x19, 0xa0, 0xaf, "Zen 4c"),
    amd(0x1a, 0x10, 0x1f, "Zen 5c"),
    amd(0x1a, 0x00, 0x4f, "Zen 5"),
    amd(0x1a, 0x60, 0x7f, "Zen 5"),
    amd(0x1a, 0x50, 0x5f, "Zen 6"),
    amd(0x1a, 0x80, 0xcf, "Zen 6"),
    family(Vendor::Hygon, 0x18, 0, 255, "Dhyana (Zen)"),
    family(Vendor::Zhaoxin, 6, 0x0f, 0x0f, "Isaiah"),
    family(Vendor::Zhaoxin, 6, 0x19, 0x19, "ZhangJiang"),
    family(Vendor::Zhaoxin, 7, 0x1b, 0x1b, "WuDaoKou"),
    family(Vendor::Zhaoxin, 7, 0x3b, 0x3b, "LuJiaZui"),
    family(Vendor::Zhaoxin, 7, 0x5b, 0x5b, "YongFeng"),
    family(Vendor::Zhaoxin, 7, 0x6b, 0x6b, "ShiJiDaDao"),
];

/// The name of an x86 microarchitecture by CPUID's vendor, family, model and stepping.
pub(super) fn x86(vendor: &str, family: u32, model: u32, stepping: u32) -> Option<&'static str> {
    let vendor = match vendor.trim() {
        "GenuineIntel" => Vendor::Intel,
        "AuthenticAMD" => Vendor::Amd,
        "HygonGenuine" => Vendor::Hygon,
        "Shanghai" | "CentaurHauls" => Vendor::Zhaoxin,
        _ => return None,
    };
    let fits = |row: &&X86| {
        row.vendor == vendor
            && row.family == family
            && row.models.contains(&model)
            && row.steppings.contains(&stepping)
    };
    X86.iter().find(fits).map(|row| row.name)
}

/// Makers of ARM cores by MIDR implementer.
static ARM_IMPLEMENTERS: &[(u32, &str)] = &[
    (0x41, "ARM"),
    (0x42, "Broadcom"),
    (0x43, "Cavium"),
    (0x46, "Fujitsu"),
    (0x48, "HiSilicon"),
    (0x4e, "NVIDIA"),
    (0x50, "APM"),
    (0x51, "Qualcomm"),
    (0x53, "Samsung"),
    (0x56, "Marvell"),
    (0x61, "Apple"),
    (0x69, "Intel"),
    (0x6d, "Microsoft"),
    (0x70, "Phytium"),
    (0xc0, "Ampere"),
];

/// ARM cores by MIDR implementer and part.
static ARM_PARTS: &[(u32, u32, &str)] = &[
    (0x41, 0x926, "ARM926"),
    (0x41, 0xb02, "ARM11 MPCore"),
    (0x41, 0xb36, "ARM1136"),
    (0x41, 0xb56, "ARM1156"),
    (0x41, 0xb76, "ARM1176"),
    (0x41, 0xc05, "Cortex-A5"),
    (0x41, 0xc07, "Cortex-A7"),
    (0x41, 0xc08, "Cortex-A8"),
    (0x41, 0xc09, "Cortex-A9"),
    (0x41, 0xc0d, "Cortex-A12"),
    (0x41, 0xc0e, "Cortex-A17"),
    (0x41, 0xc0f, "Cortex-A15"),
    (0x41, 0xd01, "Cortex-A32"),
    (0x41, 0xd02, "Cortex-A34"),
    (0x41, 0xd03, "Cortex-A53"),
    (0x41, 0xd04, "Cortex-A35"),
    (0x41, 0xd05, "Cortex-A55"),
    (0x41, 0xd06, "Cortex-A65"),
    (0x41, 0xd07, "Cortex-A57"),
    (0x41, 0xd08, "Cortex-A72"),
    (0x41, 0xd09, "Cortex-A73"),
    (0x41, 0xd0a, "Cortex-A75"),
    (0x41, 0xd0b, "Cortex-A76"),
    (0x41, 0xd0c, "Neoverse N1"),
    (0x41, 0xd0d, "Cortex-A77"),
    (0x41, 0xd0e, "Cortex-A76AE"),
    (0x41, 0xd40, "Neoverse V1"),
    (0x41, 0xd41, "Cortex-A78"),
    (0x41, 0xd42, "Cortex-A78AE"),
    (0x41, 0xd43, "Cortex-A65AE"),
    (0x41, 0xd44, "Cortex-X1"),
    (0x41, 0xd46, "Cortex-A510"),
    (0x41, 0xd47, "Cortex-A710"),
    (0x41, 0xd48, "Cortex-X2"),
    (0x41, 0xd49, "Neoverse N2"),
    (0x41, 0xd4a, "Neoverse E1"),
    (0x41, 0xd4b, "Cortex-A78C"),
    (0x41, 0xd4c, "Cortex-X1C"),
    (0x41, 0xd4d, "Cortex-A715"),
    (0x41, 0xd4e, "Cortex-X3"),
    (0x41, 0xd4f, "Neoverse V2"),
    (0x41, 0xd80, "Cortex-A520"),
    (0x41, 0xd81, "Cortex-A720"),
    (0x41, 0xd82, "Cortex-X4"),
    (0x41, 0xd83, "Neoverse V3AE"),
    (0x41, 0xd84, "Neoverse V3"),
    (0x41, 0xd85, "Cortex-X925"),
    (0x41, 0xd87, "Cortex-A725"),
    (0x41, 0xd88, "Cortex-A520AE"),
    (0x41, 0xd89, "Cortex-A720AE"),
    (0x41, 0xd8a, "C1-Nano"),
    (0x41, 0xd8b, "C1-Pro"),
    (0x41, 0xd8c, "C1-Ultra"),
    (0x41, 0xd8e, "Neoverse N3"),
    (0x41, 0xd8f, "Cortex-A320"),
    (0x41, 0xd90, "C1-Premium"),
    (0x42, 0x00f, "Brahma-B15"),
    (0x42, 0x100, "Brahma-B53"),
    (0x42, 0x516, "ThunderX2"),
    (0x43, 0x0a0, "ThunderX"),
    (0x43, 0x0a2, "ThunderX 81XX"),
    (0x43, 0x0a3, "ThunderX 83XX"),
    (0x4e, 0x000, "Denver"),
    (0x50, 0x000, "X-Gene"),
    (0x51, 0x00f, "Scorpion"),
    (0x51, 0x02d, "Scorpion"),
    (0x51, 0x04d, "Krait"),
    (0x51, 0x06f, "Krait"),
    (0x51, 0x201, "Kryo"),
    (0x51, 0x205, "Kryo"),
    (0x51, 0x211, "Kryo"),
    (0x51, 0x800, "Kryo 2xx Gold"),
    (0x51, 0x801, "Kryo 2xx Silver"),
    (0x51, 0xc01, "Saphira"),
    (0x56, 0x131, "Feroceon"),
    (0x56, 0x581, "PJ4"),
    (0x56, 0x584, "PJ4B-MP"),
    (0x48, 0xd02, "TaiShan v120"),
    (0x48, 0xd40, "Cortex-A76 (Kirin)"),
    (0x70, 0x303, "FTC310"),
    (0x70, 0x660, "FTC660"),
    (0x70, 0x661, "FTC661"),
    (0x43, 0x0a1, "ThunderX"),
    (0x43, 0x0af, "ThunderX2"),
    (0x43, 0x0b8, "ThunderX3"),
    (0x46, 0x001, "A64FX"),
    (0x46, 0x003, "MONAKA"),
    (0x48, 0xd01, "TaiShan v110"),
    (0x4e, 0x003, "Denver 2"),
    (0x4e, 0x004, "Carmel"),
    (0x4e, 0x010, "Olympus"),
    (0x51, 0x001, "Oryon"),
    (0x51, 0x802, "Kryo 3xx Gold"),
    (0x51, 0x803, "Kryo 3xx Silver"),
    (0x51, 0x804, "Kryo 4xx Gold"),
    (0x51, 0x805, "Kryo 4xx Silver"),
    (0x51, 0xc00, "Falkor"),
    (0x53, 0x001, "Exynos M1"),
    (0x53, 0x002, "Exynos M3"),
    (0x53, 0x003, "Exynos M4"),
    (0x53, 0x004, "Exynos M5"),
    (0x61, 0x022, "Icestorm (M1)"),
    (0x61, 0x023, "Firestorm (M1)"),
    (0x61, 0x024, "Icestorm (M1 Pro)"),
    (0x61, 0x025, "Firestorm (M1 Pro)"),
    (0x61, 0x028, "Icestorm (M1 Max)"),
    (0x61, 0x029, "Firestorm (M1 Max)"),
    (0x61, 0x032, "Blizzard (M2)"),
    (0x61, 0x033, "Avalanche (M2)"),
    (0x61, 0x034, "Blizzard (M2 Pro)"),
    (0x61, 0x035, "Avalanche (M2 Pro)"),
    (0x61, 0x038, "Blizzard (M2 Max)"),
    (0x61, 0x039, "Avalanche (M2 Max)"),
    (0x61, 0x042, "Sawtooth (M3)"),
    (0x61, 0x043, "Everest (M3)"),
    (0x61, 0x044, "Sawtooth (M3 Pro)"),
    (0x61, 0x045, "Everest (M3 Pro)"),
    (0x61, 0x048, "Sawtooth (M3 Max)"),
    (0x61, 0x049, "Everest (M3 Max)"),
    (0x61, 0x052, "Donan E-core (M4)"),
    (0x61, 0x053, "Donan P-core (M4)"),
    (0x61, 0x054, "Brava E-core (M4 Pro)"),
    (0x61, 0x055, "Brava P-core (M4 Pro)"),
    (0x61, 0x058, "Brava E-core (M4 Max)"),
    (0x61, 0x059, "Brava P-core (M4 Max)"),
    (0x6d, 0xd49, "Azure Cobalt 100"),
    (0x70, 0x662, "FTC662"),
    (0x70, 0x663, "FTC663"),
    (0x70, 0x664, "FTC664"),
    (0x70, 0x862, "FTC862"),
    (0xc0, 0xac3, "Ampere-1"),
    (0xc0, 0xac4, "Ampere-1a"),
    (0xc0, 0xac5, "Ampere-1b"),
];

/// The maker of an ARM core.
pub(super) fn arm_implementer(implementer: u32) -> Option<&'static str> {
    ARM_IMPLEMENTERS.iter().find(|row| row.0 == implementer).map(|row| row.1)
}

/// The name of an ARM core.
pub(super) fn arm_part(implementer: u32, part: u32) -> Option<&'static str> {
    ARM_PARTS.iter().find(|row| (row.0, row.1) == (implementer, part)).map(|row| row.2)
}

/// The generation of an IBM Z by its machine type.
pub(super) fn ibm_z(machine_type: &str) -> Option<&'static str> {
    let name = match machine_type {
        "2064" | "2066" => "z900",
        "2084" | "2086" => "z990",
        "2094" | "2096" => "z9",
        "2097" | "2098" => "z10",
        "2817" | "2818" => "z196",
        "2827" | "2828" => "zEC12",
        "2964" | "2965" => "z13",
        "3906" | "3907" => "z14",
        "8561" | "8562" => "z15",
        "3931" | "3932" => "z16",
        "9175" | "9176" => "z17",
        _ => return None,
    };
    Some(name)
}

/// The core of a Loongson processor by its product name.
pub(super) fn loongson(product: &str) -> Option<&'static str> {
    let product = product.trim().trim_start_matches("Loongson-").to_ascii_uppercase();
    let starts = |names: &[&str]| names.iter().any(|name| product.starts_with(name));
    Some(match () {
        () if starts(&["3A6000", "3C6000", "3D6000", "3E6000", "3B6000"]) => "LA664",
        () if starts(&["3A5000", "3C5000", "3D5000", "3B5000", "3A5000"]) => "LA464",
        () if starts(&["2K3000", "3B6000M"]) => "LA364E",
        () if starts(&["2K1500", "2K2000"]) => "LA364",
        () if starts(&["2K1000", "2K0500"]) => "LA264",
        () => return None,
    })
}

/// Makers of RISC-V cores by JEDEC number, as in `mvendorid`.
pub(super) fn riscv_vendor(number: u64) -> Option<&'static str> {
    let name = match number {
        0x489 => "SiFive",
        0x31e => "Andes",
        0x5b7 => "T-Head",
        0x710 => "SpacemiT",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_and_model_name_the_microarchitecture() {
        for (vendor, family, model, stepping, name) in [
            ("AuthenticAMD", 26, 2, 1, Some("Zen 5")),
            ("AuthenticAMD", 26, 0x11, 0, Some("Zen 5c")),
            ("AuthenticAMD", 23, 1, 2, Some("Zen")),
            ("AuthenticAMD", 0x15, 1, 2, Some("Bulldozer")),
            ("GenuineIntel", 6, 0x55, 4, Some("Skylake")),
            ("GenuineIntel", 6, 0x55, 7, Some("Cascade Lake")),
            ("GenuineIntel", 6, 0xba, 2, Some("Raptor Lake")),
            ("HygonGenuine", 0x18, 0, 0, Some("Dhyana (Zen)")),
            ("  Shanghai  ", 6, 0x19, 0, Some("ZhangJiang")),
            ("GenuineIntel", 6, 0xff, 0, None),
            ("SomebodyElse", 6, 0x55, 4, None),
        ] {
            assert_eq!(x86(vendor, family, model, stepping), name, "{vendor} {family} {model} {stepping}");
        }
        assert_eq!(arm_part(0x41, 0xd85), Some("Cortex-X925"));
        assert_eq!(arm_implementer(0xc0), Some("Ampere"));
    }
}
