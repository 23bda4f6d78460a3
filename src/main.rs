//! The `perfkit` command; everything it does is in the library.

use std::process::ExitCode;

/// Counts allocations, so that those of a worker can be compared exactly.
#[global_allocator]
static ALLOCATOR: perfkit::sys::allocations::Counting = perfkit::sys::allocations::Counting;

fn main() -> ExitCode {
    perfkit::cli::main()
}
