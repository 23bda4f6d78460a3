//! The orchestrators: they prepare, measure, journal as they go, and stop cleanly when asked to.

pub mod baseline;
pub mod bench;
pub mod cache;
mod conditions;
pub mod core_clock;
pub mod embed;
mod git;
pub mod import;
pub mod noise;
mod recorder;
pub mod references;
pub mod regress;
pub mod run;
pub mod runs;
pub mod selection;
pub mod selftest;
pub mod settings;
pub mod tune;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::document::Outcome;

pub use conditions::Monitor;
pub use recorder::{Beginning, Recorder, measurement, random_seed};

/// Is told how a session goes on; the command line shows it, tests record it.
pub trait Observer {
    /// A phase of `steps` steps starts; it is expected to last so long.
    fn phase(&mut self, name: &str, steps: usize, expected_seconds: f64);
    /// The next step of the phase starts.
    fn step(&mut self, case: &dyn std::fmt::Display);
    /// A case has come out.
    fn outcome(&mut self, outcome: &Outcome);
    /// Something a person should know now.
    fn note(&mut self, text: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn phase(&mut self, _: &str, _: usize, _: f64) {}
    fn step(&mut self, _: &dyn std::fmt::Display) {}
    fn outcome(&mut self, _: &Outcome) {}
    fn note(&mut self, _: &str) {}
}

/// A request to stop that can be made from a signal handler.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks every session that holds a clone to stop after the current sample.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
