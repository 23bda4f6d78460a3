//! The lines about processors: counts, kinds, instructions, clocks, caches.

use super::plural;
use crate::document::{Cache, CacheType, CoreKind, Isa, LoadedClock, Machine};
use crate::units::{bytes, hertz};

pub(super) fn processor(machine: &Machine) -> Vec<String> {
    let cpu = &machine.cpu;
    let counts = [
        (cpu.drawers, "drawer"),
        (cpu.books, "book"),
        (cpu.packages, "package"),
        (cpu.dies, "die"),
        (cpu.clusters, "cluster"),
        (cpu.cores, "core"),
        (cpu.threads, "thread"),
    ];
    let known: Vec<String> =
        counts.iter().filter_map(|(count, noun)| Some(plural((*count)?, noun))).collect();
    let mut lines = vec![format!("{} (CPUs {})", known.join(", "), cpu.online_cpus)];
    if cpu.kinds.len() > 1 {
        lines.extend(cpu.kinds.iter().map(kind));
    }
    lines
}

fn kind(kind: &CoreKind) -> String {
    let name = kind.name.as_deref().unwrap_or("unnamed");
    let clock = kind.max_hertz.map(|clock| format!(", up to {}", hertz(clock))).unwrap_or_default();
    let own = match &*kind.own_features {
        [] => String::new(),
        [one, two, ..] if kind.own_features.len() > 3 => {
            format!(", alone with {one}, {two} and {} more", kind.own_features.len() - 2)
        }
        few => format!(", alone with {}", few.join(", ")),
    };
    format!("{:>3} x {name} (CPUs {}){clock}{own}", kind.cores, kind.cpus)
}

/// The tiers, and what else decides how fast vectors and matrices are.
pub(super) fn instructions(machine: &Machine) -> Vec<String> {
    let isa = &machine.cpu.isa;
    let mut lines = vec![machine.cpu.tiers.iter().map(|tier| tier.name()).collect::<Vec<_>>().join(" ")];
    let level = isa.x86_64_level.map(|level| format!("x86-64-v{level}"));
    let widths = [("SVE", isa.sve_bits), ("SME", isa.sme_bits), ("RVV", isa.rvv_bits)];
    let lengths = widths.iter().filter_map(|(name, bits)| Some(format!("{name} of {} bits", (*bits)?)));
    let avx10 = isa.avx10_version.map(|version| format!("AVX10.{version}"));
    let parts: Vec<String> = level.into_iter().chain(avx10).chain(lengths).chain(extensions(isa)).collect();
    if !parts.is_empty() {
        lines.push(parts.join(", "));
    }
    lines
}

/// The extensions that the level does not imply, those of a family behind its name: `AVX-512 (VNNI BF16)`.
fn extensions(isa: &Isa) -> Vec<String> {
    const IMPLIED: [(u32, &[&str]); 2] = [
        (3, &["AVX2", "FMA", "F16C"]),
        (4, &["AVX-512 F", "AVX-512 CD", "AVX-512 BW", "AVX-512 DQ", "AVX-512 VL"]),
    ];
    let level = isa.x86_64_level.unwrap_or(0);
    let implied = |name: &str| IMPLIED.iter().any(|(least, names)| level >= *least && names.contains(&name));
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for extension in isa.extensions.iter().filter(|name| !implied(name)) {
        let family = ["AVX-512", "AVX", "AMX", "SVE", "SME"]
            .into_iter()
            .find(|family| extension.strip_prefix(family).is_some_and(|rest| rest.starts_with(' ')));
        let (family, member) =
            family.map_or((&**extension, ""), |family| (family, &extension[family.len() + 1..]));
        match groups.iter_mut().find(|group| group.0 == family) {
            Some(group) => group.1.push(member),
            None => groups.push((family, vec![member])),
        }
    }
    let written = |(family, members): (&str, Vec<&str>)| {
        let named: Vec<&str> = members.into_iter().filter(|member| !member.is_empty()).collect();
        if named.is_empty() { family.to_owned() } else { format!("{family} ({})", named.join(" ")) }
    };
    groups.into_iter().map(written).collect()
}

pub(super) fn caches(machine: &Machine) -> Vec<String> {
    let cpu = &machine.cpu;
    let unplaced = cpu.unplaced_caches.iter().map(|unplaced| {
        let alike = Cache {
            level: unplaced.level,
            kind: unplaced.kind,
            size_bytes: unplaced.size_bytes,
            line_bytes: unplaced.line_bytes,
            ways: unplaced.ways,
            count: 0,
            shared_by_threads: 1,
        };
        format!("{}, sharing not told", cache(&alike).replace("  0 x", "  ? x"))
    });
    let knees = cpu.knees.iter().flatten().map(|knee| format!("L{}: {}", knee.level, knee.detail));
    cpu.caches.iter().map(cache).chain(unplaced).chain(knees).collect()
}

pub(super) fn clocks(machine: &Machine) -> Vec<String> {
    let loaded = machine.cpu.frequency.under_load.iter().flatten().map(|loaded| {
        let cores = plural(loaded.cores, "core");
        match (loaded.hertz, &loaded.why) {
            (Some(clock), _) => under_load(clock, loaded, &cores),
            (None, Some(why)) => format!("unknown under {} load on {cores}: {why}", loaded.load),
            (None, None) => format!("unknown under {} load on {cores}", loaded.load),
        }
    });
    std::iter::once(clock(machine)).chain(loaded).collect()
}

/// A quarter of the chains far below the clock is a clock that moves, which people should know of.
fn under_load(clock: f64, loaded: &LoadedClock, cores: &str) -> String {
    let against = loaded.against_scalar.filter(|_| loaded.load != "scalar");
    let against = against.map(|ratio| format!(", {:.1} % of scalar's", ratio * 100.0));
    let moved = loaded.low_hertz.filter(|low| *low < 0.98 * clock);
    let moved = moved.map(|low| format!(", a quarter of the time below {}", hertz(low)));
    let parts = [against, moved].map(Option::unwrap_or_default).concat();
    format!("{} under {} load on {cores}{parts}", hertz(clock), loaded.load)
}

fn clock(machine: &Machine) -> String {
    let clocks = &machine.cpu.frequency;
    let named = [
        (clocks.measured_hertz, "measured"),
        (clocks.base_hertz, "base"),
        (clocks.max_hertz, "highest"),
        (clocks.current_hertz, "now"),
        (clocks.tsc_hertz, "time-stamp counter (not the core's clock)"),
    ];
    let known: Vec<String> =
        named.iter().filter_map(|(value, name)| Some(format!("{} {name}", hertz((*value)?)))).collect();
    let hint = if clocks.measured_hertz.is_none() { "; --measure tells the core's" } else { "" };
    if known.is_empty() { "not stated; --measure tells it".to_owned() } else { known.join(", ") + hint }
}

fn cache(cache: &Cache) -> String {
    let kind = match cache.kind {
        CacheType::Data => "d",
        CacheType::Instruction => "i",
        CacheType::Unified => "",
    };
    let size = cache.size_bytes.map_or_else(|| "?".to_owned(), bytes);
    let ways = cache.ways.map(|ways| format!("{ways:>2} ways"));
    let line = cache.line_bytes.map(|line| format!("{line} B lines"));
    let shared =
        (cache.shared_by_threads > 1).then(|| format!("shared by {} threads", cache.shared_by_threads));
    let rest: Vec<String> = [ways, line, shared].into_iter().flatten().collect();
    format!("{:<3} {:>3} x {size:<8}  {}", format!("L{}{kind}", cache.level), cache.count, rest.join(", "))
        .trim_end()
        .to_owned()
}
