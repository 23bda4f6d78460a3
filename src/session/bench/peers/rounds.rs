//! A contest: everybody prepared in a process of their own, then rounds of one sample of each in drawn order.
//!
//! A sample starts only when no other process of the contest has used a CPU for [`REST_SECONDS`]: pools of threads that
//! spin after their work (libgomp for milliseconds, Intel's for 200) would take part of it. What had to be waited for is
//! kept beside the samples. Somebody who fails leaves, and the others go on.

use super::{Contest, Contestant};
use crate::document::{Omission, Origin, Outcome};
use crate::measure::{Arm, ArmError, BatchSample, Plan, WorkerProcess, run_seconds};
use crate::session::bench::Bench;
use crate::session::bench::offered::{BlockFacts, of_block};
use crate::session::recorder::Recorder;
use crate::sys::Clock;
use crate::sys::activity::await_rest;
use crate::sys::clock::as_seconds;
use crate::sys::resources::{ProcessFacts, process_facts};

/// Nobody else has used a CPU for so long before a sample.
const REST_SECONDS: f64 = 0.002;
/// Longer than the 200 ms that Intel's threads spin.
const REST_PATIENCE_SECONDS: f64 = 0.3;
/// A sample lasts at least so long: what the rest before it has cooled is warm again.
const SAMPLE_SECONDS: f64 = 0.004;
/// More rounds say no more.
const MOST_ROUNDS: usize = 60;
/// A worker that gives no answer for so long is given up: preparing a large product takes its reference.
const PATIENCE_SECONDS: f64 = 240.0;

/// Somebody in a contest.
struct Runner<'c> {
    contestant: &'c Contestant,
    worker: WorkerProcess,
    before: ProcessFacts,
    iterations: u64,
    /// Samples that it should have.
    wanted: usize,
    samples: Vec<BatchSample>,
    waited_seconds: f64,
    disturbed: usize,
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
        let mut runners = Vec::new();
        for contestant in &contest.contestants {
            recorder.observer.step(&contestant.case);
            let started = contestant.start(self.seed).and_then(|mut worker| {
                let seconds = run_seconds(&mut worker)?;
                Ok((worker, seconds))
            });
            match started {
                Ok((worker, seconds)) => {
                    let step = as_seconds(recorder.clock.precision());
                    runners.push(Runner::new(contestant, worker, seconds, &self.plan, step));
                }
                Err(why) => recorder.add(Outcome::Failed(contestant.omission(why.to_string())))?,
            }
        }
        let rounds = runners.iter().map(|runner| runner.wanted).max().unwrap_or(0);
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..runners.len()).collect();
            order.retain(|&at| runners[at].takes_part(round, rounds));
            self.rng.shuffle(&mut order);
            let mut gone: Vec<(usize, ArmError)> = Vec::new();
            for &at in &order {
                if recorder.stop.requested() {
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
                recorder.add(Outcome::Failed(runner.contestant.omission(why.to_string())))?;
            }
        }
        for runner in runners {
            runner.finish(recorder)?;
        }
        Ok(())
    }
}

impl<'c> Runner<'c> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small positive counts, clamped"
    )]
    fn new(
        contestant: &'c Contestant,
        worker: WorkerProcess,
        run_seconds: f64,
        plan: &Plan,
        clock_step_seconds: f64,
    ) -> Self {
        let target = plan.sample_seconds.max(SAMPLE_SECONDS).max(1000.0 * clock_step_seconds);
        let iterations = (target / run_seconds.max(1e-12)).ceil().clamp(1.0, 1e9) as u64;
        let affordable = plan.budget_seconds / (run_seconds * iterations as f64);
        let before = process_facts(worker.id());
        Self {
            contestant,
            worker,
            before,
            iterations,
            wanted: (affordable as usize).clamp(plan.min_samples, plan.min_samples.max(MOST_ROUNDS)),
            samples: Vec::new(),
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
        self.worker.sample(1)?;
        self.samples.push(self.worker.sample(self.iterations)?);
        Ok(())
    }

    fn finish(mut self, recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        let contestant = self.contestant;
        let process = process_facts(self.worker.id()).since(&self.before);
        if let Err(why) = self.worker.check() {
            return recorder.add(Outcome::Failed(contestant.omission(why.to_string())));
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
        }
        match outcome {
            // One of our ceilings was measured before: the better stands.
            Outcome::Measured(measurement) if recorder.knows(&measurement.case) => {
                recorder.keep_better(*measurement);
                Ok(())
            }
            outcome => recorder.add(outcome),
        }
    }
}
