//! Ceilings of each kind of core, and their sum: what a machine of several kinds can do when each kind has its own share.

use std::collections::BTreeMap;

use super::fastest_decile;
use crate::document::{Case, Document};

/// A ceiling on the kinds of cores.
#[derive(Debug, Clone, PartialEq)]
pub struct KindCeiling {
    /// `fma-f32`, `read-l1-u8`: the benchmark without its family and the word `kind`.
    pub what: String,
    /// Whether it counts operations, or else bytes.
    pub operations: bool,
    /// What each kind reaches.
    pub kinds: Vec<OnKind>,
    /// The sum over kinds of what all of a kind's CPUs reach, each kind measured alone. `None` where one is missing.
    pub sum: Option<f64>,
}

/// What a kind of core reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct OnKind {
    /// The kind's name; its number where it has none.
    pub name: String,
    /// How many of its CPUs took part.
    pub threads: usize,
    /// Operations or bytes per second, together.
    pub per_second: f64,
    /// The case.
    pub case: Case,
}

/// The ceilings by kind of core that a document holds: of each kind and number of threads the best tier.
#[must_use]
pub fn kinds(document: &Document) -> Vec<KindCeiling> {
    let mut best: BTreeMap<(String, usize, usize), OnKind> = BTreeMap::new();
    for measurement in document.measured() {
        let case = &measurement.case;
        let Some((_, what)) = case.benchmark.split_once("/kind-") else { continue };
        let amount =
            if case.family() == "peak" { measurement.cost.flops } else { measurement.cost.core_bytes };
        let Some(seconds) = fastest_decile(measurement).filter(|_| amount > 0.0) else { continue };
        let (kind, threads) = (case.shape.count(0), case.threads.get());
        let named = document.machine.cpu.kinds.get(kind.wrapping_sub(1)).and_then(|kind| kind.name.clone());
        let name = named.unwrap_or_else(|| format!("kind {kind}"));
        let found = OnKind { name, threads, per_second: amount / seconds, case: case.clone() };
        let entry = best.entry((what.to_owned(), kind, threads)).or_insert_with(|| found.clone());
        if found.per_second > entry.per_second {
            *entry = found;
        }
    }
    let mut ceilings: Vec<KindCeiling> = Vec::new();
    for ((what, ..), on_kind) in best {
        let operations = on_kind.case.family() == "peak";
        match ceilings.last_mut().filter(|ceiling| ceiling.what == what) {
            Some(ceiling) => ceiling.kinds.push(on_kind),
            None => ceilings.push(KindCeiling { what, operations, kinds: vec![on_kind], sum: None }),
        }
    }
    for ceiling in &mut ceilings {
        ceiling.sum = sum(document, &ceiling.kinds);
    }
    ceilings
}

/// The sum of what every kind reaches on all the CPUs that a process may use of it.
fn sum(document: &Document, kinds: &[OnKind]) -> Option<f64> {
    let allowed = &document.machine.limits.allowed_cpus;
    let of_kind = |(index, kind): (usize, &crate::document::CoreKind)| {
        let cpus = if allowed.is_empty() { kind.cpus.len() } else { kind.cpus.intersection(allowed).len() };
        let all = |on: &&OnKind| on.case.shape.count(0) == index + 1 && on.threads == cpus;
        if cpus == 0 { Some(0.0) } else { kinds.iter().find(all).map(|on| on.per_second) }
    };
    let parts: Option<Vec<f64>> = document.machine.cpu.kinds.iter().enumerate().map(of_kind).collect();
    parts.filter(|parts| parts.len() > 1).map(|parts| parts.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{document, measured};
    use crate::document::{CoreKind, Cost};

    #[test]
    fn kinds_have_their_rates_and_a_sum_where_none_is_missing() {
        let flops = |flops: f64| Cost { flops, ..Cost::default() };
        let mut document = document(vec![
            measured("peak/kind-fma-f32/chains@avx2/1x1x64/t1", 1.0, flops(1e9)),
            measured("peak/kind-fma-f32/chains@avx2/1x2x64/t2", 1.0, flops(2e9)),
            measured("peak/kind-fma-f32/chains@baseline/1x2x64/t2", 1.0, flops(1e9)),
            measured("peak/kind-fma-f32/chains@avx2/2x1x64/t1", 1.0, flops(5e8)),
            measured("peak/kind-fma-f32/chains@avx2/2x4x64/t4", 1.0, flops(1.5e9)),
            measured(
                "memory/kind-read-l1-u8/stream@avx2/1x2x64/t2",
                1.0,
                Cost { core_bytes: 7.0, ..flops(0.0) },
            ),
        ]);
        let kind = |name: Option<&str>, cpus: &str| CoreKind {
            name: name.map(str::to_owned),
            cpus: cpus.parse().unwrap(),
            cores: 1,
            ..CoreKind::default()
        };
        document.machine.cpu.kinds = vec![kind(Some("P-core"), "0-1"), kind(None, "2-5")];
        let found = kinds(&document);
        assert_eq!(found.len(), 2);
        let names: Vec<_> = found[0].kinds.iter().map(|on| (&*on.name, on.threads)).collect();
        assert_eq!(names, [("P-core", 1), ("P-core", 2), ("kind 2", 1), ("kind 2", 4)]);
        assert!((found[0].sum.unwrap() / 3.5e9 - 1.0).abs() < 0.01, "{found:?}");
        assert!(found[0].operations && !found[1].operations);
        assert_eq!(found[1].sum, None, "the other kind was not measured");
        // None of them is a roof of all CPUs.
        assert!(super::super::ceilings(&document).is_empty());
    }
}
