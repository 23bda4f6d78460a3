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

/// The families that share BERT's layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Family {
    Bert,
    Roberta,
    DistilBert,
    Mpnet,
}

/// Buckets of MPNet's relative positions here: with so few, some are shared by several distances.
const BUCKETS: usize = 8;

/// The number type of the stored weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

/// The model: tensors as they come back from the file, by name.
pub(crate) struct TinyModel {
    family: Family,
    dtype: Dtype,
    pooling: &'static str,
    activation: &'static str,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl TinyModel {
    /// Random weights that the number type holds exactly.
    pub(crate) fn new(dtype: Dtype, pooling: &'static str, activation: &'static str) -> Self {
        Self::of(Family::Bert, dtype, pooling, activation)
    }

    /// The same of another family.
    pub(crate) fn of(family: Family, dtype: Dtype, pooling: &'static str, activation: &'static str) -> Self {
        let mut model = Self { family, dtype, pooling, activation, tensors: BTreeMap::new() };
        let mut rng = Rng::new(5);
        let mut add = |name: &str, shape: &[usize]| {
            let len = shape.iter().product();
            let values = (0..len).map(|_| dtype.round(rng.uniform_f32(-0.5, 0.5))).collect();
            model.tensors.insert(name.to_owned(), (shape.to_vec(), values));
        };
        add("embeddings.word_embeddings.weight", &[WORDS.len(), WIDTH]);
        add("embeddings.position_embeddings.weight", &[POSITIONS, WIDTH]);
        match family {
            Family::Bert => add("embeddings.token_type_embeddings.weight", &[2, WIDTH]),
            Family::Roberta => add("embeddings.token_type_embeddings.weight", &[1, WIDTH]),
            Family::Mpnet => add("encoder.relative_attention_bias.weight", &[BUCKETS, HEADS]),
            Family::DistilBert => {}
        }
        add("embeddings.LayerNorm.weight", &[WIDTH]);
        add("embeddings.LayerNorm.bias", &[WIDTH]);
        for layer in 0..LAYERS {
            let names = family.layer(layer);
            for (part, outputs, inputs) in [
                (0, WIDTH, WIDTH),
                (1, WIDTH, WIDTH),
                (2, WIDTH, WIDTH),
                (3, WIDTH, WIDTH),
                (5, WIDE, WIDTH),
                (6, WIDTH, WIDE),
            ] {
                add(&format!("{}.weight", names[part]), &[outputs, inputs]);
                add(&format!("{}.bias", names[part]), &[outputs]);
            }
            for part in [4, 7] {
                add(&format!("{}.weight", names[part]), &[WIDTH]);
                add(&format!("{}.bias", names[part]), &[WIDTH]);
            }
        }
        model
    }

    /// Writes the folder; `prefix` goes in front of every tensor's name.
    pub(crate) fn write(&self, folder: &Path, prefix: &str) {
        let put = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
        std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
        put("config.json", self.config().to_string());
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

    fn config(&self) -> serde_json::Value {
        let mut config = match self.family {
            Family::DistilBert => serde_json::json!({
                "model_type": "distilbert", "dim": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": WIDE,
                "activation": self.activation,
            }),
            Family::Bert | Family::Roberta | Family::Mpnet => serde_json::json!({
                "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
                "intermediate_size": WIDE, "layer_norm_eps": EPSILON, "hidden_act": self.activation,
            }),
        };
        config["vocab_size"] = WORDS.len().into();
        config["max_position_embeddings"] = POSITIONS.into();
        match self.family {
            Family::Bert => {
                config["model_type"] = "bert".into();
                config["type_vocab_size"] = 2.into();
            }
            Family::Roberta => {
                config["model_type"] = "xlm-roberta".into();
                config["type_vocab_size"] = 1.into();
                config["pad_token_id"] = 1.into();
            }
            Family::Mpnet => {
                config["model_type"] = "mpnet".into();
                config["relative_attention_num_buckets"] = BUCKETS.into();
            }
            Family::DistilBert => {}
        }
        config
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
            .zip(self.positions(&ids))
            .map(|(&id, position)| {
                let row = |table: &str, row: usize| {
                    self.tensor(&format!("embeddings.{table}"))[row * WIDTH..][..WIDTH].to_vec()
                };
                let (word, place) =
                    (row("word_embeddings.weight", id), row("position_embeddings.weight", position));
                let kind = match self.family {
                    Family::Bert | Family::Roberta => row("token_type_embeddings.weight", 0),
                    Family::DistilBert | Family::Mpnet => vec![0.0; WIDTH],
                };
                let sum: Vec<f64> = (0..WIDTH).map(|i| word[i] + place[i] + kind[i]).collect();
                self.norm("embeddings.LayerNorm", &sum)
            })
            .collect();
        for layer in 0..LAYERS {
            hidden = self.layer(&self.family.layer(layer), &hidden);
        }
        let pooled = self.pool(&hidden);
        let length = pooled.iter().map(|x| x * x).sum::<f64>().sqrt();
        pooled.iter().map(|x| x / length).collect()
    }

    /// RoBERTa counts from behind the padding's id, 1, and a token with that id has its place.
    fn positions(&self, ids: &[usize]) -> Vec<usize> {
        match self.family {
            Family::Bert | Family::DistilBert => (0..ids.len()).collect(),
            Family::Roberta | Family::Mpnet => {
                let before = |i: usize| ids[..=i].iter().filter(|&&id| id != 1).count();
                (0..ids.len()).map(|i| if ids[i] == 1 { 1 } else { 1 + before(i) }).collect()
            }
        }
    }

    fn layer(&self, names: &[String; 8], hidden: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let all = |part: usize, rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
            rows.iter().map(|row| self.linear(&names[part], row)).collect()
        };
        let (query, key, value) = (all(0, hidden), all(1, hidden), all(2, hidden));
        let each = WIDTH / HEADS;
        let mut context = vec![vec![0.0; WIDTH]; hidden.len()];
        for head in 0..HEADS {
            let columns = head * each..(head + 1) * each;
            for (token, query) in query.iter().enumerate() {
                let scores: Vec<f64> = key
                    .iter()
                    .map(|key| columns.clone().map(|i| query[i] * key[i]).sum::<f64>() / (each as f64).sqrt())
                    .enumerate()
                    .map(|(other, score)| (score + self.relative(head, token, other)).exp())
                    .collect();
                let total: f64 = scores.iter().sum();
                for i in columns.clone() {
                    context[token][i] = scores.iter().zip(&value).map(|(s, v)| s / total * v[i]).sum();
                }
            }
        }
        let projected = all(3, &context);
        let add = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
        let attended: Vec<Vec<f64>> =
            projected.iter().zip(hidden).map(|(a, b)| self.norm(&names[4], &add(a, b))).collect();
        let mut inner = all(5, &attended);
        inner.iter_mut().flatten().for_each(|x| *x = activate(self.activation, *x));
        let projected = all(6, &inner);
        projected.iter().zip(&attended).map(|(a, b)| self.norm(&names[7], &add(a, b))).collect()
    }

    /// MPNet's bias: of eight buckets, four are for keys after the query; of four, two are for distances 0 and 1, and of
    /// the others the first ends at 2 (128 / 2)^(1/2) = 16.
    fn relative(&self, head: usize, token: usize, other: usize) -> f64 {
        if self.family != Family::Mpnet {
            return 0.0;
        }
        let bucket = match token.abs_diff(other) {
            near @ 0..=1 => near,
            2..=15 => 2,
            _ => 3,
        };
        let bucket = if other > token { 4 + bucket } else { bucket };
        self.tensor("encoder.relative_attention_bias.weight")[bucket * HEADS + head]
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

impl Family {
    /// Query, key, value, output and norm of attention; up, down and norm of feed-forward.
    fn layer(self, index: usize) -> [String; 8] {
        let parts = match self {
            Self::Bert | Self::Roberta => [
                "encoder.layer.#.attention.self.query",
                "encoder.layer.#.attention.self.key",
                "encoder.layer.#.attention.self.value",
                "encoder.layer.#.attention.output.dense",
                "encoder.layer.#.attention.output.LayerNorm",
                "encoder.layer.#.intermediate.dense",
                "encoder.layer.#.output.dense",
                "encoder.layer.#.output.LayerNorm",
            ],
            Self::Mpnet => [
                "encoder.layer.#.attention.attn.q",
                "encoder.layer.#.attention.attn.k",
                "encoder.layer.#.attention.attn.v",
                "encoder.layer.#.attention.attn.o",
                "encoder.layer.#.attention.LayerNorm",
                "encoder.layer.#.intermediate.dense",
                "encoder.layer.#.output.dense",
                "encoder.layer.#.output.LayerNorm",
            ],
            Self::DistilBert => [
                "transformer.layer.#.attention.q_lin",
                "transformer.layer.#.attention.k_lin",
                "transformer.layer.#.attention.v_lin",
                "transformer.layer.#.attention.out_lin",
                "transformer.layer.#.sa_layer_norm",
                "transformer.layer.#.ffn.lin1",
                "transformer.layer.#.ffn.lin2",
                "transformer.layer.#.output_layer_norm",
            ],
        };
        parts.map(|part| part.replace('#', &index.to_string()))
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
pub(crate) fn tokenizer() -> String {
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
