//! What this process and this machine used: page faults, switches, resident memory, steal.

/// Counters of the calling thread or the process, since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Page faults served without a disk.
    pub minor_faults: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Times the scheduler took the CPU away.
    pub involuntary_switches: u64,
    /// Times the thread gave the CPU up.
    pub voluntary_switches: u64,
    /// Largest resident size so far, in bytes (of the process, also for a thread).
    pub peak_rss_bytes: u64,
}

/// Counters of the calling thread.
#[must_use]
pub fn thread_usage() -> Usage {
    usage(libc::RUSAGE_THREAD)
}

/// Counters of the whole process.
#[must_use]
pub fn process_usage() -> Usage {
    usage(libc::RUSAGE_SELF)
}

fn usage(who: libc::c_int) -> Usage {
    // SAFETY: rusage is plain numbers; all zeroes is a value of it.
    let mut raw: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `raw` is a valid rusage to write to.
    let answer = unsafe { libc::getrusage(who, &raw mut raw) };
    if answer != 0 {
        return Usage::default();
    }
    let count = |value: libc::c_long| u64::try_from(value).unwrap_or(0);
    Usage {
        minor_faults: count(raw.ru_minflt),
        major_faults: count(raw.ru_majflt),
        involuntary_switches: count(raw.ru_nivcsw),
        voluntary_switches: count(raw.ru_nvcsw),
        peak_rss_bytes: count(raw.ru_maxrss) * 1024,
    }
}

/// The largest resident size of this process image so far, in bytes.
///
/// Unlike [`Usage::peak_rss_bytes`] it starts anew when a program is executed: the resource usage of a freshly started
/// process still holds the peak of the process that started it.
#[must_use]
pub fn peak_resident_bytes() -> Option<u64> {
    parse_peak(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The resident size of this process now, in bytes.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    parse_size(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

fn parse_peak(status: &str) -> Option<u64> {
    parse_size(status, "VmHWM:")
}

fn parse_size(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What the system counts of another process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Page faults served without a disk.
    pub minor_faults: Option<u64>,
    /// Page faults that waited for a disk.
    pub major_faults: Option<u64>,
    /// Largest resident size so far.
    pub peak_rss_bytes: Option<u64>,
}

impl ProcessFacts {
    /// The faults since an earlier reading; the resident size is the present one.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let difference = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Self {
            minor_faults: difference(self.minor_faults, before.minor_faults),
            major_faults: difference(self.major_faults, before.major_faults),
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

/// Facts of the process with this id; what is not told is unknown.
#[must_use]
pub fn process_facts(id: u32) -> ProcessFacts {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).ok();
    let faults = read("stat").and_then(|stat| parse_faults(&stat));
    ProcessFacts {
        minor_faults: faults.map(|(minor, _)| minor),
        major_faults: faults.map(|(_, major)| major),
        peak_rss_bytes: read("status").and_then(|status| parse_peak(&status)),
    }
}

/// The tenth and the twelfth field; the second is a name in brackets that may hold anything.
fn parse_faults(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let minor = fields.nth(7)?.parse().ok()?;
    Some((minor, fields.nth(1)?.parse().ok()?))
}

/// Time that the calling thread waited for a CPU while it could have run; the file stays open between readings.
#[derive(Debug)]
pub struct RunQueueWait(std::fs::File);

impl RunQueueWait {
    /// Of the calling thread; `None` where the system does not count it.
    #[must_use]
    pub fn of_this_thread() -> Option<Self> {
        let file = std::fs::File::open("/proc/thread-self/schedstat").ok()?;
        let wait = Self(file);
        wait.nanoseconds().map(|_| wait)
    }

    /// Nanoseconds so far.
    #[must_use]
    pub fn nanoseconds(&self) -> Option<u64> {
        use std::os::unix::fs::FileExt;
        let mut text = [0_u8; 96];
        let length = self.0.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(text.get(..length)?).ok()?.split_whitespace().nth(1)?.parse().ok()
    }
}

/// Total and available memory of the machine now, in bytes, by `sysinfo`; `None` where it does not tell.
#[must_use]
pub fn memory_now() -> Option<(u64, u64)> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some((system.total_memory(), system.available_memory()))
}

/// Bytes that this process may still take before the system or a limit of its control group ends it, as far as that is
/// told: what neither can take back from caches of files.
#[must_use]
pub fn memory_room_bytes() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    room(&read)
}

/// Bytes of address space that a limit of it (`ulimit -v`) leaves this process; `None` without a limit.
#[must_use]
pub fn address_room_bytes() -> Option<u64> {
    address_space(&|path: &str| std::fs::read_to_string(path).ok())
}

fn room(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let available = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let memberships = read("/proc/self/cgroup").unwrap_or_default();
    let groups = memberships.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        group_room(read, controllers, path)
    });
    groups.chain(available).chain(address_space(read)).min()
}

/// What a limit of the address space (`ulimit -v`) leaves.
fn address_space(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    // `unlimited` is no number, and no limit.
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = read("/proc/self/status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let used = size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    Some(limit.saturating_sub(used))
}

/// What the tightest limit of a control group and those above it leaves: version 2 has no controllers in the line, in
/// version 1 the line of `memory` counts.
fn group_room(read: &dyn Fn(&str) -> Option<String>, controllers: &str, path: &str) -> Option<u64> {
    let (root, limit, usage) = if controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max", "memory.current")
    } else if controllers.split(',').any(|name| name == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    } else {
        return None;
    };
    let number = |folder: &str, file: &str| -> Option<u64> {
        read(&format!("{root}{folder}/{file}"))?.trim().parse().ok()
    };
    let left = |folder: &str| {
        let (limit, used) = (number(folder, limit)?, number(folder, usage)?);
        let caches = read(&format!("{root}{folder}/memory.stat")).and_then(|text| {
            let line = text.lines().find_map(|line| {
                line.strip_prefix("inactive_file ").or_else(|| line.strip_prefix("total_inactive_file "))
            })?;
            line.trim().parse::<u64>().ok()
        });
        Some(limit.saturating_sub(used.saturating_sub(caches.unwrap_or(0))))
    };
    // A group whose files are not to be seen (a container's own root) is looked for at the top.
    let folders = std::path::Path::new(path).ancestors().filter_map(|folder| folder.to_str());
    folders.filter_map(|folder| left(folder.trim_end_matches('/'))).min()
}

/// Load averages over 1, 5 and 15 minutes.
#[must_use]
pub fn load_average() -> Option<[f64; 3]> {
    let load = sysinfo::System::load_average().ok()?;
    Some([load.one, load.five, load.fifteen])
}

/// Ticks of the aggregate `cpu` line of `/proc/stat`: (stolen, all), or `None` where it is not readable.
#[must_use]
pub fn steal_ticks() -> Option<(u64, u64)> {
    parse_steal(&std::fs::read_to_string("/proc/stat").ok()?)
}

fn parse_steal(stat: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|f| f.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is already inside user.
    Some((*fields.get(7)?, fields.iter().take(8).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_tightest_limit_leaves() {
        let files = |limit: &'static str, cgroup: &'static str| {
            move |path: &str| -> Option<String> {
                let text = match path {
                    "/proc/meminfo" => "MemTotal: 900 kB\nMemAvailable:   400 kB\n",
                    "/proc/self/cgroup" => cgroup,
                    "/sys/fs/cgroup/a/b/memory.max" => limit,
                    "/sys/fs/cgroup/a/b/memory.current" => "300000\n",
                    "/sys/fs/cgroup/a/b/memory.stat" => "anon 5\ninactive_file 100000\n",
                    "/sys/fs/cgroup/a/memory.max" => "350000\n",
                    "/sys/fs/cgroup/a/memory.current" => "300000\n",
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes" => "1000\n",
                    "/sys/fs/cgroup/memory/memory.usage_in_bytes" => "2000\n",
                    _ => return None,
                };
                Some(text.to_owned())
            }
        };
        for (limit, cgroup, left) in [
            ("max\n", "0::/\n", Some(409_600)),
            ("max\n", "0::/a/b\n", Some(50_000)),
            ("220000\n", "0::/a/b\n", Some(20_000)),
            ("max\n", "7:cpu:/x\n4:hugetlb,memory:/gone\n", Some(0)),
            ("max\n", "nonsense", Some(409_600)),
        ] {
            assert_eq!(room(&files(limit, cgroup)), left, "{limit:?} {cgroup:?}");
        }
        assert_eq!(room(&|_| None), None);
        for (limit, left) in [("unlimited", None), ("10000", Some(10_000 - 2048)), ("1000", Some(0))] {
            let files = |path: &str| match path {
                "/proc/self/limits" => {
                    Some(format!("Limit\nMax address space         {limit}   unlimited   bytes\n"))
                }
                "/proc/self/status" => Some("Name: x\nVmSize:\t       2 kB\n".to_owned()),
                _ => None,
            };
            assert_eq!(room(&files), left, "{limit}");
        }
        assert!(memory_room_bytes().is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn steal_is_the_eighth_field() {
        assert_eq!(parse_steal("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 ..."), Some((8, 36)));
        assert_eq!(parse_steal("cpu  1 2 3"), None);
        assert_eq!(parse_steal(""), None);
    }

    #[test]
    fn the_peak_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse_peak("Name:\tx\nVmHWM:\t    5120 kB\nVmRSS:\t 12 kB\n"), Some(5120 * 1024));
        assert_eq!(parse_peak("Name:\tx\n"), None);
        assert!(peak_resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }

    #[test]
    fn faults_stand_behind_a_name_that_may_hold_anything() {
        let stat = "12 (a ) 9 9) S 1 2 3 4 5 6 700 8 900 10 11";
        assert_eq!(parse_faults(stat), Some((700, 900)));
        assert_eq!(parse_faults("12 (a) S 1"), None);
        let own = process_facts(std::process::id());
        assert!(own.minor_faults.is_some_and(|faults| faults > 10) && own.peak_rss_bytes.is_some());
    }

    #[test]
    fn waiting_is_counted_and_never_runs_back() {
        let Some(wait) = RunQueueWait::of_this_thread() else { return };
        let before = wait.nanoseconds().unwrap();
        assert!(wait.nanoseconds().unwrap() >= before);
    }

    #[test]
    fn a_process_knows_its_own_size() {
        assert!(process_usage().peak_rss_bytes > 100_000);
        assert!(memory_now().is_some_and(|(total, available)| total >= available));
    }
}
