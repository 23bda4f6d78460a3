//! The written file, read back field by field.

use std::collections::HashMap;

use super::graph::{Beside, Type};
use super::protobuf::tests::{Value, fields};
use super::*;
use crate::engines::builtin::{Preset, model};
use crate::engines::config::{Activation, Family};
use crate::engines::names::WORDS;
use crate::engines::{Normalization, Pooling};

#[path = "../../../tests/models/mod.rs"]
mod models;
use models::models;

/// One node: its operator, inputs and outputs.
struct Node {
    operator: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// A constant: extents, type, and its bytes where they stand inside.
#[derive(Debug, Clone)]
struct Constant {
    dims: Vec<u64>,
    kind: u64,
    bytes: Option<Vec<u8>>,
    outside: HashMap<String, String>,
}

#[derive(Default)]
struct Read {
    nodes: Vec<Node>,
    constants: HashMap<String, Constant>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    opset: u64,
}

fn text(value: &Value<'_>) -> String {
    let Value::Bytes(bytes) = value else { panic!("{value:?} is no text") };
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn texts(message: &[u8], field: u64) -> Vec<String> {
    fields(message).iter().filter(|(number, _)| *number == field).map(|(_, value)| text(value)).collect()
}

fn numbers(message: &[u8], field: u64) -> Vec<u64> {
    let number = |(number, value): (u64, Value<'_>)| match value {
        Value::Integer(value) if number == field => Some(value),
        _ => None,
    };
    fields(message).into_iter().filter_map(number).collect()
}

fn constant(message: &[u8]) -> Constant {
    let parts = fields(message);
    let entries = parts.iter().filter(|(field, _)| *field == 13).map(|(_, value)| {
        let Value::Bytes(entry) = value else { panic!("{value:?}") };
        (texts(entry, 1).remove(0), texts(entry, 2).remove(0))
    });
    let raw = parts.iter().find_map(|(field, value)| match value {
        Value::Bytes(bytes) if *field == 9 => Some(bytes.to_vec()),
        _ => None,
    });
    Constant {
        dims: numbers(message, 1),
        kind: numbers(message, 2)[0],
        bytes: raw,
        outside: entries.collect(),
    }
}

fn read(bytes: &[u8]) -> Read {
    let mut read = Read::default();
    let model = fields(bytes);
    let inside = |wanted: u64| {
        model.iter().find_map(|(field, value)| match value {
            Value::Bytes(bytes) if *field == wanted => Some(*bytes),
            _ => None,
        })
    };
    read.opset = numbers(inside(8).unwrap(), 2)[0];
    for (field, value) in fields(inside(7).unwrap()) {
        let Value::Bytes(message) = value else { panic!("{field}: {value:?}") };
        match field {
            1 => read.nodes.push(Node {
                operator: texts(message, 4).remove(0),
                inputs: texts(message, 1),
                outputs: texts(message, 2),
            }),
            5 => {
                let name = texts(message, 8).remove(0);
                assert!(read.constants.insert(name.clone(), constant(message)).is_none(), "{name} twice");
            }
            11 => read.inputs.push(texts(message, 1).remove(0)),
            12 => read.outputs.push(texts(message, 1).remove(0)),
            _ => {}
        }
    }
    read
}

fn written(model: &Model, weights: Weights) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    write(model, weights, &path).unwrap();
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["model.onnx"], "nothing is left beside the file");
    read(&std::fs::read(path).unwrap())
}

#[test]
fn every_value_is_made_before_it_is_used_and_every_constant_has_the_bytes_of_its_extents() {
    for ((name, model), weights) in models()
        .into_iter()
        .flat_map(|m| [(m, Weights::F32)])
        .chain(models().into_iter().map(|m| (m, Weights::Int8)))
    {
        let read = written(&model, weights);
        assert_eq!(read.opset, 17);
        assert_eq!(
            (&*read.inputs, &*read.outputs),
            (
                &["input_ids".to_owned(), "attention_mask".to_owned()][..],
                &["sentence_embedding".to_owned()][..]
            )
        );
        let mut known: Vec<String> = read.inputs.iter().chain(read.constants.keys()).cloned().collect();
        for node in &read.nodes {
            for input in &node.inputs {
                assert!(known.contains(input), "{name}: {} uses {input} before it is made", node.operator);
            }
            for output in &node.outputs {
                assert!(!known.contains(output), "{name}: {output} is made twice");
                known.push(output.clone());
            }
        }
        assert!(known.contains(&read.outputs[0]), "{name}");
        let used: Vec<&String> = read.nodes.iter().flat_map(|node| &node.inputs).collect();
        for (constant, value) in &read.constants {
            assert!(used.contains(&constant), "{name}: {constant} is not used");
            let width = [(1, 4), (3, 1), (7, 8)].into_iter().find(|(kind, _)| *kind == value.kind).unwrap().1;
            let count: u64 = value.dims.iter().product();
            assert_eq!(value.bytes.as_ref().unwrap().len() as u64, count * width, "{name}: {constant}");
        }
        let products = read.nodes.iter().filter(|node| node.operator == "MatMulInteger").count();
        let layers = model.architecture.layers;
        assert_eq!(products, if weights == Weights::Int8 { 6 * layers } else { 0 }, "{name}");
        let relative = read.nodes.iter().any(|node| node.operator == "Range");
        assert_eq!(relative, model.architecture.relative_buckets > 0, "{name}");
    }
}

#[test]
fn weights_are_those_of_the_model_turned_for_the_product() {
    let model = model(Preset::Tiny).unwrap();
    let (hidden, wide) = (model.architecture.hidden, model.architecture.intermediate);
    let floats = |constant: &Constant| -> Vec<f32> {
        let bytes = constant.bytes.as_ref().unwrap();
        bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let name = format!("{}.weight", model.architecture.family.layer(1).up);
    let up = model.tensors.tensor(&name, &[wide, hidden]).unwrap();
    let read = written(&model, Weights::F32);
    let of = |dims: [usize; 2]| {
        let wanted = dims.map(|n| n as u64);
        read.constants.values().filter(move |c| c.dims == wanted).map(floats).collect::<Vec<_>>()
    };
    let turned: Vec<f32> = (0..hidden)
        .flat_map(|column| (0..wide).map(move |row| (row, column)))
        .map(|(row, column)| up[row * hidden + column])
        .collect();
    assert!(of([hidden, wide]).contains(&turned));
    let words = model.tensors.tensor(WORDS, &[model.architecture.vocabulary, hidden]).unwrap();
    assert!(of([model.architecture.vocabulary, hidden]).contains(&words.to_vec()));
}

#[test]
fn quantised_weights_are_the_models_within_half_a_step() {
    let model = model(Preset::Tiny).unwrap();
    let (hidden, wide) = (model.architecture.hidden, model.architecture.intermediate);
    let name = format!("{}.weight", model.architecture.family.layer(0).up);
    let up = model.tensors.tensor(&name, &[wide, hidden]).unwrap();
    let read = written(&model, Weights::Int8);
    let bytes: Vec<&Constant> = read
        .constants
        .values()
        .filter(|c| c.kind == Type::Int8 as u64 && c.dims == [hidden as u64, wide as u64])
        .collect();
    let near = bytes.iter().any(|constant| {
        let bytes = constant.bytes.as_ref().unwrap();
        (0..wide).all(|row| {
            let most = up[row * hidden..][..hidden].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            (0..hidden).all(|column| {
                let back = f32::from(bytes[column * wide + row].cast_signed()) * most / 127.0;
                (back - up[row * hidden + column]).abs() <= 0.501 * most / 127.0
            })
        })
    });
    assert_eq!(bytes.len(), model.architecture.layers);
    assert!(near);
}

#[test]
fn weights_beside_stand_where_the_file_says() {
    let model = model(Preset::Tiny).unwrap();
    let graph = encoder::graph(&model, Weights::F32).unwrap();
    assert!(!graph.is_large());
    let (mut inside, mut outside, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let beside = Beside { name: "weights.data", file: &mut outside };
    graph.write(&*model.tensors, &mut inside, Some(beside)).unwrap();
    graph.write(&*model.tensors, &mut whole, None).unwrap();
    let (apart, whole) = (read(&inside), read(&whole));
    let mut seen = 0;
    for (name, constant) in &apart.constants {
        let right = whole.constants[name].bytes.as_ref().unwrap();
        match &constant.bytes {
            Some(bytes) => assert_eq!(bytes, right),
            None => {
                assert_eq!(constant.outside["location"], "weights.data");
                let [start, length] =
                    ["offset", "length"].map(|key| constant.outside[key].parse::<usize>().unwrap());
                assert!(start.is_multiple_of(4096) && outside[start..start + length] == right[..], "{name}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_file_is_kept_by_what_it_holds_and_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = kept(&model(Preset::Tiny).unwrap(), Weights::F32, folder.path()).unwrap();
    std::fs::write(&first, "kept").unwrap();
    assert_eq!(kept(&model(Preset::Tiny).unwrap(), Weights::F32, folder.path()).unwrap(), first);
    assert_eq!(std::fs::read(&first).unwrap(), b"kept");
    let mut other = model(Preset::Tiny).unwrap();
    other.pooling = Pooling::Max;
    let paths = [
        kept(&other, Weights::F32, folder.path()).unwrap(),
        kept(&model(Preset::Tiny).unwrap(), Weights::Int8, folder.path()).unwrap(),
    ];
    assert!(!paths.contains(&first) && paths[0] != paths[1]);
    let nowhere = folder.path().join("file");
    std::fs::write(&nowhere, "").unwrap();
    assert!(
        kept(&other, Weights::F32, &nowhere.join("below"))
            .unwrap_err()
            .to_string()
            .contains("XDG_CACHE_HOME")
    );
}
