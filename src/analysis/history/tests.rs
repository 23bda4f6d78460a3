//! Histories that were made up: where the level of the code changes, and where only the host's does.

use super::*;
use crate::analysis::fixtures::{cost, document, measured};
use crate::document::{Arm, BaselineRun, Normaliser, Source};

const POOL: &str = "pool/mean-f32/rows@avx512/8x8/t1";

/// A baseline of five runs on one day; the host is so many times slower then, and the code.
fn day(day: usize, host: f64, code: f64) -> Dated {
    let case: Case = POOL.parse().unwrap();
    let run = |index: usize| {
        // A wobble of a thousandth, without a pattern that lasts.
        let wobble = 1.0 + 0.001 * f64::from(u32::try_from((day * 7 + index * 3) % 5).unwrap());
        let arm = |name: &str, seconds: f64| Arm {
            median_seconds: Some(seconds * host),
            quiet_seconds: Some(seconds * host),
            ..Arm::new(case.clone(), name)
        };
        let arms = vec![arm(BENCH, 1e-4 * code * wobble), arm("int", 2e-4)];
        BaselineRun { id: format!("{day}.{index}"), arms, ..BaselineRun::default() }
    };
    let mut document = document(vec![measured(POOL, 1e-4, cost(1.0, 1.0, 0.0, 1.0))]);
    document.run.id = format!("day{day}");
    document.run.started = format!("2026-01-{day:02}T00:00:00Z");
    document.run.tool = "perfkit 0.1.0".to_owned();
    let normaliser = Normaliser {
        case: case.clone(),
        chosen: "int".to_owned(),
        between_run_spread: [("int".to_owned(), 1e-3)].into(),
    };
    Dated {
        file: format!("{day:02}/ci.json"),
        baseline: Baseline {
            runs: (0..5).map(run).collect(),
            references: [("int".to_owned(), "clock/chain-u64/plain@baseline/64/t1".parse().unwrap())].into(),
            normalisers: vec![normaliser],
            source: Some(Source { commit: format!("c{day}"), dirty: false }),
            ..Baseline::of_document(document)
        },
    }
}

fn of(days: Vec<Dated>) -> History {
    history(days, Vec::new(), None)
}

#[test]
fn a_change_of_the_code_is_found_and_one_of_the_host_is_not() {
    let mut days: Vec<Dated> =
        (1..=10).map(|d| day(d, if d > 3 { 1.3 } else { 1.0 }, if d > 6 { 1.05 } else { 1.0 })).collect();
    days.reverse();
    let history = of(days);
    assert_eq!(history.baselines[0].file, "01/ci.json", "by date, not by the order of reading");
    let series = &history.series[0];
    assert_eq!((series.case.as_str(), series.reference.as_str(), series.points.len()), (POOL, "int", 50));
    assert_eq!(series.changes.len(), 1, "{:?}", series.changes);
    let change = &series.changes[0];
    assert_eq!((change.point, change.commit.as_deref()), (30, Some("c7")));
    assert!((change.ratio / 1.05 - 1.0).abs() < 0.002 && change.p_value < 1e-6, "{change:?}");
    assert!(change.started.starts_with("2026-01-07") && change.tool == "perfkit 0.1.0");
}

#[test]
fn without_a_common_reference_the_seconds_are_looked_at() {
    let mut days: Vec<Dated> = (1..=6).map(|d| day(d, 1.0, 1.0)).collect();
    days[2].baseline.document.run.tool = "perfkit 0.2.0".to_owned();
    let history = of(days);
    assert_eq!(history.series[0].reference, NO_REFERENCE);
    assert!((history.series[0].points[0].value - 1e-4).abs() < 1e-6);
}

#[test]
fn documents_without_runs_are_points_too() {
    let mut days: Vec<Dated> = (1..=4).map(|d| day(d, 1.0, 1.0)).collect();
    days[0].baseline = Baseline::of_document(days[0].baseline.document.clone());
    let series = &of(days).series[0];
    assert_eq!((series.points.len(), series.reference.as_str()), (16, NO_REFERENCE));
}

#[test]
fn machines_are_apart_and_copies_count_once() {
    let mut days: Vec<Dated> = (1..=3).map(|d| day(d, 1.0, 1.0)).collect();
    days[1].baseline.document.machine.fingerprint = "another".to_owned();
    let mut copy = day(3, 1.0, 1.0);
    copy.file = "copy.json".to_owned();
    days.push(copy);
    let history = of(days);
    let lengths: Vec<usize> = history.series.iter().map(|series| series.points.len()).collect();
    assert_eq!(lengths, [5, 10]);
    assert_eq!(history.baselines.len(), 3);
    assert!(history.notes[0].contains("copy.json"), "{:?}", history.notes);
}

#[test]
fn a_pattern_chooses_cases_and_what_was_unreadable_is_kept() {
    let pattern = CasePattern::new("norm").unwrap();
    let unreadable = vec![Unreadable { file: "x.json".to_owned(), why: "is cut".to_owned() }];
    let history = history(vec![day(1, 1.0, 1.0)], unreadable.clone(), Some(&pattern));
    assert!(history.series.is_empty() && history.baselines.len() == 1);
    assert_eq!(history.unreadable, unreadable);
    let text = serde_json::to_string(&history).unwrap();
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
}
