//! An engine with its texts, as something that can be timed and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engines::agreement::{Agreement, cosine};
use crate::engines::{Embeddings, Engine, EngineError, Precision, Stages};
use crate::workload::{Facts, Mismatch, OutputMut, Workload, compare_floats};

/// How far an element may be from the double-precision answer, relative to the length of its vector (which is 1 where
/// the model normalises): rounding errors in single precision; steps of eight and of eleven bits, of which a vector sees
/// hundreds that average out; a cosine of 0.99, spread over a short vector, for bytes.
const fn from_exact(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-5,
        Precision::F16 => 2e-3,
        Precision::Bf16 => 1e-2,
        Precision::Int8 => 7e-2,
    }
}
/// How far from the same text embedded alone.
const FROM_ALONE: f64 = 1e-6;

/// What is known of a batch before it is timed.
pub(super) struct Expected {
    /// The right answers.
    pub(super) right: Right,
    /// How well the precision agrees with single precision, where it is another.
    pub(super) agreement: Option<Agreement>,
    /// Positions of the batch if every text were padded to the longest.
    pub(super) padded_tokens: usize,
}

/// The right answers.
pub(super) enum Right {
    /// Of an engine of ours.
    Elements(Elements),
    /// Of an engine of others, which rounds in its own order.
    Directions(Directions),
}

/// Right answers, number by number.
pub(super) struct Elements {
    /// Every text embedded alone, row by row.
    pub(super) alone: Vec<f64>,
    /// The text whose exact embedding is known.
    pub(super) row: usize,
    /// That embedding, in double precision.
    pub(super) exact: Arc<Vec<f64>>,
    /// How exact it can be.
    pub(super) precision: Precision,
}

/// Right answers, up to their length and some cosine.
pub(super) struct Directions {
    /// Ours in single precision.
    pub(super) vectors: Embeddings,
    /// The least cosine that is right.
    pub(super) least: f64,
}

impl Elements {
    fn check(&self, embeddings: &Embeddings) -> Result<(), Mismatch> {
        let length = self.exact.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-3);
        compare_floats(&embeddings.values, &self.alone, 0.0, FROM_ALONE * length)?;
        let first = self.row * embeddings.dimensions;
        let row = embeddings.values.iter().skip(first).take(embeddings.dimensions);
        compare_floats(row, &self.exact, 0.0, from_exact(self.precision) * length)
            .map_err(|wrong| Mismatch { element: wrong.element + first, ..wrong })
    }
}

impl Directions {
    /// The mismatch tells the cosine of the first text that is wrong.
    fn check(&self, embeddings: &Embeddings) -> Result<(), Mismatch> {
        let wrong = |element, got| Mismatch { element, got, reference: 1.0, tolerance: 1.0 - self.least };
        if embeddings.values.len() != self.vectors.values.len() {
            return Err(wrong(embeddings.values.len().min(self.vectors.values.len()), f64::NAN));
        }
        let cosines = embeddings.rows().zip(self.vectors.rows()).map(|(got, right)| cosine(got, right));
        match cosines.enumerate().find(|(_, cosine)| cosine.is_nan() || *cosine < self.least) {
            None => Ok(()),
            Some((row, cosine)) => Err(wrong(row * embeddings.dimensions, cosine)),
        }
    }
}

/// One batch through one engine.
pub(super) struct EmbedWorkload {
    engine: Box<dyn Engine>,
    texts: Vec<String>,
    expected: Expected,
    stages: Stages,
    answer: Result<Embeddings, EngineError>,
}

impl EmbedWorkload {
    pub(super) fn new(engine: Box<dyn Engine>, texts: Vec<String>, expected: Expected) -> Self {
        Self { engine, texts, expected, stages: Stages::new(), answer: Ok(Embeddings::default()) }
    }
}

impl Workload for EmbedWorkload {
    fn run(&mut self) {
        self.stages.reset();
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        self.answer = self.engine.embed(&texts, &mut self.stages);
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^52 tokens")]
    fn facts(&mut self) -> Facts {
        let mut extra = BTreeMap::from([("padded_tokens", self.expected.padded_tokens as f64)]);
        extra.extend(self.engine.facts());
        if let Some(agreement) = self.expected.agreement {
            extra.extend([
                ("cosine_minimum", agreement.minimum),
                ("cosine_mean", agreement.mean),
                ("cosine_texts", agreement.texts as f64),
            ]);
        }
        Facts {
            stages: self.stages.seconds().collect(),
            total_seconds: Some(self.stages.total_seconds()),
            tokens: self.answer.as_ref().ok().map(|embeddings| embeddings.tokens as u64),
            texts: Some(self.texts.len() as u64),
            extra,
            ..Facts::default()
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        let none = Mismatch { element: 0, got: f64::NAN, reference: f64::NAN, tolerance: 0.0 };
        let embeddings = self.answer.as_ref().map_err(|_| none)?;
        match &self.expected.right {
            Right::Elements(right) => right.check(embeddings),
            Right::Directions(right) => right.check(embeddings),
        }
    }

    fn output(&mut self) -> OutputMut<'_> {
        match &mut self.answer {
            Ok(embeddings) => OutputMut::F32(&mut embeddings.values),
            Err(_) => OutputMut::F32(&mut []),
        }
    }
}
