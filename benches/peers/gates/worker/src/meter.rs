//! What one sample cost: wall time, and on Linux also the thread's CPU time, involuntary switches, wait and CPU.

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use unknown as system;

#[expect(clippy::disallowed_types, reason = "this program stands outside the crate that has a clock module")]
type Clock = std::time::Instant;

/// A sample under way.
pub struct Meter {
    scheduler: system::Scheduler,
    cpu_ns: Option<i64>,
    start: Clock,
}

impl Meter {
    /// Starts. The slow readings come first and the clock last, so that none is part of another.
    pub fn start() -> Self {
        let scheduler = system::scheduler();
        let cpu_ns = system::cpu_ns();
        Self { scheduler, cpu_ns, start: Clock::now() }
    }

    /// The five words of a `sample` answer, read in the opposite order.
    pub fn stop(self) -> String {
        let wall = self.start.elapsed().as_nanos();
        let cpu = difference(system::cpu_ns(), self.cpu_ns);
        let now = system::scheduler();
        let switches = difference(now.switches, self.scheduler.switches);
        let wait = difference(now.wait_ns, self.scheduler.wait_ns);
        format!("{wall} {cpu} {switches} {wait} {}", word(now.cpu))
    }
}

fn difference(now: Option<i64>, before: Option<i64>) -> String {
    word(now.zip(before).map(|(now, before)| now - before))
}

fn word(known: Option<impl ToString>) -> String {
    known.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(target_os = "linux")]
mod linux {
    use nix::sched::sched_getcpu;
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::time::{ClockId, clock_gettime};

    /// Running totals of this thread, and the CPU it is on.
    pub struct Scheduler {
        pub switches: Option<i64>,
        pub wait_ns: Option<i64>,
        pub cpu: Option<usize>,
    }

    pub fn scheduler() -> Scheduler {
        let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        Scheduler {
            switches: getrusage(UsageWho::RUSAGE_THREAD)
                .ok()
                .map(|usage| usage.involuntary_context_switches()),
            // The second field is the time spent runnable and waiting for a CPU.
            wait_ns: statistics.and_then(|text| text.split(' ').nth(1)?.parse().ok()),
            cpu: sched_getcpu().ok(),
        }
    }

    pub fn cpu_ns() -> Option<i64> {
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
        Some(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    pub struct Scheduler {
        pub switches: Option<i64>,
        pub wait_ns: Option<i64>,
        pub cpu: Option<usize>,
    }

    pub fn scheduler() -> Scheduler {
        Scheduler { switches: None, wait_ns: None, cpu: None }
    }

    pub fn cpu_ns() -> Option<i64> {
        None
    }
}
