//! What only the operating system can do: read a clock, place threads, map memory, count resources.

pub mod clock;
pub mod memory;
pub mod resources;
pub mod threads;

pub use clock::{Clock, Monotonic};
pub use threads::Team;
