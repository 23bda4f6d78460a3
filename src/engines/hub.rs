//! Models from the hub, kept in its usual cache, so that other tools' downloads are found and ours by them.
//!
//! The environment is the hub's own: `HF_HOME` (where the cache lies), `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo};

use super::EngineError;
use super::tensors::{INDEX, WHOLE, parts};

/// A file of a model on the hub.
#[derive(Clone, Copy)]
struct HubFile<'a> {
    name: &'a str,
    required: bool,
}

/// What a sentence-transformers model consists of. Small ones first, so that a wrong name costs little.
static FILES: &[HubFile<'static>] = &[
    HubFile { name: "config.json", required: true },
    HubFile { name: "tokenizer.json", required: true },
    HubFile { name: "modules.json", required: false },
    HubFile { name: "1_Pooling/config.json", required: false },
    HubFile { name: "sentence_bert_config.json", required: false },
    HubFile { name: "tokenizer_config.json", required: false },
    HubFile { name: "config_sentence_transformers.json", required: false },
];

/// Is told how a download goes on.
pub trait Watcher {
    /// A file of `bytes` starts, or starts again.
    fn start(&mut self, file: &str, bytes: u64);
    /// So many more bytes have come.
    fn advance(&mut self, bytes: u64);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watcher for Quiet {
    fn start(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64) {}
}

/// Where models are fetched from and kept.
#[derive(Debug, Clone)]
pub struct Hub {
    /// The folder of the hub's cache.
    pub cache: PathBuf,
    /// The server.
    pub endpoint: String,
    /// What private models need.
    pub token: Option<String>,
    /// Only the cache is asked.
    pub offline: bool,
}

impl Hub {
    /// As the environment says.
    ///
    /// # Errors
    /// Neither `HF_HOME` nor a home folder is known.
    pub fn from_environment() -> Result<Self, EngineError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = match set("HF_HOME") {
            Some(home) => PathBuf::from(home),
            None => std::env::home_dir()
                .filter(|home| !home.as_os_str().is_empty())
                .map(|home| home.join(".cache").join("huggingface"))
                .ok_or_else(|| {
                    EngineError::Input(
                        "no home folder is known; set HF_HOME to a folder for models".to_owned(),
                    )
                })?,
        };
        let cache = home.join("hub");
        let offline = set("HF_HUB_OFFLINE")
            .is_some_and(|value| matches!(&*value.to_ascii_lowercase(), "1" | "true" | "yes" | "on"));
        Ok(Self {
            token: set("HF_TOKEN").or_else(|| Cache::new(cache.clone()).token()),
            endpoint: set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
            cache,
            offline,
        })
    }

    /// The folder with the files of model `id`; those not yet in the cache are downloaded.
    ///
    /// # Errors
    /// A file is not on the server, does not arrive whole, or is not in the cache when offline.
    pub fn fetch(&self, id: &str, watcher: &mut dyn Watcher) -> Result<PathBuf, EngineError> {
        let cached = self.cached(id);
        let api = self.open(id)?;
        for &file in FILES {
            match &api {
                _ if cached.get(file.name).is_some() => {}
                Some(api) => self.download(api, id, file, watcher)?,
                None if file.required => return Err(self.absent(id, file.name)),
                None => {}
            }
        }
        self.fetch_weights(id, api.as_ref(), watcher)?;
        let config = cached.get("config.json").ok_or_else(|| self.absent(id, "config.json"))?;
        config.parent().map(Path::to_path_buf).ok_or_else(|| self.absent(id, "config.json"))
    }

    /// One file, or the parts that an index names.
    fn fetch_weights(
        &self,
        id: &str,
        api: Option<&ApiRepo>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let cached = self.cached(id);
        let mut fetch = |name: &str, required: bool| match api {
            _ if cached.get(name).is_some() => Ok(()),
            Some(api) => self.download(api, id, HubFile { name, required }, watcher),
            None if required => Err(self.absent(id, name)),
            None => Ok(()),
        };
        if cached.get(INDEX).is_none() {
            fetch(WHOLE, false)?;
            if cached.get(WHOLE).is_some() {
                return Ok(());
            }
            fetch(INDEX, false)?;
        }
        let Some(index) = cached.get(INDEX) else {
            let why = "the model has no such file; choose one with safetensors weights";
            return Err(if api.is_some() { self.failed(id, WHOLE, why) } else { self.absent(id, WHOLE) });
        };
        parts(&index)?.iter().try_for_each(|part| fetch(part, true))
    }

    fn cached(&self, id: &str) -> CacheRepo {
        Cache::new(self.cache.clone()).repo(Repo::model(id.to_owned()))
    }

    /// The connection to the model's repository; none when offline or when the cache holds the model already.
    fn open(&self, id: &str) -> Result<Option<ApiRepo>, EngineError> {
        // Without modules.json the cache may be another tool's, which did not need it: pooling would be guessed.
        if self.offline || (self.holds(id) && self.cached(id).get("modules.json").is_some()) {
            return Ok(None);
        }
        let api = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.trim_end_matches('/').to_owned())
            .with_token(self.token.clone())
            .with_progress(false)
            .build()
            .map_err(|e| self.error(id, "config.json", &e))?;
        Ok(Some(api.repo(Repo::model(id.to_owned()))))
    }

    /// Whether every required file of the model lies in the cache.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        let cached = self.cached(id);
        let weights = cached.get(WHOLE).is_some()
            || cached
                .get(INDEX)
                .and_then(|index| parts(&index).ok())
                .is_some_and(|parts| parts.iter().all(|part| cached.get(part).is_some()));
        weights && FILES.iter().filter(|file| file.required).all(|file| cached.get(file.name).is_some())
    }

    /// Ids of the models in the cache that are whole, in alphabetical order.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.cache) else { return Vec::new() };
        let mut ids: Vec<String> = entries
            .flatten()
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_prefix("models--").map(|n| n.replace("--", "/"))
            })
            .filter(|id| self.holds(id))
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Deletes the cached files of a model; false where there were none.
    ///
    /// # Errors
    /// The system does not let us delete them.
    pub fn remove(&self, id: &str) -> std::io::Result<bool> {
        let folder = self.cache.join(Repo::model(id.to_owned()).folder_name());
        match std::fs::remove_dir_all(folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn download(
        &self,
        api: &ApiRepo,
        id: &str,
        file: HubFile<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let mut expected = 0;
        let meter = Meter { watcher, expected: &mut expected };
        // The library panics on some answers that no well-meant server gives (a redirect that leads nowhere).
        let download = AssertUnwindSafe(|| api.download_with_progress(file.name, meter));
        let Ok(answer) = catch_unwind(download) else {
            return Err(self.failed(
                id,
                file.name,
                "the server's answer cannot be understood; check HF_ENDPOINT",
            ));
        };
        match answer {
            Ok(path) => {
                // The library renames whatever it received: a connection that closed early must not become a model.
                let got = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                if got == expected {
                    return Ok(());
                }
                let _ = std::fs::canonicalize(&path).and_then(std::fs::remove_file);
                let _ = std::fs::remove_file(&path);
                Err(self.failed(id, file.name, &format!("{got} of {expected} bytes arrived; try again")))
            }
            Err(error) if !file.required && is_not_found(&error) => Ok(()),
            Err(error) => Err(self.error(id, file.name, &error)),
        }
    }

    fn absent(&self, id: &str, file: &str) -> EngineError {
        let why = if self.offline {
            format!(
                "not in {} and HF_HUB_OFFLINE is set; unset it or fetch the model first",
                self.cache.display()
            )
        } else {
            format!("not in {}", self.cache.display())
        };
        self.failed(id, file, &why)
    }

    fn error(&self, id: &str, file: &str, error: &ApiError) -> EngineError {
        let why = if is_not_found(error) {
            format!(
                "{} has no such file; check the model's name, or choose one with safetensors weights",
                self.endpoint
            )
        } else if is_denied(error) {
            "the server asks for permission; set HF_TOKEN to a token that may read the model".to_owned()
        } else {
            format!("{error}; check the network, HF_ENDPOINT ({}), or use builtin:minilm-l6", self.endpoint)
        };
        self.failed(id, file, &why)
    }

    #[expect(clippy::unused_self, reason = "reads as the other two")]
    fn failed(&self, id: &str, file: &str, why: &str) -> EngineError {
        EngineError::Model { file: format!("{id}/{file}"), why: why.to_owned() }
    }
}

fn is_not_found(error: &ApiError) -> bool {
    has_status(error, &["404"])
}

fn is_denied(error: &ApiError) -> bool {
    has_status(error, &["401", "403"])
}

/// The HTTP client is the library's own, so its status is only to be had as text.
fn has_status(error: &ApiError, codes: &[&str]) -> bool {
    let ApiError::RequestError(error) = error else { return false };
    let text = error.to_string();
    text.contains("status") && codes.iter().any(|code| text.contains(code))
}

/// Hands the library's progress on, and remembers how long the file should be.
struct Meter<'a> {
    watcher: &'a mut dyn Watcher,
    expected: &'a mut u64,
}

impl Progress for Meter<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        *self.expected = size as u64;
        self.watcher.start(filename, size as u64);
    }
    fn update(&mut self, size: usize) {
        self.watcher.advance(size as u64);
    }
    fn finish(&mut self) {}
}
