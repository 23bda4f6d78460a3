//! `perfkit recommend` on a stored document.

use assert_cmd::Command;

#[test]
fn without_a_document_it_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::cargo_bin("perfkit").unwrap().current_dir(folder.path()).arg("recommend").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("perfkit run --quick"));
}

/// At least two rules speak of the example that the repository keeps, and every case that they name was measured.
#[test]
fn rules_speak_of_the_committed_example() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let reports = root.join("reports/example/results.json");
    let document = perfkit::document::read_document(&reports).unwrap();
    let advice = perfkit::analysis::recommend::recommend(&document);
    assert!(advice.len() >= 2, "{advice:?}");
    for case in advice.iter().flat_map(|a| &a.evidence) {
        assert!(document.measured().any(|m| m.case == *case), "{case}");
    }
}
