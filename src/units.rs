//! Quantities as people read them, and sets of CPUs as Linux writes them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A duration in seconds: `1.23 ms`, `45.0 ns`, `2.10 s`.
#[must_use]
pub fn seconds(value: f64) -> String {
    let (scale, unit) = match value.abs() {
        x if !x.is_finite() => return "-".to_owned(),
        0.0 => (1.0, "s"),
        x if x < 1e-6 => (1e9, "ns"),
        x if x < 1e-3 => (1e6, "us"),
        x if x < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    format!("{} {unit}", significant(value * scale, 3))
}

/// A size in bytes with binary prefixes: `48 KiB`, `1.5 MiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if scaled.fract() == 0.0 {
        format!("{scaled:.0} {}", UNITS[unit])
    } else {
        format!("{} {}", significant(scaled, 3), UNITS[unit])
    }
}

/// A rate of bytes, 10^9 based: `120 GB/s`.
#[must_use]
pub fn bytes_per_second(value: f64) -> String {
    rate(value, "B/s")
}

/// A rate of floating-point (or integer) operations: `245 GFLOP/s`.
#[must_use]
pub fn flops_per_second(value: f64) -> String {
    rate(value, "FLOP/s")
}

/// A frequency: `4.05 GHz`.
#[must_use]
pub fn hertz(value: f64) -> String {
    rate(value, "Hz")
}

/// A count per second or any other rate, with decimal prefixes: `12.3 k tokens/s` is `rate(x, "tokens/s")`.
#[must_use]
pub fn rate(value: f64, unit: &str) -> String {
    let (scale, prefix) = match value.abs() {
        x if !x.is_finite() => return "-".to_owned(),
        x if x >= 1e12 => (1e-12, "T"),
        x if x >= 1e9 => (1e-9, "G"),
        x if x >= 1e6 => (1e-6, "M"),
        x if x >= 1e4 => (1e-3, "k"),
        _ => (1.0, ""),
    };
    format!("{} {prefix}{unit}", significant(value * scale, 3))
}

/// A share as percent: `87.3 %`.
#[must_use]
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.1} %", fraction * 100.0) } else { "-".to_owned() }
}

/// `value` with `digits` significant digits, without an exponent.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a finite number is small")]
    let magnitude = value.abs().log10().floor() as i64;
    let decimals = (i64::try_from(digits).unwrap_or(3) - 1 - magnitude).clamp(0, 12);
    format!("{value:.*}", usize::try_from(decimals).unwrap_or(0))
}

/// A count with thousands separated: `30,522`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Reads `512`, `64KiB`, `1.5 GiB`, `2G`, `800 MB` as bytes (K, M, G alone are binary, KB, MB, GB decimal).
pub fn parse_bytes(text: &str) -> Result<u64, ParseQuantityError> {
    let fail = || ParseQuantityError { text: text.to_owned(), wanted: "a size such as 64KiB or 2GiB" };
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let number: f64 = trimmed[..split].parse().map_err(|_| fail())?;
    let scale = match trimmed[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(fail()),
    };
    let value = number * scale;
    if !(0.0..1e18).contains(&value) {
        return Err(fail());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked above")]
    Ok(value.round() as u64)
}

/// A quantity that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as {wanted}")]
pub struct ParseQuantityError {
    text: String,
    wanted: &'static str,
}

/// A set of CPU numbers, written `0-3,6`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuList(BTreeSet<u32>);

impl CpuList {
    /// No more than this many CPUs are believed, which is what the largest kernels are built for; a longer list is a broken
    /// or hostile file.
    pub const LIMIT: u32 = 1 << 13;

    /// Whether `cpu` is in the set.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// Number of CPUs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// Adds a CPU.
    pub fn insert(&mut self, cpu: u32) {
        self.0.insert(cpu);
    }

    /// The CPUs in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    /// The smallest CPU number.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }
}

impl FromIterator<u32> for CpuList {
    fn from_iter<I: IntoIterator<Item = u32>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.0.iter().copied().peekable();
        let mut first = true;
        while let Some(start) = cpus.next() {
            let mut end = start;
            while cpus.peek() == Some(&(end + 1)) {
                end += 1;
                cpus.next();
            }
            if !first {
                f.write_str(",")?;
            }
            first = false;
            if start == end { write!(f, "{start}")? } else { write!(f, "{start}-{end}")? }
        }
        Ok(())
    }
}

impl FromStr for CpuList {
    type Err = ParseQuantityError;

    /// Reads Linux's list format; trailing newlines and NULs are allowed, as old kernels write them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseQuantityError {
            text: text.chars().take(60).collect(),
            wanted: "a CPU list such as 0-3,6",
        };
        let mut set = BTreeSet::new();
        // A list names each CPU once: one that does not may name them all a million times.
        let mut named = 0;
        for part in text.trim_matches(|c: char| c.is_whitespace() || c == '\0').split(',') {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let (start, end) = part.split_once('-').unwrap_or((part, part));
            let start: u32 = start.trim().parse().map_err(|_| fail())?;
            let end: u32 = end.trim().parse().map_err(|_| fail())?;
            if start > end || end >= Self::LIMIT {
                return Err(fail());
            }
            named += end - start + 1;
            if named > Self::LIMIT {
                return Err(fail());
            }
            set.extend(start..=end);
        }
        Ok(Self(set))
    }
}

impl TryFrom<String> for CpuList {
    type Error = ParseQuantityError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CpuList> for String {
    fn from(list: CpuList) -> Self {
        list.to_string()
    }
}

impl schemars::JsonSchema for CpuList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CpuList".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a set of CPU numbers, such as 0-3,6" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!(seconds(1.234e-3), "1.23 ms");
        assert_eq!(seconds(45e-9), "45.0 ns");
        assert_eq!(bytes(49152), "48 KiB");
        assert_eq!(bytes(1_610_612_736), "1.50 GiB");
        assert_eq!(bytes_per_second(1.2e11), "120 GB/s");
        assert_eq!(flops_per_second(2.455e11), "246 GFLOP/s");
        assert_eq!(count(30522), "30,522");
        assert_eq!(parse_bytes("64KiB"), Ok(65536));
        assert_eq!(parse_bytes("1.5 GB"), Ok(1_500_000_000));
        assert!(parse_bytes("12 parsecs").is_err());
        assert!(parse_bytes("1e99").is_err());
    }

    #[test]
    fn cpu_lists_survive_a_round_trip_and_refuse_nonsense() {
        for text in ["", "0", "0-3", "0-3,6", "1-2,4,7-9"] {
            assert_eq!(text.parse::<CpuList>().unwrap().to_string(), text);
        }
        assert_eq!("0-1\n\0".parse::<CpuList>().unwrap().len(), 2);
        for text in ["a", "3-1", "0-99999999", "1--2", "-1", &"0-8191,".repeat(2)] {
            assert!(text.parse::<CpuList>().is_err(), "{text}");
        }
    }
}
