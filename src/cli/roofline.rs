//! `perfkit roofline`.

mod analytic;

use std::path::PathBuf;

use anyhow::Context as _;

use analytic::AnalyticArgs;

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::catalog::Extensiveness;
use crate::document::{Document, read_document, write_atomically};
use crate::machine::{Source, detect};
use crate::measure::Plan;
use crate::render;
use crate::session::bench::{Request, Roofs, bench};
use crate::session::selection::Selection;
use crate::session::{Beginning, random_seed};

/// Ceilings, and every measured kernel placed under them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit roofline                                      measure (about a minute) and place\n  perfkit roofline --from reports/latest/results.json --svg roofline.svg --png roofline.png\n  perfkit roofline --analytic mol --pq 8 --px 8 --d 32 --gate-hidden 128 --batch 32 --items 1000 --profile h100\n  perfkit roofline --analytic encoder --batch 8 --precision f32 --from results.json"
)]
pub(super) struct Args {
    /// A document measured before, instead of measuring now
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Draw to this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw to this PNG file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    #[command(flatten)]
    analytic: AnalyticArgs,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    if args.analytic.analytic.is_some() {
        return count(args, context);
    }
    let (document, interrupted) = match &args.from {
        Some(path) => (read_document(path)?, false),
        None => measure(context)?,
    };
    let figure = render::figure::roofline(&document);
    draw(args, &figure)?;
    if context.json {
        let text = serde_json::to_string_pretty(&render::json::with_derived(&document)?)?;
        writeln!(context.out, "{text}")?;
    } else {
        let width = super::output::width();
        write!(context.out, "{}", render::terminal::ceilings(&document, context.color, width))?;
        write!(context.out, "{}", render::terminal::kernels(&document, context.color, width))?;
        for (case, why) in crate::analysis::roofline::rejected_ceilings(&document) {
            writeln!(context.out, "withheld: {case}: {why}")?;
        }
    }
    Ok(if interrupted { Exit::Interrupted } else { Exit::Fine })
}

/// What some work costs, under the roofs of a document or of data sheets.
fn count(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let measured = args.from.as_deref().map(read_document).transpose()?;
    let analytic = args.analytic.count(measured.as_ref())?.context("no work is named")?;
    draw(args, &render::figure::analytic(&analytic))?;
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(&analytic)?)?;
    } else {
        let page = render::page::analytic_page(&analytic);
        write!(context.out, "{}", render::terminal::page(&page, context.color, super::output::width()))?;
    }
    Ok(Exit::Fine)
}

fn draw(args: &Args, figure: &render::figure::Figure) -> anyhow::Result<()> {
    if let Some(path) = &args.svg {
        write(path, figure.to_svg()?.as_bytes())?;
    }
    if let Some(path) = &args.png {
        write(path, &figure.to_png()?)?;
    }
    Ok(())
}

fn write(path: &std::path::Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn measure(context: &Context<'_>) -> anyhow::Result<(Document, bool)> {
    context.warn_if_unoptimised();
    let machine = detect(Source::Live);
    let request = Request {
        selection: Selection::usual(&machine, Extensiveness::Quick),
        plan: Plan::QUICK,
        roofs: Roofs::Needed,
        cpus: None,
        beginning: Beginning { command: "roofline".to_owned(), seed: random_seed(), ..Beginning::default() },
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = bench(&request, machine, &stop, &mut progress);
    progress.finish();
    Ok((answer?, stop.requested()))
}
