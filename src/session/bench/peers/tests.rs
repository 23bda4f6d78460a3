//! Contests of a schedule.

use super::*;
use crate::analysis::fixtures;
use crate::catalog::Extensiveness;
use crate::session::bench::{Offers, schedule_beside};
use crate::session::selection::Selection;
use crate::simd::Tier;

fn found(name: &str) -> Vec<Found> {
    let library = library(name).unwrap();
    let answer = |mode: &'static Mode| Found {
        library,
        mode,
        peer: Peer { library: name.to_owned(), mode: mode.name.to_owned(), ..Peer::default() },
        path: Some(format!("/lib/{name}.so")),
        lacks: Vec::new(),
    };
    library.modes.iter().map(answer).collect()
}

fn scheduled(filters: &[&str], peers: &Peers) -> Schedule {
    let machine = fixtures::machine();
    let mut selection = Selection::usual(&machine, Extensiveness::Quick);
    selection.filters = filters.iter().map(|&filter| filter.to_owned()).collect();
    schedule_beside(&selection, &Offers::default(), peers, &machine, Roofs::Needed).unwrap()
}

#[test]
fn every_mode_stands_beside_the_best_of_ours_and_the_plain_loop_stays_out() {
    let peers = Peers { found: found("openblas"), ..Peers::default() };
    let schedule = scheduled(&["matmul/gemm-f32"], &peers);
    let names: Vec<String> = schedule.contestants().map(ToString::to_string).collect();
    assert_eq!(schedule.contests.len(), 1, "{names:?}");
    for name in ["openblas-as-installed@peer", "openblas-coretype-skylakex@peer", "packed@"] {
        assert_eq!(names.iter().filter(|text| text.contains(name)).count(), 1, "{name}: {names:?}");
    }
    assert!(schedule.cases.iter().any(|case| case.implementation == "plain"));
    assert!(!schedule.cases.iter().any(|case| case.implementation == "packed"), "it is in the contest");
    let best = Tier::best_f32().into();
    assert!(schedule.ceilings.iter().any(|case| case.family() == "peak" && case.tier == best));
    let remedied = &schedule.contests[0].contestants.last().unwrap();
    assert!(
        remedied.start.environment.contains(&("OPENBLAS_CORETYPE".to_owned(), Some("SKYLAKEX".to_owned())))
    );
    let path = ("PERFKIT_OPENBLAS_LIBRARY".to_owned(), Some("/lib/openblas.so".to_owned()));
    assert!(remedied.start.environment.contains(&path));
}

#[test]
fn work_that_no_library_does_is_measured_as_ever() {
    let peers = Peers { found: found("openblas"), ..Peers::default() };
    let schedule = scheduled(&["pool/mean-f32"], &peers);
    assert!(schedule.contests.is_empty() && !schedule.cases.is_empty());
    assert_eq!(scheduled(&["matmul"], &Peers::default()).contests.len(), 0);
}

#[test]
fn what_a_build_leaves_out_is_skipped_with_its_reason_and_the_rest_is_measured() {
    let mut found = found("openblas");
    for mode in &mut found {
        mode.lacks = vec![("matmul/gemm-bf16bf16f32".to_owned(), "built without".to_owned())];
    }
    let schedule =
        scheduled(&["matmul/gemm-f32", "matmul/gemm-bf16bf16f32"], &Peers { found, ..Peers::default() });
    let skipped: Vec<&Omission> =
        schedule.skipped.iter().filter(|omission| omission.origin == Origin::Peer).collect();
    assert!(skipped.iter().all(|omission| omission.why == "built without"));
    let names: Vec<String> = skipped.iter().map(|omission| omission.case.to_string()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(schedule.contestants().any(|case| case.benchmark == "matmul/gemm-f32"));
    assert!(!schedule.contestants().any(|case| case.benchmark == "matmul/gemm-bf16bf16f32"));
}

#[test]
fn what_is_absent_is_skipped_once_and_what_is_broken_fails_once() {
    let missing = |name, broken| {
        let library = library(name).unwrap();
        Missing { library, mode: &library.modes[0], why: "why".to_owned(), broken }
    };
    let peers = Peers { missing: vec![missing("blis", false), missing("mkl", true)], ..Peers::default() };
    let schedule = scheduled(&["matmul/gemm-f32"], &peers);
    let of = |omissions: &[Omission]| -> Vec<String> {
        let peers = omissions.iter().filter(|omission| omission.origin == Origin::Peer);
        peers.map(|omission| omission.case.implementation.clone()).collect()
    };
    assert_eq!(of(&schedule.skipped), ["blis-as-installed"]);
    assert_eq!(of(&schedule.failed), ["mkl-as-installed"]);
    assert!(of(&scheduled(&["pool/mean-f32"], &peers).failed).is_empty());
}

#[test]
fn copies_of_the_c_library_stand_beside_roofs_that_were_asked_for_and_are_none() {
    let peers = Peers { found: found("libc"), ..Peers::default() };
    let schedule = scheduled(&["memory/copy-l1-u8"], &peers);
    assert!(schedule.contestants().any(|case| case.implementation == "libc-as-installed"));
    assert!(schedule.ceilings.iter().all(|case| case.tier.ours().is_some()));
    let needed = scheduled(&["normalize"], &peers);
    assert!(needed.contests.is_empty(), "roofs that are only needed invite nobody");
}

#[test]
fn a_name_that_is_no_library_is_said_with_those_that_are() {
    let error = peers(&["openblass".to_owned()], Path::new("perfkit")).unwrap_err().to_string();
    assert!(error.contains("openblass") && error.contains("openblas,"), "{error}");
    assert!(identity_line("openblas", "nothing").is_err());
}
