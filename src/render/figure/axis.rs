//! Axes: a scale, a range that is never empty, and ticks at round values.

use crate::units;

/// How values become positions.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
    /// Named rows, the first at the top.
    Category(Vec<String>),
}

/// How the numbers at the ticks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// As they are.
    Plain,
    /// With a decimal prefix and this unit.
    Rate(&'static str),
    /// As percent.
    Percent,
    /// With a multiplication sign.
    Factor,
    /// As a duration.
    Seconds,
    /// As a size in bytes.
    Bytes,
}

impl Number {
    /// A value at a tick.
    fn write(self, value: f64) -> String {
        match self {
            Self::Plain => plain(value),
            Self::Rate(unit) => short(units::rate(value, unit)),
            Self::Percent => format!("{} %", plain(value * 100.0)),
            Self::Factor => format!("{} \u{d7}", plain(value)),
            Self::Seconds if value == 0.0 => "0".to_owned(),
            Self::Seconds => short(units::seconds(value)),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            Self::Bytes => units::bytes(value as u64),
        }
    }
}

/// `100 GB/s` of `100.0 GB/s`: a tick stands at a round value, so its trailing zeros say nothing.
fn short(text: String) -> String {
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.')).trim_end().to_owned()
        }
        Some(_) | None => text.trim_end().to_owned(),
    }
}

/// A value without trailing zeros; an exponent where the digits would not fit.
fn plain(value: f64) -> String {
    if value != 0.0 && !(1e-4..1e7).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What is shown and in which unit.
    pub title: String,
    /// How values become positions.
    pub scale: Scale,
    /// Smallest and largest value.
    pub range: (f64, f64),
    /// How ticks are written.
    pub number: Number,
    /// Where ticks stand; at round values where it is empty.
    pub ticks_at: Vec<f64>,
}

/// More decades than any quantity here spans; a range is cut to it, so that a hostile value cannot stretch a picture.
const DECADES: f64 = 40.0;

/// Ticks at binary sizes at most, besides the one at zero.
const BINARY_TICKS: f64 = 8.0;

impl Axis {
    /// A logarithmic axis over the positive values among `values`, widened by `padding` (a factor) on both sides.
    pub(super) fn log(
        title: &str,
        values: impl IntoIterator<Item = f64>,
        padding: f64,
        number: Number,
    ) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|v| v.is_finite() && *v > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let limit = 10_f64.powf(DECADES);
        let (low, high) = (low.clamp(1.0 / limit, limit), high.clamp(1.0 / limit, limit));
        Self {
            title: title.to_owned(),
            scale: Scale::Log,
            range: (low / padding.max(1.01), high * padding.max(1.01)),
            number,
            ticks_at: Vec::new(),
        }
    }

    /// An axis from 0 to a little beyond the largest of `values`.
    pub(super) fn from_zero(title: &str, values: impl IntoIterator<Item = f64>, number: Number) -> Self {
        let high = values.into_iter().filter(|v| v.is_finite()).fold(0.0_f64, f64::max).min(1e300);
        let high = if high > 0.0 { high } else { 1.0 };
        Self {
            title: title.to_owned(),
            scale: Scale::Linear,
            range: (0.0, high * 1.02),
            number,
            ticks_at: Vec::new(),
        }
    }

    /// The same for sizes in bytes, with ticks at round binary ones.
    pub(super) fn bytes_from_zero(title: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let axis = Self::from_zero(title, values, Number::Bytes);
        let high = axis.range.1;
        let step = 2_f64.powf((high / BINARY_TICKS).log2().ceil()).max(1.0);
        let ticks_at = (0_u32..).map(|i| f64::from(i) * step).take_while(|tick| *tick <= high).collect();
        Self { ticks_at, ..axis }
    }

    /// Named rows.
    pub(super) fn categories(names: Vec<String>) -> Self {
        let count = names.len().max(1) as f64;
        Self {
            title: String::new(),
            scale: Scale::Category(names),
            range: (0.0, count),
            number: Number::Plain,
            ticks_at: Vec::new(),
        }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, clamped to a little outside.
    pub(super) fn fraction(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let fraction = match self.scale {
            Scale::Linear | Scale::Category(_) => (value - low) / (high - low),
            Scale::Log => (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln(),
        };
        if fraction.is_finite() { fraction.clamp(-0.5, 1.5) } else { 0.0 }
    }

    /// Values and texts of the ticks, at most about `count`.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let values = match self.scale {
            Scale::Linear => linear_ticks(self.range, count),
            Scale::Log => log_ticks(self.range, count),
            Scale::Category(_) => Vec::new(),
        };
        let values = if self.ticks_at.is_empty() { values } else { self.ticks_at.clone() };
        values.into_iter().map(|value| (value, self.number.write(value))).collect()
    }
}

fn linear_ticks((low, high): (f64, f64), count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    if !(step.is_finite() && step > 0.0) {
        return Vec::new();
    }
    let first = (low / step).ceil();
    (0..=count + 1).map(|i| (first + i as f64) * step).take_while(|value| *value <= high).collect()
}

fn log_ticks((low, high): (f64, f64), count: usize) -> Vec<f64> {
    let decades = (high / low).log10();
    let multiples: &[f64] = if decades < 0.5 {
        &[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.5]
    } else if decades < 2.2 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let every = (decades / count.max(1) as f64).ceil().max(1.0);
    let first = (low.log10().floor() / every).floor() * every;
    (0..=count * 2 + 2)
        .map(|i| first + every * i as f64)
        .flat_map(|power| multiples.iter().map(move |m| m * 10_f64.powf(power)))
        .filter(|value| *value >= low && *value <= high)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_round_values_inside_the_range() {
        let axis = Axis::from_zero("", [93.0], Number::Percent);
        let texts: Vec<String> = axis.ticks(5).into_iter().map(|t| t.1).collect();
        assert_eq!(texts, ["0 %", "2000 %", "4000 %", "6000 %", "8000 %"]);
        let axis = Axis::log("", [0.05, 200.0], 1.5, Number::Rate("B/s"));
        let texts: Vec<String> = axis.ticks(8).into_iter().map(|t| t.1).collect();
        assert_eq!(texts, ["0.1 B/s", "1 B/s", "10 B/s", "100 B/s"]);
    }

    #[test]
    fn ticks_of_sizes_are_binary() {
        for (most, ticks) in [
            (5.2e6, &["0 B", "1 MiB", "2 MiB", "3 MiB", "4 MiB", "5 MiB"][..]),
            (1.0, &["0 B", "1 B"]),
            (0.0, &["0 B", "1 B"]),
        ] {
            let axis = Axis::bytes_from_zero("", [most]);
            let texts: Vec<String> = axis.ticks(5).into_iter().map(|tick| tick.1).collect();
            assert_eq!(texts, ticks, "{most}");
        }
        assert!(Axis::bytes_from_zero("", [1e300]).ticks(5).len() < 10);
    }

    #[test]
    fn no_values_or_extreme_ones_still_make_an_axis() {
        for values in [vec![], vec![0.0], vec![5.0], vec![1e-300, 1e300], vec![f64::INFINITY, -1.0]] {
            for axis in [
                Axis::log("", values.clone(), 1.0, Number::Plain),
                Axis::from_zero("", values.clone(), Number::Seconds),
            ] {
                assert!(axis.range.0 < axis.range.1, "{values:?}");
                assert!(axis.ticks(8).len() < 60, "{values:?}");
                for value in values.iter().copied().chain([f64::NAN]) {
                    assert!(axis.fraction(value).is_finite());
                }
            }
        }
    }
}
