//! What the flags of `embed` and `tune embed` may say.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use crate::document::Extent;
use crate::engines::presets::Preset;
use crate::engines::{ENGINES, EngineError};
use crate::session::embed::{EngineFile, PeerPlan};

/// `--sequence`.
pub(super) type Sequence = Extent;

/// `--threads`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Threads {
    Count(NonZeroUsize),
    All,
}

/// What the engines have names for.
pub(in crate::cli) fn parse_name<T: FromStr<Err = EngineError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

pub(in crate::cli) fn parse_preset(text: &str) -> Result<&'static Preset, String> {
    Preset::named(text).map_err(|e| e.to_string())
}

pub(in crate::cli) fn parse_part_tokens(text: &str) -> Result<NonZeroUsize, String> {
    let wanted = || "a number from 1 to 1048576".to_owned();
    text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= 1 << 20).ok_or_else(wanted)
}

pub(super) fn parse_engine(text: &str) -> Result<String, String> {
    if text == "all" || ENGINES.iter().any(|row| row.name == text) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = ENGINES.iter().map(|row| row.name).collect();
    Err(format!("there is {} and all", names.join(", ")))
}

/// `openvino:int8=model.xml`, of an engine that reads files.
pub(super) fn parse_engine_file(text: &str) -> Result<EngineFile, String> {
    let (engine, path) = text.split_once('=').ok_or("ENGINE=FILE, or ENGINE:PRECISION=FILE")?;
    let (engine, precision) = match engine.split_once(':') {
        Some((engine, precision)) => (engine, Some(parse_name(precision)?)),
        None => (engine, None),
    };
    Ok(EngineFile {
        engine: one_of(&PeerPlan::reading_files(), engine)?,
        precision,
        path: PathBuf::from(path),
    })
}

/// `onnxruntime=libonnxruntime.so`.
pub(super) fn parse_engine_library(text: &str) -> Result<(String, PathBuf), String> {
    let (engine, path) = text.split_once('=').ok_or("ENGINE=FILE")?;
    Ok((one_of(&PeerPlan::shared_libraries(), engine)?, PathBuf::from(path)))
}

fn one_of(known: &[String], name: &str) -> Result<String, String> {
    let found = known.iter().find(|known| *known == name).cloned();
    found.ok_or_else(|| format!("{name:?} is none of the engines that it is for: {}", known.join(", ")))
}

pub(super) fn parse_count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a number, 1 or more".to_owned())
}

pub(super) fn parse_sequence(text: &str) -> Result<Sequence, String> {
    match text {
        "mixed" => Ok(Extent::Mixed),
        number => number.parse().map(Extent::Count).map_err(|_| "a number of tokens, or mixed".to_owned()),
    }
}

pub(super) fn parse_threads(text: &str) -> Result<Threads, String> {
    match text {
        "all" => Ok(Threads::All),
        number => match number.parse::<NonZeroUsize>() {
            Ok(count) if count.get() <= 4096 => Ok(Threads::Count(count)),
            _ => Err("a number from 1 to 4096, or all".to_owned()),
        },
    }
}
