//! `perfkit baseline` from the outside: what is accepted, refused, listed and looked back on; and that what is edited
//! by hand is found out. Measuring is tested where a clock can be told what to say.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use perfkit::analysis::compare::Margin;
use perfkit::document::{
    Arm, BENCH, Baseline, BaselineRun, Case, Cause, Conditions, Cost, Document, KeptSamples, Machine,
    Measurement, Normaliser, Origin, Outcome, Run, SampleSeconds, read_baseline, to_json,
};
use perfkit::measure::{Plan, Program};
use perfkit::session::baseline::{RecordRequest, record, store};
use perfkit::session::regress::stored::{StoredRequest, judge_stored};
use perfkit::session::runs::workers;
use perfkit::session::{Beginning, Silent, Stop};
use serde_json::{Value, json};

const POOL: &str = "pool/mean-f32/plain@baseline/128x384/t1";
const CHAIN: &str = "clock/chain-u64/plain@baseline/262144/t1";

fn case(text: &str) -> Case {
    text.parse().unwrap()
}

fn measured(seconds: f64, runs: usize) -> Outcome {
    Outcome::Measured(Box::new(Measurement {
        case: case(POOL),
        origin: Origin::Perfkit,
        peer: None,
        seconds: SampleSeconds { samples: vec![seconds; runs] },
        cost: Cost { flops: 1e4, ..Cost::default() },
        iterations: 3,
        cpu_wall_ratio: None,
        minor_faults: 0,
        involuntary_switches: 0,
        stages: None,
        total_seconds: None,
        tokens: None,
        texts: None,
        peak_rss_bytes: None,
        latency: None,
        facts: BTreeMap::default(),
        notes: Vec::new(),
    }))
}

/// A baseline of one case in five runs, recorded on a day of January.
fn baseline(day: u32, seconds: f64) -> Baseline {
    let arm = |name: &str, seconds: f64, wobble: f64| Arm {
        wall_seconds: vec![seconds * wobble; 4],
        involuntary_switches: vec![0; 4],
        iterations: 3,
        ..Arm::new(case(POOL), name)
    };
    let run = |index: u32| BaselineRun {
        id: format!("{day}.{index}"),
        started: format!("2026-01-{day:02}T00:00:0{index}Z"),
        arms: vec![
            arm(BENCH, seconds, 1.0 + 0.001 * f64::from((day * 7 + index * 3) % 5)),
            arm("int", 2e-4, 1.0),
        ],
    };
    let document = Document {
        schema: Document::SCHEMA.to_owned(),
        run: Run {
            id: format!("day{day}"),
            tool: "perfkit 0.1.0".to_owned(),
            started: format!("2026-01-{day:02}T00:00:00Z"),
            optimised: true,
            ..Run::default()
        },
        machine: Machine { fingerprint: "here".to_owned(), ..Machine::default() },
        conditions: Conditions { effective_cpus: 1, ..Conditions::default() },
        outcomes: vec![measured(seconds, 5)],
    };
    Baseline {
        runs: (0..5).map(run).collect(),
        references: [("int".to_owned(), case(CHAIN))].into(),
        normalisers: vec![Normaliser {
            case: case(POOL),
            chosen: "int".to_owned(),
            between_run_spread: [("int".to_owned(), 0.001), ("none".to_owned(), 0.01)].into(),
        }],
        ..Baseline::of_document(document)
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, value: &impl serde::Serialize) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, to_json(value).unwrap()).unwrap();
        path
    }

    /// Runs `perfkit baseline` in this folder; answers its exit code, standard output and standard error.
    fn perfkit(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::cargo_bin("perfkit")
            .unwrap()
            .current_dir(self.path())
            .arg("baseline")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn stored(&self, name: &str) -> PathBuf {
        let machine = Machine::default();
        self.path().join("baselines").join(machine.slug()).join(format!("{name}.json"))
    }
}

#[test]
fn accepting_a_baseline_keeps_its_runs_and_the_reason() {
    let folder = Folder::new();
    let given = baseline(1, 1e-4);
    folder.write("new.json", &given);
    let (code, stdout, stderr) =
        folder.perfkit(&["accept", "ci", "--from", "new.json", "--reason", "a wider kernel", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["what"], "accepted, 5 runs");
    let path = folder.stored("ci");
    assert_eq!(told["size_bytes"], std::fs::metadata(&path).unwrap().len());
    let stored = read_baseline(&path).unwrap();
    assert_eq!((stored.runs.len(), stored.reason.as_deref()), (5, Some("a wider kernel")));
    assert_eq!((&stored.references, &stored.normalisers), (&given.references, &given.normalisers));
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "neither lock nor temporary file is left: {left:?}");
    let (code, stdout, _) = folder.perfkit(&["list"]);
    assert!(code == 0 && stdout.contains("ci: 1 cases, 5 runs"), "{stdout}");
    assert_eq!(folder.perfkit(&["accept", "ci", "--from", "new.json", "--reason", " "]).0, 2);
}

#[test]
fn a_document_of_one_run_is_accepted_without_runs() {
    let folder = Folder::new();
    folder.write("new.json", &baseline(1, 1e-4).document);
    assert_eq!(folder.perfkit(&["accept", "ci", "--from", "new.json", "--reason", "first"]).0, 0);
    assert!(read_baseline(&folder.stored("ci")).unwrap().runs.is_empty());
    let mut slow_build = baseline(1, 1e-4);
    slow_build.document.run.optimised = false;
    folder.write("debug.json", &slow_build);
    assert_eq!(folder.perfkit(&["accept", "ci", "--from", "debug.json", "--reason", "first"]).0, 4);
}

#[test]
fn an_unoptimised_build_records_nothing() {
    let folder = Folder::new();
    let (code, stdout, stderr) = folder.perfkit(&["record", "ci", "--runs", "1"]);
    if cfg!(debug_assertions) {
        assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
        assert!(stderr.contains("unoptimised"), "{stderr}");
        assert!(!folder.path().join("baselines").exists());
    }
    for wrong in [
        &["record", "../ci"][..],
        &["record", "ci", "--runs", "0"],
        &["record", "ci", "--spread", "-1"],
        &["record", "ci", "--samples", "some"],
        &["record", "ci", "--suite", "no-such"],
        &["record", "ci", "--reason", ""],
    ] {
        assert_eq!(folder.perfkit(wrong).0, 2, "{wrong:?}");
    }
}

/// What a hand can do to a baseline, and a word of the answer.
/// What is edited, how, and a word of the answer.
type Edit = (&'static str, fn(&mut Value), &'static str);

fn edits() -> Vec<Edit> {
    fn arm(value: &mut Value) -> &mut Value {
        &mut value["runs"][1]["arms"][0]
    }
    vec![
        ("a negative sample", |v| arm(v)["wall_seconds"][2] = json!(-1e-4), "not a positive number"),
        ("a sample of zero", |v| arm(v)["wall_seconds"][2] = json!(0), "not a positive number"),
        ("a sample that is null", |v| arm(v)["wall_seconds"][2] = json!(null), "f64"),
        ("samples that are text", |v| arm(v)["wall_seconds"] = json!("fast"), "sequence"),
        ("lengths that differ", |v| arm(v)["involuntary_switches"] = json!([0]), "4 wall_seconds and 1"),
        ("CPU time below zero", |v| arm(v)["cpu_seconds"] = json!([1, 1, 1, -1]), "CPU time"),
        ("a cause of no sample", |v| arm(v)["cause"] = json!({ "preempted": [4] }), "cause of sample"),
        ("a cause far away", |v| arm(v)["cause"] = json!({ "preempted": [1_u64 << 60] }), "no arm has"),
        ("an unknown cause", |v| arm(v)["cause"] = json!({ "gremlins": [1] }), "not a perfkit"),
        ("a run without arms", |v| v["runs"][1]["arms"] = json!([]), "it has no arms"),
        ("a case without samples", |v| arm(v)["wall_seconds"] = json!([]), "neither samples"),
        ("a case without its own arm", |v| arm(v)["case"] = json!(CHAIN), "no samples of its own"),
        (
            "an arm of another case",
            |v| {
                let mut stray = arm(v).clone();
                stray["case"] = json!(CHAIN);
                v["runs"][1]["arms"].as_array_mut().unwrap().push(stray);
            },
            "no measured case",
        ),
        ("an arm of no reference", |v| v["runs"][1]["arms"][1]["arm"] = json!("gpu"), "no reference kernel"),
        ("an arm twice", |v| v["runs"][1]["arms"][1]["arm"] = json!("bench"), "stands twice"),
        ("a run twice", |v| v["runs"][1]["id"] = json!("1.0"), "two runs have the id"),
        ("a divisor that is none", |v| v["normalisers"][0]["chosen"] = json!("gpu"), "no reference of it"),
        (
            "a reference called bench",
            |v| v["references"] = json!({ "bench": CHAIN }),
            "reference kernel is called",
        ),
        ("a later schema", |v| v["schema"] = json!("perfkit.results/2"), "use a newer perfkit"),
        ("another kind", |v| v["schema"] = json!("perfkit.machine/1"), "its schema is"),
        ("no schema", |v| v["schema"] = json!(null), "its schema is"),
        ("no outcomes", |v| v["outcomes"] = json!(null), "not a perfkit results document"),
    ]
}

#[test]
fn an_edit_by_hand_is_one_line_and_exit_2() {
    let folder = Folder::new();
    let good = serde_json::to_value(baseline(1, 1e-4)).unwrap();
    folder.write("good.json", &good);
    let accept = ["accept", "ci", "--from", "edited.json", "--reason", "x"];
    assert_eq!(folder.perfkit(&["accept", "ci", "--from", "good.json", "--reason", "x"]).0, 0);
    let before = std::fs::read(folder.stored("ci")).unwrap();
    for (what, edit, word) in edits() {
        let mut edited = good.clone();
        edit(&mut edited);
        folder.write("edited.json", &edited);
        let (code, stdout, stderr) = folder.perfkit(&accept);
        assert_eq!((code, stdout.as_str()), (2, ""), "{what}: {stderr}");
        assert!(stderr.contains("edited.json") && stderr.contains(word), "{what}: {stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{what}: {stderr}");
        assert_eq!(std::fs::read(folder.stored("ci")).unwrap(), before, "{what}");
    }
}

#[test]
fn what_is_no_json_is_one_line_and_exit_2() {
    let folder = Folder::new();
    let good = to_json(&baseline(1, 1e-4)).unwrap();
    let twice = good.replacen("\"wall_seconds\"", "\"wall_seconds\": [1], \"wall_seconds\"", 1);
    let huge = format!("{{\"schema\": \"perfkit.results/1\", \"x\": {}", "[".repeat(100_000));
    for (text, word) in [
        ("", "EOF"),
        (&good[..good.len() / 2], "EOF"),
        (&good.replacen("0.0001", "NaN", 1), "expected"),
        (&good.replacen("0.0001", "1e999", 1), "out of range"),
        (&twice, "the key \"wall_seconds\" stands twice"),
        (&huge, "recursion"),
        ("\u{7}\u{1b}[31m", "expected"),
    ] {
        std::fs::write(folder.path().join("bad.json"), text).unwrap();
        let (code, stdout, stderr) = folder.perfkit(&["accept", "ci", "--from", "bad.json", "--reason", "x"]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("bad.json") && stderr.contains(word), "{word}: {stderr}");
        assert!(stderr.trim_end().lines().count() == 1 && !stderr.contains('\u{1b}'), "{stderr:?}");
    }
    let (code, _, stderr) = folder.perfkit(&["accept", "ci", "--from", ".", "--reason", "x"]);
    assert!(code == 2 && stderr.contains("no regular file"), "{stderr}");
}

#[test]
fn a_folder_that_cannot_be_written_is_exit_2_and_nothing_is_lost() {
    let folder = Folder::new();
    folder.write("new.json", &baseline(1, 1e-4));
    std::fs::write(folder.path().join("baselines"), "a file of this name").unwrap();
    let (code, _, stderr) = folder.perfkit(&["accept", "ci", "--from", "new.json", "--reason", "x"]);
    assert!(code == 2 && stderr.contains("cannot make"), "{stderr}");
    assert_eq!(std::fs::read_to_string(folder.path().join("baselines")).unwrap(), "a file of this name");
}

#[test]
fn a_second_writer_is_refused() {
    let folder = Folder::new();
    folder.write("new.json", &baseline(1, 1e-4));
    let accept = ["accept", "ci", "--from", "new.json", "--reason", "x"];
    let held = perfkit::session::baseline::lock(&folder.stored("ci")).unwrap();
    let (code, _, stderr) = folder.perfkit(&accept);
    assert!(code == 2 && stderr.contains("another perfkit is writing"), "{stderr}");
    drop(held);
    assert_eq!(folder.perfkit(&accept).0, 0);
}

#[test]
fn a_history_names_the_change_and_what_it_could_not_read() {
    let folder = Folder::new();
    for day in 1..=8 {
        let seconds = if day > 4 { 1.1e-4 } else { 1e-4 };
        folder.write(&format!("old/{day:02}/ci.json"), &baseline(day, seconds));
    }
    std::fs::write(folder.path().join("old/broken.json"), "{").unwrap();
    let (code, stdout, stderr) = folder.perfkit(&["history", "old", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let history: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(history["schema"], "perfkit.history/1");
    assert_eq!(history["unreadable"][0]["file"], "broken.json");
    let changes = history["series"][0]["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &changes[0]["started"]), (1, &json!("2026-01-05T00:00:00Z")), "{changes:?}");
    assert!((changes[0]["ratio"].as_f64().unwrap() / 1.1 - 1.0).abs() < 0.01);
    let (code, stdout, _) = folder.perfkit(&["history", "old", "--case", "pool"]);
    assert_eq!(code, 0);
    for words in [POOL, "40 runs", "divided by int", "10.0 % slower", "left out: broken.json"] {
        assert!(stdout.contains(words), "{words}: {stdout}");
    }
    let (code, stdout, _) = folder.perfkit(&["history", "old", "--case", "norm"]);
    assert!(code == 0 && !stdout.contains(POOL), "{stdout}");
    assert_eq!(folder.perfkit(&["history", "nowhere"]).0, 2);
    let (code, stdout, _) = folder.perfkit(&["history"]);
    assert!(code == 0 && stdout.contains("baseline record ci"), "{stdout}");
}

#[test]
fn a_baseline_from_before_there_were_references_is_still_read() {
    let folder = Folder::new();
    let mut old = serde_json::to_value(baseline(1, 1e-4)).unwrap();
    for key in ["references", "normalisers", "samples"] {
        old.as_object_mut().unwrap().remove(key);
    }
    let mut run = old["runs"][0].clone();
    run["arms"].as_array_mut().unwrap().truncate(1);
    run["arms"][0]["cause"] = json!(["undisturbed", "preempted", "undisturbed", "undisturbed"]);
    old["runs"] = json!([run]);
    let read = read_baseline(&folder.write("old.json", &old)).unwrap();
    assert!(!read.has_run_level_values());
    assert_eq!((read.runs[0].arms[0].arm.as_str(), read.runs[0].arms[0].cause[1]), (BENCH, Cause::Preempted));
}

/// The whole way with real processes. What they take decides nothing here.
#[test]
fn runs_are_recorded_stored_read_and_judged_with_workers_of_this_program() {
    let program = Program::new(assert_cmd::cargo::cargo_bin("perfkit"));
    let machine = perfkit::machine::detect(perfkit::machine::Source::Live);
    let request = RecordRequest {
        beginning: Beginning { command: "baseline record ci".to_owned(), seed: 5, ..Beginning::default() },
        cases: vec![case(POOL), case("normalize/l2-f32/plain@baseline/128x384/t1")],
        skipped: Vec::new(),
        runs: 3,
        pause_seconds: 0.0,
        plan: Plan { budget_seconds: 0.02, ..Plan::QUICK },
        samples: KeptSamples::Inline,
        source: None,
    };
    let start = workers(program.clone());
    let recorded = record(&request, machine.clone(), &start, &Stop::default(), &mut Silent).unwrap().unwrap();
    let folder = Folder::new();
    let path = folder.path().join("ci.json");
    store(&path, &Baseline { document: optimised(recorded.document), ..recorded }).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")) && !text.contains(folder.path().to_str().unwrap()));
    let stored = read_baseline(&path).unwrap();
    assert_eq!((stored.runs.len(), stored.references.len(), stored.normalisers.len()), (3, 4, 2));
    assert!(stored.runs.iter().all(|run| run.arms.len() == 2 * 5));

    let request = StoredRequest {
        program: Some(program),
        runs: 1,
        optimised: true,
        margin: Margin::around(10.0),
        ..StoredRequest::default()
    };
    let judged = judge_stored(&stored, &machine, &request, &Stop::default(), &mut Silent).unwrap();
    assert!(judged.failed.is_empty() && judged.comparison.refused.is_none(), "{judged:?}");
    let evidence: Vec<&str> = judged.comparison.changes.iter().map(|change| &*change.evidence).collect();
    assert!(evidence.iter().all(|evidence| evidence.starts_with("3 stored and")), "{evidence:?}");
    assert_eq!(evidence.len(), 2);
    assert_eq!(judged.candidate.unwrap().measured().count(), 2);
}

/// A document as of an optimised build: what these workers take says nothing, but the way it goes is the same.
fn optimised(mut document: Document) -> Document {
    document.run.optimised = true;
    document
}
