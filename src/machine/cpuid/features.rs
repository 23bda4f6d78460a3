//! CPUID's bits by the names that Linux gives them: those that decide what a kernel may use.

use super::{Reader, Registers};

#[derive(Clone, Copy)]
enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// The state that the system must save before a feature is usable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// None beyond what every system saves.
    Sse,
    /// 256-bit registers.
    Avx,
    /// 512-bit and mask registers.
    Avx512,
    /// Tiles.
    Amx,
}

/// A feature: leaf, subleaf, register, bit, name, state.
struct Feature(u32, u32, Register, u32, &'static str, State);

use Register::{Eax, Ebx, Ecx, Edx};
use State::{Amx, Avx, Avx512, Sse};

static FEATURES: &[Feature] = &[
    Feature(1, 0, Edx, 23, "mmx", Sse),
    Feature(1, 0, Edx, 25, "sse", Sse),
    Feature(1, 0, Edx, 26, "sse2", Sse),
    Feature(1, 0, Ecx, 0, "pni", Sse),
    Feature(1, 0, Ecx, 1, "pclmulqdq", Sse),
    Feature(1, 0, Ecx, 9, "ssse3", Sse),
    Feature(1, 0, Ecx, 12, "fma", Avx),
    Feature(1, 0, Ecx, 13, "cx16", Sse),
    Feature(1, 0, Ecx, 19, "sse4_1", Sse),
    Feature(1, 0, Ecx, 20, "sse4_2", Sse),
    Feature(1, 0, Ecx, 22, "movbe", Sse),
    Feature(1, 0, Ecx, 23, "popcnt", Sse),
    Feature(1, 0, Ecx, 25, "aes", Sse),
    Feature(1, 0, Ecx, 26, "xsave", Sse),
    Feature(1, 0, Ecx, 28, "avx", Avx),
    Feature(1, 0, Ecx, 29, "f16c", Avx),
    Feature(1, 0, Ecx, 31, "hypervisor", Sse),
    Feature(7, 0, Ebx, 3, "bmi1", Sse),
    Feature(7, 0, Ebx, 5, "avx2", Avx),
    Feature(7, 0, Ebx, 8, "bmi2", Sse),
    Feature(7, 0, Ebx, 9, "erms", Sse),
    Feature(7, 0, Ebx, 16, "avx512f", Avx512),
    Feature(7, 0, Ebx, 17, "avx512dq", Avx512),
    Feature(7, 0, Ebx, 19, "adx", Sse),
    Feature(7, 0, Ebx, 21, "avx512ifma", Avx512),
    Feature(7, 0, Ebx, 26, "avx512pf", Avx512),
    Feature(7, 0, Ebx, 27, "avx512er", Avx512),
    Feature(7, 0, Ebx, 28, "avx512cd", Avx512),
    Feature(7, 0, Ebx, 29, "sha_ni", Sse),
    Feature(7, 0, Ebx, 30, "avx512bw", Avx512),
    Feature(7, 0, Ebx, 31, "avx512vl", Avx512),
    Feature(7, 0, Ecx, 1, "avx512vbmi", Avx512),
    Feature(7, 0, Ecx, 6, "avx512_vbmi2", Avx512),
    Feature(7, 0, Ecx, 8, "gfni", Sse),
    Feature(7, 0, Ecx, 9, "vaes", Avx),
    Feature(7, 0, Ecx, 10, "vpclmulqdq", Avx),
    Feature(7, 0, Ecx, 11, "avx512_vnni", Avx512),
    Feature(7, 0, Ecx, 12, "avx512_bitalg", Avx512),
    Feature(7, 0, Ecx, 14, "avx512_vpopcntdq", Avx512),
    Feature(7, 0, Edx, 2, "avx512_4vnniw", Avx512),
    Feature(7, 0, Edx, 3, "avx512_4fmaps", Avx512),
    Feature(7, 0, Edx, 4, "fsrm", Sse),
    Feature(7, 0, Edx, 8, "avx512_vp2intersect", Avx512),
    Feature(7, 0, Edx, 15, "hybrid_cpu", Sse),
    Feature(7, 0, Edx, 22, "amx_bf16", Amx),
    Feature(7, 0, Edx, 23, "avx512_fp16", Avx512),
    Feature(7, 0, Edx, 24, "amx_tile", Amx),
    Feature(7, 0, Edx, 25, "amx_int8", Amx),
    Feature(7, 1, Eax, 4, "avx_vnni", Avx),
    Feature(7, 1, Eax, 5, "avx512_bf16", Avx512),
    Feature(7, 1, Eax, 21, "amx_fp16", Amx),
    Feature(7, 1, Eax, 23, "avx_ifma", Avx),
    Feature(7, 1, Edx, 4, "avx_vnni_int8", Avx),
    Feature(7, 1, Edx, 5, "avx_ne_convert", Avx),
    Feature(7, 1, Edx, 10, "avx_vnni_int16", Avx),
    Feature(7, 1, Edx, 19, "avx10", Avx),
    Feature(0x8000_0001, 0, Ecx, 0, "lahf_lm", Sse),
    Feature(0x8000_0001, 0, Ecx, 5, "abm", Sse),
    Feature(0x8000_0001, 0, Ecx, 6, "sse4a", Sse),
    Feature(0x8000_0001, 0, Ecx, 11, "xop", Avx),
    Feature(0x8000_0001, 0, Ecx, 16, "fma4", Avx),
    Feature(0x8000_0001, 0, Edx, 29, "lm", Sse),
];

/// The features that the CPU has and the system lets programs use, in the order of the table.
pub(in crate::machine) fn features(cpu: &dyn Reader) -> Vec<&'static str> {
    let usable = usable_states(cpu);
    let has = |feature: &&Feature| {
        let Feature(leaf, subleaf, register, bit, _, state) = **feature;
        let registers = cpu.leaf(leaf, subleaf);
        usable.contains(&state) && register.of(registers) >> bit & 1 == 1
    };
    FEATURES.iter().filter(has).map(|feature| feature.4).collect()
}

impl Register {
    const fn of(self, registers: Registers) -> u32 {
        match self {
            Self::Eax => registers.eax,
            Self::Ebx => registers.ebx,
            Self::Ecx => registers.ecx,
            Self::Edx => registers.edx,
        }
    }
}

/// What the system saves. A dump does not hold XCR0, but leaf Dh tells in EBX how many bytes the enabled state takes:
/// 832 with AVX, and with AVX-512 the state ends at 2432 (AMD) or 2688 (Intel). Tiles need leave of the system for each
/// process, which is asked for when they are used.
fn usable_states(cpu: &dyn Reader) -> Vec<State> {
    let osxsave = cpu.leaf(1, 0).ecx >> 27 & 1 == 1;
    let enabled_bytes = if osxsave { cpu.leaf(0xd, 0).ebx } else { 0 };
    let mut states = vec![Sse];
    states.extend((enabled_bytes >= 832).then_some(Avx));
    states.extend((enabled_bytes >= 2432).then_some(Avx512));
    states.extend((enabled_bytes >= 8192).then_some(Amx));
    states
}

#[cfg(test)]
mod tests {
    use super::super::DumpedCpu;
    use super::*;

    #[test]
    fn a_feature_without_its_saved_state_is_not_usable() {
        let leaves = "1 1 0 0 0 => 0 0 18001000 0\n5 7 0 0 0 => 0 10020 0 0\n";
        for (state, wanted) in [
            ("5 d 0 0 0 => e7 340 a80 0", vec!["fma", "avx", "avx2"]),
            ("5 d 0 0 0 => e7 a80 a80 0", vec!["fma", "avx", "avx2", "avx512f"]),
            ("5 d 0 0 0 => e7 240 a80 0", vec![]),
        ] {
            let cpu = DumpedCpu::parse(&format!("{leaves}{state}\n"));
            assert_eq!(features(&cpu), wanted, "{state}");
        }
    }
}
