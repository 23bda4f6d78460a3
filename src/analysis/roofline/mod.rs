//! Ceilings out of a document, and every measured kernel placed under them.
//!
//! The ceiling of a case is that of the smallest memory level that holds its working set, of its own tier, precision,
//! thread count and mix of reads and writes, or the arithmetic peak of its precision and tier, whichever binds at its
//! intensity. Fractions are never clamped: what stands above 102 % of its roof is withheld with that reason.
//!
//! Bytes are *core bytes* on both sides, of the case and of the `memory/*` case that is its roof. The rate of a
//! ceiling is that of its fastest decile of samples (the machine undisturbed), the rate of a case that of its median.

mod kinds;
mod levels;
mod physics;
mod place;
#[cfg(test)]
mod tests;

use crate::document::{Case, Document, Measurement};
use crate::stats;

pub use kinds::{KindCeiling, OnKind, kinds};
pub(super) use levels::peak_of;
pub use levels::{Level, Pattern, Wanted, is_roof, level_of, peak_precision, wanted_ceilings};
pub use physics::rejected_ceilings;
pub use place::{passed_ceilings, place};

/// What a ceiling limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CeilingKind {
    /// Bytes per second at a memory level.
    Bandwidth,
    /// Operations per second.
    Compute,
}

/// A measured roof.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceiling {
    /// The case whose outcome it is (the best of several footprints).
    pub case: Case,
    /// What it limits.
    pub kind: CeilingKind,
    /// For people: `L2 read, avx512, 1 thread`.
    pub name: String,
    /// `l1`, `l2`, `l3`, `dram` for a bandwidth.
    pub level: Option<String>,
    /// `read`, `write`, `copy`, `triad` for a bandwidth; the precision (`f32`, `u8s8s32`, `bf16`) for a peak, and the
    /// operation where it is a lesser one (`f32 add`).
    pub what: String,
    /// Bytes or operations per second.
    pub per_second: f64,
}

/// A case under its roof.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Which.
    pub case: Case,
    /// FLOP per core byte.
    pub intensity: Option<f64>,
    /// Median operations per second, where it has any.
    pub flops_per_second: Option<f64>,
    /// Median core bytes per second.
    pub bytes_per_second: Option<f64>,
    /// The ceiling that binds at this intensity.
    pub ceiling: Option<Ceiling>,
    /// What the ceiling allows, in the ceiling's own unit.
    pub attainable: Option<f64>,
    /// Share of the attainable rate, or why there is none (`above 102 %: ...`, `no ceiling measured for ...`).
    pub fraction: Result<f64, String>,
    /// Speed against the plain implementation of the same benchmark, shape and threads, where that was measured.
    pub speedup_over_plain: Option<f64>,
}

/// The ceilings that a document holds: of every level, pattern, tier and thread count the best footprint and
/// implementation. Figures above physics are left out; [`rejected_ceilings`] names them.
#[must_use]
pub fn ceilings(document: &Document) -> Vec<Ceiling> {
    let mut best: Vec<Ceiling> = Vec::new();
    for ceiling in document.measured().filter_map(ceiling_of) {
        if physics::objection(&ceiling, &document.machine).is_some() {
            continue;
        }
        match best.iter_mut().find(|known| same_roof(known, &ceiling)) {
            Some(known) if known.per_second < ceiling.per_second => *known = ceiling,
            Some(_) => {}
            None => best.push(ceiling),
        }
    }
    best.sort_by(|a, b| (a.kind, &a.level, &a.what, &a.case).cmp(&(b.kind, &b.level, &b.what, &b.case)));
    best
}

fn same_roof(a: &Ceiling, b: &Ceiling) -> bool {
    (a.kind, &a.level, &a.what, a.case.tier, a.case.threads)
        == (b.kind, &b.level, &b.what, b.case.tier, b.case.threads)
}

/// The roof that a measurement is, if it is one.
fn ceiling_of(measurement: &Measurement) -> Option<Ceiling> {
    let case = &measurement.case;
    // A library that copies is held to the roof, and is none.
    case.tier.ours()?;
    let seconds = fastest_decile(measurement)?;
    let tier = case.tier;
    let threads = threads_text(case.threads.get());
    if let Some((pattern, level)) = levels::of_benchmark(&case.benchmark) {
        return (measurement.cost.core_bytes > 0.0).then(|| Ceiling {
            case: case.clone(),
            kind: CeilingKind::Bandwidth,
            name: format!("{} {}, {tier}, {threads}", level.title(), pattern.name()),
            level: Some(level.name().to_owned()),
            what: pattern.name().to_owned(),
            per_second: measurement.cost.core_bytes / seconds,
        });
    }
    let (what, _) = levels::of_peak(&case.benchmark)?;
    (measurement.cost.flops > 0.0).then(|| Ceiling {
        case: case.clone(),
        kind: CeilingKind::Compute,
        name: format!("{what} peak, {tier}, {threads}"),
        level: None,
        what,
        per_second: measurement.cost.flops / seconds,
    })
}

fn threads_text(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

/// The largest sample of the fastest tenth.
fn fastest_decile(measurement: &Measurement) -> Option<f64> {
    stats::quantile_of_sorted(&stats::sorted(&measurement.seconds.samples), 0.1)
}

/// Whether a case says what the machine can do (a roof, a latency, or the core clock) rather than being work under a roof.
#[must_use]
pub fn is_ceiling(case: &Case) -> bool {
    matches!(case.family(), "memory" | "peak" | "latency" | "clock")
}
