//! Which file an engine reads, and what is said where there is none.

use super::*;
use crate::engines::builtin::{Preset, model};

fn wanted<'a>(model: &'a Arc<Model>, precision: Precision) -> Wanted<'a> {
    Wanted {
        model,
        precision,
        folder: None,
        beside: None,
        named: None,
        fixed: None,
        order: Order::AsItComes,
        most: 32,
    }
}

#[test]
fn bytes_are_those_published_for_this_cpu_and_floats_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("onnx");
    std::fs::create_dir(&onnx).unwrap();
    for name in
        ["model.onnx", "model_qint8_arm64.onnx", "model_qint8_avx512_vnni.onnx", "model_quint8_avx2.onnx"]
    {
        std::fs::write(onnx.join(name), "").unwrap();
    }
    let model = Arc::new(model(Preset::Tiny).unwrap());
    let bytes = Wanted { beside: Some(folder.path()), ..wanted(&model, Precision::Int8) };
    let file = onnx_file(&bytes).unwrap();
    let best =
        if cfg!(target_arch = "aarch64") { "model_qint8_arm64.onnx" } else { "model_qint8_avx512_vnni.onnx" };
    assert_eq!((file.origin.as_str(), file.precision), (best, None));
    let why = openvino_file(&bytes).err().unwrap().to_string();
    assert!(why.contains("--engine-file openvino:int8="), "{why}");
    let cache = tempfile::tempdir().unwrap();
    let floats = Wanted { folder: Some(cache.path()), precision: Precision::Bf16, ..bytes };
    for choose in [onnx_file, openvino_file] {
        let file = choose(&floats).unwrap();
        assert!(file.path.starts_with(cache.path()) && file.path.is_file());
        assert_eq!(file.precision, Some("bf16"));
    }
}

#[test]
fn a_named_file_is_taken_and_must_exist() {
    let model = Arc::new(model(Preset::Tiny).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.onnx");
    let named = Wanted { named: Some(&path), ..wanted(&model, Precision::F32) };
    assert!(onnx_file(&named).err().unwrap().to_string().contains("mine.onnx"));
    std::fs::write(&path, "").unwrap();
    assert_eq!(onnx_file(&named).unwrap().path, path);
    let why = onnx_file(&wanted(&model, Precision::F32)).err().unwrap().to_string();
    assert!(why.contains("XDG_CACHE_HOME"), "{why}");
}

#[test]
fn every_engine_is_named_once_and_says_how_to_get_it() {
    let names: Vec<&str> = PEER_ENGINES.iter().map(|engine| engine.name).collect();
    for engine in PEER_ENGINES {
        assert_eq!(names.iter().filter(|name| **name == engine.name).count(), 1);
        assert!(engine.name.chars().all(|c| c.is_ascii_lowercase()) && !engine.install().is_empty());
        assert!(crate::engines::ENGINES.iter().any(|row| row.name == engine.name), "{}", engine.name);
        assert!(std::ptr::eq(peer_engine(engine.name).unwrap(), engine));
    }
}
