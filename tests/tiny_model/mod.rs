//! A tiny random BERT in the files of a sentence-transformers folder, and its forward pass in double precision written
//! straight from the formulas, sharing nothing with the program under test.

use std::collections::BTreeMap;
use std::path::Path;

use perfkit::sys::Rng;

const WIDTH: usize = 16;
const HEADS: usize = 2;
const WIDE: usize = 24;
const LAYERS: usize = 2;
const WORDS: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", ",", "!"];
const POSITIONS: usize = 32;
const EPSILON: f64 = 1e-12;

/// The number type of the stored weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

/// The model: tensors as they come back from the file, by name.
pub(crate) struct TinyModel {
    dtype: Dtype,
    pooling: &'static str,
    activation: &'static str,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl TinyModel {
    /// Random weights that the number type holds exactly.
    pub(crate) fn new(dtype: Dtype, pooling: &'static str, activation: &'static str) -> Self {
        let mut model = Self { dtype, pooling, activation, tensors: BTreeMap::new() };
        let mut rng = Rng::new(5);
        let mut add = |name: &str, shape: &[usize]| {
            let len = shape.iter().product();
            let values = (0..len).map(|_| dtype.round(rng.uniform_f32(-0.5, 0.5))).collect();
            model.tensors.insert(name.to_owned(), (shape.to_vec(), values));
        };
        add("embeddings.word_embeddings.weight", &[WORDS.len(), WIDTH]);
        add("embeddings.position_embeddings.weight", &[POSITIONS, WIDTH]);
        add("embeddings.token_type_embeddings.weight", &[2, WIDTH]);
        add("embeddings.LayerNorm.weight", &[WIDTH]);
        add("embeddings.LayerNorm.bias", &[WIDTH]);
        for layer in 0..LAYERS {
            for (part, outputs, inputs) in [
                ("attention.self.query", WIDTH, WIDTH),
                ("attention.self.key", WIDTH, WIDTH),
                ("attention.self.value", WIDTH, WIDTH),
                ("attention.output.dense", WIDTH, WIDTH),
                ("intermediate.dense", WIDE, WIDTH),
                ("output.dense", WIDTH, WIDE),
            ] {
                add(&format!("encoder.layer.{layer}.{part}.weight"), &[outputs, inputs]);
                add(&format!("encoder.layer.{layer}.{part}.bias"), &[outputs]);
            }
            for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
                add(&format!("encoder.layer.{layer}.{part}.weight"), &[WIDTH]);
                add(&format!("encoder.layer.{layer}.{part}.bias"), &[WIDTH]);
            }
        }
        model
    }

    /// Writes the folder; `prefix` goes in front of every tensor's name.
    pub(crate) fn write(&self, folder: &Path, prefix: &str) {
        let put = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
        std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
        put(
            "config.json",
            serde_json::json!({
                "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": WIDTH, "num_hidden_layers": LAYERS,
                "num_attention_heads": HEADS, "intermediate_size": WIDE, "max_position_embeddings": POSITIONS,
                "type_vocab_size": 2, "layer_norm_eps": EPSILON, "hidden_act": self.activation,
            })
            .to_string(),
        );
        put(
            "modules.json",
            r#"[{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#
                .to_owned(),
        );
        put("1_Pooling/config.json", format!("{{\"pooling_mode_{}\": true}}", self.pooling));
        put("tokenizer.json", tokenizer());
        std::fs::write(folder.join("model.safetensors"), self.safetensors(prefix)).unwrap();
    }

    /// The length of the header, the header, the numbers.
    fn safetensors(&self, prefix: &str) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut numbers = Vec::new();
        for (name, (shape, values)) in &self.tensors {
            let start = numbers.len();
            values.iter().for_each(|x| self.dtype.append(*x, &mut numbers));
            let entry = serde_json::json!({
                "dtype": self.dtype.name(), "shape": shape, "data_offsets": [start, numbers.len()],
            });
            header.insert(format!("{prefix}{name}"), entry);
        }
        let header = serde_json::Value::Object(header).to_string().into_bytes();
        [&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat()
    }

    /// The embedding of a text, of unit length.
    pub(crate) fn embed(&self, text: &str) -> Vec<f64> {
        let ids = ids(text);
        let mut hidden: Vec<Vec<f64>> = ids
            .iter()
            .enumerate()
            .map(|(position, &id)| {
                let row = |table: &str, row: usize| {
                    self.tensor(&format!("embeddings.{table}"))[row * WIDTH..][..WIDTH].to_vec()
                };
                let (word, place, kind) = (
                    row("word_embeddings.weight", id),
                    row("position_embeddings.weight", position),
                    row("token_type_embeddings.weight", 0),
                );
                let sum: Vec<f64> = (0..WIDTH).map(|i| word[i] + place[i] + kind[i]).collect();
                self.norm("embeddings.LayerNorm", &sum)
            })
            .collect();
        for layer in 0..LAYERS {
            hidden = self.layer(&format!("encoder.layer.{layer}"), &hidden);
        }
        let pooled = self.pool(&hidden);
        let length = pooled.iter().map(|x| x * x).sum::<f64>().sqrt();
        pooled.iter().map(|x| x / length).collect()
    }

    fn layer(&self, name: &str, hidden: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let all = |part: &str, rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
            rows.iter().map(|row| self.linear(&format!("{name}.{part}"), row)).collect()
        };
        let (query, key, value) = (
            all("attention.self.query", hidden),
            all("attention.self.key", hidden),
            all("attention.self.value", hidden),
        );
        let each = WIDTH / HEADS;
        let mut context = vec![vec![0.0; WIDTH]; hidden.len()];
        for head in 0..HEADS {
            let columns = head * each..(head + 1) * each;
            for (token, query) in query.iter().enumerate() {
                let scores: Vec<f64> = key
                    .iter()
                    .map(|key| columns.clone().map(|i| query[i] * key[i]).sum::<f64>() / (each as f64).sqrt())
                    .map(f64::exp)
                    .collect();
                let total: f64 = scores.iter().sum();
                for i in columns.clone() {
                    context[token][i] = scores.iter().zip(&value).map(|(s, v)| s / total * v[i]).sum();
                }
            }
        }
        let projected = all("attention.output.dense", &context);
        let add = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
        let attended: Vec<Vec<f64>> = projected
            .iter()
            .zip(hidden)
            .map(|(a, b)| self.norm(&format!("{name}.attention.output.LayerNorm"), &add(a, b)))
            .collect();
        let mut inner = all("intermediate.dense", &attended);
        inner.iter_mut().flatten().for_each(|x| *x = activate(self.activation, *x));
        let projected = all("output.dense", &inner);
        let norm = format!("{name}.output.LayerNorm");
        projected.iter().zip(&attended).map(|(a, b)| self.norm(&norm, &add(a, b))).collect()
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        self.tensors[name].1.iter().map(|&x| f64::from(x)).collect()
    }

    fn linear(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let bias = self.tensor(&format!("{name}.bias"));
        let weight = self.tensor(&format!("{name}.weight"));
        let dot = |w: &[f64]| w.iter().zip(row).map(|(a, b)| a * b).sum::<f64>();
        weight.chunks_exact(row.len()).zip(bias).map(|(w, b)| dot(w) + b).collect()
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let (scale, shift) = (self.tensor(&format!("{name}.weight")), self.tensor(&format!("{name}.bias")));
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let deviation = (variance + EPSILON).sqrt();
        (0..row.len()).map(|i| (row[i] - mean) / deviation * scale[i] + shift[i]).collect()
    }

    fn pool(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let column = |i: usize| rows.iter().map(move |row| row[i]);
        let count = rows.len() as f64;
        (0..WIDTH)
            .map(|i| match self.pooling {
                "mean_tokens" => column(i).sum::<f64>() / count,
                "mean_sqrt_len_tokens" => column(i).sum::<f64>() / count.sqrt(),
                "max_tokens" => column(i).fold(f64::NEG_INFINITY, f64::max),
                "cls_token" => rows[0][i],
                other => panic!("{other}"),
            })
            .collect()
    }
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    fn round(self, x: f32) -> f32 {
        match self {
            Self::F32 => x,
            Self::F16 => half::f16::from_f32(x).to_f32(),
            Self::Bf16 => half::bf16::from_f32(x).to_f32(),
        }
    }

    fn append(self, x: f32, out: &mut Vec<u8>) {
        match self {
            Self::F32 => out.extend(x.to_le_bytes()),
            Self::F16 => out.extend(half::f16::from_f32(x).to_le_bytes()),
            Self::Bf16 => out.extend(half::bf16::from_f32(x).to_le_bytes()),
        }
    }
}

fn activate(name: &str, x: f64) -> f64 {
    match name {
        "gelu" => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        "gelu_new" => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        "relu" => x.max(0.0),
        "silu" => x / (1.0 + (-x).exp()),
        other => panic!("{other}"),
    }
}

/// The Maclaurin series, which is good enough for the small arguments here.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// Words and signs by the list above, framed as BERT does.
fn ids(text: &str) -> Vec<usize> {
    let spaced = text.replace(',', " , ").replace('!', " ! ");
    let known = |word: &str| WORDS.iter().position(|w| *w == word).unwrap_or(1);
    [2].into_iter().chain(spaced.split_whitespace().map(known)).chain([3]).collect()
}

/// A word-level `tokenizer.json` as BERT's, with a padding and truncation that must be ignored.
fn tokenizer() -> String {
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special = |id: usize| {
        serde_json::json!({ "id": id, "content": WORDS[id], "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    };
    serde_json::json!({
        "version": "1.0",
        "truncation": { "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
        "padding": { "strategy": { "Fixed": 8 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]" },
        "added_tokens": (0..5).map(special).collect::<Vec<_>>(),
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
                { "SpecialToken": { "id": "[SEP]", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] } } },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary },
    })
    .to_string()
}
