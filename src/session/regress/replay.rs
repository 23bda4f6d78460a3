//! A recorded trace judged again: the same decisions from the same blocks, on any machine, in no time.

use std::collections::VecDeque;

use super::paired::{PairPlan, judge};
use super::pairs::{Kind, Pairs};
use super::suite::{Outcomes, report};
use crate::analysis::compare::{ComparisonReport, Margin, Mode};
use crate::document::{Trace, TraceBlock};
use crate::measure::ArmError;
use crate::session::Stop;

/// Judges a trace by a margin. What the trace does not hold (layout, the host's history) is not judged.
#[must_use]
pub fn replay(trace: &Trace, margin: Margin, tails: bool) -> ComparisonReport {
    let mut cases: Vec<&str> = Vec::new();
    for block in &trace.blocks {
        if !cases.contains(&&*block.case) {
            cases.push(&block.case);
        }
    }
    let plan = PairPlan { margin, suite_size: cases.len(), budget_seconds: f64::INFINITY, tails };
    let mut outcomes = Outcomes::default();
    for case in cases {
        let blocks = trace.blocks.iter().filter(|block| block.case == case).cloned();
        let mut recorded = Recorded::new(blocks);
        let judged = judge(case, &mut recorded, &plan, &Stop::default(), &mut |_| ());
        outcomes.take(case, judged, None);
    }
    let mut report = report(outcomes, margin, Mode::Paired, None);
    report.seed = Some(trace.seed);
    report.notes.push("judged again from a trace".to_owned());
    report
}

/// Blocks of a trace; they end when those of a kind run out.
struct Recorded {
    pairs: VecDeque<TraceBlock>,
    control: VecDeque<TraceBlock>,
    rounds: usize,
}

impl Recorded {
    fn new(blocks: impl Iterator<Item = TraceBlock>) -> Self {
        let (control, pairs): (VecDeque<_>, VecDeque<_>) = blocks.partition(|block| block.control);
        let rounds = pairs.front().map_or(0, |block: &TraceBlock| block.base.wall_nanoseconds.len());
        Self { pairs, control, rounds }
    }
}

impl Pairs for Recorded {
    fn block(&mut self, kind: Kind) -> Result<Option<TraceBlock>, ArmError> {
        Ok(match kind {
            Kind::Pair => self.pairs.pop_front(),
            Kind::Control => self.control.pop_front().or_else(|| self.pairs.pop_front()),
        })
    }

    fn rounds(&self) -> usize {
        self.rounds
    }
}
