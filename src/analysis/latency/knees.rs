//! Knees of a latency curve: where loads begin to take longer, found from the curve alone and only then held against the
//! caches that the system reports. Guests are told the size of their host's cache, which they share, or one that somebody
//! wrote into a file.
//!
//! Noise only ever lengthens a load, and a larger footprint is never faster: so the curve is first lowered to the least of
//! what follows. A rise is a run of intervals that rise by more than a tenth for each doubling, if the run as a whole rises
//! by three tenths; a run that slackens by half in between and rises again is two. Latencies climb slowly inside a level,
//! as translations are missed and neighbours take ways, and steeply at its end: the knee of a rise is where it passes the
//! middle, by ratio, of the latencies at its ends.

use super::curves;
use crate::document::{CacheKnee, Document, Machine};
use crate::units;

/// Natural logarithm of the rise over that of the growth of the footprint: a tenth for each doubling.
const RISING: f64 = 0.14;

/// A run that rises by less is noise, or missed translations.
const LEAST_RISE: f64 = 1.3;

/// Where a slope is less than this share of those on both sides, one rise ends and another begins.
const SLACK: f64 = 0.5;

/// A knee belongs to a reported size when the largest footprint before it is at least this share of the size ...
const EARLY: f64 = 0.45;

/// ... and the smallest after it at most this multiple. Half a step of the ladder is lost on either side, and the last ways
/// of a cache are never free.
const LATE: f64 = 2.1;

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
            split(run, start, &mut |from, to| knees.extend(knee(&points[from..=to])));
        }
        start += run.len();
    }
    knees
}

/// The knee of a rise, whose first point is still fast and whose last one is slow; none where it rises by too little.
fn knee(rise: &[(u64, f64)]) -> Option<Knee> {
    let (before_seconds, after_seconds) = (rise.first()?.1, rise.last()?.1);
    if after_seconds < LEAST_RISE * before_seconds {
        return None;
    }
    let middle = (before_seconds * after_seconds).sqrt();
    let slow = rise.iter().position(|point| point.1 > middle)?;
    let (fits, exceeds) = (rise.get(slow.checked_sub(1)?)?, rise.get(slow)?);
    Some(Knee { fits_bytes: fits.0, exceeds_bytes: exceeds.0, before_seconds, after_seconds })
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

/// The caches that the machine of a document reports, against the knees of its curve on huge pages (where translations
/// are not missed as well), or else on the pages there are. Empty without a curve.
#[must_use]
pub fn cache_knees(document: &Document) -> Vec<CacheKnee> {
    let curve = curves(document).into_iter().next();
    curve.map(|curve| confirm_caches(&document.machine, &curve.points)).unwrap_or_default()
}

/// What a curve of bytes and seconds, by bytes, says of each level of data caches that a machine reports.
#[must_use]
pub fn confirm_caches(machine: &Machine, points: &[(u64, f64)]) -> Vec<CacheKnee> {
    let sizes: Vec<(u32, u64)> =
        (1..=4).filter_map(|level| Some((level, machine.cache_bytes(level)?))).collect();
    // Each knee is the end of one cache: of those that are near it, the nearest, and the smaller sizes choose first.
    let mut free = knees(points);
    let mut claimed: Vec<Option<Knee>> = Vec::new();
    for &(_, size) in &sizes {
        let near = |knee: &&Knee| {
            knee.fits_bytes as f64 >= EARLY * size as f64 && knee.exceeds_bytes as f64 <= LATE * size as f64
        };
        let own =
            free.iter().filter(near).min_by(|a, b| distance(a, size).total_cmp(&distance(b, size))).copied();
        free.retain(|knee| Some(*knee) != own);
        claimed.push(own);
    }
    let mut below = 0;
    let mut told = Vec::new();
    for (&(level, size), own) in sizes.iter().zip(claimed) {
        let knee = own.ok_or_else(|| {
            // A knee that is no other cache's, beyond the one below.
            let elsewhere = free.iter().filter(|knee| knee.exceeds_bytes > below);
            elsewhere.min_by(|a, b| distance(a, size).total_cmp(&distance(b, size))).copied()
        });
        told.push(conclusion((level, size), below, knee, points));
        below = size;
    }
    told
}

fn distance(knee: &Knee, size: u64) -> f64 {
    let middle = (knee.fits_bytes as f64 * knee.exceeds_bytes as f64).sqrt();
    (middle / size as f64).ln().abs()
}

/// What is said of a cache: its own knee, or else the one that is instead of it.
fn conclusion(
    (level, size): (u32, u64),
    below: u64,
    knee: Result<Knee, Option<Knee>>,
    points: &[(u64, f64)],
) -> CacheKnee {
    let step = |knee: &Knee| {
        format!(
            "loads slow down from {} to {} at {} to {}",
            units::seconds(knee.before_seconds),
            units::seconds(knee.after_seconds),
            units::bytes(knee.fits_bytes),
            units::bytes(knee.exceeds_bytes)
        )
    };
    let largest = points.last().map_or(0, |point| point.0);
    // A rise that is over long before the size tells even where the footprints end before it.
    let long_before = |knee: &Knee| {
        (knee.exceeds_bytes as f64) < EARLY * size as f64 && largest >= knee.exceeds_bytes.saturating_mul(4)
    };
    let reported = units::bytes(size);
    let (agrees, at, detail) = match (knee, unseen(size, points)) {
        (Ok(knee), _) => (Some(true), Some(knee), format!("confirmed: {}", step(&knee))),
        (Err(Some(knee)), why) if why.is_none() || long_before(&knee) => {
            let guest = if knee.exceeds_bytes < size {
                "; a guest may get less of a cache than the host has"
            } else {
                ""
            };
            (Some(false), Some(knee), format!("NOT confirmed, {reported} reported: {}{guest}", step(&knee)))
        }
        (Err(_), Some(why)) => (None, None, format!("cannot be confirmed: {why}")),
        (Err(_), None) => {
            (Some(false), None, format!("NOT confirmed, {reported} reported: no load is slower beyond"))
        }
    };
    CacheKnee {
        level,
        reported_bytes: Some(size),
        fits_bytes: at.map(|knee| knee.fits_bytes),
        spills_bytes: at.map(|knee| knee.exceeds_bytes),
        seconds: at.map(|knee| knee.before_seconds).or_else(|| plateau(below, size, points)),
        beyond_seconds: at.map(|knee| knee.after_seconds),
        agrees,
        detail,
    }
}

/// The latency of a level between two sizes: that of the footprints well above the one below and well inside its own.
fn plateau(below: u64, size: u64, points: &[(u64, f64)]) -> Option<f64> {
    let inside = |point: &&(u64, f64)| point.0 > below.saturating_add(below / 2) && point.0 <= size / 4 * 3;
    points.iter().filter(inside).map(|point| point.1).min_by(f64::total_cmp)
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
            let near = |size: u64| {
                knees.iter().filter(move |k| 2 * k.fits_bytes >= size && k.exceeds_bytes <= 2 * size)
            };
            for (size, _) in LEVELS {
                assert_eq!(near(size).count(), 1, "{size} {noise} {knees:?}");
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
        let agree =
            |found: &[CacheKnee]| -> Vec<Option<bool>> { found.iter().map(|cache| cache.agrees).collect() };
        let found = cache_knees(&document(chases(&curve(0.0))));
        assert_eq!(agree(&found), [Some(true); 3], "{found:?}");
        // A guest that has 4 MiB of the 32.
        let small: Vec<(u64, f64)> = footprints()
            .map(|bytes| (bytes, model(bytes, &[LEVELS[0], LEVELS[1], (4 << 20, 20e-9)], 100e-9)))
            .collect();
        let found = cache_knees(&document(chases(&small)));
        assert_eq!(agree(&found), [Some(true), Some(true), Some(false)], "{found:?}");
        assert!(
            found[2].detail.contains("32 MiB reported") && found[2].detail.contains("at 4 MiB"),
            "{}",
            found[2].detail
        );
        // The footprints of a quick run.
        let quick: Vec<(u64, f64)> = [24 << 10, 512 << 10, 16 << 20, 128 << 20]
            .map(|bytes| (bytes, model(bytes, &LEVELS, 100e-9)))
            .to_vec();
        let found = cache_knees(&document(chases(&quick)));
        assert_eq!(agree(&found), [None; 3], "{found:?}");
        assert!(cache_knees(&document(Vec::new())).is_empty());
    }

    /// Bytes and nanoseconds of a guest on a host whose cache of the third level it shares with others, as measured: 48 KiB,
    /// 2 MiB and 260 MiB are reported. The second level is left slowly, the third is full at a sixteenth of its size.
    const GUEST: &[(u64, f64)] = &[
        (16 << 10, 1.43),
        (24 << 10, 1.39),
        (32 << 10, 1.41),
        (48 << 10, 1.41),
        (64 << 10, 4.49),
        (96 << 10, 4.47),
        (128 << 10, 4.58),
        (192 << 10, 4.58),
        (256 << 10, 4.58),
        (384 << 10, 4.60),
        (512 << 10, 5.08),
        (768 << 10, 5.59),
        (1 << 20, 5.85),
        (3 << 19, 6.68),
        (2 << 20, 13.4),
        (3 << 20, 30.1),
        (4 << 20, 32.5),
        (6 << 20, 32.2),
        (8 << 20, 33.4),
        (12 << 20, 36.9),
        (16 << 20, 58.2),
        (24 << 20, 133.0),
        (32 << 20, 130.0),
        (48 << 20, 131.0),
        (64 << 20, 130.0),
        (96 << 20, 132.0),
        (128 << 20, 130.0),
        (192 << 20, 138.0),
        (256 << 20, 135.0),
        (384 << 20, 142.0),
        (512 << 20, 163.0),
        (768 << 20, 147.0),
    ];

    fn reporting(sizes: &[u64]) -> Machine {
        use crate::document::Cache;
        let mut machine = Machine::default();
        let cache = |(level, &size): (u32, &u64)| Cache { level, size_bytes: Some(size), ..Cache::default() };
        machine.cpu.caches = (1..).zip(sizes).map(cache).collect();
        machine
    }

    #[test]
    fn a_guest_that_shares_its_hosts_cache_learns_what_it_gets() {
        let points: Vec<(u64, f64)> =
            GUEST.iter().map(|&(bytes, nanoseconds)| (bytes, nanoseconds * 1e-9)).collect();
        let found = confirm_caches(&reporting(&[48 << 10, 2 << 20, 260 << 20]), &points);
        let places: Vec<_> = found.iter().map(|k| (k.agrees, k.fits_bytes, k.spills_bytes)).collect();
        assert_eq!(
            places,
            [
                (Some(true), Some(48 << 10), Some(64 << 10)),
                (Some(true), Some(2 << 20), Some(3 << 20)),
                (Some(false), Some(16 << 20), Some(24 << 20)),
            ]
        );
        assert!((found[2].seconds.unwrap() / 33e-9 - 1.0).abs() < 0.05, "{:?}", found[2]);
        // Sizes that somebody wrote into a file.
        let lies = confirm_caches(&reporting(&[48 << 10, 8 << 20, 16 << 20]), &points);
        assert_eq!(lies.iter().map(|k| k.agrees).collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
        // Footprints that end before the cache does say nothing of it, unless the knee came long before.
        let short = &points[..14];
        assert_eq!(confirm_caches(&reporting(&[48 << 10, 2 << 20]), short)[1].agrees, None);
        assert_eq!(confirm_caches(&reporting(&[48 << 10, 2 << 20, 1 << 30]), &points)[2].agrees, Some(false));
        assert!(confirm_caches(&reporting(&[48 << 10]), &[]).iter().all(|knee| knee.agrees.is_none()));
    }

    #[test]
    fn one_disturbed_footprint_is_no_knee() {
        let mut points = curve(0.0);
        let at = points.iter().position(|point| point.0 == 4 << 20).unwrap();
        points[at].1 *= 2.0;
        let found = confirm_caches(&reporting(&LEVELS.map(|level| level.0)), &points);
        assert!(found.iter().all(|knee| knee.agrees == Some(true)), "{found:?}");
    }
}
