//! Measures cases of the catalog, and of programs that serve the worker protocol: their ceilings first, then the cases,
//! then the ceilings again.

mod offered;
pub mod peers;
mod schedule;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;

use crate::analysis::roofline;
use crate::catalog::{self, PrepareError, Resources};
use crate::document::{Case, Cost, Document, Machine, Omission, Origin, Outcome, Unknown};
use crate::measure::{self, Plan, Samples};
use crate::sys::{Rng, Team, threads};
use crate::units::CpuList;

use super::core_clock;
use super::recorder::{self, Beginning, Recorder};
use super::selection::Selection;
use super::{Observer, Stop};

pub use offered::{Offered, Offers, offers};
pub use peers::Peers;
pub(super) use schedule::roof_cases;
pub use schedule::{Roofs, Schedule, schedule, schedule_beside, schedule_with};

/// Rounds in which a ceiling that a case passed is measured again.
const RETRIES: usize = 2;
/// Preparing a case (inputs, reference answer) is expected to take so long, beside what is timed.
const PREPARE_SECONDS: f64 = 0.03;

/// What to measure, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which cases.
    pub selection: Selection,
    /// How each is sampled.
    pub plan: Plan,
    /// Whether ceilings are measured for the cases.
    pub roofs: Roofs,
    /// Restrict the process to these CPUs.
    pub cpus: Option<CpuList>,
    /// How the document begins.
    pub beginning: Beginning,
}

/// Restricts this thread and all it starts to `cpus`; answers how many CPUs' worth of time remain.
pub fn pin(cpus: Option<&CpuList>, machine: &Machine) -> anyhow::Result<NonZeroUsize> {
    let effective = NonZeroUsize::new(machine.limits.effective_cpus).unwrap_or(NonZeroUsize::MIN);
    let Some(cpus) = cpus else { return Ok(effective) };
    let allowed: CpuList = threads::affinity().unwrap_or_default().into_iter().collect();
    anyhow::ensure!(!cpus.is_empty(), "--cpus names no CPU; write it as 0-3,6");
    let usable = cpus.intersection(&allowed);
    anyhow::ensure!(
        usable == *cpus,
        "--cpus {cpus} asks for CPUs that this process may not use; it may use {allowed}"
    );
    let list: Vec<u32> = cpus.iter().collect();
    threads::pin(&list).with_context(|| format!("cannot pin to CPUs {cpus}"))?;
    Ok(NonZeroUsize::new(cpus.len()).map_or(effective, |n| n.min(effective)))
}

/// Measures a request. What was measured until a stop is in the document, which then says so.
pub fn bench(
    request: &Request,
    machine: Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Document> {
    bench_with(request, &Offers::default(), &Peers::default(), machine, stop, observer)
}

/// As [`bench()`], with what other programs offer and the libraries of others: see [`schedule_beside`].
pub fn bench_with(
    request: &Request,
    offers: &Offers,
    peers: &Peers,
    machine: Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Document> {
    let effective = pin(request.cpus.as_ref(), &machine)?;
    if let Some(note) = super::tune::use_profile(&machine) {
        observer.note(&note);
    }
    let selection = Selection { effective_cpus: effective, ..request.selection.clone() };
    let schedule = schedule_beside(&selection, offers, peers, &machine, request.roofs)?;
    let mut recorder = Recorder::new(machine, request.beginning.clone(), effective.get(), stop, observer);
    recorder.conditions_mut().pinned_cpus = request.cpus.as_ref().map(ToString::to_string);
    let mut bench = Bench::new(&request.plan, request.beginning.seed, recorder.document().machine.clone());
    bench.clock(&mut recorder);
    bench.run(&schedule, &mut recorder)?;
    recorder.finish()
}

/// Measures cases into a recorder, keeping thread teams between them.
pub struct Bench {
    plan: Plan,
    seed: u64,
    rng: Rng,
    machine: Arc<Machine>,
    teams: BTreeMap<NonZeroUsize, Team>,
    drift: f64,
}

impl Bench {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64, machine: Machine) -> Self {
        Self {
            plan: plan.clone(),
            seed,
            rng: Rng::new(seed),
            machine: Arc::new(machine),
            teams: BTreeMap::new(),
            drift: 0.0,
        }
    }

    /// All phases of a schedule.
    pub fn run(&mut self, schedule: &Schedule, recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        // A case of a program may have the name of one of ours: ours is known from here on, and the omission goes last.
        let (theirs, ours): (Vec<_>, Vec<_>) =
            schedule.skipped.iter().cloned().partition(|omission| omission.origin == Origin::Worker);
        for omission in ours {
            recorder.add(Outcome::Skipped(omission))?;
        }
        for omission in &schedule.failed {
            recorder.add(Outcome::Failed(omission.clone()))?;
        }
        self.phase("ceilings", &schedule.ceilings, recorder)?;
        self.phase("kernels", &schedule.cases, recorder)?;
        self.contests(&schedule.contests, recorder)?;
        self.offered(&schedule.offered, recorder)?;
        for omission in theirs {
            recorder.add(Outcome::Skipped(omission))?;
        }
        self.again(&schedule.ceilings, recorder)
    }

    /// Measures the core clock, which says what no ceiling can pass, and enters it among the machine's facts. Of
    /// several measurements the highest stands: a ceiling may have been measured at any of them.
    pub fn clock(&self, recorder: &mut Recorder<'_>) {
        const FIELD: &str = "cpu.frequency.measured_hertz";
        let stop = recorder.stop;
        let measured = core_clock::measure(&self.machine, &|| stop.requested());
        let machine = recorder.machine_mut();
        match (measured, machine.cpu.frequency.measured_hertz) {
            (Ok(hertz), known) => {
                machine.cpu.frequency.measured_hertz = Some(known.map_or(hertz, |k| k.max(hertz)));
                machine.unknown.retain(|unknown| unknown.field != FIELD);
            }
            (Err(_), Some(_)) => {}
            (Err(reason), None) => {
                machine.unknown.retain(|unknown| unknown.field != FIELD);
                machine.unknown.push(Unknown { field: FIELD.to_owned(), reason });
            }
        }
    }

    /// Measures cases in random order, but none a second time.
    pub fn phase(&mut self, name: &str, cases: &[Case], recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        let known = |case: &&Case| recorder.document().outcomes.iter().any(|o| o.case() == *case);
        let mut order: Vec<Case> = cases.iter().filter(|case| !known(case)).cloned().collect();
        self.rng.shuffle(&mut order);
        self.announce_cases(name, &order, recorder);
        for case in &order {
            if recorder.stop.requested() {
                break;
            }
            recorder.observer.step(case);
            let outcome = match self.measure(case, recorder) {
                Ok((cost, samples)) => recorder::measurement(case, cost, &samples),
                Err(outcome) => *outcome,
            };
            recorder.add(outcome)?;
        }
        recorder.journal()
    }

    fn announce_cases(&self, name: &str, cases: &[Case], recorder: &mut Recorder<'_>) {
        if !cases.is_empty() {
            let each = |case| schedule::plan_of(case, &self.plan).expected_seconds() + PREPARE_SECONDS;
            recorder.observer.phase(name, cases.len(), cases.iter().map(each).sum());
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    fn announce(&self, name: &str, steps: usize, recorder: &mut Recorder<'_>) {
        if steps > 0 {
            let each = self.plan.expected_seconds() + PREPARE_SECONDS;
            recorder.observer.phase(name, steps, steps as f64 * each);
        }
    }

    /// Measures the ceilings that are roofs a second time, and those that a case stands above up to twice more; the best
    /// is kept.
    pub fn again(&mut self, ceilings: &[Case], recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        let roofs: Vec<Case> = ceilings.iter().filter(|case| roofline::is_roof(case)).cloned().collect();
        self.repeat("ceilings again", &roofs, recorder)?;
        self.clock(recorder);
        for _ in 0..RETRIES {
            let passed = roofline::passed_ceilings(recorder.document());
            let passed: Vec<Case> = passed.into_iter().filter(|case| roofs.contains(case)).collect();
            if passed.is_empty() {
                break;
            }
            self.repeat("ceilings that a case passed", &passed, recorder)?;
        }
        recorder.conditions_mut().ceiling_drift = (self.drift > 0.0).then_some(self.drift);
        recorder.journal()
    }

    /// Measures cases that were measured before, in random order; of each the better measurement is kept.
    pub fn repeat(&mut self, name: &str, cases: &[Case], recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        let mut order = cases.to_vec();
        self.rng.shuffle(&mut order);
        self.announce_cases(name, &order, recorder);
        for case in &order {
            if recorder.stop.requested() {
                break;
            }
            recorder.observer.step(case);
            // Its first measurement stands; a second that fails says nothing new.
            if let Ok((cost, samples)) = self.measure(case, recorder)
                && let Outcome::Measured(measurement) = recorder::measurement(case, cost, &samples)
                && let Some(drift) = recorder.keep_better(*measurement)
            {
                self.drift = self.drift.max(drift);
            }
        }
        Ok(())
    }

    fn measure(&mut self, case: &Case, recorder: &Recorder<'_>) -> Result<(Cost, Samples), Box<Outcome>> {
        let omission = |why: String| Omission { case: case.clone(), origin: Origin::Perfkit, why };
        let failed = |why: String| Box::new(Outcome::Failed(omission(why)));
        let skipped = |why: String| Box::new(Outcome::Skipped(omission(why)));
        let benchmark =
            catalog::find(&case.benchmark).ok_or_else(|| failed("no such benchmark".to_owned()))?;
        let cost = benchmark
            .cost_of(&case.implementation, &case.shape)
            .ok_or_else(|| failed(format!("the benchmark does not take the shape {}", case.shape)))?;
        let team = self.team(case.threads).map_err(|e| failed(format!("cannot start threads: {e}")))?;
        let resources = Resources { team, seed: self.seed, machine: Arc::clone(&self.machine) };
        let mut workload = benchmark.prepare(case, &resources).map_err(|error| match error {
            PrepareError::Unavailable(why) => skipped(why),
            PrepareError::Failed(why) => failed(why),
        })?;
        let stop = || recorder.stop.requested();
        let plan = schedule::plan_of(case, &self.plan);
        let samples = measure::sample(&mut *workload, plan, &recorder.clock, &stop)
            .map_err(|mismatch| failed(format!("wrong answer: {mismatch}")))?;
        Ok((cost, samples))
    }

    fn team(&mut self, threads: NonZeroUsize) -> std::io::Result<Team> {
        if let Some(team) = self.teams.get(&threads) {
            return Ok(team.clone());
        }
        let team = Team::new(threads)?;
        self.teams.insert(threads, team.clone());
        Ok(team)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_may_not_be_used_are_refused() {
        let machine = Machine::default();
        let error = pin(Some(&"6000".parse().unwrap()), &machine).unwrap_err();
        assert!(error.to_string().contains("may not use"), "{error}");
        assert!(pin(Some(&CpuList::default()), &machine).is_err());
        assert_eq!(pin(None, &machine).unwrap(), NonZeroUsize::MIN);
    }
}
