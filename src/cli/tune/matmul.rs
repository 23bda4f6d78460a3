//! `perfkit tune matmul`.

use std::num::NonZeroUsize;

use super::super::{Context, Exit};
use super::{Drawing, finish, parse_threads};
use crate::machine::{Source, detect};
use crate::session::random_seed;
use crate::session::tune::matmul::{MatmulPlan, tune_matmul};

/// Which strategy of a matrix product is faster from which size on, kept for the kernels of this machine
///
/// Square products in single precision, straight from both operands, packing one on the way, packed before, and on all
/// threads, in turn. What is learned is kept in the cache for this machine and this version; `bench` uses it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit tune matmul\n  perfkit tune matmul --sizes 64,128,256 --threads 1 --dry-run --json"
)]
pub(super) struct MatmulArgs {
    /// Rows and columns of the products
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "8,16,32,64,96,128,192,256,384,512,768,1024,1536,2048", value_parser = size)]
    sizes: Vec<usize>,
    /// Threads of the parallel strategy [default: all]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
    /// Do not keep what is found
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    drawing: Drawing,
}

fn size(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|size| (1..=8192).contains(size))
        .ok_or_else(|| "a number from 1 to 8192".to_owned())
}

/// Searches and prints.
pub(super) fn run(args: &MatmulArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let machine = detect(Source::Live);
    let mut sizes = args.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let all = NonZeroUsize::new(machine.limits.effective_cpus).unwrap_or(NonZeroUsize::MIN);
    let plan = MatmulPlan {
        sizes,
        threads: args.threads.unwrap_or(all),
        seed: random_seed(),
        // What an unoptimised build finds is no good to anybody.
        keep: !args.dry_run && !cfg!(debug_assertions),
    };
    let search = |observer: &mut dyn crate::session::Observer, stop: &crate::session::Stop| {
        tune_matmul(&plan, &machine, observer, stop)
    };
    let tuning = finish(search, &args.drawing, context)?;
    Ok(if tuning.interrupted { Exit::Interrupted } else { Exit::Fine })
}
