//! Limits on the command line.

use crate::units;

/// Milliseconds as seconds.
pub(super) fn parse_milliseconds(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches("ms").trim_end();
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 && value <= 3.6e6 => Ok(value / 1e3),
        _ => Err("milliseconds, such as 50".to_owned()),
    }
}

/// A size in bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    match units::parse_bytes(text) {
        Ok(0) => Err("more than nothing".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_positive_numbers() {
        assert_eq!(parse_milliseconds("50"), Ok(0.05));
        assert_eq!(parse_milliseconds("2.5 ms"), Ok(0.0025));
        for text in ["", "0", "-1", "inf", "1e9", "fast"] {
            assert!(parse_milliseconds(text).is_err(), "{text}");
        }
        assert!(parse_size("0").is_err() && parse_size("much").is_err());
    }
}
