//! The whole job: ceilings, kernels, embedding, one document.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use crate::document::{Document, Machine, Shape};
use crate::engines::ModelSource;
use crate::units::CpuList;

use super::bench::{Bench, Roofs, Schedule, pin, schedule};
use super::embed::EmbedPlan;
use super::recorder::{Beginning, Recorder};
use super::selection::Selection;
use super::settings::Suite;
use super::{Observer, Stop};

/// What a run measures.
#[derive(Debug, Clone)]
pub struct Request {
    /// The suite of perfkit.toml, and its name.
    pub suite: (String, Suite),
    /// The embedding model; `None` leaves the pipeline out.
    pub model: Option<ModelSource>,
    /// The program that measures memory in a fresh process: this one.
    pub worker: Option<PathBuf>,
    /// Restrict the process to these CPUs.
    pub cpus: Option<CpuList>,
    /// The seed of every random choice.
    pub seed: u64,
    /// The subcommand and its mode.
    pub command: String,
    /// `results.json`, rewritten as the run goes on.
    pub journal: Option<PathBuf>,
}

/// Does the whole job. What was measured until a stop is in the document, which then says so.
pub fn run(
    request: &Request,
    machine: Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Document> {
    let effective = pin(request.cpus.as_ref(), &machine)?;
    check_model(request.model.as_ref())?;
    let (name, suite) = &request.suite;
    let plan = schedule_of(suite, &machine)?;
    let beginning = Beginning {
        command: request.command.clone(),
        suite: Some(name.clone()),
        seed: request.seed,
        journal: request.journal.clone(),
    };
    let mut recorder = Recorder::new(machine, beginning, effective.get(), stop, observer);
    recorder.conditions_mut().pinned_cpus = request.cpus.as_ref().map(ToString::to_string);
    let mut bench = Bench::new(&suite.plan, request.seed, recorder.document().machine.clone());
    for omission in &plan.skipped {
        recorder.add(crate::document::Outcome::Skipped(omission.clone()))?;
    }
    bench.clock(&mut recorder);
    bench.phase("ceilings", &plan.ceilings, &mut recorder)?;
    bench.phase("kernels", &plan.cases, &mut recorder)?;
    if let Some(model) = &request.model {
        embed(model, request, &mut recorder)?;
    }
    bench.again(&plan.ceilings, &mut recorder)?;
    recorder.finish()
}

/// A model that cannot be loaded is said before a minute of measuring, not after. Generated ones always can.
fn check_model(model: Option<&ModelSource>) -> anyhow::Result<()> {
    match model {
        Some(model @ (ModelSource::Folder(_) | ModelSource::Hub(_))) => {
            model.load().with_context(|| format!("model {model}"))?;
            Ok(())
        }
        Some(ModelSource::Builtin(_)) | None => Ok(()),
    }
}

/// The embedding pipeline at the suite's batches.
fn embed(model: &ModelSource, request: &Request, recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
    if recorder.stop.requested() {
        return Ok(());
    }
    let suite = &request.suite.1;
    let shapes = suite.embed.iter().map(|text| text.parse::<Shape>());
    let plan = EmbedPlan {
        shapes: shapes.collect::<Result<_, _>>().context("in a suite's `embed`")?,
        extensiveness: suite.extensiveness,
        sampling: suite.plan.clone(),
        seed: request.seed,
        worker: request.worker.clone(),
        ..EmbedPlan::new(model.clone())
    };
    let machine = Arc::new(recorder.document().machine.clone());
    let outcomes = super::embed::measure(&plan, &machine, recorder.observer, recorder.stop)?;
    recorder.extend(outcomes)
}

/// The cases of a suite, with the ceilings that placing them needs.
pub fn schedule_of(suite: &Suite, machine: &Machine) -> anyhow::Result<Schedule> {
    let mut selection = Selection::usual(machine, suite.extensiveness);
    selection.filters = suite.cases.clone();
    schedule(&selection, machine, Roofs::Needed)
}
