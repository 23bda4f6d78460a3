//! Programs of a user's own from the outside: `bench --worker`, the example of a kernel author, and counts of
//! instructions. What is measured is never a test's business.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]
#![expect(clippy::print_stdout, reason = "a test that skips says what and why")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use perfkit::catalog::Resources;
use perfkit::document::{Case, Machine};
use perfkit::measure::Program;
use perfkit::measure::protocol::{Greeting, Offer, parse_sample};
use perfkit::session::regress::{CounterSource, instructions_of};
use perfkit::simd::Tier;
use serde_json::Value;

const SPIN: &str = "own/spin-u64/loop@baseline/1000/t1";
const AXPY: &str = "own/axpy-f32/plain@baseline/2048/t1";

/// Runs perfkit with `--json` in a folder of its own; answers its exit code, document and standard error.
fn perfkit(arguments: &[&str]) -> (i32, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("perfkit"))
        .current_dir(folder.path())
        .env("XDG_CACHE_HOME", folder.path())
        .stdin(Stdio::null())
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), json, stderr)
}

fn workers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workers")
}

/// The example, which `cargo test` builds beside the tests; a run of this file alone builds it here.
fn example() -> String {
    let target = std::env::current_exe().unwrap();
    let path = target.parent().unwrap().parent().unwrap().join("examples/own_kernel");
    if !path.is_file() {
        let mut cargo = Command::new(env!("CARGO"));
        let status = cargo.args(["build", "--profile", "test", "--example", "own_kernel"]).status().unwrap();
        assert!(status.success() && path.is_file(), "{}", path.display());
    }
    path.to_str().unwrap().to_owned()
}

/// The C worker with so many percent of work added, in `folder`.
fn c_worker(folder: &Path, slowdown_percent: u32) -> String {
    let path = folder.join(format!("c-worker-{slowdown_percent}"));
    let status = Command::new("cc")
        .args(["-std=c99", "-O2", &format!("-DSLOWDOWN_PERCENT={slowdown_percent}"), "-o"])
        .args([&path, &workers().join("worker.c")])
        .status()
        .unwrap();
    assert!(status.success());
    path.to_str().unwrap().to_owned()
}

/// A worker that is a script of the shell: what it answers to `list`, and what it does on `prepare`.
fn script(folder: &Path, name: &str, list: &str, prepare: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    let text = format!(
        "#!/bin/sh\nwhile read request rest; do case $request in\n\
         perfkit-worker) echo 'perfkit-worker 1 {name} 1';;\n\
         list) printf '{list}end\\n';;\n\
         prepare) {prepare};;\n\
         quit) exit 0;;\n\
         *) echo unknown;;\n\
         esac; done\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn outcome<'a>(document: &'a Value, case: &str) -> &'a Value {
    let outcomes = document["outcomes"].as_array().unwrap();
    outcomes.iter().find(|outcome| outcome["case"] == case).unwrap_or(&Value::Null)
}

#[test]
fn the_example_serves_the_protocol_and_says_how_to_use_it_without() {
    let mut worker =
        Command::new(example()).arg("__worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let requests = format!(
        "perfkit-worker 1\nprepare {AXPY} seed=5\nsample 3\ncheck\ncount 2\nprepare own/axpy-f32/rows@baseline/0/t1\nlist\nquit\n"
    );
    worker.stdin.take().unwrap().write_all(requests.as_bytes()).unwrap();
    let output = worker.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(Greeting::parse(lines[0]).unwrap().name, "own_kernel");
    assert_eq!((lines[1], lines[3]), ("ready", "ok"), "{text}");
    assert!(parse_sample(lines[2], 3).is_ok(), "{text}");
    assert!(lines[4].contains("allocations=0 allocated_bytes=0"), "the kernel allocates nothing: {text}");
    assert!(lines[5].starts_with("error "), "{text}");
    let offers: Vec<Offer> = lines[6..lines.len() - 1]
        .iter()
        .map(|line| Offer::parse(line.strip_prefix("case ").unwrap()).unwrap())
        .collect();
    assert!(offers.iter().any(|offer| offer.case == AXPY), "{text}");
    assert!(offers.iter().all(|offer| offer.numbers.contains(&("flops".to_owned(), 4096.0))
        || offer.numbers.contains(&("flops".to_owned(), 262_144.0))));
    let usage = Command::new(example()).output().unwrap();
    let usage = String::from_utf8(usage.stdout).unwrap();
    assert_eq!(usage.lines().count(), 2);
    assert!(usage.contains("bench --worker") && usage.contains("regress --base"), "{usage}");
}

#[test]
fn every_tier_of_the_example_has_the_right_answer_at_the_edges_of_a_vector() {
    let program = Program::new(example().into());
    let mut worker = perfkit::measure::WorkerProcess::start(&program, &Default::default(), 60.0).unwrap();
    for tier in Tier::available().filter(|tier| [Tier::Avx2, Tier::Avx512, Tier::Neon].contains(tier)) {
        for length in [1, 7, 8, 9, 15, 16, 17, 35, 2048] {
            worker.prepare(&format!("own/axpy-f32/rows@{tier}/{length}/t1"), 7).unwrap();
        }
    }
    worker.leave();
}

#[test]
fn cases_of_programs_are_placed_beside_the_catalogs_own() {
    let folder = tempfile::tempdir().unwrap();
    let (c, own) = (c_worker(folder.path(), 0), example());
    let normalize = "normalize/l2-f32/plain@baseline/8x384/t1";
    let arguments =
        ["bench", SPIN, AXPY, normalize, "--worker", &c, "--worker", &own, "--time", "0.01", "--seed", "3"];
    let (code, document, stderr) = perfkit(&arguments);
    // An example that was built for tests says so; an optimised one is fine.
    let unoptimised = stderr.contains("own_kernel 0.1.0 was built without optimisation");
    assert_eq!(code, if unoptimised { 4 } else { 0 }, "{stderr}");
    for (case, origin) in [(SPIN, "worker"), (AXPY, "worker"), (normalize, "perfkit")] {
        let outcome = outcome(&document, case);
        assert_eq!((&outcome["origin"], &outcome["outcome"]), (&origin.into(), &"measured".into()), "{case}");
        assert!(outcome["seconds"]["samples"].as_array().unwrap().len() >= 12, "{case}");
    }
    let axpy = outcome(&document, AXPY);
    assert_eq!((&axpy["cost"]["flops"], &axpy["cost"]["core_bytes"]), (&4096.0.into(), &24576.0.into()));
    assert_eq!(axpy["derived"]["intensity"].as_f64().unwrap(), 4096.0 / 24576.0);
    assert!(axpy["peak_rss_bytes"].as_u64().is_some());
    let triads = document["outcomes"].as_array().unwrap().iter();
    assert!(triads.filter(|o| o["case"].as_str().unwrap().starts_with("memory/triad-")).count() > 0);
    // The C worker tells no switches and declares no cost.
    let spin = outcome(&document, SPIN);
    assert!(spin["notes"].to_string().contains("involuntary switches"), "{spin}");
    assert!(document["conditions"]["notes"].to_string().contains("c-worker 0.1"));
    let text = document.to_string();
    assert!(!text.contains(folder.path().to_str().unwrap()), "a document holds no path");
}

#[test]
fn a_program_that_fails_on_a_case_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let list = "case own/broken-f32/a@baseline/1/t1\\ncase own/dead-f32/a@baseline/1/t1\\ncase anything\\n\
                case peak/fma-f32/a@baseline/1/t1\\n";
    let prepare = "case $rest in *broken*) echo 'error no model here';; *) echo gone >&2; exit 7;; esac";
    let (broken, c) = (script(folder.path(), "broken", list, prepare), c_worker(folder.path(), 0));
    let (code, document, stderr) = perfkit(&["bench", "--worker", &broken, "--worker", &c, "--time", "0.01"]);
    assert_eq!(code, 2, "{stderr}");
    let why = |case: &str| outcome(&document, case)["why"].as_str().unwrap_or_default().to_owned();
    assert!(why("own/broken-f32/a@baseline/1/t1").contains("no model here"));
    assert!(why("own/dead-f32/a@baseline/1/t1").contains("exit code 7: gone"));
    assert!(why("peak/fma-f32/a@baseline/1/t1").contains("ceilings"));
    assert_eq!(outcome(&document, SPIN)["outcome"], "measured");
    assert!(stderr.contains("broken offers anything, which cannot be placed"), "{stderr}");
}

#[test]
fn what_cannot_be_measured_at_all_is_exit_2_and_a_dry_run_lists_cases() {
    let folder = tempfile::tempdir().unwrap();
    let prepare = "echo ready";
    let empty = script(folder.path(), "empty", "", prepare);
    let unnamed = script(folder.path(), "unnamed", "case one\\ncase two\\n", prepare);
    let c = c_worker(folder.path(), 0);
    for (arguments, words) in [
        (vec!["bench", "--worker", &empty], "empty offers no case"),
        (vec!["bench", "--worker", &unnamed], "unnamed offers one, two, which cannot be placed"),
        (vec!["bench", "--worker", "/nowhere/at-all"], "no such program"),
        (vec!["bench", "--worker", "/bin/true"], "does not speak the worker protocol"),
        (vec!["bench", "onw/*", "--worker", &c], "nothing matches"),
        (vec!["bench", "--worker", &c, "--tier", "avx2"], "no offered case"),
        (vec!["regress", "--command", "a=true", "--command", "b=true", "--counters", "valgrind"], "commands"),
        (vec!["regress", "--base", &c, "--candidate", &c, "--counters", "guess"], "valgrind"),
    ] {
        let (code, document, stderr) = perfkit(&arguments);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(document.is_null() && stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let (code, schedule, _) = perfkit(&["bench", "--worker", &c, "--dry-run"]);
    assert_eq!((code, &schedule["worker_cases"]), (0, &serde_json::json!([SPIN])));
}

#[test]
fn a_report_says_once_why_instructions_were_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let c = c_worker(folder.path(), 0);
    let own = example();
    let cases = ["--case", "own/axpy-f32/plain@baseline/*"];
    let about = |json: &Value| {
        let notes = json["notes"].as_array().unwrap();
        notes.iter().filter(|note| note.as_str().unwrap().contains("instructions were not counted")).count()
    };
    let regress = |program: &str, more: &[&str]| {
        let mut arguments = vec!["regress", "--base", program, "--candidate", program, "--time", "0.05"];
        arguments.extend(more);
        perfkit(&arguments).1
    };
    let report = regress(&own, &cases);
    assert_eq!(report["changes"].as_array().unwrap().len(), 2);
    let counts = |report: &Value| report["changes"][0]["counts"].to_string();
    if counts(&report).contains("instructions") {
        assert!(perfkit::sys::counters::probe().available);
        assert_eq!(about(&report), 0);
        assert!(counts(&report).contains(r#""source":"perf_event","tier":"baseline""#), "{report}");
    } else {
        assert_eq!(about(&report), 1, "{report}");
    }
    assert!(counts(&report).contains("allocations"));
    let off = regress(&own, &["--counters", "off", cases[0], cases[1]]);
    assert!(about(&off) == 0 && !counts(&off).contains("allocations"), "{off}");
    // A program that counts nothing is asked, and no more is made of it.
    assert!(!counts(&regress(&c, &["--counters", "perf"])).contains("instructions"));
}

#[test]
fn valgrind_counts_what_a_change_adds_and_names_what_it_cannot_execute() {
    let there = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("skipped: there is no valgrind here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (base, more) = (c_worker(folder.path(), 0), c_worker(folder.path(), 10));
    let arguments = ["regress", "--base", &base, "--candidate", &more, "--time", "0.05"];
    let (_, report, stderr) = perfkit(&[&arguments[..], &["--counters", "valgrind"]].concat());
    let counts = report["changes"][0]["counts"].as_array().unwrap_or_else(|| panic!("{report} {stderr}"));
    let count = counts.iter().find(|count| count["counter"] == "instructions").unwrap();
    assert_eq!((&count["source"], &count["tier"]), (&"valgrind".into(), &"baseline".into()));
    assert_eq!(count["verdict"], "grew", "{count}");
    let (before, after) = (count["base"].as_f64().unwrap(), count["candidate"].as_f64().unwrap());
    assert!(before > 1000.0 && (1.08..1.12).contains(&(after / before)), "{count}");

    let own = Program::new(example().into());
    let count = |tier: Tier| {
        let case = format!("own/axpy-f32/rows@{tier}/2048/t1");
        instructions_of(&own, &case, CounterSource::Valgrind, 120.0)
    };
    if Tier::Avx2.is_available() {
        let counted = count(Tier::Avx2).unwrap();
        assert_eq!(counted.tier.as_deref(), Some("avx2"));
        assert!(counted.per_run.iter().all(|&count| count > 256.0), "{counted:?}");
    }
    let why = count(Tier::Avx512).unwrap_err().to_string();
    assert!(why.contains("own_kernel under valgrind: valgrind executes no avx512"), "{why}");
}

#[test]
fn a_program_without_counters_says_so_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let c = Program::new(c_worker(folder.path(), 0).into());
    let why = instructions_of(&c, SPIN, CounterSource::PerfEvent, 60.0).unwrap_err().to_string();
    assert!(why.contains("tells no instructions"), "{why}");
    // What a kernel author needs is reachable from outside.
    let case: Case = AXPY.parse().unwrap();
    assert!(Resources::new(case.threads, 1, &Machine::default()).is_ok());
}
