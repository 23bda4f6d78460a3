//! Energy that the processor counts itself, out of the kernel's powercap tree, and its temperature out of hwmon.

use std::path::{Path, PathBuf};

/// Where the kernel shows its counters of energy.
const POWERCAP: &str = "/sys/class/powercap";
/// Where the kernel shows its sensors.
const SENSORS: &str = "/sys/class/hwmon";
/// Drivers whose sensors are the processor's.
const PROCESSOR_DRIVERS: &[&str] = &["coretemp", "k10temp", "zenpower", "cpu_thermal"];

/// The energy counters of all packages.
#[derive(Debug)]
pub struct Energy {
    zones: Vec<Zone>,
}

#[derive(Debug)]
struct Zone {
    counter: PathBuf,
    /// Where the counter begins anew, in microjoules.
    range: u64,
}

/// What the counters showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergyReading(Vec<u64>);

impl Energy {
    /// The counters of this machine.
    ///
    /// # Errors
    /// Why there are none, in words that follow a colon.
    pub fn open() -> Result<Self, String> {
        Self::under(Path::new(POWERCAP))
    }

    /// The package zones under a folder that is like the kernel's.
    fn under(root: &Path) -> Result<Self, String> {
        let none = || {
            format!(
                "the system shows no energy counter ({POWERCAP} has no package), as in most virtual machines"
            )
        };
        let entries = std::fs::read_dir(root).map_err(|_| none())?;
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        let mut zones = Vec::new();
        for folder in folders {
            // A package is `intel-rapl:0`; `intel-rapl:0:1` is a part of one, and `psys` counts packages again. The same
            // package may show a second time through another interface, `intel-rapl-mmio:0`.
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let package = text(&folder.join("name")).is_some_and(|name| name.starts_with("package-"));
            if !package || name.matches(':').count() != 1 || name.contains("mmio") {
                continue;
            }
            let counter = folder.join("energy_uj");
            if let Err(error) = std::fs::read_to_string(&counter) {
                return Err(match error.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        format!("{POWERCAP}/{name}/energy_uj may be read by the administrator only")
                    }
                    _ => format!("{POWERCAP}/{name}/energy_uj cannot be read: {error}"),
                });
            }
            let range = number(&folder.join("max_energy_range_uj")).unwrap_or(u64::MAX);
            zones.push(Zone { counter, range });
        }
        if zones.is_empty() { Err(none()) } else { Ok(Self { zones }) }
    }

    /// What the counters show now; `None` where one cannot be read any more.
    #[must_use]
    pub fn read(&self) -> Option<EnergyReading> {
        self.zones.iter().map(|zone| number(&zone.counter)).collect::<Option<_>>().map(EnergyReading)
    }

    /// Joules between two readings. A counter that is lower than before began anew, once: at 300 watts it takes minutes.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "microjoules of minutes fit in 53 bits")]
    pub fn joules(&self, before: &EnergyReading, after: &EnergyReading) -> f64 {
        let zones = self.zones.iter().zip(before.0.iter().zip(&after.0));
        let passed = zones.map(|(zone, (&before, &after))| {
            if after >= before {
                after - before
            } else {
                zone.range.saturating_sub(before).saturating_add(after)
            }
        });
        passed.sum::<u64>() as f64 * 1e-6
    }
}

/// The highest temperature of the processor's sensors now, in degrees Celsius.
///
/// # Errors
/// Why there is none, in words that follow a colon.
pub fn processor_celsius() -> Result<f64, String> {
    hottest(Path::new(SENSORS))
}

fn hottest(root: &Path) -> Result<f64, String> {
    let none =
        || format!("the system shows no sensor of the processor ({SENSORS}), as in most virtual machines");
    let chips = std::fs::read_dir(root).map_err(|_| none())?.flatten().map(|entry| entry.path());
    let processors = chips.filter(|chip| {
        text(&chip.join("name")).is_some_and(|name| PROCESSOR_DRIVERS.contains(&name.as_str()))
    });
    let inputs = processors.flat_map(|chip| {
        let files = std::fs::read_dir(chip).into_iter().flatten().flatten().map(|entry| entry.path());
        files.filter(|file| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("temp") && name.ends_with("_input")
        })
    });
    // Millidegrees; a sensor that is off shows nonsense below absolute zero or far above any chip.
    let degrees =
        inputs.filter_map(|file| text(&file)?.parse::<i32>().ok()).map(|milli| f64::from(milli) / 1e3);
    degrees.filter(|degrees| (-40.0..=150.0).contains(degrees)).reduce(f64::max).ok_or_else(none)
}

fn text(path: &Path) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn packages_are_added_up_and_a_counter_that_began_anew_is_seen() {
        let root = tempfile::tempdir().unwrap();
        // As a machine with two packages shows them, with a part, the whole board, and the second interface.
        write(
            root.path(),
            &[
                ("intel-rapl:0/name", "package-0\n"),
                ("intel-rapl:0/energy_uj", "262143000000\n"),
                ("intel-rapl:0/max_energy_range_uj", "262143328850\n"),
                ("intel-rapl:1/name", "package-1\n"),
                ("intel-rapl:1/energy_uj", "1000000\n"),
                ("intel-rapl:1/max_energy_range_uj", "262143328850\n"),
                ("intel-rapl:0:0/name", "core\n"),
                ("intel-rapl:0:0/energy_uj", "7\n"),
                ("intel-rapl:2/name", "psys\n"),
                ("intel-rapl:2/energy_uj", "99\n"),
                ("intel-rapl-mmio:0/name", "package-0\n"),
                ("intel-rapl-mmio:0/energy_uj", "5\n"),
                ("intel-rapl/enabled", "1\n"),
            ],
        );
        let energy = Energy::under(root.path()).unwrap();
        let before = energy.read().unwrap();
        write(
            root.path(),
            &[("intel-rapl:0/energy_uj", "671150\n"), ("intel-rapl:1/energy_uj", "3500000\n")],
        );
        let after = energy.read().unwrap();
        // 0.32885 to the end and 0.67115 from the start; and 2.5 of the other.
        assert!((energy.joules(&before, &after) - 3.5).abs() < 1e-9, "{}", energy.joules(&before, &after));
        assert_eq!(energy.joules(&after, &after), 0.0);
        std::fs::remove_file(root.path().join("intel-rapl:1/energy_uj")).unwrap();
        assert_eq!(energy.read(), None);
        assert!(Energy::under(root.path()).unwrap_err().contains("intel-rapl:1/energy_uj"));
    }

    #[test]
    fn a_machine_without_counters_or_sensors_says_so() {
        let root = tempfile::tempdir().unwrap();
        for folder in [root.path().to_owned(), root.path().join("absent")] {
            assert!(Energy::under(&folder).unwrap_err().contains("virtual machines"));
            assert!(hottest(&folder).unwrap_err().contains("virtual machines"));
        }
        write(root.path(), &[("intel-rapl:0/name", "package-0\n"), ("intel-rapl:0/energy_uj", "garbage\n")]);
        assert_eq!(Energy::under(root.path()).unwrap().read(), None);
    }

    #[test]
    fn the_hottest_sensor_of_the_processor_counts() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("hwmon0/name", "nvme\n"),
                ("hwmon0/temp1_input", "99000\n"),
                ("hwmon1/name", "coretemp\n"),
                ("hwmon1/temp1_input", "51000\n"),
                ("hwmon1/temp2_input", "54250\n"),
                ("hwmon1/temp3_input", "-128000\n"),
                ("hwmon1/temp4_input", "hot\n"),
                ("hwmon1/temp1_max", "100000\n"),
                ("hwmon2/name", "k10temp\n"),
                ("hwmon2/temp1_input", "48125\n"),
            ],
        );
        assert_eq!(hottest(root.path()), Ok(54.25));
    }
}
