//! The table of libraries.

use std::num::NonZeroUsize;

use super::*;
use crate::catalog;

fn case(text: &str) -> Case {
    text.parse().unwrap()
}

#[test]
fn every_library_comes_as_installed_and_says_what_to_install() {
    for library in LIBRARIES {
        assert!(library.modes.iter().any(|mode| mode.settings.is_empty()), "{}", library.name);
        assert!(!library.install.is_empty() && !library.work.is_empty(), "{}", library.name);
        let text = format!("matmul/gemm-f32/{}-{}@peer/8x8x8/t1", library.name, library.modes[0].name);
        assert_eq!(case(&text).to_string(), text);
    }
}

#[test]
fn a_mode_sets_its_own_and_removes_what_the_others_set() {
    let openblas = library("openblas").unwrap();
    let value = |mode: usize, variable: &str| {
        let environment = openblas.environment(&openblas.modes[mode], 2);
        environment.iter().rev().find(|(name, _)| name == variable).unwrap().1.clone()
    };
    assert_eq!(value(0, "OPENBLAS_CORETYPE"), None);
    assert_eq!(value(1, "OPENBLAS_CORETYPE").as_deref(), Some("SKYLAKEX"));
    assert_eq!(value(0, "OPENBLAS_NUM_THREADS").as_deref(), Some("2"));
    assert_eq!(openblas.modes[1].settings_text().as_deref(), Some("OPENBLAS_CORETYPE=SKYLAKEX"));
    assert_eq!(openblas.modes[0].settings_text(), None);
}

#[test]
fn a_library_has_cases_of_the_work_that_it_does() {
    let openblas = library("openblas").unwrap();
    let mode = &openblas.modes[0];
    let peer = openblas.case(mode, &case("matmul/gemm-f32/packed@baseline/512x512x512/t1")).unwrap();
    assert_eq!(peer.to_string(), "matmul/gemm-f32/openblas-as-installed@peer/512x512x512/t1");
    assert_eq!(openblas.case(mode, &case("pool/mean-f32/plain@baseline/8x8/t1")), None);
    let libc = library("libc").unwrap();
    assert_eq!(libc.case(&libc.modes[0], &case("memory/copy-l1-u8/stream@baseline/2x8192/t2")), None);
    assert!(library("nothing").is_none());
}

#[cfg(target_env = "gnu")]
#[test]
fn the_c_library_does_the_work_of_our_shapes_and_is_checked() {
    let libc = library("libc").unwrap();
    let resources = Resources::new(NonZeroUsize::MIN, 5, &Machine::default()).unwrap();
    for benchmark in benchmarks(libc) {
        assert!(catalog::find(benchmark.id()).is_some(), "{}", benchmark.id());
        let case = case(&format!("{}/libc-as-installed@peer/1x8192/t1", benchmark.id()));
        let mut workload = benchmark.prepare(&case, &resources).unwrap();
        assert!(workload.check().is_err(), "{case} is right before it ran");
        workload.run();
        workload.check().unwrap_or_else(|mismatch| panic!("{case}: {mismatch}"));
        workload.output().alter(8191 / 2);
        assert!(workload.check().is_err(), "{case}");
    }
    let Identified { peer, path, lacks } = identify(libc, &libc.modes[0]).unwrap();
    assert!(lacks.is_empty());
    assert_eq!((&*peer.library, &*peer.mode), ("libc", AS_INSTALLED));
    assert!(path.unwrap().ends_with(peer.file.as_deref().unwrap()));
}
