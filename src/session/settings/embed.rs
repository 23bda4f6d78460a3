//! `[embed]`: how `embed` runs where its flags do not say; `tune embed` writes it, everything else in the file stays as it
//! is, comments too.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::document::{EmbedSettings, write_atomically};
use crate::engines::presets::{Level, Preset};
use crate::engines::{Order, Precision};

/// The section.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EmbedDefaults {
    /// The precision.
    pub precision: Option<Precision>,
    /// Threads.
    pub threads: Option<NonZeroUsize>,
    /// Texts of a batch of `--input`.
    pub batch: Option<NonZeroUsize>,
    /// The order in which texts of `--input` come into batches.
    pub order: Option<Order>,
    /// Tokens that go through the layers together.
    pub part_tokens: Option<NonZeroUsize>,
    /// The optimization level.
    pub level: Option<Level>,
    /// The preset, which says what the others leave open.
    pub preset: Option<&'static Preset>,
}

/// What the file holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EmbedFile {
    precision: Option<String>,
    threads: Option<NonZeroUsize>,
    batch: Option<NonZeroUsize>,
    bucketing: Option<String>,
    part_tokens: Option<NonZeroUsize>,
    optimization: Option<String>,
    preset: Option<String>,
}

impl EmbedFile {
    pub(super) fn read(self) -> anyhow::Result<EmbedDefaults> {
        let most = |name: &str, count: Option<NonZeroUsize>, most: usize| {
            let fits = count.is_none_or(|count| count.get() <= most);
            ensure!(fits, "{name} of [embed] lies between 1 and {most}");
            Ok(count)
        };
        Ok(EmbedDefaults {
            precision: self.precision.map(|name| name.parse()).transpose().context("precision of [embed]")?,
            threads: most("threads", self.threads, 4096)?,
            batch: most("batch", self.batch, 1 << 16)?,
            order: self.bucketing.map(|name| name.parse()).transpose().context("bucketing of [embed]")?,
            part_tokens: most("part_tokens", self.part_tokens, 1 << 20)?,
            level: self
                .optimization
                .map(|name| name.parse())
                .transpose()
                .context("optimization of [embed]")?,
            preset: self.preset.map(|name| Preset::named(&name)).transpose().context("preset of [embed]")?,
        })
    }
}

/// Writes `[embed]` into the settings file at `path`, which need not exist.
///
/// # Errors
/// The file is not TOML, its `embed` is no table, or it cannot be written.
pub fn write_embed(path: &Path, settings: &EmbedSettings) -> anyhow::Result<()> {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    let text = with_embed(&text, settings).with_context(|| format!("in {shown}"))?;
    write_atomically(path, text.as_bytes()).with_context(|| format!("cannot write {shown}"))
}

fn with_embed(text: &str, settings: &EmbedSettings) -> anyhow::Result<String> {
    let mut file: DocumentMut = text.parse()?;
    let table = file.entry("embed").or_insert_with(|| Item::Table(Table::new()));
    let table = table.as_table_like_mut().context("embed is not a table")?;
    let count = |count: usize| value(i64::try_from(count).unwrap_or(i64::MAX));
    let order = if settings.by_length { Order::Sorted } else { Order::AsItComes };
    for (name, item) in [
        ("threads", Some(count(settings.threads))),
        ("batch", Some(count(settings.batch))),
        ("precision", Some(value(&*settings.precision))),
        ("bucketing", Some(value(order.name()))),
        ("optimization", Some(value(&*settings.optimization))),
        ("part_tokens", settings.part_tokens.map(count)),
        ("preset", settings.preset.as_deref().map(value)),
    ] {
        let Some(item) = item else {
            // What an earlier choice set would change this one.
            table.remove(name);
            continue;
        };
        match table.get_mut(name).and_then(Item::as_value_mut) {
            // What stands beside the old value, such as a comment, stands beside the new one.
            Some(old) => {
                let decor = old.decor().clone();
                if let Item::Value(mut new) = item {
                    *new.decor_mut() = decor;
                    *old = new;
                }
            }
            None => {
                table.insert(name, item);
            }
        }
    }
    Ok(file.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_wrote_stays_beside_what_is_written() {
        let text = "# mine\n[regress] # tight\nmax_regression = 0.02\n\n[embed]\n# why\nbatch = 8 # small\n";
        let settings = EmbedSettings {
            precision: "bf16".to_owned(),
            threads: 2,
            batch: 16,
            part_tokens: Some(256),
            preset: Some("memory".to_owned()),
            ..EmbedSettings::default()
        };
        let written = with_embed(text, &settings).unwrap();
        for kept in [
            "# mine",
            "[regress] # tight",
            "# why\nbatch = 16 # small",
            "threads = 2",
            "\"bf16\"",
            "bucketing = \"none\"",
            "part_tokens = 256",
            "preset = \"memory\"",
        ] {
            assert!(written.contains(kept), "{kept:?} in {written}");
        }
        assert_eq!(with_embed(&written, &settings).unwrap(), written);
        let other = EmbedSettings { part_tokens: None, preset: None, ..settings.clone() };
        let other = with_embed(&written, &other).unwrap();
        assert!(!other.contains("part_tokens") && !other.contains("preset"), "{other}");
        let fresh = with_embed("", &settings).unwrap();
        assert!(fresh.starts_with("[embed]\n"), "{fresh}");
        assert!(with_embed("embed = 3", &settings).is_err());
        assert!(with_embed("[", &settings).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(crate::session::settings::FILE_NAME);
        let settings = EmbedSettings {
            precision: "int8".to_owned(),
            threads: 3,
            batch: 5,
            by_length: true,
            optimization: "basic".to_owned(),
            part_tokens: Some(100),
            preset: Some("latency".to_owned()),
        };
        write_embed(&path, &settings).unwrap();
        let read = crate::session::settings::load(folder.path()).unwrap().embed;
        let count = NonZeroUsize::new;
        let wanted = EmbedDefaults {
            precision: Some(Precision::Int8),
            threads: count(3),
            batch: count(5),
            order: Some(Order::Sorted),
            part_tokens: count(100),
            level: Some(Level::Basic),
            preset: Preset::named("latency").ok(),
        };
        assert_eq!(read, wanted);
        for wrong in [
            "precision = \"f8\"",
            "threads = 0",
            "batch = 100000",
            "color = 1",
            "bucketing = \"size\"",
            "part_tokens = 0",
            "optimization = \"most\"",
            "preset = \"speed\"",
        ] {
            std::fs::write(&path, format!("[embed]\n{wrong}\n")).unwrap();
            assert!(crate::session::settings::load(folder.path()).is_err(), "{wrong}");
        }
    }
}
