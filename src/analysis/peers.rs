//! What the libraries people use reach here: the kernels that each chose, its share of this machine's peak as it comes,
//! and what its documentation's remedy is worth where both were measured.
//!
//! The peak is that of the machine, not of the instructions that a library happened to choose: the best tier's, on as
//! many threads. Copies and fills are held to the best bandwidth measured for the same pattern and level.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::roofline::{Ceiling, CeilingKind, ceilings, peak_of, place};
use crate::document::{Case, CaseTier, Document, Measurement, Peer, Shape, Tier};
use crate::stats;

/// The mode in which a library comes.
const AS_INSTALLED: &str = "as-installed";

/// A library in one mode at one piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// The measured case.
    pub case: Case,
    /// The kernels that it chose, where it tells.
    pub dispatched: Option<String>,
    /// What the mode sets.
    pub settings: Option<String>,
    /// What a program does in the mode beside what it sets.
    pub practice: Option<String>,
    /// Median seconds.
    pub median_seconds: f64,
    /// Share of the measured peak of this machine, where one was measured.
    pub fraction_of_peak: Option<f64>,
}

/// What a library reaches at one piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its name.
    pub library: String,
    /// Its version.
    pub version: String,
    /// The name of its file.
    pub file: Option<String>,
    /// As it comes.
    pub as_installed: Option<Way>,
    /// In the fastest of its other modes.
    pub with_remedy: Option<Way>,
    /// How many times as fast the remedy makes it.
    pub gain: Option<f64>,
    /// How many times as fast our best implementation is as the library's fastest mode.
    pub ours_over_best: Option<f64>,
}

impl Way {
    /// The mode as a command: `set OPENBLAS_CORETYPE=SKYLAKEX`, `pack weights once (...), set OMP_PROC_BIND=close`.
    #[must_use]
    pub fn remedy(&self) -> String {
        let settings = self.settings.as_ref().map(|settings| format!("set {settings}"));
        let commands: Vec<String> = self.practice.iter().cloned().chain(settings).collect();
        if commands.is_empty() {
            format!("use it as in {}", self.case.implementation)
        } else {
            commands.join(", ")
        }
    }
}

impl Finding {
    /// The faster of the two.
    #[must_use]
    pub fn fastest(&self) -> Option<&Way> {
        let ways = self.as_installed.iter().chain(&self.with_remedy);
        ways.min_by(|a, b| a.median_seconds.total_cmp(&b.median_seconds))
    }
}

/// What a document says of libraries, in the order of the work and of their names.
#[must_use]
pub fn findings(document: &Document) -> Vec<Finding> {
    let roofs = ceilings(document);
    let mut keys: Vec<(Work<'_>, &str, &Case)> =
        peers(document).map(|(m, peer)| (work(&m.case), &*peer.library, &m.case)).collect();
    keys.sort();
    keys.dedup_by(|a, b| (a.0, a.1) == (b.0, b.1));
    keys.iter().filter_map(|(_, library, case)| finding(document, &roofs, library, case)).collect()
}

/// Embedding engines have a table of their own.
fn peers(document: &Document) -> impl Iterator<Item = (&Measurement, &Peer)> {
    let kernels = document.measured().filter(|measurement| measurement.case.family() != "embed");
    kernels.filter_map(|measurement| Some((measurement, measurement.peer.as_ref()?)))
}

/// What stays of a case when the implementation is left out.
type Work<'d> = (&'d str, &'d Shape, NonZeroUsize);

fn work(case: &Case) -> Work<'_> {
    (&case.benchmark, &case.shape, case.threads)
}

fn finding(document: &Document, roofs: &[Ceiling], library: &str, case: &Case) -> Option<Finding> {
    let here = |other: &Case| work(other) == work(case);
    let of_library: Vec<_> =
        peers(document).filter(|(m, peer)| peer.library == library && here(&m.case)).collect();
    let ways = |installed: bool| {
        let wanted = of_library.iter().filter(move |(_, peer)| (peer.mode == AS_INSTALLED) == installed);
        let ways = wanted.filter_map(|(m, peer)| way(document, roofs, m, peer));
        ways.min_by(|a, b| a.median_seconds.total_cmp(&b.median_seconds))
    };
    let ours =
        document.measured().filter(|m| m.case.tier != CaseTier::Peer && m.peer.is_none() && here(&m.case));
    let ours = ours.filter_map(median).min_by(f64::total_cmp);
    let (_, peer) = of_library.first()?;
    let mut finding = Finding {
        library: library.to_owned(),
        version: peer.version.clone(),
        file: peer.file.clone(),
        as_installed: ways(true),
        with_remedy: ways(false),
        gain: None,
        ours_over_best: None,
    };
    let both = finding.as_installed.as_ref().zip(finding.with_remedy.as_ref());
    finding.gain = both.map(|(installed, remedy)| installed.median_seconds / remedy.median_seconds);
    finding.ours_over_best = finding.fastest().zip(ours).map(|(best, ours)| best.median_seconds / ours);
    Some(finding)
}

fn way(document: &Document, roofs: &[Ceiling], measurement: &Measurement, peer: &Peer) -> Option<Way> {
    let median_seconds = median(measurement)?;
    Some(Way {
        case: measurement.case.clone(),
        dispatched: peer.dispatched.clone(),
        settings: peer.settings.clone(),
        practice: peer.practice.clone(),
        median_seconds,
        fraction_of_peak: fraction(document, roofs, measurement, median_seconds),
    })
}

/// Of arithmetic for a matrix product, of bandwidth for what only moves bytes, and else of the roof that binds.
fn fraction(document: &Document, roofs: &[Ceiling], measurement: &Measurement, seconds: f64) -> Option<f64> {
    let case = &measurement.case;
    let best = |kind: CeilingKind, same: &dyn Fn(&Ceiling) -> bool| {
        let fitting =
            roofs.iter().filter(|roof| roof.kind == kind && roof.case.threads == case.threads && same(roof));
        fitting.map(|roof| roof.per_second).reduce(f64::max)
    };
    match case.family() {
        "matmul" => {
            // A type of number that some tiers multiply by instructions of its own has the peak of those.
            let peaks = Tier::all().filter_map(|tier| {
                let (dtype, _) = peak_of(case.dtype(), tier);
                best(CeilingKind::Compute, &|roof| roof.what == dtype)
            });
            let peak = peaks.reduce(f64::max)?;
            Some(measurement.cost.flops / seconds / peak)
        }
        "memory" => {
            let peak = best(CeilingKind::Bandwidth, &|roof| roof.case.benchmark == case.benchmark)?;
            Some(measurement.cost.core_bytes / seconds / peak)
        }
        _ => place(document).into_iter().find(|placement| placement.case == *case)?.fraction.ok(),
    }
}

fn median(measurement: &Measurement) -> Option<f64> {
    stats::median(&measurement.seconds.samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{document, library, measured, peak};
    use crate::document::Cost;

    fn cost() -> Cost {
        crate::analysis::fixtures::cost(2e8, 1e6, 0.3, 1e6)
    }

    #[test]
    fn a_library_is_held_to_the_machines_peak_and_its_remedy_to_how_it_comes() {
        let document = document(vec![
            peak("peak/fma-f32/chains@avx2/1/t1", 100e9),
            peak("peak/fma-f32/chains@avx512/1/t1", 200e9),
            peak("peak/fma-f32/chains@avx512/2/t2", 400e9),
            measured("matmul/gemm-f32/packed@avx512/8x8x8/t1", 1e-3, cost()),
            library("matmul/gemm-f32/openblas-as-installed@peer/8x8x8/t1", 2e-3, cost(), "Haswell"),
            library("matmul/gemm-f32/openblas-coretype-skylakex@peer/8x8x8/t1", 1.1e-3, cost(), "SkylakeX"),
            library("matmul/gemm-f32/mkl-as-installed@peer/8x8x8/t1", 4e-3, cost(), "avx2"),
        ]);
        let findings = findings(&document);
        let names: Vec<&str> = findings.iter().map(|finding| &*finding.library).collect();
        assert_eq!(names, ["mkl", "openblas"]);
        let openblas = &findings[1];
        let installed = openblas.as_installed.as_ref().unwrap();
        assert_eq!(installed.dispatched.as_deref(), Some("Haswell"));
        assert!((installed.fraction_of_peak.unwrap() - 0.5).abs() < 0.01, "{openblas:?}");
        assert!((openblas.gain.unwrap() - 2.0 / 1.1).abs() < 0.01);
        assert!((openblas.ours_over_best.unwrap() - 1.1).abs() < 0.01);
        assert_eq!(openblas.fastest().unwrap().dispatched.as_deref(), Some("SkylakeX"));
        assert_eq!((findings[0].gain, &findings[0].with_remedy), (None, &None));
    }

    #[test]
    fn without_a_peak_the_share_is_unknown_and_without_peers_there_is_nothing() {
        let case = "matmul/gemm-f32/mkl-as-installed@peer/8x8x8/t1";
        let alone = document(vec![library(case, 4e-3, cost(), "avx2")]);
        assert_eq!(findings(&alone)[0].as_installed.as_ref().unwrap().fraction_of_peak, None);
        assert_eq!(findings(&alone)[0].ours_over_best, None);
        assert!(findings(&document(Vec::new())).is_empty());
    }

    #[test]
    fn a_type_with_products_of_its_own_is_held_to_the_larger_peak_and_practice_is_part_of_the_remedy() {
        let bf16 = "matmul/gemm-bf16bf16f32/onednn-prepacked-bound@peer/8x8x8/t1";
        let mut packed = library(bf16, 1e-3, cost(), "avx512_core_bf16");
        let peer = packed.peer.as_mut().unwrap();
        peer.practice = Some("pack weights once".to_owned());
        peer.settings = Some("OMP_PROC_BIND=close".to_owned());
        let document = document(vec![
            peak("peak/fma-f32/chains@avx512/1/t1", 200e9),
            peak("peak/dot-bf16/chains@avx512bf16/1/t1", 400e9),
            packed,
        ]);
        let finding = &findings(&document)[0];
        let remedy = finding.with_remedy.as_ref().unwrap();
        assert!((remedy.fraction_of_peak.unwrap() - 0.5).abs() < 0.01, "{remedy:?}");
        assert_eq!(remedy.remedy(), "pack weights once, set OMP_PROC_BIND=close");
    }
}
