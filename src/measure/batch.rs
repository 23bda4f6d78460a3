//! One sample: a batch of runs between two clock readings, and what the system counted beside it.

use crate::sys::clock::{as_seconds, process_cpu_nanoseconds};
use crate::sys::resources::{RunQueueWait, process_usage};
use crate::sys::threads::current_cpu;
use crate::sys::{Clock, Monotonic};
use crate::workload::Workload;

/// What one sample took. Everything but its wall time may be unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchSample {
    /// Wall time of the whole batch.
    pub wall_nanoseconds: u64,
    /// CPU time of the whole batch, of all threads of the process.
    pub cpu_nanoseconds: Option<u64>,
    /// Times the scheduler took the CPU away.
    pub involuntary_switches: Option<u64>,
    /// Time that the measuring thread could have run and waited for a CPU.
    pub wait_nanoseconds: Option<u64>,
    /// The CPU that the measuring thread ended on.
    pub cpu: Option<u32>,
    /// Runs in the batch.
    pub iterations: u64,
}

impl BatchSample {
    /// Seconds per run.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
    pub fn seconds(&self) -> f64 {
        as_seconds(self.wall_nanoseconds) / self.iterations.max(1) as f64
    }

    /// Seconds per run without the time that the measuring thread waited for a CPU: that time is the host's. Of the
    /// whole work only where it has one thread.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
    pub fn running_seconds(&self) -> f64 {
        let running = running_nanoseconds(self.wall_nanoseconds, self.cpu_nanoseconds, self.wait_nanoseconds);
        as_seconds(running) / self.iterations.max(1) as f64
    }

    /// Wall seconds of the whole batch.
    #[must_use]
    pub fn batch_seconds(&self) -> f64 {
        as_seconds(self.wall_nanoseconds)
    }

    /// Whether the scheduler took the CPU away in it, or over 5 % of it were spent waiting for one.
    #[must_use]
    pub fn preempted(&self) -> bool {
        self.involuntary_switches.is_some_and(|switches| switches > 0)
            || self.wait_nanoseconds.is_some_and(|wait| wait > self.wall_nanoseconds / 20)
    }
}

/// The part of a wall time in which a thread had a CPU. The waiting is read just outside the clock, so that a thread
/// which lost its CPU between the two has waited for longer than it was timed: it ran for its CPU time at the least, and
/// where that is unknown such a wait is not believed.
#[must_use]
pub fn running_nanoseconds(wall: u64, cpu: Option<u64>, wait: Option<u64>) -> u64 {
    let Some(wait) = wait else { return wall };
    let running = wall.saturating_sub(wait);
    match cpu {
        Some(cpu) => running.max(cpu.min(wall)).max(1),
        None if running < wall / 4 => wall,
        None => running.max(1),
    }
}

/// Takes samples of a workload; only [`Workload::run`] stands between the clock readings.
pub struct Batcher<'a> {
    clock: &'a dyn Clock,
    wait: Option<RunQueueWait>,
}

impl std::fmt::Debug for Batcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl<'a> Batcher<'a> {
    /// By this clock, of the calling thread.
    #[must_use]
    pub fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, wait: RunQueueWait::of_this_thread() }
    }

    /// By the system's clock, of the calling thread.
    #[must_use]
    pub fn monotonic() -> Batcher<'static> {
        static CLOCK: std::sync::LazyLock<Monotonic> = std::sync::LazyLock::new(Monotonic::new);
        Batcher::new(&*CLOCK)
    }

    /// One sample of so many runs.
    pub fn sample(&self, workload: &mut dyn Workload, iterations: u64) -> BatchSample {
        let wait = || self.wait.as_ref().and_then(RunQueueWait::nanoseconds);
        // The waiting is read nearest to the clock: a CPU lost between the two readings would be counted as waiting.
        let (usage, cpu, waited) = (process_usage(), process_cpu_nanoseconds(), wait());
        let wall_nanoseconds = time_batch(workload, self.clock, iterations);
        let waited = waited.zip(wait()).map(|(before, after)| after.saturating_sub(before));
        let cpu = process_cpu_nanoseconds().saturating_sub(cpu);
        let switches = process_usage().involuntary_switches.saturating_sub(usage.involuntary_switches);
        BatchSample {
            wall_nanoseconds,
            cpu_nanoseconds: Some(cpu),
            involuntary_switches: Some(switches),
            wait_nanoseconds: waited,
            cpu: current_cpu(),
            iterations,
        }
    }
}

/// Nanoseconds of so many runs.
#[inline(never)]
pub(super) fn time_batch(workload: &mut dyn Workload, clock: &dyn Clock, batch: u64) -> u64 {
    let start = clock.now();
    for _ in 0..batch {
        workload.run();
    }
    clock.now().saturating_sub(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_time_leaves_out_what_was_waited_and_never_falls_below_the_cpu_time() {
        for (wall, cpu, wait, running) in [
            (100, None, None, 100),
            (100, Some(40), None, 100),
            (100, Some(60), Some(40), 60),
            (100, Some(90), Some(4000), 90),
            (100, Some(900), Some(4000), 100),
            (100, None, Some(30), 70),
            (100, None, Some(4000), 100),
            (100, Some(0), Some(100), 1),
        ] {
            assert_eq!(running_nanoseconds(wall, cpu, wait), running, "{wall} {cpu:?} {wait:?}");
        }
    }
}
