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

fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
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
