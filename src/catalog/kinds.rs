//! A ceiling on each kind of core of a machine that has several: where all CPUs do the same share of the work, the slow
//! ones hold the fast ones back.
//!
//! A shape is KIND x THREADS x what follows in the shapes of the ceiling itself; kinds count from 1, in the order in which
//! the machine lists them.

use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Extent, Machine, Shape};
use crate::sys::Team;
use crate::workload::Workload;

/// A row: the ceiling `of` on the CPUs of each kind.
pub(super) struct Kinds {
    /// Its own id.
    pub(super) id: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    /// The ceiling's id.
    pub(super) of: &'static str,
    /// The ceiling's shapes at a number of threads.
    pub(super) shapes: fn(&Machine, usize) -> Vec<Shape>,
}

/// The CPUs of each kind of core that this process may use, where the machine has several.
pub(super) fn usable_kinds(machine: &Machine) -> Vec<Vec<u32>> {
    if machine.cpu.kinds.len() < 2 {
        return Vec::new();
    }
    let usable =
        |cpu: &u32| machine.limits.allowed_cpus.is_empty() || machine.limits.allowed_cpus.contains(*cpu);
    machine.cpu.kinds.iter().map(|kind| kind.cpus.iter().filter(usable).collect()).collect()
}

impl Kinds {
    fn ceiling(&self) -> Option<&'static dyn Benchmark> {
        super::find(self.of)
    }
}

/// The shape of the ceiling itself: all but the kind.
fn without_kind(shape: &Shape) -> Option<(usize, Shape)> {
    match shape.0.split_first()? {
        (Extent::Count(kind), rest) if *kind > 0 && !rest.is_empty() => Some((*kind, Shape(rest.to_vec()))),
        (Extent::Count(_) | Extent::Mixed, _) => None,
    }
}

impl Benchmark for Kinds {
    fn id(&self) -> &str {
        self.id
    }

    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: "KINDx and what follows as in the row without the kind, which is also what it costs",
            implementations: self.ceiling().map_or(&[], |ceiling| match ceiling.card().implementations {
                // Its own way alone, not its variants.
                [first, ..] => std::slice::from_ref(first),
                [] => &[],
            }),
        }
    }

    fn shapes(&self, machine: &Machine, _: Extensiveness) -> Vec<Shape> {
        let of_kind = |kind: usize, threads: usize| {
            let shapes = (self.shapes)(machine, threads).into_iter().take(1);
            shapes.map(move |shape| Shape([vec![Extent::Count(kind)], shape.0].concat()))
        };
        let kinds = usable_kinds(machine);
        if kinds.is_empty() {
            return of_kind(1, 1).collect();
        }
        let mut shapes = Vec::new();
        for (index, cpus) in kinds.iter().enumerate() {
            let mut counts = vec![1, cpus.len()];
            counts.retain(|&count| count > 0 && count <= cpus.len());
            counts.dedup();
            shapes.extend(counts.into_iter().flat_map(|threads| of_kind(index + 1, threads)));
        }
        shapes
    }

    fn usual(&self, machine: &Machine, _: &Implementation, extensiveness: Extensiveness) -> bool {
        extensiveness == Extensiveness::Full && !usable_kinds(machine).is_empty()
    }

    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        shape.0.len() > 1 && shape.count(1) == threads
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        self.ceiling()?.cost(&without_kind(shape)?.1)
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let kinds = usable_kinds(&resources.machine);
        if kinds.is_empty() {
            return Err(PrepareError::Unavailable(
                "the cores of this machine are all of one kind".to_owned(),
            ));
        }
        let wrong = || PrepareError::Failed(format!("{case}: the shape is KINDxTHREADSx.., kinds from 1"));
        let (kind, shape) = without_kind(&case.shape).ok_or_else(wrong)?;
        let cpus = kinds.get(kind - 1).ok_or_else(wrong)?;
        let Some(cpus) = cpus.get(..case.threads.get()) else {
            let why = format!("this process may use {} CPUs of kind {kind}", cpus.len());
            return Err(PrepareError::Unavailable(why));
        };
        let team =
            Team::on(cpus).map_err(|error| PrepareError::Failed(format!("cannot start threads: {error}")))?;
        let ceiling = self.ceiling().ok_or_else(wrong)?;
        let inner = Case { benchmark: self.of.to_owned(), shape, ..case.clone() };
        ceiling.prepare(&inner, &Resources { team, ..resources.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::CoreKind;
    use crate::sys::threads;

    /// Two kinds: the first CPU that this process may use, and the CPUs 600 to 603, which it may not.
    fn hybrid() -> Machine {
        let mut machine = Machine::default();
        let first = threads::affinity().unwrap()[0];
        let kind = |name: &str, cpus: &[u32]| CoreKind {
            name: Some(name.to_owned()),
            cpus: cpus.iter().copied().collect(),
            cores: cpus.len(),
            ..CoreKind::default()
        };
        machine.cpu.kinds = vec![kind("P-core", &[first]), kind("E-core", &[600, 601, 602, 603])];
        machine.limits.effective_cpus = 5;
        machine
    }

    fn peak() -> &'static dyn Benchmark {
        super::super::find("peak/kind-fma-f32").unwrap()
    }

    #[test]
    fn each_kind_is_measured_on_one_of_its_cpus_and_on_all() {
        let shapes = peak().shapes(&hybrid(), Extensiveness::Full);
        let counts: Vec<(usize, usize)> = shapes.iter().map(|s| (s.count(0), s.count(1))).collect();
        assert_eq!(counts, [(1, 1), (2, 1), (2, 4)]);
        assert!(peak().fits_threads(&shapes[2], 4) && !peak().fits_threads(&shapes[2], 1));
    }

    #[test]
    fn only_a_machine_with_several_kinds_is_measured_by_kind() {
        let implementation = &peak().card().implementations[0];
        assert!(peak().usual(&hybrid(), implementation, Extensiveness::Full));
        assert!(!peak().usual(&hybrid(), implementation, Extensiveness::Default));
        assert!(!peak().usual(&Machine::default(), implementation, Extensiveness::Full));
    }

    #[test]
    fn the_work_is_that_of_the_ceiling_and_cpus_that_are_not_there_are_a_reason() {
        let mut machine = hybrid();
        let case = |shape: &str, threads: usize| -> Case {
            format!("peak/kind-fma-f32/chains@baseline/{shape}/t{threads}").parse().unwrap()
        };
        let prepare = |machine: &Machine, case: &Case| {
            let resources = Resources::new(case.threads, 1, machine).unwrap();
            peak().prepare(case, &resources)
        };
        let mut workload = prepare(&machine, &case("1x1x64", 1)).unwrap();
        workload.run();
        workload.check().unwrap();
        assert_eq!(peak().cost(&Shape::new(&[2, 4, 64])).unwrap().flops, 4.0 * 64.0 * 384.0 * 2.0);
        assert!(matches!(prepare(&machine, &case("1x2x64", 2)), Err(PrepareError::Unavailable(_))));
        assert!(matches!(prepare(&machine, &case("3x1x64", 1)), Err(PrepareError::Failed(_))));
        machine.cpu.kinds.truncate(1);
        assert!(matches!(prepare(&machine, &case("1x1x64", 1)), Err(PrepareError::Unavailable(_))));
    }
}
