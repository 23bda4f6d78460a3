//! Which cases a request means: the catalog's table, narrowed by filters, tiers, shapes and threads.

use std::num::NonZeroUsize;

use crate::catalog::{self, Benchmark, Extensiveness, Implementation, Threading};
use crate::document::Tier;
use crate::document::{Case, CasePattern, Machine, Omission, Origin, Shape};

/// How many threads cases have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One; with [`Extensiveness::Default`] and above also all, on the best tier.
    Usual,
    /// So many.
    Count(NonZeroUsize),
    /// As many as this process may use.
    All,
    /// One, doubling up to all.
    Sweep,
}

/// What is asked for; empty lists do not narrow.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Globs over case text, or whole case texts.
    pub filters: Vec<String>,
    /// Tiers; empty means the plain code and the best tier here (all tiers for ceilings and with `Full`).
    pub tiers: Vec<Tier>,
    /// Names of implementations.
    pub implementations: Vec<String>,
    /// Shapes.
    pub shapes: Vec<Shape>,
    /// Thread counts.
    pub threads: Threads,
    /// How many of a benchmark's shapes.
    pub extensiveness: Extensiveness,
    /// CPUs that this process may use.
    pub effective_cpus: NonZeroUsize,
}

impl Selection {
    /// Everything usual on a machine.
    #[must_use]
    pub fn usual(machine: &Machine, extensiveness: Extensiveness) -> Self {
        Self {
            filters: Vec::new(),
            tiers: Vec::new(),
            implementations: Vec::new(),
            shapes: Vec::new(),
            threads: Threads::Usual,
            extensiveness,
            effective_cpus: NonZeroUsize::new(machine.limits.effective_cpus).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Cases to measure, and those that cannot be measured here.
#[derive(Debug, Clone, Default)]
pub struct Selected {
    /// To measure, in the catalog's order.
    pub cases: Vec<Case>,
    /// Asked for, and why not: one entry an implementation and absent tier.
    pub skipped: Vec<Omission>,
}

/// A request that means nothing that exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No case matches.
    #[error("nothing matches {what:?}{}", near_text(.near))]
    Unknown {
        /// What was asked for.
        what: String,
        /// What is spelt like it.
        near: Vec<String>,
    },
    /// The pattern is broken.
    #[error(transparent)]
    Pattern(#[from] crate::document::PatternError),
    /// No benchmark selected takes the shape.
    #[error("no selected benchmark takes the shape {0}; `perfkit list` shows the shapes of each")]
    Shape(String),
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() {
        "; `perfkit list` shows what there is".to_owned()
    } else {
        format!("; did you mean {}?", near.join(" or "))
    }
}

/// The cases that a selection means. A filter that matches nothing among the usual cases is tried on every tier,
/// shape and thread count before it is an error.
pub fn select(selection: &Selection, machine: &Machine) -> Result<Selected, SelectionError> {
    check_names(selection)?;
    let mut selected = Selected::default();
    if selection.filters.is_empty() {
        for benchmark in catalog::benchmarks().filter(|b| !b.id().starts_with("embed/")) {
            expand(benchmark, selection, machine, Breadth::Usual, &mut selected);
        }
    }
    for filter in &selection.filters {
        add_filter(filter, selection, machine, &mut selected)?;
    }
    if selected.cases.is_empty() && selected.skipped.is_empty() {
        return Err(match selection.shapes.first() {
            Some(shape) => SelectionError::Shape(shape.to_string()),
            None => SelectionError::Unknown { what: selection.filters.join(" "), near: Vec::new() },
        });
    }
    deduplicate(&mut selected);
    Ok(selected)
}

fn check_names(selection: &Selection) -> Result<(), SelectionError> {
    let known = || catalog::benchmarks().flat_map(|b| b.card().implementations).map(|i| i.name.to_owned());
    for name in &selection.implementations {
        if !known().any(|k| k == *name) {
            let near = nearest(name, known());
            return Err(SelectionError::Unknown { what: name.clone(), near });
        }
    }
    Ok(())
}

fn add_filter(
    filter: &str,
    selection: &Selection,
    machine: &Machine,
    selected: &mut Selected,
) -> Result<(), SelectionError> {
    if let Some(case) = exact_case(filter) {
        match absent_tier(&case) {
            Some(why) => selected.skipped.push(Omission { case, origin: Origin::Perfkit, why }),
            None => selected.cases.push(case),
        }
        return Ok(());
    }
    let pattern = CasePattern::new(filter)?;
    for breadth in [Breadth::Usual, Breadth::Named, Breadth::Everything] {
        let mut candidates = Selected::default();
        for benchmark in catalog::benchmarks() {
            expand(benchmark, selection, machine, breadth, &mut candidates);
        }
        candidates.cases.retain(|case| pattern.matches(case));
        candidates.skipped.retain(|omission| pattern.matches(&omission.case));
        if !candidates.cases.is_empty() || (breadth == Breadth::Everything && !candidates.skipped.is_empty())
        {
            selected.cases.append(&mut candidates.cases);
            selected.skipped.append(&mut candidates.skipped);
            return Ok(());
        }
    }
    let nowhere = |shape: &&Shape| {
        catalog::benchmarks()
            .all(|b| b.cost(shape).is_none() || !pattern.matches_text(&format!("{}/", b.id())))
    };
    let benchmark_exists = catalog::benchmarks().any(|b| pattern.matches_text(&format!("{}/", b.id())));
    if let Some(shape) = selection.shapes.iter().find(nowhere).filter(|_| benchmark_exists) {
        return Err(SelectionError::Shape(shape.to_string()));
    }
    let words = catalog::FAMILIES
        .iter()
        .map(|f| f.name.to_owned())
        .chain(catalog::benchmarks().map(|b| b.id().to_owned()));
    Err(SelectionError::Unknown { what: filter.to_owned(), near: nearest(filter, words) })
}

/// A filter that spells a whole case of the catalog, of any shape that its benchmark takes.
fn exact_case(filter: &str) -> Option<Case> {
    let case: Case = filter.parse().ok()?;
    let benchmark = catalog::find(&case.benchmark)?;
    let implementation = benchmark.card().implementations.iter().find(|i| i.name == case.implementation)?;
    let tier = case.tier.ours()?;
    (implementation.tiers.contains(&tier) && benchmark.cost(&case.shape).is_some()).then_some(case)
}

/// Why the tier of a case is not to be had here.
#[must_use]
pub fn absent_tier(case: &Case) -> Option<String> {
    let tier = case.tier.ours()?;
    (!tier.is_available()).then(|| format!("this CPU or its system does not offer {tier}"))
}

/// How widely unspecified axes are expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breadth {
    /// What a run measures that names nothing.
    Usual,
    /// The same of what is measured only when it is named.
    Named,
    /// Every tier, shape and number of threads.
    Everything,
}

fn expand(
    benchmark: &dyn Benchmark,
    selection: &Selection,
    machine: &Machine,
    breadth: Breadth,
    selected: &mut Selected,
) {
    let shapes = shapes(benchmark, selection, machine, breadth);
    let fewer = benchmark.shapes(machine, Extensiveness::Default);
    let wanted = |i: &&Implementation| {
        selection.implementations.is_empty() || selection.implementations.iter().any(|n| n == i.name)
    };
    let usual = |i: &&Implementation| {
        breadth != Breadth::Usual
            || !selection.implementations.is_empty()
            || benchmark.usual(machine, i, selection.extensiveness)
    };
    for implementation in benchmark.card().implementations.iter().filter(wanted).filter(usual) {
        for tier in tiers(benchmark, implementation, selection, breadth) {
            let shapes =
                if is_lesser(benchmark, implementation, tier, selection, breadth) { &fewer } else { &shapes };
            for shape in shapes {
                let counts = thread_counts(benchmark, implementation, tier, shapes, selection, breadth);
                for threads in counts.into_iter().filter(|n| benchmark.fits_threads(shape, n.get())) {
                    let case = Case {
                        benchmark: benchmark.id().to_owned(),
                        implementation: implementation.name.to_owned(),
                        tier: tier.into(),
                        shape: shape.clone(),
                        threads,
                    };
                    add(case, implementation, selected);
                }
            }
        }
    }
}

/// Whether the tier only tells what a better one brings: then the shapes of an ordinary run say it, and a whole run with
/// every shape of every tier would take twice as long.
fn is_lesser(
    benchmark: &dyn Benchmark,
    implementation: &Implementation,
    tier: Tier,
    selection: &Selection,
    breadth: Breadth,
) -> bool {
    let best = implementation.tiers.iter().copied().filter(|tier| tier.is_available()).max();
    breadth != Breadth::Everything
        && selection.extensiveness == Extensiveness::Full
        && selection.shapes.is_empty()
        && selection.tiers.is_empty()
        && !is_ceiling(benchmark.id())
        && (implementation.name == "plain" || Some(tier) != best)
}

fn add(case: Case, implementation: &Implementation, selected: &mut Selected) {
    let single = implementation.threads == Threading::Single && case.threads.get() > 1;
    let why = if single {
        Some(format!("{} runs on one thread only", case.implementation))
    } else {
        absent_tier(&case)
    };
    let Some(why) = why else { return selected.cases.push(case) };
    let same = |o: &Omission| {
        (&o.case.benchmark, &o.case.implementation, o.case.tier)
            == (&case.benchmark, &case.implementation, case.tier)
    };
    if !selected.skipped.iter().any(same) {
        selected.skipped.push(Omission { case, origin: Origin::Perfkit, why });
    }
}

fn shapes(
    benchmark: &dyn Benchmark,
    selection: &Selection,
    machine: &Machine,
    breadth: Breadth,
) -> Vec<Shape> {
    let extensiveness = match breadth {
        Breadth::Usual | Breadth::Named => selection.extensiveness,
        Breadth::Everything => Extensiveness::Full,
    };
    if selection.shapes.is_empty() {
        return benchmark.shapes(machine, extensiveness);
    }
    selection.shapes.iter().filter(|shape| benchmark.cost(shape).is_some()).cloned().collect()
}

/// Whether a benchmark says what the machine can do: a roof, a latency, or the core clock.
#[must_use]
pub fn is_ceiling(id: &str) -> bool {
    ["memory/", "peak/", "latency/", "clock/"].iter().any(|family| id.starts_with(family))
}

/// The tiers of an implementation that are asked for: absent ones too, so that they are skipped with a reason.
fn tiers(
    benchmark: &dyn Benchmark,
    implementation: &Implementation,
    selection: &Selection,
    breadth: Breadth,
) -> Vec<Tier> {
    if !selection.tiers.is_empty() {
        // A forced tier leaves the plain code in, which every speed-up names as its base.
        let plain = implementation.name == "plain";
        return implementation
            .tiers
            .iter()
            .copied()
            .filter(|tier| plain || selection.tiers.contains(tier))
            .collect();
    }
    let possible = |tier: &&Tier| breadth == Breadth::Everything || of_this_architecture(**tier);
    let all = breadth == Breadth::Everything
        || selection.extensiveness == Extensiveness::Full
        || benchmark.id().starts_with("peak/");
    let best = implementation.tiers.iter().copied().filter(|tier| tier.is_available()).max();
    let usual = |tier: &Tier| {
        all || Some(*tier) == best
            || !tier.is_available()
            || (is_ceiling(benchmark.id()) && *tier == Tier::Baseline)
    };
    implementation.tiers.iter().filter(possible).copied().filter(usual).collect()
}

/// Tiers of another architecture are not missing here: they are named when asked for, not reported as skipped.
fn of_this_architecture(tier: Tier) -> bool {
    match tier {
        Tier::Baseline => true,
        Tier::Sse41 | Tier::Avx2 | Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => {
            std::env::consts::ARCH == "x86_64"
        }
        Tier::Neon | Tier::NeonDotprod => std::env::consts::ARCH == "aarch64",
    }
}

fn thread_counts(
    benchmark: &dyn Benchmark,
    implementation: &Implementation,
    tier: Tier,
    shapes: &[Shape],
    selection: &Selection,
    breadth: Breadth,
) -> Vec<NonZeroUsize> {
    let all = selection.effective_cpus;
    let threads = match (selection.threads, breadth) {
        (Threads::Usual, Breadth::Everything) => Threads::Sweep,
        (threads, Breadth::Usual | Breadth::Named | Breadth::Everything) => threads,
    };
    let parallel = implementation.threads == Threading::Parallel;
    match threads {
        Threads::Count(count) => vec![count],
        Threads::Usual | Threads::All | Threads::Sweep if !parallel => vec![NonZeroUsize::MIN],
        Threads::All => vec![all],
        Threads::Sweep => catalog::sweep(all),
        // How ceilings grow with the threads is told by every number of them that has shapes of its own.
        Threads::Usual if is_ceiling(benchmark.id()) && selection.extensiveness == Extensiveness::Full => {
            let best = implementation.tiers.iter().copied().filter(|tier| tier.is_available()).max();
            let fits = |n: &NonZeroUsize| shapes.iter().any(|shape| benchmark.fits_threads(shape, n.get()));
            let least = if best == Some(tier) { all } else { NonZeroUsize::MIN };
            (1..=least.get()).filter_map(NonZeroUsize::new).filter(fits).collect()
        }
        Threads::Usual => {
            let worth_it = selection.extensiveness > Extensiveness::Quick
                && tier == Tier::best_f32().max(tier)
                && !benchmark.id().starts_with("embed/");
            if worth_it && all > NonZeroUsize::MIN {
                vec![NonZeroUsize::MIN, all]
            } else {
                vec![NonZeroUsize::MIN]
            }
        }
    }
}

fn deduplicate(selected: &mut Selected) {
    let mut seen = std::collections::HashSet::new();
    selected.cases.retain(|case| seen.insert(case.clone()));
    selected.skipped.retain(|omission| seen.insert(omission.case.clone()));
}

/// The up to three words closest to `text` in edits, none beyond half its length.
fn nearest(text: &str, words: impl Iterator<Item = String>) -> Vec<String> {
    let mut ranked: Vec<(usize, String)> = words
        .map(|word| (if word.contains(text) { 0 } else { edits(text, &word) }, word))
        .filter(|(distance, _)| *distance <= (text.len() / 2).max(2))
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked.into_iter().take(3).map(|(_, word)| word).collect()
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbours() {
        let words = || ["pool", "pool/mean-f32", "norm", "peak"].into_iter().map(str::to_owned);
        assert_eq!(nearest("pol", words())[0], "pool");
        assert!(nearest("pool/maen-f32", words()).contains(&"pool/mean-f32".to_owned()));
        assert!(nearest("zzzzzzzz", words()).is_empty());
    }

    #[test]
    fn a_sweep_doubles_up_to_all() {
        let counts =
            |n| catalog::sweep(NonZeroUsize::new(n).unwrap()).iter().map(|n| n.get()).collect::<Vec<_>>();
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(2), [1, 2]);
        assert_eq!(counts(6), [1, 2, 4, 6]);
    }

    #[test]
    fn every_shape_is_measured_on_the_best_tier_alone() {
        let machine = Machine::default();
        let count = |extensiveness, plain: bool| {
            let mut selection = Selection::usual(&machine, extensiveness);
            selection.filters = vec!["matmul/gemm-f32".to_owned()];
            let cases = select(&selection, &machine).unwrap().cases;
            let of_kind = cases.into_iter().filter(|case| (case.implementation == "plain") == plain);
            of_kind.map(|case| case.shape).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(count(Extensiveness::Full, true), count(Extensiveness::Default, true));
        // A machine without a vector tier has the plain code alone.
        let best = count(Extensiveness::Full, false);
        assert!(best == 0 || best > count(Extensiveness::Default, false));
    }

    #[test]
    fn an_unknown_filter_is_an_error() {
        let machine = Machine::default();
        let mut selection = Selection::usual(&machine, Extensiveness::Quick);
        selection.filters = vec!["no-such-family/*".to_owned()];
        assert!(matches!(select(&selection, &machine), Err(SelectionError::Unknown { .. })));
    }
}
