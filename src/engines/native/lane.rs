//! What works through texts from their ids to their embeddings: the buffers and counters of one thread with a share of a
//! batch of its own, or of a team that divides every step of a batch among its threads.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::encoder::{Encoder, Probe};
use super::parts::Parts;
use super::workspace::Workspace;
use crate::engines::EngineError;
use crate::sys::{Monotonic, Team};
use crate::telemetry::Stages;
use crate::tensor::{ArenaStatistics, BufferPool};

/// Buffers and counters of one line of work.
pub(super) struct Lane {
    workspace: Workspace,
    clock: Monotonic,
    /// Where the time of the last batch's layers went.
    pub(super) parts: Parts,
    /// Where the time of the last batch went, of a lane beside others.
    pub(super) stages: Stages,
    /// How often a part did not fit the memory and a smaller one was tried.
    pub(super) smaller_parts: u64,
}

/// Texts and the place of their embeddings.
pub(super) struct Job<'a> {
    pub(super) encoder: &'a Encoder,
    pub(super) texts: &'a [Vec<u32>],
    /// Tokens of each text.
    pub(super) lengths: &'a [usize],
    /// Tokens of a part.
    pub(super) part_tokens: usize,
    /// An embedding a text.
    pub(super) values: &'a mut [f32],
}

impl Lane {
    pub(super) fn new(pool: BufferPool<f32>, clock: Monotonic) -> Self {
        let (workspace, parts) = (Workspace::of(pool), Parts::new(clock));
        Self { workspace, clock, parts, stages: Stages::new(), smaller_parts: 0 }
    }

    /// Embeds the texts, a part of the batch after the other.
    pub(super) fn work(
        &mut self,
        job: Job<'_>,
        team: &Team,
        stages: &mut Stages,
        probe: &mut Probe<'_>,
    ) -> Result<(), EngineError> {
        let Job { encoder, texts, lengths, part_tokens, values } = job;
        let Self { workspace, clock, parts, smaller_parts, .. } = self;
        let dimensions = encoder.model.embedding_len();
        let (mut first, mut rest) = (0, values);
        let (mut target, mut most) = (even(lengths, part_tokens), usize::MAX);
        while first < texts.len() {
            let end = first + part_len(&lengths[first..], target).min(most);
            let part = &texts[first..end];
            match stages.time(clock, "prepare", || encoder.gather(team, part, workspace)) {
                Ok(()) => {}
                Err(EngineError::Memory { .. }) if part.len() > 1 => {
                    // Half the texts, then a quarter: down to one, whose refusal is the batch's.
                    (target, most) = (part.iter().map(Vec::len).sum::<usize>() / 2, part.len() / 2);
                    *smaller_parts += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let (rows, behind) = std::mem::take(&mut rest).split_at_mut(part.len() * dimensions);
            (first, rest) = (end, behind);
            stages.time(clock, "encode", || encoder.encode(team, workspace, parts, probe));
            stages.time(clock, "pool", || encoder.pool(workspace, rows));
            stages.time(clock, "normalize", || encoder.finish(rows));
        }
        Ok(())
    }

    /// The same on the calling thread alone, timed in the lane's own stages.
    pub(super) fn work_alone(&mut self, job: Job<'_>) -> Result<(), EngineError> {
        let mut stages = std::mem::take(&mut self.stages);
        let answer = self.work(job, &Team::single(), &mut stages, &mut |_, _, _| {});
        self.stages = stages;
        answer
    }

    /// Begins a batch whose stages are this lane's own, noted beside those of the batch where somebody traces.
    pub(super) fn begin(&mut self, number: usize, batch: &Stages) {
        match batch.track() {
            Some(track) if self.stages.track().is_none_or(|own| !own.is_beside(track)) => {
                self.stages = Stages::on(track.beside(&format!("thread {number}")));
            }
            Some(_) => self.stages.reset(),
            None => {
                self.stages.reset();
                self.stages.leave_track();
            }
        }
        self.parts.begin(self.stages.track());
    }

    /// How its memory was used so far.
    pub(super) const fn memory(&self) -> ArenaStatistics {
        self.workspace.statistics()
    }
}

/// A lane that its engine alone can reach. What a panic left in the buffers is written over.
pub(super) fn own(lane: &mut Mutex<Lane>) -> &mut Lane {
    lane.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// A lane to look at.
pub(super) fn seen(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of the lanes that nobody works in; there are as many as threads that look for one.
pub(super) fn free(lanes: &[Mutex<Lane>]) -> Option<MutexGuard<'_, Lane>> {
    lanes.iter().cycle().find_map(|lane| match lane.try_lock() {
        Ok(lane) => Some(lane),
        Err(TryLockError::Poisoned(lane)) => Some(lane.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    })
}

/// Tokens of each of the fewest evenly filled parts of at most about `most` tokens.
pub(super) fn even(lengths: &[usize], most: usize) -> usize {
    let total: usize = lengths.iter().sum();
    total.div_ceil(total.div_ceil(most.max(1)).max(1))
}

/// How many of the first texts make a part: whole ones, until there are `target` tokens, and one at least.
pub(super) fn part_len(lengths: &[usize], target: usize) -> usize {
    let mut tokens = 0;
    let mut len = 0;
    while len < lengths.len() && (len == 0 || tokens < target) {
        tokens += lengths[len];
        len += 1;
    }
    len
}
