//! What to say about a document: one model that every writer of text walks.
//!
//! A [`Page`] has a headline and sections; a section has blocks. What is decided here (which facts, which columns, which
//! words) is the same in a terminal, in Markdown and in HTML; how it looks is the writer's.

mod analytic;
mod ceilings;
pub(super) mod compared;
mod condition;
mod dashboard;
mod engines;
pub(super) mod judged;
mod kernel;
mod machine;
mod peers;
mod pipeline;
mod predicted;
pub(super) mod sentences;
mod side_by_side;
mod summary;
mod trial;
mod tuning;
mod tuning_matmul;
mod tuning_mol;

use super::facts::Facts;
use super::figure::Figure;
use crate::analysis::budget::BudgetResult;
use crate::analysis::compare::ComparisonReport;
use crate::analysis::recommend::Recommendation;
use crate::document::{Document, Machine, Selftest, Tuning};

pub use analytic::analytic_page;
pub use compared::page as comparison_page;
pub use dashboard::dashboard;
pub use side_by_side::side_by_side;

/// What was computed beside a document and belongs into its report. Everything may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    /// The budget table.
    pub budgets: &'a [BudgetResult],
    /// The advice.
    pub recommendations: &'a [Recommendation],
    /// A comparison with another document.
    pub comparison: Option<&'a ComparisonReport>,
    /// Searches over settings, for the dashboard.
    pub tunings: &'a [Tuning],
}

/// All there is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// When and how it came about.
    pub subtitle: String,
    /// The machine and its best results in one sentence.
    pub headline: String,
    /// The figures a reader looks for first.
    pub highlights: Vec<Fact>,
    /// The rest, most important first.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// For links.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// What a reader must know to read it.
    pub lead: Option<String>,
    /// What it holds.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Names with values.
    Facts(Vec<Fact>),
    /// Rows and columns.
    Table(Table),
    /// A picture; a writer of text leaves it out, the tables say the same.
    Figure(Box<Figure>),
    /// Sentences, each with its tone.
    Notes(Vec<Note>),
    /// Advice.
    Advice(Vec<Advice>),
}

/// How a value is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As any other.
    #[default]
    Normal,
    /// Less important.
    Quiet,
    /// Good.
    Good,
    /// To be looked at.
    Warn,
    /// Bad.
    Bad,
}

/// A name with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// Its value, with the unit.
    pub value: String,
    /// Where it comes from, or what limits it.
    pub detail: String,
}

impl Fact {
    /// A fact without detail.
    pub(super) fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), detail: String::new() }
    }

    /// The same with a detail.
    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// A sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// How it is meant.
    pub tone: Tone,
    /// A word that names it.
    pub name: String,
    /// The sentence.
    pub text: String,
    /// A command or an action that helps.
    pub remedy: Option<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// The instruction.
    pub action: String,
    /// The reason, with its numbers.
    pub why: String,
    /// The effect and how it is known.
    pub effect: String,
    /// The cases behind it.
    pub evidence: Vec<String>,
}

/// Rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows, for those who navigate by tables.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Whether it is complete detail that a reader opens on demand; a terminal leaves it out.
    pub folded: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// Whether it holds numbers, which align to the right.
    pub align: Align,
    /// Where the width is short, columns with the highest number go first; 0 stays.
    pub spare: u8,
}

/// Which edge a column aligns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// The number behind the text, for sorting.
    pub number: Option<f64>,
    /// A share that a small bar may show.
    pub share: Option<f64>,
}

impl Cell {
    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number as text.
    pub(super) fn number(number: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), number: Some(number), ..Self::default() }
    }

    /// A number that may be unknown.
    pub(super) fn maybe(number: Option<f64>, text: impl Fn(f64) -> String) -> Self {
        number.map_or_else(Self::none, |number| Self::number(number, text(number)))
    }

    /// Nothing to say.
    pub(super) fn none() -> Self {
        Self { text: "\u{2013}".to_owned(), tone: Tone::Quiet, ..Self::default() }
    }

    /// The same in a tone.
    pub(super) const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// A column of words that stays.
pub(super) fn words_column(title: &str, spare: u8) -> Column {
    Column { title: title.to_owned(), align: Align::Left, spare }
}

/// A column of numbers.
pub(super) fn number_column(title: &str, spare: u8) -> Column {
    Column { title: title.to_owned(), align: Align::Right, spare }
}

/// Everything there is to say about a document.
#[must_use]
pub fn page(document: &Document, extras: &Extras<'_>) -> Page {
    let facts = Facts::of(document);
    let mut sections = extras.comparison.map(compared::sections).unwrap_or_default();
    let own = [
        judged::advice(extras.recommendations),
        judged::budgets(extras.budgets),
        kernel::roofline(&facts),
        kernel::kernels(&facts),
        predicted::predicted(document),
        peers::peers(document),
        pipeline::pipeline(&facts),
        ceilings::ceilings(&facts),
        Some(machine::machine(&document.machine)),
        Some(condition::conditions(document)),
        condition::omitted(document),
    ];
    sections.extend(own.into_iter().flatten());
    Page {
        title: "perfkit report".to_owned(),
        subtitle: summary::subtitle(document),
        headline: summary::headline(&facts),
        highlights: summary::highlights(&facts),
        sections,
    }
}

/// The trials of a self-test.
#[must_use]
pub fn selftest_section(document: &Selftest) -> Section {
    trial::selftest(document)
}

/// A search over settings.
#[must_use]
pub fn tuning_section(document: &Tuning) -> Section {
    match (&document.mol, &document.matmul) {
        (Some(mol), _) => tuning_mol::tuning(document, mol),
        (None, Some(matmul)) => tuning_matmul::tuning(document, matmul),
        (None, None) => tuning::tuning(document),
    }
}

/// The section about a machine.
#[must_use]
pub fn machine_section(machine: &Machine) -> Section {
    machine::machine(machine)
}

/// The section about the measured roofs.
#[must_use]
pub fn ceilings_section(document: &Document) -> Option<Section> {
    ceilings::ceilings(&Facts::of(document))
}

/// The section about the kernels under their roofs.
#[must_use]
pub fn kernels_section(document: &Document) -> Option<Section> {
    kernel::kernels(&Facts::of(document))
}

/// Predicted beside measured; nothing where nothing that can be predicted was measured.
#[must_use]
pub fn predicted_section(document: &Document) -> Option<Section> {
    predicted::predicted(document)
}

/// The section about the libraries of others; nothing where none was measured.
#[must_use]
pub fn peers_section(document: &Document) -> Option<Section> {
    peers::peers(document)
}

/// The section about the pipeline.
#[must_use]
pub fn pipeline_section(document: &Document) -> Option<Section> {
    pipeline::pipeline(&Facts::of(document))
}

/// The section about budgets.
#[must_use]
pub fn budgets_section(budgets: &[BudgetResult]) -> Option<Section> {
    judged::budgets(budgets)
}

/// The section with the advice.
#[must_use]
pub fn advice_section(recommendations: &[Recommendation]) -> Option<Section> {
    judged::advice(recommendations)
}
