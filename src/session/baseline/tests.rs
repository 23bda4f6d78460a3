//! Baselines on disk: what is stored is read back, and what goes wrong leaves the old file as it was.

use super::*;
use crate::analysis::fixtures::{cost, document, measured};
use crate::document::{Arm, BENCH, BaselineRun, Case, read_baseline};

const POOL: &str = "pool/mean-f32/rows@avx512/8x8/t1";

/// A baseline of one case in so many runs beside one reference.
pub(crate) fn baseline(runs: usize, seconds: f64) -> Baseline {
    let case: Case = POOL.parse().unwrap();
    let arm = |name: &str, seconds: f64| Arm {
        wall_seconds: vec![seconds; 5],
        cpu_seconds: vec![seconds; 5],
        involuntary_switches: vec![0; 5],
        iterations: 3,
        cpu: vec![Some(0); 5],
        ..Arm::new(case.clone(), name)
    };
    let run = |index: usize| BaselineRun {
        id: format!("run{index}"),
        started: "2026-01-01T00:00:00Z".to_owned(),
        arms: vec![arm(BENCH, seconds), arm("int", 2e-4)],
    };
    let mut document = document(vec![measured(POOL, seconds, cost(1.0, 1.0, 0.0, 1.0))]);
    document.run.tool = crate::session::recorder::tool();
    document.machine.memory.huge_pages.pools.insert(2 << 20, 0);
    Baseline {
        runs: (0..runs).map(run).collect(),
        references: [("int".to_owned(), "clock/chain-u64/plain@baseline/4096/t1".parse().unwrap())].into(),
        ..Baseline::of_document(document)
    }
}

#[test]
fn a_baseline_survives_a_round_trip_and_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let stored = baseline(3, 1e-3);
    let path = path_of(folder.path(), &stored.document.machine, "ci").unwrap();
    assert!(list(folder.path()).unwrap().is_empty());
    let bytes = store(&path, &stored).unwrap();
    assert_eq!(bytes as u64, std::fs::metadata(&path).unwrap().len());
    let read = read_baseline(&path).unwrap();
    assert_eq!((&read.document.run, &read.references), (&stored.document.run, &stored.references));
    assert_eq!((read.runs.len(), read.runs[0].arms.len()), (3, 2));
    assert_eq!(read.runs[0].arms[0].wall_seconds, stored.runs[0].arms[0].wall_seconds);
    let listed = list(folder.path()).unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "ci"));
    std::fs::write(&path, "{").unwrap();
    assert!(list(folder.path()).unwrap()[0].baseline.is_err());
}

#[test]
fn a_document_alone_is_a_baseline_too_and_keeps_its_digits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ci.json");
    let document = baseline(0, 1.234_567_891e-3).document;
    store(&path, &Baseline::of_document(document.clone())).unwrap();
    let read = read_baseline(&path).unwrap();
    assert!(!read.has_run_level_values());
    assert_eq!(read.document.outcomes, document.outcomes);
}

#[test]
fn samples_are_kept_where_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ci.json");
    let mut stored = baseline(4, 1e-3);
    stored.samples = KeptSamples::Compressed;
    let inline = store(&path, &Baseline { samples: KeptSamples::Inline, ..stored.clone() }).unwrap();
    assert!(!samples_path(&path).exists());
    let bytes = store(&path, &stored).unwrap();
    assert!(bytes < inline);
    let raw = read_samples(&samples_path(&path)).unwrap();
    assert_eq!((raw.baseline.as_str(), raw.runs.len()), ("one", 4));
    assert_eq!(raw.runs[0].arms[0].wall_seconds, stored.runs[0].arms[0].wall_seconds);
    let read = read_baseline(&path).unwrap();
    assert_eq!(read.runs[3].arms[0].median(), Some(1e-3));
    let other = folder.path().join("other.json");
    store_again(&other, &read, &path).unwrap();
    assert_eq!(read_samples(&samples_path(&other)).unwrap(), raw);
    store(&path, &Baseline { samples: KeptSamples::None, ..stored }).unwrap();
    assert!(!samples_path(&path).exists(), "samples of the baseline before");
    assert_eq!(read_baseline(&path).unwrap().runs[3].arms[0].median(), Some(1e-3));
}

#[test]
fn samples_of_another_baseline_are_not_taken_for_this_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ci.json");
    let mut stored = baseline(3, 1e-3);
    stored.samples = KeptSamples::Compressed;
    store(&path, &stored).unwrap();
    let read = read_baseline(&path).unwrap();
    stored.document.run.id = "another".to_owned();
    let raw = compact::compact(&stored).1.unwrap();
    std::fs::write(samples_path(&path), to_compressed_json(&raw).unwrap()).unwrap();
    let error = store_again(&folder.path().join("other.json"), &read, &path).unwrap_err().to_string();
    assert!(error.contains("another baseline"), "{error}");
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ci.json");
    store(&path, &baseline(3, 1e-3)).unwrap();
    let before = std::fs::read(&path).unwrap();
    // The name of the temporary file is taken by a folder: creating it fails as on a disk without room.
    std::fs::create_dir(folder.path().join(format!(".ci.json.{}.tmp", std::process::id()))).unwrap();
    let error = format!("{:#}", store(&path, &baseline(3, 2e-3)).unwrap_err());
    assert!(error.contains("cannot write") && error.contains("ci.json"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_name_never_leaves_its_folder() {
    for name in ["", "../x", "a/b", "a.b", " "] {
        assert!(path_of(Path::new("b"), &Machine::default(), name).is_err(), "{name:?}");
    }
}

/// Gives the case of [`baseline`] another name.
pub(crate) fn changed(baseline: &mut Baseline, text: &str) {
    let case: Case = text.parse().unwrap();
    for outcome in &mut baseline.document.outcomes {
        if let crate::document::Outcome::Measured(measurement) = outcome {
            measurement.case = case.clone();
        }
    }
    baseline.runs.iter_mut().flat_map(|run| &mut run.arms).for_each(|arm| arm.case = case.clone());
}
