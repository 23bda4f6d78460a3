//! `tune mol`: every configuration of a mixture of logits measured in turn with the dot product beside it, then those within
//! the limits raced until the fastest of them is known.

use std::path::PathBuf;

use super::quality::{self, QualityRow};
use crate::catalog::{ScoreForm, ScorerSizes};
use crate::document::{Machine, MolCandidate, MolSettings, MolTuning, Tier, Tuning, TuningLimits, Unknown};
use crate::session::{Observer, Stop};
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Monotonic};

mod advice;
mod footprint;
mod race;
mod stock;
#[cfg(test)]
mod tests;

pub use footprint::{Footprint, FootprintTask, footprint};

use footprint::{forms, memories};
use race::race;
use stock::Budget;

/// Rounds that every configuration has, whatever it looks like.
const EXHAUSTIVE_ROUNDS: usize = 3;

/// Where the quality comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QualitySource {
    /// Nowhere.
    Unknown,
    /// A table of the user's.
    Table(PathBuf),
    /// Vectors, of which the recall of so many nearest is measured.
    Vectors(PathBuf, usize),
}

/// What to search.
#[derive(Debug, Clone)]
pub struct MolPlan {
    /// Components of a query.
    pub query_components: Vec<usize>,
    /// Components of an item.
    pub item_components: Vec<usize>,
    /// Widths of a component.
    pub widths: Vec<usize>,
    /// Hidden units of the gates' network.
    pub gate_hidden: Vec<usize>,
    /// Sizes of batches.
    pub batches: Vec<usize>,
    /// Items that every query is scored against.
    pub items: usize,
    /// Width of the embeddings of the dot product beside them.
    pub dot_width: usize,
    /// Limits of latency and memory.
    pub limits: TuningLimits,
    /// Least quality.
    pub quality_minimum: Option<f64>,
    /// Where the quality comes from.
    pub quality: QualitySource,
    /// The race ends after so many seconds; the rounds that every configuration has are not cut.
    pub seconds: f64,
    /// Of every random choice.
    pub seed: u64,
    /// Bytes that arranged configurations may take together; half of what the system has free if none are named.
    pub memory_budget: Option<u64>,
    /// The program that measures memory in a process of its own.
    pub worker: Option<PathBuf>,
}

impl MolPlan {
    /// Every configuration with every size of a batch.
    #[must_use]
    pub fn settings(&self) -> Vec<MolSettings> {
        let mut all = Vec::new();
        for &query_components in &self.query_components {
            for &item_components in &self.item_components {
                for &width in &self.widths {
                    for &gate_hidden in &self.gate_hidden {
                        all.extend(self.batches.iter().map(|&batch| MolSettings {
                            query_components,
                            item_components,
                            width,
                            gate_hidden,
                            batch,
                        }));
                    }
                }
            }
        }
        all
    }
}

/// Runs the search.
///
/// # Errors
/// A table or vectors that cannot be read, or sizes that this machine does not hold.
pub fn tune_mol(
    plan: &MolPlan,
    machine: &Machine,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<Tuning> {
    let clock = Monotonic::new();
    let start = clock.now();
    let tier = Tier::best_f32();
    let mut tuning = Tuning::begin("mol", "mixture of logits", machine, plan.seed, plan.limits);
    let mut mol = MolTuning {
        items: plan.items,
        tier: tier.to_string(),
        dot_width: plan.dot_width,
        quality_minimum: plan.quality_minimum,
        ..MolTuning::default()
    };
    mol.candidates = plan
        .settings()
        .into_iter()
        .map(|settings| MolCandidate { settings, ..MolCandidate::default() })
        .collect();
    qualities(plan, &mut mol)?;
    let budget = Budget::of(plan.memory_budget);
    memories(plan, budget, &mut mol, observer, stop);
    leave_out(plan, budget, &mut mol);
    race(plan, (tier, budget), machine, &mut mol, &mut tuning, observer, stop)?;
    let at = mol.choice.as_ref().map(|choice| choice.settings);
    forms(plan, budget, at, &mut mol, observer, stop);
    tuning.seconds = as_seconds(clock.now().saturating_sub(start));
    tuning.mol = Some(mol);
    Ok(tuning)
}

/// Fills in the quality, from wherever it is to come.
fn qualities(plan: &MolPlan, mol: &mut MolTuning) -> anyhow::Result<()> {
    let rank = |settings: &MolSettings| {
        settings.query_components.min(settings.item_components).saturating_mul(settings.width)
    };
    let reason = match &plan.quality {
        QualitySource::Unknown => "not measured: give a table with --quality, or vectors with --vectors",
        QualitySource::Table(path) => {
            let table: Vec<QualityRow> = quality::read_table(path)?;
            mol.quality_source = Some("a table that the user gave".to_owned());
            for row in &mut mol.candidates {
                row.quality = quality::look_up(&table, &row.settings);
            }
            "the table that was given has no row for it"
        }
        QualitySource::Vectors(path, depth) => {
            let vectors = quality::read_vectors(path)?;
            mol.quality_source = Some(format!(
                "recall of the {depth} nearest among {} vectors of {} numbers, by the dot product of rank min(PQ, PX) d in \
                 their principal directions; the gates are not trained",
                vectors.count(),
                vectors.dimensions
            ));
            let mut ranks: Vec<usize> = mol.candidates.iter().map(|row| rank(&row.settings)).collect();
            ranks.sort_unstable();
            ranks.dedup();
            let recalls = quality::measure(vectors, &ranks, *depth, plan.seed)?;
            for row in &mut mol.candidates {
                let at = ranks.binary_search(&rank(&row.settings)).ok();
                row.quality = at.and_then(|at| recalls[at]);
            }
            "the vectors are too few for so many nearest"
        }
    };
    if mol.candidates.iter().any(|row| row.quality.is_none()) {
        let unknown = Unknown { field: "mol.candidates.quality".to_owned(), reason: reason.to_owned() };
        mol.unknown.push(unknown);
    }
    Ok(())
}

/// Configurations that cannot be the choice, whatever their speed.
fn leave_out(plan: &MolPlan, budget: Budget, mol: &mut MolTuning) {
    for row in &mut mol.candidates {
        row.dropped = match (plan.quality_minimum, row.quality, plan.limits.memory_bytes, row.memory_bytes) {
            (Some(least), Some(quality), _, _) if quality < least => {
                Some("its quality is below the limit".to_owned())
            }
            (Some(_), None, _, _) => Some("its quality is not measured".to_owned()),
            (_, _, Some(limit), Some(bytes)) if bytes > limit => {
                Some("its memory is beyond the limit".to_owned())
            }
            (_, _, Some(_), None) => Some("its memory is unknown".to_owned()),
            _ => None,
        };
        let sizes = sizes(&row.settings, plan.items, plan.dot_width, ScoreForm::Fused);
        if let Some(why) = budget.refuses(ScoreForm::Fused, &sizes) {
            row.dropped = Some(format!("not measured: {why}"));
        }
    }
}

/// Sizes of a form at settings.
fn sizes(settings: &MolSettings, items: usize, dot_width: usize, form: ScoreForm) -> ScorerSizes {
    ScorerSizes {
        queries: settings.batch,
        items,
        query_components: settings.query_components,
        item_components: settings.item_components,
        width: if form == ScoreForm::Dot { dot_width } else { settings.width },
        gate_hidden: settings.gate_hidden,
    }
}
