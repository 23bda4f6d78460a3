//! The words that every writer uses for the same thing.

use crate::document::{Case, CaseTier};
use crate::units;

/// Operations per second: FLOP for floating-point arithmetic, OP for integers and bits.
pub(super) fn operations_per_second(value: f64, precision: &str) -> String {
    units::rate(value, operation_unit(precision))
}

/// `FLOP/s`, or `OP/s` where the arithmetic is on integers.
pub(super) fn operation_unit(precision: &str) -> &'static str {
    if precision.starts_with(['f', 'b']) && !precision.starts_with("bits") { "FLOP/s" } else { "OP/s" }
}

/// What a case does, without how: `pool/mean-f32 128x384`, with the threads where there are several.
pub(super) fn work(case: &Case) -> String {
    let threads = if case.threads.get() > 1 { format!(" t{}", case.threads) } else { String::new() };
    format!("{} {}{threads}", case.benchmark, case.shape)
}

/// How a case does it: `rows@avx512`.
pub(super) fn way(case: &Case) -> String {
    format!("{}@{}", case.implementation, case.tier)
}

/// Whether the case is the plain loop that speed-ups are against.
pub(super) fn is_plain(case: &Case) -> bool {
    case.implementation == "plain"
}

/// Whether the case belongs to another library.
pub(super) fn is_peer(case: &Case) -> bool {
    case.tier == CaseTier::Peer
}

/// `1 thread`, `2 threads`.
pub(super) fn threads(count: usize) -> String {
    counted(count, "thread", "threads")
}

/// `1 case`, `2 cases`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", units::count(count as u64), if count == 1 { one } else { many })
}

/// A factor: `41.2 \u{d7}`.
pub(super) fn factor(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    format!("{} \u{d7}", units::significant(value, 3))
}

/// Two durations: `2.62 to 2.65 ms` where they share a unit.
pub(super) fn between_seconds(low: f64, high: f64) -> String {
    let (low, high) = (units::seconds(low), units::seconds(high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number} to {high}"),
        (Some(_) | None, _) => format!("{low} to {high}"),
    }
}

/// A signed change of a ratio, as finely as margins of half a percent need: `+0.42 %`, `-31.0 %`, `12.3 ×`.
pub(super) fn change(ratio: f64) -> String {
    let change = (ratio - 1.0) * 100.0;
    match change.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size < 9.995 => format!("{change:+.2} %"),
        size if size < 999.5 => format!("{change:+.1} %"),
        _ => factor(ratio),
    }
}

/// The text with its middle replaced by an ellipsis where it has more than `limit` characters.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let keep = limit.saturating_sub(1);
    let (head, tail) = (keep - keep / 3, keep / 3);
    let front: String = text.chars().take(head).collect();
    let back: String = text.chars().skip(count - tail).collect();
    format!("{front}\u{2026}{back}")
}
