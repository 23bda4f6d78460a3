//! zenbench as it is used: base and candidate are two functions of one program, interleaved in shuffled rounds.
//!
//! Its group settings have no flags, so two environment variables carry what `compare.py` was asked for: `GATES_SECONDS`,
//! the measuring time of both arms together, and `GATES_MARGIN`, the practical margin as a share. Unset is its default.

use std::time::Duration;

use gate_kernels::{Kernel, slowdown};
use zenbench::Suite;

fn setting(name: &str) -> Option<f64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn register(suite: &mut Suite) {
    for kernel in Kernel::ALL {
        suite.group(kernel.name(), |group| {
            if let Some(seconds) = setting("GATES_SECONDS") {
                // Its own early stop is off: it is given every second the other gates have.
                let config = group.config().auto_rounds(false).max_rounds(1_000_000);
                config.max_time(Duration::from_secs_f64(seconds));
            }
            if let Some(margin) = setting("GATES_MARGIN") {
                group.config().noise_threshold(margin);
            }
            for (arm, extra) in [("base", 0.0), ("candidate", slowdown())] {
                // Prepared at the first call, since every group is registered and only the asked-for one runs.
                let mut call = None;
                group.bench(arm, move |bencher| {
                    bencher.iter(call.get_or_insert_with(|| kernel.prepare(extra)))
                });
            }
            group.baseline("base");
        });
    }
}

zenbench::main!(register);
