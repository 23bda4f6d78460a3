//! `perfkit tune mol` from the outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot start the command has failed")]

use std::path::Path;

use assert_cmd::Command;
use perfkit::document::Tuning;

fn tune(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let output = Command::cargo_bin("perfkit")
        .unwrap()
        .arg("tune")
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "150")
        .env("XDG_CACHE_HOME", folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Sizes that an unoptimised build goes through in seconds.
const SMALL: [&str; 13] =
    ["mol", "--pq", "2,4", "--px", "2", "--d", "8", "--gate-hidden", "16", "--batch", "1,4", "--time", "1"];

fn small(more: &[&str], folder: &Path) -> (i32, String, String) {
    tune(&[&SMALL, ["--items", "200"].as_slice(), more].concat(), folder)
}

#[test]
fn a_search_over_mixtures_prints_the_choice_and_writes_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = small(&["--svg", "front.svg"], folder.path());
    assert_eq!(code, 0, "{stderr}");
    for word in [
        "choice",
        "not measured",
        "dot product",
        "fused",
        "tiled-bf16",
        "eager",
        "score ",
        "reserve ",
        "warn where",
    ] {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
    assert!(std::fs::read_to_string(folder.path().join("front.svg")).unwrap().starts_with("<svg"));

    let (code, stdout, stderr) = small(&["--json"], folder.path());
    assert_eq!(code, 0, "{stderr}");
    let tuning: Tuning = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&*tuning.schema, &*tuning.what), (Tuning::SCHEMA, "mol"));
    let mol = tuning.mol.unwrap();
    assert_eq!((mol.candidates.len(), mol.dots.len(), mol.forms.len()), (4, 2, 6));
    // Memory is of a process of its own, which every system here tells.
    for row in &mol.candidates {
        assert!(row.memory_bytes.is_some() && row.quality.is_none(), "{}", row.settings);
    }
    for form in &mol.forms {
        // A CPU without dot products of bfloat16 has no such form, and the row says so.
        if form.form == "fused-bf16" && form.peak_bytes.is_none() {
            assert!(form.why.is_some());
            continue;
        }
        assert!(form.peak_bytes >= form.resident_bytes && form.efficiency().is_some(), "{form:?}");
    }
    assert!(mol.unknown.iter().any(|unknown| unknown.field == "mol.candidates.quality"));
}

#[test]
fn quality_comes_from_a_table_or_from_vectors_and_limits_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    let table = r#"[{"pq":2,"px":2,"d":8,"quality":0.25},{"pq":4,"px":2,"d":8,"quality":0.75}]"#;
    std::fs::write(folder.path().join("quality.json"), table).unwrap();
    let (code, stdout, stderr) =
        small(&["--quality", "quality.json", "--min-quality", "0.5", "--json"], folder.path());
    assert_eq!(code, 0, "{stderr}");
    let mol = serde_json::from_str::<Tuning>(&stdout).unwrap().mol.unwrap();
    assert_eq!(mol.choice.unwrap().settings.query_components, 4);

    // Vectors that vary along sixteen numbers of 32 are told apart by sixteen.
    let mut lines = String::new();
    for i in 0..100_u32 {
        let numbers: Vec<String> = (0..32_u32)
            .map(|j| {
                if j < 16 {
                    ((31 * i * i + 17 * j * j + 7 * i * j) % 101).to_string()
                } else {
                    "0".to_owned()
                }
            })
            .collect();
        lines.push_str(&format!("{{\"index\":{i},\"embedding\":[{}]}}\n", numbers.join(",")));
    }
    std::fs::write(folder.path().join("vectors.jsonl"), lines).unwrap();
    let (code, stdout, stderr) = small(&["--vectors", "vectors.jsonl", "--json"], folder.path());
    assert_eq!(code, 0, "{stderr}");
    let mol = serde_json::from_str::<Tuning>(&stdout).unwrap().mol.unwrap();
    assert!(mol.quality_source.unwrap().contains("100 vectors of 32 numbers"));
    for row in &mol.candidates {
        assert!(row.quality.unwrap() > 0.9, "{}: {:?}", row.settings, row.quality);
    }
}

#[test]
fn limits_that_none_meets_are_inconclusive_and_wrong_input_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = small(&["--max-latency", "0.000001"], folder.path());
    assert_eq!(code, 3, "{stderr}");
    assert!(stdout.contains("no configuration is shown to meet the limits"), "{stdout}");
    std::fs::write(folder.path().join("broken.csv"), "pq,px,d,quality\n1,2,3\n").unwrap();
    for (more, word) in [
        (["--min-quality", "0.5"].as_slice(), "--vectors"),
        (&["--quality", "no-such-file"], "no-such-file"),
        (&["--quality", "broken.csv"], "line 2"),
        (&["--vectors", "broken.csv"], "line 1"),
        (&["--quality", "a", "--vectors", "b"], "cannot be used with"),
        (&["--pq", "0"], "from 1 to"),
        (&["--top", "3"], "--vectors"),
        (&["--max-memory", "0"], "more than nothing"),
    ] {
        let (code, stdout, stderr) = tune(&[&["mol"], more].concat(), folder.path());
        assert_eq!(code, 2, "{more:?}: {stderr}");
        assert!(stdout.is_empty() && stderr.contains(word), "{more:?}: {stderr}");
    }
}

#[test]
fn a_process_of_its_own_tells_what_a_form_takes() {
    let resident = |form: &str| {
        let task = format!(
            r#"{{"form":"{form}","items":20000,"dot_width":64,"settings":{{"query_components":4,"item_components":4,"width":32,"gate_hidden":64,"batch":4}}}}"#
        );
        let output =
            Command::cargo_bin("perfkit").unwrap().args(["__mol-footprint", &task]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let [resident, peak] = ["resident_bytes", "peak_bytes"].map(|field| answer[field].as_u64().unwrap());
        assert!(peak >= resident, "{form}");
        resident
    };
    // The eager form keeps tensors of every pair: 80,000 pairs of 96 numbers; the fused one keeps the items.
    let (eager, fused) = (resident("eager"), resident("fused"));
    assert!(eager > 80_000 * 96 * 4, "{eager}");
    assert!(fused > 20_000 * (128 + 16) * 4 && fused < eager, "{fused} {eager}");
    let wrong = Command::cargo_bin("perfkit").unwrap().args(["__mol-footprint", "{}"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn strategies_of_products_are_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["matmul", "--sizes", "16,8,33", "--threads", "2", "--dry-run"];
    let (code, stdout, stderr) = tune(&sizes, folder.path());
    assert_eq!(code, 0, "{stderr}");
    for word in ["8x8x8", "33x33x33", "packed before", "of direct", "threads", "not kept"] {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
    let (code, stdout, stderr) = tune(&[&sizes[..], &["--json"]].concat(), folder.path());
    assert_eq!(code, 0, "{stderr}");
    let tuning: Tuning = serde_json::from_str(&stdout).unwrap();
    let found = tuning.matmul.unwrap();
    assert_eq!(found.sizes.iter().map(|row| row.size).collect::<Vec<_>>(), [8, 16, 33]);
    assert!(!folder.path().join("perfkit").join("matmul").exists(), "a dry run keeps nothing");
    for arguments in [["matmul", "--sizes", "0"], ["matmul", "--sizes", "9000"], ["matmul", "--threads", "0"]]
    {
        assert_eq!(tune(&arguments, folder.path()).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_report_has_a_dashboard_with_what_was_searched() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = small(&["--json"], folder.path());
    assert_eq!(code, 0, "{stderr}");
    std::fs::write(folder.path().join("mol.json"), stdout).unwrap();
    let perfkit = |arguments: &[&str]| {
        Command::cargo_bin("perfkit").unwrap().args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let cases = ["mol/score-f32", "--quick", "--time", "0.01", "--out", "results.json"];
    let measured = perfkit(&[&["bench"], &cases[..]].concat());
    assert_eq!(measured.status.code(), Some(0), "{}", String::from_utf8_lossy(&measured.stderr));
    let written =
        perfkit(&["report", "--from", "results.json", "--tuning", "mol.json", "--html", "report.html"]);
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for title in ["Dashboard", "Memory of each form", "Throughput over latency", "Operations by part"] {
        assert!(page.contains(title), "{title}");
    }
    // What was not measured names the command that measures it.
    assert!(page.contains("tune mol --vectors"));
    let wrong =
        perfkit(&["report", "--from", "results.json", "--tuning", "results.json", "--html", "x.html"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("perfkit.tuning/1"));
}
