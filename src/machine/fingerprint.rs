//! Whether results of two machines may be compared: a hash for programs, sentences for people.

use crate::document::{Likeness, Machine, MachineComparison, MachineDifference};

/// Features that decide which instructions a program may choose, by the starts of their Linux names.
static DISPATCH: &[&str] = &[
    "sse", "ssse3", "pni", "avx", "fma", "f16c", "bmi", "popcnt", "abm", "amx", "aes", "vaes", "gfni",
    "pclmul", "vpclmul", "sha", "neon", "asimd", "sve", "sme", "i8mm", "bf16", "fphp", "dotprod", "vsx",
    "altivec", "vx", "lsx", "lasx", "v", "zv", "zba", "zbb",
];

/// Single letters are whole names, and `smep` protects the kernel, which has nothing to do with `sme`.
fn dispatches(feature: &str) -> bool {
    feature != "smep"
        && DISPATCH
            .iter()
            .any(|start| if start.len() == 1 { feature == *start } else { feature.starts_with(start) })
}

/// The facts that results depend on, one a line; no measured quantity, and nothing that changes while a machine runs.
fn facts(machine: &Machine) -> Vec<(&'static str, String)> {
    let cpu = &machine.cpu;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
    let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let mut features: Vec<&str> = cpu.features.iter().map(String::as_str).filter(|f| dispatches(f)).collect();
    features.sort_unstable();
    features.dedup();
    vec![
        ("architecture", text(&cpu.architecture)),
        ("vendor", text(&cpu.vendor)),
        ("family", number(cpu.family)),
        ("model", number(cpu.model)),
        ("stepping", number(cpu.stepping)),
        ("microarchitecture", text(&cpu.microarchitecture)),
        ("brand", text(&cpu.brand)),
        ("features", features.join(" ")),
        ("effective CPUs", machine.limits.effective_cpus.to_string()),
        ("hypervisor", text(&machine.environment.hypervisor)),
        ("operating system", text(&machine.environment.os)),
        ("kernel", machine.environment.kernel.as_deref().map_or_else(|| "?".to_owned(), major_minor)),
    ]
}

/// `6.18` of `6.18.44-generic`: patches come and go between runs that should compare.
fn major_minor(release: &str) -> String {
    release.split(['.', '-', '+']).take(2).collect::<Vec<_>>().join(".")
}

/// The facts' hash, 16 hexadecimal digits: FNV-1a (64 bits), which never changes with the compiler as `Hasher` may.
pub(super) fn of(machine: &Machine) -> String {
    let text: String = facts(machine).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// In what another machine differs from this one, and what that means.
#[must_use]
pub fn compare(here: &Machine, there: &Machine) -> MachineComparison {
    let differences = differences(here, there);
    let (verdict, meaning) = if differences.is_empty() {
        (Likeness::Same, "The same machine as far as results depend on it: they compare.")
    } else if differences.iter().any(|difference| difference.decisive) {
        (Likeness::Another, "Another machine: regress refuses to compare their results.")
    } else {
        (Likeness::SetOtherwise, "The same machine, set otherwise: results compare with care.")
    };
    MachineComparison {
        schema: MachineComparison::SCHEMA.to_owned(),
        verdict,
        meaning: meaning.to_owned(),
        here: of(here),
        there: of(there),
        differences,
    }
}

fn differences(here: &Machine, there: &Machine) -> Vec<MachineDifference> {
    let pairs = |facts: Vec<(&'static str, String)>, others: Vec<(&'static str, String)>, decisive: bool| {
        facts.into_iter().zip(others).filter(|(a, b)| a.1 != b.1).map(move |((fact, here), (_, there))| {
            let (here, there) = if fact == "features" { only_own(&here, &there) } else { (here, there) };
            let (fact, meaning) = (fact.to_owned(), meaning(fact).to_owned());
            MachineDifference { fact, here, there, meaning, decisive }
        })
    };
    let decisive = pairs(facts(here), facts(there), true);
    let other = pairs(settings(here), settings(there), false);
    decisive.chain(other).collect()
}

/// The words that each list has and the other has not.
fn only_own(here: &str, there: &str) -> (String, String) {
    let missing = |from: &str, other: &str| -> String {
        let words: Vec<&str> = from.split(' ').filter(|word| !other.split(' ').any(|o| o == *word)).collect();
        if words.is_empty() { "-".to_owned() } else { words.join(" ") }
    };
    (missing(here, there), missing(there, here))
}

/// What may change figures without making another machine of it.
fn settings(machine: &Machine) -> Vec<(&'static str, String)> {
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    let caches = |level: u32| or_unknown(machine.cache_bytes(level).map(crate::units::bytes));
    let gpus: Vec<&str> = machine.gpus.iter().map(|gpu| gpu.name.as_deref().unwrap_or("?")).collect();
    vec![
        ("cores", or_unknown(machine.cpu.cores.map(|n| n.to_string()))),
        ("threads", or_unknown(machine.cpu.threads.map(|n| n.to_string()))),
        ("L1 data cache", caches(1)),
        ("L2 cache", caches(2)),
        ("L3 cache", caches(3)),
        ("memory", or_unknown(machine.memory.total_bytes.map(crate::units::bytes))),
        ("huge pages", or_unknown(machine.memory.huge_pages.transparent.clone())),
        ("NUMA nodes", or_unknown(machine.numa.nodes.map(|n| n.to_string()))),
        ("governor", or_unknown(machine.environment.governor.clone())),
        ("turbo", or_unknown(machine.environment.turbo.map(|on| if on { "on" } else { "off" }.to_owned()))),
        ("microcode", or_unknown(machine.environment.microcode.clone())),
        ("SMT", or_unknown(machine.environment.smt.clone())),
        ("mitigations", costs(machine)),
        ("instance", or_unknown(machine.environment.instance_type.clone())),
        (
            "memory modules",
            or_unknown(machine.memory.modules_bytes_per_second.map(crate::units::bytes_per_second)),
        ),
        ("container", or_unknown(machine.environment.container.clone())),
        ("CPU quota", or_unknown(machine.limits.quota_cpus.map(|q| q.to_string()))),
        ("GPUs", if gpus.is_empty() { "none".to_owned() } else { gpus.join(", ") }),
    ]
}

/// The weaknesses that the kernel does something against.
fn costs(machine: &Machine) -> String {
    let mitigated =
        machine.environment.mitigations.iter().filter(|(_, state)| state.starts_with("Mitigation"));
    let names: Vec<&str> = mitigated.map(|(name, _)| &**name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn meaning(fact: &str) -> &'static str {
    match fact {
        "architecture" => "other programs run: nothing compares",
        "vendor" | "family" | "model" | "microarchitecture" | "brand" => {
            "another processor: nothing compares"
        }
        "stepping" => "another revision of the processor: small differences are no change of the code",
        "features" => "kernels may choose other instructions: compare forced tiers only",
        "effective CPUs" => "cases with one thread compare, cases with all threads do not",
        "hypervisor" => "timers, page tables and neighbours differ: expect a shift of its own",
        "operating system" => "allocator and libraries differ: embedding may shift, kernels hardly",
        "kernel" => "scheduler and page handling differ: memory and thread cases may shift",
        "cores" | "threads" => "scaling over threads does not compare",
        "L1 data cache" | "L2 cache" | "L3 cache" => {
            "cases near that size change their level: read the roofline anew"
        }
        "memory" => "large models may fit in one and not in the other",
        "huge pages" => "cases beyond the TLB's reach shift by up to a quarter",
        "NUMA nodes" => "cases that use all threads see other memory",
        "governor" | "turbo" => "the clock differs: every case may shift by the same ratio",
        "microcode" => "gathers and memory may shift: some updates slow them down",
        "SMT" => "cases with all threads do not compare",
        "mitigations" => "system calls, faults and perhaps gathers cost otherwise",
        "instance" => "another share of another host: memory and neighbours differ",
        "memory modules" => "memory cases shift with the modules' rate",
        "container" => "limits and file systems may differ",
        "CPU quota" => "cases with more threads than the quota are stopped in between",
        "GPUs" => "GPU cases do not compare",
        _ => "figures may shift",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let mut machine = Machine::default();
        machine.cpu.brand = Some("Some CPU".into());
        machine.cpu.features = ["avx2", "fma", "hypervisor"].map(str::to_owned).to_vec();
        machine.environment.kernel = Some("6.18.44-x".into());
        machine.limits.effective_cpus = 2;
        machine
    }

    #[test]
    fn only_facts_that_results_depend_on_change_the_fingerprint() {
        let base = of(&machine());
        let changed = |change: fn(&mut Machine)| {
            let mut other = machine();
            change(&mut other);
            of(&other) != base
        };
        assert!(!changed(|m| m.cpu.features.reverse()));
        assert!(!changed(|m| m.cpu.features.push("nonstop_tsc".into())));
        assert!(!changed(|m| m.environment.kernel = Some("6.18.50".into())));
        assert!(!changed(|m| m.cpu.frequency.measured_hertz = Some(4e9)));
        assert!(!changed(|m| m.memory.total_bytes = Some(1)));
        assert!(changed(|m| m.cpu.features.push("avx512f".into())));
        assert!(changed(|m| m.environment.kernel = Some("6.19.0".into())));
        assert!(changed(|m| m.limits.effective_cpus = 3));
        assert!(changed(|m| m.cpu.stepping = Some(1)));
        assert_eq!(base.len(), 16);
    }

    #[test]
    fn differences_name_what_differs_and_what_it_means() {
        let mut other = machine();
        assert_eq!(compare(&machine(), &other).verdict, Likeness::Same);
        other.environment.turbo = Some(true);
        let found = compare(&machine(), &other);
        assert_eq!((found.verdict, &*found.differences[0].fact), (Likeness::SetOtherwise, "turbo"));
        assert_eq!((&*found.differences[0].here, &*found.differences[0].there), ("?", "on"));
        other.cpu.features.push("avx512f".into());
        let found = compare(&machine(), &other);
        assert_eq!((found.verdict, found.differences.len()), (Likeness::Another, 2));
        let first = &found.differences[0];
        assert_eq!((&*first.here, &*first.there, first.decisive), ("-", "avx512f", true));
        assert_ne!(found.here, found.there);
        assert!(found.differences.iter().all(|difference| !difference.meaning.is_empty()));
    }
}
