//! The tiers of a machine that is not this one, from its features.

use crate::simd::Tier;

/// What each tier needs, by Linux's names: the same that the tokens of [`crate::simd`] ask the CPU for.
static NEEDS: &[(Tier, &[&str])] = &[
    (Tier::Sse41, &["sse4_1", "ssse3"]),
    (Tier::Avx2, &["avx2", "fma", "f16c", "popcnt"]),
    (Tier::Avx512, &["avx2", "fma", "f16c", "popcnt", "avx512f", "avx512bw", "avx512dq", "avx512vl"]),
    (
        Tier::Avx512vnni,
        &["avx2", "fma", "f16c", "popcnt", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"],
    ),
    (
        Tier::Avx512bf16,
        &["avx2", "fma", "f16c", "popcnt", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"],
    ),
    (Tier::Neon, &["asimd"]),
    (Tier::NeonDotprod, &["asimd", "asimddp"]),
];

/// The tiers whose features are all there, lowest first; `baseline` always is.
pub(super) fn tiers(features: &[String]) -> Vec<Tier> {
    let has = |name: &&str| features.iter().any(|feature| feature == name);
    let above = NEEDS.iter().filter(|(_, needs)| needs.iter().all(&has)).map(|row| row.0);
    std::iter::once(Tier::Baseline).chain(above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_follow_from_features() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(tiers(&[]), [Tier::Baseline]);
        assert_eq!(
            tiers(&words("ssse3 sse4_1 avx2 fma f16c popcnt avx512f avx512_vnni")),
            [Tier::Baseline, Tier::Sse41, Tier::Avx2]
        );
        assert_eq!(tiers(&words("fp asimd asimddp")), [Tier::Baseline, Tier::Neon, Tier::NeonDotprod]);
    }

    #[test]
    fn this_cpu_has_the_same_tiers_by_name_as_by_token() {
        let Ok(text) = std::fs::read_to_string("/proc/cpuinfo") else { return };
        let info = super::super::cpuinfo::Cpuinfo::parse(&text);
        let Some(flags) = info.first("flags").or_else(|| info.first("Features")) else { return };
        let features: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        assert_eq!(tiers(&features), Tier::available().collect::<Vec<_>>());
    }
}
