//! criterion as it is used: one program, run at the base and again at the candidate.

use criterion::Criterion;
use gate_kernels::{Kernel, slowdown};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for kernel in Kernel::ALL {
        criterion.bench_function(kernel.name(), |bencher| bencher.iter(kernel.prepare(slowdown())));
    }
    criterion.final_summary();
}
