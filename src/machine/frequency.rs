//! Clocks as the system states them. None of them is the clock that the core runs at: that is measured by a case.

use super::cpuid::{self, Reader};
use super::cpuinfo::Cpuinfo;
use super::findings::{Fact, Findings};
use super::root::Root;
use super::topology::CPUS;
use crate::document::Frequency;
use crate::units::CpuList;

/// Where clocks are looked for.
pub(super) struct Sources<'a> {
    pub(super) root: Option<&'a Root>,
    pub(super) info: &'a Cpuinfo<'a>,
    pub(super) cpuid: Option<&'a dyn Reader>,
    pub(super) online: &'a CpuList,
    pub(super) features: &'a [String],
    /// The marketing name.
    pub(super) brand: Option<&'a str>,
}

/// Fills the clocks; the measured one is left to `detect --measure`.
pub(super) fn read(sources: &Sources<'_>, findings: &mut Findings) -> Frequency {
    let hidden =
        "neither cpufreq, CPPC, CPUID leaf 16h nor /proc/cpuinfo states it (virtual machines seldom do)";
    let frequency = Frequency {
        tsc_hertz: findings.keep(
            "cpu.frequency.tsc_hertz",
            tsc(sources),
            "there is no time-stamp counter whose rate the system or CPUID states",
        ),
        base_hertz: findings.keep("cpu.frequency.base_hertz", base(sources), hidden),
        max_hertz: findings.keep("cpu.frequency.max_hertz", max(sources), hidden),
        current_hertz: findings.keep(
            "cpu.frequency.current_hertz",
            current(sources),
            "neither cpufreq nor /proc/cpuinfo states it, or the latter states the rate of the time-stamp counter",
        ),
        measured_hertz: None,
        under_load: None,
    };
    findings.unknown("cpu.frequency.under_load", "nothing was timed: ask with detect --measure");
    findings.unknown("cpu.frequency.measured_hertz", "nothing was timed: ask with detect --measure");
    frequency
}

fn tsc(sources: &Sources<'_>) -> Option<Fact<f64>> {
    let by_leaf = sources.cpuid.and_then(cpuid::tsc_hertz).map(|hertz| Fact::reported(hertz, "cpuid"));
    // With an invariant counter the kernel presets its delay loop from the counter's rate: bogomips is twice that rate.
    let constant = sources.features.iter().any(|feature| feature == "constant_tsc");
    let bogomips = || sources.info.first("bogomips")?.parse::<f64>().ok().filter(|&b| b > 100.0);
    by_leaf.or_else(|| Some(Fact::inferred(bogomips().filter(|_| constant)? / 2.0 * 1e6, "procfs")))
}

/// The largest value of a file that each CPU has; kinds of cores differ.
fn largest(sources: &Sources<'_>, file: &str, scale: f64) -> Option<Fact<f64>> {
    let root = sources.root?;
    let value = |cpu: u32| root.parse::<u64>(&format!("{CPUS}/cpu{cpu}/{file}")).filter(|&v| v > 0);
    #[expect(clippy::cast_precision_loss, reason = "kilohertz are far below 2^53")]
    sources.online.iter().filter_map(value).max().map(|v| Fact::reported(v as f64 * scale, "sysfs"))
}

fn base(sources: &Sources<'_>) -> Option<Fact<f64>> {
    largest(sources, "cpufreq/base_frequency", 1e3)
        .or_else(|| largest(sources, "acpi_cppc/nominal_freq", 1e6))
        .or_else(|| cpuid::clock_hertz(sources.cpuid?).0.map(|hertz| Fact::reported(hertz, "cpuid")))
        .or_else(|| static_clock(sources.info).map(|hertz| Fact::reported(hertz, "procfs")))
        .or_else(|| brand_clock(sources.brand?).map(|hertz| Fact::inferred(hertz, "brand")))
}

fn max(sources: &Sources<'_>) -> Option<Fact<f64>> {
    largest(sources, "cpufreq/cpuinfo_max_freq", 1e3)
        .or_else(|| cpuid::clock_hertz(sources.cpuid?).1.map(|hertz| Fact::reported(hertz, "cpuid")))
        .or_else(|| static_clock(sources.info).map(|hertz| Fact::reported(hertz, "procfs")))
}

/// The clock now. Under a hypervisor x86's `cpu MHz` is the rate of the time-stamp counter, which is no clock.
fn current(sources: &Sources<'_>) -> Option<Fact<f64>> {
    let guest = sources.features.iter().any(|feature| feature == "hypervisor");
    let megahertz = |key: &str| {
        let text = sources.info.all(key).filter_map(|text| text.trim_end_matches("MHz").parse::<f64>().ok());
        text.filter(|&value| value > 0.0).max_by(f64::total_cmp).map(|value| value * 1e6)
    };
    largest(sources, "cpufreq/scaling_cur_freq", 1e3)
        .or_else(|| {
            let keys =
                ["cpu MHz dynamic", "clock", "CPU MHz"].into_iter().chain((!guest).then_some("cpu MHz"));
            keys.into_iter().find_map(megahertz).map(|hertz| Fact::reported(hertz, "procfs"))
        })
        .or_else(|| largest(sources, "clock_tick", 1.0))
        .or_else(|| sparc_clock(sources.info).map(|hertz| Fact::reported(hertz, "procfs")))
}

/// `Cpu0ClkTck : 000000003b9aca00`, in hertz and hexadecimal.
fn sparc_clock(info: &Cpuinfo<'_>) -> Option<f64> {
    let hertz = u32::from_str_radix(info.first("Cpu0ClkTck")?.trim_start_matches('0'), 16).ok()?;
    (hertz > 0).then(|| f64::from(hertz))
}

/// IBM's and SPARC's kernels write the fixed clock: `cpu MHz static : 5000`.
fn static_clock(info: &Cpuinfo<'_>) -> Option<f64> {
    let megahertz: f64 = info.first("cpu MHz static")?.parse().ok()?;
    (megahertz > 0.0).then_some(megahertz * 1e6)
}

/// `Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz`: Intel wrote the base clock into the brand.
pub(super) fn brand_clock(brand: &str) -> Option<f64> {
    let text = brand.rsplit_once('@')?.1.trim();
    let (number, scale) =
        text.strip_suffix("GHz").map(|n| (n, 1e9)).or_else(|| text.strip_suffix("MHz").map(|n| (n, 1e6)))?;
    number.trim().parse::<f64>().ok().filter(|n| (0.0..1e5).contains(n)).map(|n| (n * scale).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_hold_base_clocks() {
        assert_eq!(brand_clock("Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"), Some(2.1e9));
        assert_eq!(brand_clock("AMD EPYC"), None);
        assert_eq!(brand_clock("x @ inf GHz"), None);
    }
}
