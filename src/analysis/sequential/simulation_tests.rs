//! The promises of the verdicts, held by simulation: error rates while peeking, power, dependence, position bias.
//!
//! Every path is seeded, so that a rate is a constant of the code; the bounds leave room for other seeds.

#![expect(clippy::print_stdout, reason = "the simulated rates are worth reading")]

use super::autocorrelation::merge_dependent;
use super::suite::{e_benjamini_hochberg, settle};
use super::{Decider, Margins, Side, SignEvidence, State, effect, ln_required, median_sequence};
use crate::analysis::compare::Margin;
use crate::stats;
use crate::sys::Rng;

const MARGIN: Margin = Margin { lower: 0.005, upper: 0.015 };
const ALPHA: f64 = 0.05;
const LOOKS: std::ops::RangeInclusive<usize> = 3..=60;
const PATHS: usize = 2000;

/// Noise with median 0 and about the spread of a block.
type Noise = fn(&mut Rng) -> f64;

fn normal(rng: &mut Rng) -> f64 {
    0.01 * rng.normal()
}

fn student_3(rng: &mut Rng) -> f64 {
    let chi: f64 = (0..3).map(|_| rng.normal().powi(2)).sum();
    0.01 * rng.normal() / (chi / 3.0).sqrt()
}

fn skewed(rng: &mut Rng) -> f64 {
    0.01 * (rng.normal().exp() - 1.0)
}

/// Name, noise, and its standard deviation: that of a Student's t of 3 is the root of 3, that of `exp(normal)` the root
/// of `e (e - 1)`.
const NOISES: [(&str, Noise, f64); 3] =
    [("normal", normal, 0.01), ("student-3", student_3, 0.0173), ("skewed", skewed, 0.0216)];

/// The share of paths on which something holds.
fn share(paths: usize, seed: u64, mut holds: impl FnMut(&mut Rng) -> bool) -> f64 {
    let mut rng = Rng::new(seed);
    let hits = (0..paths).filter(|_| holds(&mut rng)).count();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let share = hits as f64 / paths as f64;
    share
}

/// The state at which a decider ends up on a stream of blocks.
fn decide(suite_size: usize, mut block: impl FnMut() -> f64) -> Decider {
    let mut decider = Decider::new(MARGIN, ALPHA, suite_size);
    for _ in 0..*LOOKS.end() {
        if decider.push(block()) != State::Undecided {
            break;
        }
    }
    decider
}

#[test]
fn peeking_does_not_raise_the_error() {
    for (name, noise, _) in NOISES {
        let rate = share(PATHS, 1, |rng| {
            let values: Vec<f64> = (0..60).map(|_| noise(rng)).collect();
            LOOKS.into_iter().any(|n| SignEvidence::of(&values[..n], 0.0, Side::Above) >= ln_required(ALPHA))
        });
        println!("{name}: evidence above 20 at some look on {rate:.3} of {PATHS} null paths");
        assert!(rate <= ALPHA, "{name}: {rate}");
    }
}

#[test]
fn a_case_on_the_margin_is_rarely_called_slower() {
    let margin = Margins::from(MARGIN).lower;
    for (name, noise, _) in NOISES {
        let rate = share(PATHS, 2, |rng| decide(1, || margin + noise(rng)).state() == State::Slower);
        let faster = share(PATHS, 3, |rng| decide(1, || -margin + noise(rng)).state() == State::Faster);
        println!("{name}: slower on {rate:.3}, faster on {faster:.3} of {PATHS} paths on the margin");
        assert!(rate <= ALPHA && faster <= ALPHA, "{name}: {rate} and {faster}");
    }
}

#[test]
fn a_case_on_the_upper_margin_is_rarely_called_equivalent() {
    // Both margins are one, so that no true verdict comes before the false one.
    let one = Margin { lower: 0.015, upper: 0.015 };
    for (name, noise, _) in NOISES {
        let rate = share(PATHS, 4, |rng| {
            let mut decider = Decider::new(one, ALPHA, 1);
            LOOKS.for_each(|_| {
                decider.push(Margins::from(one).upper + 0.2 * noise(rng));
            });
            decider.state() == State::Equivalent
        });
        println!("{name}: equivalent on {rate:.3} of {PATHS} paths on the upper margin");
        assert!(rate <= ALPHA, "{name}: {rate}");
    }
}

#[test]
fn an_effect_of_the_margin_and_one_spread_is_found() {
    for (name, noise, spread) in NOISES {
        let slowdown = Margins::from(MARGIN).lower + spread;
        let mut blocks = Vec::new();
        let found = share(500, 5, |rng| {
            let decider = decide(1, || slowdown + noise(rng));
            blocks.push(f64::from(u32::try_from(decider.values().len()).unwrap()));
            decider.state() == State::Slower
        });
        println!(
            "{name}: found on {found:.3}, after {} blocks in the middle",
            stats::median(&blocks).unwrap()
        );
        assert!(found >= 0.98, "{name}: {found}");
    }
}

#[test]
fn an_unchanged_case_ends_in_equivalence() {
    let found = share(500, 6, |rng| decide(1, || 0.2 * normal(rng)).state() == State::Equivalent);
    assert!(found >= 0.99, "{found}");
}

#[test]
fn the_confidence_sequence_holds_at_every_look() {
    for (name, noise, _) in NOISES {
        let missed = share(PATHS, 7, |rng| {
            let values: Vec<f64> = (0..60).map(|_| noise(rng)).collect();
            LOOKS.into_iter().any(|n| {
                median_sequence(&values[..n], ALPHA).is_some_and(|(low, high)| low > 0.0 || high < 0.0)
            })
        });
        println!("{name}: the interval misses the median at some look on {missed:.3} of {PATHS} paths");
        assert!(missed <= 2.0 * ALPHA, "{name}: {missed}");
    }
}

fn settle_all(suite: &[Decider], q: f64) -> Vec<State> {
    let cases: Vec<_> = suite.iter().map(|case| (case.state(), case.evidence().ln_e_slower)).collect();
    settle(&cases, q)
}

/// A suite of fifty cases on the margin that share nine tenths of their noise's variance.
fn dependent_suite(rng: &mut Rng) -> Vec<Decider> {
    let common: Vec<f64> = (0..60).map(|_| rng.normal()).collect();
    let (shared, own) = (0.01 * 0.9_f64.sqrt(), 0.01 * 0.1_f64.sqrt());
    (0..50)
        .map(|_| {
            let mut blocks = common.iter();
            decide(50, || Margins::from(MARGIN).lower + shared * blocks.next().unwrap() + own * rng.normal())
        })
        .collect()
}

#[test]
fn a_suite_keeps_its_error_when_its_cases_move_together() {
    let mut naive = 0;
    let rate = share(200, 8, |rng| {
        let suite = dependent_suite(rng);
        let shown = |case: &Decider| case.evidence().ln_e_slower >= ln_required(ALPHA);
        naive += usize::from(suite.iter().any(shown));
        settle_all(&suite, ALPHA).contains(&State::Slower)
    });
    println!(
        "any false slower in {rate:.3} of 200 dependent suites of 50; by each case's own evidence in {naive}"
    );
    assert!(rate <= ALPHA, "{rate}");
}

#[test]
fn a_suite_of_independent_cases_keeps_its_error() {
    let margin = Margins::from(MARGIN).lower;
    let suite = |rng: &mut Rng| (0..50).map(|_| decide(50, || margin + normal(rng))).collect::<Vec<_>>();
    let rate = share(200, 9, |rng| settle_all(&suite(rng), ALPHA).contains(&State::Slower));
    println!("any false slower in {rate:.3} of 200 independent suites of 50");
    assert!(rate <= ALPHA, "{rate}");
}

#[test]
fn regressions_in_a_suite_are_found_with_few_false_ones() {
    let margin = Margins::from(MARGIN).lower;
    let (mut false_share, mut found) = (0.0, 0.0);
    let mut rng = Rng::new(10);
    for _ in 0..100 {
        let ln_e: Vec<f64> = (0..50)
            .map(|case| {
                let slowdown = if case < 10 { 0.02 } else { 0.0 };
                let values: Vec<f64> = (0..30).map(|_| margin + slowdown + normal(&mut rng)).collect();
                SignEvidence::of(&values, margin, Side::Above)
            })
            .collect();
        let rejected = e_benjamini_hochberg(&ln_e, ALPHA);
        let hits = rejected[..10].iter().filter(|&&slower| slower).count();
        let wrong = rejected[10..].iter().filter(|&&slower| slower).count();
        found += super::e_process::float(hits) / 1000.0;
        false_share +=
            super::e_process::float(wrong) / super::e_process::float((hits + wrong).max(1)) / 100.0;
    }
    println!(
        "of ten regressions of 2 % in fifty cases {found:.3} found; {false_share:.4} of those reported are false"
    );
    assert!(found >= 0.95 && false_share <= ALPHA, "{found} {false_share}");
}

/// One block of an unchanged program whose second slot costs 1 %: the median over thirty rounds.
fn biased_block(rng: &mut Rng, candidate_is_second: impl Fn(&mut Rng) -> bool) -> f64 {
    let rounds: Vec<f64> =
        (0..30).map(|_| if candidate_is_second(rng) { 0.01 } else { -0.01 } + 0.005 * rng.normal()).collect();
    effect(&rounds).unwrap()
}

#[test]
fn a_slot_that_costs_more_makes_no_verdict_where_slots_are_drawn() {
    let drawn = |rng: &mut Rng| rng.unit() < 0.5;
    let change = |state: State| matches!(state, State::Slower | State::Faster);
    let randomised = share(500, 11, |rng| change(decide(1, || biased_block(rng, drawn)).state()));
    let fixed = share(500, 11, |rng| change(decide(1, || biased_block(rng, |_| true)).state()));
    println!(
        "a slot bias of 1 %: a change on {randomised:.3} of 500 paths with drawn slots, {fixed:.3} with fixed"
    );
    assert!(randomised <= 0.01, "{randomised}");
    assert!(fixed >= 0.99, "the simulation has no teeth: {fixed}");
}

/// An autoregressive path on the margin.
fn dependent_path(rng: &mut Rng, memory: f64, offset: f64) -> impl FnMut() -> f64 + use<'_> {
    let mut state = rng.normal();
    move || {
        state = memory * state + (1.0 - memory * memory).sqrt() * rng.normal();
        offset + 0.01 * state
    }
}

#[test]
fn neighbours_that_depend_on_each_other_are_merged() {
    let margin = Margins::from(MARGIN).lower;
    for (memory, bound) in [(0.0, 0.05), (0.3, 0.10), (0.76, 0.40)] {
        let slower = |rng: &mut Rng| decide(1, dependent_path(rng, memory, margin)).state() == State::Slower;
        let plain = share(PATHS, 12, |rng| {
            let mut block = dependent_path(rng, memory, margin);
            let values: Vec<f64> = (0..60).map(|_| block()).collect();
            LOOKS
                .into_iter()
                .any(|n| SignEvidence::of(&values[..n], margin, Side::Above) >= ln_required(ALPHA))
        });
        let merged = share(PATHS, 12, slower);
        println!("memory {memory}: false slower on {plain:.3} of {PATHS} paths, {merged:.3} with merging");
        assert!(merged <= bound, "{memory}: {merged}");
        assert!(merged <= plain + 0.01, "{memory}: {merged} {plain}");
    }
}

#[test]
fn independent_blocks_are_seldom_merged() {
    for (name, noise, _) in NOISES {
        let merged = share(PATHS, 13, |rng| {
            let values: Vec<f64> = (0..30).map(|_| noise(rng)).collect();
            merge_dependent(&values).len() < values.len()
        });
        assert!(merged <= 0.05, "{name}: {merged}");
    }
}
