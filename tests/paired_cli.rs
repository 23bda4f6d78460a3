//! `perfkit regress` on two programs, commands or revisions, end to end. Which verdict live measurements bring is never
//! a test's business: verdicts are tested on traces.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use perfkit::document::{Cause, Trace, TraceArm, TraceBlock, to_json};
use serde_json::Value;

const CASE: &str = "own/spin-u64/loop@baseline/1000/t1";

/// A folder with a cache of its own, so that the host's history of controls is not this test's.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("perfkit"));
        command
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// Runs `regress --json`; answers its exit code, document and standard error.
    fn regress(&self, arguments: &[&str]) -> (i32, Value, String) {
        let mut all = vec!["regress", "--json"];
        all.extend(arguments);
        read(&self.command(&all).output().unwrap())
    }

    /// A Python worker whose file name says how it behaves.
    fn worker(&self, mode: &str) -> String {
        let path = self.path().join(mode);
        if !path.exists() {
            std::os::unix::fs::symlink(workers().join("worker.py"), &path).unwrap();
        }
        path.to_str().unwrap().to_owned()
    }
}

fn workers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workers")
}

fn read(output: &Output) -> (i32, Value, String) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), json, stderr)
}

/// A verdict, or none: what a live comparison of unchanged programs may end with on a busy machine.
const ANY_VERDICT: [i64; 4] = [0, 1, 3, 4];

#[test]
fn two_python_workers_are_measured_in_alternation() {
    let folder = Folder::new();
    let well = folder.worker("well");
    let (code, json, stderr) = folder.regress(&["--base", &well, "--candidate", &well, "--time", "0.1"]);
    assert!(ANY_VERDICT.contains(&i64::from(code)), "{code} {stderr}");
    assert_eq!((&json["mode"], &json["exit_code"]), (&"paired".into(), &code.into()));
    let change = &json["changes"][0];
    assert_eq!(change["case"], CASE);
    assert!(change["sequential"]["blocks"].as_u64().unwrap() >= 7, "{change}");
    assert!(json["control"]["blocks"].as_u64().unwrap() >= 1);
    assert!(json["notes"].to_string().contains("too few"), "{}", json["notes"]);
}

#[test]
fn a_c_worker_is_judged_against_a_slower_build_of_itself() {
    let folder = Folder::new();
    let build = |name: &str, flag: &str| {
        let path = folder.path().join(name);
        let source = workers().join("worker.c");
        let status = Command::new("cc")
            .args(["-O2", flag, "-o", path.to_str().unwrap(), source.to_str().unwrap()])
            .status()
            .unwrap();
        assert!(status.success());
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (build("old", "-DSLOWDOWN_PERCENT=0"), build("new", "-DSLOWDOWN_PERCENT=10"));
    let trace = folder.path().join("trace.json");
    let trace = trace.to_str().unwrap();
    let (code, json, stderr) =
        folder.regress(&["--base", &old, "--candidate", &new, "--time", "0.2", "--trace", trace]);
    assert!(ANY_VERDICT.contains(&i64::from(code)), "{code} {stderr}");
    let blocks = json["changes"][0]["sequential"]["blocks"].as_u64().unwrap();
    // The same samples judged again say the same.
    let (again, replayed, _) = folder.regress(&["--replay", trace]);
    assert_eq!(replayed["changes"][0]["sequential"]["blocks"].as_u64().unwrap(), blocks);
    assert_eq!(replayed["changes"][0]["verdict"], json["changes"][0]["verdict"]);
    assert_eq!(replayed["changes"][0]["ratio"], json["changes"][0]["ratio"]);
    assert!(ANY_VERDICT.contains(&i64::from(again)));
}

#[test]
fn whatever_a_candidate_does_is_said_in_one_line() {
    let folder = Folder::new();
    let well = folder.worker("well");
    for (mode, words) in [
        ("exit-at-once", "does not speak the worker protocol"),
        ("hang-at-start", "no answer within 1 s"),
        ("garbage", "no text"),
        ("endless-line", "a line of more than"),
        ("refuse", "refuse:"),
        ("crash-in-prepare", "ended by signal"),
        ("crash-in-sample", "ended by signal"),
        ("exit-in-sample", "exit code 3"),
        ("hang", "no answer within"),
        ("garbage-in-sample", "no text"),
        ("words-in-sample", "no sample"),
        ("huge-numbers", "no sample"),
        ("zero-times", "no sample"),
        ("negative-times", "no sample"),
    ] {
        let candidate = folder.worker(mode);
        let (code, json, stderr) = folder.regress(&[
            "--base",
            &well,
            "--candidate",
            &candidate,
            "--time",
            "0.1",
            "--patience",
            "1",
            "--case",
            CASE,
        ]);
        let told = format!("{}{stderr}", json["failed"]);
        assert_eq!(code, 2, "{mode}: {told}");
        assert!(told.contains(words), "{mode}: {told}");
    }
}

#[test]
fn no_process_is_left_behind() {
    let folder = Folder::new();
    let well = folder.worker("well");
    for mode in ["grandchild", "grandchild-session", "deaf-to-quit"] {
        let candidate = folder.worker(mode);
        let pids = folder.path().join(format!("{mode}.pids"));
        let output = folder
            .command(&["regress", "--json", "--base", &well, "--candidate", &candidate, "--time", "0.05"])
            .env("WORKER_PID_FILE", &pids)
            .output()
            .unwrap();
        let (code, _, stderr) = read(&output);
        assert!(ANY_VERDICT.contains(&i64::from(code)), "{mode}: {code} {stderr}");
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        assert!(mode == "deaf-to-quit" || !text.is_empty(), "{mode} left nobody: the test is blind");
        for pid in text.split_whitespace() {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let alive = !state.is_empty() && !state.contains(") Z ");
            assert!(!alive, "{mode}: process {pid} is still there: {state}");
        }
    }
}

#[test]
fn a_worker_of_another_protocol_version_is_named_with_both_numbers() {
    let folder = Folder::new();
    let old = folder.path().join("old");
    std::os::unix::fs::symlink(workers().join("old_worker.py"), &old).unwrap();
    let old = old.to_str().unwrap();
    let (code, _, stderr) = folder.regress(&["--base", old, "--candidate", old]);
    assert_eq!(code, 2);
    assert!(stderr.contains("version 0") && stderr.contains("speaks 1"), "{stderr}");
}

#[test]
fn commands_are_judged_by_their_executions() {
    let folder = Folder::new();
    let (code, json, stderr) =
        folder.regress(&["--command", "a=true", "--command", "b=true", "--time", "0.05"]);
    assert!(ANY_VERDICT.contains(&i64::from(code)), "{code} {stderr}");
    assert_eq!((&json["mode"], &json["changes"][0]["case"]), (&"commands".into(), &"b".into()));
    for (command, words) in [
        ("b=false", "exit code 1"),
        ("b=/nowhere/at-all", "No such file"),
        ("b=sleep 30", "no answer within 1 s"),
        ("b=sh -c 'kill -9 $$'", "ended by a signal"),
    ] {
        let (code, json, stderr) =
            folder.regress(&["--command", "a=true", "--command", command, "--patience", "1"]);
        let told = format!("{}{stderr}", json["failed"]);
        assert_eq!(code, 2, "{command}: {told}");
        assert!(told.contains(words), "{command}: {told}");
    }
    assert_eq!(folder.regress(&["--command", "a=true"]).0, 2, "one command is no comparison");
    assert_eq!(folder.regress(&["--command", "nameless"]).0, 2);
}

/// A git repository whose program is the Python worker under another name.
fn repository(folder: &Folder, build: &str) {
    let git = |arguments: &[&str]| {
        let status = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    };
    let settings = format!(
        "[program]\nbuild = \"{build}\"\nbinary = \"out/well\"\nrelink = \"{build} && : {{seed}}\"\n"
    );
    std::fs::write(folder.path().join("perfkit.toml"), settings).unwrap();
    std::fs::copy(workers().join("worker.py"), folder.path().join("worker.py")).unwrap();
    std::fs::write(folder.path().join(".gitignore"), "out\ncache\n").unwrap();
    git(&["init", "--quiet"]);
    git(&["add", "perfkit.toml", "worker.py", ".gitignore"]);
    git(&["commit", "--quiet", "-m", "a worker"]);
}

#[test]
fn a_revision_is_built_linked_again_and_compared_with_the_working_tree() {
    let folder = Folder::new();
    repository(&folder, "mkdir -p out && cp worker.py out/well && chmod +x out/well");
    let (code, json, stderr) = folder.regress(&["--base", "HEAD", "--time", "0.05"]);
    assert!(ANY_VERDICT.contains(&i64::from(code)), "{code} {stderr}");
    assert_eq!(json["changes"][0]["layout"]["builds"], 10, "{json}");
    let (code, json, stderr) = folder.regress(&["--base", "HEAD", "--time", "0.05", "--layout", "off"]);
    assert!(ANY_VERDICT.contains(&i64::from(code)), "{code} {stderr}");
    assert!(json["changes"][0]["layout"].is_null());
    assert!(json["notes"].to_string().contains("layout"), "{}", json["notes"]);
    let (code, _, stderr) = folder.regress(&["--base", "no-such-revision"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("nor a revision"), "{stderr}");
}

#[test]
fn a_base_that_does_not_build_is_no_base_and_a_candidate_is_an_error() {
    let folder = Folder::new();
    repository(&folder, "echo it is broken; exit 7");
    let well = folder.worker("well");
    let (code, json, stderr) = folder.regress(&["--base", "HEAD", "--candidate", &well]);
    assert_eq!((code, &json["exit_code"]), (5, &5.into()), "{stderr}");
    assert!(stderr.contains("it is broken") && stderr.contains("does not build"), "{stderr}");
    let (code, _, stderr) = folder.regress(&["--base", &well]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("the candidate does not build"), "{stderr}");
}

#[test]
fn two_comparisons_of_one_repository_wait_for_each_other() {
    let folder = Folder::new();
    repository(&folder, "mkdir -p out && cp worker.py out/well && chmod +x out/well");
    let arguments = ["regress", "--json", "--base", "HEAD", "--time", "0.05", "--layout", "off"];
    let start = || folder.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let both = [start(), start()];
    for child in both {
        let (code, json, stderr) = read(&child.wait_with_output().unwrap());
        assert!(ANY_VERDICT.contains(&i64::from(code)), "{code} {stderr}");
        assert_eq!(json["changes"].as_array().unwrap().len(), 1);
    }
}

/// Blocks whose candidate takes what `effect` says of its number, in percent.
fn trace(folder: &Folder, name: &str, effect: impl Fn(usize) -> f64, control: f64) -> String {
    // A second in nanoseconds, longer by so many percent.
    let longer = |percent: f64| format!("{:.0}", 1e9 * (1.0 + percent / 100.0)).parse::<u64>().unwrap();
    let arm = |nanoseconds: u64| TraceArm {
        wall_nanoseconds: vec![nanoseconds; 5],
        cpu_nanoseconds: vec![None; 5],
        involuntary_switches: vec![None; 5],
        wait_nanoseconds: vec![None; 5],
        cpu: vec![None; 5],
        cause: vec![Cause::Undisturbed; 5],
        iterations: 1,
        settled: true,
        ..TraceArm::default()
    };
    let block = |control: bool, percent: f64| TraceBlock {
        case: CASE.to_owned(),
        control,
        base: arm(1_000_000_000),
        candidate: arm(longer(percent)),
        sampling_seconds: 0.01,
        ..TraceBlock::default()
    };
    let mut blocks: Vec<TraceBlock> = (0..40).map(|i| block(false, effect(i))).collect();
    blocks.extend((0..10).map(|_| block(true, control)));
    let trace = Trace { schema: Trace::SCHEMA.to_owned(), tool: "test".to_owned(), seed: 1, blocks };
    let path = folder.path().join(name);
    std::fs::write(&path, to_json(&trace).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_verdict_has_its_trace_and_its_exit_code() {
    let folder = Folder::new();
    let noisy = |i: usize| if i.is_multiple_of(2) { 6.0 } else { -6.0 };
    let slower = trace(&folder, "slower", |_| 2.0, 0.0);
    let same = trace(&folder, "same", |_| 0.1, 0.0);
    let faster = trace(&folder, "faster", |_| -3.0, 0.0);
    let unclear = trace(&folder, "unclear", noisy, 0.0);
    let biased = trace(&folder, "biased", noisy, 2.0);
    for (path, more, code, verdict) in [
        (&slower, &[][..], 1, "slower"),
        (&slower, &["--max-regression", "0.05"], 0, "equivalent"),
        (&same, &[], 0, "equivalent"),
        (&faster, &[], 0, "faster"),
        (&unclear, &[], 3, "inconclusive"),
        (&unclear, &["--inconclusive", "pass"], 0, "inconclusive"),
        (&unclear, &["--inconclusive", "fail"], 1, "inconclusive"),
        (&biased, &[], 4, "invalid"),
    ] {
        let mut arguments = vec!["--replay", path];
        arguments.extend(more);
        let (got, json, stderr) = folder.regress(&arguments);
        assert_eq!((got, json["verdict"].as_str().unwrap()), (code, verdict), "{path} {more:?}: {stderr}");
        assert_eq!(json["exit_code"], code, "{path} {more:?}");
        assert_eq!(json["schema"], "perfkit.comparison/1");
    }
    let (_, json, _) = folder.regress(&["--replay", &unclear]);
    assert!(json["changes"][0]["minimum_detectable_effect"].as_f64().unwrap() > 0.01);
}

#[test]
fn what_is_no_trace_is_refused() {
    let folder = Folder::new();
    let good = std::fs::read_to_string(trace(&folder, "good", |_| 0.0, 0.0)).unwrap();
    for (name, text, words) in [
        ("empty", String::new(), "not a perfkit"),
        ("truncated", good[..good.len() / 2].to_owned(), "not a perfkit"),
        ("other", "{\"schema\":\"perfkit.results/1\"}".to_owned(), "not a perfkit"),
        ("future", good.replace("perfkit.trace/1", "perfkit.trace/2"), "newer perfkit"),
        ("uneven", good.replacen("\"cause\": [\n", "\"cause\": [ \"mild\",\n", 1), "lengths"),
        ("zero", good.replacen("1000000000", "0", 1), "time of 0"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let (code, _, stderr) = folder.regress(&["--replay", path.to_str().unwrap()]);
        assert_eq!(code, 2, "{name}");
        assert!(stderr.contains(words), "{name}: {stderr}");
    }
}

#[test]
fn an_interrupted_comparison_says_so_and_keeps_what_it_has() {
    let folder = Folder::new();
    let well = folder.worker("well");
    let child = folder
        .command(&["regress", "--json", "--base", &well, "--candidate", &well, "--max-regression", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has begun when it has started a worker.
    let children = || {
        let path = format!("/proc/{0}/task/{0}/children", child.id());
        std::fs::read_to_string(path).unwrap_or_default()
    };
    while children().trim().is_empty() {
        std::thread::yield_now();
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let (code, json, stderr) = read(&child.wait_with_output().unwrap());
    assert_eq!(code, 130, "{stderr}");
    assert_eq!(json["schema"], "perfkit.comparison/1");
}
