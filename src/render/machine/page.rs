//! The page that a machine is written on: labels, lines broken between words, tables.

use super::Style;
use crate::document::{Machine, ReadinessVerdict};

/// Text under way.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) style: Style,
    /// Columns of the labels.
    pub(super) label: usize,
}

impl Page {
    fn paint(&self, text: &str, code: &str) -> String {
        if self.style.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn line(&mut self, text: &str, code: &str) {
        let painted = self.paint(&printable(text), code);
        self.text.push_str(&painted);
        self.text.push('\n');
    }

    pub(super) fn title(&mut self, title: &str) {
        for line in wrap(title, self.style.width) {
            self.line(&line, "1");
        }
        self.text.push('\n');
    }

    /// A label and its lines; nothing without lines.
    pub(super) fn section(&mut self, label: &str, lines: &[String]) {
        let room = self.style.width.saturating_sub(self.label + 2);
        let (mut label, width) = (label, self.label);
        for line in lines.iter().flat_map(|line| wrap(line, room)) {
            let padded = self.paint(&format!("{label:<width$}"), "36");
            self.text.push_str(&format!("  {padded}{line}\n"));
            label = "";
        }
    }

    pub(super) fn readiness(&mut self, machine: &Machine) {
        if machine.readiness.is_empty() {
            self.text.push('\n');
            return;
        }
        self.text.push('\n');
        self.line("Fit for measuring?", "1");
        let column = self.label;
        let room = self.style.width.saturating_sub(10 + column);
        for check in &machine.readiness {
            let (word, code) = match check.verdict {
                ReadinessVerdict::Ok => ("ok", "32"),
                ReadinessVerdict::Warn => ("warn", "33"),
                ReadinessVerdict::Bad => ("bad", "31"),
            };
            let mut head = format!(
                "  {}  {:<column$}  ",
                self.paint(&format!("{word:<4}"), code),
                printable(&check.check)
            );
            for line in wrap(&check.detail, room) {
                self.text.push_str(&format!("{head}{line}\n"));
                head = " ".repeat(10 + column);
            }
            if let Some(remedy) = &check.remedy {
                // A command is not wrapped: it is there to be copied.
                let arrow = self.paint(&format!("-> {}", printable(remedy)), "2");
                self.text.push_str(&format!("{:10}{arrow}\n", ""));
            }
        }
        self.text.push('\n');
    }

    pub(super) fn table<'r>(&mut self, title: &str, rows: impl Iterator<Item = (&'r str, String)>) {
        self.text.push('\n');
        self.line(title, "1");
        const FIELD: usize = 32;
        let room = self.style.width.saturating_sub(FIELD + 3);
        for (field, value) in rows {
            let mut field = field;
            for line in wrap(&value, room) {
                self.text.push_str(&format!("  {:<FIELD$} {line}\n", printable(field)));
                field = "";
            }
        }
    }
}

/// `text` without what would drive a terminal or turn the direction of writing: files of other machines may hold it.
fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(harmful) {
        text.chars().map(|c| if harmful(c) { ' ' } else { c }).collect::<String>().into()
    } else {
        text.into()
    }
}

/// `text` in lines of at most `width` characters, broken between words; a longer word stands alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = &*printable(text);
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
