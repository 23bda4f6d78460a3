//! The race on a simulated machine, against the best that exhaustive search finds; the front; the line of memory.

use super::*;
use crate::document::{EmbedSettings, MemoryPoint};
use crate::sys::Rng;

/// A setting of a simulated machine: its time for a token, its batches of a lap and their time.
#[derive(Clone, Copy)]
struct True {
    seconds_per_token: f64,
    batch_seconds: f64,
    batches: usize,
}

/// Runs a race on simulated settings and answers how it came out and how many laps it took.
fn run(settings: &[True], limit: Option<f64>, noise: f64, seed: u64) -> (Race, usize) {
    let mut rng = Rng::new(seed);
    let mut race = Race::new(settings.len(), limit);
    let mut laps = 0;
    for _ in 0..60 {
        let next = race.next_round();
        if next.is_empty() {
            break;
        }
        // What all of a round meet together, and what each meets alone.
        let common = (2.0 * noise * rng.normal()).exp();
        let mut round = Vec::new();
        for i in next {
            let own = common * (noise * rng.normal()).exp();
            let True { seconds_per_token, batch_seconds, batches } = settings[i];
            laps += 1;
            round.push((
                i,
                Lap { unit_seconds: seconds_per_token * own, batches: vec![batch_seconds * own; batches] },
            ));
        }
        race.take(round);
    }
    (race, laps)
}

/// Sizes 1 to 64 on one or two threads in three precisions, as an encoder behaves: a fixed time for a batch, a time by the
/// text, two threads worth 1.8.
#[expect(clippy::cast_possible_truncation, reason = "a few batches")]
fn grid() -> Vec<True> {
    let mut grid = Vec::new();
    for precision in [1.0, 1.9, 3.4] {
        for threads in [1.0, 1.8] {
            for batch in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0] {
                let seconds = (1e-3 + 5e-3 * batch) / (precision * threads);
                grid.push(True {
                    seconds_per_token: seconds / (40.0 * batch),
                    batch_seconds: seconds,
                    batches: (64.0 / batch) as usize,
                });
            }
        }
    }
    grid
}

/// The best that exhaustive search finds.
fn best(grid: &[True], limit: Option<f64>) -> f64 {
    let fits = |setting: &&True| limit.is_none_or(|limit| setting.batch_seconds <= limit);
    grid.iter().filter(fits).map(|setting| setting.seconds_per_token).fold(f64::INFINITY, f64::min)
}

#[test]
fn the_choice_is_within_the_margin_of_the_best_that_exhaustive_search_finds() {
    let grid = grid();
    let mut all_laps = 0;
    for seed in 1..=40 {
        for limit in [None, Some(0.02), Some(0.1)] {
            let (race, laps) = run(&grid, limit, 0.02, seed);
            let leader = race.result().leader.unwrap();
            // A batch a little beyond its limit by noise alone may be left out for a setting near it.
            let slack = if limit.is_some() { 1.03 } else { 1.0 };
            let ratio = grid[leader].seconds_per_token / best(&grid, limit);
            assert!(ratio <= 1.05 * slack, "seed {seed}, {limit:?}: {ratio}");
            all_laps += laps;
        }
    }
    let mean = all_laps as f64 / 120.0 / grid.len() as f64;
    assert!(mean <= 8.0, "{mean} laps a setting: bad ones are to be dropped early");
}

#[test]
fn a_setting_that_is_far_behind_has_one_lap_and_one_that_is_late_says_so() {
    let setting = |seconds_per_token, batch_seconds| True { seconds_per_token, batch_seconds, batches: 8 };
    let settings = [setting(1e-4, 0.01), setting(4e-4, 0.01), setting(5e-5, 0.2)];
    let (race, _) = run(&settings, Some(0.05), 0.01, 3);
    assert_eq!(race.result().leader, Some(0));
    assert_eq!((race.rounds(1), race.rounds(2)), (1, 1));
    let standings = race.standings();
    assert!(
        matches!(&standings[1], Standing::Dropped(why) if why.contains("times as long")),
        "{standings:?}"
    );
    assert!(matches!(&standings[2], Standing::Dropped(why) if why.contains("8 of 8")), "{standings:?}");
}

#[test]
fn a_lap_that_was_disturbed_does_not_cost_a_setting_its_place() {
    let seconds = [1.3, 1.0, 1.15, 1.5, 2.6, 4.0];
    let mut wrong = 0;
    for seed in 1..=100 {
        let mut rng = Rng::new(seed);
        let mut race = Race::new(seconds.len(), None);
        for _ in 0..60 {
            let round = race.next_round().into_iter().map(|i| {
                // One lap of ten shares its core with another program.
                let disturbed = if rng.below(10) == 0 { 2.5 } else { 1.0 };
                let unit_seconds = seconds[i] * disturbed * (0.01 * rng.normal()).exp();
                (i, Lap { unit_seconds, batches: vec![unit_seconds; 4] })
            });
            let round: Vec<_> = round.collect();
            if round.is_empty() {
                break;
            }
            race.take(round);
        }
        wrong += usize::from(race.result().leader != Some(1));
    }
    assert!(wrong <= 4, "the best was lost in {wrong} of 100 races");
}

#[test]
fn settings_that_are_alike_are_shown_equivalent_or_left_undecided() {
    let setting = True { seconds_per_token: 1e-4, batch_seconds: 0.01, batches: 4 };
    let (race, _) = run(&[setting; 3], None, 0.005, 1);
    let result = race.result();
    assert_eq!((result.slower, result.equivalent + result.undecided), (0, 2), "{result:?}");
    assert!(result.equivalent > 0, "{result:?}");
    assert!(Race::new(0, None).next_round().is_empty());
    assert_eq!(Race::new(3, None).next_round(), [0, 1, 2]);
}

#[test]
fn nothing_that_meets_the_limit_is_no_leader() {
    let setting = True { seconds_per_token: 1e-4, batch_seconds: 1.0, batches: 4 };
    let (race, laps) = run(&[setting; 2], Some(0.5), 0.01, 1);
    assert_eq!(race.result(), RaceResult::default());
    assert_eq!(laps, 2);
}

#[test]
fn the_front_holds_what_no_other_beats_in_everything() {
    let goods = |texts_per_second, latency_seconds, cosine| {
        Some(Goods { rate: texts_per_second, latency_seconds, memory_bytes: None, quality: cosine })
    };
    let settings = [
        goods(100.0, 0.1, Some(1.0)),
        goods(90.0, 0.1, Some(1.0)),
        goods(50.0, 0.01, Some(1.0)),
        goods(200.0, 0.1, Some(0.99)),
        None,
    ];
    assert_eq!(front(&settings), [true, false, true, true, false]);
}

#[test]
fn memory_is_a_line_with_its_error() {
    let point = |batch, bytes| MemoryPoint { batch, bytes };
    let settings = EmbedSettings { part_tokens: Some(256), ..EmbedSettings::default() };
    let line = fit_memory(&settings, &[point(1, 1010), point(11, 2000), point(21, 3010)]).unwrap();
    assert!((line.bytes_per_text - 100.0).abs() < 1e-9 && line.error_bytes < 10.0, "{line:?}");
    assert!(line.is_of(&settings) && !line.is_of(&EmbedSettings::default()));
    assert_eq!(fit_memory(&settings, &[point(4, 10), point(4, 11)]), None);
    assert_eq!(fit_memory(&settings, &[]), None);
    assert!(fit_memory(&settings, &[point(1, 100), point(2, 90)]).unwrap().bytes_per_text == 0.0);
}
