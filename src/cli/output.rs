//! Where a subcommand writes, and what its exit code means.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use super::Global;

/// The exit codes; of several the first that applies in 2, 4, 5, 1, 3, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to object to.
    Fine,
    /// A regression, or a broken budget that is enforced.
    Regression,
    /// Usage, bad input or an internal error.
    Usage,
    /// Neither a change nor its absence is shown.
    Inconclusive,
    /// The environment is unfit, the build unoptimised, or the A/A control failed.
    Unfit,
    /// No baseline, or it belongs to another machine or workload.
    NoBaseline,
    /// Interrupted; results are saved.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Regression => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Unfit => 4,
            Self::NoBaseline => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ColorChoice {
    /// When stdout is a terminal that can.
    Auto,
    /// Even into a pipe.
    Always,
    /// Never.
    Never,
}

/// What every subcommand is handed.
pub struct Context<'a> {
    /// Where results go.
    pub out: &'a mut dyn Write,
    /// One JSON document instead of text.
    pub json: bool,
    /// No progress, no notes.
    pub quiet: bool,
    /// Colour the text.
    pub color: bool,
}

impl<'a> Context<'a> {
    pub(super) fn new(global: &Global, out: &'a mut dyn Write) -> Self {
        let color = match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                    && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
            }
        };
        Self { out, json: global.json, quiet: global.quiet, color: color && !global.json }
    }

    /// Tells people something beside the result: on stderr, not with `--quiet`.
    #[expect(clippy::print_stderr, reason = "the command line's own door")]
    pub fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("perfkit: {text}");
        }
    }

    /// Says what went wrong, on stderr, in one line.
    #[expect(clippy::print_stderr, reason = "the command line's own door")]
    pub(super) fn error(&self, error: &anyhow::Error) {
        eprintln!("perfkit: error: {error:#}");
    }

    /// Says first that an unoptimised build gives no verdicts.
    pub fn warn_if_unoptimised(&self) {
        if cfg!(debug_assertions) {
            self.note("this is an unoptimised build: its figures mean nothing and verdicts are withheld; use `cargo run --release`");
        }
    }
}

/// Columns of the terminal, by `COLUMNS` where the shell exports it; 100 where nobody tells.
pub(super) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    told.filter(|columns| (40..=400).contains(columns)).unwrap_or(100)
}

/// Whether the reader of our output went away, which is not our error.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
