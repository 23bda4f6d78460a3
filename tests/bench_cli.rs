//! `perfkit list`, `bench` and `baseline` from the outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot start the command has failed")]

use assert_cmd::Command;

fn perfkit(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("perfkit").unwrap().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let (code, stdout, stderr) = perfkit(arguments);
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

#[test]
fn list_shows_every_family_and_says_which_tiers_are_absent() {
    let (code, stdout, _) = perfkit(&["list"]);
    assert_eq!(code, 0);
    for family in perfkit::catalog::FAMILIES.iter().filter(|f| !f.benchmarks.is_empty()) {
        assert!(stdout.contains(family.about), "{}", family.name);
    }
    assert!(stdout.contains("not on this CPU"), "some tier of another architecture is always absent");
    let catalog = json(&["list", "pool", "--json"]);
    let ids: Vec<&str> =
        catalog["benchmarks"].as_array().unwrap().iter().map(|b| b["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"pool/mean-f32") && ids.iter().all(|id| id.starts_with("pool/")), "{ids:?}");
}

#[test]
fn a_dry_run_names_cases_and_time_and_measures_nothing() {
    let schedule = json(&["bench", "pool/mean-f32", "--quick", "--dry-run", "--json"]);
    assert!(!schedule["cases"].as_array().unwrap().is_empty());
    assert!(schedule["expected_seconds"].as_f64().unwrap() > 0.0);
    let (_, stdout, _) = perfkit(&["bench", "pool/mean-f32", "--quick", "--dry-run"]);
    assert!(stdout.contains("pool/mean-f32/plain@baseline/128x384/t1"), "{stdout}");
}

#[test]
fn what_does_not_exist_is_a_usage_error_with_its_neighbours() {
    for (arguments, word) in [
        (vec!["bench", "poool"], "pool"),
        (vec!["bench", "pool/maen-f32"], "pool/mean-f32"),
        (vec!["bench", "pool", "--implementation", "plian"], "plain"),
        (vec!["bench", "pool", "--tier", "avx9"], "avx512"),
        (vec!["bench", "pool", "--shape", "1x2x3x4"], "1x2x3x4"),
        (vec!["bench", "pool", "--threads", "none"], "sweep"),
        (vec!["bench", "pool", "--cpus", "60000"], "60000"),
        (vec!["list", "nothing"], "families"),
    ] {
        let (code, stdout, stderr) = perfkit(&arguments);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(stdout.is_empty() && stderr.contains(word), "{arguments:?}: {stderr}");
    }
}

#[test]
fn one_case_is_measured_and_its_document_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let case = "normalize/l2-f32/plain@baseline/128x384/t1";
    let printed =
        json(&["bench", case, "--time", "0.01", "--seed", "7", "--json", "--out", out.to_str().unwrap()]);
    assert_eq!(printed["schema"], "perfkit.results/1");
    let document = perfkit::document::read_document(&out).unwrap();
    let measured = document.measured().find(|m| m.case.to_string() == case).unwrap();
    assert!(!measured.seconds.samples.is_empty());
    assert_eq!((document.run.seed, document.run.interrupted), (7, false));
    assert!(document.conditions.clock_precision_seconds > 0.0 && document.run.id.len() == 16);
}

#[test]
fn a_tier_that_no_cpu_has_together_with_another_is_skipped_with_its_reason() {
    let absent = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    let schedule = json(&["bench", "pool/mean-f32", "--quick", "--tier", absent, "--dry-run", "--json"]);
    let skipped = schedule["skipped"].as_array().unwrap();
    assert!(skipped.iter().any(|s| s["why"].as_str().unwrap().contains(absent)), "{skipped:?}");
}

#[test]
fn baselines_are_listed_and_an_absent_one_is_exit_5() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Command::cargo_bin("perfkit").unwrap().current_dir(folder.path()).args(arguments).output().unwrap()
    };
    let list = run(&["baseline", "list"]);
    assert!(list.status.success() && String::from_utf8(list.stdout).unwrap().contains("record ci"));
    assert_eq!(run(&["baseline", "show", "ci"]).status.code(), Some(5));
    assert_eq!(run(&["baseline", "show", "../ci"]).status.code(), Some(2));
}
