//! How fast texts become ids, beside the `tokenizers` crate: both take turns in one process, on the corpus that ships or on
//! a file with a text a line. What is printed is the ratio of their times, turn by turn: the median and the middle eight
//! tenths.
//!
//! `cargo bench --bench tokenizer [MODEL_FOLDER] [CORPUS]`; without a folder that of the tests' model, or the built-in
//! vocabulary, for which the library has no file.

use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use perfkit::engines::{TextTokenizer, TokenizerScratch, corpus};
use perfkit::sys::clock;
use tokenizers::{Tokenizer, TruncationParams};

/// Rounds, each with a turn of either side.
const ROUNDS: usize = 60;

/// Where texts are cut.
const MOST_TOKENS: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let folder = arguments.next().map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".models/all-MiniLM-L6-v2"),
        PathBuf::from,
    );
    let texts = arguments.next().map(std::fs::read_to_string).transpose()?;
    let lines: Vec<&str> =
        texts.as_deref().map_or_else(|| corpus::lines().collect(), |text| text.lines().collect());
    let file = folder.join("tokenizer.json");
    if !file.is_file() {
        writeln!(io::stdout(), "skipped: {} is missing; scripts/fetch-test-model brings it", file.display())?;
        return Ok(());
    }
    measure(&file, &lines)
}

fn measure(file: &Path, lines: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    let own = TextTokenizer::read(file, MOST_TOKENS, false)?;
    let bytes = std::fs::read(file)?;
    let library = || Tokenizer::from_bytes(&bytes).map_err(|e| e.to_string());
    let mut peer = library()?;
    peer.with_padding(None);
    let truncation = TruncationParams { max_length: MOST_TOKENS, ..TruncationParams::default() };
    peer.with_truncation(Some(truncation)).map_err(|e| e.to_string())?;

    let mut tokens = 0;
    for line in lines {
        let ids = own.ids(line)?;
        let theirs = peer.encode_fast(*line, true).map_err(|e| e.to_string())?;
        assert_eq!(ids, theirs.get_ids(), "{line:?}");
        tokens += ids.len();
    }
    writeln!(out, "{} texts, {tokens} tokens, the same ids; method: {}", lines.len(), own.method())?;

    let mut scratch = TokenizerScratch::default();
    let mut ids = Vec::new();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(seconds(|| {
            for line in lines {
                black_box(peer.encode_fast(black_box(*line), true).is_ok());
            }
        }));
        times[1].push(seconds(|| {
            for line in lines {
                ids.clear();
                black_box(own.push_ids(black_box(line), &mut scratch, &mut ids).is_ok());
            }
        }));
    }
    let ratios = sorted(times[0].iter().zip(&times[1]).map(|(theirs, own)| theirs / own));
    for (name, times) in ["tokenizers", "perfkit"].iter().zip(&times) {
        let rate = |seconds: f64| tokens as f64 / seconds / 1e6;
        let times = sorted(times.iter().copied());
        writeln!(out, "{name:<12} {:>7.2} Mtoken/s (median {:.2})", rate(times[0]), rate(times[ROUNDS / 2]))?;
    }
    writeln!(
        out,
        "ratio        {:>7.1} ({:.1} to {:.1})",
        ratios[ROUNDS / 2],
        ratios[ROUNDS / 10],
        ratios[ROUNDS * 9 / 10]
    )?;

    let fastest = |run: &dyn Fn()| (0..10).map(|_| seconds(run)).fold(f64::INFINITY, f64::min) * 1e3;
    let own = fastest(&|| drop(black_box(TextTokenizer::read(file, MOST_TOKENS, false))));
    let theirs = fastest(&|| drop(black_box(library())));
    writeln!(out, "loading the file: {own:.2} ms, tokenizers {theirs:.2} ms")?;
    Ok(())
}

fn seconds(mut run: impl FnMut()) -> f64 {
    let start = clock::thread_cpu_nanoseconds();
    run();
    clock::thread_cpu_nanoseconds().saturating_sub(start) as f64 / 1e9
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
