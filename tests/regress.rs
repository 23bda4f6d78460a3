//! `perfkit regress` end to end: documents in, verdict and exit code out.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use perfkit::document::{
    Conditions, Cost, Document, Machine, Measurement, Origin, Outcome, Run, SampleSeconds, to_json,
};

const POOL: &str = "pool/mean-f32/plain@baseline/128x384/t1";
const NORM: &str = "normalize/l2-f32/plain@baseline/128x384/t1";

fn measured(case: &str, seconds: f64) -> Outcome {
    let cost =
        Cost { flops: 1e4, core_bytes: 1e5, dram_bytes: 1e5, written_bytes: 0.0, working_set_bytes: 1e5 };
    Outcome::Measured(Box::new(Measurement {
        case: case.parse().unwrap(),
        origin: Origin::Perfkit,
        peer: None,
        seconds: SampleSeconds {
            samples: (0..20).map(|i| seconds * (1.0 + 1e-4 * f64::from(i % 5))).collect(),
        },
        cost,
        iterations: 10,
        cpu_wall_ratio: None,
        minor_faults: 0,
        involuntary_switches: 0,
        stages: None,
        total_seconds: None,
        tokens: None,
        texts: None,
        peak_rss_bytes: None,
        latency: None,
        facts: std::collections::BTreeMap::default(),
        notes: Vec::new(),
    }))
}

/// A document of one run on one machine.
fn document(run: &str, outcomes: Vec<Outcome>) -> Document {
    Document {
        schema: Document::SCHEMA.to_owned(),
        run: Run { id: run.to_owned(), optimised: true, ..Run::default() },
        machine: Machine { fingerprint: "here".to_owned(), ..Machine::default() },
        conditions: Conditions { effective_cpus: 1, ..Conditions::default() },
        outcomes,
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

    fn write(&self, name: &str, document: &Document) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, to_json(document).unwrap()).unwrap();
        path
    }

    /// Runs `regress` in this folder; answers its exit code, standard output and standard error.
    fn regress(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::cargo_bin("perfkit")
            .unwrap()
            .current_dir(self.path())
            .arg("regress")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn base() -> Document {
    document("one", vec![measured(POOL, 1e-4), measured(NORM, 2e-4)])
}

#[test]
fn every_exit_code_has_its_document() {
    let folder = Folder::new();
    folder.write("base.json", &base());
    let mut foreign = document("two", vec![measured(POOL, 1e-4)]);
    foreign.machine.fingerprint = "elsewhere".to_owned();
    let mut debug = document("two", vec![measured(POOL, 1e-4)]);
    debug.run.optimised = false;
    let mut few = document("two", vec![measured(POOL, 2e-4)]);
    if let Outcome::Measured(m) = &mut few.outcomes[0] {
        m.seconds.samples.truncate(3);
    }
    let stranger = document("two", vec![measured("pool/mean-f32/plain@baseline/1x1/t1", 1e-4)]);
    for (name, candidate, code, verdict) in [
        ("itself", base(), 0, "equivalent"),
        ("same", document("two", vec![measured(POOL, 1.01e-4), measured(NORM, 2e-4)]), 0, "equivalent"),
        ("faster", document("two", vec![measured(POOL, 0.5e-4)]), 0, "faster"),
        ("slower", document("two", vec![measured(POOL, 1e-4), measured(NORM, 2.4e-4)]), 1, "slower"),
        ("few", few, 3, "inconclusive"),
        ("debug", debug, 4, "refused"),
        ("foreign", foreign, 5, "refused"),
        ("stranger", stranger, 5, "refused"),
    ] {
        folder.write("new.json", &candidate);
        let (got, stdout, stderr) =
            folder.regress(&["--baseline", "base.json", "--candidate", "new.json", "--json"]);
        let json: serde_json::Value =
            serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{name}: {e} {stderr}"));
        assert_eq!((got, json["verdict"].as_str().unwrap()), (code, verdict), "{name}: {stderr}");
        assert_eq!(json["exit_code"], code, "{name}");
        assert_eq!(json["schema"], "perfkit.comparison/1");
    }
}

#[test]
fn a_baseline_that_is_not_there_has_its_own_code() {
    let folder = Folder::new();
    folder.write("new.json", &base());
    for (baseline, remedy) in [("gone.json", "bench --out gone.json"), ("nightly", "baseline record nightly")]
    {
        let (code, stdout, stderr) =
            folder.regress(&["--baseline", baseline, "--candidate", "new.json", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((code, &json["exit_code"]), (5, &5.into()), "{baseline}");
        assert!(stderr.contains(remedy), "{stderr}");
    }
}

#[test]
fn a_copy_with_one_case_a_tenth_slower_names_it() {
    let folder = Folder::new();
    folder.write("base.json", &base());
    let mut copy = base();
    if let Outcome::Measured(m) = &mut copy.outcomes[1] {
        m.seconds.samples.iter_mut().for_each(|s| *s *= 1.1);
    }
    folder.write("copy.json", &copy);
    let (code, stdout, _) =
        folder.regress(&["--baseline", "base.json", "--candidate", "copy.json", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let slower: Vec<&str> = json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["verdict"] == "slower")
        .map(|change| change["case"].as_str().unwrap())
        .collect();
    assert_eq!((code, slower), (1, vec![NORM]));
    let (code, text, _) = folder.regress(&["--baseline", "base.json", "--candidate", "copy.json"]);
    assert_eq!(code, 1);
    assert!(text.contains("one run a side"), "{text}");
}

#[test]
fn another_machine_may_be_compared_when_asked_but_never_fails_a_gate() {
    let folder = Folder::new();
    folder.write("base.json", &base());
    let mut foreign = document("two", vec![measured(POOL, 2e-4)]);
    foreign.machine.fingerprint = "elsewhere".to_owned();
    folder.write("new.json", &foreign);
    let arguments = ["--baseline", "base.json", "--candidate", "new.json", "--allow-mismatch", "--json"];
    let (code, stdout, _) = folder.regress(&arguments);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["advisory"]), (3, &serde_json::Value::Bool(true)));
}

#[test]
fn budgets_are_judged_and_fail_only_when_enforced() {
    let folder = Folder::new();
    let settings = "[budget.pool]\ncases = \"pool\"\nmeasure = \"seconds\"\nat_most = \"10 us\"\n";
    std::fs::write(folder.path().join("perfkit.toml"), settings).unwrap();
    folder.write("base.json", &base());
    let arguments = ["--baseline", "base.json", "--candidate", "base.json", "--json"];
    let (code, stdout, _) = folder.regress(&arguments);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let pool = json["budgets"].as_array().unwrap().iter().find(|b| b["name"] == "pool").unwrap();
    assert_eq!((code, pool["verdict"].as_str()), (0, Some("broken")));
    let enforced: Vec<&str> = arguments.iter().copied().chain(["--enforce-budgets"]).collect();
    assert_eq!(folder.regress(&enforced).0, 1);
}

#[test]
fn what_cannot_be_read_is_one_line_and_exit_2() {
    let folder = Folder::new();
    folder.write("base.json", &base());
    std::fs::write(folder.path().join("empty.json"), "").unwrap();
    std::fs::write(folder.path().join("cut.json"), &to_json(&base()).unwrap()[..300]).unwrap();
    let newer = to_json(&base()).unwrap().replace("perfkit.results/1", "perfkit.results/9");
    std::fs::write(folder.path().join("newer.json"), newer).unwrap();
    for name in ["absent.json", "empty.json", "cut.json", "newer.json"] {
        let (code, stdout, stderr) = folder.regress(&["--baseline", "base.json", "--candidate", name]);
        assert_eq!(code, 2, "{name}: {stderr}");
        assert!(
            stdout.is_empty() && stderr.contains(name) && stderr.trim_end().lines().count() == 1,
            "{stderr}"
        );
    }
}

#[test]
fn a_name_without_a_stored_baseline_is_exit_5() {
    let (code, _, stderr) = Folder::new().regress(&["--baseline", "ci"]);
    assert_eq!(code, 5);
    assert!(stderr.contains("baseline record ci"), "{stderr}");
}
