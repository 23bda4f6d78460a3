//! The hidden `perfkit __worker`: the catalog over the worker protocol, for a perfkit that measures.

use super::Exit;
use crate::catalog::{self, Benchmark};
use crate::machine::{Source, detect};
use crate::worker::Server;

/// Serves until the asking process has had enough.
pub(super) fn run() -> anyhow::Result<Exit> {
    let benchmarks: Vec<&dyn Benchmark> =
        catalog::benchmarks().map(|benchmark| benchmark as &dyn Benchmark).collect();
    let server = Server {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        benchmarks: &benchmarks,
        machine: detect(Source::Live),
    };
    let _ = server.serve_process();
    Ok(Exit::Fine)
}
