//! Prompts: what some models want in front of a text, by what the text is for (`query: `, `passage: `).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::EngineError;
use super::config::shown;

/// `config_sentence_transformers.json`, as far as it is about prompts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Prompts {
    /// What to put in front, by name.
    pub prompts: BTreeMap<String, String>,
    /// The one that is used where none is asked for.
    pub default_prompt_name: Option<String>,
}

impl Prompts {
    pub(super) fn read(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("config_sentence_transformers.json");
        let prompts: Self = super::folder::read_optional(&path)?.unwrap_or_default();
        match prompts.choose(None) {
            Ok(_) => Ok(prompts),
            Err(error) => Err(EngineError::model(&path, error.to_string())),
        }
    }

    /// The text of the prompt `name`; of the default one where none is named, which may be none.
    ///
    /// # Errors
    /// There is no such prompt.
    pub fn choose(&self, name: Option<&str>) -> Result<&str, EngineError> {
        let Some(name) = name.or(self.default_prompt_name.as_deref()) else { return Ok("") };
        self.prompts.get(name).map(String::as_str).ok_or_else(|| {
            let names: Vec<String> = self.prompts.keys().map(|name| shown(name)).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            EngineError::Input(format!("the model has no prompt {:?}; it has {there}", shown(name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_found_by_name_and_the_default_without_one() {
        let json =
            r#"{"prompts": {"query": "query: ", "passage": "passage: "}, "similarity_fn_name": "cosine"}"#;
        let prompts: Prompts = serde_json::from_str(json).unwrap();
        assert_eq!(prompts.choose(None).unwrap(), "");
        assert_eq!(prompts.choose(Some("query")).unwrap(), "query: ");
        let error = prompts.choose(Some("title")).unwrap_err().to_string();
        assert!(error.contains("title") && error.contains("passage, query"), "{error}");
        let named = Prompts { default_prompt_name: Some("passage".to_owned()), ..prompts };
        assert_eq!(named.choose(None).unwrap(), "passage: ");
        assert!(
            Prompts { default_prompt_name: Some("gone".to_owned()), ..Prompts::default() }
                .choose(None)
                .is_err()
        );
    }
}
