//! Libraries of others beside ours: which are here, and the contests in which they stand.
//!
//! A contest is one piece of work (benchmark, shape, threads) with everybody who does it: ours on the best tier, and every
//! library in every mode. Each is a process of its own, with its own environment, because libraries choose their kernels
//! and bind their threads when they are loaded; `rounds` says how they take turns.

mod rounds;

pub(in crate::session) use rounds::{Terms, Turns, hold};

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::schedule::{Roofs, Schedule};
use crate::catalog::peers::{Identified, LIBRARIES, Library, Mode, identify, library};
use crate::catalog::{self, PrepareError};
use crate::document::{Case, Cost, Machine, Omission, Origin, Peer, Shape};
use crate::measure::Program;
use crate::sys::process::{Conversation, Start};

/// The hidden subcommand that serves a library.
const SERVE: &str = "__peer";
/// How a line of [`identity_line`] begins.
const ANSWER: &str = "peer ";
/// A library that is not loaded by then is given up.
const PATIENCE_SECONDS: f64 = 60.0;

/// What a process says of the library that it was asked to load.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Here { peer: Box<Peer>, path: Option<String>, lacks: Vec<(String, String)> },
    Absent(String),
    Broken(String),
}

/// The line with which a process identifies a library in its environment.
///
/// # Errors
/// There is no such library or mode.
pub fn identity_line(name: &str, mode: &str) -> anyhow::Result<String> {
    let library = library(name).ok_or_else(|| unknown(name))?;
    let mode = library.modes.iter().find(|known| known.name == mode);
    let mode = mode.ok_or_else(|| anyhow::anyhow!("{name} has no such mode"))?;
    let answer = match identify(library, mode) {
        Ok(Identified { peer, path, lacks }) => Answer::Here { peer: Box::new(peer), path, lacks },
        Err(PrepareError::Unavailable(why)) => Answer::Absent(why),
        Err(PrepareError::Failed(why)) => Answer::Broken(why),
    };
    Ok(format!("{ANSWER}{}", serde_json::to_string(&answer)?))
}

fn unknown(name: &str) -> anyhow::Error {
    let names: Vec<&str> = LIBRARIES.iter().map(|library| library.name).collect();
    anyhow::anyhow!("there is no peer {name:?}; there are {}", names.join(", "))
}

/// A library in a mode, as it answered.
#[derive(Debug, Clone)]
struct Found {
    library: &'static Library,
    mode: &'static Mode,
    peer: Peer,
    path: Option<String>,
    /// Benchmarks that this build of it, or this CPU, leaves out, with the reason.
    lacks: Vec<(String, String)>,
}

/// A library in a mode that cannot be measured.
#[derive(Debug, Clone)]
struct Missing {
    library: &'static Library,
    mode: &'static Mode,
    why: String,
    /// It is here, and broken.
    broken: bool,
}

/// The libraries of this machine, and those that it does not have.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    program: PathBuf,
    found: Vec<Found>,
    missing: Vec<Missing>,
}

/// Asks which of these libraries are here (all of the table without a name), each mode in a process of `program`, which is
/// perfkit.
///
/// # Errors
/// A name is no library's.
pub fn peers(names: &[String], program: &Path) -> anyhow::Result<Peers> {
    let mut peers = Peers { program: program.to_path_buf(), ..Peers::default() };
    let named: Vec<&'static Library> = if names.is_empty() {
        LIBRARIES.iter().collect()
    } else {
        names.iter().map(|name| library(name).ok_or_else(|| unknown(name))).collect::<Result<_, _>>()?
    };
    for library in named {
        for mode in library.modes {
            let missing = |why, broken| Missing { library, mode, why, broken };
            match ask(program, library, mode) {
                Ok(Answer::Here { peer, path, lacks }) => {
                    peers.found.push(Found { library, mode, peer: *peer, path, lacks });
                }
                Ok(Answer::Absent(why)) => {
                    peers.missing.push(missing(format!("{why}; {}", library.install), false));
                    // It is in no other mode either.
                    break;
                }
                Ok(Answer::Broken(why)) | Err(why) => peers.missing.push(missing(why, true)),
            }
        }
    }
    Ok(peers)
}

fn ask(program: &Path, library: &Library, mode: &Mode) -> Result<Answer, String> {
    let start = Start { environment: library.environment(mode, 1), ..Start::default() };
    let arguments = [SERVE, library.name, mode.name].map(str::to_owned);
    let mut process = Conversation::start(program, &arguments, &start).map_err(|error| error.to_string())?;
    // A library may print something of its own first.
    loop {
        let line = process.hear(PATIENCE_SECONDS).map_err(|silence| format!("loading it {silence}"))?;
        if let Some(answer) = line.strip_prefix(ANSWER) {
            return serde_json::from_str(answer).map_err(|error| error.to_string());
        }
    }
}

/// One who does a piece of work.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// The case.
    pub case: Case,
    /// What one run costs.
    pub cost: Cost,
    /// The library; `None` for ours.
    pub peer: Option<Peer>,
    program: Program,
    start: Start,
}

impl Contestant {
    /// Somebody whom a program serves when it is started so.
    pub(in crate::session) fn new(
        case: Case,
        cost: Cost,
        peer: Option<Peer>,
        (program, start): (Program, Start),
    ) -> Self {
        Self { case, cost, peer, program, start }
    }
}

/// Everybody who does one piece of work.
#[derive(Debug, Clone, Default)]
pub struct Contest {
    /// In the order of the tables.
    pub contestants: Vec<Contestant>,
}

/// What makes a piece of work one.
type Work = (String, Shape, NonZeroUsize);

impl Peers {
    /// What was found, a line for people each: version, kernel, and the file.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let found = self.found.iter().map(|Found { library, mode, peer, path, .. }| {
            let kernel =
                peer.dispatched.as_ref().map(|kernel| format!(", kernels {kernel}")).unwrap_or_default();
            let by = peer.found_by.as_deref().unwrap_or("?");
            let file = path.as_ref().map_or_else(|| by.to_owned(), |path| format!("{path} (by {by})"));
            format!("{} {}, {}{kernel}: {file}", library.name, peer.version, mode.name)
        });
        found.collect()
    }

    /// Adds the contests of a schedule's cases to it, takes our part of them from its own cases, and adds the ceilings
    /// that placing the libraries needs. `selected` is the same selection without those ceilings.
    pub(super) fn enter(
        &self,
        schedule: &mut Schedule,
        selected: &Schedule,
        machine: &Machine,
        roofs: Roofs,
    ) {
        let asked: Vec<&Case> = selected.cases.iter().chain(&selected.ceilings).collect();
        let mut works: Vec<Work> = asked.iter().map(|case| work_of(case)).collect();
        works.sort();
        works.dedup();
        for work in &works {
            let Some(example) = asked.iter().find(|case| work_of(case) == *work) else { continue };
            let libraries: Vec<Contestant> =
                self.found.iter().filter_map(|found| self.contestant(found, example)).collect();
            if libraries.is_empty() {
                continue;
            }
            for contestant in libraries.iter().filter(|_| roofs == Roofs::Needed) {
                schedule.add_ceilings(&contestant.case, &contestant.cost, machine);
            }
            let ours: Vec<Case> = best_of_ours(&asked, work);
            schedule.cases.retain(|case| !ours.contains(case));
            let ours = ours.into_iter().filter_map(|case| self.our_contestant(case));
            schedule.contests.push(Contest { contestants: ours.chain(libraries).collect() });
        }
        for found in &self.found {
            for (benchmark, why) in &found.lacks {
                let mut work = asked.iter().filter(|case| case.benchmark == *benchmark);
                let Some(case) = work.find_map(|case| found.library.case(found.mode, case)) else { continue };
                schedule.skipped.push(Omission { case, origin: Origin::Peer, why: why.clone() });
            }
        }
        for missing in &self.missing {
            let case = asked.iter().find_map(|case| missing.library.case(missing.mode, case));
            let Some(case) = case else { continue };
            let omission = Omission { case, origin: Origin::Peer, why: missing.why.clone() };
            if missing.broken { schedule.failed.push(omission) } else { schedule.skipped.push(omission) }
        }
    }

    fn contestant(&self, found: &Found, work: &Case) -> Option<Contestant> {
        if found.lacks.iter().any(|(benchmark, _)| *benchmark == work.benchmark) {
            return None;
        }
        let case = found.library.case(found.mode, work)?;
        let cost = catalog::find(&case.benchmark)?.cost(&case.shape)?;
        let mut environment = found.library.environment(found.mode, case.threads.get());
        // Found once, it is not searched for again in every process.
        if let Some(path) = &found.path {
            let variable = format!("PERFKIT_{}_LIBRARY", found.library.name.to_uppercase());
            environment.push((variable, Some(path.clone())));
        }
        let arguments = [SERVE, found.library.name, found.mode.name].map(str::to_owned).to_vec();
        Some(Contestant {
            case,
            cost,
            peer: Some(found.peer.clone()),
            program: Program { path: self.program.clone(), arguments },
            start: Start { environment, ..Start::default() },
        })
    }

    fn our_contestant(&self, case: Case) -> Option<Contestant> {
        let cost = catalog::find(&case.benchmark)?.cost_of(&case.implementation, &case.shape)?;
        let program = Program::new(self.program.clone());
        Some(Contestant { case, cost, peer: None, program, start: Start::default() })
    }
}

fn work_of(case: &Case) -> Work {
    (case.benchmark.clone(), case.shape.clone(), case.threads)
}

/// Of the selected cases of a piece of work, each implementation on its best tier; the plain loop competes with nobody.
fn best_of_ours(asked: &[&Case], work: &Work) -> Vec<Case> {
    let mine = || asked.iter().filter(|case| work_of(case) == *work && case.implementation != "plain");
    let best = mine().filter(|case| {
        mine().all(|other| other.implementation != case.implementation || other.tier <= case.tier)
    });
    best.map(|case| (*case).clone()).collect()
}

#[cfg(test)]
mod tests;
