//! `bench --peers` from the outside, with libraries that a C compiler makes here: none need be installed, and those that
//! are installed are not asked.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod program;

const INSTALLED: &str = "matmul/gemm-f32/openblas-as-installed@peer/16x24x8/t1";
const REMEDIED: &str = "matmul/gemm-f32/openblas-coretype-skylakex@peer/16x24x8/t1";

/// The library that claims to be OpenBLAS, with something wrong or nothing.
fn library(folder: &Path, defect: Option<&str>) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/openblas.c");
    let path = folder.join("libfake.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c99", "-O1", "-shared", "-fPIC", "-o"]).arg(&path).arg(source);
    compiler.args(defect.map(|defect| format!("-D{defect}")));
    assert!(compiler.status().unwrap().success());
    path
}

/// Measures one small product beside a library; answers the exit code, the document and standard error.
fn bench(library: &Path, arguments: &[&str]) -> (i32, Value, String) {
    program::run(|command| {
        command.env("PERFKIT_OPENBLAS_LIBRARY", library).env("OPENBLAS_CORETYPE", "FROM_OUTSIDE");
        command.args(["bench", "matmul/gemm-f32", "matmul/gemm-bf16bf16f32", "--shape", "16x24x8"]);
        command.args(["--threads", "1", "--time", "0.01", "--json"]).args(arguments);
    })
}

fn outcome<'a>(document: &'a Value, case: &str) -> &'a Value {
    program::outcome(document, |found| found == case)
}

/// Ours that were measured, the plain loop included.
fn ours(document: &Value) -> usize {
    let outcomes = document["outcomes"].as_array().unwrap().iter();
    let measured = outcomes.filter(|o| o["outcome"] == "measured" && o["origin"] == "perfkit");
    measured.filter(|o| o["case"].as_str().unwrap().starts_with("matmul/")).count()
}

#[test]
fn a_library_is_measured_as_installed_and_with_its_remedy_and_says_what_it_chose() {
    let folder = tempfile::tempdir().unwrap();
    let path = library(folder.path(), None);
    let (code, document, stderr) = bench(&path, &["--peers=openblas"]);
    assert_eq!(code, 0, "{stderr}");
    for (case, kernels, mode) in
        [(INSTALLED, "Haswell", "as-installed"), (REMEDIED, "SKYLAKEX", "coretype-skylakex")]
    {
        let measured = outcome(&document, case);
        assert_eq!(measured["outcome"], "measured", "{case}: {measured}");
        assert_eq!(measured["origin"], "peer");
        let peer = &measured["peer"];
        assert_eq!((&peer["library"], &peer["version"]), (&"openblas".into(), &"9.8.7".into()));
        assert_eq!((&peer["dispatched"], &peer["mode"]), (&kernels.into(), &mode.into()), "{peer}");
        assert_eq!(peer["file"], "libfake.so", "a path stays out of documents: {peer}");
        assert!(measured["facts"]["rest_wait_seconds"].is_number());
    }
    assert_eq!(outcome(&document, REMEDIED)["peer"]["settings"], "OPENBLAS_CORETYPE=SKYLAKEX");
    assert!(ours(&document) >= 1);
    let findings = document["peers"].as_array().unwrap();
    assert_eq!(findings.len(), 1);
    let left_out = outcome(&document, "matmul/gemm-bf16bf16f32/openblas-as-installed@peer/16x24x8/t1");
    assert_eq!(left_out["outcome"], "skipped", "{left_out}");
    assert!(left_out["why"].as_str().unwrap().contains("libfake.so has no cblas_sbgemm"), "{left_out}");
    assert!(findings[0]["gain"].as_f64().unwrap() > 0.0);
    assert!(findings[0]["as_installed"]["fraction_of_peak"].as_f64().unwrap() > 0.0);
    assert!(stderr.contains(path.to_str().unwrap()), "a person is told which file: {stderr}");
}

#[test]
fn a_product_that_only_some_builds_have_is_measured_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (code, document, stderr) =
        bench(&library(folder.path(), Some("BFLOAT16")), &["--peers=openblas", "--quick"]);
    assert_eq!(code, 0, "{stderr}");
    for mode in ["as-installed", "coretype-skylakex"] {
        let case = format!("matmul/gemm-bf16bf16f32/openblas-{mode}@peer/16x24x8/t1");
        assert_eq!(outcome(&document, &case)["outcome"], "measured", "{case}");
    }
}

#[test]
fn a_wrong_answer_fails_and_ours_are_measured_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (code, document, _) = bench(&library(folder.path(), Some("WRONG")), &["--peers=openblas"]);
    assert_eq!(code, 2);
    for case in [INSTALLED, REMEDIED] {
        let failed = outcome(&document, case);
        assert_eq!(failed["outcome"], "failed", "{failed}");
        assert!(failed["why"].as_str().unwrap().contains("wrong answer"), "{failed}");
    }
    assert!(ours(&document) >= 1);
}

#[test]
fn a_missing_function_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, document, _) = bench(&library(folder.path(), Some("MISSING")), &["--peers=openblas"]);
    assert_eq!(code, 2);
    let why = outcome(&document, INSTALLED)["why"].as_str().unwrap();
    assert!(why.contains("libfake.so has no cblas_sgemm"), "{why}");
    assert!(ours(&document) >= 1);
}

#[test]
fn a_crash_in_one_mode_is_told_and_loses_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (code, document, _) = bench(&library(folder.path(), Some("CRASH")), &["--peers=openblas"]);
    assert_eq!(code, 2);
    let crashed = outcome(&document, REMEDIED);
    assert_eq!(crashed["outcome"], "failed");
    assert!(crashed["why"].as_str().unwrap().contains("signal 6"), "{crashed}");
    assert_eq!(outcome(&document, INSTALLED)["outcome"], "measured");
    assert!(ours(&document) >= 1);
}

#[test]
fn what_is_no_library_fails_and_what_is_absent_is_skipped_with_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    let (code, document, _) = bench(&text, &["--peers=openblas"]);
    assert_eq!((code, &outcome(&document, INSTALLED)["outcome"]), (2, &"failed".into()));
    assert!(outcome(&document, INSTALLED)["why"].as_str().unwrap().contains("text.so"));

    let output = Command::new(assert_cmd::cargo::cargo_bin!("perfkit"))
        .current_dir(folder.path())
        // Nothing is found by a loader that knows no folder, or by a python3 that is not there.
        .env("PATH", folder.path())
        .env("PERFKIT_MKL_LIBRARY", folder.path().join("absent.so"))
        .args(["bench", "similarity/dot-f32", "--quick", "--peers=simsimd", "--dry-run"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let skipped = text.lines().find(|line| line.starts_with("skipped: similarity/dot-f32/simsimd")).unwrap();
    assert!(
        skipped.contains("PERFKIT_SIMSIMD_LIBRARY") && skipped.contains("install")
            || skipped.contains("build"),
        "{skipped}"
    );
}

#[test]
fn peers_that_do_not_exist_are_a_usage_error_and_a_dry_run_lists_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = library(folder.path(), None);
    let (code, _, stderr) = bench(&path, &["--peers=openblass"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("openblass") && stderr.contains("onednn"), "{stderr}");
    let (code, schedule, _) = bench(&path, &["--peers=openblas", "--dry-run"]);
    assert_eq!(code, 0);
    let cases = schedule["peer_cases"].as_array().unwrap();
    assert!(cases.contains(&INSTALLED.into()) && cases.contains(&REMEDIED.into()), "{cases:?}");
}

/// With whatever libraries this machine has: every mode's answers are held to the reference before and after the clock,
/// so that none may fail; those that are absent say so.
#[test]
fn the_libraries_of_this_machine_answer_rightly_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    for shape in ["16x24x8", "33x65x17"] {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("perfkit"))
            .current_dir(folder.path())
            .args([
                "bench",
                "matmul/gemm-f32",
                "matmul/gemm-bf16*",
                "matmul/gemm-u8s8s32",
                "matmul/gemm-s8s8s32",
            ])
            .args(["--shape", shape, "--threads", "2", "--time", "0.001", "--json", "--peers"])
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let peers: Vec<&Value> =
            document["outcomes"].as_array().unwrap().iter().filter(|o| o["origin"] == "peer").collect();
        let of = |outcome: &str| -> Vec<String> {
            let those = peers.iter().filter(|peer| peer["outcome"] == outcome);
            those.map(|peer| format!("{}: {}", peer["case"], peer["why"])).collect()
        };
        assert!(of("failed").is_empty(), "{}", of("failed").join("\n"));
        assert!(peers.iter().all(|peer| peer["outcome"] == "measured" || peer["why"].is_string()));
        use std::io::Write;
        let (measured, skipped) = (of("measured").len(), of("skipped"));
        let words =
            format!("{measured} libraries in their modes were measured; skipped:\n{}", skipped.join("\n"));
        writeln!(std::io::stderr(), "{words}").unwrap();
    }
}
