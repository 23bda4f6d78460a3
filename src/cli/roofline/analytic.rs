//! `perfkit roofline --analytic`: work counted from its sizes, under the roofs of a machine measured before or of a data sheet.

use crate::analysis::analytic::{
    Analytic, Attention, Dot, Encoder, Fusion, Items, Matmul, Model, Mol, PROFILES, Precision, Roofs, profile,
};
use crate::document::Document;

/// What is modelled, and its sizes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AnalyticArgs {
    /// Count this work instead of measuring: dot, mol, matmul, attention, encoder
    #[arg(long, value_name = "NAME")]
    pub(super) analytic: Option<Name>,
    /// Machines by data sheet (repeatable; all of them without one and without --from)
    #[arg(long, value_name = "NAME", requires = "analytic", value_parser = names())]
    profile: Vec<String>,
    /// Precision of the operands
    #[arg(long, value_name = "P", requires = "analytic", default_value = "bf16")]
    precision: PrecisionName,
    /// What goes to memory between the steps
    #[arg(long, value_name = "FORM", requires = "analytic", default_value = "full")]
    fusion: FusionName,
    /// Queries or texts at a time
    #[arg(long, value_name = "N", requires = "analytic", default_value = "32", value_parser = size)]
    batch: usize,
    /// Items that are scored
    #[arg(long, value_name = "N", requires = "analytic", default_value = "1000", value_parser = size)]
    items: usize,
    /// Keep the best so many of each query on the way, and store no other score
    #[arg(long, value_name = "K", requires = "analytic", value_parser = size)]
    top: Option<usize>,
    /// mol: components of a query
    #[arg(long, value_name = "N", requires = "analytic", default_value = "8", value_parser = size)]
    pq: usize,
    /// mol: components of an item
    #[arg(long, value_name = "N", requires = "analytic", default_value = "8", value_parser = size)]
    px: usize,
    /// mol: width of a component; dot: width of an embedding
    #[arg(long, value_name = "N", requires = "analytic", default_value = "32", value_parser = size)]
    d: usize,
    /// mol: hidden units of the gates' networks
    #[arg(long, value_name = "N", requires = "analytic", default_value = "128", value_parser = size)]
    gate_hidden: usize,
    /// mol: items are projected in every batch, from embeddings of this width, and not read from a cache
    #[arg(long, value_name = "WIDTH", requires = "analytic", value_parser = size)]
    on_the_fly: Option<usize>,
    /// mol: queries are projected here, from embeddings of this width by 512 hidden units
    #[arg(long, value_name = "WIDTH", requires = "analytic", value_parser = size)]
    query_width: Option<usize>,
    /// matmul: rows of A, columns of A, columns of B, as MxKxN
    #[arg(long, value_name = "MxKxN", requires = "analytic", default_value = "512x512x512", value_parser = shape)]
    shape: [usize; 3],
    /// attention, encoder: tokens of a text
    #[arg(long, value_name = "N", requires = "analytic", default_value = "128", value_parser = size)]
    tokens: usize,
    /// attention, encoder: heads
    #[arg(long, value_name = "N", requires = "analytic", default_value = "12", value_parser = size)]
    heads: usize,
    /// attention, encoder: width of a head
    #[arg(long, value_name = "N", requires = "analytic", default_value = "32", value_parser = size)]
    head_width: usize,
    /// encoder: layers
    #[arg(long, value_name = "N", requires = "analytic", default_value = "6", value_parser = size)]
    layers: usize,
    /// encoder: units between the two linear layers
    #[arg(long, value_name = "N", requires = "analytic", default_value = "1536", value_parser = size)]
    intermediate: usize,
}

/// What can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Name {
    /// Every query's dot product with every item.
    Dot,
    /// Mixture of logits.
    Mol,
    /// A matrix product.
    Matmul,
    /// Scaled dot-product attention.
    Attention,
    /// A whole encoder.
    Encoder,
}

/// `--precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PrecisionName {
    /// Single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
}

/// `--fusion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FusionName {
    /// Every step through memory.
    Eager,
    /// The products' results through memory.
    Epilogue,
    /// Nothing but inputs and results.
    Full,
}

impl AnalyticArgs {
    /// Counts what was asked for; nothing where nothing was.
    pub(super) fn count(&self, measured: Option<&Document>) -> Option<Analytic> {
        let model = self.model(self.analytic?);
        Some(Analytic::of(&model, |precision| {
            let all = self.profile.is_empty() && measured.is_none();
            let chosen =
                PROFILES.iter().filter(|profile| all || self.profile.iter().any(|name| name == profile.name));
            let measured = measured.map(|document| Roofs::measured(document, precision));
            measured.into_iter().chain(chosen.map(|profile| Roofs::of_profile(profile, precision))).collect()
        }))
    }

    fn model(&self, name: Name) -> Model {
        let precision = match self.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::F16 => Precision::F16,
            PrecisionName::Bf16 => Precision::Bf16,
        };
        let fusion = match self.fusion {
            FusionName::Eager => Fusion::Eager,
            FusionName::Epilogue => Fusion::Epilogue,
            FusionName::Full => Fusion::Full,
        };
        let Self { batch, items, top, tokens, heads, head_width, .. } = *self;
        match name {
            Name::Dot => Model::Dot(Dot { batch, items, width: self.d, precision, top }),
            Name::Mol => Model::Mol(Mol {
                query_components: self.pq,
                item_components: self.px,
                width: self.d,
                gate_hidden: self.gate_hidden,
                batch,
                items,
                precision,
                fusion,
                item_side: self.on_the_fly.map_or(Items::Cached, |width| Items::OnTheFly { width }),
                query_side: self.query_width.map(|width| [width, 512]),
                top,
            }),
            Name::Matmul => {
                let [m, k, n] = self.shape;
                Model::Matmul(Matmul { m, k, n, precision })
            }
            Name::Attention => {
                Model::Attention(Attention { batch, tokens, heads, head_width, precision, fusion })
            }
            Name::Encoder => Model::Encoder(Encoder {
                layers: self.layers,
                width: heads * head_width,
                heads,
                intermediate: self.intermediate,
                batch,
                tokens,
                precision,
                fusion,
            }),
        }
    }
}

fn names() -> clap::builder::PossibleValuesParser {
    debug_assert!(PROFILES.iter().all(|known| profile(known.name).is_some()));
    PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>().into()
}

/// A count above zero that no product of a few overflows.
fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 1..=1_000_000_000) => Ok(size),
        _ => Err("must be a count from 1 to 1000000000".to_owned()),
    }
}

fn shape(text: &str) -> Result<[usize; 3], String> {
    let counts = text.split('x').map(size).collect::<Result<Vec<_>, _>>()?;
    counts.try_into().map_err(|_| "must be three counts, as 512x512x512".to_owned())
}
