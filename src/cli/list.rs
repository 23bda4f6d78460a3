//! `perfkit list`.

use serde_json::json;

use super::{Context, Exit};
use crate::catalog::{self, Benchmark, Extensiveness, Implementation};
use crate::document::{CasePattern, Machine};
use crate::machine::{Source, detect};

/// What can be measured here
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit list                      every benchmark\n  perfkit list matmul similarity    two families\n  perfkit list 'pool/*' --json      for scripts"
)]
pub(super) struct Args {
    /// Families, benchmarks, or globs over their names
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let machine = detect(Source::Live);
    let patterns: Vec<CasePattern> =
        args.filters.iter().map(|filter| CasePattern::new(filter)).collect::<Result<_, _>>()?;
    let wanted = |b: &&dyn Benchmark| {
        let below = format!("{}/", b.id());
        patterns.is_empty() || patterns.iter().any(|p| p.matches_text(b.id()) || p.matches_text(&below))
    };
    let found: Vec<&dyn Benchmark> = catalog::benchmarks().filter(wanted).collect();
    if found.is_empty() {
        let families: Vec<&str> = catalog::FAMILIES.iter().map(|f| f.name).collect();
        anyhow::bail!("nothing matches {}; the families are {}", args.filters.join(" "), families.join(", "));
    }
    if context.json {
        let all: Vec<_> = found.iter().map(|b| as_json(*b, &machine)).collect();
        let text =
            serde_json::to_string_pretty(&json!({ "schema": "perfkit.catalog/1", "benchmarks": all }))?;
        writeln!(context.out, "{text}")?;
        return Ok(Exit::Fine);
    }
    for family in catalog::FAMILIES {
        let of_family: Vec<_> =
            found.iter().filter(|b| b.id().split('/').next() == Some(family.name)).collect();
        if of_family.is_empty() {
            continue;
        }
        writeln!(context.out, "{} - {}", family.name, family.about)?;
        for benchmark in of_family {
            write_one(*benchmark, &machine, context)?;
        }
        writeln!(context.out)?;
    }
    Ok(Exit::Fine)
}

fn write_one(benchmark: &dyn Benchmark, machine: &Machine, context: &mut Context<'_>) -> std::io::Result<()> {
    writeln!(context.out, "  {}: {}", benchmark.id(), benchmark.card().about)?;
    writeln!(context.out, "      cost    {}", benchmark.card().formula)?;
    let shapes = benchmark.shapes(machine, Extensiveness::Default);
    let shapes: Vec<String> = shapes.iter().map(ToString::to_string).collect();
    writeln!(context.out, "      shapes  {}", shapes.join(" "))?;
    for implementation in benchmark.card().implementations {
        writeln!(
            context.out,
            "      {:<12} {}  {}",
            implementation.name,
            tiers_text(implementation),
            implementation.about
        )?;
    }
    Ok(())
}

/// The tiers here, and those that are absent in parentheses.
fn tiers_text(implementation: &Implementation) -> String {
    let (here, absent): (Vec<_>, Vec<_>) = implementation.tiers.iter().partition(|tier| tier.is_available());
    let words = |tiers: &[&crate::simd::Tier]| tiers.iter().map(|t| t.name()).collect::<Vec<_>>().join(" ");
    match (here.is_empty(), absent.is_empty()) {
        (_, true) => words(&here),
        (true, false) => format!("(not on this CPU: {})", words(&absent)),
        (false, false) => format!("{} (not on this CPU: {})", words(&here), words(&absent)),
    }
}

fn as_json(benchmark: &dyn Benchmark, machine: &Machine) -> serde_json::Value {
    let implementations: Vec<_> = benchmark
        .card().implementations
        .iter()
        .map(|i| {
            let (here, absent): (Vec<&crate::simd::Tier>, Vec<&crate::simd::Tier>) =
                i.tiers.iter().partition(|tier| tier.is_available());
            let skipped: Vec<_> = absent
                .iter()
                .map(|tier| json!({ "tier": tier.name(), "why": crate::simd::TierUnavailable(**tier).to_string() }))
                .collect();
            let here: Vec<_> = here.iter().map(|tier| tier.name()).collect();
            json!({
                "name": i.name,
                "about": i.about,
                "parallel": i.threads == catalog::Threading::Parallel,
                "tiers": here,
                "skipped": skipped,
            })
        })
        .collect();
    let shapes: Vec<String> =
        benchmark.shapes(machine, Extensiveness::Full).iter().map(ToString::to_string).collect();
    json!({
        "id": benchmark.id(),
        "about": benchmark.card().about,
        "cost": benchmark.card().formula,
        "shapes": shapes,
        "implementations": implementations,
    })
}
