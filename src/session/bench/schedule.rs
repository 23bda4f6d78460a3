//! What is measured in which phase: the cases of a selection, those of other programs, and the ceilings of both.

use std::num::NonZeroUsize;

use super::PREPARE_SECONDS;
use super::offered::{Offered, Offers};
use super::peers::{Contest, Peers};
use crate::analysis::roofline::{self, Wanted};
use crate::catalog::{self, Extensiveness};
use crate::document::{Case, CasePattern, Cost, Machine, Omission, Origin};
use crate::measure::Plan;
use crate::session::selection::{Selected, Selection, select};

/// Cases in the order of their phases.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    /// Measured first and again at the end.
    pub ceilings: Vec<Case>,
    /// Measured between, in random order.
    pub cases: Vec<Case>,
    /// Of other programs, measured after those, in random order.
    pub offered: Vec<Offered>,
    /// Libraries and ours, measured in turn.
    pub contests: Vec<Contest>,
    /// Cannot be measured here.
    pub skipped: Vec<Omission>,
    /// Libraries that are here and cannot be used.
    pub failed: Vec<Omission>,
}

impl Schedule {
    /// Wall seconds that the schedule should take.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    pub fn expected_seconds(&self, plan: &Plan) -> f64 {
        let each = |plan: &Plan| plan.expected_seconds() + PREPARE_SECONDS;
        let ceilings = self.ceilings.iter().chain(self.roofs());
        let once = self.cases.len() + self.offered.len() + self.contestants().count();
        ceilings.map(|case| each(plan_of(case, plan))).sum::<f64>() + once as f64 * each(plan)
    }
}

/// How a case is sampled under a plan. A ceiling is the fastest tenth of its samples and the roofs are measured twice: so
/// much as narrows the interval of a median adds nothing to it.
pub(super) fn plan_of<'p>(case: &Case, plan: &'p Plan) -> &'p Plan {
    if *plan == Plan::FULL && roofline::is_ceiling(case) { &Plan::DEFAULT } else { plan }
}

impl Schedule {
    /// The ceilings that cases are placed under: those are measured again at the end.
    pub fn roofs(&self) -> impl Iterator<Item = &Case> {
        self.ceilings.iter().filter(|case| roofline::is_roof(case))
    }

    /// The cases of all contests.
    pub fn contestants(&self) -> impl Iterator<Item = &Case> {
        self.contests.iter().flat_map(|contest| &contest.contestants).map(|contestant| &contestant.case)
    }
}

/// Whether the ceilings of the selected cases are measured too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roofs {
    /// All that placing the cases needs.
    Needed,
    /// Only what was selected itself.
    Selected,
}

/// The cases of a selection and the ceilings that placing them needs.
pub fn schedule(selection: &Selection, machine: &Machine, roofs: Roofs) -> anyhow::Result<Schedule> {
    let Selected { cases, skipped } = select(selection, machine)?;
    let (ceilings, cases): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(roofline::is_ceiling);
    let mut schedule = Schedule { ceilings, cases, skipped, ..Schedule::default() };
    for case in schedule.cases.clone().iter().filter(|_| roofs == Roofs::Needed) {
        let benchmark = catalog::find(&case.benchmark);
        if let Some(cost) = benchmark.and_then(|b| b.cost_of(&case.implementation, &case.shape)) {
            schedule.add_ceilings(case, &cost, machine);
        }
    }
    Ok(schedule)
}

/// As [`schedule`], with what other programs offer. The selection narrows both. Without a filter the offered cases are
/// all that is meant; with filters each must mean something, of the catalog or of an offer.
///
/// # Errors
/// A filter means nothing, or nothing is left.
pub fn schedule_with(
    selection: &Selection,
    offers: &Offers,
    machine: &Machine,
    roofs: Roofs,
) -> anyhow::Result<Schedule> {
    if offers.is_empty() {
        return schedule(selection, machine, roofs);
    }
    let own = filters_of_catalog(selection, offers, machine)?;
    let mut schedule = if own.is_empty() {
        Schedule::default()
    } else {
        schedule(&Selection { filters: own, ..selection.clone() }, machine, roofs)?
    };
    let (offered, skipped) = offers.narrowed(selection)?;
    schedule.skipped.extend(skipped);
    for offered in offered {
        if schedule.cases.contains(&offered.case) {
            let why = "the catalog has a case of this name, which is measured instead".to_owned();
            schedule.skipped.push(Omission { case: offered.case, origin: Origin::Worker, why });
            continue;
        }
        if roofs == Roofs::Needed {
            schedule.add_ceilings(&offered.case, &offered.cost, machine);
        }
        schedule.offered.push(offered);
    }
    if schedule.offered.is_empty() && schedule.cases.is_empty() && schedule.ceilings.is_empty() {
        match schedule.skipped.first() {
            Some(omission) => {
                anyhow::bail!("nothing is left to measure: {}: {}", omission.case, omission.why)
            }
            None => anyhow::bail!(
                "no offered case is of the tiers, implementations, shapes and threads asked for; --dry-run without \
                 them lists the cases"
            ),
        }
    }
    Ok(schedule)
}

/// The filters that mean something of the catalog. One that means nothing there must mean an offered case.
fn filters_of_catalog(
    selection: &Selection,
    offers: &Offers,
    machine: &Machine,
) -> anyhow::Result<Vec<String>> {
    let mut own = Vec::new();
    for filter in &selection.filters {
        let alone = Selection { filters: vec![filter.clone()], ..selection.clone() };
        match select(&alone, machine) {
            Ok(_) => own.push(filter.clone()),
            Err(why) => {
                let pattern = CasePattern::new(filter)?;
                if !offers.cases.iter().any(|offered| pattern.matches(&offered.case)) {
                    return Err(why.into());
                }
            }
        }
    }
    Ok(own)
}

/// As [`schedule_with`], with the libraries of others beside ours.
///
/// # Errors
/// As there.
pub fn schedule_beside(
    selection: &Selection,
    offers: &Offers,
    peers: &Peers,
    machine: &Machine,
    roofs: Roofs,
) -> anyhow::Result<Schedule> {
    let mut schedule = schedule_with(selection, offers, machine, roofs)?;
    let selected = schedule_with(selection, offers, machine, Roofs::Selected)?;
    peers.enter(&mut schedule, &selected, machine, roofs);
    Ok(schedule)
}

impl Schedule {
    pub(super) fn add_ceilings(&mut self, case: &Case, cost: &Cost, machine: &Machine) {
        for needed in needed_ceilings(case, cost, machine) {
            if !self.ceilings.contains(&needed) {
                self.ceilings.push(needed);
            }
        }
    }
}

/// The `memory` and `peak` cases whose outcome is a roof of `case` (every footprint and implementation that may be it).
fn needed_ceilings(case: &Case, cost: &Cost, machine: &Machine) -> Vec<Case> {
    let wanted = roofline::wanted_ceilings(machine, case, cost);
    wanted.iter().flat_map(|wanted| roof_cases(wanted, case, machine)).collect()
}

/// The cases that measure a roof, with the threads of `case`.
pub(in crate::session) fn roof_cases(wanted: &Wanted, case: &Case, machine: &Machine) -> Vec<Case> {
    let mut cases = Vec::new();
    for benchmark in catalog::benchmarks() {
        let tier = match wanted {
            Wanted::Bandwidth { benchmark: id, tier } | Wanted::Rate { benchmark: id, tier }
                if id == benchmark.id() =>
            {
                *tier
            }
            Wanted::Peak { dtype, tier }
                if roofline::peak_precision(benchmark.id()).as_ref() == Some(dtype) =>
            {
                *tier
            }
            Wanted::Bandwidth { .. } | Wanted::Rate { .. } | Wanted::Peak { .. } => continue,
        };
        let usable = benchmark.card().implementations.iter().filter(|i| {
            i.tiers.contains(&tier)
                && tier.is_available()
                && (case.threads == NonZeroUsize::MIN || i.threads == catalog::Threading::Parallel)
                && (matches!(wanted, Wanted::Rate { .. })
                    || benchmark.usual(machine, i, Extensiveness::Quick))
        });
        for implementation in usable {
            let shapes = benchmark.shapes(machine, Extensiveness::Quick).into_iter();
            for shape in shapes.filter(|shape| benchmark.fits_threads(shape, case.threads.get())) {
                cases.push(Case {
                    benchmark: benchmark.id().to_owned(),
                    implementation: implementation.name.to_owned(),
                    tier: tier.into(),
                    shape,
                    threads: case.threads,
                });
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Program;

    const AXPY: &str = "own/axpy-f32/rows@baseline/2048/t1";

    fn offers(cases: &[&str]) -> Offers {
        let cost = Cost {
            flops: 4096.0,
            core_bytes: 24576.0,
            written_bytes: 8192.0,
            working_set_bytes: 24576.0,
            ..Cost::default()
        };
        let offered = |text: &&str| Offered {
            program: Program::new("mine".into()),
            by: "mine 1".to_owned(),
            unoptimised: false,
            case: text.parse().unwrap(),
            cost,
        };
        Offers { cases: cases.iter().map(offered).collect(), ..Offers::default() }
    }

    fn scheduled(filters: &[&str], offers: &Offers) -> anyhow::Result<Schedule> {
        let machine = Machine::default();
        let mut selection = Selection::usual(&machine, Extensiveness::Quick);
        selection.filters = filters.iter().map(|&f| f.to_owned()).collect();
        schedule_with(&selection, offers, &machine, Roofs::Needed)
    }

    #[test]
    fn a_precision_has_one_roof() {
        let of = |dtype: &str| {
            let peaks = catalog::benchmarks().map(|b| b.id().to_owned());
            peaks.filter(|id| roofline::peak_precision(id).as_deref() == Some(dtype)).collect::<Vec<_>>()
        };
        assert_eq!(of("f32"), ["peak/fma-f32"]);
        assert_eq!(of("f64"), ["peak/fma-f64"]);
        assert_eq!(of("u8s8s32"), ["peak/dot-u8s8s32"]);
        assert!(of("bits").is_empty());
    }

    #[test]
    fn without_a_filter_an_offer_is_all_that_is_meant_with_its_ceilings() {
        let schedule = scheduled(&[], &offers(&[AXPY])).unwrap();
        assert!(schedule.cases.is_empty());
        assert_eq!(schedule.offered.len(), 1);
        // A machine without known caches has everything in memory; a third of the bytes are stored.
        let ids: Vec<&str> = schedule.ceilings.iter().map(|case| &*case.benchmark).collect();
        assert!(ids.contains(&"memory/triad-dram-u8") && ids.contains(&"peak/fma-f32"), "{ids:?}");
    }

    #[test]
    fn a_filter_may_mean_the_catalog_or_an_offer_but_not_nothing() {
        let both = scheduled(&["own", "pool/mean-f32"], &offers(&[AXPY])).unwrap();
        assert_eq!(both.offered.len(), 1);
        assert!(!both.cases.is_empty() && both.cases.iter().all(|case| case.family() == "pool"));
        let none = scheduled(&["pool/mean-f32"], &offers(&[AXPY])).unwrap();
        assert!(none.offered.is_empty());
        assert!(scheduled(&["own", "onw/*"], &offers(&[AXPY])).is_err());
        assert!(scheduled(&["own"], &Offers::default()).is_err());
    }

    #[test]
    fn an_offer_under_a_name_of_the_catalog_is_skipped_with_that_reason() {
        let same = "pool/mean-f32/plain@baseline/128x384/t1";
        let schedule = scheduled(&["pool"], &offers(&[same])).unwrap();
        assert!(schedule.offered.is_empty() && schedule.cases.iter().any(|case| case.to_string() == same));
        assert!(schedule.skipped.iter().any(|s| s.origin == Origin::Worker && s.why.contains("catalog")));
        assert_eq!(scheduled(&[], &offers(&[same])).unwrap().offered.len(), 1);
    }
}
