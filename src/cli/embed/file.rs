//! `perfkit embed --input`: a file embedded for real.

use std::num::NonZeroUsize;

use super::{Args, MOST_ADAPTIVE};
use crate::cli::progress::{bytes_bar, stop_on_interrupt};
use crate::cli::{Context, Exit};
use crate::engines::Order;
use crate::engines::quantized::OutputPrecision;
use crate::machine::{Source, detect};
use crate::session::embed::{EmbedFile, FileReport, embed_file};
use crate::session::settings::load_here;
use crate::units;

/// Embeds the texts of a file into another.
pub(super) fn run(args: &Args, input: &str, output: &str, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        !(context.json && output == "-"),
        "--json prints one document and --output - prints the embeddings: choose one of them for stdout"
    );
    let settings = load_here()?.embed;
    let batch = match args.batches.as_slice() {
        // The most; the limits choose.
        [] if args.adaptive => NonZeroUsize::MIN.saturating_add(MOST_ADAPTIVE - 1),
        [] => args.usual_batch(&settings),
        [batch] => *batch,
        _ => anyhow::bail!("--input takes one --batch"),
    };
    let [precision] = args.precisions(&settings)[..] else { anyhow::bail!("--input takes one --precision") };
    let output_precision = match args.output_precisions.as_slice() {
        [] => OutputPrecision::F32,
        [one] => *one,
        _ => anyhow::bail!("--input takes one --output-precision"),
    };
    let [engine] = args.engines.as_slice() else { anyhow::bail!("--input takes one --engine") };
    anyhow::ensure!(
        engine != "all",
        "--input takes one --engine: all is for measuring them beside one another"
    );
    let (threads, crowded) = args.threads(detect(Source::Live).limits.effective_cpus, &settings);
    for note in args.settings_notes(&settings).iter().chain(&crowded) {
        context.note(note);
    }
    let request = EmbedFile {
        model: args.model.clone(),
        engine: engine.clone(),
        precision,
        dimensions: args.dimensions,
        prompt: args.prompt.clone(),
        tier: args.tier,
        threads,
        adaptive: args.adaptive_limits(),
        streaming: args.streaming(batch, &settings)?,
        order: args.bucketing.or(settings.order).unwrap_or(Order::AsItComes),
        level: args.level(&settings),
        part_tokens: args.part_tokens(&settings),
        output_precision,
        cache_bytes: args.cache.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        trace: args.trace.clone(),
        input: input.to_owned(),
        output: output.to_owned(),
    };
    let stop = stop_on_interrupt();
    let bar = bytes_bar(context);
    let mut progress = |report: &FileReport| {
        if let Some(total) = report.bytes_total {
            bar.set_length(total);
        }
        bar.set_position(report.bytes_read);
        bar.set_message(format!("{} texts", units::count(report.texts)));
    };
    let report = embed_file(&request, &mut *context.out, &mut progress, &stop);
    bar.finish_and_clear();
    let report = report?;
    if let (Some(adapted), Some(limits)) = (&report.adapted, args.adaptive_limits()) {
        context.note(&adapted.sentence(limits));
    }
    finish(&report, output, context)
}

fn finish(report: &FileReport, output: &str, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    for note in &report.notes {
        context.note(note);
    }
    if let Some(share) = report.cache_hit_share {
        context.note(&format!("cache: {} of the texts were known", units::percent(share)));
    }
    if report.interrupted {
        let left = match output {
            "-" => "the vectors of those that follow were not written".to_owned(),
            file => format!("{file} was not written"),
        };
        context.note(&format!("interrupted after {} texts: {left}", units::count(report.texts)));
        return Ok(Exit::Interrupted);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts shown with three digits")]
    let rate = |count: u64| count as f64 / report.seconds.max(1e-9);
    if context.json {
        let document = serde_json::json!({
            "schema": "perfkit.embedding/1",
            "texts": report.texts,
            "tokens": report.tokens,
            "seconds": report.seconds,
            "adapted": report.adapted.map(|adapted| serde_json::json!({
                "batches": adapted.batches,
                "batches_in_time": adapted.in_time,
                "smallest_batch": adapted.smallest,
                "largest_batch": adapted.largest,
                "last_batch": adapted.last,
                "batches_beyond_memory": adapted.beyond_memory,
            })),
            "most_texts_held": report.most_texts_held,
            "cache_hit_share": report.cache_hit_share,
            "notes": report.notes,
        });
        writeln!(context.out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        context.note(&format!(
            "{} texts, {} tokens in {} ({}, {}) to {output}",
            units::count(report.texts),
            units::count(report.tokens),
            units::seconds(report.seconds),
            units::rate(rate(report.texts), "embeddings/s"),
            units::rate(rate(report.tokens), "tokens/s"),
        ));
    }
    Ok(Exit::Fine)
}
