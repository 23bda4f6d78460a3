//! What the layers above get from the system: clocks, threads, memory, resource counts, and seeded random numbers.

pub mod activity;
pub mod allocations;
pub mod clock;
pub mod counters;
pub mod energy;
pub mod files;
pub mod memory;
pub mod process;
pub mod random;
pub mod resources;
pub mod threads;

pub use clock::{Clock, Monotonic};
pub use random::Rng;
pub use threads::Team;
