//! The program as a user runs it, with its document.

use std::process::Command;

use serde_json::Value;

/// Runs `perfkit` in a folder of its own, set up by `prepare`; answers the exit code, the document and standard error.
pub(crate) fn run(prepare: impl FnOnce(&mut Command)) -> (i32, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("perfkit"));
    command.current_dir(folder.path()).env("XDG_CACHE_HOME", folder.path());
    prepare(&mut command);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), json, stderr)
}

/// The first outcome whose case is meant; null without one.
pub(crate) fn outcome(document: &Value, meant: impl Fn(&str) -> bool) -> &Value {
    let outcomes = document["outcomes"].as_array().unwrap();
    outcomes.iter().find(|outcome| meant(outcome["case"].as_str().unwrap())).unwrap_or(&Value::Null)
}
