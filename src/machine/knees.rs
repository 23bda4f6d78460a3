//! Whether the sizes of caches that a system reports are those that loads feel: pure functions of latencies by footprint.
//!
//! A chain of loads through a footprint takes as long as the level that holds it. Where the footprint outgrows a level, the
//! latency rises: that knee is the size that counts. Virtual machines report caches of their host that they share, or
//! sizes that somebody wrote into a file.

use crate::document::{CacheKnee, Machine};

/// Bytes of a footprint and the seconds that a load in it takes.
pub type Point = (u64, f64);

/// A level that follows is another one when its loads take this many times as long.
const NEXT: f64 = 1.3;
/// A knee belongs to a reported size when the largest footprint before it is at least this share of the size ...
const EARLY: f64 = 0.45;
/// ... and the smallest after it at most this multiple. Half a step of the ladder is lost on either side, and the last
/// ways of a cache are never free.
const LATE: f64 = 2.1;

/// What the points, by ascending footprint, say of each level of data caches that `machine` reports.
#[must_use]
pub fn knees(machine: &Machine, points: &[Point]) -> Vec<CacheKnee> {
    let sizes: Vec<(u32, u64)> =
        (1..=4).filter_map(|level| Some((level, machine.cache_bytes(level)?))).collect();
    let judge = |index: usize| {
        let below = index.checked_sub(1).map_or(0, |index| sizes[index].1);
        let next = sizes.get(index + 1).map(|next| next.1);
        knee(sizes[index], below, next, points)
    };
    (0..sizes.len()).map(judge).collect()
}

/// The latency of a level between two sizes: that of the footprints well above the one below and well inside its own.
fn plateau(below: u64, size: u64, points: &[Point]) -> Option<f64> {
    let inside = |point: &&Point| point.0 > below.saturating_add(below / 2) && point.0 <= size / 4 * 3;
    points.iter().filter(inside).map(|point| point.1).min_by(f64::total_cmp)
}

fn knee((level, size): (u32, u64), below: u64, next: Option<u64>, points: &[Point]) -> CacheKnee {
    let mut knee = CacheKnee { level, reported_bytes: Some(size), ..CacheKnee::default() };
    let (Some(own), Some(largest)) = (plateau(below, size, points), points.last()) else {
        knee.detail = "no footprint between this level and the one below was measured".to_owned();
        return knee;
    };
    knee.seconds = Some(own);
    let following = next.and_then(|next| plateau(size, next, points)).unwrap_or(largest.1);
    // Latencies rise slowly inside a level, as translations are missed, and steeply at its end: the end is where they pass
    // the middle, by ratio, of the two levels. One point may be disturbed: it counts when the next shows it too.
    let middle = (own * following).sqrt();
    let above: Vec<&Point> =
        points.iter().filter(|point| point.0 > below.saturating_add(below / 2)).collect();
    let high = |index: usize| above.get(index).is_none_or(|point| point.1 > middle);
    let spill = (0..above.len()).find(|&index| high(index) && high(index + 1));
    let Some(spill) = spill.filter(|_| following > own * NEXT) else {
        knee.fits_bytes = Some(largest.0);
        knee.detail =
            format!("no step up to {}: the size cannot be confirmed", crate::units::bytes(largest.0));
        return knee;
    };
    let (fits, spills) = (spill.checked_sub(1).map(|i| above[i].0), above[spill].0);
    knee.fits_bytes = fits;
    knee.spills_bytes = Some(spills);
    #[expect(clippy::cast_precision_loss, reason = "sizes of caches")]
    let agrees =
        fits.is_some_and(|fits| fits as f64 >= size as f64 * EARLY) && spills as f64 <= size as f64 * LATE;
    knee.agrees = Some(agrees);
    let place = match fits {
        Some(fits) => format!("{} to {}", crate::units::bytes(fits), crate::units::bytes(spills)),
        None => format!("below {}", crate::units::bytes(spills)),
    };
    let latency = crate::units::seconds(own);
    knee.detail = if agrees {
        format!("confirmed: a load takes {latency}, and more from {place} on")
    } else {
        let reported = crate::units::bytes(size);
        format!(
            "NOT confirmed: loads slow down at {place} ({reported} reported): a guest may share its host's cache"
        )
    };
    knee
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Cache, CacheType};

    fn machine(sizes: &[u64]) -> Machine {
        let mut machine = Machine::default();
        machine.cpu.caches = (1..)
            .zip(sizes)
            .map(|(level, &size)| Cache {
                level,
                kind: CacheType::Unified,
                size_bytes: Some(size),
                ..Cache::default()
            })
            .collect();
        machine
    }

    /// Powers of two and their halves between, with the latencies of a machine whose caches have these sizes.
    fn points(sizes: &[u64], largest: u64) -> Vec<Point> {
        let ladder = (14..).map(|power| 1_u64 << power).flat_map(|bytes| [bytes, bytes / 2 * 3]);
        let latency =
            |bytes: u64| [1e-9, 4e-9, 20e-9, 90e-9][sizes.iter().filter(|&&size| bytes > size).count()];
        ladder.take_while(|&bytes| bytes <= largest).map(|bytes| (bytes, latency(bytes))).collect()
    }

    #[test]
    fn sizes_that_loads_feel_are_confirmed_and_others_are_not() {
        let real = [48 << 10, 2 << 20, 32 << 20];
        let measured = points(&real, 256 << 20);
        let agrees = |reported: &[u64]| -> Vec<Option<bool>> {
            knees(&machine(reported), &measured).iter().map(|knee| knee.agrees).collect()
        };
        assert_eq!(agrees(&real), [Some(true); 3]);
        assert_eq!(agrees(&[48 << 10, 2 << 20, 260 << 20]), [Some(true), Some(true), Some(false)]);
        assert_eq!(agrees(&[48 << 10, 8 << 20, 32 << 20])[1], Some(false));
    }

    #[test]
    fn a_size_beyond_the_largest_footprint_is_neither() {
        let real = [32 << 10, 1 << 20, 64 << 20];
        let found = knees(&machine(&real), &points(&real, 48 << 20));
        assert_eq!((found[2].agrees, found[2].spills_bytes), (None, None));
        assert!(found[2].detail.contains("cannot be confirmed"), "{}", found[2].detail);
        assert!(knees(&machine(&real), &[]).iter().all(|knee| knee.agrees.is_none()));
    }

    #[test]
    fn one_disturbed_point_is_no_knee() {
        let real = [32 << 10, 1 << 20, 16 << 20];
        let mut measured = points(&real, 128 << 20);
        let at = measured.iter().position(|point| point.0 == 4 << 20).unwrap();
        measured[at].1 *= 2.0;
        assert_eq!(knees(&machine(&real), &measured)[2].agrees, Some(true));
    }
}
