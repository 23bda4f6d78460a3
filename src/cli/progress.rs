//! The progress bar: the session's observer on a terminal. And the request to stop that Ctrl-C makes.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use crate::document::Outcome;
use crate::session::{Observer, Stop};

/// Shows a bar with the time left on stderr, where that is a terminal and nobody asked for quiet.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    phase: String,
    /// Seconds that each remaining step should take, by the phase's own expectation.
    each: f64,
    left: usize,
}

impl Progress {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let shown = !context.quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>24} {bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self { bar, quiet: context.quiet, phase: String::new(), each: 0.0, left: 0 }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    fn seconds_left(&self) -> u64 {
        Duration::try_from_secs_f64((self.each * self.left as f64).max(0.0)).map_or(0, |d| d.as_secs() + 1)
    }
}

/// A bar over the bytes of an input; hidden like [`Progress`].
pub(super) fn bytes_bar(context: &Context<'_>) -> ProgressBar {
    let shown = !context.quiet && std::io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar
}

impl Observer for Progress {
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    fn phase(&mut self, name: &str, steps: usize, expected_seconds: f64) {
        self.phase = name.to_owned();
        self.left = steps;
        self.each = expected_seconds / steps.max(1) as f64;
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_prefix(self.phase.clone());
    }

    fn step(&mut self, case: &dyn std::fmt::Display) {
        // The bar is drawn between cases only: a ticking thread would disturb what is timed.
        self.bar.set_message(format!("{} s left  {case}", self.seconds_left()));
        self.bar.inc(1);
        self.left = self.left.saturating_sub(1);
    }

    fn outcome(&mut self, outcome: &Outcome) {
        if let Outcome::Failed(omission) = outcome {
            self.note(&format!("{} failed: {}", omission.case, omission.why));
        }
    }

    #[expect(clippy::print_stderr, reason = "the command line's own door")]
    fn note(&mut self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("perfkit: {text}"));
        }
    }
}

/// A stop that Ctrl-C requests; a second Ctrl-C ends the process at once.
pub(super) fn stop_on_interrupt() -> Stop {
    let stop = Stop::default();
    let handed = stop.clone();
    // Without the handler Ctrl-C ends the process as usual; the journal of the last phase remains.
    let _ = ctrlc::set_handler(move || {
        if handed.requested() {
            std::process::exit(130);
        }
        handed.request();
    });
    stop
}
