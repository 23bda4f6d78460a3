//! What may have disturbed a run, counted from its start to its end out of `/proc` and the cgroup.

use std::path::{Path, PathBuf};

use crate::document::Conditions;
use crate::sys::Clock;
use crate::sys::clock::{as_seconds, monotonic_nanoseconds};
use crate::sys::resources::{load_average, process_usage, steal_ticks};

/// The counters at the start of a run.
#[derive(Debug, Clone)]
pub struct Monitor {
    started: u64,
    clock_precision_seconds: f64,
    load_average: Option<f64>,
    steal: Option<(u64, u64)>,
    throttled: Option<u64>,
    pressure: Option<u64>,
    switches: u64,
}

impl Monitor {
    /// Reads the counters.
    #[must_use]
    pub fn start(clock: &dyn Clock) -> Self {
        Self {
            started: monotonic_nanoseconds(),
            clock_precision_seconds: as_seconds(clock.precision()),
            load_average: load_average().map(|load| load[0]),
            steal: steal_ticks(),
            throttled: throttled_periods(),
            pressure: cpu_pressure_microseconds(),
            switches: process_usage().involuntary_switches,
        }
    }

    /// Seconds since the start.
    #[must_use]
    pub fn elapsed_seconds(&self) -> f64 {
        as_seconds(monotonic_nanoseconds().saturating_sub(self.started))
    }

    /// The conditions from the start until now; what the run itself knows (pinning, drift, notes) is kept.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ticks and microseconds of a run fit in 53 bits")]
    pub fn conditions(&self, known: Conditions) -> Conditions {
        let steal = self.steal.zip(steal_ticks()).and_then(|((stolen, all), (stolen_now, all_now))| {
            let all = all_now.checked_sub(all).filter(|&ticks| ticks > 0)?;
            Some(stolen_now.saturating_sub(stolen) as f64 / all as f64)
        });
        let waited = self.pressure.zip(cpu_pressure_microseconds()).map(|(a, b)| b.saturating_sub(a));
        let elapsed = self.elapsed_seconds();
        Conditions {
            clock_precision_seconds: self.clock_precision_seconds,
            load_average_at_start: self.load_average,
            steal_fraction: steal,
            throttled_periods: self.throttled.zip(throttled_periods()).map(|(a, b)| b.saturating_sub(a)),
            cpu_pressure_fraction: waited
                .filter(|_| elapsed > 0.0)
                .map(|us| (us as f64 * 1e-6 / elapsed).min(1.0)),
            involuntary_switches: Some(process_usage().involuntary_switches.saturating_sub(self.switches)),
            ..known
        }
    }
}

/// Microseconds in which some task waited for a CPU, since boot.
fn cpu_pressure_microseconds() -> Option<u64> {
    parse_pressure(&std::fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn parse_pressure(text: &str) -> Option<u64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

/// Periods in which a quota of this process's cgroup, or of one above it, stopped its tasks.
fn throttled_periods() -> Option<u64> {
    let memberships = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    cgroup_folders(&memberships).iter().find_map(|folder| highest_throttling(folder))
}

/// Where the CPU controller's files of this process may lie, by `/proc/self/cgroup`: version 2, then version 1.
fn cgroup_folders(memberships: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in memberships.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next(), fields.next(), fields.next());
        let path = path.unwrap_or_default().trim_start_matches('/');
        match controllers {
            Some("") => folders.push(Path::new("/sys/fs/cgroup").join(path)),
            Some(list) if list.split(',').any(|c| c == "cpu") => {
                folders.push(Path::new("/sys/fs/cgroup").join(list).join(path));
                folders.push(Path::new("/sys/fs/cgroup/cpu").join(path));
            }
            _ => {}
        }
    }
    folders
}

/// A limit may stand at any ancestor; each counts the periods in which it stopped somebody below it.
fn highest_throttling(folder: &Path) -> Option<u64> {
    folder
        .ancestors()
        .take_while(|ancestor| ancestor.starts_with("/sys/fs/cgroup"))
        .filter_map(|ancestor| parse_throttled(&std::fs::read_to_string(ancestor.join("cpu.stat")).ok()?))
        .max()
}

fn parse_throttled(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("nr_throttled "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_as_the_kernel_writes_them() {
        let pressure = "some avg10=1.00 avg60=2.00 avg300=3.00 total=12345\nfull avg10=0.00 total=9\n";
        assert_eq!(parse_pressure(pressure), Some(12345));
        assert_eq!(parse_pressure("some nonsense"), None);
        assert_eq!(parse_throttled("usage_usec 5\nnr_periods 7\nnr_throttled 3\n"), Some(3));
        assert_eq!(parse_throttled("usage_usec 5\n"), None);
    }

    #[test]
    fn both_versions_of_cgroups_are_found() {
        let folders = cgroup_folders("12:memory:/a\n4:cpu,cpuacct:/docker/x\n0::/user.slice\n");
        let shown: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
        assert_eq!(
            shown,
            [
                "/sys/fs/cgroup/cpu,cpuacct/docker/x",
                "/sys/fs/cgroup/cpu/docker/x",
                "/sys/fs/cgroup/user.slice"
            ]
        );
    }

    #[test]
    fn conditions_keep_what_the_run_knows() {
        let clock = crate::sys::clock::Fake::default();
        let known = Conditions { pinned_cpus: Some("0".to_owned()), ..Conditions::default() };
        let conditions = Monitor::start(&clock).conditions(known);
        assert_eq!(conditions.pinned_cpus.as_deref(), Some("0"));
        assert!(conditions.involuntary_switches.is_some());
    }
}
