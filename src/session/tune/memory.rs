//! Peak memory of settings, of fresh processes, and which settings it leaves no chance.

use super::TunePlan;
use super::grid::Way;
use crate::analysis::tune::fit_memory;
use crate::document::{Case, EmbedSettings, Extent, MemoryLine, MemoryPoint, Shape, Tuning};
use crate::engines::Model;
use crate::engines::native::NativeEngine;
use crate::session::embed::{Beside, WorkerTask, ask};
use crate::session::{Observer, Stop};

use std::num::NonZeroUsize;

/// Measures the peak at the smallest, a middle and the largest batch of settings that differ in nothing else but threads and
/// order, and gives every candidate the memory that the line through these says.
pub(super) fn measure(
    plan: &TunePlan,
    ways: &[Way],
    model: &Model,
    tuning: &mut Tuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) {
    let Some(program) = &plan.embed.worker else {
        let note = "memory is unknown: there is no program to measure it in a process of its own";
        tuning.notes.push(note.to_owned());
        return;
    };
    // Each thread has buffers of its own, so that the most threads are the most memory.
    let threads = ways.iter().map(|way| way.settings.threads).max();
    let threads = threads.and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN);
    let kinds = kinds(ways);
    observer.phase("memory", kinds.iter().map(|(_, points)| points.len()).sum(), 0.0);
    for (way, points) in kinds {
        let mut measured = Vec::new();
        for batch in points {
            if stop.requested() {
                return;
            }
            let case = Case {
                benchmark: format!("embed/{}-{}", model.slug, way.precision),
                implementation: NativeEngine::ID.to_owned(),
                tier: way.tier.into(),
                shape: Shape(vec![Extent::Count(batch), Extent::Mixed]),
                threads,
            };
            observer.step(&case);
            let beside =
                Beside { level: way.level, part_tokens: Some(way.part_tokens), ..plan.embed.beside.clone() };
            let task = WorkerTask {
                model: plan.embed.model.to_string(),
                precision: way.precision.to_string(),
                dimensions: plan.embed.dimensions,
                prompt: plan.embed.prompt.clone(),
                case,
                corpus: plan.embed.corpus.clone(),
                beside,
                file: None,
                started_nanoseconds: None,
            };
            match ask(program, &task, &[]) {
                Ok(answer) => {
                    measured.extend(answer.peak_rss_bytes.map(|bytes| MemoryPoint { batch, bytes }))
                }
                Err(error) => tuning.notes.push(format!("memory of {} is unknown: {error:#}", way.precision)),
            }
        }
        tuning.memory.extend(fit_memory(&way.settings, &measured));
    }
    let Tuning { candidates, memory, .. } = tuning;
    for candidate in candidates {
        let line = line_of(memory, &candidate.settings);
        candidate.memory_bytes = line.map(|line| line.bytes_at(candidate.settings.batch));
    }
}

/// One of each kind of setting that has a line of its own, with the batches to measure.
fn kinds(ways: &[Way]) -> Vec<(&Way, Vec<usize>)> {
    let kind = |way: &Way| (way.precision, way.level, way.part_tokens);
    let mut kinds: Vec<(&Way, Vec<usize>)> = Vec::new();
    for way in ways {
        match kinds.iter_mut().find(|(first, _)| kind(first) == kind(way)) {
            Some((_, sizes)) => sizes.push(way.settings.batch),
            None => kinds.push((way, vec![way.settings.batch])),
        }
    }
    for (_, sizes) in &mut kinds {
        let first = sizes.iter().min().copied().unwrap_or(1);
        let last = sizes.iter().max().copied().unwrap_or(first);
        // A line has two parameters: a third point shows how well it fits.
        let last = if last == first { 2 * first } else { last };
        *sizes = vec![first, first.midpoint(last), last];
        sizes.dedup();
    }
    kinds
}

fn line_of<'a>(lines: &'a [MemoryLine], settings: &EmbedSettings) -> Option<&'a MemoryLine> {
    lines.iter().find(|line| line.is_of(settings))
}

/// Settings that need no race to be out.
#[expect(clippy::cast_precision_loss, reason = "bytes")]
pub(super) fn leave_out(tuning: &mut Tuning) {
    let limits = tuning.limits;
    for candidate in &mut tuning.candidates {
        let error = line_of(&tuning.memory, &candidate.settings).map_or(0.0, |line| line.error_bytes);
        let memory = limits.memory_bytes.zip(candidate.memory_bytes);
        let cosine = limits.cosine_minimum.zip(candidate.cosine_minimum);
        candidate.dropped = if cosine.is_some_and(|(least, cosine)| cosine < least || cosine.is_nan()) {
            Some("its cosine to f32 is below the limit".to_owned())
        } else if limits.memory_bytes.is_some() && candidate.memory_bytes.is_none() {
            Some("its memory is unknown".to_owned())
        } else if memory.is_some_and(|(limit, bytes)| bytes + error > limit as f64) {
            Some("its memory is beyond the limit".to_owned())
        } else {
            None
        };
    }
}
