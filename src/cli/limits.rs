//! Limits on the command line: milliseconds and sizes.

/// Milliseconds as seconds.
pub(super) fn parse_milliseconds(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches("ms").trim_end();
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 && value <= 3.6e6 => Ok(value / 1e3),
        _ => Err("milliseconds, such as 50".to_owned()),
    }
}

/// A size in bytes: a number, with kB, MB, GB (powers of 1000) or KiB, MiB, GiB (powers of 1024) behind it.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
        ("", 1),
    ];
    let text = text.trim();
    let wanted = || "a size, such as 500MB or 2GiB".to_owned();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, bytes)| Some((text.strip_suffix(name)?.trim_end(), *bytes)))
        .ok_or_else(wanted)?;
    let number = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0).ok_or_else(wanted)?;
    #[expect(clippy::cast_precision_loss, reason = "units are powers below 2^31")]
    let bytes = number * unit as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 2^60")]
    if (1.0..1.152_921_504_606_847e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wanted()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_and_nonsense_is_not() {
        for (text, bytes) in
            [("1", 1), ("500MB", 500_000_000), ("2 GiB", 2 << 30), ("1.5kB", 1500), ("7 B", 7)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "0", "1e99", "nan", "2 parsecs", "1 mb"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!(parse_milliseconds("50"), Ok(0.05));
        assert_eq!(parse_milliseconds("2.5 ms"), Ok(0.0025));
        for text in ["", "0", "-1", "inf", "1e9", "fast"] {
            assert!(parse_milliseconds(text).is_err(), "{text}");
        }
    }
}
