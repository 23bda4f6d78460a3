//! The libraries people use, as implementations of benchmarks of ours.
//!
//! A library stands in one table with the benchmarks that it can do and the modes it is tried in: as installed, and as
//! its documentation says it is best used. A mode is an environment, which a library reads when it is loaded, so each is
//! measured in a process of its own, which serves [`benchmarks`].

mod table;
mod work;

use crate::document::{Case, CaseTier, Cost, Machine, Peer, Shape};
use crate::foreign::{self, OpenError};
use crate::workload::Workload;

use super::{Benchmark, Card, Extensiveness, PrepareError, Resources};

pub use table::{AS_INSTALLED, LIBRARIES, Library, Mode};

/// A library of the table.
#[must_use]
pub fn library(name: &str) -> Option<&'static Library> {
    LIBRARIES.iter().find(|library| library.name == name)
}

impl Library {
    /// The environment of a mode: its settings, the number of threads, and none of what its other modes set.
    #[must_use]
    pub fn environment(&self, mode: &Mode, threads: usize) -> Vec<(String, Option<String>)> {
        let mut environment: Vec<(String, Option<String>)> = Vec::new();
        for setting in self.modes.iter().flat_map(|mode| mode.settings) {
            environment.push((setting.0.to_owned(), None));
        }
        for variable in self.threads {
            environment.push(((*variable).to_owned(), Some(threads.to_string())));
        }
        for (variable, value) in mode.settings {
            environment.push(((*variable).to_owned(), Some((*value).to_owned())));
        }
        environment
    }

    /// Its case for a piece of work; `None` where it does not do it.
    #[must_use]
    pub fn case(&self, mode: &Mode, work: &Case) -> Option<Case> {
        let does = self.work.iter().any(|row| row.benchmark == work.benchmark && row.takes(&work.shape));
        let threads = work.threads.get() == 1 || self.parallel(&work.benchmark);
        (does && threads && work.threads.get() >= mode.least_threads).then(|| Case {
            implementation: format!("{}-{}", self.name, mode.name),
            tier: CaseTier::Peer,
            ..work.clone()
        })
    }

    /// Products are shared among threads; what moves bytes or takes a pair of vectors is done by one.
    fn parallel(&self, benchmark: &str) -> bool {
        !self.threads.is_empty() && benchmark.starts_with("matmul/")
    }
}

impl Mode {
    /// `OPENBLAS_CORETYPE=SKYLAKEX`; `None` where nothing is set.
    #[must_use]
    pub fn settings_text(&self) -> Option<String> {
        let settings: Vec<String> =
            self.settings.iter().map(|(variable, value)| format!("{variable}={value}")).collect();
        (!settings.is_empty()).then(|| settings.join(" "))
    }
}

impl From<OpenError> for PrepareError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Absent(_) => Self::Unavailable(error.to_string()),
            OpenError::Broken { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// What a library says of itself in this process and its environment.
#[derive(Debug, Clone)]
pub struct Identified {
    /// For a document.
    pub peer: Peer,
    /// The whole path of its file, which does not belong there.
    pub path: Option<String>,
    /// Benchmarks that other builds of it do and this one does not, with the reason.
    pub lacks: Vec<(String, String)>,
}

/// Loads a library and asks it who it is, and what its build or this CPU leave out.
///
/// # Errors
/// It is not here, or cannot be loaded.
pub fn identify(library: &Library, mode: &Mode) -> Result<Identified, PrepareError> {
    let opened = foreign::open(library.name)?;
    let identity = opened.identity();
    let name = identity.path.as_ref().and_then(|path| path.file_name());
    let peer = Peer {
        library: library.name.to_owned(),
        version: identity.version,
        dispatched: identity.dispatched,
        mode: mode.name.to_owned(),
        file: name.map(|name| name.to_string_lossy().into_owned()),
        found_by: Some(identity.found_by),
        settings: mode.settings_text(),
        practice: mode.practice.map(str::to_owned),
    };
    let lacks = library.work.iter().filter_map(|work| work.lack(&*opened, mode)).collect();
    Ok(Identified { peer, path: identity.path.map(|path| path.display().to_string()), lacks })
}

/// What a library can do, as benchmarks to serve.
#[must_use]
pub fn benchmarks(library: &'static Library) -> Vec<PeerBenchmark> {
    library.work.iter().map(|work| PeerBenchmark { library, work }).collect()
}

/// A benchmark of ours, done by a library.
#[derive(Debug, Clone, Copy)]
pub struct PeerBenchmark {
    library: &'static Library,
    work: &'static work::Work,
}

impl PeerBenchmark {
    /// The mode that a case's implementation names.
    fn mode(&self, case: &Case) -> Result<&'static Mode, PrepareError> {
        let Library { name, modes, .. } = self.library;
        let mode = case.implementation.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        let known = modes.iter().find(|known| mode == Some(known.name));
        known.ok_or_else(|| PrepareError::Failed(format!("{case}: {name} has no such mode")))
    }
}

impl Benchmark for PeerBenchmark {
    fn id(&self) -> &str {
        self.work.benchmark
    }

    fn card(&self) -> Card {
        Card { about: self.library.about, formula: "as ours", implementations: &[] }
    }

    /// Those that ours is measured at.
    fn shapes(&self, _: &Machine, _: Extensiveness) -> Vec<Shape> {
        Vec::new()
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        super::find(self.work.benchmark)?.cost(shape)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let cost = self
            .cost(&case.shape)
            .ok_or_else(|| PrepareError::Failed(format!("{case}: the benchmark does not take this shape")))?;
        let mode = self.mode(case)?;
        let peer = foreign::open(self.library.name)?;
        (self.work.prepare)(&work::Job { peer: &*peer, mode, case, cost: &cost, seed: resources.seed })
    }
}

#[cfg(test)]
mod tests;
