//! Knees of a latency curve: footprints beyond which loads take longer, found from the curve alone and only then held
//! against the caches that the system reports.
//!
//! Noise only ever lengthens a load, and a larger footprint is never faster: so the curve is first lowered to the least of
//! what follows. A knee is then where a run of intervals begins that rise by more than a tenth for each doubling, if the
//! run as a whole rises by a quarter; a run that slackens by half in between and rises again has two.

use super::curves;
use crate::document::Document;

/// Natural logarithm of the rise over that of the growth of the footprint: a tenth for each doubling.
const RISING: f64 = 0.14;

/// A run that rises by less is noise.
const LEAST_RISE: f64 = 1.25;

/// Where a slope is less than this share of those on both sides, one rise ends and another begins.
const SLACK: f64 = 0.5;

/// A rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knee {
    /// The largest footprint that was still fast.
    pub fits_bytes: u64,
    /// The next footprint measured, which was not.
    pub exceeds_bytes: u64,
    /// Seconds of a load before the rise.
    pub before_seconds: f64,
    /// Seconds of a load after it.
    pub after_seconds: f64,
}

/// The knees of a curve of bytes and seconds, by bytes.
#[must_use]
pub fn knees(points: &[(u64, f64)]) -> Vec<Knee> {
    let points = lowered(points);
    let slopes: Vec<f64> = points
        .windows(2)
        .map(|pair| (pair[1].1 / pair[0].1).ln() / (pair[1].0 as f64 / pair[0].0 as f64).ln())
        .collect();
    let mut knees = Vec::new();
    let mut start = 0;
    for run in slopes.chunk_by(|a, b| (*a >= RISING) == (*b >= RISING)) {
        if run[0] >= RISING {
            split(run, start, &mut |from, to| {
                let ((fits_bytes, before_seconds), (exceeds_bytes, _)) = (points[from], points[from + 1]);
                let after_seconds = points[to].1;
                if after_seconds >= LEAST_RISE * before_seconds {
                    knees.push(Knee { fits_bytes, exceeds_bytes, before_seconds, after_seconds });
                }
            });
        }
        start += run.len();
    }
    knees
}

/// The points that can be used, none slower than one after it.
fn lowered(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let usable = |point: &&(u64, f64)| point.0 > 0 && point.1.is_finite() && point.1 > 0.0;
    let mut points: Vec<(u64, f64)> = points.iter().filter(usable).copied().collect();
    points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup_by_key(|point| point.0);
    for i in (1..points.len()).rev() {
        points[i - 1].1 = points[i - 1].1.min(points[i].1);
    }
    points
}

/// Tells the ends (indices of points) of each rise within a run of slopes that begins at point `start`.
fn split(run: &[f64], start: usize, tell: &mut impl FnMut(usize, usize)) {
    let steepest = |slopes: &[f64]| slopes.iter().copied().fold(0.0, f64::max);
    let slack = (1..run.len().saturating_sub(1))
        .filter(|&i| run[i] < SLACK * steepest(&run[..i]).min(steepest(&run[i + 1..])))
        .min_by(|&a, &b| run[a].total_cmp(&run[b]));
    match slack {
        Some(i) => {
            split(&run[..i], start, tell);
            split(&run[i + 1..], start + i + 1, tell);
        }
        None => tell(start, start + run.len()),
    }
}

/// A cache as the system reports it, and what the curve says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheKnee {
    /// 1 is nearest to the core.
    pub level: u32,
    /// Its size as reported.
    pub size_bytes: u64,
    /// What the curve says.
    pub finding: Finding,
}

/// What a curve says of a cache.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// There is a knee near its size.
    Near(Knee),
    /// There is none; the nearest is elsewhere.
    Elsewhere(Option<Knee>),
    /// The curve cannot tell, because of this.
    Unseen(String),
}

/// The caches that the machine of a document reports, against the knees of its curve on huge pages (where translations
/// are not missed as well), or else on the pages there are. Empty without a curve.
#[must_use]
pub fn cache_knees(document: &Document) -> Vec<CacheKnee> {
    let Some(curve) = curves(document).into_iter().next() else { return Vec::new() };
    let knees = knees(&curve.points);
    let caches = (1..=4).filter_map(|level| Some((level, document.machine.cache_bytes(level)?)));
    caches
        .map(|(level, size_bytes)| {
            let finding = finding(size_bytes, &curve.points, &knees);
            CacheKnee { level, size_bytes, finding }
        })
        .collect()
}

fn finding(size: u64, points: &[(u64, f64)], knees: &[Knee]) -> Finding {
    if let Some(why) = unseen(size, points) {
        return Finding::Unseen(why);
    }
    let size = size as f64;
    // A cache holds other things too and is full a little early; the footprints around a knee leave it some room.
    let near = |knee: &&Knee| knee.exceeds_bytes as f64 >= 0.5 * size && knee.fits_bytes as f64 <= 1.5 * size;
    let distance = |knee: &Knee| {
        let middle = (knee.fits_bytes as f64 * knee.exceeds_bytes as f64).sqrt();
        (middle / size).ln().abs()
    };
    let nearest = |a: &&Knee, b: &&Knee| distance(a).total_cmp(&distance(b));
    match knees.iter().filter(near).min_by(nearest) {
        Some(&knee) => Finding::Near(knee),
        None => Finding::Elsewhere(knees.iter().min_by(nearest).copied()),
    }
}

/// Why footprints say nothing about a cache of this size.
fn unseen(size: u64, points: &[(u64, f64)]) -> Option<String> {
    let largest = points.last().map_or(0, |point| point.0);
    if largest < size.saturating_mul(2) {
        return Some("no footprint of twice its size was walked".to_owned());
    }
    let below = points.iter().rev().find(|point| point.0 <= size).map(|point| point.0);
    let above = points.iter().find(|point| point.0 > size).map_or(u64::MAX, |point| point.0);
    match below {
        Some(below) if above <= below.saturating_mul(4) => None,
        Some(_) => {
            Some("too few footprints near its size were walked; `bench latency --full` walks them".to_owned())
        }
        None => Some("no footprint below its size was walked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{document, measured};
    use crate::document::{Cost, Measurement};

    /// What a load takes where footprints beyond a level's size hit it in proportion.
    fn model(bytes: u64, levels: &[(u64, f64)], memory: f64) -> f64 {
        let (mut seconds, mut left) = (0.0, 1.0);
        for &(size, latency) in levels {
            let hit = (size as f64 / bytes as f64).min(1.0);
            let share = (hit - (1.0 - left)).max(0.0);
            seconds += share * latency;
            left -= share;
        }
        seconds + left * memory
    }

    const LEVELS: [(u64, f64); 3] = [(48 << 10, 1.5e-9), (1 << 20, 5e-9), (32 << 20, 20e-9)];

    fn footprints() -> impl Iterator<Item = u64> {
        (14..28).flat_map(|power| [1_u64 << power, (1 << power) / 2 * 3])
    }

    fn curve(noise: f64) -> Vec<(u64, f64)> {
        let mut state = 1_u64;
        footprints()
            .map(|bytes| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let lengthened = 1.0 + noise * (state >> 40) as f64 / (1_u64 << 24) as f64;
                (bytes, model(bytes, &LEVELS, 100e-9) * lengthened)
            })
            .collect()
    }

    #[test]
    fn each_level_has_its_knee_with_and_without_noise() {
        for noise in [0.0, 0.04] {
            let knees = knees(&curve(noise));
            let near =
                |size: u64| knees.iter().filter(move |k| k.fits_bytes <= size && size <= 2 * k.exceeds_bytes);
            for (size, _) in LEVELS {
                assert!(near(size).count() >= 1, "{size} {noise} {knees:?}");
            }
            assert_eq!(knees.len(), 3, "{noise}: {knees:?}");
        }
    }

    #[test]
    fn a_flat_curve_has_none_and_broken_points_do_no_harm() {
        let flat: Vec<(u64, f64)> = footprints().map(|bytes| (bytes, 3e-9)).collect();
        assert!(knees(&flat).is_empty());
        let spike: Vec<(u64, f64)> =
            flat.iter().map(|&(x, y)| (x, if x == 1 << 20 { 20.0 * y } else { y })).collect();
        assert!(knees(&spike).is_empty(), "a single slow footprint is noise");
        for points in [vec![], vec![(5, 1.0)], vec![(0, 1.0), (0, f64::NAN), (1, -1.0), (u64::MAX, 1.0)]] {
            assert!(knees(&points).is_empty());
        }
    }

    fn chases(points: &[(u64, f64)]) -> Vec<Measurement> {
        let case = |&(bytes, seconds): &(u64, f64)| {
            let text = format!("latency/chase-u64/huge-pages@baseline/{bytes}/t1");
            let facts = [("loads".to_owned(), 1000.0)].into_iter().collect();
            Measurement { facts, ..measured(&text, seconds * 1000.0, Cost::default()) }
        };
        points.iter().map(case).collect()
    }

    #[test]
    fn a_reported_cache_has_its_knee_near_or_elsewhere_or_cannot_be_seen() {
        // The machine of the fixtures reports 48 KiB, 1 MiB and 32 MiB.
        let found = cache_knees(&document(chases(&curve(0.0))));
        assert!(found.iter().all(|cache| matches!(cache.finding, Finding::Near(_))), "{found:?}");
        // A guest that has 4 MiB of the 32.
        let small: Vec<(u64, f64)> = footprints()
            .map(|bytes| (bytes, model(bytes, &[LEVELS[0], LEVELS[1], (4 << 20, 20e-9)], 100e-9)))
            .collect();
        let found = cache_knees(&document(chases(&small)));
        assert!(matches!(found[1].finding, Finding::Near(_)));
        assert!(matches!(found[2].finding, Finding::Elsewhere(Some(_))), "{:?}", found[2]);
        // The footprints of a quick run.
        let quick: Vec<(u64, f64)> = [24 << 10, 512 << 10, 16 << 20, 128 << 20]
            .map(|bytes| (bytes, model(bytes, &LEVELS, 100e-9)))
            .to_vec();
        let found = cache_knees(&document(chases(&quick)));
        assert!(found.iter().all(|cache| matches!(cache.finding, Finding::Unseen(_))), "{found:?}");
        assert!(cache_knees(&document(Vec::new())).is_empty());
    }
}
