//! The hidden `perfkit __worker`: the catalog over the worker protocol, for a perfkit that measures; and `__peer`, a
//! library of others likewise.

use super::{Context, Exit};
use crate::catalog::{self, Benchmark};
use crate::document::Machine;
use crate::machine::{Source, detect};
use crate::session::bench::peers::identity_line;
use crate::worker::Server;

/// Which library, and what to do with it.
#[derive(Debug, clap::Args)]
pub(super) struct PeerArgs {
    /// Its name
    name: String,
    /// The mode that this process was started in
    mode: String,
    /// `__worker` to serve it; without, it is identified
    serve: Option<String>,
}

/// Serves until the asking process has had enough.
pub(super) fn run() -> anyhow::Result<Exit> {
    let benchmarks: Vec<&dyn Benchmark> =
        catalog::benchmarks().map(|benchmark| benchmark as &dyn Benchmark).collect();
    Ok(serve(env!("CARGO_PKG_NAME"), &benchmarks, detect(Source::Live)))
}

/// Identifies or serves a library.
pub(super) fn peer(args: &PeerArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    if args.serve.is_none() {
        writeln!(context.out, "{}", identity_line(&args.name, &args.mode)?)?;
        return Ok(Exit::Fine);
    }
    let library = catalog::peers::library(&args.name);
    let library = library.ok_or_else(|| anyhow::anyhow!("there is no peer {:?}", args.name))?;
    let served = catalog::peers::benchmarks(library);
    let benchmarks: Vec<&dyn Benchmark> =
        served.iter().map(|benchmark| benchmark as &dyn Benchmark).collect();
    Ok(serve(library.name, &benchmarks, Machine::default()))
}

pub(super) fn serve(name: &str, benchmarks: &[&dyn Benchmark], machine: Machine) -> Exit {
    let server = Server { name, version: env!("CARGO_PKG_VERSION"), benchmarks, machine };
    let _ = server.serve_process();
    Exit::Fine
}
