//! A race between settings: rounds of measurements in, the settings that are still worth a round out.
//!
//! In every round each setting that is still in the race embeds texts once. It leaves when it cannot meet the latency limit,
//! when it is far behind, or when the sequential test of the regression gate has shown it slower than the leader by more than
//! the margin. Everything is a function of the rounds: a recorded race is decided as a live one.

mod front;
mod matmul;
mod memory;
#[cfg(test)]
mod tests;

use super::compare::Margin;
use super::sequential::{Decider, State};
use crate::stats;

pub use front::{Goods, front};
pub use matmul::{pays_from, raised};
pub use memory::fit_memory;

/// The difference in time that matters.
pub const MARGIN: f64 = 0.05;

/// The error granted to each claim, over all settings together.
const ALPHA: f64 = 0.05;

/// Batches that may take longer than the limit.
const LATE_SHARE: f64 = 0.05;

/// After one round: slower than the leader by this factor. Another program on the same core doubles the time of a lap, which is
/// no reason to lose a setting.
const FAR: f64 = 3.0;

/// After two: its faster round is slower than the leader's slower one by this factor.
const BEHIND: f64 = 1.25;

/// One setting's part of a round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lap {
    /// Seconds for a unit of work: a token, a query.
    pub unit_seconds: f64,
    /// Seconds of each batch.
    pub batches: Vec<f64>,
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Still in the race.
    Racing,
    /// Shown to be as fast as the leader within the margin; it needs no more rounds while that leads.
    Equivalent,
    /// Out, and why.
    Dropped(String),
}

struct Arm {
    /// Each with the number of its round.
    laps: Vec<(usize, Lap)>,
    out: Option<Out>,
}

enum Out {
    /// Slower than another.
    Slower(String),
    /// Too late, whatever its speed.
    Late(String),
}

/// The race.
pub struct Race {
    arms: Vec<Arm>,
    latency_limit: Option<f64>,
    margin: Margin,
    rounds: usize,
}

/// How a race came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RaceResult {
    /// The fastest that meets the latency limit.
    pub leader: Option<usize>,
    /// Settings shown to be slower.
    pub slower: usize,
    /// Settings shown to be as fast within the margin.
    pub equivalent: usize,
    /// Settings of which neither is shown.
    pub undecided: usize,
}

impl Race {
    /// A race of so many settings, each batch of which may take so many seconds.
    #[must_use]
    pub fn new(settings: usize, latency_limit: Option<f64>) -> Self {
        let arms = (0..settings).map(|_| Arm { laps: Vec::new(), out: None }).collect();
        Self { arms, latency_limit, margin: Margin::around(MARGIN), rounds: 0 }
    }

    /// The settings to measure in the next round: none where all is decided.
    #[must_use]
    pub fn next_round(&self) -> Vec<usize> {
        let in_race: Vec<usize> = (0..self.arms.len()).filter(|&i| self.arms[i].out.is_none()).collect();
        let Some(leader) = self.leader() else {
            // Without a leader any of these may become one.
            return in_race;
        };
        let open = |&i: &usize| i != leader && self.against(i, leader) == State::Undecided;
        let mut open: Vec<usize> = in_race.into_iter().filter(open).collect();
        if !open.is_empty() || self.arms[leader].laps.is_empty() {
            // A round compares with the leader, which takes part.
            open.push(leader);
            open.sort_unstable();
        }
        open
    }

    /// Takes a round: settings with their laps, of which rounds to come leave out those that are out.
    pub fn take(&mut self, round: Vec<(usize, Lap)>) {
        for (i, lap) in round {
            if lap.unit_seconds.is_finite() && lap.unit_seconds > 0.0 {
                self.arms[i].laps.push((self.rounds, lap));
            }
        }
        self.rounds += 1;
        for i in 0..self.arms.len() {
            if self.arms[i].out.is_none() {
                self.arms[i].out = self.late(i).map(Out::Late);
            }
        }
        let Some(leader) = self.leader() else { return };
        for i in (0..self.arms.len()).filter(|&i| i != leader) {
            if self.arms[i].out.is_none() {
                self.arms[i].out = self.slower(i, leader).map(Out::Slower);
            }
        }
    }

    /// Where each setting stands.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let leader = self.leader();
        let standing = |i: usize| match (&self.arms[i].out, leader) {
            (Some(Out::Slower(why) | Out::Late(why)), _) => Standing::Dropped(why.clone()),
            (None, Some(leader)) if i != leader && self.against(i, leader) == State::Equivalent => {
                Standing::Equivalent
            }
            (None, _) => Standing::Racing,
        };
        (0..self.arms.len()).map(standing).collect()
    }

    /// The outcome so far.
    #[must_use]
    pub fn result(&self) -> RaceResult {
        let leader = self.leader();
        let mut result = RaceResult { leader, ..RaceResult::default() };
        for (i, standing) in self.standings().into_iter().enumerate() {
            match (&self.arms[i].out, standing) {
                _ if Some(i) == leader => {}
                (Some(Out::Late(_)), _) => {}
                (_, Standing::Dropped(_)) => result.slower += 1,
                (_, Standing::Equivalent) => result.equivalent += 1,
                (_, Standing::Racing) => result.undecided += 1,
            }
        }
        result
    }

    /// Median seconds a unit of a setting.
    #[must_use]
    pub fn unit_seconds(&self, i: usize) -> Option<f64> {
        stats::median(&self.times(i))
    }

    /// Rounds of a setting.
    #[must_use]
    pub fn rounds(&self, i: usize) -> usize {
        self.arms[i].laps.len()
    }

    /// The time that 19 of 20 batches of a setting do not exceed, and how many batches there were.
    #[must_use]
    pub fn latency(&self, i: usize) -> (Option<f64>, usize) {
        let batches = stats::sorted(&self.batches(i));
        (stats::quantile_of_sorted(&batches, 1.0 - LATE_SHARE), batches.len())
    }

    /// The longest batch and the slowest round, in seconds a unit, of a setting.
    #[must_use]
    pub fn worst(&self, i: usize) -> Option<(f64, f64)> {
        let most = |values: Vec<f64>| values.into_iter().reduce(f64::max);
        Some((most(self.batches(i))?, most(self.times(i))?))
    }

    /// Whether a setting meets the latency limit, as far as it was measured.
    #[must_use]
    pub fn in_time(&self, i: usize) -> bool {
        match (self.latency_limit, self.latency(i).0) {
            (None, latency) => latency.is_some(),
            (Some(limit), latency) => latency.is_some_and(|seconds| seconds <= limit),
        }
    }

    fn times(&self, i: usize) -> Vec<f64> {
        self.arms[i].laps.iter().map(|(_, lap)| lap.unit_seconds).collect()
    }

    fn batches(&self, i: usize) -> Vec<f64> {
        self.arms[i].laps.iter().flat_map(|(_, lap)| lap.batches.iter().copied()).collect()
    }

    /// The fastest by the median that is in the race and in time.
    fn leader(&self) -> Option<usize> {
        let eligible = (0..self.arms.len()).filter(|&i| self.arms[i].out.is_none() && self.in_time(i));
        let timed = eligible.filter_map(|i| Some((i, self.unit_seconds(i)?)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
    }

    /// Why a setting cannot meet the latency limit, once that is shown: every batch of a whole round beyond it, or more than
    /// one of twenty by an exact interval.
    fn late(&self, i: usize) -> Option<String> {
        let limit = self.latency_limit?;
        let batches = self.batches(i);
        let late = batches.iter().filter(|seconds| **seconds > limit).count();
        let [low, _] = stats::proportion_interval(late, batches.len());
        let all_far = !batches.is_empty() && batches.iter().all(|seconds| *seconds > 1.1 * limit);
        (all_far || low > LATE_SHARE)
            .then(|| format!("{late} of {} batches took longer than the limit", batches.len()))
    }

    /// Why a setting is slower than the leader, once that is shown.
    fn slower(&self, i: usize, leader: usize) -> Option<String> {
        let (own, best) = (self.times(i), self.times(leader));
        let fastest = own.iter().copied().fold(f64::INFINITY, f64::min);
        let slowest = best.iter().copied().fold(0.0, f64::max);
        let behind = fastest / slowest;
        let far = match own.len().min(best.len()) {
            0 => return None,
            1 => behind > FAR,
            _ => behind > BEHIND,
        };
        if far {
            return Some(format!(
                "its fastest round took {behind:.1} times as long as the slowest of the leader"
            ));
        }
        (self.against(i, leader) == State::Slower)
            .then(|| format!("shown slower than the leader by more than {:.0} %", 100.0 * MARGIN))
    }

    /// What the rounds that both took part in show.
    fn against(&self, i: usize, leader: usize) -> State {
        let mut decider = Decider::new(self.margin, ALPHA / self.arms.len().max(1) as f64, 1);
        let best = &self.arms[leader].laps;
        for (round, own) in &self.arms[i].laps {
            // Both are in the order of rounds.
            if let Ok(at) = best.binary_search_by_key(round, |(round, _)| *round) {
                decider.push((own.unit_seconds / best[at].1.unit_seconds).ln());
            }
        }
        decider.state()
    }
}
