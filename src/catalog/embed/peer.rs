//! The engines people use, as implementations of an embedding benchmark.
//!
//! `onnxruntime` runs a batch as it comes, `openvino-static` a network whose shape was fixed before, and
//! `openvino-sorted` batches of texts of like length. Cases of mixed texts are cut into batches of [`BATCH`], since nobody
//! pads hundreds of texts to the longest of them all.

use std::path::PathBuf;
use std::sync::Arc;

use super::workload::{Directions, Expected, Right};
use super::{EmbedBenchmark, EmbedWorkload};
use crate::catalog::Resources;
use crate::document::{Case, CaseTier, Extent, Shape};
use crate::engines::agreement::{self, Agreement};
use crate::engines::native::{Encoder, NativeEngine};
use crate::engines::peers::{PeerEngine, ReadyPeer, Wanted, peer_engine};
use crate::engines::{Engine, EngineError, Order, Precision, Stages};
use crate::foreign::Identity;
use crate::simd::Tier;
use crate::sys::Team;

/// Texts of a padded batch, where a case has more of mixed lengths: sentence-transformers' own number.
pub(super) const BATCH: usize = 32;

/// Files that an engine of others may read instead of one that is written for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerFiles {
    /// The folder of the model, where files that were published with it may stand.
    pub beside: Option<PathBuf>,
    /// The one that the user named.
    pub named: Option<PathBuf>,
}

/// A way to use an engine of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerWay {
    /// Batches as they come.
    AsInstalled,
    /// A network compiled for the one shape that it will see.
    Static,
    /// Texts sorted by length before they are put into batches.
    Sorted,
}

impl PeerWay {
    /// The mode in a document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsInstalled => "as-installed",
            Self::Static => "static",
            Self::Sorted => "sorted",
        }
    }

    /// The implementation in a case's name.
    #[must_use]
    pub fn implementation(self, engine: &PeerEngine) -> String {
        match self {
            Self::AsInstalled => engine.name.to_owned(),
            Self::Static | Self::Sorted => format!("{}-{}", engine.name, self.name()),
        }
    }

    /// The ways that make a difference for a shape.
    pub fn of<'s>(engine: &PeerEngine, shape: &'s Shape) -> impl Iterator<Item = Self> + use<'s> {
        let fixes = engine.fixes_shapes;
        let mixed = shape.0.contains(&Extent::Mixed);
        [Self::AsInstalled, Self::Static, Self::Sorted].into_iter().filter(move |way| match way {
            Self::AsInstalled => true,
            Self::Static => fixes && !mixed,
            Self::Sorted => mixed && shape.count(0) > BATCH,
        })
    }

    /// What it does, for a reader of the figures.
    #[must_use]
    pub fn about(self, engine: &PeerEngine, shape: &Shape) -> String {
        let padded = if shape.0.contains(&Extent::Mixed) {
            format!("padded to the longest of {} texts", shape.count(0).min(BATCH))
        } else {
            "texts of one length".to_owned()
        };
        match self {
            Self::AsInstalled if engine.fixes_shapes => format!("dynamic shapes, {padded}"),
            Self::AsInstalled => padded,
            Self::Static => format!("static shape {shape}"),
            Self::Sorted => format!("{padded}, sorted by length"),
        }
    }

    fn order(self) -> Order {
        match self {
            Self::AsInstalled | Self::Static => Order::AsItComes,
            Self::Sorted => Order::Sorted,
        }
    }
}

/// The engine and the way that an implementation's name stands for; `None` where it is none of others'.
pub(super) fn parse(implementation: &str) -> Option<(&'static PeerEngine, PeerWay)> {
    let ways = [PeerWay::Static, PeerWay::Sorted];
    let with_way = ways.into_iter().find_map(|way| {
        let engine = implementation.strip_suffix(way.name())?.strip_suffix('-')?;
        Some((peer_engine(engine)?, way))
    });
    with_way.or_else(|| Some((peer_engine(implementation)?, PeerWay::AsInstalled)))
}

/// The least cosine to single precision of ours that is an answer at all: rounding in each precision costs far less, and
/// the embeddings of another model are far away.
const fn least_cosine(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.9999,
        Precision::F16 | Precision::Bf16 => 0.998,
        Precision::Int8 => 0.9,
    }
}

/// An engine of others that was asked who it is.
#[derive(Debug, Clone)]
pub struct PeerIdentity {
    /// Its library.
    pub identity: Identity,
    /// How it was told to run, and on which file.
    pub settings: String,
    /// How well it agrees with single precision of ours.
    pub agreement: Agreement,
}

impl EmbedBenchmark {
    /// The same with the files that engines of others may read.
    #[must_use]
    pub fn with_peer_files(mut self, files: PeerFiles) -> Self {
        self.peer_files = files;
        self
    }

    /// Loads an engine of others, and holds its answers on the corpus to those of ours in single precision.
    ///
    /// # Errors
    /// It is not here, or its answers are not this model's.
    pub fn identify(&self, engine: &PeerEngine, team: Team) -> Result<PeerIdentity, EngineError> {
        let mut ready = self.open(engine, team.clone(), (Order::Sorted, BATCH), None)?;
        let model = self.model()?;
        let texts = agreement::texts(&model, self.corpus.as_deref())?;
        let agreement = agreement::agreement(&mut self.single(team)?, &mut ready.engine, &texts)?;
        let least = least_cosine(self.precision);
        if agreement.minimum.is_nan() || agreement.minimum < least {
            return Err(EngineError::Input(format!(
                "wrong answers ({}): the least cosine to ours on {} texts is {:.4}, and {} allows {least}: its file is of \
                 another model, or quantised too coarsely",
                ready.settings, agreement.texts, agreement.minimum, self.precision
            )));
        }
        Ok(PeerIdentity { identity: ready.identity, settings: ready.settings, agreement })
    }

    /// The engine that a case names, for its shape.
    ///
    /// # Errors
    /// It is none of others, or cannot be opened.
    pub fn peer(&self, case: &Case, team: Team) -> Result<ReadyPeer, EngineError> {
        let unknown = || EngineError::Unavailable(format!("there is no engine {:?}", case.implementation));
        let (engine, way) = parse(&case.implementation).ok_or_else(unknown)?;
        let fixed = match (way, case.shape.0.as_slice()) {
            (PeerWay::Static, &[Extent::Count(texts), Extent::Count(tokens)]) => Some([texts, tokens]),
            _ => None,
        };
        let most = if case.shape.0.contains(&Extent::Mixed) { BATCH } else { usize::MAX };
        self.open(engine, team, (way.order(), most), fixed)
    }

    fn open(
        &self,
        engine: &PeerEngine,
        team: Team,
        (order, most): (Order, usize),
        fixed: Option<[usize; 2]>,
    ) -> Result<ReadyPeer, EngineError> {
        let wanted = Wanted {
            model: &self.model()?,
            precision: self.precision,
            folder: self.cache.as_deref(),
            beside: self.peer_files.beside.as_deref(),
            named: self.peer_files.named.as_deref(),
            fixed,
            order,
            most,
        };
        engine.open(&wanted, team)
    }

    /// Ours in single precision.
    fn single(&self, team: Team) -> Result<NativeEngine, EngineError> {
        let encoder = Encoder::pack(self.model()?, Tier::best_f32())?;
        Ok(NativeEngine::new(Arc::new(encoder), team))
    }

    /// A case of an engine of others.
    pub(super) fn peer_workload(
        &self,
        case: &Case,
        resources: &Resources,
    ) -> Result<EmbedWorkload, EngineError> {
        let texts = self.texts(&case.shape)?;
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = self.single(resources.team.clone())?.embed(&borrowed, &mut Stages::new())?;
        let model = self.model()?;
        let lengths = texts.iter().map(|text| model.tokenizer.ids(text).map(|ids| ids.len()));
        let longest = lengths.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
        let ready = self.peer(case, resources.team.clone())?;
        let expected = Expected {
            right: Right::Directions(Directions { vectors, least: least_cosine(self.precision) }),
            agreement: None,
            padded_tokens: texts.len() * longest,
        };
        Ok(EmbedWorkload::new(Box::new(ready.engine), texts, expected))
    }

    /// Whether a case is of an engine of others.
    pub(super) fn is_peer(case: &Case) -> bool {
        case.tier == CaseTier::Peer
    }
}
