//! Configurations measured in turn with the dot product beside them, and the race between those within the limits.

use anyhow::Context as _;

use super::advice::advice;
use super::stock::{Budget, Stock};
use super::{EXHAUSTIVE_ROUNDS, MolPlan, sizes};
use crate::analysis::tune::{Goods, Lap, MARGIN, Race, Standing, front};
use crate::catalog::{ScoreForm, Scorer};
use crate::document::{DotBeside, Machine, MolChoice, MolSettings, MolTuning, Tier, Tuning};
use crate::session::{Observer, Stop};
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Monotonic, Rng};

/// Queries of a lap at least, in so many batches at least and at most.
const LAP_QUERIES: usize = 32;
const LAP_BATCHES: [usize; 2] = [2, 8];

/// A configuration or a dot product in the race.
struct Runner {
    /// Where the stock has it; nowhere where no memory is large enough.
    place: Option<usize>,
    settings: MolSettings,
    flops: f64,
}

/// One runner a configuration, and one a size of a batch for the dot product.
fn runners(
    plan: &MolPlan,
    budget: Budget,
    stock: &mut Stock<'_>,
    mol: &MolTuning,
) -> anyhow::Result<Vec<Runner>> {
    let mixtures = mol.candidates.iter().map(|row| (ScoreForm::Fused, row.settings));
    let smallest = mol.candidates.first().map(|row| row.settings).unwrap_or_default();
    let dots = plan.batches.iter().map(|&batch| (ScoreForm::Dot, MolSettings { batch, ..smallest }));
    let runner = |(form, settings): (ScoreForm, MolSettings)| {
        let sizes = sizes(&settings, plan.items, plan.dot_width, form);
        let cannot = || {
            format!("{} {settings} with {} items has no sizes that can be counted", form.name(), plan.items)
        };
        let flops = sizes.flops(form).with_context(cannot)?;
        let place = budget.refuses(form, &sizes).is_none().then(|| stock.place(form, sizes));
        Ok(Runner { place, settings, flops })
    };
    mixtures.chain(dots).map(runner).collect()
}

/// Every configuration so many rounds, then those within the limits until the fastest is known.
pub(super) fn race(
    plan: &MolPlan,
    (tier, budget): (Tier, Budget),
    machine: &Machine,
    mol: &mut MolTuning,
    tuning: &mut Tuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut stock = Stock::new(budget, tier, plan.seed, machine);
    let runners = runners(plan, budget, &mut stock, mol)?;
    let within: Vec<usize> =
        (0..mol.candidates.len()).filter(|&i| mol.candidates[i].dropped.is_none()).collect();
    // One takes every lap, for the figures; the other those of configurations within the limits, for the choice.
    let mut all = Race::new(runners.len(), plan.limits.latency_seconds);
    let mut decision = Race::new(within.len(), plan.limits.latency_seconds);
    let clock = Monotonic::new();
    let mut rng = Rng::new(plan.seed);
    let start = clock.now();
    for round in 0.. {
        let spent = as_seconds(clock.now().saturating_sub(start));
        let mut next: Vec<usize> = if round < EXHAUSTIVE_ROUNDS {
            (0..runners.len()).filter(|&i| runners[i].place.is_some()).collect()
        } else if spent < plan.seconds {
            decision.next_round().into_iter().map(|i| within[i]).collect()
        } else {
            break;
        };
        if next.is_empty() {
            break;
        }
        rng.shuffle(&mut next);
        if stock.is_short() {
            next = together(&next, |i| runners[i].place);
        }
        observer.phase("race", next.len(), (plan.seconds - spent).max(0.0));
        let mut laps = Vec::with_capacity(next.len());
        for i in next {
            if stop.requested() {
                tuning.interrupted = true;
                break;
            }
            let Some(place) = runners[i].place else { continue };
            observer.step(&runners[i].settings);
            laps.push((i, lap(stock.arranged(place)?, runners[i].settings.batch, &clock)));
        }
        if tuning.interrupted {
            break;
        }
        let of_choice = |(i, lap): &(usize, Lap)| Some((within.binary_search(i).ok()?, lap.clone()));
        decision.take(laps.iter().filter_map(of_choice).collect());
        all.take(laps);
    }
    tuning.notes.extend(stock.note());
    settle(plan, &runners, &all, &within, &decision, mol);
    Ok(())
}

/// The same turns, those of one place one after the other.
fn together(turns: &[usize], place: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut all = turns.to_vec();
    all.sort_by_key(|&i| turns.iter().position(|&first| place(first) == place(i)));
    all
}

/// Scores some batches.
#[expect(clippy::cast_precision_loss, reason = "some queries")]
fn lap(scorer: &mut Scorer, batch: usize, clock: &Monotonic) -> Lap {
    let [least, most] = LAP_BATCHES;
    let count = LAP_QUERIES.div_ceil(batch).clamp(least, most);
    let mut lap = Lap::default();
    for _ in 0..count {
        let start = clock.now();
        std::hint::black_box(scorer.score(batch));
        lap.batches.push(as_seconds(clock.now().saturating_sub(start)));
    }
    lap.unit_seconds = lap.batches.iter().sum::<f64>() / (count * batch) as f64;
    lap
}

/// Writes what the rounds gave into the document.
#[expect(clippy::cast_precision_loss, reason = "queries of a batch, bytes of a memory")]
fn settle(
    plan: &MolPlan,
    runners: &[Runner],
    all: &Race,
    within: &[usize],
    decision: &Race,
    mol: &mut MolTuning,
) {
    let rate = |i: usize| all.unit_seconds(i).map(|seconds| 1.0 / seconds);
    let flops = |i: usize| Some(rate(i)? * runners[i].flops / runners[i].settings.batch as f64);
    let first_dot = mol.candidates.len();
    mol.dots = (first_dot..runners.len())
        .map(|i| DotBeside {
            batch: runners[i].settings.batch,
            rounds: all.rounds(i),
            queries_per_second: rate(i),
            latency_seconds: all.latency(i).0,
            flops_per_second: flops(i),
        })
        .collect();
    let dots = mol.dots.clone();
    for (i, row) in mol.candidates.iter_mut().enumerate() {
        row.rounds = all.rounds(i);
        row.queries_per_second = rate(i);
        row.flops_per_second = flops(i);
        (row.latency_seconds, row.batches) = all.latency(i);
        let dot = dots.iter().find(|dot| dot.batch == row.settings.batch);
        row.times_dot = dot
            .and_then(|dot| dot.queries_per_second)
            .zip(row.queries_per_second)
            .map(|(dot, own)| dot / own);
        row.meets_limits = row.dropped.is_none() && all.in_time(i);
    }
    for (&i, standing) in within.iter().zip(decision.standings()) {
        if let Standing::Dropped(why) = standing {
            mol.candidates[i].dropped = Some(why);
        }
    }
    let goods: Vec<Option<Goods>> = mol
        .candidates
        .iter()
        .map(|row| {
            Some(Goods {
                rate: row.queries_per_second.filter(|_| row.meets_limits)?,
                latency_seconds: row.latency_seconds?,
                memory_bytes: row.memory_bytes.map(|bytes| bytes as f64),
                quality: row.quality,
            })
        })
        .collect();
    for (row, on_front) in mol.candidates.iter_mut().zip(front(&goods)) {
        row.on_front = on_front;
    }
    let result = decision.result();
    if let Some(leader) = result.leader {
        let i = within[leader];
        mol.choice = Some(MolChoice {
            settings: mol.candidates[i].settings,
            shown_slower: result.slower,
            shown_equivalent: result.equivalent,
            undecided: result.undecided,
            margin: MARGIN,
        });
        mol.advice = advice(plan, mol, i, all.worst(i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_a_place_follow_each_other_in_the_order_that_was_drawn() {
        let place = |i: usize| Some(i / 2);
        assert_eq!(together(&[3, 0, 5, 1, 2, 4], place), [3, 2, 0, 1, 5, 4]);
        assert!(together(&[], place).is_empty());
    }
}
