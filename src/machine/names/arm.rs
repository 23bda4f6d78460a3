//! Makers and cores of ARM by the implementer and the part of MIDR, as the makers' manuals and the Linux kernel
//! (`cputype.h`) list them.

/// A maker and its cores by part, ascending.
struct Maker {
    implementer: u32,
    name: &'static str,
    parts: &'static [(u32, &'static str)],
}

static MAKERS: &[Maker] = &[
    Maker {
        implementer: 0x41,
        name: "ARM",
        parts: &[
            (0x810, "ARM810"),
            (0x920, "ARM920"),
            (0x922, "ARM922"),
            (0x926, "ARM926"),
            (0x940, "ARM940"),
            (0x946, "ARM946"),
            (0x966, "ARM966"),
            (0xa20, "ARM1020"),
            (0xa22, "ARM1022"),
            (0xa26, "ARM1026"),
            (0xb02, "ARM11 MPCore"),
            (0xb36, "ARM1136"),
            (0xb56, "ARM1156"),
            (0xb76, "ARM1176"),
            (0xc05, "Cortex-A5"),
            (0xc07, "Cortex-A7"),
            (0xc08, "Cortex-A8"),
            (0xc09, "Cortex-A9"),
            (0xc0d, "Cortex-A12"),
            (0xc0e, "Cortex-A17"),
            (0xc0f, "Cortex-A15"),
            (0xc14, "Cortex-R4"),
            (0xc15, "Cortex-R5"),
            (0xc17, "Cortex-R7"),
            (0xc18, "Cortex-R8"),
            (0xd01, "Cortex-A32"),
            (0xd02, "Cortex-A34"),
            (0xd03, "Cortex-A53"),
            (0xd04, "Cortex-A35"),
            (0xd05, "Cortex-A55"),
            (0xd06, "Cortex-A65"),
            (0xd07, "Cortex-A57"),
            (0xd08, "Cortex-A72"),
            (0xd09, "Cortex-A73"),
            (0xd0a, "Cortex-A75"),
            (0xd0b, "Cortex-A76"),
            (0xd0c, "Neoverse N1"),
            (0xd0d, "Cortex-A77"),
            (0xd0e, "Cortex-A76AE"),
            (0xd13, "Cortex-R52"),
            (0xd15, "Cortex-R82"),
            (0xd16, "Cortex-R52+"),
            (0xd40, "Neoverse V1"),
            (0xd41, "Cortex-A78"),
            (0xd42, "Cortex-A78AE"),
            (0xd43, "Cortex-A65AE"),
            (0xd44, "Cortex-X1"),
            (0xd46, "Cortex-A510"),
            (0xd47, "Cortex-A710"),
            (0xd48, "Cortex-X2"),
            (0xd49, "Neoverse N2"),
            (0xd4a, "Neoverse E1"),
            (0xd4b, "Cortex-A78C"),
            (0xd4c, "Cortex-X1C"),
            (0xd4d, "Cortex-A715"),
            (0xd4e, "Cortex-X3"),
            (0xd4f, "Neoverse V2"),
            (0xd80, "Cortex-A520"),
            (0xd81, "Cortex-A720"),
            (0xd82, "Cortex-X4"),
            (0xd83, "Neoverse V3AE"),
            (0xd84, "Neoverse V3"),
            (0xd85, "Cortex-X925"),
            (0xd87, "Cortex-A725"),
            (0xd88, "Cortex-A520AE"),
            (0xd89, "Cortex-A720AE"),
            (0xd8a, "C1-Nano"),
            (0xd8b, "C1-Pro"),
            (0xd8c, "C1-Ultra"),
            (0xd8e, "Neoverse N3"),
            (0xd8f, "Cortex-A320"),
            (0xd90, "C1-Premium"),
        ],
    },
    Maker {
        implementer: 0x42,
        name: "Broadcom",
        parts: &[(0x00f, "Brahma-B15"), (0x100, "Brahma-B53"), (0x516, "ThunderX2")],
    },
    Maker {
        implementer: 0x43,
        name: "Cavium",
        parts: &[
            (0x0a0, "ThunderX"),
            (0x0a1, "ThunderX"),
            (0x0a2, "ThunderX 81XX"),
            (0x0a3, "ThunderX 83XX"),
            (0x0af, "ThunderX2"),
            (0x0b0, "OcteonTX2"),
            (0x0b1, "OcteonTX2 98XX"),
            (0x0b2, "OcteonTX2 96XX"),
            (0x0b3, "OcteonTX2 95XX"),
            (0x0b4, "OcteonTX2 95XXN"),
            (0x0b5, "OcteonTX2 95XXMM"),
            (0x0b6, "OcteonTX2 95XXO"),
            (0x0b8, "ThunderX3"),
        ],
    },
    Maker { implementer: 0x44, name: "DEC", parts: &[(0xa10, "SA110"), (0xa11, "SA1100")] },
    Maker { implementer: 0x46, name: "Fujitsu", parts: &[(0x001, "A64FX"), (0x003, "MONAKA")] },
    Maker {
        implementer: 0x48,
        name: "HiSilicon",
        parts: &[
            (0xd01, "TaiShan v110"),
            (0xd02, "TaiShan v120"),
            (0xd06, "TaiShan (HIP12)"),
            (0xd40, "Cortex-A76 (Kirin)"),
        ],
    },
    Maker { implementer: 0x49, name: "Infineon", parts: &[] },
    Maker { implementer: 0x4d, name: "Motorola", parts: &[] },
    Maker {
        implementer: 0x4e,
        name: "NVIDIA",
        parts: &[(0x000, "Denver"), (0x003, "Denver 2"), (0x004, "Carmel"), (0x010, "Olympus")],
    },
    Maker { implementer: 0x50, name: "APM", parts: &[(0x000, "X-Gene")] },
    Maker {
        implementer: 0x51,
        name: "Qualcomm",
        parts: &[
            (0x001, "Oryon"),
            (0x00f, "Scorpion"),
            (0x02d, "Scorpion"),
            (0x04d, "Krait"),
            (0x06f, "Krait"),
            (0x200, "Kryo"),
            (0x201, "Kryo"),
            (0x205, "Kryo"),
            (0x211, "Kryo"),
            (0x800, "Kryo 2xx Gold"),
            (0x801, "Kryo 2xx Silver"),
            (0x802, "Kryo 3xx Gold"),
            (0x803, "Kryo 3xx Silver"),
            (0x804, "Kryo 4xx Gold"),
            (0x805, "Kryo 4xx Silver"),
            (0xc00, "Falkor"),
            (0xc01, "Saphira"),
        ],
    },
    Maker {
        implementer: 0x53,
        name: "Samsung",
        parts: &[(0x001, "Exynos M1"), (0x002, "Exynos M3"), (0x003, "Exynos M4"), (0x004, "Exynos M5")],
    },
    Maker {
        implementer: 0x56,
        name: "Marvell",
        parts: &[(0x131, "Feroceon"), (0x581, "PJ4"), (0x584, "PJ4B-MP")],
    },
    Maker {
        implementer: 0x61,
        name: "Apple",
        parts: &[
            (0x001, "Cyclone (A7)"),
            (0x002, "Typhoon (A8)"),
            (0x003, "Typhoon (A8X)"),
            (0x004, "Twister (A9)"),
            (0x005, "Twister (A9X)"),
            (0x006, "Hurricane (A10)"),
            (0x007, "Hurricane (A10X)"),
            (0x008, "Monsoon (A11)"),
            (0x009, "Mistral (A11)"),
            (0x00b, "Vortex (A12)"),
            (0x00c, "Tempest (A12)"),
            (0x00f, "Tempest (S4)"),
            (0x010, "Vortex (A12X)"),
            (0x011, "Tempest (A12X)"),
            (0x012, "Lightning (A13)"),
            (0x013, "Thunder (A13)"),
            (0x020, "Icestorm (A14)"),
            (0x021, "Firestorm (A14)"),
            (0x022, "Icestorm (M1)"),
            (0x023, "Firestorm (M1)"),
            (0x024, "Icestorm (M1 Pro)"),
            (0x025, "Firestorm (M1 Pro)"),
            (0x028, "Icestorm (M1 Max)"),
            (0x029, "Firestorm (M1 Max)"),
            (0x030, "Blizzard (A15)"),
            (0x031, "Avalanche (A15)"),
            (0x032, "Blizzard (M2)"),
            (0x033, "Avalanche (M2)"),
            (0x034, "Blizzard (M2 Pro)"),
            (0x035, "Avalanche (M2 Pro)"),
            (0x038, "Blizzard (M2 Max)"),
            (0x039, "Avalanche (M2 Max)"),
            (0x040, "Sawtooth (A16)"),
            (0x041, "Everest (A16)"),
            (0x042, "Sawtooth (M3)"),
            (0x043, "Everest (M3)"),
            (0x044, "Sawtooth (M3 Pro)"),
            (0x045, "Everest (M3 Pro)"),
            (0x048, "Sawtooth (M3 Max)"),
            (0x049, "Everest (M3 Max)"),
            (0x052, "Donan E-core (M4)"),
            (0x053, "Donan P-core (M4)"),
            (0x054, "Brava E-core (M4 Pro)"),
            (0x055, "Brava P-core (M4 Pro)"),
            (0x058, "Brava E-core (M4 Max)"),
            (0x059, "Brava P-core (M4 Max)"),
        ],
    },
    Maker { implementer: 0x66, name: "Faraday", parts: &[(0x526, "FA526"), (0x626, "FA626")] },
    Maker { implementer: 0x68, name: "HXT", parts: &[(0x000, "Phecda")] },
    Maker { implementer: 0x69, name: "Intel", parts: &[] },
    Maker { implementer: 0x6d, name: "Microsoft", parts: &[(0xd49, "Azure Cobalt 100")] },
    Maker {
        implementer: 0x70,
        name: "Phytium",
        parts: &[
            (0x303, "FTC310"),
            (0x660, "FTC660"),
            (0x661, "FTC661"),
            (0x662, "FTC662"),
            (0x663, "FTC663"),
            (0x664, "FTC664"),
            (0x862, "FTC862"),
        ],
    },
    Maker {
        implementer: 0xc0,
        name: "Ampere",
        parts: &[(0xac3, "Ampere-1"), (0xac4, "Ampere-1a"), (0xac5, "Ampere-1b")],
    },
];

fn maker(implementer: u32) -> Option<&'static Maker> {
    MAKERS.iter().find(|maker| maker.implementer == implementer)
}

/// The maker of a core.
pub(in crate::machine) fn arm_implementer(implementer: u32) -> Option<&'static str> {
    maker(implementer).map(|maker| maker.name)
}

/// The name of a core.
pub(in crate::machine) fn arm_part(implementer: u32, part: u32) -> Option<&'static str> {
    maker(implementer)?.parts.iter().find(|row| row.0 == part).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_stands_twice() {
        let mut implementers: Vec<u32> = MAKERS.iter().map(|maker| maker.implementer).collect();
        implementers.dedup();
        assert_eq!(implementers.len(), MAKERS.len());
        for maker in MAKERS {
            assert!(maker.parts.is_sorted_by(|a, b| a.0 < b.0), "{}", maker.name);
        }
    }

    #[test]
    fn servers_phones_and_macs_are_named_by_implementer_and_part() {
        for (implementer, part, name) in [
            (0x41, 0xd0c, "Neoverse N1"),
            (0x41, 0xd40, "Neoverse V1"),
            (0x41, 0xd49, "Neoverse N2"),
            (0x41, 0xd4f, "Neoverse V2"),
            (0x41, 0xd8e, "Neoverse N3"),
            (0x41, 0xd84, "Neoverse V3"),
            (0x41, 0xd4a, "Neoverse E1"),
            (0x41, 0xd03, "Cortex-A53"),
            (0x41, 0xd08, "Cortex-A72"),
            (0x41, 0xd0b, "Cortex-A76"),
            (0x41, 0xd85, "Cortex-X925"),
            (0x41, 0xd87, "Cortex-A725"),
            (0x43, 0x0af, "ThunderX2"),
            (0x46, 0x001, "A64FX"),
            (0x48, 0xd01, "TaiShan v110"),
            (0x4e, 0x010, "Olympus"),
            (0x51, 0x001, "Oryon"),
            (0x61, 0x023, "Firestorm (M1)"),
            (0x61, 0x032, "Blizzard (M2)"),
            (0x61, 0x043, "Everest (M3)"),
            (0x61, 0x053, "Donan P-core (M4)"),
            (0x61, 0x059, "Brava P-core (M4 Max)"),
            (0x6d, 0xd49, "Azure Cobalt 100"),
            (0x70, 0x663, "FTC663"),
            (0xc0, 0xac4, "Ampere-1a"),
        ] {
            assert_eq!(arm_part(implementer, part), Some(name));
        }
        assert_eq!(arm_part(0x41, 0xfff), None);
        assert_eq!((arm_implementer(0xc0), arm_implementer(0xff)), (Some("Ampere"), None));
    }
}
