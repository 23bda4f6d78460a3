//! Models as ONNX files, for the engines that read those: written here from a loaded model, without Python.
//!
//! Files are kept with what else is made of a model, named by a hash of everything that they hold.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

mod encoder;
mod graph;
mod protobuf;

use graph::{Beside, Graph, WriteError};

use super::{EngineError, Model};

pub(super) use encoder::padding_id;

/// Grows whenever the graph changes: files of before are not taken for those of now.
const FORMAT: u32 = 2;

/// What the weights of matrix products are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Single precision.
    F32,
    /// Signed bytes with a scale an output; inputs are quantised as they come, one scale a batch.
    Int8,
}

impl Weights {
    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

/// The file of a model in `folder`, written if it is not there.
///
/// # Errors
/// A weight is missing, or the file cannot be written.
pub fn kept(model: &Model, weights: Weights, folder: &Path) -> Result<PathBuf, EngineError> {
    let path = folder.join(format!("{:016x}-{}.onnx", hash(model), weights.name()));
    if !path.is_file() {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        write(model, weights, &path)?;
    }
    Ok(path)
}

/// Of everything that the file depends on.
fn hash(model: &Model) -> u64 {
    let outline = format!(
        "onnx {FORMAT} {} {:?} {:?} {:?} {:?}",
        model.slug, model.architecture, model.pooling, model.normalization, model.dimensions
    );
    super::tensors::hash_bytes(model.tensors.hash("").unwrap_or_default(), outline.as_bytes())
}

/// Writes a model to `path`; one whose weights are more than a gigabyte gets a second file for those, beside it and named
/// after it. The file appears under its name when it is whole.
///
/// # Errors
/// A weight is missing, or a file cannot be written.
pub fn write(model: &Model, weights: Weights, path: &Path) -> Result<(), EngineError> {
    let graph = encoder::graph(model, weights)?;
    let unfinished = with_end(path, &format!(".{}.part", std::process::id()));
    let written = write_files(&graph, model, path, &unfinished);
    if let Err(error) = written {
        // What is torn is of no use; that it could not be removed changes nothing about the error.
        let _ = std::fs::remove_file(&unfinished);
        return Err(match error {
            WriteError::File(error) => unwritable(path, &error),
            WriteError::Model(error) => error,
        });
    }
    Ok(())
}

fn write_files(graph: &Graph, model: &Model, path: &Path, unfinished: &Path) -> Result<(), WriteError> {
    let mut out = BufWriter::new(File::create(unfinished)?);
    if graph.is_large() {
        let data = with_end(path, ".data");
        let name = data.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut file = BufWriter::new(File::create(&data)?);
        graph.write(&*model.tensors, &mut out, Some(Beside { name: &name, file: &mut file }))?;
        file.flush()?;
    } else {
        graph.write(&*model.tensors, &mut out, None)?;
    }
    out.flush()?;
    std::fs::rename(unfinished, path)?;
    Ok(())
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn unwritable(path: &Path, error: &io::Error) -> EngineError {
    EngineError::model(
        path,
        format!("the ONNX file cannot be written: {error}; set XDG_CACHE_HOME to a folder with room"),
    )
}

#[cfg(test)]
mod tests;
