//! Benchmarks of family `activation`.

use super::Benchmark;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[];
