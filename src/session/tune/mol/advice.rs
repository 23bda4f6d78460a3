//! What to set and to watch where a mixture is deployed, each with its measurement.

use super::MolPlan;
use crate::document::{MolCandidate, MolSettings, MolTuning, TuningAdvice};
use crate::units;

/// What to set and to watch, from what was measured of the choice.
pub(super) fn advice(
    plan: &MolPlan,
    mol: &MolTuning,
    i: usize,
    worst: Option<(f64, f64)>,
) -> Vec<TuningAdvice> {
    let chosen = &mol.candidates[i];
    let mut all = Vec::new();
    let mut say = |action: String, because: String| all.push(TuningAdvice { action, because });
    let rate = |row: &MolCandidate| row.queries_per_second.map(|rate| units::rate(rate, "queries/s"));
    let others: Vec<String> = mol
        .candidates
        .iter()
        .filter(|row| MolSettings { batch: chosen.settings.batch, ..row.settings } == chosen.settings)
        .filter_map(|row| Some(format!("{} at {}", rate(row)?, row.settings.batch)))
        .collect();
    say(
        format!("score {} queries together", chosen.settings.batch),
        format!("measured {}", others.join(", ")),
    );
    if let Some(bytes) = chosen.memory_bytes {
        say(
            format!(
                "reserve {} for {} items, beside the program",
                units::bytes(bytes),
                units::count(plan.items as u64)
            ),
            "the largest resident size of a process that arranged the items and scored them".to_owned(),
        );
    }
    if let Some((slowest_batch, slowest_round)) = worst {
        say(
            format!("warn where a batch takes longer than {}", units::seconds(slowest_batch)),
            format!("the longest of the {} batches that were measured", chosen.batches),
        );
        let least = 1.0 / slowest_round;
        say(
            format!("warn where a thread scores fewer than {}", units::rate(least, "queries/s")),
            format!("the slowest of the {} rounds that were measured", chosen.rounds),
        );
    }
    if let (Some(quality), Some(source)) = (chosen.quality, &mol.quality_source) {
        say(format!("watch that the quality stays near {quality:.4}"), source.clone());
    }
    all
}
