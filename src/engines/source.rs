//! How a user names a model: `builtin:...`, a folder, or a hub id.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::EngineError;
use super::builtin::Preset;
use super::model::Model;

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// Generated here, nothing downloaded.
    Builtin(Preset),
    /// A local sentence-transformers folder.
    Folder(PathBuf),
    /// `org/name` on the hub, or in its local cache.
    Hub(String),
}

impl ModelSource {
    /// Loads the model; a hub model is downloaded where its files are not in the cache.
    ///
    /// # Errors
    /// The model, a file of it, or the hub is not to be had; the error says what to do.
    pub fn load(&self) -> Result<Model, EngineError> {
        match self {
            Self::Builtin(preset) => super::builtin::model(*preset),
            Self::Folder(folder) => super::folder::load(folder, &self.name()),
            Self::Hub(id) => {
                let folder = super::hub::Hub::from_environment()?.fetch(id, &mut super::hub::Quiet)?;
                super::folder::load(&folder, &self.name())
            }
        }
    }

    /// A name without folders, fit for a document.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Builtin(preset) => preset.name().to_owned(),
            Self::Folder(folder) => {
                let full = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                full.file_name()
                    .map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
            }
            Self::Hub(id) => id.rsplit('/').next().unwrap_or(id).to_owned(),
        }
    }
}

impl FromStr for ModelSource {
    type Err = EngineError;

    /// A folder that exists wins over a hub id of the same name.
    fn from_str(text: &str) -> Result<Self, EngineError> {
        if let Some(name) = text.strip_prefix("builtin:") {
            return name.parse().map(Self::Builtin);
        }
        let folder = PathBuf::from(text);
        if folder.is_file() {
            let shown = super::config::shown(text);
            return Err(EngineError::Input(format!(
                "{shown} is a file; give the folder that a model's files are in"
            )));
        }
        let looks_like_path = text.starts_with(['.', '/', '~']) || text.ends_with('/') || text.contains('\\');
        if folder.is_dir() || looks_like_path || text.split('/').count() > 2 {
            return Ok(Self::Folder(folder));
        }
        let word = |part: &str| {
            !part.is_empty()
                && part.len() <= 96
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !part.contains("..")
                && !part.starts_with(['-', '.'])
        };
        if text.split('/').all(word) {
            return Ok(Self::Hub(text.to_owned()));
        }
        Err(EngineError::Input(format!(
            "{:?} names no model; give builtin:minilm-l6, a sentence-transformers folder, or a hub id such as org/name",
            super::config::shown(text)
        )))
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(preset) => write!(f, "builtin:{}", preset.name()),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Hub(id) => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_are_told_apart() {
        let read = |text: &str| text.parse::<ModelSource>();
        assert_eq!(read("builtin:tiny").unwrap(), ModelSource::Builtin(Preset::Tiny));
        assert!(read("builtin:huge").is_err());
        assert_eq!(read("org/some-model_1.5").unwrap(), ModelSource::Hub("org/some-model_1.5".to_owned()));
        assert_eq!(read("./model").unwrap(), ModelSource::Folder("./model".into()));
        assert_eq!(read("a/b/c").unwrap(), ModelSource::Folder("a/b/c".into()));
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        assert_eq!(read(text).unwrap(), ModelSource::Folder(folder.path().to_owned()));
        let file = folder.path().join("model.safetensors");
        std::fs::write(&file, "").unwrap();
        let error = read(file.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("is a file") && error.contains("folder"), "{error}");
        for text in ["", "org/..", "org/na me", "-x/y"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
