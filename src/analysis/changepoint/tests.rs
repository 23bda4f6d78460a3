//! Tests of the search for changes of level.

#![expect(clippy::print_stdout, reason = "the simulated rates are worth reading")]

use proptest::prelude::*;

use super::{ChangePoint, LONGEST_HISTORY, Options, TooLong, change_points};
use crate::sys::Rng;

/// A history of levels, each with its length, under normal noise.
fn history(rng: &mut Rng, levels: &[(usize, f64)], spread: f64) -> Vec<f64> {
    levels
        .iter()
        .flat_map(|&(length, level)| std::iter::repeat_n(level, length))
        .map(|level| level * (1.0 + spread * rng.normal()))
        .collect()
}

fn found(values: &[f64]) -> Vec<usize> {
    change_points(values, Options::default()).unwrap().iter().map(|change| change.index).collect()
}

#[test]
fn steps_are_found_where_they_are() {
    let mut rng = Rng::new(31);
    let values = history(&mut rng, &[(30, 100.0), (20, 110.0), (25, 104.0)], 0.005);
    let changes = change_points(&values, Options::default()).unwrap();
    assert_eq!(changes.iter().map(|c| c.index).collect::<Vec<_>>(), [30, 50]);
    let ChangePoint { before, after, p_value, .. } = changes[0];
    assert!((before - 100.0).abs() < 0.5 && (after - 110.0).abs() < 0.5 && p_value < 1e-9, "{changes:?}");
}

#[test]
fn a_level_that_comes_back_is_seen() {
    let mut rng = Rng::new(32);
    for length in [4, 10, 40] {
        let values = history(&mut rng, &[(60, 100.0), (length, 105.0), (60, 100.0)], 0.005);
        assert_eq!(found(&values), [60, 60 + length], "{length}");
    }
}

#[test]
fn a_constant_has_no_change_and_a_clean_step_has_one() {
    assert_eq!(found(&[0.1; 50]), [0; 0]);
    assert_eq!(found(&[]), [0; 0]);
    assert_eq!(found(&[1.0, 2.0, 1.0, 2.0, 1.0]), [0; 0]);
    let mut step = vec![0.1; 20];
    step.extend([0.3; 10]);
    assert_eq!(found(&step), [20]);
    assert_eq!(found(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]), [3]);
    assert_eq!(found(&[1.0, 1.0, 1.0, 2.0, 2.0]), [0; 0], "two values are no level");
}

#[test]
fn a_ramp_is_reported_as_rising_steps() {
    let mut rng = Rng::new(33);
    let values: Vec<f64> = (0..100).map(|i| 100.0 + 0.2 * f64::from(i) + 0.3 * rng.normal()).collect();
    let changes = change_points(&values, Options::default()).unwrap();
    assert!(!changes.is_empty() && changes.iter().all(|change| change.after > change.before), "{changes:?}");
}

#[test]
fn small_changes_can_be_left_out() {
    let mut rng = Rng::new(34);
    let values = history(&mut rng, &[(40, 100.0), (40, 101.0), (40, 120.0)], 0.002);
    let options = Options { smallest_magnitude: 0.05, ..Options::default() };
    assert_eq!(found(&values), [40, 80]);
    let changes = change_points(&values, options).unwrap();
    assert_eq!(changes.iter().map(|c| c.index).collect::<Vec<_>>(), [80]);
    assert!((changes[0].before - 100.5).abs() < 0.2, "the level before is that of both: {changes:?}");
}

/// Noise with tails so heavy that three outliers in a row look like a level.
fn student_3(rng: &mut Rng) -> f64 {
    let chi: f64 = (0..3).map(|_| rng.normal().powi(2)).sum();
    rng.normal() / (chi / 3.0).sqrt()
}

#[test]
fn noise_alone_seldom_makes_a_change() {
    for (length, histories) in [(20, 500), (50, 500), (100, 300), (300, 60)] {
        let mut rng = Rng::new(35);
        let (mut normal, mut heavy) = (0, 0);
        for _ in 0..histories {
            normal += usize::from(!found(&history(&mut rng, &[(length, 100.0)], 0.01)).is_empty());
            let values: Vec<f64> = (0..length).map(|_| 100.0 + student_3(&mut rng)).collect();
            heavy += usize::from(!found(&values).is_empty());
        }
        println!(
            "{length} values: a change in {normal} of {histories} histories of normal noise, {heavy} of Student-3"
        );
        assert!(normal * 100 <= 3 * histories, "{length}: {normal} of {histories}");
    }
}

#[test]
fn a_step_of_two_spreads_is_found_within_ten_values() {
    let mut rng = Rng::new(36);
    let hits = (0..200)
        .filter(|_| {
            let values = history(&mut rng, &[(40, 100.0), (10, 102.0)], 0.01);
            found(&values).iter().any(|&index| index.abs_diff(40) <= 3)
        })
        .count();
    println!("a step of two spreads, ten values old, found in {hits} of 200 histories");
    assert!(hits >= 180, "{hits}");
}

#[test]
fn unknown_values_keep_their_place() {
    let mut values = vec![f64::NAN, 1.0, f64::INFINITY];
    values.extend([1.0; 10]);
    values.extend([f64::NAN, 2.0, 2.0, 2.0, 2.0]);
    assert_eq!(found(&values), [14]);
}

#[test]
fn long_histories_are_refused() {
    let error = change_points(&vec![0.0; LONGEST_HISTORY + 1], Options::default()).unwrap_err();
    assert_eq!(error, TooLong(LONGEST_HISTORY + 1));
}

proptest! {
    #[test]
    fn any_numbers_are_taken(values in prop::collection::vec(any::<f64>(), 0..60), max_p_value in any::<f64>()) {
        let changes = change_points(&values, Options { max_p_value, ..Options::default() }).unwrap();
        for pair in changes.windows(2) {
            prop_assert!(pair[1].index >= pair[0].index + 3);
        }
    }

    #[test]
    fn the_unit_does_not_matter(seed in any::<u64>(), exponent in -30_i32..30) {
        let values = history(&mut Rng::new(seed), &[(15, 1.0), (15, 1.02)], 0.01);
        let scaled: Vec<f64> = values.iter().map(|value| value * 2.0_f64.powi(exponent)).collect();
        prop_assert_eq!(found(&values), found(&scaled));
    }
}
