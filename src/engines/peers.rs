//! The engines people use, beside ours: which there are, which file each reads, and how one is opened.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::padded::{Order, PaddedEngine};
use super::{EngineError, Model, Precision, onnx};
use crate::foreign::{self, BertRequest, Identity, NetworkError, NetworkRequest, Opened};
use crate::sys::Team;

mod bert;

/// An engine of others.
#[derive(Debug)]
pub struct PeerEngine {
    /// On the command line and in case names: `onnxruntime`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Where it comes from.
    home: Home,
    /// Whether it has something to gain from knowing a batch's shape before.
    pub fixes_shapes: bool,
    reads: Reads,
}

/// Where an engine comes from.
#[derive(Debug, Clone, Copy)]
enum Home {
    /// A wheel with this library in it.
    Wheel(&'static str),
    /// A feature of ours, and whether this build has it.
    Feature(&'static str, bool),
}

/// What an engine makes of a model.
#[derive(Debug, Clone, Copy)]
enum Reads {
    /// It runs the network of a file.
    Network {
        /// The file for a model in a precision.
        file: fn(&Wanted<'_>) -> Result<NetworkFile, EngineError>,
        open: fn(&NetworkRequest) -> Result<Opened, NetworkError>,
    },
    /// It has the layers in code and reads the model's weights. The variable of its environment says how many threads it
    /// takes.
    Weights { open: fn(&BertRequest) -> Result<Opened, NetworkError>, threads: &'static str },
}

/// Every engine of others.
pub static PEER_ENGINES: &[PeerEngine] = &[
    PeerEngine {
        name: "onnxruntime",
        about: "ONNX Runtime on an ONNX file that perfkit writes",
        home: Home::Wheel("libonnxruntime.so"),
        fixes_shapes: false,
        reads: Reads::Network { file: onnx_file, open: foreign::onnxruntime::open },
    },
    PeerEngine {
        name: "openvino",
        about: "OpenVINO on an ONNX file that perfkit writes, or on its own format",
        home: Home::Wheel("libopenvino_c.so"),
        fixes_shapes: true,
        reads: Reads::Network { file: openvino_file, open: foreign::openvino::open },
    },
    PeerEngine {
        name: "candle",
        about: "the BERT of candle-transformers on the model's own safetensors",
        home: Home::Feature("engine-candle", foreign::candle::BUILT),
        fixes_shapes: false,
        reads: Reads::Weights { open: foreign::candle::open, threads: "RAYON_NUM_THREADS" },
    },
    PeerEngine {
        name: "rten",
        about: "the crate rten on an ONNX file that perfkit writes",
        home: Home::Feature("engine-rten", foreign::rten::BUILT),
        fixes_shapes: false,
        reads: Reads::Network { file: onnx_file, open: foreign::rten::open },
    },
];

/// An engine of others by its name.
#[must_use]
pub fn peer_engine(name: &str) -> Option<&'static PeerEngine> {
    PEER_ENGINES.iter().find(|row| row.name == name)
}

/// What a peer is wanted for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The model.
    pub model: &'a Arc<Model>,
    /// The arithmetic.
    pub precision: Precision,
    /// Where files made of a model are kept.
    pub folder: Option<&'a Path>,
    /// The folder of the model, where files that others made of it may stand.
    pub beside: Option<&'a Path>,
    /// The file that the user named.
    pub named: Option<&'a Path>,
    /// The only batch that it will be run with, where that is known before.
    pub fixed: Option<[usize; 2]>,
    /// In which order texts go into batches.
    pub order: Order,
    /// Texts of a batch at most.
    pub most: usize,
}

/// A network's file, and the arithmetic to ask for.
struct NetworkFile {
    path: PathBuf,
    /// In words, for a reader of the figures.
    origin: String,
    precision: Option<&'static str>,
    /// It was written by perfkit, which can do so again.
    ours: bool,
}

/// An engine that is ready, and who it is.
#[derive(Debug)]
pub struct ReadyPeer {
    /// The engine.
    pub engine: PaddedEngine,
    /// Its library.
    pub identity: Identity,
    /// How it was told to run, and on which file.
    pub settings: String,
}

impl PeerEngine {
    /// Loads the library and the model's network in it.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where the library is absent or does not compute so, with what to do; everything else
    /// is a fault.
    pub fn open(&self, wanted: &Wanted<'_>, team: Team) -> Result<ReadyPeer, EngineError> {
        if let Home::Feature(_, false) = self.home {
            let why = format!("this perfkit was built without {}; {}", self.name, self.install());
            return Err(EngineError::Unavailable(why));
        }
        let threads = team.threads().get();
        let (opened, origin) = match self.reads {
            Reads::Network { file, open } => {
                let NetworkFile { path, origin, precision, ours } = file(wanted)?;
                let request = NetworkRequest { file: path, precision, threads, fixed: wanted.fixed };
                let opened = match open(&request) {
                    // What was kept and damaged since is made again; another fault is told the second time.
                    Err(NetworkError::Broken(_)) if ours && std::fs::remove_file(&request.file).is_ok() => {
                        file(wanted)?;
                        open(&request)
                    }
                    opened => opened,
                };
                (opened, origin)
            }
            Reads::Weights { open, .. } => {
                (open(&bert::request(self.name, wanted)?), "the model's safetensors".to_owned())
            }
        };
        let Opened { network, identity, settings } = opened.map_err(|error| match error {
            NetworkError::Absent(absent) => EngineError::Unavailable(format!("{absent}; {}", self.install())),
            NetworkError::Unsupported(why) => EngineError::Unavailable(why),
            NetworkError::Broken(why) => EngineError::Input(format!("{}: {why}", self.name)),
        })?;
        let way = (wanted.order, wanted.most);
        let engine = PaddedEngine::new(self.name, wanted.model.clone(), team, network, way);
        Ok(ReadyPeer { engine, identity, settings: format!("{origin}, {settings}") })
    }

    /// Whether it runs the network of a file, which may be the user's.
    #[must_use]
    pub const fn reads_files(&self) -> bool {
        matches!(self.reads, Reads::Network { .. })
    }

    /// Whether it is a shared library, found at run time.
    #[must_use]
    pub const fn is_shared_library(&self) -> bool {
        matches!(self.home, Home::Wheel(_))
    }

    /// What to do where it is absent.
    #[must_use]
    pub fn install(&self) -> String {
        let Self { name, .. } = self;
        match self.home {
            Home::Wheel(library) => format!(
                "pip install {name}, for the python3 on PATH, or name {library} with --engine-library {name}=FILE"
            ),
            Home::Feature(feature, _) => format!("build perfkit with --features {feature}"),
        }
    }

    /// The environment that a process of its own needs for it to take so many threads.
    #[must_use]
    pub fn environment(&self, threads: NonZeroUsize) -> Vec<(String, Option<String>)> {
        match self.reads {
            Reads::Network { .. } => Vec::new(),
            Reads::Weights { threads: variable, .. } => {
                vec![(variable.to_owned(), Some(threads.to_string()))]
            }
        }
    }
}

/// What the library is to compute in; a file of bytes says it itself.
fn arithmetic(precision: Precision) -> Option<&'static str> {
    match precision {
        Precision::F32 | Precision::Bf16 | Precision::F16 => Some(precision.name()),
        Precision::Int8 => None,
    }
}

/// The user's file, if one was named.
fn named(wanted: &Wanted<'_>) -> Result<Option<NetworkFile>, EngineError> {
    let Some(path) = wanted.named else { return Ok(None) };
    if !path.is_file() {
        return Err(EngineError::model(
            path,
            "there is no such file; --engine-file names an ONNX file or an .xml",
        ));
    }
    Ok(Some(found(path.to_owned(), wanted.precision)))
}

fn found(path: PathBuf, precision: Precision) -> NetworkFile {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    NetworkFile { path, origin: name, precision: arithmetic(precision), ours: false }
}

fn written(wanted: &Wanted<'_>, weights: onnx::Weights) -> Result<NetworkFile, EngineError> {
    let folder = wanted.folder.ok_or_else(|| {
        EngineError::Unavailable("there is no folder for the ONNX file; set XDG_CACHE_HOME".to_owned())
    })?;
    let path = onnx::kept(wanted.model, weights, folder)?;
    let origin = match weights {
        onnx::Weights::F32 => "ONNX written by perfkit".to_owned(),
        onnx::Weights::Int8 => "ONNX written by perfkit, quantised as quantize_dynamic does".to_owned(),
    };
    Ok(NetworkFile { path, origin, precision: arithmetic(wanted.precision), ours: true })
}

/// The user's; for bytes the one that was published with the model; else one that is written.
fn onnx_file(wanted: &Wanted<'_>) -> Result<NetworkFile, EngineError> {
    if let Some(file) = named(wanted)? {
        return Ok(file);
    }
    match wanted.precision {
        Precision::Int8 => {
            let published = wanted.beside.and_then(|folder| {
                let names = files(&[folder.join("onnx"), folder.to_owned()], ".onnx");
                best_for_this_cpu(names)
            });
            published.map_or_else(
                || written(wanted, onnx::Weights::Int8),
                |path| Ok(found(path, wanted.precision)),
            )
        }
        Precision::F32 | Precision::Bf16 | Precision::F16 => written(wanted, onnx::Weights::F32),
    }
}

/// As for ONNX, but OpenVINO's bytes are those of its own quantiser.
fn openvino_file(wanted: &Wanted<'_>) -> Result<NetworkFile, EngineError> {
    if wanted.precision != Precision::Int8 || wanted.named.is_some() {
        return onnx_file(wanted);
    }
    let published = wanted.beside.and_then(|folder| {
        let names = files(&[folder.join("openvino"), folder.to_owned()], ".xml");
        best_for_this_cpu(names)
    });
    published.map(|path| found(path, wanted.precision)).ok_or_else(|| {
        EngineError::Unavailable(
            "no model quantised for OpenVINO stands beside this one (openvino/openvino_model_qint8*.xml); make one with \
             NNCF, as benches/peers/embed/run.py does, and name it with --engine-file openvino:int8=FILE"
                .to_owned(),
        )
    })
}

/// Files with this end, of the folders in order, sorted in each.
fn files(folders: &[PathBuf], end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.to_string_lossy().ends_with(end));
        paths.sort();
        found.extend(paths);
    }
    found
}

/// Of files that name themselves quantised, the one that names what this CPU has.
fn best_for_this_cpu(files: Vec<PathBuf>) -> Option<PathBuf> {
    let here: &[&str] =
        if cfg!(target_arch = "aarch64") { &["arm64"] } else { &["avx512_vnni", "avx512", "avx2"] };
    let others: &[&str] = if cfg!(target_arch = "aarch64") { &["avx"] } else { &["arm64"] };
    let rank = |path: &PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let quantised = ["qint8", "quint8", "quantized", "int8"].iter().any(|word| name.contains(word));
        if !quantised || others.iter().any(|word| name.contains(word)) {
            return None;
        }
        Some(here.iter().position(|word| name.contains(word)).unwrap_or(here.len()))
    };
    let ranked = files.into_iter().filter_map(|path| Some((rank(&path)?, path)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, path)| path)
}

#[cfg(test)]
mod tests;
