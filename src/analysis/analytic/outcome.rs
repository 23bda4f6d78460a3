//! `perfkit.analytic/1`: what some work costs, and what machines would make of it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Attention, Dot, Encoder, Fusion, Matmul, Mol, Precision, Roofs, Work, smallest_batch};

/// A model with its sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Model {
    /// Every query's dot product with every item.
    Dot(Dot),
    /// Mixture of logits.
    Mol(Mol),
    /// A matrix product, whose batch is its rows.
    Matmul(Matmul),
    /// Attention.
    Attention(Attention),
    /// An encoder.
    Encoder(Encoder),
}

impl Model {
    /// What it costs.
    #[must_use]
    pub fn work(&self) -> Work {
        match self {
            Self::Dot(model) => model.work(),
            Self::Mol(model) => model.work(),
            Self::Matmul(model) => model.work(),
            Self::Attention(model) => model.work(),
            Self::Encoder(model) => model.work(),
        }
    }

    /// The same with another batch.
    #[must_use]
    pub const fn with_batch(self, batch: usize) -> Self {
        match self {
            Self::Dot(model) => Self::Dot(Dot { batch, ..model }),
            Self::Mol(model) => Self::Mol(Mol { batch, ..model }),
            Self::Matmul(model) => Self::Matmul(Matmul { m: batch, ..model }),
            Self::Attention(model) => Self::Attention(Attention { batch, ..model }),
            Self::Encoder(model) => Self::Encoder(Encoder { batch, ..model }),
        }
    }

    /// What its batch is called.
    #[must_use]
    pub const fn batch_name(&self) -> &'static str {
        match self {
            Self::Matmul(_) => "rows",
            Self::Dot(_) | Self::Mol(_) | Self::Attention(_) | Self::Encoder(_) => "batch",
        }
    }

    /// The forms of the same work, with a word for each; a mixture beside a dot product of a width that it replaces.
    #[must_use]
    pub fn forms(&self) -> Vec<(String, Self)> {
        let of = |form: fn(Self, Fusion) -> Option<Self>| {
            let each =
                Fusion::ALL.map(|fusion| form(*self, fusion).map(|model| (fusion.name().to_owned(), model)));
            each.into_iter().flatten().collect::<Vec<_>>()
        };
        let mut forms = of(|model, fusion| match model {
            Self::Mol(model) => Some(Self::Mol(Mol { fusion, ..model })),
            Self::Attention(model) => Some(Self::Attention(Attention { fusion, ..model })),
            Self::Encoder(model) => Some(Self::Encoder(Encoder { fusion, ..model })),
            Self::Dot(_) | Self::Matmul(_) => None,
        });
        if let Self::Mol(mol) = self {
            let width = 2 * mol.width;
            let Mol { batch, items, precision, top, .. } = *mol;
            forms.push((
                format!("dot product, width {width}"),
                Self::Dot(Dot { batch, items, width, precision, top }),
            ));
        }
        forms
    }

    const fn precision(&self) -> Precision {
        match self {
            Self::Dot(model) => model.precision,
            Self::Mol(model) => model.precision,
            Self::Matmul(model) => model.precision,
            Self::Attention(model) => model.precision,
            Self::Encoder(model) => model.precision,
        }
    }
}

/// What some work costs, and what machines would make of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Analytic {
    /// `perfkit.analytic/1`.
    pub schema: String,
    /// `perfkit 0.1.0`.
    pub tool: String,
    /// The work asked for.
    pub work: CountedWork,
    /// What each machine makes of it.
    pub machines: Vec<MachineOutlook>,
    /// The forms of the same work: what fusion changes.
    pub forms: Vec<Form>,
}

/// Work, counted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CountedWork {
    /// What it is, with its sizes.
    pub title: String,
    /// Of the operands: `f32`, `f16`, `bf16`.
    pub precision: String,
    /// Operations, part by part.
    pub parts: Vec<CountedPart>,
    /// Operations of matrix products.
    pub matrix_flops: f64,
    /// Operations besides those.
    pub elementwise_flops: f64,
    /// Exponentials, error functions and square roots.
    pub transcendentals: f64,
    /// What the steps load and store, from whichever level.
    pub core_bytes: f64,
    /// What passes the memory bus.
    pub dram_bytes: f64,
    /// Matrix operations a DRAM byte.
    pub intensity: Option<f64>,
    /// What `compute_bound_from_batch` counts: `batch`, or `rows` of a matrix product.
    pub batch_name: String,
}

/// A part of some work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CountedPart {
    /// What it is.
    pub name: String,
    /// Operations of matrix products.
    pub matrix_flops: f64,
    /// Operations besides those.
    pub elementwise_flops: f64,
    /// Exponentials, error functions and square roots.
    pub transcendentals: f64,
}

/// What a machine makes of some work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MachineOutlook {
    /// Which.
    pub name: String,
    /// Where its rates come from.
    pub source: String,
    /// Its arithmetic peak at the precision.
    pub peak_flops_per_second: Option<f64>,
    /// Its memory's rate.
    pub bytes_per_second: Option<f64>,
    /// The intensity from which the arithmetic binds.
    pub ridge: Option<f64>,
    /// `memory` or `compute`.
    pub bound: Option<String>,
    /// The least time.
    pub seconds: Option<f64>,
    /// Matrix operations per second in that time.
    pub flops_per_second: Option<f64>,
    /// The smallest batch from which the arithmetic binds; null where none up to 2^20 does.
    pub compute_bound_from_batch: Option<usize>,
    /// Why a field is null.
    pub unknown: Vec<Unknown>,
}

/// Why a field is null.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Unknown {
    /// Which field.
    pub field: String,
    /// Why.
    pub reason: String,
}

/// One form of the work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Form {
    /// In a word.
    pub name: String,
    /// Matrix operations.
    pub matrix_flops: f64,
    /// What passes the memory bus.
    pub dram_bytes: f64,
    /// Matrix operations a DRAM byte.
    pub intensity: Option<f64>,
    /// The least time on the first machine.
    pub seconds: Option<f64>,
    /// Which roof of the first machine binds.
    pub bound: Option<String>,
    /// The smallest batch from which its arithmetic binds.
    pub compute_bound_from_batch: Option<usize>,
}

impl Analytic {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.analytic/1";

    /// Counts a model and asks each machine; `roofs` are those at the model's precision.
    #[must_use]
    pub fn of(model: &Model, roofs: impl Fn(Precision) -> Vec<Roofs>) -> Self {
        let roofs = roofs(model.precision());
        let from_batch = |roofs: &Roofs, model: &Model| {
            let ridge = roofs.ridge().ok()?;
            smallest_batch(ridge, |batch| model.with_batch(batch).work())
        };
        let work = model.work();
        let machines = roofs
            .iter()
            .map(|roofs| machine(roofs, &work, from_batch(roofs, model), model.batch_name()))
            .collect();
        let forms = model.forms().into_iter().map(|(name, model)| {
            let work = model.work();
            let outlook = roofs.first().and_then(|roofs| roofs.outlook(&work).ok());
            Form {
                name,
                matrix_flops: work.matrix_flops(),
                dram_bytes: work.dram_bytes,
                intensity: work.intensity(),
                seconds: outlook.map(|outlook| outlook.seconds),
                bound: outlook.map(|outlook| outlook.bound.name().to_owned()),
                compute_bound_from_batch: roofs.first().and_then(|roofs| from_batch(roofs, &model)),
            }
        });
        Self {
            schema: Self::SCHEMA.to_owned(),
            tool: concat!("perfkit ", env!("CARGO_PKG_VERSION")).to_owned(),
            forms: forms.collect(),
            work: counted(&work, model.batch_name()),
            machines,
        }
    }
}

fn machine(roofs: &Roofs, work: &Work, from_batch: Option<usize>, batch_name: &str) -> MachineOutlook {
    let outlook = roofs.outlook(work).ok();
    let because = |field: &str, rate: &Result<f64, String>| {
        let reason = rate.as_ref().err()?.clone();
        Some(Unknown { field: field.to_owned(), reason })
    };
    let mut unknown: Vec<Unknown> = [
        because("peak_flops_per_second", &roofs.flops_per_second),
        because("bytes_per_second", &roofs.bytes_per_second),
    ]
    .into_iter()
    .flatten()
    .collect();
    if outlook.is_some() && from_batch.is_none() {
        let reason = format!("the ridge is not reached by a {batch_name} of up to 2^20");
        unknown.push(Unknown { field: "compute_bound_from_batch".to_owned(), reason });
    }
    MachineOutlook {
        name: roofs.name.clone(),
        source: roofs.source.clone(),
        peak_flops_per_second: roofs.flops_per_second.clone().ok(),
        bytes_per_second: roofs.bytes_per_second.clone().ok(),
        ridge: roofs.ridge().ok(),
        bound: outlook.map(|outlook| outlook.bound.name().to_owned()),
        seconds: outlook.map(|outlook| outlook.seconds),
        flops_per_second: outlook.map(|outlook| outlook.flops_per_second),
        compute_bound_from_batch: from_batch,
        unknown,
    }
}

fn counted(work: &Work, batch_name: &str) -> CountedWork {
    let parts = work.parts.iter().map(|part| CountedPart {
        name: part.name.to_owned(),
        matrix_flops: part.matrix_flops,
        elementwise_flops: part.elementwise_flops,
        transcendentals: part.transcendentals,
    });
    CountedWork {
        title: work.title.clone(),
        precision: work.precision.name().to_owned(),
        parts: parts.collect(),
        matrix_flops: work.matrix_flops(),
        elementwise_flops: work.elementwise_flops(),
        transcendentals: work.transcendentals(),
        core_bytes: work.core_bytes,
        dram_bytes: work.dram_bytes,
        intensity: work.intensity(),
        batch_name: batch_name.to_owned(),
    }
}
