//! A document under construction: it collects outcomes, counts conditions, and rewrites its file as it goes on, so
//! that an interruption leaves a valid one.

use std::path::PathBuf;

use crate::document::{
    Case, Conditions, Cost, Document, Machine, Measurement, Omission, Origin, Outcome, Run, SampleSeconds,
    to_json, write_atomically,
};
use crate::measure::Samples;
use crate::stats;
use crate::sys::Monotonic;
use crate::sys::clock::{unix_seconds, utc_timestamp};

use super::conditions::Monitor;
use super::{Observer, Stop};

/// The journal is rewritten when this many seconds have passed since the last time, and at the end of every phase.
const JOURNAL_SECONDS: f64 = 5.0;

/// What every step of a session is handed.
pub struct Recorder<'a> {
    /// The clock of all samples.
    pub clock: Monotonic,
    /// Asked between samples.
    pub stop: &'a Stop,
    /// Told of every step.
    pub observer: &'a mut dyn Observer,
    document: Document,
    known: Conditions,
    monitor: Monitor,
    journal: Option<PathBuf>,
    journaled: f64,
}

/// How a document begins.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    /// The subcommand and its mode.
    pub command: String,
    /// The suite, if one was named.
    pub suite: Option<String>,
    /// The seed of every random choice.
    pub seed: u64,
    /// Where the document is kept while it grows.
    pub journal: Option<PathBuf>,
}

impl<'a> Recorder<'a> {
    /// An empty document of this machine.
    pub fn new(
        machine: Machine,
        beginning: Beginning,
        effective_cpus: usize,
        stop: &'a Stop,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let clock = Monotonic::new();
        let monitor = Monitor::start(&clock);
        let run = Run {
            id: random_id(),
            tool: tool(),
            command: beginning.command,
            started: utc_timestamp(unix_seconds()),
            seconds: 0.0,
            seed: beginning.seed,
            optimised: !cfg!(debug_assertions),
            interrupted: false,
            suite: beginning.suite,
        };
        let known = Conditions { effective_cpus, ..Conditions::default() };
        Self {
            clock,
            stop,
            observer,
            document: Document {
                schema: Document::SCHEMA.to_owned(),
                run,
                machine,
                conditions: Conditions::default(),
                outcomes: Vec::new(),
            },
            known,
            monitor,
            journal: beginning.journal,
            journaled: 0.0,
        }
    }

    /// What was recorded so far.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The machine's facts, to which a measured clock may be added.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.document.machine
    }

    /// The conditions that the run itself knows.
    pub fn conditions_mut(&mut self) -> &mut Conditions {
        &mut self.known
    }

    /// Notes that cases are of another program. One that was not optimised makes the document one without verdicts.
    pub fn note_worker(&mut self, by: &str, unoptimised: bool) {
        let note = format!("with cases of {by}, measured in processes of its own");
        if !self.known.notes.contains(&note) {
            self.known.notes.push(note);
        }
        self.document.run.optimised &= !unoptimised;
    }

    /// Adds an outcome and tells the observer.
    pub fn add(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        self.observer.outcome(&outcome);
        self.document.outcomes.push(outcome);
        if self.monitor.elapsed_seconds() - self.journaled > JOURNAL_SECONDS {
            self.journal()?;
        }
        Ok(())
    }

    /// Adds outcomes that the observer was told of already.
    pub fn extend(&mut self, outcomes: Vec<Outcome>) -> anyhow::Result<()> {
        self.document.outcomes.extend(outcomes);
        self.journal()
    }

    /// Whether a case has an outcome already.
    #[must_use]
    pub fn knows(&self, case: &Case) -> bool {
        self.document.outcomes.iter().any(|outcome| outcome.case() == case)
    }

    /// Puts a further measurement of a case in the place of the one before, if its median is better. Answers by what
    /// share the two differ.
    pub fn keep_better(&mut self, measurement: Measurement) -> Option<f64> {
        let known = self.document.outcomes.iter_mut().find_map(|outcome| match outcome {
            Outcome::Measured(known) if known.case == measurement.case => Some(known),
            Outcome::Measured(_) | Outcome::Skipped(_) | Outcome::Failed(_) => None,
        })?;
        let before = stats::median(&known.seconds.samples)?;
        let after = stats::median(&measurement.seconds.samples)?;
        if after < before {
            **known = measurement;
        }
        Some((after / before - 1.0).abs())
    }

    /// Writes the document as it stands to its file, if it has one.
    pub fn journal(&mut self) -> anyhow::Result<()> {
        self.refresh();
        self.journaled = self.monitor.elapsed_seconds();
        let Some(path) = &self.journal else { return Ok(()) };
        let text = to_json(&self.document)?;
        write_atomically(path, text.as_bytes())
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
    }

    fn refresh(&mut self) {
        self.document.run.seconds = self.monitor.elapsed_seconds();
        self.document.run.interrupted = self.stop.requested();
        self.document.conditions = self.monitor.conditions(self.known.clone());
    }

    /// The finished document, its file written a last time.
    pub fn finish(mut self) -> anyhow::Result<Document> {
        self.journal()?;
        Ok(self.document)
    }
}

/// A measurement from samples; `Skipped` when stopped before the first.
#[must_use]
pub fn measurement(case: &Case, cost: Cost, samples: &Samples) -> Outcome {
    if samples.seconds.is_empty() {
        let why = "interrupted before the first sample".to_owned();
        return Outcome::Skipped(Omission { case: case.clone(), origin: Origin::Perfkit, why });
    }
    let middle = stats::median_index(&samples.seconds);
    let facts = samples.facts.get(middle.min(samples.facts.len().saturating_sub(1)));
    let mut notes = Vec::new();
    if !samples.settled {
        notes.push("the warm-up never settled: neighbouring windows still differed".to_owned());
    }
    Outcome::Measured(Box::new(Measurement {
        case: case.clone(),
        origin: Origin::Perfkit,
        peer: None,
        seconds: SampleSeconds { samples: samples.seconds.clone() },
        cost,
        iterations: samples.iterations,
        cpu_wall_ratio: samples.cpu_wall_ratio,
        minor_faults: samples.minor_faults,
        involuntary_switches: samples.involuntary_switches,
        stages: facts
            .filter(|f| !f.stages.is_empty())
            .map(|f| f.stages.iter().map(|&(name, seconds)| (name.to_owned(), seconds)).collect()),
        total_seconds: facts.and_then(|f| f.total_seconds),
        tokens: facts.and_then(|f| f.tokens),
        texts: facts.and_then(|f| f.texts),
        peak_rss_bytes: None,
        latency: None,
        facts: facts
            .map(|f| f.extra.iter().map(|(&name, &value)| (name.to_owned(), value)).collect())
            .unwrap_or_default(),
        notes,
    }))
}

/// Sixty-four random bits that the standard library gathers from the system for its hash maps.
fn random_id() -> String {
    format!("{:016x}", random_seed())
}

/// This program and its version, as documents name it.
#[must_use]
pub(super) fn tool() -> String {
    concat!("perfkit ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// A seed of the system's.
#[must_use]
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
