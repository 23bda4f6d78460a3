//! What a CPU is: architecture, vendor, brand, microarchitecture, features; from `/proc/cpuinfo` or CPUID.

use std::collections::BTreeSet;

use super::cpuid::{self, Reader};
use super::cpuinfo::{Cpuinfo, number};
use super::findings::Fact;
use super::names;
use super::root::Root;
use crate::units::CpuList;

/// What is known of the CPU itself.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) architecture: Option<Fact<String>>,
    pub(super) vendor: Option<Fact<String>>,
    pub(super) brand: Option<Fact<String>>,
    pub(super) microarchitecture: Option<Fact<String>>,
    pub(super) family: Option<Fact<u32>>,
    pub(super) model: Option<Fact<u32>>,
    pub(super) stepping: Option<Fact<u32>>,
    pub(super) features: Option<Fact<Vec<String>>>,
}

impl Identity {
    /// AMD's family 15h: what the kernel calls two threads of a core are two integer cores of a module.
    pub(super) fn has_modules(&self) -> bool {
        self.vendor.as_ref().is_some_and(|vendor| vendor.value == "AuthenticAMD")
            && self.family.as_ref().is_some_and(|family| family.value == 0x15)
    }

    /// Why the microarchitecture has no name.
    pub(super) fn why_unnamed(&self) -> String {
        match (&self.family, &self.model) {
            (Some(family), Some(model)) => format!(
                "family {} model {} of {} is not in the table of microarchitectures",
                family.value,
                model.value,
                self.vendor.as_ref().map_or("an unknown vendor", |vendor| &vendor.value)
            ),
            _ => "the system gives no family and model, or no implementer and part, that the table knows"
                .to_owned(),
        }
    }
}

/// Reads the identity below a root; `native` is this program's architecture when the root is this machine's.
pub(super) fn read(root: &Root, info: &Cpuinfo<'_>, online: &CpuList, native: Option<&str>) -> Identity {
    let value = |key: &str| info.first(key).and_then(number).and_then(|n| u32::try_from(n).ok());
    let architecture = architecture(root, info)
        .map(|name| Fact::inferred(name, "procfs"))
        .or_else(|| native.map(|name| Fact::reported(name.to_owned(), "kernel")));
    let x86 = architecture.as_ref().is_some_and(|a| a.value.starts_with("x86"));
    let x86_number = |key: &str| value(key).filter(|_| x86).map(|n| Fact::reported(n, "procfs"));
    Identity {
        vendor: vendor(info),
        brand: brand(info).map(|brand| Fact::reported(brand, "procfs")),
        microarchitecture: microarchitecture(info),
        family: x86_number("cpu family"),
        model: x86_number("model"),
        stepping: x86_number("stepping"),
        features: features(info, online).map(|features| Fact::reported(features, "procfs")),
        architecture,
    }
}

/// The architecture by the keys that each architecture's kernel writes.
fn architecture(root: &Root, info: &Cpuinfo<'_>) -> Option<String> {
    let has = |key: &str, word: &str| info.first(key).is_some_and(|value| value.contains(word));
    let name = if let Some(flags) = info.first("flags") {
        let wide = flags.split_whitespace().any(|flag| flag == "lm");
        if wide { "x86_64" } else { "x86" }
    } else if let Some(version) = info.first("CPU architecture") {
        return Some(match version.trim_end_matches(|c: char| !c.is_ascii_digit()) {
            _ if version.starts_with("AArch64") => "aarch64".to_owned(),
            "8" | "9" if has("Features", "asimd") || !has("Features", "neon") => "aarch64".to_owned(),
            digits => format!("armv{digits}"),
        });
    } else if has("vendor_id", "IBM/S390") {
        "s390x"
    } else if has("isa", "loongarch64") || has("ISA", "loongarch64") || has("CPU Family", "Loongson-64bit") {
        "loongarch64"
    } else if has("system type", "Loongson") || info.first("cpu model").is_some_and(|m| m.contains("MIPS")) {
        "mips64"
    } else if has("isa", "rv64") {
        "riscv64"
    } else if has("isa", "rv32") {
        "riscv32"
    } else if ["POWER", "PPC970", "Cell", "PA6T", "e5500", "e6500"].iter().any(|name| has("cpu", name)) {
        let little = root.text("proc/version").is_some_and(|v| v.contains("ppc64le"))
            || root.text("sys/kernel/cpu_byteorder").as_deref() == Some("little");
        if little { "ppc64le" } else { "ppc64" }
    } else if info.first("pmmu").is_some() || info.first("timebase").is_some() {
        "ppc"
    } else if has("type", "sun4u") || has("type", "sun4v") {
        "sparc64"
    } else if has("arch", "IA-64") {
        "ia64"
    } else {
        return None;
    };
    Some(name.to_owned())
}

fn vendor(info: &Cpuinfo<'_>) -> Option<Fact<String>> {
    let reported = info.first("vendor_id").map(|vendor| Fact::reported(vendor.to_owned(), "procfs"));
    let implementer = || {
        let code = u32::try_from(number(info.first("CPU implementer")?)?).ok()?;
        Some(names::arm_implementer(code).map_or_else(|| format!("implementer {code:#04x}"), str::to_owned))
    };
    let other = || {
        let riscv = info.first("mvendorid").and_then(number).and_then(names::riscv_vendor);
        let power =
            info.first("cpu").filter(|cpu| cpu.starts_with("POWER") || cpu.starts_with("PPC")).map(|_| "IBM");
        let sparc = info.first("type").filter(|kind| kind.starts_with("sun4")).and_then(|_| {
            let cpu = info.first("cpu")?;
            Some(if cpu.contains("Fujitsu") || cpu.contains("SPARC64") { "Fujitsu" } else { "Sun" })
        });
        let loongson = info.first("CPU Family").filter(|f| f.starts_with("Loongson")).map(|_| "Loongson");
        let itanium = info.first("vendor").map(str::to_owned);
        riscv.or(power).or(loongson).or(sparc).map(str::to_owned).or(itanium)
    };
    reported.or_else(|| implementer().or_else(other).map(|vendor| Fact::inferred(vendor, "table")))
}

fn brand(info: &Cpuinfo<'_>) -> Option<String> {
    ["model name", "Model Name", "Processor", "uarch", "cpu", "cpu model"]
        .iter()
        .find_map(|key| info.first(key))
        // Where each CPU has its number under this key, it is no name.
        .filter(|name| name.parse::<u32>().is_err())
        .map(|brand| brand.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn microarchitecture(info: &Cpuinfo<'_>) -> Option<Fact<String>> {
    let value = |key: &str| info.first(key).and_then(number).and_then(|n| u32::try_from(n).ok());
    let x86 = || {
        let (family, model) = (value("cpu family")?, value("model")?);
        names::x86(info.first("vendor_id")?, family, model, value("stepping").unwrap_or(0)).map(str::to_owned)
    };
    let arm = || {
        let parts: BTreeSet<u32> =
            info.all("CPU part").filter_map(number).filter_map(|n| u32::try_from(n).ok()).collect();
        let implementer = value("CPU implementer")?;
        let named: Option<Vec<_>> = parts.iter().map(|&part| names::arm_part(implementer, part)).collect();
        named.filter(|parts| !parts.is_empty()).map(|parts| parts.join(" + "))
    };
    let power = || {
        let name = info.first("cpu")?.split([',', ' ']).next()?;
        (name.starts_with("POWER") || name.starts_with("PPC")).then(|| name.to_owned())
    };
    // SPARC's kernel writes the name of the core.
    let sparc = || {
        info.first("type").filter(|kind| kind.starts_with("sun4"))?;
        info.first("cpu").map(str::to_owned)
    };
    let loongson =
        || names::loongson(info.first("Model Name").or_else(|| info.first("model name"))?).map(str::to_owned);
    let itanium = || info.first("arch").filter(|arch| *arch == "IA-64").map(|_| "Itanium".to_owned());
    let z = || {
        let machine = info.starting("processor 0").or_else(|| info.first("machine"))?;
        let kind = machine.rsplit_once("machine =").map_or(machine, |(_, kind)| kind).trim();
        names::ibm_z(kind).map(str::to_owned)
    };
    let riscv = || {
        let number = |key: &str| info.first(key).and_then(number);
        let listed = || Some(names::riscv_core(number("mvendorid")?, number("marchid")?)?.to_owned());
        info.first("uarch").map(riscv_name).or_else(listed)
    };
    x86()
        .or_else(arm)
        .or_else(power)
        .or_else(z)
        .or_else(riscv)
        .or_else(sparc)
        .or_else(loongson)
        .or_else(itanium)
        .map(|name| Fact::inferred(name, "table"))
}

/// `sifive,u74-mc` as `U74-MC`: the device tree's name without the maker.
fn riscv_name(uarch: &str) -> String {
    uarch.rsplit_once(',').map_or(uarch, |(_, name)| name).to_ascii_uppercase()
}

/// The features that every online CPU has: a program may be moved to any of them.
fn features(info: &Cpuinfo<'_>, online: &CpuList) -> Option<Vec<String>> {
    let key = ["flags", "Features", "features"].into_iter().find(|key| info.first(key).is_some());
    let Some(key) = key else {
        return riscv_features(info, online)
            .or_else(|| power_features(info))
            .or_else(|| sparc_features(info));
    };
    let mut seen = BTreeSet::new();
    let mut common: Option<Vec<&str>> = None;
    for text in online.iter().filter_map(|cpu| info.of(cpu, key)).chain(info.first(key)) {
        if seen.insert(text) {
            let words: BTreeSet<&str> = text.split_whitespace().collect();
            match &mut common {
                Some(common) => common.retain(|word| words.contains(word)),
                None => common = Some(text.split_whitespace().collect()),
            }
        }
    }
    common.map(|words| words.into_iter().map(str::to_owned).collect())
}

/// The extensions that every hart has: kernels write the common ones for each hart, and beside them its own.
fn riscv_features(info: &Cpuinfo<'_>, online: &CpuList) -> Option<Vec<String>> {
    let mut common = riscv_extensions(info.first("isa")?)?;
    for isa in online.iter().filter_map(|cpu| info.of(cpu, "isa")) {
        let own: BTreeSet<String> = riscv_extensions(isa).unwrap_or_default().into_iter().collect();
        common.retain(|extension| own.contains(extension));
    }
    Some(common)
}

/// POWER's kernel names one extension behind the processor's name. VSX and the matrix units belong to an architecture
/// version each, which the processor's number gives.
fn power_features(info: &Cpuinfo<'_>) -> Option<Vec<String>> {
    let (name, rest) = info.first("cpu")?.split_once(',')?;
    let number = name
        .strip_prefix("POWER")
        .map_or(0, |n| n.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0));
    let altivec = rest.contains("altivec supported");
    let named = [(altivec, "altivec"), (altivec && number >= 7, "vsx"), (altivec && number >= 10, "mma")];
    Some(named.into_iter().filter(|(there, _)| *there).map(|(_, name)| name.to_owned()).collect())
}

/// `cpucaps : flush,stbar,swap,...,vis,vis2`
fn sparc_features(info: &Cpuinfo<'_>) -> Option<Vec<String>> {
    Some(
        info.first("cpucaps")?
            .split(',')
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect(),
    )
}

/// `rv64imafdc_zba_zbb` as `i m a f d c zba zbb`.
fn riscv_extensions(isa: &str) -> Option<Vec<String>> {
    let rest = isa.strip_prefix("rv64").or_else(|| isa.strip_prefix("rv32"))?;
    let mut words = rest.split('_');
    let letters = words.next()?.chars().map(String::from);
    Some(letters.chain(words.map(str::to_owned)).collect())
}

/// The identity that CPUID gives; the features are those that all CPUs have.
pub(super) fn by_cpuid<'a>(mut cpus: impl Iterator<Item = &'a dyn Reader>) -> Identity {
    let Some(first) = cpus.next() else { return Identity::default() };
    let Some(signature) = cpuid::signature(first) else { return Identity::default() };
    let mut features = cpuid::features::features(first);
    for cpu in cpus {
        let own: BTreeSet<&str> = cpuid::features::features(cpu).into_iter().collect();
        features.retain(|feature| own.contains(feature));
    }
    let wide = first.leaf(0x8000_0001, 0).edx >> 29 & 1 == 1;
    let name = names::x86(&signature.vendor, signature.family, signature.model, signature.stepping);
    Identity {
        architecture: Some(Fact::reported(if wide { "x86_64" } else { "x86" }.to_owned(), "cpuid")),
        microarchitecture: name.map(|name| Fact::inferred(name.to_owned(), "table")),
        vendor: Some(Fact::reported(signature.vendor, "cpuid")),
        brand: signature.brand.map(|brand| Fact::reported(brand, "cpuid")),
        family: Some(Fact::reported(signature.family, "cpuid")),
        model: Some(Fact::reported(signature.model, "cpuid")),
        stepping: Some(Fact::reported(signature.stepping, "cpuid")),
        features: Some(Fact::reported(features.into_iter().map(str::to_owned).collect(), "cpuid")),
    }
}
