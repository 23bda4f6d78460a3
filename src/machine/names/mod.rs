//! Names of microarchitectures and makers: by family and model on x86, by implementer and part on ARM, by machine type
//! on IBM Z. Feature sets name nothing: hypervisors hide features, and a name by features would drop a generation.

mod arm;
mod x86;

pub(super) use arm::{arm_implementer, arm_part};
pub(super) use x86::x86;

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

/// Cores of RISC-V by maker and `marchid`; the high bit marks numbers of the maker's own, those without a maker are the
/// foundation's register of open cores.
pub(super) fn riscv_core(vendor: u64, architecture: u64) -> Option<&'static str> {
    const OWN: u64 = 1 << 63;
    let name = match (vendor, architecture) {
        (0x489, number) if number == OWN | 7 => "U74",
        (0x489, number) if number == OWN | 8 => "P550",
        (0x710, number) if number == OWN | 0x5800_0001 => "X60",
        (0, 1) => "Rocket",
        (0, 2) => "BOOM",
        (0, 3) => "CVA6",
        (0, 25) => "XiangShan",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_architectures_have_names_too() {
        for (kind, name) in [("2097", Some("z10")), ("8561", Some("z15")), ("9175", Some("z17")), ("1", None)]
        {
            assert_eq!(ibm_z(kind), name, "{kind}");
        }
        for (product, name) in
            [("Loongson-3A5000-HV", Some("LA464")), ("Loongson-3C6000/D", Some("LA664")), ("x", None)]
        {
            assert_eq!(loongson(product), name, "{product}");
        }
        assert_eq!(riscv_core(0x489, 0x8000_0000_0000_0007), Some("U74"));
        assert_eq!((riscv_core(0, 3), riscv_core(0x5b7, 0)), (Some("CVA6"), None));
    }
}
