//! tango as it is used: the candidate's program is handed the base's and runs both at once.

use gate_kernels::{Kernel, slowdown};
use tango_bench::{IntoBenchmarks, benchmark_fn, tango_benchmarks};

fn benchmarks() -> impl IntoBenchmarks {
    Kernel::ALL
        .map(|kernel| benchmark_fn(kernel.name(), move |bencher| bencher.iter(kernel.prepare(slowdown()))))
}

tango_benchmarks!(benchmarks());
