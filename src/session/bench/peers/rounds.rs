//! A contest: everybody prepared in a process of their own, then rounds of one sample of each in drawn order.
//!
//! A sample starts only when no other process of the contest has used a CPU for [`REST_SECONDS`]: pools of threads that
//! spin after their work (libgomp for milliseconds, Intel's for 200) would take part of it. What had to be waited for is
//! kept beside the samples. Somebody who fails leaves, and the others go on.

use super::{Contest, Contestant};
use crate::document::{Measurement, Omission, Origin, Outcome};
use crate::measure::{Arm, ArmError, BatchSample, Plan, WorkerProcess, run_seconds};
use crate::session::bench::Bench;
use crate::session::bench::offered::{BlockFacts, of_block};
use crate::session::recorder::Recorder;
use crate::session::{Observer, Stop};
use crate::stats;
use crate::sys::activity::await_rest;
use crate::sys::clock::as_seconds;
use crate::sys::resources::{ProcessFacts, process_facts};
use crate::sys::{Clock, Rng};

/// Nobody else has used a CPU for so long before a sample.
const REST_SECONDS: f64 = 0.002;
/// Longer than the 200 ms that Intel's threads spin.
const REST_PATIENCE_SECONDS: f64 = 0.3;
/// A sample lasts at least so long: what the rest before it has cooled is warm again.
const SAMPLE_SECONDS: f64 = 0.004;
/// More rounds say no more.
const MOST_ROUNDS: usize = 60;
/// Rounds in which everybody takes part: fewer pairs say too little, more say no more.
const ALIKE_ROUNDS: [usize; 2] = [6, 200];
/// A run of this length wakes its threads and fetches its data by itself.
const LONG_RUN_SECONDS: f64 = 0.25;
/// A worker that gives no answer for so long is given up: preparing a large product takes its reference.
const PATIENCE_SECONDS: f64 = 240.0;

/// Somebody in a contest.
struct Runner<'c> {
    contestant: &'c Contestant,
    worker: WorkerProcess,
    before: ProcessFacts,
    /// What one run took, about.
    run_seconds: f64,
    iterations: u64,
    /// Samples that it should have.
    wanted: usize,
    samples: Vec<BatchSample>,
    /// Whether a run that is not timed precedes each sample.
    wakes: bool,
    /// What it tells of the run that ended each sample, where that is asked.
    facts: Option<Vec<Vec<(String, f64)>>>,
    waited_seconds: f64,
    disturbed: usize,
}

/// How many samples each has, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Turns {
    /// As many as each affords, of as many runs as make a sample long enough.
    AsEachAffords,
    /// All take part in every round, a sample is one run, and what the work tells of itself is kept: samples with the same
    /// index are pairs.
    Alike,
}

/// How a contest is held.
pub(in crate::session) struct Terms<'t> {
    pub(in crate::session) plan: &'t Plan,
    pub(in crate::session) turns: Turns,
    pub(in crate::session) seed: u64,
    /// The smallest step of the clock.
    pub(in crate::session) clock_step_seconds: f64,
}

impl Contestant {
    pub(super) fn origin(&self) -> Origin {
        if self.peer.is_some() { Origin::Peer } else { Origin::Perfkit }
    }

    fn omission(&self, why: String) -> Omission {
        Omission { case: self.case.clone(), origin: self.origin(), why }
    }

    fn start(&self, seed: u64) -> Result<WorkerProcess, ArmError> {
        let mut worker = WorkerProcess::start(&self.program, &self.start, PATIENCE_SECONDS)?;
        worker.prepare(&self.case.to_string(), seed)?;
        Ok(worker)
    }
}

impl Bench {
    /// Measures contests in random order.
    pub(in crate::session::bench) fn contests(
        &mut self,
        contests: &[Contest],
        recorder: &mut Recorder<'_>,
    ) -> anyhow::Result<()> {
        let mut order: Vec<&Contest> = contests.iter().collect();
        self.rng.shuffle(&mut order);
        self.announce("peers", contests.iter().map(|contest| contest.contestants.len()).sum(), recorder);
        for contest in order {
            if recorder.stop.requested() {
                break;
            }
            self.contest(contest, recorder)?;
        }
        recorder.journal()
    }

    fn contest(&mut self, contest: &Contest, recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        let terms = Terms {
            plan: &self.plan,
            turns: Turns::AsEachAffords,
            seed: self.seed,
            clock_step_seconds: as_seconds(recorder.clock.precision()),
        };
        let (rng, stop) = (&mut self.rng, recorder.stop);
        for outcome in hold(contest, &terms, rng, &mut *recorder.observer, stop) {
            match outcome {
                // One of our ceilings was measured before: the better stands.
                Outcome::Measured(measurement) if recorder.knows(&measurement.case) => {
                    recorder.keep_better(*measurement);
                }
                outcome => recorder.add(outcome)?,
            }
        }
        Ok(())
    }
}

/// Holds one contest; answers what became of everybody in it. After a stop, those who have no sample are skipped.
pub(in crate::session) fn hold(
    contest: &Contest,
    terms: &Terms<'_>,
    rng: &mut Rng,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut runners = Vec::new();
    for contestant in contest.contestants.iter().take_while(|_| !stop.requested()) {
        observer.step(&contestant.case);
        match Runner::start(contestant, terms) {
            Ok(runner) => runners.push(runner),
            Err(why) => outcomes.push(Outcome::Failed(contestant.omission(why.to_string()))),
        }
    }
    if terms.turns == Turns::Alike {
        let rounds = alike_rounds(&runners, terms.plan);
        runners.iter_mut().for_each(|runner| runner.wanted = rounds);
    }
    let rounds = runners.iter().map(|runner| runner.wanted).max().unwrap_or(0);
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..runners.len()).collect();
        order.retain(|&at| runners[at].takes_part(round, rounds));
        rng.shuffle(&mut order);
        let mut gone: Vec<(usize, ArmError)> = Vec::new();
        for &at in &order {
            if stop.requested() {
                break;
            }
            let others = (0..runners.len()).filter(|&other| other != at);
            let others: Vec<u32> = others.map(|other| runners[other].worker.id()).collect();
            if let Err(why) = runners[at].take(&others) {
                gone.push((at, why));
            }
        }
        gone.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, why) in gone {
            let runner = runners.remove(at);
            outcomes.push(Outcome::Failed(runner.contestant.omission(why.to_string())));
        }
    }
    outcomes.extend(runners.into_iter().map(Runner::finish));
    outcomes
}

/// As many rounds as the budgets of all afford together.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small positive counts, clamped"
)]
fn alike_rounds(runners: &[Runner<'_>], plan: &Plan) -> usize {
    let turn = |runner: &Runner<'_>| REST_SECONDS + runner.run_seconds * if runner.wakes { 2.0 } else { 1.0 };
    let round: f64 = runners.iter().map(turn).sum();
    let affordable = plan.budget_seconds * runners.len() as f64 / round.max(1e-9);
    (affordable as usize).clamp(ALIKE_ROUNDS[0], ALIKE_ROUNDS[1])
}

impl<'c> Runner<'c> {
    fn start(contestant: &'c Contestant, terms: &Terms<'_>) -> Result<Self, ArmError> {
        let mut worker = contestant.start(terms.seed)?;
        let run_seconds = match terms.turns {
            Turns::AsEachAffords => run_seconds(&mut worker)?,
            Turns::Alike => worker.sample(1)?.running_seconds(),
        };
        Ok(Self::new(contestant, worker, run_seconds, terms))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small positive counts, clamped"
    )]
    fn new(contestant: &'c Contestant, worker: WorkerProcess, run_seconds: f64, terms: &Terms<'_>) -> Self {
        let plan = terms.plan;
        let target = plan.sample_seconds.max(SAMPLE_SECONDS).max(1000.0 * terms.clock_step_seconds);
        let alike = terms.turns == Turns::Alike;
        let iterations = (target / run_seconds.max(1e-12)).ceil().clamp(1.0, 1e9) as u64;
        let iterations = if alike { 1 } else { iterations };
        let affordable = plan.budget_seconds / (run_seconds * iterations as f64);
        let before = process_facts(worker.id());
        Self {
            contestant,
            worker,
            before,
            run_seconds,
            iterations,
            wanted: (affordable as usize).clamp(plan.min_samples, plan.min_samples.max(MOST_ROUNDS)),
            samples: Vec::new(),
            wakes: !alike || run_seconds < LONG_RUN_SECONDS,
            facts: alike.then(Vec::new),
            waited_seconds: 0.0,
            disturbed: 0,
        }
    }

    /// Whoever is slow leaves rounds out, evenly.
    fn takes_part(&self, round: usize, rounds: usize) -> bool {
        (round + 1) * self.wanted / rounds > round * self.wanted / rounds
    }

    /// One sample once the others are at rest. A run before it, which is not timed, wakes its threads and fetches its
    /// data back, as a program that does nothing else would find them.
    fn take(&mut self, others: &[u32]) -> Result<(), ArmError> {
        let rest = await_rest(others, REST_SECONDS, REST_PATIENCE_SECONDS);
        self.waited_seconds += rest.waited_seconds;
        self.disturbed += usize::from(!rest.reached);
        if self.wakes {
            self.worker.sample(1)?;
        }
        self.samples.push(self.worker.sample(self.iterations)?);
        if let Some(facts) = &mut self.facts {
            facts.push(self.worker.facts()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Outcome {
        let contestant = self.contestant;
        let process = process_facts(self.worker.id()).since(&self.before);
        if let Err(why) = self.worker.check() {
            return Outcome::Failed(contestant.omission(why.to_string()));
        }
        self.worker.leave();
        let facts = BlockFacts { settled: true, process };
        let mut outcome =
            of_block(&contestant.case, contestant.cost, contestant.origin(), &self.samples, &facts);
        if let Outcome::Measured(measurement) = &mut outcome {
            measurement.peer = contestant.peer.clone();
            measurement.facts.insert("rest_wait_seconds".to_owned(), self.waited_seconds);
            if self.disturbed > 0 {
                measurement.notes.push(format!(
                    "{} of {} samples began while another process of the contest still used a CPU",
                    self.disturbed,
                    self.samples.len()
                ));
            }
            if let Some(facts) = self.facts {
                #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
                measurement.facts.insert("paired_rounds".to_owned(), self.samples.len() as f64);
                add_facts(measurement, facts);
            }
        }
        outcome
    }
}

/// What the work told of the sample that is the median.
fn add_facts(measurement: &mut Measurement, mut facts: Vec<Vec<(String, f64)>>) {
    let middle = stats::median_index(&measurement.seconds.samples);
    if middle >= facts.len() {
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    let count = |value: f64| Some(value as u64);
    for (name, value) in facts.swap_remove(middle) {
        let stage = name.strip_prefix("stage_").and_then(|rest| rest.strip_suffix("_seconds"));
        match (stage, name.as_str()) {
            (Some(stage), _) => {
                measurement.stages.get_or_insert_default().insert(stage.to_owned(), value);
            }
            (None, "total_seconds") => measurement.total_seconds = Some(value),
            (None, "tokens") => measurement.tokens = count(value),
            (None, "texts") => measurement.texts = count(value),
            (None, _) => {
                measurement.facts.insert(name, value);
            }
        }
    }
}
