//! What products can compute in, where the driver does not say it: NVIDIA's compute capabilities and AMD's instruction
//! sets by product, and the architectures by those.

/// Starts of names without `NVIDIA `, longer ones before shorter ones that they begin with.
static NVIDIA: &[(&str, &str)] = &[
    ("GB300", "10.3"),
    ("B300", "10.3"),
    ("GB200", "10.0"),
    ("B200", "10.0"),
    ("B100", "10.0"),
    ("GB10", "12.1"),
    ("RTX PRO", "12.0"),
    ("GeForce RTX 50", "12.0"),
    ("GH200", "9.0"),
    ("H100", "9.0"),
    ("H200", "9.0"),
    ("H800", "9.0"),
    ("H20", "9.0"),
    ("L40", "8.9"),
    ("L20", "8.9"),
    ("L4", "8.9"),
    ("L2", "8.9"),
    ("GeForce RTX 40", "8.9"),
    ("RTX 2000 Ada", "8.9"),
    ("RTX 4000 Ada", "8.9"),
    ("RTX 4000 SFF Ada", "8.9"),
    ("RTX 4500 Ada", "8.9"),
    ("RTX 5000 Ada", "8.9"),
    ("RTX 5880 Ada", "8.9"),
    ("RTX 6000 Ada", "8.9"),
    ("Orin", "8.7"),
    ("A100", "8.0"),
    ("A800", "8.0"),
    ("A30", "8.0"),
    ("PG509", "8.0"),
    ("A10", "8.6"),
    ("A16", "8.6"),
    ("A2", "8.6"),
    ("A40", "8.6"),
    ("RTX A", "8.6"),
    ("GeForce RTX 30", "8.6"),
    ("GeForce RTX 20", "7.5"),
    ("GeForce GTX 16", "7.5"),
    ("Quadro RTX", "7.5"),
    ("TITAN RTX", "7.5"),
    ("Tesla T4", "7.5"),
    ("T4", "7.5"),
    ("T1000", "7.5"),
    ("T400", "7.5"),
    ("T600", "7.5"),
    ("Tesla V100", "7.0"),
    ("TITAN V", "7.0"),
    ("Quadro GV100", "7.0"),
    ("Tesla P100", "6.0"),
    ("Quadro GP100", "6.0"),
    ("Tesla P4", "6.1"),
    ("Quadro P", "6.1"),
    ("GeForce GTX 10", "6.1"),
    ("TITAN X", "6.1"),
    ("Tesla M", "5.2"),
    ("GeForce GTX 9", "5.2"),
    ("Tesla K80", "3.7"),
    ("Tesla K", "3.5"),
];

/// The compute capability of an NVIDIA product.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches("NVIDIA ");
    NVIDIA.iter().find(|(start, _)| name.starts_with(start)).map(|row| row.1)
}

/// NVIDIA's architectures by compute capability.
pub(super) fn architecture(capability: &str) -> Option<&'static str> {
    Some(match capability {
        "8.9" => "Ada Lovelace",
        "7.5" => "Turing",
        _ => match capability.split('.').next()? {
            "3" => "Kepler",
            "5" => "Maxwell",
            "6" => "Pascal",
            "7" => "Volta",
            "8" => "Ampere",
            "9" => "Hopper",
            "10" | "11" | "12" => "Blackwell",
            _ => return None,
        },
    })
}

/// Parts of AMD's names.
static AMD: &[(&str, &str)] = &[
    ("MI350", "gfx950"),
    ("MI355", "gfx950"),
    ("MI300", "gfx942"),
    ("MI308", "gfx942"),
    ("MI325", "gfx942"),
    ("MI210", "gfx90a"),
    ("MI250", "gfx90a"),
    ("MI100", "gfx908"),
    ("MI50", "gfx906"),
    ("MI60", "gfx906"),
    ("Vega 20", "gfx906"),
    ("Radeon VII", "gfx906"),
    ("MI25", "gfx900"),
    ("Vega 10", "gfx900"),
    ("Navi 48", "gfx1201"),
    ("Navi 44", "gfx1200"),
    ("Navi 33", "gfx1102"),
    ("Navi 32", "gfx1101"),
    ("Navi 31", "gfx1100"),
    ("Navi 24", "gfx1034"),
    ("Navi 23", "gfx1032"),
    ("Navi 22", "gfx1031"),
    ("Navi 21", "gfx1030"),
    ("Navi 14", "gfx1012"),
    ("Navi 12", "gfx1011"),
    ("Navi 10", "gfx1010"),
];

/// The instruction set of an AMD product.
pub(super) fn gfx(name: &str) -> Option<&'static str> {
    AMD.iter().find(|(part, _)| name.contains(part)).map(|row| row.1)
}

/// AMD's architectures by instruction set.
pub(super) fn amd_architecture(gfx: &str) -> Option<&'static str> {
    Some(match gfx {
        "gfx900" | "gfx902" | "gfx904" | "gfx906" | "gfx909" | "gfx90c" => "GCN 5",
        "gfx908" => "CDNA",
        "gfx90a" => "CDNA 2",
        "gfx940" | "gfx941" | "gfx942" => "CDNA 3",
        "gfx950" => "CDNA 4",
        _ if gfx.starts_with("gfx101") => "RDNA",
        _ if gfx.starts_with("gfx103") => "RDNA 2",
        _ if gfx.starts_with("gfx115") => "RDNA 3.5",
        _ if gfx.starts_with("gfx11") => "RDNA 3",
        _ if gfx.starts_with("gfx12") => "RDNA 4",
        _ if gfx.starts_with("gfx8") => "GCN 3",
        _ => return None,
    })
}

/// Transfers of the memory in a clock as AMD's driver states it: 2 with HBM2, 4 with HBM3, 16 with GDDR6.
pub(super) fn transfers_per_clock(gfx: &str) -> Option<u32> {
    Some(match gfx {
        "gfx900" | "gfx906" | "gfx908" | "gfx90a" => 2,
        "gfx940" | "gfx941" | "gfx942" | "gfx950" => 4,
        // Parts with memory of the system's (gfx103x from 5 on, gfx1103, gfx115x) are not among them.
        "gfx1010" | "gfx1012" | "gfx1030" | "gfx1031" | "gfx1032" | "gfx1034" | "gfx1100" | "gfx1101"
        | "gfx1102" | "gfx1200" | "gfx1201" => 16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_have_the_capability_of_their_architecture() {
        for (name, capability, named) in [
            ("NVIDIA A100-SXM4-80GB", "8.0", "Ampere"),
            ("NVIDIA A10G", "8.6", "Ampere"),
            ("NVIDIA H200", "9.0", "Hopper"),
            ("NVIDIA L40S", "8.9", "Ada Lovelace"),
            ("Tesla T4", "7.5", "Turing"),
            ("Tesla P40", "6.1", "Pascal"),
            ("Tesla P100-PCIE-16GB", "6.0", "Pascal"),
            ("NVIDIA GB200", "10.0", "Blackwell"),
        ] {
            assert_eq!(find(name), Some(capability), "{name}");
            assert_eq!(architecture(capability), Some(named), "{name}");
        }
        assert_eq!(find("Graphics Device"), None);
        assert_eq!(gfx("Navi 22 [Radeon RX 6700/6700 XT / 6800M]"), Some("gfx1031"));
        assert_eq!(amd_architecture("gfx942"), Some("CDNA 3"));
        assert_eq!(transfers_per_clock("gfx1151"), None);
    }
}
