//! `detect` on simulated machines, on snapshots of real ones where they are there, and as a command.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod architectures;
mod archive;
mod command;
mod fields;
mod gpus;
mod hostile;
mod live;
mod readiness;
mod roots;
mod rules;
mod snapshots;
