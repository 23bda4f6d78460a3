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
    #[arg(long, value_name = "NAME", requires = "analytic", value_delimiter = ',', value_parser = names())]
    profile: Vec<String>,
    /// Precision of the operands
    #[arg(long, value_name = "P", requires = "analytic", default_value = "bf16")]
    precision: PrecisionName,
    /// What goes to memory between the steps [default: full]
    #[arg(long, value_name = "FORM", requires = "analytic")]
    fusion: Option<FusionName>,
    /// Queries or texts at a time [default: 32]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    batch: Option<usize>,
    /// Items that are scored [default: 1000]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    items: Option<usize>,
    /// Keep the best so many of each query on the way, and store no other score
    #[arg(long, value_name = "K", requires = "analytic", value_parser = size)]
    top: Option<usize>,
    /// mol: components of a query [default: 8]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    pq: Option<usize>,
    /// mol: components of an item [default: 8]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    px: Option<usize>,
    /// mol: width of a component; dot: width of an embedding [default: 32]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    d: Option<usize>,
    /// mol: hidden units of the gates' networks [default: 128]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    gate_hidden: Option<usize>,
    /// mol: items are projected in every batch, from embeddings of this width, and not read from a cache
    #[arg(long, value_name = "WIDTH", requires = "analytic", value_parser = size)]
    on_the_fly: Option<usize>,
    /// mol: queries are projected here, from embeddings of this width by 512 hidden units
    #[arg(long, value_name = "WIDTH", requires = "analytic", value_parser = size)]
    query_width: Option<usize>,
    /// matmul: rows of A, columns of A, columns of B, as MxKxN [default: 512x512x512]
    #[arg(long, value_name = "MxKxN", requires = "analytic", value_parser = shape)]
    shape: Option<[usize; 3]>,
    /// attention, encoder: tokens of a text [default: 128]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    tokens: Option<usize>,
    /// attention, encoder: heads [default: 12]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    heads: Option<usize>,
    /// attention, encoder: width of a head [default: 32]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    head_width: Option<usize>,
    /// encoder: layers [default: 6]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    layers: Option<usize>,
    /// encoder: units between the two linear layers [default: 1536]
    #[arg(long, value_name = "N", requires = "analytic", value_parser = size)]
    intermediate: Option<usize>,
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

impl Name {
    /// As on the command line.
    const fn text(self) -> &'static str {
        match self {
            Self::Dot => "dot",
            Self::Mol => "mol",
            Self::Matmul => "matmul",
            Self::Attention => "attention",
            Self::Encoder => "encoder",
        }
    }
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
    ///
    /// # Errors
    /// A size that this work does not have, more best items than items, or work beyond what is counted exactly enough to print.
    pub(super) fn count(&self, measured: Option<&Document>) -> anyhow::Result<Option<Analytic>> {
        let Some(name) = self.analytic else { return Ok(None) };
        self.check(name)?;
        let analytic = Analytic::of(&self.model(name), |precision| {
            let all = self.profile.is_empty() && measured.is_none();
            let chosen =
                PROFILES.iter().filter(|profile| all || self.profile.iter().any(|name| name == profile.name));
            let measured = measured.map(|document| Roofs::measured(document, precision));
            measured.into_iter().chain(chosen.map(|profile| Roofs::of_profile(profile, precision))).collect()
        });
        let work = &analytic.work;
        let totals = [
            work.matrix_flops,
            work.elementwise_flops,
            work.transcendentals,
            work.core_bytes,
            work.dram_bytes,
        ];
        anyhow::ensure!(
            totals.iter().all(|total| *total < MOST),
            "this is work of 2^63 operations or bytes and more: take smaller sizes"
        );
        Ok(Some(analytic))
    }

    /// Whether every size given is one of this work.
    fn check(&self, name: Name) -> anyhow::Result<()> {
        use Name::{Attention, Dot, Encoder, Matmul, Mol};
        let given: [(&str, bool, &[Name]); 15] = [
            ("--fusion", self.fusion.is_some(), &[Mol, Attention, Encoder]),
            ("--batch", self.batch.is_some(), &[Dot, Mol, Attention, Encoder]),
            ("--items", self.items.is_some(), &[Dot, Mol]),
            ("--top", self.top.is_some(), &[Dot, Mol]),
            ("--pq", self.pq.is_some(), &[Mol]),
            ("--px", self.px.is_some(), &[Mol]),
            ("--d", self.d.is_some(), &[Dot, Mol]),
            ("--gate-hidden", self.gate_hidden.is_some(), &[Mol]),
            ("--on-the-fly", self.on_the_fly.is_some(), &[Mol]),
            ("--query-width", self.query_width.is_some(), &[Mol]),
            ("--shape", self.shape.is_some(), &[Matmul]),
            ("--tokens", self.tokens.is_some(), &[Attention, Encoder]),
            ("--heads and --head-width", self.heads.or(self.head_width).is_some(), &[Attention, Encoder]),
            ("--layers", self.layers.is_some(), &[Encoder]),
            ("--intermediate", self.intermediate.is_some(), &[Encoder]),
        ];
        for (flag, is_given, models) in given {
            anyhow::ensure!(
                !is_given || models.contains(&name),
                "{flag} means nothing to --analytic {}; it is for {}",
                name.text(),
                models.iter().map(|model| model.text()).collect::<Vec<_>>().join(", ")
            );
        }
        let items = self.items.unwrap_or(ITEMS);
        if let Some(top) = self.top.filter(|top| *top > items) {
            anyhow::bail!("--top {top} is more than the {items} items that are scored");
        }
        Ok(())
    }

    fn model(&self, name: Name) -> Model {
        let precision = match self.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::F16 => Precision::F16,
            PrecisionName::Bf16 => Precision::Bf16,
        };
        let fusion = match self.fusion {
            Some(FusionName::Eager) => Fusion::Eager,
            Some(FusionName::Epilogue) => Fusion::Epilogue,
            Some(FusionName::Full) | None => Fusion::Full,
        };
        let (batch, items, top) = (self.batch.unwrap_or(32), self.items.unwrap_or(ITEMS), self.top);
        let (tokens, heads) = (self.tokens.unwrap_or(128), self.heads.unwrap_or(12));
        let (width, head_width) = (self.d.unwrap_or(32), self.head_width.unwrap_or(32));
        match name {
            Name::Dot => Model::Dot(Dot { batch, items, width, precision, top }),
            Name::Mol => Model::Mol(Mol {
                query_components: self.pq.unwrap_or(8),
                item_components: self.px.unwrap_or(8),
                width,
                gate_hidden: self.gate_hidden.unwrap_or(128),
                batch,
                items,
                precision,
                fusion,
                item_side: self.on_the_fly.map_or(Items::Cached, |width| Items::OnTheFly { width }),
                query_side: self.query_width.map(|width| [width, 512]),
                top,
            }),
            Name::Matmul => {
                let [m, k, n] = self.shape.unwrap_or([512; 3]);
                Model::Matmul(Matmul { m, k, n, precision })
            }
            Name::Attention => {
                Model::Attention(Attention { batch, tokens, heads, head_width, precision, fusion })
            }
            Name::Encoder => Model::Encoder(Encoder {
                layers: self.layers.unwrap_or(6),
                width: heads * head_width,
                heads,
                intermediate: self.intermediate.unwrap_or(1536),
                batch,
                tokens,
                precision,
                fusion,
            }),
        }
    }
}

/// Items that are scored where nobody says how many.
const ITEMS: usize = 1000;

/// Operations and bytes that are not counted: 2^63.
const MOST: f64 = 9_223_372_036_854_775_808.0;

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
