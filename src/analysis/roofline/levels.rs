//! Which memory level and which mix of reads and writes a case's roof has.

use std::num::NonZeroUsize;

use crate::document::Tier;
use crate::document::{Case, CaseTier, Cost, Machine};

/// A memory level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// First-level data cache.
    L1,
    /// Second level.
    L2,
    /// Third level.
    L3,
    /// Main memory.
    Dram,
}

impl Level {
    /// Nearest first.
    pub const ALL: [Self; 4] = [Self::L1, Self::L2, Self::L3, Self::Dram];

    /// As in case texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::Dram => "dram",
        }
    }

    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::Dram => "DRAM",
        }
    }

    const fn cache_level(self) -> Option<u32> {
        match self {
            Self::L1 => Some(1),
            Self::L2 => Some(2),
            Self::L3 => Some(3),
            Self::Dram => None,
        }
    }
}

/// A mix of reads and writes that a `memory` benchmark measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// Loads alone.
    Read,
    /// Two loads and a store.
    Triad,
    /// A load and a store.
    Copy,
    /// Stores alone.
    Write,
}

impl Pattern {
    /// Fewest stores first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Triad, Self::Copy, Self::Write];

    /// As in case texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Triad => "triad",
            Self::Copy => "copy",
            Self::Write => "write",
        }
    }

    /// The measured mix nearest to a case's: a triad writes a third of its bytes, a copy half. The borders lie half-way
    /// (5/12, 3/4); below 2 % stored (a pooled row out of hundreds) the stores do not show.
    #[must_use]
    pub fn of(cost: &Cost) -> Self {
        let written = if cost.core_bytes > 0.0 { cost.written_bytes / cost.core_bytes } else { 0.0 };
        match written {
            share if share <= 0.02 => Self::Read,
            share if share <= 0.42 => Self::Triad,
            share if share <= 0.75 => Self::Copy,
            _ => Self::Write,
        }
    }
}

/// The pattern and level of `memory/read-l2-u8`.
pub(super) fn of_benchmark(id: &str) -> Option<(Pattern, Level)> {
    let words = id.strip_prefix("memory/")?;
    let mut words = words.split('-');
    let (pattern, level) = (words.next()?, words.next()?);
    // A third word besides the dtype is a variant (`read-dram-small-pages-u8`), not the level's roof.
    let plain = words.count() == 1;
    let pattern = Pattern::ALL.into_iter().find(|p| p.name() == pattern)?;
    let level = Level::ALL.into_iter().find(|l| l.name() == level)?;
    plain.then_some((pattern, level))
}

/// What a `peak` benchmark measures, and whether it is the roof of its precision: multiply-adds and dot products are;
/// sums, products and counted bits alone are told beside them. `None` for what is no peak of all cores alike.
pub(super) fn of_peak(id: &str) -> Option<(String, bool)> {
    let (operation, dtype) = id.strip_prefix("peak/")?.rsplit_once('-')?;
    match operation {
        "fma" | "dot" => Some((dtype.to_owned(), true)),
        other if other.contains('-') => None,
        other => Some((format!("{dtype} {other}"), false)),
    }
}

/// The precision whose roof a `peak` benchmark is.
#[must_use]
pub fn peak_precision(id: &str) -> Option<String> {
    of_peak(id).filter(|(_, roof)| *roof).map(|(dtype, _)| dtype)
}

/// Whether the outcome of a case is a roof that others are placed under.
#[must_use]
pub fn is_roof(case: &Case) -> bool {
    of_benchmark(&case.benchmark).is_some() || peak_precision(&case.benchmark).is_some()
}

/// The smallest level that holds `working_set` bytes used by `threads` threads together: of caches that are not
/// shared by all, each thread brings its own.
#[must_use]
pub fn level_of(machine: &Machine, working_set: f64, threads: NonZeroUsize) -> Level {
    let holds = |level: &Level| {
        let Some(number) = level.cache_level() else { return true };
        capacity(machine, number, threads.get()).is_some_and(|bytes| working_set <= bytes)
    };
    Level::ALL.into_iter().find(holds).unwrap_or(Level::Dram)
}

#[expect(clippy::cast_precision_loss, reason = "cache sizes are far below 2^52")]
fn capacity(machine: &Machine, level: u32, threads: usize) -> Option<f64> {
    let bytes = machine.cache_bytes(level)?;
    let data = machine
        .cpu
        .caches
        .iter()
        .filter(|c| c.level == level && c.kind != crate::document::CacheType::Instruction);
    let instances: usize = data.clone().map(|c| c.count).sum();
    let sharing = data.map(|c| c.shared_by_threads).max().unwrap_or(1).max(1);
    let used = threads.div_ceil(sharing).clamp(1, instances.max(1));
    Some(bytes as f64 * used as f64)
}

/// A roof that a case needs, of the case's own thread count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The outcome of a `memory` benchmark on a tier.
    Bandwidth {
        /// `memory/read-l2-u8`.
        benchmark: String,
        /// Its tier.
        tier: Tier,
    },
    /// The outcome of a `peak` benchmark that is no roof by itself, but part of what a prediction is made of.
    Rate {
        /// `peak/exp-f32`.
        benchmark: String,
        /// Its tier.
        tier: Tier,
    },
    /// The outcome of a `peak` benchmark of a precision on a tier.
    Peak {
        /// `f32`.
        dtype: String,
        /// Its tier.
        tier: Tier,
    },
}

/// The roofs under which a case will be placed.
#[must_use]
pub fn wanted_ceilings(machine: &Machine, case: &Case, cost: &Cost) -> Vec<Wanted> {
    let tier = roof_tier(machine, case.tier);
    let mut wanted = Vec::new();
    if case.family() != "embed" && cost.core_bytes > 0.0 {
        let level = level_of(machine, cost.working_set_bytes, case.threads);
        let benchmark = format!("memory/{}-{}-u8", Pattern::of(cost).name(), level.name());
        wanted.push(Wanted::Bandwidth { benchmark, tier: tier.f32_tier() });
    }
    if cost.flops > 0.0 {
        let (dtype, tier) = peak_of(case.dtype(), tier);
        wanted.push(Wanted::Peak { dtype: dtype.to_owned(), tier });
    }
    if case.family() == "mol" {
        // What a prediction of its time needs besides.
        let (benchmark, tier) = ("peak/exp-f32".to_owned(), tier.f32_tier());
        wanted.push(Wanted::Rate { benchmark, tier });
        if case.dtype() != "f32" {
            wanted.push(Wanted::Peak { dtype: "f32".to_owned(), tier });
        }
    }
    wanted
}

/// The precision and the tier of the peak that arithmetic is held against. Signed bytes, ternary weights and a model in int8
/// run at the rate of unsigned by signed bytes; half precision that the tier has no product for is widened, and runs at the rate of single precision.
pub(in crate::analysis) fn peak_of(dtype: &str, tier: Tier) -> (&str, Tier) {
    match (dtype, tier) {
        ("s8s8s32" | "s8t2s32" | "u8s8f32" | "int8", _) | ("i8", Tier::Avx512vnni | Tier::NeonDotprod) => {
            ("u8s8s32", tier)
        }
        ("bf16" | "bf16bf16f32", Tier::Avx512bf16) => ("bf16", tier),
        ("f32" | "f16" | "bf16" | "bf16bf16f32" | "f32f16f32", _) => ("f32", tier.f32_tier()),
        _ => (dtype, tier),
    }
}

/// The tier whose roofs a case stands under; peers choose for themselves, so theirs is the machine's best.
pub(super) fn roof_tier(machine: &Machine, tier: CaseTier) -> Tier {
    tier.ours().unwrap_or_else(|| Tier::best_f32_of(&machine.cpu.tiers))
}
