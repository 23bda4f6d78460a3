//! Benchmarks of family `memory`.

use super::Benchmark;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[];
