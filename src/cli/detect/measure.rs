//! What `detect --measure` times: the core clock alone and under load, and the latency of loads by footprint. They run as
//! cases of the catalog.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::loaded_clock;
use crate::analysis::latency::confirm_caches;
use crate::catalog::{self, Resources};
use crate::cli::Context;
use crate::document::{Case, Confidence, FactSource, LoadedClock, Machine, ParseCaseError, Unknown};
use crate::sys::clock::{as_seconds, monotonic_nanoseconds};

/// Fills what is measured, or says why it is not.
pub(super) fn measure(machine: &mut Machine, context: &Context<'_>) {
    let shared = Arc::new(machine.clone());
    context.note("measuring the core clock, alone and under load ...");
    clocks(machine, &loaded_clock::measure(&shared), context);
    context.note("measuring the latency of loads by footprint ...");
    match latencies(&shared) {
        Ok(points) => {
            let knees = confirm_caches(machine, &points);
            for (index, knee) in knees.iter().enumerate() {
                let missing = [
                    ("fits_bytes", knee.fits_bytes.is_none()),
                    ("spills_bytes", knee.spills_bytes.is_none()),
                    ("seconds", knee.seconds.is_none()),
                    ("beyond_seconds", knee.beyond_seconds.is_none()),
                    ("agrees", knee.agrees.is_none()),
                ];
                for (field, _) in missing.iter().filter(|(_, missing)| *missing) {
                    unknown(machine, &format!("cpu.knees[{index}].{field}"), knee.detail.clone());
                }
            }
            machine.cpu.knees = Some(knees);
            known(machine, "cpu.knees");
        }
        Err(reason) => unknown(machine, "cpu.knees", reason),
    }
}

/// The clocks under load; that of one core at scalar work, which is the chain itself, is the core's clock.
fn clocks(machine: &mut Machine, loaded: &[LoadedClock], context: &Context<'_>) {
    let own = loaded.iter().find(|clock| clock.load == "scalar" && clock.cores == 1);
    match own.map(|clock| (clock.hertz, clock.why.clone())) {
        Some((Some(hertz), _)) => {
            machine.cpu.frequency.measured_hertz = Some(hertz);
            known(machine, "cpu.frequency.measured_hertz");
        }
        silent => {
            let reason = silent.and_then(|silent| silent.1).unwrap_or_else(|| "no core was asked".to_owned());
            context.note(&format!("the core clock was not measured: {reason}"));
            unknown(machine, "cpu.frequency.measured_hertz", reason);
        }
    }
    known(machine, "cpu.frequency.under_load");
    for (index, clock) in loaded.iter().enumerate() {
        let missing = [
            ("hertz", clock.hertz.is_none()),
            ("low_hertz", clock.low_hertz.is_none()),
            ("against_scalar", clock.against_scalar.is_none()),
            ("second_chain", clock.second_chain.is_none()),
            ("cpu_share", clock.cpu_share.is_none()),
        ];
        let why = clock.why.clone().unwrap_or_else(|| "there was no scalar load to compare with".to_owned());
        for (field, _) in missing.iter().filter(|(_, missing)| *missing) {
            unknown(machine, &format!("cpu.frequency.under_load[{index}].{field}"), why.clone());
        }
    }
    machine.cpu.frequency.under_load = Some(loaded.to_vec());
}

fn known(machine: &mut Machine, field: &str) {
    machine.unknown.retain(|unknown| unknown.field != field);
    let (field, source) = (field.to_owned(), "measured".to_owned());
    machine.sources.push(FactSource { field, source, confidence: Confidence::Measured });
}

fn unknown(machine: &mut Machine, field: &str, reason: String) {
    machine.unknown.retain(|unknown| unknown.field != field);
    machine.unknown.push(Unknown { field: field.to_owned(), reason });
}

/// Seconds of a load by footprint: powers of two and the sizes half-way between, up to twice the largest cache.
fn latencies(machine: &Arc<Machine>) -> Result<Vec<(u64, f64)>, String> {
    const LEAST: u64 = 8 << 10;
    const MOST: u64 = 1 << 30;
    let largest_cache = (1..=4).filter_map(|level| machine.cache_bytes(level)).max().unwrap_or(32 << 20);
    let memory = machine.limits.memory_limit_bytes.or(machine.memory.total_bytes).unwrap_or(MOST);
    let largest = largest_cache.saturating_mul(2).max(64 << 20).min(memory / 8).min(MOST);
    let ladder = std::iter::successors(Some(LEAST), |bytes| bytes.checked_mul(2));
    let footprints = ladder.flat_map(|bytes| [bytes, bytes / 2 * 3]).take_while(|&bytes| bytes <= largest);
    footprints.map(|bytes| Ok((bytes, latency(machine, bytes)?))).collect()
}

/// The seconds of one load: the fastest of several runs after one walk through the whole footprint.
fn latency(machine: &Arc<Machine>, bytes: u64) -> Result<f64, String> {
    const RUNS: usize = 9;
    const LINE: u64 = 64;
    let case: Case = format!("latency/chase-u64/huge-pages@baseline/{bytes}/t1")
        .parse()
        .map_err(|error: ParseCaseError| error.to_string())?;
    let benchmark = catalog::find(&case.benchmark).ok_or("the catalog has no chase along pointers")?;
    let resources = Resources::new(NonZeroUsize::MIN, 1, machine).map_err(|error| error.to_string())?;
    let mut workload = benchmark.prepare(&case, &resources).map_err(|error| error.to_string())?;
    let loads = workload.facts().extra.get("loads").copied().ok_or("the chase does not know its loads")?;
    #[expect(clippy::cast_precision_loss, reason = "lines of at most a gigabyte")]
    let walks = ((bytes / LINE) as f64 / loads).ceil();
    let mut done = 0.0;
    while done < walks {
        workload.run();
        done += 1.0;
    }
    let run = |_| {
        let start = monotonic_nanoseconds();
        workload.run();
        as_seconds(monotonic_nanoseconds().saturating_sub(start)) / loads
    };
    (0..RUNS).map(run).min_by(f64::total_cmp).ok_or_else(|| "nothing was timed".to_owned())
}
