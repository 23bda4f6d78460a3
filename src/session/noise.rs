//! A neighbour that disturbs: bursts of work and rest of random length, as on a shared host, from a seed.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::sys::process::{Conversation, Start};
use crate::sys::{Clock, Monotonic, Rng};

/// The hidden subcommand that is such a neighbour.
pub const SUBCOMMAND: &str = "__noise";
/// Mean length of a burst.
const BURST_SECONDS: f64 = 0.06;
/// Mean length of a rest.
const REST_SECONDS: f64 = 0.08;
/// Neighbours at once: one for each CPU of a small shared machine.
pub const NEIGHBOURS: u64 = 2;

/// Neighbours that last as long as this value.
#[derive(Debug)]
pub struct Noise(Vec<Conversation>);

impl Noise {
    /// Starts [`NEIGHBOURS`] processes of this very program.
    ///
    /// # Errors
    /// They do not start.
    pub fn start(program: &Path, seed: u64) -> anyhow::Result<Self> {
        let start = |number: u64| {
            let arguments = [SUBCOMMAND.to_owned(), seed.wrapping_add(number).to_string()];
            Conversation::start(program, &arguments, &Start::default())
        };
        let started: std::io::Result<Vec<Conversation>> = (0..NEIGHBOURS).map(start).collect();
        Ok(Self(started.context("cannot start the noise injector")?))
    }

    /// How many there are.
    #[must_use]
    pub fn neighbours(&self) -> usize {
        self.0.len()
    }
}

/// Works and rests until the process is ended.
pub fn disturb(seed: u64) -> ! {
    let (clock, mut rng) = (Monotonic::new(), Rng::new(seed));
    let mut sink = seed | 1;
    loop {
        let end = clock.now().saturating_add(nanoseconds(exponential(&mut rng, BURST_SECONDS)));
        while clock.now() < end {
            for _ in 0..1000 {
                sink = std::hint::black_box(sink.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (sink >> 29));
            }
        }
        std::thread::sleep(Duration::from_nanos(nanoseconds(exponential(&mut rng, REST_SECONDS))));
    }
}

/// Exponentially distributed with this mean, at most ten times it.
fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    (-(1.0 - rng.unit()).ln() * mean).min(10.0 * mean)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a second")]
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_have_the_mean_they_should() {
        let mut rng = Rng::new(5);
        let mean = (0..20_000).map(|_| exponential(&mut rng, 0.06)).sum::<f64>() / 20_000.0;
        assert!((mean / 0.06 - 1.0).abs() < 0.03, "{mean}");
    }
}
