//! `perfkit model`: fetch, list, inspect models, and clear what was kept.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::embed::values::parse_name;
use super::progress::bytes_bar;
use super::{Context, Exit};
use crate::engines::builtin::Preset;
use crate::engines::hub::{Hub, Watcher};
use crate::engines::{Model, ModelSource, Normalization};
use crate::units;

/// Obtain and look at models
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit model list\n  perfkit model fetch sentence-transformers/all-MiniLM-L6-v2\n  perfkit model inspect ./all-MiniLM-L6-v2\n  perfkit model clear-cache\n\nHF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Download a model from the hub into its cache, and check that it can be used
    Fetch {
        /// A hub id such as org/name
        #[arg(value_parser = parse_name::<ModelSource>)]
        model: ModelSource,
    },
    /// The built-in models, and those in the hub's cache
    List,
    /// What a model is: shape, pooling, length, number type
    Inspect {
        /// builtin:NAME, a folder, or a hub id
        #[arg(value_parser = parse_name::<ModelSource>)]
        model: ModelSource,
    },
    /// Delete what perfkit keeps in its own cache, or one model from the hub's
    ClearCache {
        /// A hub id: delete its files from the hub's cache, which other programs share
        #[arg(long, value_parser = parse_name::<ModelSource>)]
        model: Option<ModelSource>,
    },
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let document = match &args.command {
        Command::Fetch { model } => fetch(model, context)?,
        Command::List => list(context)?,
        Command::Inspect { model } => inspect(model, context)?,
        Command::ClearCache { model } => clear_cache(model.as_ref(), context)?,
    };
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(&document)?)?;
    }
    Ok(Exit::Fine)
}

/// Shows a download as a bar.
struct Bar(indicatif::ProgressBar);

impl Watcher for Bar {
    fn start(&mut self, file: &str, bytes: u64) {
        self.0.set_length(bytes);
        self.0.set_position(0);
        self.0.set_message(file.to_owned());
    }
    fn advance(&mut self, bytes: u64) {
        self.0.inc(bytes);
    }
}

fn fetch(source: &ModelSource, context: &mut Context<'_>) -> anyhow::Result<Value> {
    let ModelSource::Hub(id) = source else {
        anyhow::bail!("{source} needs no download; give a hub id such as org/name");
    };
    let mut bar = Bar(bytes_bar(context));
    let fetched = Hub::from_environment()?.fetch(id, &mut bar);
    bar.0.finish_and_clear();
    fetched?;
    // A model that was fetched but cannot be used is better known now.
    describe(source, &source.load()?, context)
}

fn inspect(source: &ModelSource, context: &mut Context<'_>) -> anyhow::Result<Value> {
    let model = source.load().with_context(|| format!("model {source}"))?;
    describe(source, &model, context)
}

fn describe(source: &ModelSource, model: &Model, context: &mut Context<'_>) -> anyhow::Result<Value> {
    let shape = &model.architecture;
    let normalized = model.normalization == Normalization::UnitLength;
    let document = json!({
        "schema": "perfkit.model/1",
        "name": source.name(),
        "slug": model.slug,
        "parameters": shape.parameters(),
        "layers": shape.layers,
        "hidden": shape.hidden,
        "heads": shape.heads,
        "intermediate": shape.intermediate,
        "vocabulary": shape.vocabulary,
        "max_tokens": model.tokenizer.max_tokens(),
        "family": format!("{:?}", shape.family).to_lowercase(),
        "prompts": model.prompts.prompts,
        "default_prompt": model.prompts.default_prompt_name,
        "pooling": format!("{:?}", model.pooling).to_lowercase(),
        "normalized": normalized,
        "stored_dtype": model.tensors.stored_dtype(),
        "notes": model.notes,
    });
    if !context.json {
        let rows = [
            ("model", source.to_string()),
            ("in case names", format!("embed/{}-f32", model.slug)),
            ("parameters", units::count(shape.parameters())),
            (
                "layers",
                format!(
                    "{} of {} ({} heads, {} inside)",
                    shape.layers, shape.hidden, shape.heads, shape.intermediate
                ),
            ),
            ("architecture", format!("{:?}", shape.family).to_lowercase()),
            ("vocabulary", units::count(shape.vocabulary as u64)),
            ("longest text", format!("{} tokens", model.tokenizer.max_tokens())),
            ("pooling", format!("{:?}{}", model.pooling, if normalized { ", to unit length" } else { "" })),
            ("stored as", model.tensors.stored_dtype().to_owned()),
            (
                "work",
                format!(
                    "{} a token of a 64-token text",
                    units::flops_per_second(shape.flops([64]) / 64.0).replace("FLOP/s", "FLOP")
                ),
            ),
        ];
        for (name, value) in rows {
            writeln!(context.out, "{name:>14}  {value}")?;
        }
        for (name, prompt) in &model.prompts.prompts {
            writeln!(context.out, "{:>14}  {name}: {prompt:?}", "prompt")?;
        }
        for note in &model.notes {
            writeln!(context.out, "{:>14}  {note}", "note")?;
        }
    }
    Ok(document)
}

fn list(context: &mut Context<'_>) -> anyhow::Result<Value> {
    let builtin: Vec<Value> = Preset::all()
        .map(|preset| {
            json!({ "model": format!("builtin:{}", preset.name()), "parameters": preset.architecture().parameters() })
        })
        .collect();
    let cached = Hub::from_environment()?.list();
    if !context.json {
        for preset in Preset::all() {
            let parameters = units::count(preset.architecture().parameters());
            writeln!(
                context.out,
                "{:<24} {parameters:>12} parameters, generated",
                format!("builtin:{}", preset.name())
            )?;
        }
        for id in &cached {
            writeln!(context.out, "{id:<24} in the hub's cache")?;
        }
    }
    Ok(json!({ "schema": "perfkit.models/1", "builtin": builtin, "cached": cached }))
}

fn clear_cache(model: Option<&ModelSource>, context: &mut Context<'_>) -> anyhow::Result<Value> {
    let removed = match model {
        Some(ModelSource::Hub(id)) => Hub::from_environment()?
            .remove(id)
            .with_context(|| format!("cannot delete {id} from the hub's cache"))?,
        Some(other) => anyhow::bail!("{other} is not in a cache; give a hub id such as org/name"),
        None => remove_own_cache()?,
    };
    if !context.json {
        writeln!(context.out, "{}", if removed { "deleted" } else { "nothing was kept" })?;
    }
    Ok(json!({ "schema": "perfkit.models/1", "deleted": removed }))
}

fn remove_own_cache() -> anyhow::Result<bool> {
    let folder = crate::session::cache::folder()?;
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot delete {}", folder.display())),
    }
}
