//! Whether the strategy that is chosen for a product by an unpacked matrix is the faster one, size by size: every size
//! from 8 to 64, powers of two to 2048 and their neighbours, and fifty drawn by a seed.
//!
//! Both take turns in one process; of each the fastest time counts. What is printed is the time of the chosen one over
//! that of the faster. `cargo bench --bench strategy [SECONDS A SIZE]`.

use std::hint::black_box;
use std::io::{self, Write};

use perfkit::catalog::gemm_crossover;
use perfkit::kernels::matmul::{Layout, PackedMatrix, Strategy, Unpacked, gemm_unpacked};
use perfkit::simd::Tier;
use perfkit::sys::{Rng, Team, clock};
use perfkit::tensor::AlignedBuffer;

const SEED: u64 = 20_240_229;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.1);
    let tier = Tier::best_f32();
    let crossover = gemm_crossover(tier).expect("this CPU has its best tier");
    writeln!(out, "{tier}: rows from which packing pays: {crossover:?}")?;
    let mut behind = Vec::new();
    let shapes = shapes();
    for shape in &shapes {
        let ratio = measure(tier, *shape, crossover.choose(shape[0], &unpacked(&[], *shape)), seconds);
        let [m, k, n] = shape;
        writeln!(out, "{m:>5}x{k}x{n}: {ratio:.3}")?;
        if ratio > 1.03 {
            behind.push((ratio, *shape));
        }
    }
    behind.sort_by(|a, b| b.0.total_cmp(&a.0));
    writeln!(out, "{} of {} sizes more than 3 % behind the faster strategy", behind.len(), shapes.len())?;
    for (ratio, shape) in behind {
        writeln!(out, "  {shape:?}: {ratio:.3}")?;
    }
    Ok(())
}

fn shapes() -> Vec<[usize; 3]> {
    let powers = [128, 256, 512, 1024, 2048].into_iter().flat_map(|n| [n - 1, n, n + 1]);
    let mut rng = Rng::new(SEED);
    let mut drawn = |most: u64| usize::try_from(rng.next_u64() % most + 1).unwrap_or(1);
    let fifty: Vec<_> = (0..50).map(|_| [drawn(1024), drawn(1536), drawn(1536)]).collect();
    (8..=64).chain(powers).map(|n| [n, n, n]).chain(fifty).collect()
}

fn unpacked(values: &[f32], [_, k, n]: [usize; 3]) -> Unpacked<'_> {
    Unpacked { values, k, n, layout: Layout::KxN }
}

fn measure(tier: Tier, shape: [usize; 3], chosen: Strategy, seconds: f64) -> f64 {
    let [m, k, n] = shape;
    let numbers = |len: usize, seed| {
        let mut rng = Rng::new(seed);
        AlignedBuffer::from_fn(len, |_| rng.uniform_f32(0.1, 1.0))
    };
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
    let mut c = AlignedBuffer::<f32>::zeroed(m * n);
    let mut scratch = PackedMatrix::empty(tier).expect("this CPU has its best tier");
    let team = Team::single();
    let runs = (2_000_000 / (m * k * n)).max(1);
    let mut best = [u64::MAX; 2];
    let start = clock::monotonic_nanoseconds();
    let mut round = 0;
    while round < 3 || elapsed(start) < seconds {
        for (best, strategy) in best.iter_mut().zip([Strategy::Direct, Strategy::Packing]) {
            let start = clock::thread_cpu_nanoseconds();
            for _ in 0..runs {
                gemm_unpacked(&team, strategy, black_box(&a), m, unpacked(&b, shape), &mut scratch, &mut c);
            }
            *best = clock::thread_cpu_nanoseconds().saturating_sub(start).min(*best);
        }
        round += 1;
    }
    black_box(&c);
    let [direct, packing] = best.map(|nanoseconds| nanoseconds as f64);
    let chosen = if chosen == Strategy::Direct { direct } else { packing };
    chosen / direct.min(packing)
}

fn elapsed(start: u64) -> f64 {
    (clock::monotonic_nanoseconds() - start) as f64 / 1e9
}
