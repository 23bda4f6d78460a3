//! The embedded font of the picture files, and how wide its text is.
//!
//! Every style that is drawn must be registered: the rasteriser answers with an error, not with another style, when a
//! family has none, and it knows no font of the system.

use std::sync::OnceLock;

use plotters::style::{FontStyle, register_font};

static REGULAR: &[u8] = include_bytes!("../../assets/fonts/Roboto-Regular.ttf");
static MEDIUM: &[u8] = include_bytes!("../../assets/fonts/Roboto-Medium.ttf");

/// Registers the font once. An error means that the embedded file is damaged, which a test rules out.
pub(super) fn register() -> std::io::Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        [
            (FontStyle::Normal, REGULAR),
            (FontStyle::Bold, MEDIUM),
            (FontStyle::Italic, REGULAR),
            (FontStyle::Oblique, REGULAR),
        ]
        .into_iter()
        .all(|(style, bytes)| register_font("sans-serif", style, bytes).is_ok())
    });
    if registered { Ok(()) } else { Err(std::io::Error::other("the embedded font cannot be read")) }
}

/// Width in units of the font size of a text, from the advance widths of common sans-serif fonts by class of letter.
/// Layout needs it within a few percent, and the same on every machine.
pub(super) fn em_width(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '\'' | '|' | 'I' => 0.25,
            '.' | ',' | ':' | ';' | '!' | ' ' | '\u{b7}' => 0.26,
            'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '/' | '-' => 0.35,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.86,
            'A'..='Z' => 0.65,
            'a'..='z' => 0.54,
            '0'..='9' => 0.57,
            c if c.is_ascii() => 0.58,
            '\u{2026}' => 0.7,
            c if (c as u32) < 0x2e80 => 0.6,
            _ => 1.0,
        })
        .sum()
}

/// The text, cut with an ellipsis where it is wider than `width` units of the font size.
pub(super) fn fit(text: &str, width: f64) -> String {
    if em_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = em_width("\u{2026}");
    for c in text.chars() {
        used += em_width(c.encode_utf8(&mut [0; 4]));
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('\u{2026}');
    out
}
