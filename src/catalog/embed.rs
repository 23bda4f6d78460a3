//! Embedding pipelines as benchmarks: text in, embedding out, at `BATCHxTOKENS` or `BATCHxmixed`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Extent, Machine, Shape};
use crate::engines::agreement::{self, Agreement, agreement};
use crate::engines::builtin::{self, Preset};
use crate::engines::config::Architecture;
use crate::engines::native::{Encoder, NativeEngine};
use crate::engines::{Engine, EngineError, Model, Precision, Settings, corpus, reference};
use crate::simd::Tier;
use crate::sys::Team;
use crate::workload::Workload;

mod peer;
mod texts;
mod workload;

pub use peer::{PeerFiles, PeerIdentity, PeerWay};
use workload::{Elements, EmbedWorkload, Expected, Right};

/// The rows that need no model of the user's.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[&MINILM_L6];

static MINILM_L6: EmbedBenchmark = EmbedBenchmark::builtin(Preset::MinilmL6, "embed/minilm-l6-f32");

/// The engine on the tiers of a precision.
const fn native(tiers: &'static [Tier]) -> Implementation {
    Implementation {
        name: NativeEngine::ID,
        tiers,
        threads: Threading::Parallel,
        about: "a BERT-family encoder over the kernels of perfkit: texts packed without padding, weights packed once",
    }
}

static SINGLE: &[Implementation] = &[native(&[Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Neon])];
static BF16: &[Implementation] =
    &[native(&[Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Avx512bf16, Tier::Neon])];
static INT8: &[Implementation] = &[native(&[Tier::Avx2, Tier::Avx512vnni, Tier::NeonDotprod])];

/// Texts of a batch at most: beyond this none is waited for by anybody.
pub const MOST_TEXTS: usize = 1 << 16;

/// A pipeline over one model; the built-in rows and a user's model are both of this type.
///
/// The model, its packed weights and the reference answers are made once and shared by all cases of the process.
pub struct EmbedBenchmark {
    id: Cow<'static, str>,
    origin: Origin,
    precision: Precision,
    /// Where packed weights are kept between runs.
    cache: Option<PathBuf>,
    /// Tokens that go through the layers together; the engine's own number without.
    part_tokens: Option<NonZeroUsize>,
    corpus: Option<Vec<String>>,
    /// What engines of others may read.
    peer_files: PeerFiles,
    shelf: Mutex<Shelf>,
}

/// Where the model comes from.
enum Origin {
    Builtin(Preset),
    Loaded(Arc<Model>),
}

/// What was made already.
struct Shelf {
    model: Option<Arc<Model>>,
    /// The packed weights of the tier used last: one tier at a time is enough, and memory is not.
    encoder: Option<Arc<Encoder>>,
    /// Token counts of the texts of a mixed batch, by its size.
    mixed: BTreeMap<usize, Vec<usize>>,
    /// Embeddings in double precision, by token ids.
    answers: BTreeMap<Vec<u32>, Arc<Vec<f64>>>,
    /// By tier: how well the precision agrees with single precision.
    agreements: BTreeMap<Tier, Agreement>,
}

impl EmbedBenchmark {
    const fn new(id: Cow<'static, str>, origin: Origin) -> Self {
        let shelf = Shelf {
            model: None,
            encoder: None,
            mixed: BTreeMap::new(),
            answers: BTreeMap::new(),
            agreements: BTreeMap::new(),
        };
        Self {
            id,
            origin,
            precision: Precision::F32,
            cache: None,
            part_tokens: None,
            corpus: None,
            peer_files: PeerFiles { beside: None, named: None },
            shelf: Mutex::new(shelf),
        }
    }

    /// A built-in model under a constant id.
    const fn builtin(preset: Preset, id: &'static str) -> Self {
        Self::new(Cow::Borrowed(id), Origin::Builtin(preset))
    }

    /// A model that is loaded already, as `embed/<slug>-f32`.
    #[must_use]
    pub fn of(model: Arc<Model>) -> Self {
        Self::of_precision(model, Precision::F32)
    }

    /// A model that is loaded already in a precision, as `embed/<slug>-<precision>`.
    #[must_use]
    pub fn of_precision(model: Arc<Model>, precision: Precision) -> Self {
        let id = format!("embed/{}-{precision}", model.slug);
        Self { precision, ..Self::new(Cow::Owned(id), Origin::Loaded(model)) }
    }

    /// The same with packed weights kept in this folder between runs.
    #[must_use]
    pub fn with_cache(mut self, folder: Option<PathBuf>) -> Self {
        self.cache = folder;
        self
    }

    /// The same with so many tokens through the layers together.
    #[must_use]
    pub const fn with_part_tokens(mut self, tokens: NonZeroUsize) -> Self {
        self.part_tokens = Some(tokens);
        self
    }

    /// The same with texts of the user's, one a line, in place of the corpus that ships.
    #[must_use]
    pub fn with_corpus(mut self, lines: Vec<String>) -> Self {
        self.corpus = Some(lines);
        self
    }

    /// The model, loaded at the first call.
    ///
    /// # Errors
    /// As for loading it.
    pub fn model(&self) -> Result<Arc<Model>, EngineError> {
        match &self.origin {
            Origin::Loaded(model) => Ok(model.clone()),
            Origin::Builtin(preset) => {
                let mut shelf = self.shelf();
                if let Some(model) = &shelf.model {
                    return Ok(model.clone());
                }
                let model = Arc::new(builtin::model(*preset)?);
                shelf.model = Some(model.clone());
                Ok(model)
            }
        }
    }

    /// An engine for a case's tier and threads.
    ///
    /// # Errors
    /// The model cannot be loaded or packed.
    pub fn engine(&self, tier: Tier, team: Team) -> Result<NativeEngine, EngineError> {
        let model = self.model()?;
        let settings = Settings { precision: self.precision, tier: Some(tier), cache: self.cache.clone() };
        let own = settings.tier()?;
        let mut shelf = self.shelf();
        if let Some(encoder) = shelf.encoder.as_ref().filter(|e| e.tier() == own) {
            return Ok(self.limited(NativeEngine::new(encoder.clone(), team)));
        }
        shelf.encoder = None;
        let encoder = Arc::new(Encoder::open(model, &settings)?);
        shelf.encoder = Some(encoder.clone());
        Ok(self.limited(NativeEngine::new(encoder, team)))
    }

    fn limited(&self, mut engine: NativeEngine) -> NativeEngine {
        if let Some(tokens) = self.part_tokens {
            engine.limit_part(tokens);
        }
        engine
    }

    /// How well the precision agrees with single precision on the corpus; `None` of single precision itself.
    fn agreement(
        &self,
        tier: Tier,
        engine: &mut dyn Engine,
        team: Team,
    ) -> Result<Option<Agreement>, EngineError> {
        if self.precision == Precision::F32 {
            return Ok(None);
        }
        if let Some(known) = self.shelf().agreements.get(&tier) {
            return Ok(Some(*known));
        }
        let model = self.model()?;
        let texts = agreement::texts(&model, self.corpus.as_deref())?;
        let mut single = NativeEngine::new(Arc::new(Encoder::pack(model.clone(), tier.f32_tier())?), team);
        let found = agreement(&mut single, engine, &texts)?;
        self.shelf().agreements.insert(tier, found);
        Ok(Some(found))
    }

    /// The texts of a shape, the same at every call.
    ///
    /// # Errors
    /// The model cannot be loaded, or the corpus holds no text of that length.
    pub fn texts(&self, shape: &Shape) -> Result<Vec<String>, EngineError> {
        let model = self.model()?;
        let shipped = || corpus::lines().collect::<Vec<_>>();
        let lines = self.corpus.as_ref().map_or_else(shipped, |own| own.iter().map(String::as_str).collect());
        match shape.0.as_slice() {
            [Extent::Count(batch), Extent::Mixed] => Ok(texts::mixed(&lines, *batch)),
            [Extent::Count(batch), Extent::Count(tokens)] => {
                texts::of_length(&model.tokenizer, &lines, *batch, *tokens)
            }
            _ => Err(EngineError::Input(format!("{shape} is not BATCHxTOKENS or BATCHxmixed"))),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // What is on the shelf is whole even if a thread died beside it.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn architecture(&self) -> Architecture {
        match &self.origin {
            Origin::Builtin(preset) => preset.architecture(),
            Origin::Loaded(model) => model.architecture.clone(),
        }
    }

    fn max_tokens(&self) -> usize {
        match &self.origin {
            Origin::Builtin(preset) => preset.max_tokens(),
            Origin::Loaded(model) => model.tokenizer.max_tokens(),
        }
    }

    /// Tokens of each text of a shape; `None` for a shape that is not one of ours.
    fn lengths(&self, shape: &Shape) -> Option<Vec<usize>> {
        match *shape.0.as_slice() {
            [Extent::Count(batch @ 1..=MOST_TEXTS), Extent::Count(tokens)]
                if (3..=self.max_tokens()).contains(&tokens) =>
            {
                Some(vec![tokens; batch])
            }
            [Extent::Count(batch @ 1..=MOST_TEXTS), Extent::Mixed] => {
                if let Some(lengths) = self.shelf().mixed.get(&batch) {
                    return Some(lengths.clone());
                }
                let model = self.model().ok()?;
                let texts = self.texts(shape).ok()?;
                let lengths: Vec<usize> = texts
                    .iter()
                    .map(|text| model.tokenizer.ids(text).map(|ids| ids.len()))
                    .collect::<Result<_, _>>()
                    .ok()?;
                self.shelf().mixed.insert(batch, lengths.clone());
                Some(lengths)
            }
            _ => None,
        }
    }

    /// The embedding of a text in double precision.
    fn answer(&self, model: &Model, ids: &[u32]) -> Result<Arc<Vec<f64>>, EngineError> {
        if let Some(answer) = self.shelf().answers.get(ids) {
            return Ok(answer.clone());
        }
        let answer = Arc::new(reference::embed(model, ids)?);
        self.shelf().answers.insert(ids.to_vec(), answer.clone());
        Ok(answer)
    }

    /// Every text embedded alone, and the shortest one in double precision.
    fn expected(&self, engine: &mut dyn Engine, texts: &[String]) -> Result<Expected, EngineError> {
        let model = self.model()?;
        let mut alone = Vec::with_capacity(texts.len() * engine.dimensions());
        let mut shortest: Option<(usize, Vec<u32>)> = None;
        let mut longest = 0;
        for (row, text) in texts.iter().enumerate() {
            let embedding = engine.embed(&[text], &mut crate::engines::Stages::new())?;
            alone.extend(embedding.values.iter().map(|&x| f64::from(x)));
            let ids = model.tokenizer.ids(text)?;
            longest = longest.max(ids.len());
            if shortest.as_ref().is_none_or(|(_, known)| ids.len() < known.len()) {
                shortest = Some((row, ids));
            }
        }
        let (row, ids) = shortest.unwrap_or_default();
        let exact = self.answer(&model, &ids)?;
        Ok(Expected {
            right: Right::Elements(Elements { alone, row, exact, precision: self.precision }),
            agreement: None,
            padded_tokens: texts.len() * longest,
        })
    }

    fn workload(&self, case: &Case, resources: &Resources) -> Result<EmbedWorkload, EngineError> {
        let tier = case.tier.ours().unwrap_or(Tier::Baseline);
        let texts = self.texts(&case.shape)?;
        let mut engine = self.engine(tier, resources.team.clone())?;
        let mut expected = self.expected(&mut engine, &texts)?;
        expected.agreement = self.agreement(tier, &mut engine, resources.team.clone())?;
        Ok(EmbedWorkload::new(Box::new(engine), texts, expected))
    }
}

impl Benchmark for EmbedBenchmark {
    fn id(&self) -> &str {
        &self.id
    }
    fn card(&self) -> Card {
        Card {
            about: match self.origin {
                Origin::Builtin(_) => {
                    "text in, embedding out, on a built-in model: its vectors mean nothing, its speed is representative"
                }
                Origin::Loaded(_) => "text in, embedding out",
            },
            formula: "per layer and token 2 (4 h^2 + 2 h i) + 4 h s flops for width h, inner width i and a text of s tokens; bytes: \
         the layers' weights once, a table row a token, the embeddings",
            implementations: match self.precision {
                Precision::F32 | Precision::F16 => SINGLE,
                Precision::Bf16 => BF16,
                Precision::Int8 => INT8,
            },
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let fixed: &[[usize; 2]] = match extensiveness {
            Extensiveness::Quick => &[[1, 16], [8, 64]],
            Extensiveness::Default => &[[1, 16], [8, 64], [32, 64]],
            Extensiveness::Full => &[[1, 16], [1, 64], [1, 128], [8, 16], [8, 64], [32, 64], [32, 128]],
        };
        let mixed = Shape(vec![Extent::Count(32), Extent::Mixed]);
        let fits = |shape: &&[usize; 2]| shape[1] <= self.max_tokens();
        fixed.iter().filter(fits).map(|shape| Shape::new(shape)).chain([mixed]).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of bytes fit in 53 bits")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let lengths = self.lengths(shape)?;
        let architecture = self.architecture();
        let width = architecture.hidden as f64;
        let tables = (architecture.vocabulary + architecture.positions + architecture.types) as f64 * width;
        let tokens: usize = lengths.iter().sum();
        // The layers' weights are read once at least; of the tables, a row a token.
        let weights = self.precision.weight_bytes() * (architecture.parameters() as f64 - tables);
        let rows = 4.0 * width * tokens as f64;
        let written = 4.0 * width * lengths.len() as f64;
        // Hidden states, the three projections and the inner vectors of the longest part of the batch.
        let activations = 4.0 * (8.0 * width + architecture.intermediate as f64) * tokens.min(1024) as f64;
        Some(Cost {
            flops: architecture.flops(lengths),
            core_bytes: weights + rows + written,
            dram_bytes: weights + rows + 2.0 * written,
            written_bytes: written,
            working_set_bytes: weights + rows + written + activations,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let workload = match &*case.implementation {
            NativeEngine::ID => self.workload(case, resources),
            _ if Self::is_peer(case) => self.peer_workload(case, resources),
            other => Err(EngineError::Unavailable(format!("there is no engine {other:?}"))),
        };
        match workload {
            Ok(workload) => Ok(Box::new(workload)),
            Err(EngineError::Unavailable(why)) => Err(PrepareError::Unavailable(why)),
            Err(error) => Err(PrepareError::Failed(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
