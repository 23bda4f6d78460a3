//! A document with what follows from it: ceilings, placements, and the best way to do each piece of work.

use std::collections::{BTreeMap, HashMap};

use super::words;
use crate::analysis::roofline::{Ceiling, CeilingKind, Placement, ceilings, place};
use crate::document::{Case, Document, Measurement, Shape};
use crate::stats::Summary;

/// A document and what follows from it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) document: &'a Document,
    pub(super) ceilings: Vec<Ceiling>,
    pub(super) placements: Vec<Placement>,
    measurements: HashMap<&'a Case, &'a Measurement>,
}

/// All ways that one piece of work was done.
#[derive(Debug)]
pub(super) struct Work<'f> {
    /// The fastest of ours.
    pub(super) best: &'f Placement,
    /// The plain loop, where it was measured and is not the best.
    pub(super) plain: Option<&'f Placement>,
    /// The fastest of another library.
    pub(super) peer: Option<&'f Placement>,
    /// Every way, the fastest first.
    pub(super) ways: Vec<&'f Placement>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        Self {
            document,
            ceilings: ceilings(document),
            placements: place(document),
            measurements: document.measured().map(|m| (&m.case, m)).collect(),
        }
    }

    pub(super) fn measurement(&self, case: &Case) -> Option<&'a Measurement> {
        self.measurements.get(case).copied()
    }

    /// The interval of a case's time.
    pub(super) fn time(&self, case: &Case) -> Option<Summary> {
        self.measurement(case).and_then(|m| Summary::of(&m.seconds.samples))
    }

    fn median(&self, case: &Case) -> f64 {
        self.time(case).map_or(f64::INFINITY, |time| time.median)
    }

    /// Kernels (no pipelines, no ceilings) grouped by the work they do, in the order of their names.
    pub(super) fn work(&self) -> Vec<Work<'_>> {
        let mut order: Vec<(&str, &Shape, usize)> = Vec::new();
        let mut groups: HashMap<(&str, &Shape, usize), Vec<&Placement>> = HashMap::new();
        for placement in self.kernels() {
            let case = &placement.case;
            let key = (&*case.benchmark, &case.shape, case.threads.get());
            groups.entry(key).or_insert_with(|| {
                order.push(key);
                Vec::new()
            });
            if let Some(group) = groups.get_mut(&key) {
                group.push(placement);
            }
        }
        // The document's order is that of measuring, which is shuffled.
        order.sort();
        order.iter().filter_map(|key| self.ranked(groups.remove(key)?)).collect()
    }

    fn ranked<'f>(&self, mut ways: Vec<&'f Placement>) -> Option<Work<'f>> {
        ways.sort_by(|a, b| self.median(&a.case).total_cmp(&self.median(&b.case)));
        let best = ways.iter().find(|p| !words::is_peer(&p.case)).or(ways.first()).copied()?;
        let plain = ways.iter().find(|p| words::is_plain(&p.case)).copied();
        let peer = ways.iter().find(|p| words::is_peer(&p.case)).copied();
        Some(Work { best, plain: plain.filter(|p| p.case != best.case), peer, ways })
    }

    /// Placements of kernels.
    pub(super) fn kernels(&self) -> impl Iterator<Item = &Placement> {
        self.placements
            .iter()
            .filter(|placement| !matches!(placement.case.family(), "embed" | "memory" | "peak"))
    }

    /// Measured embedding pipelines.
    pub(super) fn pipelines(&self) -> impl Iterator<Item = &'a Measurement> {
        self.document.measured().filter(|m| m.case.family() == "embed")
    }

    /// The fastest ceiling of a kind for each key that `key` answers, in the order of the keys.
    pub(super) fn best_ceilings<K: Ord>(
        &self,
        kind: CeilingKind,
        key: impl Fn(&Ceiling) -> Option<K>,
    ) -> Vec<&Ceiling> {
        let mut best: BTreeMap<K, &Ceiling> = BTreeMap::new();
        for ceiling in self.ceilings.iter().filter(|c| c.kind == kind && usable(c.per_second)) {
            let Some(key) = key(ceiling) else { continue };
            let entry = best.entry(key).or_insert(ceiling);
            if ceiling.per_second > entry.per_second {
                *entry = ceiling;
            }
        }
        best.into_values().collect()
    }
}

/// Whether a rate can be drawn and divided by.
pub(super) fn usable(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Embeddings per second by the median.
pub(super) fn texts_per_second(measurement: &Measurement) -> Option<f64> {
    per_second(measurement, measurement.texts)
}

/// Tokens per second by the median.
pub(super) fn tokens_per_second(measurement: &Measurement) -> Option<f64> {
    per_second(measurement, measurement.tokens)
}

fn per_second(measurement: &Measurement, count: Option<u64>) -> Option<f64> {
    let median = Summary::of(&measurement.seconds.samples)?.median;
    Some(count? as f64 / median).filter(|rate| usable(*rate))
}
