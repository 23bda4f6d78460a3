//! A drawing of a machine: packages, NUMA nodes, shared caches and cores as boxes in boxes, with GPUs below.
//!
//! Boxes nest by the CPUs that they hold. Large machines repeat themselves: of packages that are alike the first is drawn.

use super::{Axis, Data, Figure, Ink, Nested, Number, Series};
use crate::document::{Cache, CacheType, Gpu, Machine};
use crate::units::{CpuList, bytes, bytes_per_second};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
/// Around the boxes inside a box.
const GAP: f64 = 8.0;
/// The name of a box.
const HEAD: f64 = 22.0;
/// A core's box.
const CORE: (f64, f64) = (116.0, 58.0);
/// More cores than this are not drawn: nobody would look at each.
const MOST_CORES: usize = 192;

/// What a box is, the outer ones first where several hold the same CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Package,
    Node,
    Cache,
    Core,
}

/// A box with those inside it.
struct Tree {
    level: Level,
    cpus: CpuList,
    lines: Vec<String>,
    /// The kind of core, by its place in the machine's list.
    kind: usize,
    children: Vec<Self>,
}

/// The machine's drawing; `None` where the system does not show which CPUs belong together.
#[must_use]
pub fn topology(machine: &Machine) -> Option<Figure> {
    let cpu = &machine.cpu;
    let (drawn, left_out) = drawn_cpus(machine)?;
    let mut boxes: Vec<Tree> = leaves_and_groups(machine, &drawn);
    boxes.sort_by(|a, b| {
        b.cpus.len().cmp(&a.cpus.len()).then(a.level.cmp(&b.level)).then(a.cpus.first().cmp(&b.cpus.first()))
    });
    let mut roots: Vec<Tree> = Vec::new();
    for tree in boxes {
        insert(&mut roots, tree);
    }
    order(&mut roots);
    let mut placed = Placed { series: vec![Vec::new(); 3 + cpu.kinds.len().max(1)] };
    let mut y = 0.0;
    for tree in &roots {
        let (width, height) = size(tree, WIDTH - 2.0 * MARGIN);
        placed.put(tree, MARGIN, y, width, height);
        y += height + GAP;
    }
    for gpu in &machine.gpus {
        placed.series[Level::Package as usize].push(gpu_box(gpu, y));
        y += HEAD + 2.0 * GAP + 6.0;
    }
    let inks = [Ink::Muted, Ink::Series(4), Ink::Series(2)];
    let names = [None, None, None];
    let kinds = cpu.kinds.iter().map(|kind| kind.name.clone()).chain(cpu.kinds.is_empty().then_some(None));
    let of_kinds = kinds.enumerate().map(|(index, name)| (Ink::Series([0, 1, 3, 5][index % 4]), name));
    let series = inks.into_iter().zip(names).chain(of_kinds).zip(placed.series);
    let series: Vec<Series> = series
        .filter(|(_, boxes)| !boxes.is_empty())
        .map(|((ink, name), boxes)| Series { name, ink, data: Data::Nested(boxes) })
        .collect();
    let subtitle = match left_out {
        0 => "Boxes hold what shares them; CPUs by the system's numbers.".to_owned(),
        count => format!("The first package; {count} more are like it. CPUs by the system's numbers."),
    };
    Some(Figure {
        name: "topology".to_owned(),
        title: "Topology".to_owned(),
        alt: alt(machine),
        subtitle,
        size: (WIDTH, y + 130.0),
        x: Axis::from_zero("", [1.0], Number::Plain),
        y: Axis::from_zero("", [1.0], Number::Plain),
        series,
        marks: Vec::new(),
    })
}

/// The CPUs to draw, and how many packages are left out because they are like the first.
fn drawn_cpus(machine: &Machine) -> Option<(CpuList, usize)> {
    let cpu = &machine.cpu;
    let cores = cpu.core_cpus.len();
    if cores == 0 {
        return None;
    }
    if cores <= MOST_CORES / 4 || cpu.package_cpus.len() < 2 {
        return (cores <= MOST_CORES).then(|| (cpu.online_cpus.clone(), 0));
    }
    let first = &cpu.package_cpus[0];
    let alike = cpu.package_cpus.iter().all(|package| package.len() == first.len());
    let own = cpu.core_cpus.iter().filter(|core| !core.intersection(first).is_empty()).count();
    match (alike, own <= MOST_CORES, cores <= MOST_CORES) {
        (true, true, _) => Some((first.clone(), cpu.package_cpus.len() - 1)),
        (false, _, true) => Some((cpu.online_cpus.clone(), 0)),
        _ => None,
    }
}

/// Every box for these CPUs, none inside another yet.
fn leaves_and_groups(machine: &Machine, drawn: &CpuList) -> Vec<Tree> {
    let cpu = &machine.cpu;
    let mut boxes = Vec::new();
    let mut add = |level, cpus: &CpuList, lines: Vec<String>, kind| {
        let cpus = cpus.intersection(drawn);
        if !cpus.is_empty() {
            boxes.push(Tree { level, cpus, lines, kind, children: Vec::new() });
        }
    };
    for (number, package) in cpu.package_cpus.iter().enumerate() {
        add(Level::Package, package, vec![format!("Package {number}")], 0);
    }
    if machine.numa.details.len() > 1 {
        for node in &machine.numa.details {
            let memory = node.memory_bytes.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
            add(Level::Node, &node.cpus, vec![format!("NUMA node {}{memory}", node.id)], 0);
        }
    }
    let single = |cpus: &CpuList| cpu.core_cpus.iter().any(|core| core == cpus);
    for cache in cpu.cache_instances.iter().filter(|cache| !single(&cache.cpus)) {
        add(Level::Cache, &cache.cpus, vec![cache_name(cache.level, cache.kind, cache.size_bytes)], 0);
    }
    for core in &cpu.core_cpus {
        let kind =
            cpu.kinds.iter().position(|kind| core.first().is_some_and(|first| kind.cpus.contains(first)));
        let mut lines = vec![format!("CPU {core}")];
        let own = cpu.cache_instances.iter().filter(|cache| cache.cpus == *core);
        lines.extend(own.map(|cache| cache_name(cache.level, cache.kind, cache.size_bytes)).take(2));
        add(Level::Core, core, lines, kind.unwrap_or(0));
    }
    boxes
}

fn cache_name(level: u32, kind: CacheType, size: Option<u64>) -> String {
    let kind = if kind == CacheType::Data { "d" } else { "" };
    let size = size.map_or_else(|| "size unknown".to_owned(), bytes);
    format!("L{level}{kind} {size}")
}

/// Puts a box into the innermost one that holds its CPUs. One that holds a part only has no place in a drawing.
fn insert(trees: &mut Vec<Tree>, tree: Tree) {
    let holds = |outer: &Tree| outer.cpus.intersection(&tree.cpus).len() == tree.cpus.len();
    match trees.iter().position(holds) {
        Some(index) => insert(&mut trees[index].children, tree),
        None => trees.push(tree),
    }
}

/// Boxes by their first CPU, as people count.
fn order(trees: &mut [Tree]) {
    trees.sort_by_key(|tree| tree.cpus.first());
    trees.iter_mut().for_each(|tree| order(&mut tree.children));
}

/// A box's left edge, upper edge, width and height inside the one that holds it.
type Place = (f64, f64, f64, f64);

/// Boxes in rows, and what they take together.
struct Rows {
    places: Vec<Place>,
    width: f64,
    height: f64,
}

/// Puts boxes into rows that fit into a width.
fn rows(children: &[Tree], room: f64) -> Rows {
    let (mut x, mut y, mut row) = (0.0, 0.0, 0.0_f64);
    let mut rows = Rows { places: Vec::new(), width: 0.0, height: 0.0 };
    for child in children {
        let (width, height) = size(child, room);
        if x > 0.0 && x + width > room {
            (x, y, row) = (0.0, y + row + GAP, 0.0);
        }
        rows.places.push((x, y, width, height));
        x += width + GAP;
        row = row.max(height);
        rows.width = rows.width.max(x - GAP);
    }
    rows.height = y + row;
    rows
}

fn size(tree: &Tree, room: f64) -> (f64, f64) {
    if tree.children.is_empty() {
        return (CORE.0.min(room), if tree.level == Level::Core { CORE.1 } else { HEAD + GAP });
    }
    let inside = rows(&tree.children, room - 2.0 * GAP);
    // A name needs room too.
    ((inside.width + 2.0 * GAP).max(150.0).min(room), HEAD + inside.height + GAP)
}

struct Placed {
    series: Vec<Vec<Nested>>,
}

impl Placed {
    fn put(&mut self, tree: &Tree, x: f64, y: f64, width: f64, height: f64) {
        let series = match tree.level {
            Level::Core => 3 + tree.kind,
            outer => outer as usize,
        };
        let opacity = if tree.level == Level::Core { 0.28 } else { 0.08 };
        let threads = tree.cpus.len();
        let hover = format!("{}\nCPUs {} ({threads} hardware threads)", tree.lines.join(", "), tree.cpus);
        let lines = tree.lines.clone();
        if let Some(boxes) = self.series.get_mut(series) {
            boxes.push(Nested { x, y, width, height, opacity, lines, hover });
        }
        let places = rows(&tree.children, width - 2.0 * GAP).places;
        for (child, (left, top, width, height)) in tree.children.iter().zip(places) {
            self.put(child, x + GAP + left, y + HEAD + top, width, height);
        }
    }
}

fn gpu_box(gpu: &Gpu, y: f64) -> Nested {
    let name = gpu.name.clone().unwrap_or_else(|| "GPU".to_owned());
    let parts = [
        Some(name),
        gpu.memory_total_bytes.map(bytes),
        gpu.memory_bytes_per_second.map(bytes_per_second),
        gpu.pcie
            .generation
            .max
            .zip(gpu.pcie.width.max)
            .map(|(generation, lanes)| format!("PCIe {generation} x{lanes}")),
    ];
    let line = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let width = WIDTH - 2.0 * MARGIN;
    Nested { x: MARGIN, y, width, height: HEAD + GAP, opacity: 0.08, hover: line.clone(), lines: vec![line] }
}

fn alt(machine: &Machine) -> String {
    let cpu = &machine.cpu;
    let count = |count: Option<usize>, noun: &str| {
        count.map(|n| format!("{n} {noun}{}", if n == 1 { "" } else { "s" }))
    };
    let counts =
        [count(cpu.packages, "package"), count(cpu.cores, "core"), count(cpu.threads, "hardware thread")];
    let of_data = cpu.caches.iter().filter(|cache| cache.kind != CacheType::Instruction);
    let name = |cache: &Cache| cache_name(cache.level, cache.kind, cache.size_bytes);
    let caches: Vec<String> = of_data.map(|cache| format!("{} x {}", cache.count, name(cache))).collect();
    let parts: Vec<String> = counts.into_iter().flatten().chain(caches).collect();
    format!("Drawing of the machine: {}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{CacheInstance, CoreKind};

    fn list(text: &str) -> CpuList {
        text.parse().unwrap()
    }

    /// Two cores with two threads and a cluster of two without, under one cache.
    fn machine() -> Machine {
        let mut machine = Machine::default();
        let cpu = &mut machine.cpu;
        cpu.online_cpus = list("0-5");
        (cpu.packages, cpu.cores, cpu.threads) = (Some(1), Some(4), Some(6));
        cpu.package_cpus = vec![list("0-5")];
        cpu.core_cpus = ["0-1", "2-3", "4", "5"].map(list).to_vec();
        let mut add = |level, kind, size, cpus: &[&str]| {
            let instance =
                |text: &&str| CacheInstance { level, kind, size_bytes: Some(size), cpus: list(text) };
            cpu.cache_instances.extend(cpus.iter().map(instance));
        };
        add(1, CacheType::Data, 48 << 10, &["0-1", "2-3"]);
        add(2, CacheType::Unified, 2 << 20, &["4-5"]);
        add(3, CacheType::Unified, 24 << 20, &["0-5"]);
        let kind = |name: &str, cpus| CoreKind {
            name: Some(name.to_owned()),
            cpus: list(cpus),
            ..CoreKind::default()
        };
        cpu.kinds = vec![kind("P-core", "0-3"), kind("E-core", "4-5")];
        machine
    }

    fn boxes(figure: &Figure) -> Vec<&Nested> {
        let of = |series: &'_ Series| match &series.data {
            Data::Nested(boxes) => boxes.len(),
            _ => 0,
        };
        assert!(figure.series.iter().all(|series| of(series) > 0));
        figure
            .series
            .iter()
            .flat_map(|series| if let Data::Nested(boxes) = &series.data { boxes.as_slice() } else { &[] })
            .collect()
    }

    #[test]
    fn every_core_lies_inside_the_caches_that_it_shares() {
        let figure = topology(&machine()).unwrap();
        let boxes = boxes(&figure);
        let find = |start: &str| *boxes.iter().find(|b| b.lines[0].starts_with(start)).unwrap();
        let inside = |inner: &Nested, outer: &Nested| {
            inner.x > outer.x
                && inner.y > outer.y
                && inner.x + inner.width < outer.x + outer.width
                && inner.y + inner.height < outer.y + outer.height
        };
        let (package, l3, l2) = (find("Package 0"), find("L3"), find("L2"));
        assert!(inside(l3, package) && inside(l2, l3));
        assert!(inside(find("CPU 4"), l2) && inside(find("CPU 5"), l2) && inside(find("CPU 0-1"), l3));
        assert!(!inside(find("CPU 0-1"), l2));
        assert_eq!(find("CPU 0-1").lines, ["CPU 0-1", "L1d 48 KiB"]);
        let names: Vec<_> = figure.series.iter().filter_map(|series| series.name.as_deref()).collect();
        assert_eq!(names, ["P-core", "E-core"]);
        for (index, one) in boxes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + one.width <= WIDTH, "{one:?}");
            for other in &boxes[index + 1..] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart || inside(one, other) || inside(other, one), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn it_is_drawn_for_the_page_and_for_files() {
        let figure = topology(&machine()).unwrap();
        let inline = figure.to_inline_svg();
        assert!(inline.contains("L3 24 MiB") && inline.contains("CPU 4") && inline.contains("E-core"));
        assert!(!inline.contains("NaN"));
        assert!(figure.to_svg().unwrap().contains("Package 0"));
        assert!(!figure.to_png().unwrap().is_empty());
    }

    #[test]
    fn alike_packages_are_drawn_once_and_unknown_machines_not_at_all() {
        assert!(topology(&Machine::default()).is_none());
        let mut large = Machine::default();
        large.cpu.online_cpus = list("0-255");
        large.cpu.package_cpus = vec![list("0-127"), list("128-255")];
        large.cpu.core_cpus = (0..256).map(|n| list(&n.to_string())).collect();
        let figure = topology(&large).unwrap();
        assert!(figure.subtitle.contains("1 more"), "{}", figure.subtitle);
        assert_eq!(boxes(&figure).len(), 129);
        large.cpu.package_cpus = vec![list("0-255")];
        assert!(topology(&large).is_none(), "nobody would look at so many");
    }
}
