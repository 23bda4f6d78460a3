//! What the `latency` cases say: curves over footprints with their knees, latency under load, ways between cores.

mod knees;

use crate::document::{Document, Measurement};
use crate::stats;

pub use knees::{Knee, cache_knees, confirm_caches, knees};

/// The latency of a load by the bytes that are walked, on one size of pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The implementation: `huge-pages`, `small-pages`.
    pub pages: String,
    /// Bytes and seconds, by bytes.
    pub points: Vec<(u64, f64)>,
}

/// The curves of a document, huge pages first.
#[must_use]
pub fn curves(document: &Document) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for measurement in measured(document, "latency/chase-u64") {
        let Some(seconds) = per(measurement, "loads") else { continue };
        let case = &measurement.case;
        let point = (case.shape.count(0) as u64, seconds);
        match curves.iter_mut().find(|curve| curve.pages == case.implementation) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { pages: case.implementation.clone(), points: vec![point] }),
        }
    }
    for curve in &mut curves {
        curve.points.sort_by_key(|point| point.0);
    }
    curves.sort_by(|a, b| a.pages.cmp(&b.pages));
    curves
}

/// The latency of memory while others read from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loaded {
    /// Bytes per second that the others read.
    pub background_bytes_per_second: f64,
    /// Seconds of a load.
    pub seconds: f64,
    /// Threads, the one that waits for its loads among them.
    pub threads: usize,
}

/// The latencies under load of a document, the smallest load first.
#[must_use]
pub fn loaded(document: &Document) -> Vec<Loaded> {
    let mut all: Vec<Loaded> = measured(document, "latency/loaded-u64")
        .filter_map(|m| {
            let rate = m.facts.get("background_bytes_per_second").copied();
            Some(Loaded {
                background_bytes_per_second: rate.filter(|rate| rate.is_finite() && *rate > 0.0)?,
                seconds: per(m, "loads")?,
                threads: m.case.threads.get(),
            })
        })
        .collect();
    all.sort_by(|a, b| a.background_bytes_per_second.total_cmp(&b.background_bytes_per_second));
    all
}

/// How long a line takes from one CPU's cache to another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// The two CPUs, the lower first.
    pub cpus: [usize; 2],
    /// Seconds one way.
    pub seconds: f64,
}

/// The ways between cores of a document, by their CPUs.
#[must_use]
pub fn transfers(document: &Document) -> Vec<Transfer> {
    let mut all: Vec<Transfer> = measured(document, "latency/bounce-u64")
        .filter_map(|m| {
            let cpus = [m.case.shape.count(0), m.case.shape.count(1)];
            Some(Transfer { cpus, seconds: per(m, "transfers")? })
        })
        .collect();
    all.sort_by_key(|transfer| transfer.cpus);
    all
}

fn measured<'d>(document: &'d Document, id: &'static str) -> impl Iterator<Item = &'d Measurement> {
    document.measured().filter(move |m| m.case.benchmark == id)
}

/// Median seconds of a run over a count that the run stated.
fn per(measurement: &Measurement, fact: &str) -> Option<f64> {
    let count = measurement.facts.get(fact).filter(|count| **count > 0.0)?;
    let seconds = stats::median(&measurement.seconds.samples)? / count;
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{document, measured};
    use crate::document::Cost;

    fn with(case: &str, seconds: f64, facts: &[(&str, f64)]) -> Measurement {
        let facts = facts.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        Measurement { facts, ..measured(case, seconds, Cost::default()) }
    }

    #[test]
    fn a_document_tells_curves_loads_and_ways() {
        let document = document(vec![
            with("latency/chase-u64/small-pages@baseline/65536/t1", 2e-4, &[("loads", 1e5)]),
            with("latency/chase-u64/huge-pages@baseline/65536/t1", 1e-4, &[("loads", 1e5)]),
            with("latency/chase-u64/huge-pages@baseline/16384/t1", 5e-5, &[("loads", 1e5)]),
            with("latency/chase-u64/huge-pages@baseline/32768/t1", 5e-5, &[]),
            with(
                "latency/loaded-u64/beside-readers@baseline/2x1048576x1/t2",
                0.2,
                &[("loads", 1e6), ("background_bytes_per_second", 1e10)],
            ),
            with("latency/loaded-u64/beside-readers@baseline/2x1048576x9/t2", 1.0, &[("loads", 1e6)]),
            with("latency/bounce-u64/in-turns@baseline/1x2/t2", 1e-3, &[("transfers", 1e4)]),
            with("latency/bounce-u64/in-turns@baseline/0x1/t2", 1e-3, &[("transfers", 2e4)]),
        ]);
        let curves = curves(&document);
        assert_eq!(curves.len(), 2);
        assert_eq!(curves[0].pages, "huge-pages");
        assert!((curves[0].points[1].1 / 1e-9 - 1.0).abs() < 1e-3 && curves[0].points.len() == 2);
        let loads = loaded(&document);
        assert_eq!(loads.len(), 1);
        assert!((loads[0].seconds / 2e-7 - 1.0).abs() < 1e-3);
        let ways = transfers(&document);
        assert_eq!(ways.iter().map(|way| way.cpus).collect::<Vec<_>>(), [[0, 1], [1, 2]]);
    }
}
