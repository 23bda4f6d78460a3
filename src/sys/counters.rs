//! The processor's own count of executed instructions, of this process outside the kernel, by `perf_event_open(2)`.
//!
//! Where there is none (a virtual machine without a PMU, a system that forbids it) the probe says why.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

/// `PERF_TYPE_HARDWARE` of `linux/perf_event.h`.
const TYPE_HARDWARE: u32 = 0;
/// `PERF_TYPE_HW_CACHE`.
const TYPE_CACHE: u32 = 3;
/// `PERF_TYPE_RAW`: the processor's own numbers, an event in the low byte and its unit mask in the next.
const TYPE_RAW: u32 = 4;
/// `PERF_COUNT_HW_CPU_CYCLES`.
const COUNT_CYCLES: u64 = 0;
/// `PERF_COUNT_HW_INSTRUCTIONS`.
const COUNT_INSTRUCTIONS: u64 = 1;
/// `PERF_COUNT_HW_CACHE_MISSES`: of the last level.
const COUNT_CACHE_MISSES: u64 = 3;
/// `L1D | OP_READ << 8 | RESULT_MISS << 16`.
const L1_DATA_READ_MISSES: u64 = 1 << 16;
/// `FP_ARITH_INST_RETIRED` of Intel from Broadwell on: single and double precision, a number at a time.
const INTEL_SCALAR: u64 = 0x03 << 8 | 0xC7;
/// The same, 128, 256 and 512 bits at a time.
const INTEL_VECTOR: u64 = 0xFC << 8 | 0xC7;
/// `L2_RQSTS.MISS` of Intel from Skylake on.
const INTEL_L2_MISSES: u64 = 0x3F << 8 | 0x24;
/// Beside the count, the nanoseconds for which the counter was enabled and for which it really counted:
/// `PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING`.
const READ_TIMES: u64 = 0b11;
/// Bits of the flags: `disabled`, `inherit` (threads that this one starts), `exclude_kernel`, `exclude_hv`.
const FLAGS: u64 = 1 | 1 << 1 | 1 << 5 | 1 << 6;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_ENABLE`, `_IO('$', 0)`.
const ENABLE: libc::Ioctl = 0x2400;
/// `PERF_EVENT_IOC_DISABLE`, `_IO('$', 1)`.
const DISABLE: libc::Ioctl = 0x2401;

/// `PERF_ATTR_SIZE_VER0`.
const FIRST_VERSION_BYTES: u32 = 64;

/// `struct perf_event_attr` as its first version has it; the kernel takes every version.
#[repr(C)]
#[derive(Debug)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

/// Whether instructions can be counted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// They can.
    pub available: bool,
    /// Why not, in words that follow a colon.
    pub reason: Option<String>,
}

/// Opens a counter and closes it again.
#[must_use]
pub fn probe() -> Probe {
    match Instructions::open() {
        Ok(_) => Probe { available: true, reason: None },
        Err(error) => Probe { available: false, reason: Some(reason(&error, paranoia())) },
    }
}

/// A counter of the instructions of the calling thread and of all threads that it starts from here on.
#[derive(Debug)]
pub struct Instructions(File);

impl Instructions {
    /// Opens a counter that does not count yet, and so costs what is timed nothing.
    ///
    /// # Errors
    /// The system's reason; [`probe`] has it in words.
    pub fn open() -> io::Result<Self> {
        Self::of(TYPE_HARDWARE, COUNT_INSTRUCTIONS)
    }

    /// A counter of another event, used like that of instructions.
    fn of(kind: u32, config: u64) -> io::Result<Self> {
        let attributes = Attributes {
            kind,
            size: FIRST_VERSION_BYTES,
            config,
            sample_period: 0,
            sample_type: 0,
            read_format: READ_TIMES,
            flags: FLAGS,
            wakeup_events: 0,
            breakpoint_type: 0,
            config1: 0,
        };
        let (this_thread, any_cpu, no_group) = (0, -1, -1);
        // SAFETY: the attributes live until the call returns and say their own size; the other arguments are numbers.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                this_thread,
                any_cpu,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        let fd = RawFd::try_from(answer).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the descriptor was opened just now, and nobody else has it.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// The instructions that `work` takes; `None` where the counter had to share its place with others and counted
    /// only part of the time.
    pub fn during(&mut self, work: impl FnOnce()) -> Option<u64> {
        let before = self.read();
        let enabled = self.control(ENABLE);
        work();
        let disabled = self.control(DISABLE);
        let (before, after) = before.zip(self.read().filter(|_| enabled && disabled))?;
        let [count, enabled, running] = [0, 1, 2].map(|i| after[i].saturating_sub(before[i]));
        (enabled == running && running > 0).then_some(count)
    }

    fn control(&self, request: libc::Ioctl) -> bool {
        // SAFETY: both requests take a number and no pointer; the descriptor is open as long as `self` is.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), request, 0) };
        answer == 0
    }

    /// The count, and the times enabled and running.
    fn read(&mut self) -> Option<[u64; 3]> {
        let mut bytes = [0_u8; 24];
        self.0.read_exact(&mut bytes).ok()?;
        let word = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some([word(0)?, word(8)?, word(16)?])
    }
}

/// What the processor counts besides instructions: a name, and the event.
static EVENTS: &[Event] = &[
    Event { name: "cycles", kind: TYPE_HARDWARE, config: COUNT_CYCLES, maker: Maker::Any },
    Event { name: "instructions", kind: TYPE_HARDWARE, config: COUNT_INSTRUCTIONS, maker: Maker::Any },
    Event { name: "l1_read_misses", kind: TYPE_CACHE, config: L1_DATA_READ_MISSES, maker: Maker::Any },
    Event { name: "l2_misses", kind: TYPE_RAW, config: INTEL_L2_MISSES, maker: Maker::Intel },
    Event { name: "last_level_misses", kind: TYPE_HARDWARE, config: COUNT_CACHE_MISSES, maker: Maker::Any },
    Event {
        name: "scalar_arithmetic_instructions",
        kind: TYPE_RAW,
        config: INTEL_SCALAR,
        maker: Maker::Intel,
    },
    Event {
        name: "vector_arithmetic_instructions",
        kind: TYPE_RAW,
        config: INTEL_VECTOR,
        maker: Maker::Intel,
    },
];

struct Event {
    name: &'static str,
    kind: u32,
    config: u64,
    maker: Maker,
}

/// Whose processors an event's number is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Any,
    Intel,
}

/// Counts of every event there is, of the calling thread and of all threads that it starts from here on.
///
/// Each event is counted in runs of its own, so that none shares its place with another and none is extrapolated.
#[derive(Debug)]
pub struct Hardware {
    counters: Vec<(&'static str, Instructions)>,
}

impl Hardware {
    /// Opens a counter for every event that this processor has.
    ///
    /// # Errors
    /// Why there is not even one of cycles, in words that follow a colon.
    pub fn open() -> Result<Self, String> {
        let intel = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("GenuineIntel"));
        let mut counters = Vec::new();
        for event in EVENTS.iter().filter(|event| event.maker == Maker::Any || intel) {
            match Instructions::of(event.kind, event.config) {
                Ok(counter) => counters.push((event.name, counter)),
                Err(error) if counters.is_empty() => return Err(reason(&error, paranoia())),
                Err(_) => {}
            }
        }
        Ok(Self { counters })
    }

    /// What `work`, run once for every event, takes of each; an event that had to share its place is left out.
    pub fn count(&mut self, mut work: impl FnMut()) -> Vec<(&'static str, u64)> {
        let counters = self.counters.iter_mut();
        counters.filter_map(|(name, counter)| Some((*name, counter.during(&mut work)?))).collect()
    }
}

/// `kernel.perf_event_paranoid`; above 2 a user may count nothing, not even himself.
fn paranoia() -> Option<i32> {
    std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}

fn reason(error: &io::Error, paranoia: Option<i32>) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV | libc::ENXIO) => {
            "the processor shows no instruction counter (no PMU), as in most virtual machines".to_owned()
        }
        Some(libc::EACCES | libc::EPERM) => match paranoia {
            Some(level) if level > 2 => {
                format!(
                    "the system forbids it: kernel.perf_event_paranoid is {level}, and 2 is the most that allows it"
                )
            }
            Some(_) | None => "the system forbids it, as containers do without CAP_PERFMON".to_owned(),
        },
        Some(libc::ENOSYS) => "the kernel has no performance events".to_owned(),
        Some(libc::EMFILE | libc::ENFILE) => "too many files are open".to_owned(),
        Some(libc::EBUSY) => "another program holds the counter".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_says_why_there_is_no_counter() {
        for (errno, paranoia, word) in [
            (libc::ENOENT, None, "no PMU"),
            (libc::EOPNOTSUPP, Some(2), "no PMU"),
            (libc::EACCES, Some(4), "perf_event_paranoid is 4"),
            (libc::EPERM, Some(1), "CAP_PERFMON"),
            (libc::EACCES, None, "forbids"),
            (libc::ENOSYS, None, "performance events"),
            (libc::EINVAL, None, "Invalid argument"),
        ] {
            let reason = reason(&io::Error::from_raw_os_error(errno), paranoia);
            assert!(reason.contains(word), "{errno}: {reason}");
        }
        let probe = probe();
        assert_eq!(probe.available, probe.reason.is_none());
    }

    #[test]
    fn a_counter_where_there_is_one_counts_more_for_more_work() {
        // In most virtual machines there is none, which is the other test's business.
        let Ok(mut counter) = Instructions::open() else { return };
        let mut count = |steps: u64| {
            let work = || {
                std::hint::black_box((0..steps).fold(1_u64, |a, i| std::hint::black_box(a ^ i)));
            };
            counter.during(work)
        };
        // A counter that shares its place says nothing.
        if let (Some(few), Some(many)) = (count(10_000), count(100_000)) {
            assert!(many > few && few > 10_000, "{few} {many}");
        }
    }

    #[test]
    fn every_event_there_is_counts_and_none_is_a_reason() {
        match Hardware::open() {
            Err(reason) => assert!(!reason.is_empty()),
            Ok(mut hardware) => {
                let counts = hardware.count(|| {
                    std::hint::black_box((0..100_000).fold(1_u64, |a, i| std::hint::black_box(a ^ i)));
                });
                let cycles = counts.iter().find(|(name, _)| *name == "cycles");
                assert!(cycles.is_none_or(|(_, count)| *count > 10_000), "{counts:?}");
            }
        }
    }

    #[test]
    fn the_attributes_have_the_size_of_the_first_version() {
        assert_eq!(size_of::<Attributes>(), FIRST_VERSION_BYTES as usize);
    }
}
