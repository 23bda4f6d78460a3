//! What a budget can limit, and how it is read out of a measurement.

use crate::analysis::compare::ratio_of_medians;
use crate::document::{Document, Measurement};
use crate::stats::{self, Summary};
use crate::units;

use super::Measured;

/// A quantity of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// Seconds of one iteration.
    Seconds,
    /// Seconds of a stage of one iteration.
    Stage(String),
    /// The same per 1000 tokens.
    StagePerThousandTokens(String),
    /// Texts a second.
    TextsPerSecond,
    /// Peak resident size.
    PeakRss,
    /// A quantile of single calls' latency, in percent.
    Latency(u32),
    /// How many times faster than the base.
    Speedup,
    /// How much slower than the base, as a share.
    Overhead,
}

/// The unit of a quantity and of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Per second.
    PerSecond,
    /// A factor.
    Factor,
    /// A share.
    Share,
}

const STAGES: [&str; 5] = ["tokenize", "prepare", "encode", "pool", "normalize"];
const PER_THOUSAND: &str = " per 1000 tokens";

impl Quantity {
    /// Every quantity as written in perfkit.toml.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = [
            "seconds",
            "texts per second",
            "peak rss",
            "latency p50",
            "latency p95",
            "latency p99",
            "speedup",
            "overhead",
        ]
        .map(str::to_owned)
        .to_vec();
        names.extend(STAGES.map(str::to_owned));
        names.push(format!("STAGE{PER_THOUSAND}"));
        names
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let stage = |text: &str| STAGES.contains(&text).then(|| text.to_owned());
        if let Some(name) = text.strip_suffix(PER_THOUSAND) {
            return stage(name).map(Self::StagePerThousandTokens);
        }
        Some(match text {
            "seconds" => Self::Seconds,
            "texts per second" => Self::TextsPerSecond,
            "peak rss" => Self::PeakRss,
            "latency p50" => Self::Latency(50),
            "latency p95" => Self::Latency(95),
            "latency p99" => Self::Latency(99),
            "speedup" => Self::Speedup,
            "overhead" => Self::Overhead,
            other => Self::Stage(stage(other)?),
        })
    }

    /// As written in perfkit.toml.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Seconds => "seconds".to_owned(),
            Self::Stage(stage) => stage.clone(),
            Self::StagePerThousandTokens(stage) => format!("{stage}{PER_THOUSAND}"),
            Self::TextsPerSecond => "texts per second".to_owned(),
            Self::PeakRss => "peak rss".to_owned(),
            Self::Latency(percent) => format!("latency p{percent}"),
            Self::Speedup => "speedup".to_owned(),
            Self::Overhead => "overhead".to_owned(),
        }
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        match self {
            Self::Seconds | Self::Stage(_) | Self::StagePerThousandTokens(_) | Self::Latency(_) => {
                Unit::Seconds
            }
            Self::TextsPerSecond => Unit::PerSecond,
            Self::PeakRss => Unit::Bytes,
            Self::Speedup => Unit::Factor,
            Self::Overhead => Unit::Share,
        }
    }

    /// Whether it compares with another implementation.
    #[must_use]
    pub const fn needs_base(&self) -> bool {
        matches!(self, Self::Speedup | Self::Overhead)
    }

    /// The quantity of a measurement, or `None` where it has none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts and sizes are far below 2^52")]
    pub fn of(&self, document: &Document, measurement: &Measurement, base: Option<&str>) -> Option<Measured> {
        let summary = Summary::of(&measurement.seconds.samples)?;
        match self {
            Self::Seconds => Some(seconds(&summary, 1.0)),
            Self::Stage(stage) => stage_seconds(measurement, &summary, stage, 1.0),
            Self::StagePerThousandTokens(stage) => {
                let tokens = measurement.tokens.filter(|&tokens| tokens > 0)?;
                stage_seconds(measurement, &summary, stage, 1000.0 / tokens as f64)
            }
            Self::TextsPerSecond => {
                let texts = measurement.texts.filter(|&texts| texts > 0)? as f64;
                Some(Measured {
                    value: texts / summary.median,
                    low: texts / summary.high,
                    high: texts / summary.low,
                    note: None,
                })
            }
            Self::PeakRss => {
                let bytes = measurement.peak_rss_bytes? as f64;
                Some(Measured { value: bytes, low: bytes, high: bytes, note: None })
            }
            Self::Latency(percent) => latency(measurement, *percent),
            Self::Speedup => against(document, measurement, base?, |ratio| ratio),
            // The base is the bare kernel, so the ratio base over case is below 1 where the case costs more.
            Self::Overhead => against(document, measurement, base?, |ratio| 1.0 / ratio - 1.0),
        }
    }
}

fn seconds(summary: &Summary, scale: f64) -> Measured {
    Measured {
        value: summary.median * scale,
        low: summary.low * scale,
        high: summary.high * scale,
        note: None,
    }
}

/// A stage's seconds are stored of the sample with the median total alone: its interval is the total's, by its share.
fn stage_seconds(measurement: &Measurement, summary: &Summary, stage: &str, scale: f64) -> Option<Measured> {
    let seconds_of_stage = *measurement.stages.as_ref()?.get(stage)?;
    let share = seconds_of_stage / summary.median * scale;
    Some(Measured {
        value: seconds_of_stage * scale,
        low: summary.low * share,
        high: summary.high * share,
        note: Some("the interval is the whole call's, by the stage's share".to_owned()),
    })
}

fn latency(measurement: &Measurement, percent: u32) -> Option<Measured> {
    let sorted = stats::sorted(&measurement.latency.as_ref()?.calls);
    let q = f64::from(percent) / 100.0;
    let value = stats::quantile_of_sorted(&sorted, q)?;
    let interval = stats::quantile_interval(&sorted, q, 0.95);
    let (low, high) = interval.unwrap_or((sorted.first().copied()?, f64::INFINITY));
    let needed = stats::samples_needed(q, 0.95);
    let note = match interval {
        Some(_) => format!("{} calls", sorted.len()),
        None => format!("{} calls, an interval needs {needed}", sorted.len()),
    };
    Some(Measured { value, low, high, note: Some(note) })
}

/// The case against the base implementation of the same benchmark, shape and threads: `view` of base over case.
fn against(
    document: &Document,
    measurement: &Measurement,
    base: &str,
    view: impl Fn(f64) -> f64,
) -> Option<Measured> {
    let case = &measurement.case;
    let base = document.measured().find(|m| {
        m.case.implementation == base
            && (&m.case.benchmark, &m.case.shape, m.case.threads)
                == (&case.benchmark, &case.shape, case.threads)
            && (m.case.tier == case.tier || m.case.tier == crate::document::Tier::Baseline.into())
            && m.case != *case
    })?;
    let ratio = ratio_of_medians(&measurement.seconds.samples, &base.seconds.samples)?.interval;
    let (a, b) = (view(ratio.low), view(ratio.high));
    Some(Measured {
        value: view(ratio.value),
        low: a.min(b),
        high: a.max(b),
        note: Some(format!("against {}", base.case)),
    })
}

impl Unit {
    /// Reads a limit with its unit.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<f64> {
        let text = text.trim();
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = text[..split].parse().ok()?;
        let suffix = text[split..].trim();
        let scale = match (self, suffix) {
            (Self::Seconds, "s") | (Self::PerSecond, "/s") | (Self::Factor, "x") => 1.0,
            (Self::Seconds, "ms") => 1e-3,
            (Self::Seconds, "us") => 1e-6,
            (Self::Seconds, "ns") => 1e-9,
            (Self::Share, "%") => 0.01,
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
            (Self::Bytes, _) => return units::parse_bytes(text).ok().map(|bytes| bytes as f64),
            (Self::Seconds | Self::PerSecond | Self::Factor | Self::Share, _) => return None,
        };
        Some(number * scale)
    }

    /// An example of a limit.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Seconds => "\"10 ms\"",
            Self::Bytes => "\"2 GiB\"",
            Self::PerSecond => "\"50 /s\"",
            Self::Factor => "\"12 x\"",
            Self::Share => "\"5 %\"",
        }
    }

    /// A value for people.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value.is_finite() => units::seconds(value),
            Self::Seconds => "unknown".to_owned(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a size; the cast saturates"
            )]
            Self::Bytes => units::bytes(value as u64),
            Self::PerSecond => units::rate(value, "/s"),
            Self::Factor => format!("{}x", units::significant(value, 3)),
            Self::Share => units::percent(value),
        }
    }
}
