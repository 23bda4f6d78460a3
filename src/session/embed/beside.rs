//! What is asked for beside a batch's time: how the engine is set, what vectors in fewer bits find, and a trace.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Session;
use super::profile::Profile;
use super::trace::TraceFile;
use crate::catalog::EmbedBenchmark;
use crate::document::{Case, Measurement};
use crate::engines::presets::{Level, PackedWeights};
use crate::engines::quantized::OutputPrecision;
use crate::engines::recall::recall;
use crate::engines::{Engine, Stages, agreement};

/// Texts of a batch while vectors are collected.
const BATCH: usize = 32;
/// Batches that are traced, after one that warms up.
const TRACED: usize = 3;

/// How the engine is set, and what is told beside a batch's time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// What the engine does for speed.
    #[serde(with = "level")]
    pub level: Level,
    /// Tokens that go through the layers together; the level's if none are named.
    pub part_tokens: Option<NonZeroUsize>,
    /// Precisions whose recall is told. A fresh process that only measures memory has nothing to do with them.
    #[serde(skip)]
    pub output_precisions: Vec<OutputPrecision>,
    /// Where a trace goes.
    #[serde(skip)]
    pub trace: Option<PathBuf>,
    /// What the user asked for in one word, in full.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// A level by its name.
mod level {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Level;

    pub(super) fn serialize<S: Serializer>(level: &Level, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(level)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Level, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Beside {
    /// A benchmark as the level says.
    pub(super) fn tune(&self, benchmark: EmbedBenchmark) -> EmbedBenchmark {
        let row = self.level.row();
        let benchmark = benchmark.with_part_tokens(row.part_tokens(self.part_tokens));
        match row.packed {
            PackedWeights::Kept => benchmark,
            PackedWeights::MadeAnew => benchmark.with_cache(None),
        }
    }

    pub(super) fn trace_file(&self) -> anyhow::Result<Option<TraceFile>> {
        self.trace.as_deref().map(TraceFile::create).transpose()
    }
}

impl Session<'_> {
    /// What each output precision finds of the nearest neighbours in single precision, by the names of facts.
    pub(super) fn recall(&self, corpus: Option<&[String]>) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut facts = BTreeMap::new();
        let asked = &self.plan.beside.output_precisions;
        if asked.is_empty() {
            return Ok(facts);
        }
        let tier = self.tier();
        let mut engine = match self.benchmark.engine(tier, self.resources.team.clone()) {
            Ok(engine) => engine,
            // The cases are skipped with that reason.
            Err(_) => return Ok(facts),
        };
        let mut vectors = Vec::new();
        for batch in agreement::texts(self.model, corpus)?.chunks(BATCH) {
            vectors.extend(engine.embed(batch, &mut Stages::new())?.values);
        }
        for &precision in asked {
            let found = recall(tier.f32_tier(), &vectors, engine.dimensions(), precision)?;
            #[expect(clippy::cast_precision_loss, reason = "counts shown with a few digits")]
            facts.extend([
                (format!("output_{precision}_vector_bytes"), found.vector_bytes as f64),
                (format!("output_{precision}_texts"), found.texts as f64),
            ]);
            for found in found.found {
                facts.insert(format!("output_{precision}_recall_at_{}", found.depth), found.share);
                facts
                    .insert(format!("output_{precision}_rescored_recall_at_{}", found.depth), found.rescored);
            }
        }
        Ok(facts)
    }

    /// Adds what is asked for beside the time; traced batches are none of the timed ones.
    pub(super) fn tell_beside(&self, measurement: &mut Measurement) {
        measurement.facts.extend(self.recall.clone());
        measurement.notes.extend(self.plan.beside.notes.iter().cloned());
        let profile = self.profile(measurement).unwrap_or_else(|error| Profile {
            notes: vec![format!("what a batch costs besides its time is unknown: {error:#}")],
            ..Profile::default()
        });
        for profile in [&self.roofs, &profile] {
            measurement.facts.extend(profile.facts.clone());
            measurement.notes.extend(profile.notes.iter().cloned());
        }
        if let Err(error) = self.trace(&measurement.case) {
            measurement.notes.push(format!("the case is not in the trace: {error:#}"));
        }
    }

    fn trace(&self, case: &Case) -> anyhow::Result<()> {
        let Some(track) = &self.trace else { return Ok(()) };
        let mut engine = self.benchmark.engine(self.tier(), self.resources.team.clone())?;
        let texts = self.benchmark.texts(&case.shape)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        engine.embed(&texts, &mut Stages::new())?;
        let mut stages = Stages::on(track.clone());
        for _ in 0..TRACED {
            engine.embed(&texts, &mut stages)?;
        }
        Ok(())
    }
}
