//! `embed --engine` from the outside: engines that are absent, libraries that are none, files of another model; and the
//! engines themselves where they are found.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]
#![expect(clippy::print_stdout, reason = "a test that skips says what and why")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use perfkit::engines::agreement::agreement;
use perfkit::engines::builtin::{Preset, model};
use perfkit::engines::config::{Activation, Family};
use perfkit::engines::native::{Encoder, NativeEngine};
use perfkit::engines::onnx::{self, Weights};
use perfkit::engines::peers::{PEER_ENGINES, PeerEngine, Wanted, peer_engine};
use perfkit::engines::{EngineError, Model, Normalization, Order, Pooling, Precision};
use perfkit::simd::Tier;
use perfkit::sys::Team;
use serde_json::Value;

mod models;
mod program;

use models::models;

/// Measures one small batch; answers the exit code, the document and standard error.
fn embed(arguments: &[&str], environment: &[(&str, &Path)]) -> (i32, Value, String) {
    program::run(|command| {
        let usual =
            ["embed", "--model", "builtin:tiny", "--batch", "2", "--sequence", "8", "--quick", "--json"];
        command.envs(environment.iter().copied()).args(usual).args(arguments);
    })
}

fn outcome<'a>(document: &'a Value, engine: &str) -> &'a Value {
    program::outcome(document, |case| case.contains(&format!("/{engine}@")))
}

/// A shared library that has none of the functions that are looked for.
fn empty_library(folder: &Path) -> PathBuf {
    let (source, path) = (folder.join("empty.c"), folder.join("libempty.so"));
    std::fs::write(&source, "int unrelated(void) { return 1; }\n").unwrap();
    let compiler = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&path).arg(&source).status();
    assert!(compiler.unwrap().success());
    path
}

#[test]
fn an_absent_engine_is_skipped_with_the_remedy_and_ours_is_measured() {
    let nothing = tempfile::tempdir().unwrap();
    let (code, document, errors) = embed(&["--engine", "onnxruntime"], &[("PATH", nothing.path())]);
    let found = outcome(&document, "onnxruntime");
    if found["outcome"] != "skipped" {
        println!("skipped: the loader knows an ONNX Runtime here");
        return;
    }
    assert_eq!(code, 0, "{errors}");
    let why = found["why"].as_str().unwrap();
    assert!(why.contains("pip install onnxruntime") && why.contains("--engine-library"), "{why}");
    assert_eq!(found["origin"], "peer");
    assert_eq!(outcome(&document, "native")["outcome"], "measured");
}

#[test]
fn an_engine_that_is_a_feature_is_here_where_that_is_on_and_says_how_to_get_it_where_not() {
    let model = Arc::new(model(Preset::Tiny).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (name, built) in
        [("candle", cfg!(feature = "engine-candle")), ("rten", cfg!(feature = "engine-rten"))]
    {
        let wanted = wanted(&model, Precision::F32, folder.path());
        let opened = peer_engine(name).unwrap().open(&wanted, Team::single());
        let why = opened.err().map_or_else(String::new, |error| error.to_string());
        assert_eq!(why.contains(&format!("--features engine-{name}")), !built, "{name}: {why}");
    }
}

#[test]
fn a_library_that_is_none_is_a_failure_that_names_the_function() {
    let folder = tempfile::tempdir().unwrap();
    let library = empty_library(folder.path());
    for (engine, function) in [("onnxruntime", "OrtGetApiBase"), ("openvino", "ov_get_openvino_version")] {
        let named = format!("{engine}={}", library.display());
        let (code, document, errors) = embed(&["--engine", engine, "--engine-library", &named], &[]);
        let found = outcome(&document, engine);
        assert_eq!((code, &found["outcome"]), (2, &Value::from("failed")), "{errors}");
        let why = found["why"].as_str().unwrap();
        assert!(why.contains(function) && why.contains("libempty.so"), "{why}");
        assert_eq!(outcome(&document, "native")["outcome"], "measured", "everything else is measured");
    }
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    for (arguments, words) in [
        (&["--engine", "tensorrt"][..], "native"),
        (&["--engine-file", "model.onnx"], "ENGINE=FILE"),
        (&["--engine-file", "native=model.onnx"], "onnxruntime"),
        (&["--engine-file", "openvino:int7=model.xml"], "int8"),
        (&["--engine-file", "candle=model.onnx"], "onnxruntime"),
        (&["--engine-library", "rten=librten.so"], "openvino"),
        (&["--engine-library", "libonnxruntime.so"], "ENGINE=FILE"),
    ] {
        let (code, _, errors) = embed(arguments, &[]);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
}

/// Opens an engine for batches of any shape; `None`, said, where its library is not here.
fn open(
    engine: &PeerEngine,
    wanted: &Wanted<'_>,
) -> Option<Result<perfkit::engines::PaddedEngine, EngineError>> {
    match engine.open(wanted, Team::single()) {
        Err(EngineError::Unavailable(why)) => {
            println!("skipped: {}: {why}", engine.name);
            None
        }
        other => Some(other.map(|ready| ready.engine)),
    }
}

fn wanted<'a>(model: &'a Arc<Model>, precision: Precision, folder: &'a Path) -> Wanted<'a> {
    Wanted {
        model,
        precision,
        folder: Some(folder),
        beside: None,
        named: None,
        fixed: None,
        order: Order::AsItComes,
        most: 4,
    }
}

const TEXTS: [&str; 6] =
    ["", "one", "two words", "some more words than in the others", "a b c d e f g h i", "end"];

#[test]
fn every_kind_of_model_means_the_same_to_every_engine_that_is_here() {
    let folder = tempfile::tempdir().unwrap();
    for (name, model) in models() {
        let model = Arc::new(model);
        let encoder = Arc::new(Encoder::pack(model.clone(), Tier::best_f32()).unwrap());
        let mut native = NativeEngine::new(encoder, Team::single());
        for engine in PEER_ENGINES {
            for (precision, least) in [(Precision::F32, 0.999_999), (Precision::Int8, 0.99)] {
                let wanted = wanted(&model, precision, folder.path());
                let Some(opened) = open(engine, &wanted) else { continue };
                let mut opened = opened.unwrap_or_else(|error| panic!("{name} {}: {error}", engine.name));
                let found = agreement(&mut native, &mut opened, &TEXTS).unwrap();
                assert!(found.minimum > least, "{name} {} {precision}: {found:?}", engine.name);
            }
        }
    }
}

#[test]
fn a_file_that_was_written_for_an_engine_and_damaged_since_is_made_again() {
    let model = Arc::new(model(Preset::Tiny).unwrap());
    for engine in PEER_ENGINES.iter().filter(|engine| engine.reads_files()) {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(&model, Precision::F32, folder.path());
        let Some(opened) = open(engine, &wanted) else { continue };
        opened.unwrap();
        let mut files = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|end| end == "onnx")).unwrap();
        let whole = std::fs::read(&file).unwrap();
        for damaged in [&whole[..0], &whole[..whole.len() / 2], b"no network"] {
            std::fs::write(&file, damaged).unwrap();
            open(engine, &wanted).unwrap().unwrap_or_else(|error| panic!("{}: {error}", engine.name));
            assert!(std::fs::read(&file).unwrap() == whole, "{}", engine.name);
        }
    }
}

#[test]
fn a_file_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(model(Preset::Tiny).unwrap());
    if open(peer_engine("onnxruntime").unwrap(), &wanted(&model, Precision::F32, folder.path())).is_none() {
        return;
    }
    // Of the same extents, other vectors; of other extents; and no model at all.
    let [mut other, narrow] =
        [Preset::Tiny; 2].map(|preset| perfkit::engines::builtin::model(preset).unwrap());
    other.pooling = Pooling::Max;
    let narrow = narrow.truncated(std::num::NonZeroUsize::new(32).unwrap()).unwrap();
    let path = |name: &str| folder.path().join(name);
    onnx::write(&other, Weights::F32, &path("other.onnx")).unwrap();
    onnx::write(&narrow, Weights::F32, &path("narrow.onnx")).unwrap();
    std::fs::write(path("torn.onnx"), &std::fs::read(path("narrow.onnx")).unwrap()[..5000]).unwrap();
    for (file, words) in
        [("other.onnx", "wrong answers"), ("narrow.onnx", "another model"), ("torn.onnx", "torn.onnx")]
    {
        let named = format!("onnxruntime={}", path(file).display());
        let (code, document, errors) = embed(&["--engine", "onnxruntime", "--engine-file", &named], &[]);
        let found = outcome(&document, "onnxruntime");
        assert_eq!((code, &found["outcome"]), (2, &Value::from("failed")), "{file}: {errors}");
        assert!(found["why"].as_str().unwrap().contains(words), "{file}: {}", found["why"]);
    }
}

#[test]
fn an_engine_that_is_here_takes_turns_with_ours_and_tells_what_it_is() {
    let (code, document, errors) = embed(&["--engine", "onnxruntime,openvino"], &[]);
    assert_eq!(code, 0, "{errors}");
    let native = outcome(&document, "native");
    for engine in ["onnxruntime", "openvino", "openvino-static"] {
        let found = outcome(&document, engine);
        if found["outcome"] != "measured" {
            println!("skipped: {engine}: {}", found["why"]);
            continue;
        }
        let samples = |outcome: &Value| outcome["seconds"]["samples"].as_array().unwrap().len();
        assert_eq!(samples(found), samples(native), "calls of one round are pairs");
        let (peer, facts) = (&found["peer"], &found["facts"]);
        assert!(peer["version"].as_str().unwrap().starts_with(|c: char| c.is_ascii_digit()), "{peer}");
        assert!(peer["settings"].as_str().unwrap().contains("ONNX written by perfkit"), "{peer}");
        assert!(facts["cosine_minimum"].as_f64().unwrap() > 0.9999, "{facts}");
        assert!(
            facts["cold_start_seconds"].as_f64().unwrap() > 0.0
                && found["peak_rss_bytes"].as_u64().unwrap() > 0
        );
        assert!(found["stages"]["encode"].as_f64().unwrap() > 0.0 && found["tokens"] == native["tokens"]);
        let ratios = document["engines"].as_array().unwrap();
        let ratio = ratios.iter().find(|ratio| ratio["case"] == found["case"]).unwrap();
        assert_eq!((&ratio["native"], &ratio["paired"]), (&native["case"], &Value::from(true)));
    }
}
