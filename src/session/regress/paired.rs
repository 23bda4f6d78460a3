//! The paired judgement of one case: blocks until something is shown, a control among them.

use crate::analysis::compare::{
    Change, CountChange, CountVerdict, Margin, RatioInterval, Sequential, TailChange, Verdict,
};
use crate::analysis::sequential::counts::{CountTolerance, compare_counts};
use crate::analysis::sequential::tails::block_quantile_ratio;
use crate::analysis::sequential::{Decider, Evidence, State};
use crate::document::{Cause, TraceArm, TraceBlock};
use crate::measure::counters::INSTRUCTIONS;
use crate::measure::{ArmError, running_nanoseconds};
use crate::session::Stop;
use crate::stats;
use crate::sys::clock::{as_seconds, monotonic_nanoseconds};

use super::instructions::{CounterSource, tier_of};
use super::pairs::{Kind, Pairs, is_single_threaded};

/// The error granted to each claim.
pub(super) const ALPHA: f64 = 0.05;
/// Every so many blocks one is a control.
const CONTROL_EVERY: usize = 5;
/// After so many blocks of base against candidate a case is given up.
const MOST_BLOCKS: usize = 100;
/// Blocks below which no verdict of 5 % can be reached, and two to spare.
const FEWEST_BLOCKS: usize = 9;
/// Quantiles that are judged where tails are asked for.
const TAILS: [f64; 1] = [0.95];

/// How a case is judged.
#[derive(Debug, Clone, Copy)]
pub struct PairPlan {
    /// Which differences matter.
    pub margin: Margin,
    /// Cases judged together.
    pub suite_size: usize,
    /// Sampling ends after so many seconds, but not with fewer blocks than any verdict needs.
    pub budget_seconds: f64,
    /// Judge the tails too.
    pub tails: bool,
}

/// A case as far as it was judged alone: what its suite makes of it comes after.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// The case, without a verdict.
    pub change: Change,
    /// What its own blocks show.
    pub state: State,
    /// The evidence behind it.
    pub evidence: Evidence,
    /// ln(base / base) of each control block.
    pub control: Vec<f64>,
    /// Which side said of itself that it was built without optimisation.
    pub unoptimised: [bool; 2],
    /// The candidate's median seconds a run in each block.
    pub candidate_seconds: Vec<f64>,
    /// The largest resident size of the candidate in any block.
    pub candidate_peak_rss_bytes: Option<u64>,
}

/// Takes blocks until something is shown, the budget is spent, or a stop is asked for. Every block is handed to `keep`.
///
/// # Errors
/// A side failed: there is no verdict on the case.
pub(super) fn judge(
    case: &str,
    pairs: &mut dyn Pairs,
    plan: &PairPlan,
    stop: &Stop,
    keep: &mut dyn FnMut(TraceBlock),
) -> Result<Judged, ArmError> {
    let start = monotonic_nanoseconds();
    let mut tally = Tally::new(plan);
    for index in 1.. {
        if stop.requested() || tally.finished(plan) {
            break;
        }
        let kind = if index % CONTROL_EVERY == 0 { Kind::Control } else { Kind::Pair };
        let Some(block) = pairs.block(kind)? else { break };
        let block = TraceBlock { case: case.to_owned(), ..block };
        tally.take(&block);
        keep(block);
    }
    let seconds = as_seconds(monotonic_nanoseconds().saturating_sub(start));
    Ok(tally.judged(case, pairs.rounds(), seconds))
}

/// What the blocks of a case add up to.
struct Tally {
    decider: Decider,
    tails: Vec<(f64, Decider)>,
    effects: Vec<f64>,
    control: Vec<f64>,
    sampling_seconds: f64,
    samples: usize,
    preempted: usize,
    unsettled_blocks: usize,
    counts: [Vec<Vec<(String, f64)>>; 2],
    peaks: [Vec<f64>; 2],
    unoptimised: [bool; 2],
    candidate_seconds: Vec<f64>,
    candidate_peak_rss_bytes: Option<u64>,
}

impl Tally {
    fn new(plan: &PairPlan) -> Self {
        let tails: &[f64] = if plan.tails { &TAILS } else { &[] };
        let decider = || Decider::new(plan.margin, ALPHA, plan.suite_size);
        Self {
            decider: decider(),
            tails: tails.iter().map(|&quantile| (quantile, decider())).collect(),
            effects: Vec::new(),
            control: Vec::new(),
            sampling_seconds: 0.0,
            samples: 0,
            preempted: 0,
            unsettled_blocks: 0,
            counts: [Vec::new(), Vec::new()],
            peaks: [Vec::new(), Vec::new()],
            unoptimised: [false; 2],
            candidate_seconds: Vec::new(),
            candidate_peak_rss_bytes: None,
        }
    }

    fn finished(&self, plan: &PairPlan) -> bool {
        let shown = |decider: &Decider| decider.state() != State::Undecided;
        if shown(&self.decider) && self.tails.iter().all(|(_, decider)| shown(decider)) {
            return true;
        }
        let blocks = self.effects.len();
        blocks >= MOST_BLOCKS || (self.sampling_seconds >= plan.budget_seconds && blocks >= FEWEST_BLOCKS)
    }

    fn take(&mut self, block: &TraceBlock) {
        self.sampling_seconds += block.sampling_seconds;
        for arm in [&block.base, &block.candidate] {
            self.samples += arm.cause.len();
            self.preempted += arm.cause.iter().filter(|&&cause| cause == Cause::Preempted).count();
        }
        self.unsettled_blocks += usize::from(!(block.base.settled && block.candidate.settled));
        let Some(effect) = effect(block) else { return };
        if block.control {
            self.control.push(effect);
            return;
        }
        self.effects.push(effect);
        self.candidate_seconds.extend(stats::median(&all_seconds(&block.candidate)));
        self.candidate_peak_rss_bytes = self.candidate_peak_rss_bytes.max(block.candidate.peak_rss_bytes);
        self.decider.push(effect);
        for (quantile, decider) in &mut self.tails {
            let [base, candidate] = [&block.base, &block.candidate].map(undisturbed_seconds);
            if let Some(ratio) = block_quantile_ratio(&base, &candidate, *quantile) {
                decider.push(ratio);
            }
        }
        for (side, arm) in [&block.base, &block.candidate].into_iter().enumerate() {
            self.unoptimised[side] |= arm.unoptimised;
            if !arm.counts.is_empty() {
                self.counts[side].push(arm.counts.clone());
            }
            #[expect(clippy::cast_precision_loss, reason = "sizes of processes fit in 53 bits")]
            self.peaks[side].extend(arm.peak_rss_bytes.map(|bytes| bytes as f64));
        }
    }

    fn judged(self, case: &str, rounds_per_block: usize, seconds: f64) -> Judged {
        let evidence = self.decider.evidence();
        #[expect(clippy::cast_precision_loss, reason = "counts of samples are small")]
        let share = |part: usize, all: usize| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        let sequential = Sequential {
            blocks: evidence.blocks,
            rounds_per_block,
            sampling_seconds: self.sampling_seconds,
            seconds,
            ln_e_slower: evidence.ln_e_slower,
            ln_e_faster: evidence.ln_e_faster,
            ln_e_equivalent: evidence.ln_e_equivalent,
            lag1_autocorrelation: evidence.lag1,
            merged: evidence.merged,
            preempted_fraction: share(self.preempted, self.samples),
            unsettled_blocks: self.unsettled_blocks,
            block_effects: self.effects.clone(),
        };
        let mut counts = counters(&self.counts, case);
        counts.extend(resident(&self.peaks));
        let change = Change {
            case: case.to_owned(),
            ratio: ratio(&evidence, &self.effects),
            minimum_detectable_effect: evidence.minimum_detectable_effect,
            evidence: sentence(&sequential),
            tails: self.tails.iter().map(|(quantile, decider)| tail(*quantile, decider)).collect(),
            counts,
            sequential: Some(sequential),
            ..Change::default()
        };
        Judged {
            change,
            state: self.decider.state(),
            evidence,
            control: self.control,
            unoptimised: self.unoptimised,
            candidate_seconds: self.candidate_seconds,
            candidate_peak_rss_bytes: self.candidate_peak_rss_bytes,
        }
    }
}

/// ln(candidate / base) over the rounds, in the time that the host let the work run. The two sides of a round suffer
/// from the same host and in drawn order, so that the ratios scatter evenly about the one that is looked for.
#[must_use]
pub(super) fn effect(block: &TraceBlock) -> Option<f64> {
    let seconds = [&block.base, &block.candidate].map(|arm| running_seconds(arm, &block.case));
    let ratios: Vec<f64> =
        seconds[0].iter().zip(&seconds[1]).map(|(base, other)| (other / base).ln()).collect();
    stats::hodges_lehmann(&ratios)
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
fn all_seconds(arm: &TraceArm) -> Vec<f64> {
    let iterations = arm.iterations.max(1) as f64;
    arm.wall_nanoseconds.iter().map(|&nanoseconds| as_seconds(nanoseconds) / iterations).collect()
}

/// Without the time that the thread could have run and had no CPU: that is the neighbours' doing, and on a busy host it
/// is more than all that a change does. Only for work of one thread, whose waiting is the whole work's; the samples
/// themselves are kept as they were.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
fn running_seconds(arm: &TraceArm, case: &str) -> Vec<f64> {
    if !is_single_threaded(case) {
        return all_seconds(arm);
    }
    let iterations = arm.iterations.max(1) as f64;
    let running = |i: usize| {
        running_nanoseconds(arm.wall_nanoseconds[i], arm.cpu_nanoseconds[i], arm.wait_nanoseconds[i])
    };
    (0..arm.wall_nanoseconds.len()).map(|i| as_seconds(running(i)) / iterations).collect()
}

/// Tails are of samples that the scheduler left alone: how often it did not is a figure of its own.
fn undisturbed_seconds(arm: &TraceArm) -> Vec<f64> {
    let seconds = all_seconds(arm);
    seconds
        .into_iter()
        .zip(&arm.cause)
        .filter(|(_, cause)| **cause != Cause::Preempted)
        .map(|(s, _)| s)
        .collect()
}

fn ratio(evidence: &Evidence, effects: &[f64]) -> RatioInterval {
    let fold = |start: f64, pick: fn(f64, f64) -> f64| effects.iter().copied().fold(start, pick);
    RatioInterval {
        value: evidence.effect.unwrap_or(0.0).exp(),
        low: evidence.low.unwrap_or_else(|| fold(f64::INFINITY, f64::min)).exp().min(f64::MAX),
        high: evidence.high.unwrap_or_else(|| fold(f64::NEG_INFINITY, f64::max)).exp(),
    }
}

fn tail(quantile: f64, decider: &Decider) -> TailChange {
    TailChange {
        quantile,
        verdict: verdict_of(decider.state()),
        ratio: ratio(&decider.evidence(), decider.values()),
    }
}

fn sentence(sequential: &Sequential) -> String {
    let mut text = format!(
        "{} blocks of {} rounds in {}, {} of the samples pre-empted",
        sequential.blocks,
        sequential.rounds_per_block,
        crate::units::seconds(sequential.sampling_seconds),
        crate::units::percent(sequential.preempted_fraction)
    );
    if sequential.merged {
        text.push_str(", neighbouring blocks merged (they were correlated)");
    }
    if sequential.unsettled_blocks > 0 {
        text.push_str(&format!(", {} blocks began before the warm-up settled", sequential.unsettled_blocks));
    }
    text
}

/// The verdict of a state.
#[must_use]
pub(super) const fn verdict_of(state: State) -> Verdict {
    match state {
        State::Slower => Verdict::Slower,
        State::Faster => Verdict::Faster,
        State::Equivalent => Verdict::Equivalent,
        State::Undecided => Verdict::Inconclusive,
    }
}

/// Counters that both sides have, block for block.
fn counters(counts: &[Vec<Vec<(String, f64)>>; 2], case: &str) -> Vec<CountChange> {
    let [base, candidate] = counts;
    let Some(first) = base.first() else { return Vec::new() };
    let values = |side: &[Vec<(String, f64)>], name: &str| -> Vec<f64> {
        side.iter().flatten().filter(|(n, _)| n == name).map(|(_, value)| *value).collect()
    };
    let judged = first.iter().filter_map(|(name, _)| {
        let (base, candidate) = (values(base, name), values(candidate, name));
        let tolerance = if name.ends_with("_bytes") { CountTolerance::BYTES } else { CountTolerance::COUNTS };
        let change = count_change(name, counter_source(name), &base, &candidate, tolerance)?;
        // The sides' tiers were compared before their instructions were kept.
        let tier = if name == INSTRUCTIONS { tier_of(case) } else { None };
        Some(CountChange { tier, ..change })
    });
    judged.collect()
}

/// By name, as the protocol defines them; any other is the program's own.
fn counter_source(name: &str) -> &'static str {
    match name {
        INSTRUCTIONS => CounterSource::PerfEvent.name(),
        "allocations" | "allocated_bytes" => "allocator",
        _ => "program",
    }
}

/// The largest resident size varies with the system's mood by some pages: it is told, not judged.
fn resident(peaks: &[Vec<f64>; 2]) -> Option<CountChange> {
    let [base, candidate] = [stats::median(&peaks[0])?, stats::median(&peaks[1])?];
    Some(CountChange {
        counter: "peak_rss_bytes".to_owned(),
        source: "system".to_owned(),
        base,
        candidate,
        verdict: CountVerdict::Unsteady,
        ..CountChange::default()
    })
}

/// Compares a counter of both sides; `None` where one has no count.
pub(super) fn count_change(
    name: &str,
    source: &str,
    base: &[f64],
    candidate: &[f64],
    tolerance: CountTolerance,
) -> Option<CountChange> {
    let verdict = compare_counts(base, candidate, tolerance)?;
    Some(CountChange {
        counter: name.to_owned(),
        source: source.to_owned(),
        base: stats::median(base)?,
        candidate: stats::median(candidate)?,
        verdict,
        ..CountChange::default()
    })
}
