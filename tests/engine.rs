//! The native engine over a tiny random model in a folder of its own: against a plain float64 forward pass, for every
//! number type and pooling mode; and what happens when a file of the folder is not what it should be.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use perfkit::engines::agreement::cosine;
use perfkit::engines::hub::{Hub, Quiet};
use perfkit::engines::native::{Encoder, NativeEngine};
use perfkit::engines::peers::{Wanted, peer_engine};
use perfkit::engines::{Engine, EngineError, ModelSource, Order, Precision, Settings, builtin};
use perfkit::simd::Tier;
use perfkit::sys::Rng;
use perfkit::sys::Team;
use perfkit::telemetry::Stages;

mod tiny_model;

use tiny_model::{Dtype, Family, TinyModel};

const TEXTS: [&str; 6] =
    ["red green", "", "blue blue blue red", "green", "red, unknown blue!", "blue red green red"];

fn load(folder: &Path, tier: Tier, threads: usize) -> Result<NativeEngine, EngineError> {
    let model = ModelSource::Folder(folder.to_owned()).load()?;
    let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
    Ok(NativeEngine::new(Arc::new(Encoder::pack(Arc::new(model), tier)?), team))
}

fn tiers() -> impl Iterator<Item = Tier> {
    [Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Neon].into_iter().filter(|tier| tier.is_available())
}

fn far(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter()
        .zip(want)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, |x, y| if y > x || y.is_nan() { y } else { x })
}

#[test]
fn every_number_type_pooling_and_activation_gives_what_the_plain_forward_pass_gives() {
    let folder = tempfile::tempdir().unwrap();
    for (dtype, pooling, activation, prefix) in [
        (Dtype::F32, "mean_tokens", "gelu", ""),
        (Dtype::F16, "cls_token", "gelu", "bert."),
        (Dtype::Bf16, "max_tokens", "relu", ""),
        (Dtype::F32, "mean_sqrt_len_tokens", "gelu_new", "bert."),
        (Dtype::F32, "mean_tokens", "silu", ""),
    ] {
        let tiny = TinyModel::new(dtype, pooling, activation);
        tiny.write(folder.path(), prefix);
        for tier in tiers() {
            for threads in [1, 2] {
                let mut engine = load(folder.path(), tier, threads).unwrap();
                let embeddings = engine.embed(&TEXTS, &mut Stages::new()).unwrap();
                for (text, row) in TEXTS.iter().zip(embeddings.rows()) {
                    let far = far(row, &tiny.embed(text));
                    assert!(far < 1e-5, "{dtype:?} {pooling} {activation} {tier} {text:?}: {far}");
                }
            }
        }
    }
}

#[test]
fn every_family_gives_what_the_plain_forward_pass_gives() {
    let folder = tempfile::tempdir().unwrap();
    let long = "red green blue unknown ".repeat(5);
    for (family, activation, prefix) in [
        (Family::Bert, "gelu", "bert."),
        (Family::Roberta, "gelu", "roberta."),
        (Family::DistilBert, "gelu", "distilbert."),
        (Family::DistilBert, "relu", ""),
        (Family::Mpnet, "gelu", "mpnet."),
        (Family::Mpnet, "gelu", ""),
    ] {
        let tiny = TinyModel::of(family, Dtype::F32, "mean_tokens", activation);
        tiny.write(folder.path(), prefix);
        let model = ModelSource::Folder(folder.path().to_owned()).load().unwrap();
        for tier in tiers() {
            let mut engine = load(folder.path(), tier, 2).unwrap();
            for text in TEXTS.iter().copied().chain([&*long]) {
                let want = tiny.embed(text);
                let embeddings = engine.embed(&[text], &mut Stages::new()).unwrap();
                let far = far(&embeddings.values, &want);
                assert!(far < 1e-5, "{family:?} {tier} {text:?}: {far}");
                let ids = model.tokenizer.ids(text).unwrap();
                let ours = perfkit::engines::reference::embed(&model, &ids).unwrap();
                let far = ours.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(far < 1e-9, "{family:?} {text:?}: our own reference is {far} off");
            }
        }
    }
}

#[test]
fn an_engine_that_reads_the_weights_means_the_same_on_bert_and_names_what_it_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let candle = peer_engine("candle").unwrap();
    for (family, activation, prefix, refused) in [
        (Family::Bert, "gelu", "bert.", None),
        (Family::Bert, "gelu_new", "", None),
        (Family::Bert, "relu", "", None),
        (Family::Bert, "silu", "", Some("SiLU")),
        (Family::Roberta, "gelu", "roberta.", Some("RoBERTa")),
        (Family::DistilBert, "gelu", "", Some("DistilBERT")),
        (Family::Mpnet, "gelu", "mpnet.", Some("MPNet")),
    ] {
        let tiny = TinyModel::of(family, Dtype::F32, "mean_tokens", activation);
        tiny.write(folder.path(), prefix);
        let model = Arc::new(ModelSource::Folder(folder.path().to_owned()).load().unwrap());
        for (precision, refused) in [(Precision::F32, refused), (Precision::Bf16, refused.or(Some("bf16")))] {
            let wanted = Wanted {
                model: &model,
                precision,
                folder: None,
                beside: None,
                named: None,
                fixed: None,
                order: Order::Sorted,
                most: 4,
            };
            let refused =
                if cfg!(feature = "engine-candle") { refused } else { Some("--features engine-candle") };
            match (candle.open(&wanted, Team::single()), refused) {
                (Ok(mut opened), None) => {
                    let embeddings = opened.engine.embed(&TEXTS, &mut Stages::new()).unwrap();
                    for (text, row) in TEXTS.iter().zip(embeddings.rows()) {
                        let far = far(row, &tiny.embed(text));
                        assert!(far < 1e-5, "{activation} {prefix:?} {text:?}: {far}");
                    }
                }
                (Err(EngineError::Unavailable(why)), Some(words)) => assert!(why.contains(words), "{why}"),
                (other, refused) => {
                    let error = other.err().map(|error| error.to_string());
                    panic!("{family:?} {activation} {precision}: {error:?}, and {refused:?} was expected");
                }
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Vectors {
    items: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    ids: Vec<u32>,
    embedding: Vec<f64>,
}

#[test]
fn every_family_gives_what_transformers_gives() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/architectures");
    for family in ["bert", "roberta", "xlm-roberta", "distilbert", "mpnet"] {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(data.join(family)).unwrap().flatten() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let put = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        put("tokenizer.json", tiny_model::tokenizer());
        let modules = r#"[{"path": "", "type": "a.Transformer"}, {"path": "2", "type": "a.Normalize"}]"#;
        put("modules.json", modules.to_owned());
        let vectors = std::fs::read_to_string(data.join(family).join("vectors.json")).unwrap();
        let vectors: Vectors = serde_json::from_str(&vectors).unwrap();
        let ids: Vec<Vec<u32>> = vectors.items.iter().map(|item| item.ids.clone()).collect();
        for tier in tiers() {
            let mut engine = load(folder.path(), tier, 1).unwrap();
            let embeddings = engine.embed_ids(&ids, &mut Stages::new()).unwrap();
            for (item, row) in vectors.items.iter().zip(embeddings.rows()) {
                let far = far(row, &item.embedding);
                assert!(far < 2e-6, "{family} {tier} {:?}: {far}", item.ids);
            }
        }
    }
}

#[test]
fn weights_in_parts_are_found_by_their_index_and_what_is_wrong_with_it_is_said() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/architectures/xlm-roberta");
    let index = std::fs::read_to_string(data.join("model.safetensors.index.json")).unwrap();
    let attempt = |index: &str, leave_out: &str| {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&data).unwrap().flatten() {
            if entry.file_name() != leave_out {
                std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
            }
        }
        std::fs::write(folder.path().join("tokenizer.json"), tiny_model::tokenizer()).unwrap();
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        load(folder.path(), Tier::Baseline, 1).map(|_| ()).map_err(|error| error.to_string())
    };
    attempt(&index, "").unwrap();
    let parts = std::fs::read_dir(&data).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    let part = parts.into_iter().find(|name| name.contains("-of-")).unwrap();
    for (error, words) in [
        (attempt(&index, &part), [&*part, "missing"]),
        (attempt("{}", ""), ["index.json", "again"]),
        (attempt(r#"{"weight_map": {}}"#, ""), ["index.json", "names no file"]),
        (attempt(r#"{"weight_map": {"x": "../x.safetensors"}}"#, ""), ["index.json", "beside it"]),
        (attempt(&format!(r#"{{"weight_map": {{"x": "{part}"}}}}"#), ""), ["index.json", "no tensor"]),
    ] {
        let error = error.unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn every_precision_stays_near_single_precision_on_every_tier_and_thread_count() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = TinyModel::new(Dtype::F32, "mean_tokens", "gelu");
    tiny.write(folder.path(), "");
    let model = Arc::new(ModelSource::Folder(folder.path().to_owned()).load().unwrap());
    for (precision, least) in [(Precision::F16, 0.99999), (Precision::Bf16, 0.9995), (Precision::Int8, 0.997)]
    {
        for tier in precision.tiers().iter().copied().filter(|tier| tier.is_available()) {
            let encoder = Arc::new(Encoder::pack_as(model.clone(), precision, tier).unwrap());
            let mut alone = Vec::new();
            for threads in [1, 2] {
                let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                let mut engine = NativeEngine::new(encoder.clone(), team);
                let embeddings = engine.embed(&TEXTS, &mut Stages::new()).unwrap();
                for (text, row) in TEXTS.iter().zip(embeddings.rows()) {
                    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
                    let want: Vec<f32> = tiny.embed(text).into_iter().map(|x| x as f32).collect();
                    let cosine = cosine(row, &want);
                    assert!(cosine >= least, "{precision} {tier} {text:?}: {cosine}");
                }
                if threads == 1 {
                    for text in TEXTS {
                        alone.extend(engine.embed(&[text], &mut Stages::new()).unwrap().values);
                    }
                }
                assert_eq!(embeddings.values, alone, "{precision} {tier}: a row depends on its neighbours");
            }
        }
    }
}

#[test]
fn packed_weights_are_kept_read_back_and_made_again_where_they_are_damaged() {
    for precision in Precision::all() {
        if let Some(tier) = precision.best_tier() {
            packed_weights_of(precision, tier);
        }
    }
}

fn packed_weights_of(precision: Precision, tier: Tier) {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
    let settings = Settings { precision, tier: Some(tier), cache: Some(cache.path().join("packed")) };
    let embed = || {
        let model = Arc::new(ModelSource::Folder(folder.path().to_owned()).load().unwrap());
        let encoder = Arc::new(Encoder::open(model, &settings).unwrap());
        NativeEngine::new(encoder, Team::single()).embed(&TEXTS, &mut Stages::new()).unwrap().values
    };
    let files = || -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(cache.path().join("packed")).unwrap().flatten().map(|e| e.path());
        // Beside the packed weights there may be the hash of files that nobody changed for a while.
        let packed = |path: &std::path::PathBuf| !path.to_string_lossy().contains("weights-");
        let mut files: Vec<_> = all.filter(packed).collect();
        files.sort();
        files
    };
    let want = embed();
    let [file] = &files()[..] else { panic!("{:?}", files()) };
    let whole = std::fs::read(file).unwrap();
    assert_eq!(embed(), want, "read back");
    // Not packed again: a file that is whole is left alone, and what it says is what runs.
    let written = std::fs::metadata(file).unwrap().modified().unwrap();
    assert_eq!((embed(), std::fs::metadata(file).unwrap().modified().unwrap()), (want.clone(), written));
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    let longer = [&whole[..], &[0]].concat();
    for damaged in [
        Vec::new(),
        whole[..10].to_vec(),
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        longer,
        flipped(0),
        flipped(17),
        flipped(30),
        flipped(whole.len() - 1),
    ] {
        std::fs::write(file, &damaged).unwrap();
        assert_eq!(embed(), want, "{} bytes", damaged.len());
        assert_eq!(std::fs::read(file).unwrap(), whole, "made again");
    }
    // Several at once, on an empty cache.
    std::fs::remove_file(file).unwrap();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(embed)).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap() == want));
    });
    assert_eq!(files(), std::slice::from_ref(file), "nothing else is left behind");
    assert_eq!(std::fs::read(file).unwrap(), whole);
    // Other weights have a file of their own.
    TinyModel::new(Dtype::Bf16, "mean_tokens", "gelu").write(folder.path(), "");
    assert_ne!(embed(), want);
    assert_eq!(files().len(), 2);
    // A cache that cannot be written is none.
    let blocked = Settings { cache: Some(file.join("below a file")), ..settings.clone() };
    let model = Arc::new(ModelSource::Folder(folder.path().to_owned()).load().unwrap());
    assert!(Encoder::open(model, &blocked).is_ok());
}

#[test]
fn fewer_dimensions_are_the_first_ones_scaled_to_unit_length() {
    let folder = tempfile::tempdir().unwrap();
    TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
    let source = ModelSource::Folder(folder.path().to_owned());
    let whole = load(folder.path(), Tier::best_f32(), 1).unwrap().embed(&TEXTS, &mut Stages::new()).unwrap();
    let model = source.load().unwrap().truncated(NonZeroUsize::new(5).unwrap()).unwrap();
    let ids = model.tokenizer.ids(TEXTS[0]).unwrap();
    let exact = perfkit::engines::reference::embed(&model, &ids).unwrap();
    let encoder = Encoder::pack(Arc::new(model), Tier::best_f32()).unwrap();
    let mut engine = NativeEngine::new(Arc::new(encoder), Team::single());
    let short = engine.embed(&TEXTS, &mut Stages::new()).unwrap();
    assert_eq!((short.dimensions, engine.dimensions(), exact.len()), (5, 5, 5));
    assert!(far(short.rows().next().unwrap(), &exact) < 1e-5);
    for (short, whole) in short.rows().zip(whole.rows()) {
        let length = whole[..5].iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!(short.iter().zip(whole).all(|(a, b)| (a - b / length).abs() < 1e-5));
    }
    assert!(source.load().unwrap().truncated(NonZeroUsize::new(17).unwrap()).is_err());
    let same = source.load().unwrap().truncated(NonZeroUsize::new(16).unwrap()).unwrap();
    assert_eq!(same.dimensions, None);
}

#[test]
fn a_prompt_stands_in_front_of_every_text() {
    let folder = tempfile::tempdir().unwrap();
    TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
    let put = |text: &str| {
        std::fs::write(folder.path().join("config_sentence_transformers.json"), text).unwrap();
    };
    put(r#"{"prompts": {"query": "red! ", "title": "blue "}, "default_prompt_name": "title"}"#);
    let source = ModelSource::Folder(folder.path().to_owned());
    let ids = |text: &str| source.load().unwrap().prompted("query").unwrap().tokenizer.ids(text).unwrap();
    assert_eq!(ids("green"), [2, 5, 9, 6, 3]);
    assert_eq!(source.load().unwrap().tokenizer.ids("green").unwrap(), [2, 7, 6, 3]);
    let error = source.load().unwrap().prompted("nosuch").unwrap_err().to_string();
    assert!(error.contains("nosuch") && error.contains("query, title"), "{error}");
    put(r#"{"prompts": {}, "default_prompt_name": "gone"}"#);
    let error = source.load().unwrap_err().to_string();
    assert!(error.contains("config_sentence_transformers.json") && error.contains("gone"), "{error}");
}

#[test]
fn an_embedding_depends_on_no_other_text_of_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
    let mut engine = load(folder.path(), Tier::best_f32(), 2).unwrap();
    let alone: BTreeMap<&str, Vec<f32>> = TEXTS
        .iter()
        .map(|text| (*text, engine.embed(&[*text], &mut Stages::new()).unwrap().values))
        .collect();
    let mut rng = Rng::new(11);
    for _ in 0..20 {
        let batch: Vec<&str> = (0..rng.below(700)).map(|_| TEXTS[rng.below(TEXTS.len())]).collect();
        let embeddings = engine.embed(&batch, &mut Stages::new()).unwrap();
        for (text, row) in batch.iter().zip(embeddings.rows()) {
            let far = row.iter().zip(&alone[text]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far <= 1e-6, "{text:?} in a batch of {}: {far}", batch.len());
        }
    }
}

#[test]
fn texts_are_cut_at_the_length_of_the_sentence_config() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = TinyModel::new(Dtype::F32, "mean_tokens", "gelu");
    tiny.write(folder.path(), "");
    std::fs::write(folder.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 4}"#).unwrap();
    let mut engine = load(folder.path(), Tier::best_f32(), 1).unwrap();
    let embeddings = engine.embed(&["red green blue red", "red green"], &mut Stages::new()).unwrap();
    assert_eq!(embeddings.tokens, 8);
    let rows: Vec<&[f32]> = embeddings.rows().collect();
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn stages_lie_inside_the_total() {
    let mut engine = builtin_engine();
    let mut stages = Stages::new();
    engine.embed(&["some text", "and some more of it"], &mut stages).unwrap();
    let names: Vec<&str> = stages.seconds().map(|(name, _)| name).collect();
    assert_eq!(names, ["tokenize", "prepare", "encode", "pool", "normalize"]);
    assert!(stages.seconds().map(|(_, seconds)| seconds).sum::<f64>() <= stages.total_seconds());
}

fn builtin_engine() -> NativeEngine {
    let model = Arc::new(builtin::model(builtin::Preset::Tiny).unwrap());
    NativeEngine::new(Arc::new(Encoder::pack(model, Tier::best_f32()).unwrap()), Team::single())
}

#[test]
fn no_intermediate_of_a_built_in_model_is_denormal_infinite_or_not_a_number() {
    for preset in [builtin::Preset::Tiny, builtin::Preset::MinilmL6] {
        let model = Arc::new(builtin::model(preset).unwrap());
        let ids = ["a short text", "", "a somewhat longer text, with more words and signs: 1, 2, 3!"]
            .map(|text| model.tokenizer.ids(text).unwrap());
        let encoder = Arc::new(Encoder::pack(model, Tier::best_f32()).unwrap());
        let mut bad = Vec::new();
        let mut seen = 0;
        NativeEngine::new(encoder, Team::single())
            .embed_probed(&ids, &mut Stages::new(), &mut |layer, place, numbers| {
                seen += 1;
                let count = numbers.iter().filter(|x| !(x.is_normal() || **x == 0.0)).count();
                if count > 0 {
                    bad.push(format!("layer {layer}, {place:?}: {count} of {}", numbers.len()));
                }
            })
            .unwrap();
        assert!(seen > 5 * preset.architecture().layers, "every layer was looked into");
        assert!(bad.is_empty(), "{preset:?}: {}", bad.join("\n"));
    }
}

#[test]
fn ids_beyond_the_table_and_texts_beyond_the_positions_are_errors() {
    let mut engine = builtin_engine();
    for ids in [vec![40_000], vec![5; 513]] {
        let error = engine.embed_ids(&[ids], &mut Stages::new()).unwrap_err();
        assert!(matches!(error, EngineError::Input(_)), "{error}");
    }
    let empty = engine.embed_ids(&[vec![]], &mut Stages::new()).unwrap();
    assert!(empty.values.iter().all(|x| *x == 0.0), "a text without tokens has the zero vector");
    assert!(engine.embed(&[], &mut Stages::new()).unwrap().values.is_empty());
}

/// One way to damage a model folder.
struct Damage {
    file: &'static str,
    /// Words that the message must hold, besides the file's name.
    says: &'static [&'static str],
    harm: fn(Vec<u8>) -> Option<Vec<u8>>,
}

fn config(name: &str, value: serde_json::Value) -> impl Fn(Vec<u8>) -> Option<Vec<u8>> {
    move |bytes| {
        let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        json[name] = value.clone();
        Some(json.to_string().into_bytes())
    }
}

#[test]
fn a_damaged_folder_is_one_clear_line_naming_the_file_and_the_remedy() {
    let damages = [
        Damage { file: "config.json", says: &["missing"], harm: |_| None },
        Damage { file: "config.json", says: &["JSON", "again"], harm: |_| Some(Vec::new()) },
        Damage { file: "config.json", says: &["JSON"], harm: |b| Some(b[..b.len() / 2].to_vec()) },
        Damage { file: "config.json", says: &["JSON"], harm: |_| Some(b"[1, 2]".to_vec()) },
        Damage {
            file: "config.json",
            says: &["num_attention_heads"],
            harm: |b| config("num_attention_heads", 0.into())(b),
        },
        Damage {
            file: "config.json",
            says: &["divisible"],
            harm: |b| config("num_attention_heads", 3.into())(b),
        },
        Damage {
            file: "config.json",
            says: &["hidden_size"],
            harm: |b| config("hidden_size", (1_u64 << 60).into())(b),
        },
        Damage {
            file: "config.json",
            says: &["architecture", "gpt2"],
            harm: |b| config("model_type", "gpt2".into())(b),
        },
        Damage { file: "tokenizer.json", says: &["missing"], harm: |_| None },
        Damage { file: "tokenizer.json", says: &["tokenizer", "again"], harm: |_| Some(b"{}".to_vec()) },
        Damage { file: "tokenizer.json", says: &["tokenizer"], harm: |b| Some(b[..b.len() / 2].to_vec()) },
        Damage {
            file: "modules.json",
            says: &["Dense"],
            harm: |_| Some(br#"[{"type": "a.Dense", "path": ""}]"#.to_vec()),
        },
        Damage {
            file: "modules.json",
            says: &["leaves"],
            harm: |_| Some(br#"[{"type": "Transformer", "path": "../x"}]"#.to_vec()),
        },
        Damage { file: "1_Pooling/config.json", says: &["missing"], harm: |_| None },
        Damage { file: "1_Pooling/config.json", says: &["one of mean"], harm: |_| Some(b"{}".to_vec()) },
        Damage { file: "model.safetensors", says: &["missing"], harm: |_| None },
        Damage { file: "model.safetensors", says: &["safetensors", "again"], harm: |_| Some(Vec::new()) },
        Damage {
            file: "model.safetensors",
            says: &["safetensors"],
            harm: |b| Some(b[..b.len() - 5].to_vec()),
        },
        Damage { file: "model.safetensors", says: &["safetensors"], harm: |b| Some(b[..20].to_vec()) },
        Damage {
            file: "model.safetensors",
            says: &["safetensors"],
            harm: |b| Some([&[0xFF; 8], &b[8..]].concat()),
        },
        // The header's first length grows by one: the tensors no longer fill the file as it says.
        Damage {
            file: "model.safetensors",
            says: &["safetensors"],
            harm: |b| Some([&[b[0] ^ 1], &b[1..]].concat()),
        },
        Damage { file: "model.safetensors", says: &["no tensor"], harm: |b| renamed(&b, "query", "quarx") },
        Damage {
            file: "model.safetensors",
            says: &["I32", "f32"],
            harm: |b| renamed(&b, "\"F32\"", "\"I32\""),
        },
        Damage { file: "model.safetensors", says: &["damaged"], harm: not_a_number },
    ];
    for damage in damages {
        let folder = tempfile::tempdir().unwrap();
        TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
        let path = folder.path().join(damage.file);
        match (damage.harm)(std::fs::read(&path).unwrap()) {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let error = load(folder.path(), Tier::Baseline, 1).map(|_| ()).expect_err(damage.file).to_string();
        let words = damage.says.iter().chain([&damage.file]);
        let absent: Vec<_> = words.filter(|word| !error.contains(**word)).collect();
        assert!(absent.is_empty() && !error.contains('\n'), "{}: {error:?} lacks {absent:?}", damage.file);
    }
}

/// The file with a word of its header changed to another of the same length.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let changed = std::str::from_utf8(&bytes[8..header]).unwrap().replace(from, to);
    Some([&bytes[..8], changed.as_bytes(), &bytes[header..]].concat())
}

fn not_a_number(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let start = bytes.len() - 64 * 4;
    for four in bytes[start..].chunks_exact_mut(4) {
        four.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    Some(bytes)
}

#[test]
fn a_tokenizer_of_another_model_is_an_error_when_its_ids_have_no_row() {
    let folder = tempfile::tempdir().unwrap();
    TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
    let path = folder.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"blue\":7", "\"blue\":70000")).unwrap();
    let mut engine = load(folder.path(), Tier::Baseline, 1).unwrap();
    let error = engine.embed(&["blue"], &mut Stages::new()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("70000"), "{error}");
}

mod hub {
    use super::*;
    use std::collections::HashMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// How the server answers.
    #[derive(Clone, Copy, PartialEq)]
    enum Manner {
        Honest,
        /// Closes the connection before the weights are all sent.
        Truncates,
        /// Says 401 to everything.
        Denies,
    }

    /// A hub on loopback that serves files by name, as the real one does: `GET` with a range, `etag`, `x-repo-commit`.
    struct Server {
        endpoint: String,
        requests: Arc<AtomicUsize>,
        tokens: Arc<Mutex<Vec<String>>>,
    }

    impl Server {
        fn start(files: HashMap<String, Vec<u8>>, manner: Manner) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let requests = Arc::new(AtomicUsize::new(0));
            let tokens = Arc::new(Mutex::new(Vec::new()));
            let (count, seen) = (requests.clone(), tokens.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = answer(stream, &files, manner, &seen);
                }
            });
            Self { endpoint, requests, tokens }
        }
    }

    /// Answers one request and closes the connection.
    fn answer(
        mut stream: TcpStream,
        files: &HashMap<String, Vec<u8>>,
        manner: Manner,
        tokens: &Mutex<Vec<String>>,
    ) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut range = None;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            let (name, value) = line.trim().split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "range" => range = value.strip_prefix("bytes=").map(str::to_owned),
                "authorization" => tokens.lock().unwrap().push(value.to_owned()),
                _ => {}
            }
        }
        if manner == Manner::Denies {
            return stream
                .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        let path = first.split(' ').nth(1).unwrap_or_default();
        let Some(bytes) = path.strip_prefix("/org/tiny/resolve/main/").and_then(|name| files.get(name))
        else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        };
        let range = range.unwrap_or_else(|| "0-".to_owned());
        let (start, end) = range.split_once('-').unwrap_or(("0", ""));
        let start: usize = start.parse().unwrap_or(0);
        let end = end.parse().map_or(bytes.len(), |end: usize| (end + 1).min(bytes.len()));
        let part = &bytes[start.min(end)..end];
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\netag: \"{:x}\"\r\nx-repo-commit: c0ffee\r\ncontent-range: bytes {start}-{}/{}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            bytes.len() + path.len() * 1_000_000,
            end.max(1) - 1,
            bytes.len(),
            part.len()
        );
        stream.write_all(head.as_bytes())?;
        let cut = manner == Manner::Truncates && path.ends_with(".safetensors") && part.len() > 1;
        stream.write_all(if cut { &part[..part.len() / 2] } else { part })
    }

    fn files(folder: &Path, names: &[&str]) -> HashMap<String, Vec<u8>> {
        names.iter().map(|name| ((*name).to_owned(), std::fs::read(folder.join(name)).unwrap())).collect()
    }

    const ALL: [&str; 5] =
        ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", "model.safetensors"];

    fn hub(server: &Server, cache: &Path) -> Hub {
        Hub {
            cache: cache.join("hub"),
            endpoint: server.endpoint.clone(),
            token: Some("secret".to_owned()),
            offline: false,
        }
    }

    #[test]
    fn a_model_is_fetched_once_and_then_found_offline() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
        let server = Server::start(files(folder.path(), &ALL), Manner::Honest);
        let hub = hub(&server, cache.path());
        let fetched = hub.fetch("org/tiny", &mut Quiet).unwrap();
        for name in ALL {
            assert_eq!(
                std::fs::read(fetched.join(name)).unwrap(),
                std::fs::read(folder.path().join(name)).unwrap()
            );
        }
        assert!(server.tokens.lock().unwrap().iter().all(|token| token == "Bearer secret"));
        assert!(!server.tokens.lock().unwrap().is_empty());
        load(&fetched, Tier::Baseline, 1).unwrap().embed(&["red"], &mut Stages::new()).unwrap();
        let requests = server.requests.load(Ordering::SeqCst);
        assert_eq!(hub.fetch("org/tiny", &mut Quiet).unwrap(), fetched);
        assert_eq!(server.requests.load(Ordering::SeqCst), requests, "the second time asks nobody");
        let offline = Hub { offline: true, endpoint: "http://127.0.0.1:1".to_owned(), ..hub.clone() };
        assert_eq!(offline.fetch("org/tiny", &mut Quiet).unwrap(), fetched);
        assert_eq!(offline.list(), ["org/tiny"]);
        assert!(offline.remove("org/tiny").unwrap() && !offline.remove("org/tiny").unwrap());
        let error = offline.fetch("org/tiny", &mut Quiet).unwrap_err().to_string();
        assert!(error.contains("HF_HUB_OFFLINE") && error.contains("org/tiny"), "{error}");
    }

    #[test]
    fn what_the_server_does_not_give_is_a_clear_error_and_leaves_no_model() {
        let folder = tempfile::tempdir().unwrap();
        TinyModel::new(Dtype::F32, "mean_tokens", "gelu").write(folder.path(), "");
        for (names, manner, words) in [
            (&ALL[..], Manner::Truncates, &["model.safetensors"][..]),
            (&ALL[..], Manner::Denies, &["HF_TOKEN", "config.json"]),
            (&ALL[..4], Manner::Honest, &["model.safetensors", "no such file"]),
            (&[], Manner::Honest, &["config.json", "check the model's name"]),
        ] {
            let cache = tempfile::tempdir().unwrap();
            let server = Server::start(files(folder.path(), names), manner);
            let hub = hub(&server, cache.path());
            let error = hub.fetch("org/tiny", &mut Quiet).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains('\n') && !hub.holds("org/tiny"), "{error}");
        }
        let closed = Hub {
            endpoint: "http://127.0.0.1:1".to_owned(),
            cache: folder.path().join("empty"),
            token: None,
            offline: false,
        };
        let error = closed.fetch("org/tiny", &mut Quiet).unwrap_err().to_string();
        assert!(error.contains("HF_ENDPOINT"), "{error}");
    }
}
