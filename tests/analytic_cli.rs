//! `perfkit roofline --analytic` from the outside: every form and every profile, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot start the command has failed")]

use assert_cmd::Command;
use perfkit::analysis::analytic::{PROFILES, Precision};

fn analytic(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("perfkit")
        .unwrap()
        .args(["roofline", "--analytic"])
        .args(arguments)
        .env("COLUMNS", "150")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let (code, stdout, stderr) = analytic(&[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// The forms of a work whose least time falls, the most fused last.
fn forms(document: &serde_json::Value) -> Vec<(&str, f64)> {
    let forms = document["forms"].as_array().unwrap().iter();
    forms.map(|form| (form["name"].as_str().unwrap(), form["seconds"].as_f64().unwrap())).collect()
}

#[test]
fn the_example_of_the_help_prints_the_breakdown_the_bound_and_its_condition() {
    let (code, stdout, stderr) = analytic(&["mol", "--profile", "h100"]);
    assert_eq!(code, 0, "{stderr}");
    insta::assert_snapshot!(stdout);
}

#[test]
fn every_work_is_counted_in_every_form_at_every_precision() {
    for name in ["dot", "mol", "matmul", "attention", "encoder"] {
        for precision in Precision::ALL {
            let document = json(&[name, "--precision", precision.name(), "--profile", "h100"]);
            let work = &document["work"];
            let parts: f64 =
                work["parts"].as_array().unwrap().iter().map(|p| p["matrix_flops"].as_f64().unwrap()).sum();
            assert_eq!(parts, work["matrix_flops"].as_f64().unwrap(), "{name}");
            let intensity = work["matrix_flops"].as_f64().unwrap() / work["dram_bytes"].as_f64().unwrap();
            assert_eq!(work["intensity"].as_f64().unwrap(), intensity, "{name}");
            let machine = &document["machines"][0];
            let bound = if intensity >= machine["ridge"].as_f64().unwrap() { "compute" } else { "memory" };
            assert_eq!(machine["bound"], bound, "{name} {}", precision.name());
        }
        if matches!(name, "dot" | "matmul") {
            continue;
        }
        for form in ["eager", "epilogue", "full"] {
            let document = json(&[name, "--fusion", form, "--profile", "h100"]);
            let forms = forms(&document);
            let own = forms.iter().find(|(name, _)| *name == form).unwrap();
            assert_eq!(document["machines"][0]["seconds"].as_f64().unwrap(), own.1, "{name} {form}");
            assert!(forms[..3].windows(2).all(|pair| pair[0].1 >= pair[1].1), "{name}: {forms:?}");
        }
    }
}

#[test]
fn every_profile_says_where_its_figures_come_from_and_why_one_is_missing() {
    for profile in PROFILES {
        let document = json(&["mol", "--profile", profile.name]);
        let machines = document["machines"].as_array().unwrap();
        assert_eq!(machines.len(), 1, "{}", profile.name);
        let machine = &machines[0];
        let unknown: Vec<&str> =
            machine["unknown"].as_array().unwrap().iter().map(|u| u["field"].as_str().unwrap()).collect();
        for field in ["peak_flops_per_second", "bytes_per_second"] {
            assert_eq!(machine[field].is_null(), unknown.contains(&field), "{} {field}", profile.name);
        }
        let (_, stdout, _) = analytic(&["mol", "--profile", profile.name]);
        // A title of a document stands in quotes.
        assert!(stdout.contains("figures from \""), "{stdout}");
        assert!(stdout.contains(profile.title), "{stdout}");
        // What depends on an unknown rate is unknown, and not never.
        assert_eq!(stdout.contains("never"), unknown.is_empty(), "{stdout}");
    }
    assert_eq!(json(&["dot"])["machines"].as_array().unwrap().len(), PROFILES.len());
    assert_eq!(json(&["dot", "--profile", "a100,t4"])["machines"].as_array().unwrap().len(), 2);
}

#[test]
fn wrong_input_is_refused_with_what_to_do() {
    let billion = "1000000000";
    for (arguments, word) in [
        (vec!["nothing"], "encoder"),
        (vec!["mol", "--profile", "pentium"], "h100"),
        (vec!["mol", "--items", "0"], "from 1 to"),
        (vec!["mol", "--items", "99999999999999999999"], "from 1 to"),
        (vec!["mol", "--precision", "f64"], "bf16"),
        (vec!["matmul", "--shape", "3x4"], "512x512x512"),
        (vec!["matmul", "--shape", "0x4x4"], "from 1 to"),
        (vec!["mol", "--batch", billion, "--items", billion, "--d", billion], "smaller sizes"),
        (vec!["encoder", "--heads", billion, "--head-width", billion, "--layers", billion], "smaller sizes"),
        (vec!["dot", "--pq", "4"], "--pq means nothing to --analytic dot; it is for mol"),
        (vec!["matmul", "--batch", "5"], "--batch means nothing"),
        (vec!["dot", "--fusion", "eager"], "--fusion means nothing"),
        (vec!["attention", "--head-width", "3", "--top", "3"], "--top means nothing"),
        (vec!["mol", "--top", "2000"], "more than the 1000 items"),
        (vec!["mol", "--from", "no-such-file"], "no-such-file"),
    ] {
        let (code, stdout, stderr) = analytic(&arguments);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(stdout.is_empty() && stderr.contains(word), "{arguments:?}: {stderr}");
    }
    let output = Command::cargo_bin("perfkit").unwrap().args(["roofline", "--pq", "8"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
