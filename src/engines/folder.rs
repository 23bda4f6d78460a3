//! A sentence-transformers folder: its modules, their settings, and the files that an encoder needs.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::EngineError;
use super::config::{Architecture, shown};
use super::model::{Model, Normalization, Pooling};
use super::prompts::Prompts;
use super::tensors::Safetensors;
use super::tokenizer::TextTokenizer;

/// Settings files beyond this are not read; real ones have a few kilobytes.
const MOST_JSON_BYTES: u64 = 4 << 20;

/// Loads the model in `folder`.
///
/// # Errors
/// A file is missing, unreadable, or not what it should be; the error names it and what to do.
pub(super) fn load(folder: &Path, name: &str) -> Result<Model, EngineError> {
    if !folder.is_dir() {
        return Err(EngineError::model(
            folder,
            "no such folder; give a sentence-transformers folder, a hub id such as org/name, or builtin:minilm-l6",
        ));
    }
    let modules = Modules::read(folder)?;
    let architecture = Architecture::read(&modules.transformer.join("config.json"))?;
    let pooling = match &modules.pooling {
        Some(folder) => read_pooling(&folder.join("config.json"), architecture.hidden)?,
        None => Pooling::Mean,
    };
    let (max_tokens, lowercase) = read_limits(&modules.transformer, architecture.longest_text())?;
    let mut tokenizer =
        TextTokenizer::read(&modules.transformer.join("tokenizer.json"), max_tokens, lowercase)?;
    let prompts = Prompts::read(folder)?;
    tokenizer.set_prefix(prompts.choose(None)?.to_owned());
    let tensors = Safetensors::open(&modules.transformer)?;
    Ok(Model {
        slug: super::model::slug(name),
        architecture,
        tokenizer,
        pooling,
        normalization: modules.normalization,
        dimensions: None,
        prompts,
        tensors: Arc::new(tensors),
        notes: modules.notes,
    })
}

/// Reads a JSON file of a model.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, EngineError> {
    let metadata = std::fs::metadata(path).map_err(|e| EngineError::unreadable(path, &e))?;
    if metadata.len() > MOST_JSON_BYTES {
        return Err(EngineError::model(path, "larger than any settings file; fetch the model again"));
    }
    let bytes = std::fs::read(path).map_err(|e| EngineError::unreadable(path, &e))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| EngineError::model(path, format!("not the JSON wanted ({e}); fetch the model again")))
}

/// Like [`read_json`]; `None` where there is no such file.
pub(super) fn read_optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EngineError> {
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => read_json(path).map(Some),
    }
}

/// The modules of the folder, as far as an encoder has them.
struct Modules {
    transformer: PathBuf,
    pooling: Option<PathBuf>,
    normalization: Normalization,
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct ModuleEntry {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Modules {
    /// By `modules.json`; without one, as sentence-transformers does: mean pooling and nothing after it.
    fn read(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("modules.json");
        let Some(entries) = read_optional::<Vec<ModuleEntry>>(&path)? else {
            let note =
                "the model has no modules.json: mean pooling without normalisation is assumed".to_owned();
            return Ok(Self {
                transformer: folder.to_owned(),
                pooling: None,
                normalization: Normalization::None,
                notes: vec![note],
            });
        };
        let mut transformer = None;
        let mut pooling = None;
        let mut normalization = Normalization::None;
        for entry in entries {
            let place = folder.join(inside(&entry.path).ok_or_else(|| {
                EngineError::model(&path, format!("module path {:?} leaves the folder", shown(&entry.path)))
            })?);
            match entry.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" if transformer.is_none() => transformer = Some(place),
                "Pooling" if pooling.is_none() => pooling = Some(place),
                "Normalize" => normalization = Normalization::UnitLength,
                _ => {
                    return Err(EngineError::model(
                        &path,
                        format!(
                            "module {:?} is not known here; one Transformer, one Pooling and Normalize are",
                            shown(&entry.kind)
                        ),
                    ));
                }
            }
        }
        let transformer =
            transformer.ok_or_else(|| EngineError::model(&path, "it names no Transformer module"))?;
        Ok(Self { transformer, pooling, normalization, notes: Vec::new() })
    }
}

/// The path, if it stays inside the folder that it is relative to.
fn inside(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)).then_some(path)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolingEntry {
    word_embedding_dimension: Option<usize>,
    /// Newer files name the mode in one word.
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

fn read_pooling(path: &Path, hidden: usize) -> Result<Pooling, EngineError> {
    let entry: PoolingEntry = read_json(path)?;
    if entry.word_embedding_dimension.is_some_and(|width| width != hidden) {
        return Err(EngineError::model(
            path,
            format!(
                "word_embedding_dimension is {} and hidden_size {hidden}; fetch the model again",
                entry.word_embedding_dimension.unwrap_or_default()
            ),
        ));
    }
    let named = entry.pooling_mode.as_deref().map(|name| match name {
        "mean" => Some(Pooling::Mean),
        "cls" => Some(Pooling::Cls),
        "max" => Some(Pooling::Max),
        "mean_sqrt_len_tokens" => Some(Pooling::MeanSqrt),
        _ => None,
    });
    let flags = [
        (entry.pooling_mode_mean_tokens, Some(Pooling::Mean)),
        (entry.pooling_mode_cls_token, Some(Pooling::Cls)),
        (entry.pooling_mode_max_tokens, Some(Pooling::Max)),
        (entry.pooling_mode_mean_sqrt_len_tokens, Some(Pooling::MeanSqrt)),
        (entry.pooling_mode_weightedmean_tokens, None),
        (entry.pooling_mode_lasttoken, None),
    ];
    let set: Vec<Option<Pooling>> = flags.iter().filter(|(set, _)| *set).map(|(_, mode)| *mode).collect();
    match (named, set.as_slice()) {
        (Some(Some(mode)), _) => Ok(mode),
        (None, &[Some(mode)]) => Ok(mode),
        _ => Err(EngineError::model(path, "exactly one of mean, cls, max and mean-sqrt pooling must be set")),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentenceEntry {
    max_seq_length: Option<u64>,
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenizerEntry {
    /// Some files hold 1e30 for "none".
    model_max_length: Option<f64>,
}

/// The longest text in tokens and whether to lower it: `max_seq_length` wins; without it the tokenizer's own length;
/// never more than the position table holds.
fn read_limits(folder: &Path, positions: usize) -> Result<(usize, bool), EngineError> {
    let path = folder.join("sentence_bert_config.json");
    let sentence: SentenceEntry = read_optional(&path)?.unwrap_or_default();
    let tokenizer: TokenizerEntry = read_optional(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is clamped below"
    )]
    let own = || tokenizer.model_max_length.filter(|n| *n >= 1.0).map_or(positions, |n| n as usize);
    let asked = match sentence.max_seq_length {
        Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
        None => own(),
    };
    if asked == 0 {
        return Err(EngineError::model(&path, "max_seq_length is 0; fetch the model again"));
    }
    Ok((asked.min(positions), sentence.do_lower_case))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooling(json: &str) -> Result<Pooling, EngineError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        read_pooling(&path, 8)
    }

    #[test]
    fn one_pooling_mode_is_read_and_none_or_two_are_refused() {
        for (json, mode) in [
            (r#"{"pooling_mode_mean_tokens": true}"#, Pooling::Mean),
            (r#"{"word_embedding_dimension": 8, "pooling_mode_cls_token": true}"#, Pooling::Cls),
            (r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": false}"#, Pooling::Max),
            (r#"{"pooling_mode_mean_sqrt_len_tokens": true}"#, Pooling::MeanSqrt),
            (r#"{"pooling_mode": "cls"}"#, Pooling::Cls),
        ] {
            assert_eq!(pooling(json).unwrap(), mode, "{json}");
        }
        for json in [
            "{}",
            r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#,
            r#"{"pooling_mode_lasttoken": true}"#,
            r#"{"pooling_mode": "median"}"#,
            r#"{"word_embedding_dimension": 9, "pooling_mode_cls_token": true}"#,
            "[",
        ] {
            assert!(pooling(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_sentence_config_wins_over_the_tokenizer_and_positions_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(read_limits(folder.path(), 512).unwrap(), (512, false));
        write("tokenizer_config.json", r#"{"model_max_length": 1e30}"#);
        assert_eq!(read_limits(folder.path(), 512).unwrap(), (512, false));
        write("tokenizer_config.json", r#"{"model_max_length": 128}"#);
        assert_eq!(read_limits(folder.path(), 512).unwrap(), (128, false));
        write("sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": true}"#);
        assert_eq!(read_limits(folder.path(), 512).unwrap(), (256, true));
        assert_eq!(read_limits(folder.path(), 100).unwrap(), (100, true));
        write("sentence_bert_config.json", r#"{"max_seq_length": 0}"#);
        assert!(read_limits(folder.path(), 512).is_err());
    }

    #[test]
    fn module_paths_stay_inside_the_folder() {
        assert!(inside("1_Pooling").is_some() && inside("").is_some());
        assert!(inside("../secret").is_none() && inside("/etc").is_none());
    }
}
