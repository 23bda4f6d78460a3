//! The only place that reads a clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// A monotonic clock in nanoseconds; tests hand in [`Fake`].
pub trait Clock: Sync {
    /// Nanoseconds since an arbitrary start.
    fn now(&self) -> u64;

    /// The smallest step that the clock was seen to make, in nanoseconds, at least 1.
    fn precision(&self) -> u64;
}

/// `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    precision: u64,
}

impl Monotonic {
    /// The clock, with its precision measured (the smallest non-zero step of many back-to-back readings, which
    /// is also the cost of a reading where that is longer than the clock's own step).
    #[must_use]
    pub fn new() -> Self {
        let step = |_| {
            let start = monotonic_nanoseconds();
            loop {
                let now = monotonic_nanoseconds();
                if now > start {
                    return now - start;
                }
            }
        };
        Self { precision: (0..64).map(step).min().unwrap_or(1).max(1) }
    }
}

impl Default for Monotonic {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Monotonic {
    #[inline]
    fn now(&self) -> u64 {
        monotonic_nanoseconds()
    }

    fn precision(&self) -> u64 {
        self.precision
    }
}

/// A clock that moves only when told: measuring code becomes exact in tests.
#[derive(Debug, Default)]
pub struct Fake {
    now: AtomicU64,
}

impl Fake {
    /// Moves the clock on.
    pub fn advance(&self, nanoseconds: u64) {
        self.now.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl Clock for Fake {
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn precision(&self) -> u64 {
        1
    }
}

/// `CLOCK_MONOTONIC` now, in nanoseconds.
#[inline]
#[must_use]
pub fn monotonic_nanoseconds() -> u64 {
    clock_nanoseconds(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds as seconds: exact below 2^53 of them, which are 104 days.
#[inline]
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no clock here counts for 104 days")]
pub const fn as_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 * 1e-9
}

/// CPU time of the calling thread, in nanoseconds.
#[must_use]
pub fn thread_cpu_nanoseconds() -> u64 {
    clock_nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of the whole process, in nanoseconds.
#[must_use]
pub fn process_cpu_nanoseconds() -> u64 {
    clock_nanoseconds(libc::CLOCK_PROCESS_CPUTIME_ID)
}

#[inline]
fn clock_nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to, and the three clocks asked for exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    #[expect(clippy::cast_sign_loss, reason = "these clocks never run below zero")]
    let nanoseconds = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    nanoseconds
}

/// Seconds since 1970 (UTC), for the date of a document.
#[must_use]
#[expect(clippy::disallowed_types, reason = "this is the place that reads clocks")]
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// `2026-01-31T23:59:59Z` from seconds since 1970 (the civil calendar by Hinnant's algorithm).
#[must_use]
pub fn utc_timestamp(unix_seconds: u64) -> String {
    let (days, rest) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_follow_the_calendar() {
        assert_eq!(utc_timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc_timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc_timestamp(1_767_225_599), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn the_clock_moves_forward() {
        let clock = Monotonic::new();
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(clock.precision() >= 1);
    }
}
