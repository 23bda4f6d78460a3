//! How much slower kernels are on denormal numbers, infinities, what is not a number, and zeros than on ordinary numbers.
//!
//! ```sh
//! cargo run --release --example extremes            # on the best tier
//! cargo run --release --example extremes -- avx2
//! ```
//!
//! The contents take turns, so that what drifts on the host falls on all of them; each figure is the least of all turns.

use std::io::Write;
use std::process::ExitCode;

use perfkit::kernels::similarity::{Bf16, F32, Measure, rows_of};
use perfkit::kernels::{norm, normalize};
use perfkit::simd::{Tier, TierUnavailable, f32_to_bf16};
use perfkit::sys::{Clock, Monotonic, Rng};

const WIDTH: usize = 384;
/// 600 KiB: beyond L1, within L2.
const ROWS: usize = 400;
const TURNS: usize = 60;
/// A kernel of less than microseconds is repeated.
const RUNS: usize = 4;

/// A number from an ordinary one.
type Content = fn(f32) -> f32;

/// What an array is filled with.
const CONTENTS: [(&str, Content); 6] = [
    ("ordinary", |x| x),
    ("denormal", |x| x * 1e-39),
    ("some denormal", |x| if x.abs() < 0.1 { x * 1e-39 } else { x }),
    ("infinite", |x| x * f32::INFINITY),
    ("not a number", |_| f32::NAN),
    ("zero", |_| 0.0),
];

type Answer = Result<(), TierUnavailable>;
/// A kernel over a table, and one row of ordinary numbers.
type Kernel = fn(Tier, &[f32], &[f32], &mut [f32]) -> Answer;

const KERNELS: [(&str, Kernel); 6] = [
    ("dot scan", |tier, row, table, out| rows_of::<F32>(tier, Measure::Dot, row, table, &mut out[..ROWS])),
    ("squared L2 scan", |tier, row, table, out| {
        rows_of::<F32>(tier, Measure::SquaredL2, row, table, &mut out[..ROWS])
    }),
    ("cosine scan", |tier, row, table, out| {
        rows_of::<F32>(tier, Measure::Cosine, row, table, &mut out[..ROWS])
    }),
    ("L2 normalise", |tier, _, table, out| normalize::l2_into(tier, table, WIDTH, out)),
    ("LayerNorm", |tier, row, table, out| norm::layer_norm(tier, table, None, row, row, 1e-12, out)),
    ("RMSNorm", |tier, row, table, out| norm::rms_norm(tier, table, None, row, 1e-12, out)),
];

fn main() -> ExitCode {
    let named = std::env::args().nth(1).map_or(Ok(Tier::best_f32()), |name| name.parse());
    let told =
        named.map_err(|error| error.to_string()).and_then(|tier| compare(tier).map_err(|e| e.to_string()));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(tier: Tier) -> std::io::Result<()> {
    let mut rng = Rng::new(1);
    let mut numbers = |len: usize| -> Vec<f32> { (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect() };
    let (row, ordinary) = (numbers(WIDTH), numbers(ROWS * WIDTH));
    let tables = CONTENTS.map(|(_, content)| ordinary.iter().map(|&x| content(x)).collect::<Vec<f32>>());
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{tier}, {ROWS} rows of {WIDTH}: the time of ordinary numbers, and the others' as a multiple of it"
    )?;
    for (name, kernel) in KERNELS {
        let mut out = vec![0.0; ROWS * WIDTH];
        let least = least(
            tables.each_ref().map(|table| {
                let row = &row;
                move |out: &mut [f32]| kernel(tier, row, table, out)
            }),
            &mut out,
        );
        report(&mut stdout, name, least)?;
    }
    let narrow = tables.each_ref().map(|table| table.iter().map(|&x| f32_to_bf16(x)).collect::<Vec<u16>>());
    let query: Vec<u16> = row.iter().map(|&x| f32_to_bf16(x)).collect();
    let mut out = vec![0.0; ROWS];
    let least = least(
        narrow.each_ref().map(|table| {
            let query = &query;
            move |out: &mut [f32]| rows_of::<Bf16>(tier, Measure::Dot, query, table, out)
        }),
        &mut out,
    );
    report(&mut stdout, "dot scan of bfloat16", least)
}

/// The least nanoseconds of a run of each, which take turns; infinite where the CPU lacks the tier.
fn least<const N: usize>(runs: [impl Fn(&mut [f32]) -> Answer; N], out: &mut [f32]) -> [f64; N] {
    let clock = Monotonic::new();
    let mut least = [f64::INFINITY; N];
    for _ in 0..TURNS {
        for (run, least) in runs.iter().zip(&mut least) {
            let begun = clock.now();
            let done = (0..RUNS).all(|_| run(out).is_ok());
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a short run")]
            let taken = (clock.now() - begun) as f64 / RUNS as f64;
            *least = if done { least.min(taken) } else { f64::INFINITY };
        }
    }
    least
}

fn report(stdout: &mut impl Write, name: &str, least: [f64; CONTENTS.len()]) -> std::io::Result<()> {
    let others = CONTENTS.iter().zip(least).skip(1);
    let ratios: Vec<String> =
        others.map(|((content, _), taken)| format!("{content} {:.2}", taken / least[0])).collect();
    writeln!(stdout, "{name:22} {:9.0} ns   {}", least[0], ratios.join("   "))
}
