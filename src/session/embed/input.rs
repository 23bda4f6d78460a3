//! Texts out of a file or a pipe: one a line, or one JSON object a line.

use std::io::{BufRead, Read};

use anyhow::Context as _;
use serde::Deserialize;

use crate::engines::LONGEST_TEXT_BYTES;

/// How texts stand in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputFormat {
    /// A line is a text.
    Lines,
    /// A line is `{"text": ..}`.
    JsonLines,
    /// `JsonLines` when the first line with anything in it is such an object.
    Detect,
}

impl InputFormat {
    /// By the file's extension; a pipe or an unknown one is looked into.
    pub(super) fn of(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("jsonl" | "ndjson" | "json") => Self::JsonLines,
            Some("txt" | "text" | "md") => Self::Lines,
            _ => Self::Detect,
        }
    }
}

#[derive(Deserialize)]
struct Entry {
    text: String,
}

/// The texts of an input, one after the other.
pub(super) struct Texts<R> {
    reader: R,
    name: String,
    format: InputFormat,
    line: u64,
    bytes: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Texts<R> {
    pub(super) fn new(reader: R, name: &str, format: InputFormat) -> Self {
        Self { reader, name: name.to_owned(), format, line: 0, bytes: 0, buffer: Vec::new() }
    }

    /// Bytes read so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next text, `None` at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            let line = std::str::from_utf8(&self.buffer).map_err(|error| {
                let (place, name) = (error.valid_up_to() + 1, &self.name);
                anyhow::anyhow!(
                    "{name} line {}: byte {place} is not UTF-8; convert the file, for example with iconv",
                    self.line
                )
            })?;
            let entry = serde_json::from_str::<Entry>(line);
            if self.format == InputFormat::Detect && !line.trim().is_empty() {
                self.format = if entry.is_ok() { InputFormat::JsonLines } else { InputFormat::Lines };
            }
            match self.format {
                InputFormat::Lines | InputFormat::Detect => return Ok(Some(line.to_owned())),
                InputFormat::JsonLines if line.trim().is_empty() => {}
                InputFormat::JsonLines => {
                    let entry = entry.with_context(|| {
                        format!(
                            "{} line {} is not {{\"text\": \"...\"}}; give one object a line",
                            self.name, self.line
                        )
                    })?;
                    return Ok(Some(entry.text));
                }
            }
        }
    }

    /// Fills the buffer with the next line, its end removed; false at the end of the input.
    fn read_line(&mut self) -> anyhow::Result<bool> {
        self.buffer.clear();
        let limit = LONGEST_TEXT_BYTES as u64 + 2;
        let got = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.buffer)
            .with_context(|| format!("cannot read {}", self.name))?;
        if got == 0 {
            return Ok(false);
        }
        self.line += 1;
        self.bytes += got as u64;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            if self.buffer.last() == Some(&b'\r') {
                self.buffer.pop();
            }
        }
        if self.buffer.len() > LONGEST_TEXT_BYTES {
            anyhow::bail!(
                "{} line {} is longer than {} bytes; split it into shorter texts",
                self.name,
                self.line,
                LONGEST_TEXT_BYTES
            );
        }
        if self.line == 1 && self.buffer.starts_with(b"\xEF\xBB\xBF") {
            self.buffer.drain(..3);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], format: InputFormat) -> anyhow::Result<Vec<String>> {
        let mut texts = Texts::new(bytes, "in", format);
        let mut all = Vec::new();
        while let Some(text) = texts.next()? {
            all.push(text);
        }
        Ok(all)
    }

    #[test]
    fn lines_and_objects_are_read_in_order() {
        use InputFormat::{Detect, JsonLines, Lines};
        for (bytes, format, texts) in [
            (&b""[..], Lines, &[][..]),
            (b"a\n\nb", Lines, &["a", "", "b"]),
            (b"\xEF\xBB\xBFa\r\nb\r\n", Detect, &["a", "b"]),
            (b"{\"text\": \"x\\ny\"}\n\n{\"id\": 1, \"text\": \"\"}\n", Detect, &["x\ny", ""]),
            (b"\n{\"text\": \"x\"}\n", Lines, &["", "{\"text\": \"x\"}"]),
            (b"{\"text\": \"x\"}", JsonLines, &["x"]),
        ] {
            assert_eq!(read(bytes, format).unwrap(), texts, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let long = vec![b'a'; LONGEST_TEXT_BYTES + 1];
        for (bytes, format, words) in [
            (&b"ok\nb\xFFd\n"[..], InputFormat::Lines, &["line 2", "byte 2", "UTF-8"][..]),
            (b"{\"text\": 5}\n", InputFormat::JsonLines, &["line 1", "text"]),
            (&long, InputFormat::Lines, &["line 1", "longer", "split"]),
        ] {
            let error = format!("{:#}", read(bytes, format).unwrap_err());
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        assert_eq!(read(&long[1..], InputFormat::Lines).unwrap().len(), 1);
    }
}
