//! What an instruction set amounts to: levels, widths of vectors, and extensions by the names that people use.

use super::cpuid::{self, Reader};
use super::findings::{Fact, Findings};
use super::identity::Identity;
use super::root::Root;
use crate::document::Isa;

/// What each level of the x86-64 psABI adds, by Linux's names.
static X86_LEVELS: [&[&str]; 4] = [
    &["lm", "cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2"],
    &["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"],
    &["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"],
    &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
];

/// Extensions by the architectures that have them: the names of features that must be there, and the extension's.
static EXTENSIONS: &[(&str, &[&str], &str)] = &[
    ("x86", &["avx2"], "AVX2"),
    ("x86", &["fma"], "FMA"),
    ("x86", &["f16c"], "F16C"),
    ("x86", &["avx512f"], "AVX-512 F"),
    ("x86", &["avx512cd"], "AVX-512 CD"),
    ("x86", &["avx512bw"], "AVX-512 BW"),
    ("x86", &["avx512dq"], "AVX-512 DQ"),
    ("x86", &["avx512vl"], "AVX-512 VL"),
    ("x86", &["avx512er"], "AVX-512 ER"),
    ("x86", &["avx512pf"], "AVX-512 PF"),
    ("x86", &["avx512ifma"], "AVX-512 IFMA"),
    ("x86", &["avx512vbmi"], "AVX-512 VBMI"),
    ("x86", &["avx512_vbmi2"], "AVX-512 VBMI2"),
    ("x86", &["avx512_vnni"], "AVX-512 VNNI"),
    ("x86", &["avx512_bitalg"], "AVX-512 BITALG"),
    ("x86", &["avx512_vpopcntdq"], "AVX-512 VPOPCNTDQ"),
    ("x86", &["avx512_vp2intersect"], "AVX-512 VP2INTERSECT"),
    ("x86", &["avx512_bf16"], "AVX-512 BF16"),
    ("x86", &["avx512_fp16"], "AVX-512 FP16"),
    ("x86", &["avx512_4vnniw"], "AVX-512 4VNNIW"),
    ("x86", &["avx512_4fmaps"], "AVX-512 4FMAPS"),
    ("x86", &["avx_vnni"], "AVX VNNI"),
    ("x86", &["avx_vnni_int8"], "AVX VNNI int8"),
    ("x86", &["avx_vnni_int16"], "AVX VNNI int16"),
    ("x86", &["avx_ne_convert"], "AVX NE CONVERT"),
    ("x86", &["avx_ifma"], "AVX IFMA"),
    ("x86", &["avx10"], "AVX10"),
    ("x86", &["gfni"], "GFNI"),
    ("x86", &["amx_tile"], "AMX tiles"),
    ("x86", &["amx_tile", "amx_int8"], "AMX int8"),
    ("x86", &["amx_tile", "amx_bf16"], "AMX bf16"),
    ("x86", &["amx_tile", "amx_fp16"], "AMX fp16"),
    ("x86", &["amx_tile", "amx_complex"], "AMX complex"),
    ("arm", &["neon"], "NEON"),
    ("arm", &["asimd"], "NEON"),
    ("arm", &["asimdhp"], "fp16"),
    ("arm", &["asimddp"], "dotprod"),
    ("arm", &["asimdfhm"], "fp16 to fp32 multiply"),
    ("arm", &["i8mm"], "i8mm"),
    ("arm", &["bf16"], "bf16"),
    ("arm", &["sve"], "SVE"),
    ("arm", &["sve2"], "SVE2"),
    ("arm", &["sve2p1"], "SVE2.1"),
    ("arm", &["svei8mm"], "SVE i8mm"),
    ("arm", &["svebf16"], "SVE bf16"),
    ("arm", &["svef32mm"], "SVE f32mm"),
    ("arm", &["svef64mm"], "SVE f64mm"),
    ("arm", &["sme"], "SME"),
    ("arm", &["sme2"], "SME2"),
    ("arm", &["smei8i32"], "SME int8"),
    ("arm", &["smeb16f32"], "SME bf16"),
    ("arm", &["smef16f32"], "SME fp16"),
    ("ppc", &["altivec"], "AltiVec"),
    ("ppc", &["vsx"], "VSX"),
    ("ppc", &["mma"], "MMA"),
    ("s390", &["vx"], "VX"),
    ("s390", &["vxe"], "VXE"),
    ("s390", &["vxe2"], "VXE2"),
    ("s390", &["nnpa"], "NNPA"),
    ("loongarch", &["lsx"], "LSX"),
    ("loongarch", &["lasx"], "LASX"),
    ("riscv", &["v"], "RVV"),
    ("riscv", &["zve32x"], "Zve32x"),
    ("riscv", &["zve64d"], "Zve64d"),
    ("riscv", &["zvfh"], "Zvfh"),
    ("riscv", &["zvfbfwma"], "Zvfbfwma"),
    ("riscv", &["zvqdotq"], "Zvqdotq"),
    ("riscv", &["zba"], "Zba"),
    ("riscv", &["zbb"], "Zbb"),
    ("sparc", &["vis"], "VIS"),
    ("sparc", &["vis2"], "VIS 2"),
    ("sparc", &["vis3"], "VIS 3"),
];

/// The facts with their sources.
#[derive(Debug, Default)]
pub(super) struct Found {
    x86: bool,
    cpuid: bool,
    level: Option<Fact<u32>>,
    avx10: Option<Fact<u32>>,
    vector: Option<Fact<u32>>,
    sve: Option<Fact<u32>>,
    sme: Option<Fact<u32>>,
    rvv: Option<Fact<u32>>,
    extensions: Vec<String>,
}

/// What the features of `identity` amount to; lengths of vectors from the kernel's settings, AVX10's from CPUID.
pub(super) fn read(root: Option<&Root>, cpuid: Option<&dyn Reader>, identity: &Identity) -> Found {
    let Some(features) = identity.features.as_ref().map(|fact| &fact.value) else { return Found::default() };
    let architecture = identity.architecture.as_ref().map_or("", |fact| &*fact.value);
    let has = |name: &str| features.iter().any(|feature| feature == name);
    let all = |names: &[&str]| names.iter().all(|name| has(name));
    // The kernel counts in bytes.
    let length = |kind: &str| {
        let bytes: u32 = root?.parse(&format!("proc/sys/abi/{kind}_default_vector_length"))?;
        bytes.checked_mul(8).filter(|&bits| bits > 0).map(|bits| Fact::reported(bits, "procfs"))
    };
    let wide = architecture == "x86_64";
    let levels = X86_LEVELS.iter().take_while(|level| wide && levels_fit(level, &has)).count();
    // Kernels do not list AVX10 among their flags: CPUID itself tells, on the CPU or in a dump.
    let avx10 = cpuid.filter(|cpu| cpuid::features::features(*cpu).contains(&"avx10"));
    let sve = has("sve").then(|| length("sve")).flatten();
    let rvv = riscv_vector_bits(features);
    let fixed = [
        (has("avx512f"), 512),
        (has("avx") || has("lasx"), 256),
        (has("sse") || has("asimd") || has("neon") || has("altivec") || has("vx") || has("lsx"), 128),
        (has("mmx") || has("vis"), 64),
    ];
    let fixed = fixed.iter().find(|(there, _)| *there).map(|(_, bits)| *bits);
    let widest = [fixed, sve.as_ref().map(|fact| fact.value), rvv].into_iter().flatten().max();
    let family = ["x86", "arm", "ppc", "s390", "loongarch", "riscv", "sparc"]
        .into_iter()
        .find(|family| architecture.starts_with(family))
        .unwrap_or(if architecture == "aarch64" { "arm" } else { "" });
    let mut extensions: Vec<String> = Vec::new();
    for (_, needs, name) in EXTENSIONS.iter().filter(|row| row.0 == family) {
        let there = all(needs) || (*name == "AVX10" && avx10.is_some());
        if there && !extensions.iter().any(|known| known == name) {
            extensions.push((*name).to_owned());
        }
    }
    Found {
        x86: wide,
        level: (levels > 0).then(|| Fact::inferred(u32::try_from(levels).unwrap_or(0), "features")),
        avx10: avx10.and_then(avx10_version),
        cpuid: cpuid.is_some(),
        vector: widest.map(|bits| Fact::inferred(bits, "features")),
        sme: has("sme").then(|| length("sme")).flatten(),
        rvv: rvv.map(|bits| Fact::inferred(bits, "features")),
        sve,
        extensions,
    }
}

/// Kernels of 64 bits leave out what every such CPU has, and so do short lists.
fn levels_fit(level: &[&str], has: &dyn Fn(&str) -> bool) -> bool {
    const ALWAYS: [&str; 5] = ["cmov", "cx8", "fpu", "fxsr", "mmx"];
    level.iter().all(|name| has(name) || ALWAYS.contains(name))
}

/// Leaf 24h gives the version in the low byte of EBX.
fn avx10_version(cpu: &dyn Reader) -> Option<Fact<u32>> {
    let version = cpu.read(0x24, 0)?.ebx & 0xff;
    (version > 0).then(|| Fact::reported(version, "cpuid"))
}

/// The length that `zvl256b` promises; `v` alone promises 128 bits, `zve64*` 64.
fn riscv_vector_bits(features: &[String]) -> Option<u32> {
    let promised = |feature: &String| feature.strip_prefix("zvl")?.strip_suffix('b')?.parse().ok();
    let implied = |feature: &String| match &**feature {
        "v" => Some(128),
        name if name.starts_with("zve64") => Some(64),
        name if name.starts_with("zve32") => Some(32),
        _ => None,
    };
    features.iter().filter_map(|feature| promised(feature).or_else(|| implied(feature))).max()
}

impl Found {
    /// The facts for the document.
    pub(super) fn describe(self, findings: &mut Findings) -> Isa {
        let level = if self.x86 {
            "a feature of the lowest level is missing from the list"
        } else {
            "only x86-64 has these levels"
        };
        let missing =
            |what: &str| format!("the processor has no {what}, or the system does not state its length");
        if !self.extensions.is_empty() {
            findings.known("cpu.isa.extensions", Fact::inferred((), "features"));
        }
        Isa {
            x86_64_level: findings.keep("cpu.isa.x86_64_level", self.level, level),
            avx10_version: findings.keep(
                "cpu.isa.avx10_version",
                self.avx10,
                if !self.x86 || self.cpuid {
                    "the processor has no AVX10, or the system does not save its registers"
                } else {
                    "only CPUID tells, which these files do not hold"
                },
            ),
            vector_bits: findings.keep(
                "cpu.isa.vector_bits",
                self.vector,
                "no vector extension is among the features",
            ),
            sve_bits: findings.keep("cpu.isa.sve_bits", self.sve, missing("SVE")),
            sme_bits: findings.keep("cpu.isa.sme_bits", self.sme, missing("SME")),
            rvv_bits: findings.keep("cpu.isa.rvv_bits", self.rvv, missing("V of RISC-V")),
            extensions: self.extensions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(architecture: &str, features: &str) -> Isa {
        let identity = Identity {
            architecture: Some(Fact::reported(architecture.to_owned(), "procfs")),
            features: Some(Fact::reported(features.split(' ').map(str::to_owned).collect(), "procfs")),
            ..Identity::default()
        };
        read(None, None, &identity).describe(&mut Findings::default())
    }

    #[test]
    fn levels_widths_and_extensions_follow_from_features() {
        let v2 = "lm sse sse2 cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3";
        let v3 = format!("{v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave");
        let v4 = format!("{v3} avx512f avx512bw avx512cd avx512dq avx512vl avx512_vnni amx_int8");
        for (features, level, bits) in [
            ("lm sse sse2", Some(1), Some(128)),
            (v2, Some(2), Some(128)),
            (&*v3, Some(3), Some(256)),
            (&*v4, Some(4), Some(512)),
            ("lm", None, None),
        ] {
            let isa = of("x86_64", features);
            assert_eq!((isa.x86_64_level, isa.vector_bits), (level, bits), "{features}");
        }
        let extensions = of("x86_64", &v4).extensions;
        assert!(extensions.iter().any(|e| e == "AVX-512 VNNI"));
        assert!(!extensions.iter().any(|e| e.starts_with("AMX")), "AMX without tiles is of no use");
        assert_eq!(of("aarch64", "fp asimd asimddp i8mm").extensions, ["NEON", "dotprod", "i8mm"]);
        assert_eq!(of("x86", "sse sse2").x86_64_level, None);
    }

    #[test]
    fn riscv_promises_lengths_of_vectors() {
        for (features, bits) in [
            ("i m a zba", None),
            ("i v", Some(128)),
            ("v zvl256b zvl128b", Some(256)),
            ("zve64d", Some(64)),
            ("zvlxb", None),
        ] {
            assert_eq!(of("riscv64", features).rvv_bits, bits, "{features}");
        }
    }
}
