//! Microarchitectures of x86 by CPUID's vendor, family, model and stepping. Families and models are the displayed ones, with
//! the extended fields added.
//!
//! Sources: Intel's manual, volume 4, table 2-1, and the Linux kernel's `intel-family.h`; AMD's revision guides and the
//! kernel's ranges of Zen generations; Zhaoxin's and Hygon's patches to the kernel.

use std::ops::RangeInclusive;

/// Models of Intel's family 6 by name, from the oldest: cores first, then servers of small cores, Atoms, and Xeon Phi.
static INTEL_FAMILY_6: &[(&[u32], &str)] = &[
    (&[0x01, 0x03, 0x05, 0x06, 0x07, 0x08, 0x0a, 0x0b], "P6"),
    (&[0x09, 0x0d, 0x15], "Pentium M"),
    (&[0x0e], "Yonah"),
    (&[0x0f, 0x16], "Merom"),
    (&[0x17, 0x1d], "Penryn"),
    (&[0x1a, 0x1e, 0x1f, 0x2e], "Nehalem"),
    (&[0x25, 0x2c, 0x2f], "Westmere"),
    (&[0x2a, 0x2d], "Sandy Bridge"),
    (&[0x3a, 0x3e], "Ivy Bridge"),
    (&[0x3c, 0x3f, 0x45, 0x46], "Haswell"),
    (&[0x3d, 0x47, 0x4f, 0x56], "Broadwell"),
    (&[0x4e, 0x5e], "Skylake"),
    (&[0xa5, 0xa6], "Comet Lake"),
    (&[0x66], "Cannon Lake"),
    (&[0x6a, 0x6c, 0x7d, 0x7e, 0x9d], "Ice Lake"),
    (&[0x8c, 0x8d], "Tiger Lake"),
    (&[0xa7, 0xa8], "Rocket Lake"),
    (&[0x8a], "Lakefield"),
    (&[0x97, 0x9a], "Alder Lake"),
    (&[0xb7, 0xba, 0xbf], "Raptor Lake"),
    (&[0xaa, 0xac], "Meteor Lake"),
    (&[0xb5, 0xc5, 0xc6], "Arrow Lake"),
    (&[0xbd], "Lunar Lake"),
    (&[0xcc], "Panther Lake"),
    (&[0xd5], "Wildcat Lake"),
    (&[0xd7], "Bartlett Lake"),
    (&[0x8f], "Sapphire Rapids"),
    (&[0xcf], "Emerald Rapids"),
    (&[0xad, 0xae], "Granite Rapids"),
    (&[0xaf], "Sierra Forest"),
    (&[0xb6], "Grand Ridge"),
    (&[0xdd], "Clearwater Forest"),
    (&[0x1c, 0x26], "Bonnell"),
    (&[0x27, 0x35, 0x36], "Saltwell"),
    (&[0x37, 0x4a, 0x4d, 0x5a, 0x5d], "Silvermont"),
    (&[0x4c, 0x65, 0x6e, 0x75], "Airmont"),
    (&[0x5c, 0x5f], "Goldmont"),
    (&[0x7a], "Goldmont Plus"),
    (&[0x86, 0x96, 0x9c], "Tremont"),
    (&[0xbe], "Gracemont"),
    (&[0x57], "Knights Landing"),
    (&[0x85], "Knights Mill"),
];

/// Models of Intel's family 6 that changed their name with the stepping.
static INTEL_STEPPINGS: &[(u32, RangeInclusive<u32>, &str)] = &[
    (0x55, 0..=4, "Skylake"),
    (0x55, 5..=9, "Cascade Lake"),
    (0x55, 10..=15, "Cooper Lake"),
    (0x8e, 0..=9, "Kaby Lake"),
    (0x8e, 10..=10, "Coffee Lake"),
    (0x8e, 11..=11, "Whiskey Lake"),
    (0x8e, 12..=15, "Comet Lake"),
    (0x9e, 0..=9, "Kaby Lake"),
    (0x9e, 10..=15, "Coffee Lake"),
];

/// Whole families, and ranges of models within one; the first row that fits is the name.
static FAMILIES: &[(&str, u32, RangeInclusive<u32>, &str)] = &[
    (INTEL, 5, 0..=8, "P5"),
    (INTEL, 5, 9..=9, "Quark"),
    (INTEL, 11, 0..=255, "Knights Corner"),
    (INTEL, 15, 0..=255, "NetBurst"),
    (INTEL, 18, 1..=3, "Nova Lake"),
    (INTEL, 19, 1..=1, "Diamond Rapids"),
    (AMD, 0x05, 0..=255, "K6"),
    (AMD, 0x06, 0..=255, "K7"),
    (AMD, 0x0f, 0..=255, "K8"),
    (AMD, 0x10, 0..=255, "K10"),
    (AMD, 0x11, 0..=255, "K8"),
    (AMD, 0x12, 0..=255, "K10"),
    (AMD, 0x14, 0..=255, "Bobcat"),
    (AMD, 0x15, 0x00..=0x01, "Bulldozer"),
    (AMD, 0x15, 0x02..=0x1f, "Piledriver"),
    (AMD, 0x15, 0x30..=0x3f, "Steamroller"),
    (AMD, 0x15, 0x60..=0x7f, "Excavator"),
    (AMD, 0x16, 0x00..=0x0f, "Jaguar"),
    (AMD, 0x16, 0x30..=0x3f, "Puma"),
    (AMD, 0x17, 0x08..=0x08, "Zen+"),
    (AMD, 0x17, 0x18..=0x18, "Zen+"),
    (AMD, 0x17, 0x00..=0x2f, "Zen"),
    (AMD, 0x17, 0x50..=0x5f, "Zen"),
    (AMD, 0x17, 0x30..=0xff, "Zen 2"),
    (AMD, 0x19, 0x00..=0x0f, "Zen 3"),
    (AMD, 0x19, 0x10..=0x1f, "Zen 4"),
    (AMD, 0x19, 0x40..=0x4f, "Zen 3+"),
    (AMD, 0x19, 0x20..=0x5f, "Zen 3"),
    (AMD, 0x19, 0xa0..=0xaf, "Zen 4c"),
    (AMD, 0x19, 0x60..=0x9f, "Zen 4"),
    (AMD, 0x1a, 0x10..=0x1f, "Zen 5c"),
    (AMD, 0x1a, 0x50..=0x5f, "Zen 6"),
    (AMD, 0x1a, 0x00..=0x7f, "Zen 5"),
    (AMD, 0x1a, 0x80..=0xcf, "Zen 6"),
    (HYGON, 0x18, 0..=255, "Dhyana (Zen)"),
    (ZHAOXIN, 6, 0x06..=0x08, "Samuel"),
    (ZHAOXIN, 6, 0x09..=0x09, "Nehemiah"),
    (ZHAOXIN, 6, 0x0a..=0x0d, "Esther"),
    (ZHAOXIN, 6, 0x0f..=0x0f, "Isaiah"),
    (ZHAOXIN, 6, 0x19..=0x19, "ZhangJiang"),
    (ZHAOXIN, 7, 0x1b..=0x1b, "WuDaoKou"),
    (ZHAOXIN, 7, 0x3b..=0x3b, "LuJiaZui"),
    (ZHAOXIN, 7, 0x5b..=0x5b, "YongFeng"),
    (ZHAOXIN, 7, 0x6b..=0x6b, "ShiJiDaDao"),
];

const INTEL: &str = "GenuineIntel";
const AMD: &str = "AuthenticAMD";
const HYGON: &str = "HygonGenuine";
/// Which bought Centaur, and whose first processors still answer with its name.
const ZHAOXIN: &str = "Shanghai";

/// The name by CPUID's vendor, family, model and stepping.
pub(in crate::machine) fn x86(vendor: &str, family: u32, model: u32, stepping: u32) -> Option<&'static str> {
    let vendor = match vendor.trim() {
        "CentaurHauls" | "VIA VIA VIA" => ZHAOXIN,
        other => other,
    };
    let by_family = || {
        let fits = |row: &&(&str, u32, RangeInclusive<u32>, &str)| {
            row.0 == vendor && row.1 == family && row.2.contains(&model)
        };
        FAMILIES.iter().find(fits).map(|row| row.3)
    };
    if (vendor, family) != (INTEL, 6) {
        return by_family();
    }
    let renamed = INTEL_STEPPINGS.iter().find(|row| row.0 == model && row.1.contains(&stepping));
    renamed
        .map(|row| row.2)
        .or_else(|| INTEL_FAMILY_6.iter().find(|row| row.0.contains(&model)).map(|row| row.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures of processors that were sold, with the name that their makers gave the core.
    #[test]
    fn processors_that_were_sold_have_their_makers_names() {
        for (vendor, family, model, stepping, name) in [
            (INTEL, 6, 0x0f, 7, "Merom"),               // Xeon E5345
            (INTEL, 6, 0x17, 6, "Penryn"),              // Core 2 Duo E8400
            (INTEL, 6, 0x1d, 1, "Penryn"),              // Xeon X7460
            (INTEL, 6, 0x1a, 5, "Nehalem"),             // Xeon X5550
            (INTEL, 6, 0x2e, 6, "Nehalem"),             // Xeon X7560
            (INTEL, 6, 0x2c, 2, "Westmere"),            // Xeon X5650
            (INTEL, 6, 0x2f, 2, "Westmere"),            // Xeon E7-4870
            (INTEL, 6, 0x2a, 7, "Sandy Bridge"),        // Core i7-2600K
            (INTEL, 6, 0x2d, 7, "Sandy Bridge"),        // Xeon E5-2650
            (INTEL, 6, 0x3a, 9, "Ivy Bridge"),          // Core i7-3770
            (INTEL, 6, 0x3e, 4, "Ivy Bridge"),          // Xeon E5-2697 v2
            (INTEL, 6, 0x3c, 3, "Haswell"),             // Core i7-4770
            (INTEL, 6, 0x3f, 2, "Haswell"),             // Xeon E5-2680 v3
            (INTEL, 6, 0x4f, 1, "Broadwell"),           // Xeon E5-2650L v4
            (INTEL, 6, 0x56, 3, "Broadwell"),           // Xeon D-1541
            (INTEL, 6, 0x5e, 3, "Skylake"),             // Core i7-6700K
            (INTEL, 6, 0x55, 4, "Skylake"),             // Xeon Gold 6140
            (INTEL, 6, 0x55, 7, "Cascade Lake"),        // Xeon Gold 6230
            (INTEL, 6, 0x55, 11, "Cooper Lake"),        // Xeon Platinum 8380HL
            (INTEL, 6, 0x9e, 9, "Kaby Lake"),           // Core i7-7700K
            (INTEL, 6, 0x9e, 10, "Coffee Lake"),        // Core i7-8700K
            (INTEL, 6, 0x8e, 11, "Whiskey Lake"),       // Core i7-8565U
            (INTEL, 6, 0xa5, 5, "Comet Lake"),          // Core i9-10900K
            (INTEL, 6, 0x66, 3, "Cannon Lake"),         // Core i3-8121U
            (INTEL, 6, 0x7e, 5, "Ice Lake"),            // Core i7-1065G7
            (INTEL, 6, 0x6a, 6, "Ice Lake"),            // Xeon Platinum 8380
            (INTEL, 6, 0x6c, 1, "Ice Lake"),            // Xeon D-2700
            (INTEL, 6, 0xa7, 1, "Rocket Lake"),         // Core i9-11900K
            (INTEL, 6, 0x8c, 1, "Tiger Lake"),          // Core i7-1165G7
            (INTEL, 6, 0x97, 2, "Alder Lake"),          // Core i9-12900K
            (INTEL, 6, 0x9a, 3, "Alder Lake"),          // Core i7-1260P
            (INTEL, 6, 0xbe, 0, "Gracemont"),           // N100
            (INTEL, 6, 0xb7, 1, "Raptor Lake"),         // Core i9-13900K
            (INTEL, 6, 0xba, 2, "Raptor Lake"),         // Core i7-1370P
            (INTEL, 6, 0xaa, 4, "Meteor Lake"),         // Core Ultra 7 155H
            (INTEL, 6, 0xc6, 2, "Arrow Lake"),          // Core Ultra 9 285K
            (INTEL, 6, 0xc5, 2, "Arrow Lake"),          // Core Ultra 9 285H
            (INTEL, 6, 0xb5, 0, "Arrow Lake"),          // Core Ultra 7 255U
            (INTEL, 6, 0xbd, 1, "Lunar Lake"),          // Core Ultra 7 258V
            (INTEL, 6, 0xcc, 0, "Panther Lake"),        // Core Ultra X9 388H
            (INTEL, 6, 0x8f, 8, "Sapphire Rapids"),     // Xeon Max 9460
            (INTEL, 6, 0xcf, 2, "Emerald Rapids"),      // Xeon Platinum 8592+
            (INTEL, 6, 0xad, 1, "Granite Rapids"),      // Xeon 6980P
            (INTEL, 6, 0xae, 1, "Granite Rapids"),      // Xeon 6700 for the edge
            (INTEL, 6, 0xaf, 3, "Sierra Forest"),       // Xeon 6780E
            (INTEL, 6, 0x57, 1, "Knights Landing"),     // Xeon Phi 7210
            (INTEL, 6, 0x85, 0, "Knights Mill"),        // Xeon Phi 7295
            (INTEL, 11, 1, 3, "Knights Corner"),        // Xeon Phi SE10P
            (INTEL, 6, 0x5c, 9, "Goldmont"),            // Celeron N3350
            (INTEL, 6, 0x86, 7, "Tremont"),             // Atom P5900
            (AMD, 0x0f, 0x05, 10, "K8"),                // Opteron 250
            (AMD, 0x10, 0x08, 0, "K10"),                // Opteron 8439 SE
            (AMD, 0x15, 0x01, 2, "Bulldozer"),          // Opteron 6272
            (AMD, 0x15, 0x02, 0, "Piledriver"),         // Opteron 6348
            (AMD, 0x15, 0x10, 1, "Piledriver"),         // A10-5800K
            (AMD, 0x15, 0x30, 1, "Steamroller"),        // A10-7850K
            (AMD, 0x15, 0x65, 1, "Excavator"),          // A12-9800
            (AMD, 0x16, 0x00, 1, "Jaguar"),             // A4-5000
            (AMD, 0x16, 0x30, 1, "Puma"),               // A6-6310
            (AMD, 0x17, 0x01, 2, "Zen"),                // EPYC 7451
            (AMD, 0x17, 0x11, 0, "Zen"),                // Ryzen 5 2400G
            (AMD, 0x17, 0x08, 2, "Zen+"),               // Ryzen 7 2700X
            (AMD, 0x17, 0x31, 0, "Zen 2"),              // EPYC 7742
            (AMD, 0x17, 0x71, 0, "Zen 2"),              // Ryzen 9 3950X
            (AMD, 0x17, 0x60, 1, "Zen 2"),              // Ryzen 7 4800U
            (AMD, 0x17, 0xa0, 0, "Zen 2"),              // Ryzen 5 7520U
            (AMD, 0x19, 0x01, 1, "Zen 3"),              // EPYC 7763
            (AMD, 0x19, 0x21, 0, "Zen 3"),              // Ryzen 9 5950X
            (AMD, 0x19, 0x50, 0, "Zen 3"),              // Ryzen 7 5800U
            (AMD, 0x19, 0x44, 1, "Zen 3+"),             // Ryzen 7 6800U
            (AMD, 0x19, 0x11, 1, "Zen 4"),              // EPYC 9654
            (AMD, 0x19, 0x61, 2, "Zen 4"),              // Ryzen 9 7950X
            (AMD, 0x19, 0x74, 1, "Zen 4"),              // Ryzen 7 7840U
            (AMD, 0x19, 0x90, 0, "Zen 4"),              // Instinct MI300A
            (AMD, 0x19, 0xa0, 2, "Zen 4c"),             // EPYC 9754
            (AMD, 0x1a, 0x02, 1, "Zen 5"),              // EPYC 9755
            (AMD, 0x1a, 0x11, 0, "Zen 5c"),             // EPYC 9965
            (AMD, 0x1a, 0x24, 0, "Zen 5"),              // Ryzen AI 9 HX 370
            (AMD, 0x1a, 0x44, 0, "Zen 5"),              // Ryzen 9 9950X
            (AMD, 0x1a, 0x70, 0, "Zen 5"),              // Ryzen AI Max+ 395
            (HYGON, 0x18, 0x00, 1, "Dhyana (Zen)"),     // C86 7185
            ("CentaurHauls", 6, 0x0f, 8, "Isaiah"),     // Nano U3300
            ("  Shanghai  ", 6, 0x19, 0, "ZhangJiang"), // KaiSheng ZX-C+ FC1081
            ("CentaurHauls", 7, 0x1b, 0, "WuDaoKou"),   // KaiXian KX-5640
            ("  Shanghai  ", 7, 0x3b, 0, "LuJiaZui"),   // KaiXian KX-U6780A
            ("  Shanghai  ", 7, 0x5b, 0, "YongFeng"),   // KaiSheng KH-40000
        ] {
            assert_eq!(x86(vendor, family, model, stepping), Some(name), "{vendor} {family} {model:#x}");
        }
        for (vendor, family, model) in [(INTEL, 6, 0xff), ("SomebodyElse", 6, 0x55), (AMD, 0x15, 0x50)] {
            assert_eq!(x86(vendor, family, model, 0), None, "{vendor} {family} {model:#x}");
        }
    }

    #[test]
    fn no_model_has_two_names() {
        let all: Vec<u32> = INTEL_FAMILY_6.iter().flat_map(|row| row.0).copied().collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
        assert!(INTEL_STEPPINGS.iter().all(|row| !once.contains(&row.0)));
    }
}
