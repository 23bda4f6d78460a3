//! Documents for tests of the analyses.

use crate::document::{
    Cache, CacheType, Conditions, Cost, Document, Machine, Measurement, Outcome, Run, SampleSeconds,
};

/// A machine with 48 KiB, 1 MiB and 32 MiB of caches, two CPUs, and a measured clock of 4 GHz.
pub(crate) fn machine() -> Machine {
    let mut machine =
        Machine { schema: Machine::SCHEMA.to_owned(), fingerprint: "f".to_owned(), ..Machine::default() };
    for (level, size_bytes, count, shared_by_threads) in
        [(1, 48 << 10, 2, 1), (2, 1 << 20, 2, 1), (3, 32 << 20, 1, 2)]
    {
        machine.cpu.caches.push(Cache {
            level,
            kind: CacheType::Data,
            size_bytes: Some(size_bytes),
            line_bytes: Some(64),
            ways: Some(8),
            count,
            shared_by_threads,
        });
    }
    machine.limits.effective_cpus = 2;
    machine.cpu.frequency.measured_hertz = Some(4e9);
    machine
}

/// A document of measured cases.
pub(crate) fn document(measurements: Vec<Measurement>) -> Document {
    Document {
        schema: Document::SCHEMA.to_owned(),
        run: Run { id: "one".to_owned(), optimised: true, ..Run::default() },
        machine: machine(),
        conditions: Conditions { effective_cpus: 2, ..Conditions::default() },
        outcomes: measurements.into_iter().map(|m| Outcome::Measured(Box::new(m))).collect(),
    }
}

/// Twenty samples around `seconds`, a percent apart at most.
pub(crate) fn measured(case: &str, seconds: f64, cost: Cost) -> Measurement {
    let samples = (0..20).map(|i| seconds * (1.0 + 0.0005 * f64::from(i % 7 - 3))).collect();
    Measurement {
        case: case.parse().unwrap_or_else(|_| panic!("{case}")),
        origin: crate::document::Origin::Perfkit,
        peer: None,
        seconds: SampleSeconds { samples },
        cost,
        iterations: 1,
        cpu_wall_ratio: None,
        minor_faults: 0,
        involuntary_switches: 0,
        stages: None,
        total_seconds: None,
        tokens: None,
        texts: None,
        peak_rss_bytes: None,
        latency: None,
        facts: std::collections::BTreeMap::default(),
        notes: Vec::new(),
    }
}

/// A measurement of a library, named by its implementation (`openblas-as-installed`), with the kernels that it chose.
pub(crate) fn library(case: &str, seconds: f64, cost: Cost, dispatched: &str) -> Measurement {
    let mut measurement = measured(case, seconds, cost);
    let (library, mode) = measurement.case.implementation.split_once('-').unwrap_or_else(|| panic!("{case}"));
    measurement.peer = Some(crate::document::Peer {
        library: library.to_owned(),
        version: "1.2".to_owned(),
        dispatched: Some(dispatched.to_owned()),
        mode: mode.to_owned(),
        settings: (mode != "as-installed").then(|| mode.to_uppercase()),
        ..crate::document::Peer::default()
    });
    measurement.origin = crate::document::Origin::Peer;
    measurement
}

/// A cost of operations and core bytes, a share of which is stored.
pub(crate) fn cost(flops: f64, core_bytes: f64, written_share: f64, working_set_bytes: f64) -> Cost {
    Cost {
        flops,
        core_bytes,
        dram_bytes: core_bytes,
        written_bytes: core_bytes * written_share,
        working_set_bytes,
    }
}

/// A memory ceiling of `rate` bytes per second.
pub(crate) fn bandwidth(case: &str, rate: f64) -> Measurement {
    measured(case, 1e6 / rate, cost(0.0, 1e6, 0.0, 1e6))
}

/// An arithmetic ceiling of `rate` operations per second.
pub(crate) fn peak(case: &str, rate: f64) -> Measurement {
    measured(case, 1e6 / rate, cost(1e6, 0.0, 0.0, 0.0))
}
