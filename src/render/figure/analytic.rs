//! The roofs of machines as they are stated or measured, and work that was counted under them.

use super::{Axis, Data, Emphasis, Figure, Ink, Line, Marker, Number, Point, Series};
use crate::analysis::analytic::{Analytic, MachineOutlook};
use crate::render::facts::usable;
use crate::units;

/// Each machine's roofs, and on the first machine's the forms of the work; or the work itself where it has one form.
#[must_use]
pub fn analytic(analytic: &Analytic) -> Figure {
    let machines: Vec<(&MachineOutlook, f64, f64)> = analytic
        .machines
        .iter()
        .filter_map(|machine| Some((machine, machine.peak_flops_per_second?, machine.bytes_per_second?)))
        .filter(|&(_, peak, bandwidth)| usable(peak) && usable(bandwidth))
        .collect();
    let points = points(analytic, machines.first().map(|&(_, peak, bandwidth)| (peak, bandwidth)));
    let ridges = machines.iter().map(|&(_, peak, bandwidth)| peak / bandwidth);
    let x = Axis::log(
        "Arithmetic intensity: matrix operations per byte that passes the memory bus",
        points.iter().map(|point| point.x).chain(ridges),
        3.0,
        Number::Plain,
    );
    let (start, end) = x.range;
    let mut series: Vec<Series> = machines
        .iter()
        .enumerate()
        .map(|(i, &(machine, peak, bandwidth))| {
            let ridge = (peak / bandwidth).clamp(start, end);
            let rates = format!("{}, {}", units::flops_per_second(peak), units::bytes_per_second(bandwidth));
            Series {
                name: (machines.len() > 1).then(|| machine.name.clone()),
                ink: if machines.len() > 1 { Ink::Series(i) } else { Ink::Text },
                data: Data::Line(Line {
                    points: vec![
                        (start, start * bandwidth),
                        (ridge, (ridge * bandwidth).min(peak)),
                        (end, peak),
                    ],
                    width: 1.8,
                    start_label: None,
                    end_label: (machines.len() == 1).then(|| units::flops_per_second(peak)),
                    hover: format!("{}: {rates}", machine.name),
                }),
            }
        })
        .collect();
    let heights: Vec<f64> = points.iter().map(|point| point.y).chain(machines.iter().map(|m| m.1)).collect();
    let has_roofs = !series.is_empty();
    series.push(Series { name: None, ink: Ink::Series(1), data: Data::Points(Marker::Circle, points) });
    let who = machines.first().map_or("no machine", |(machine, _, _)| &*machine.name);
    Figure {
        name: "analytic".to_owned(),
        title: analytic.work.title.clone(),
        subtitle: format!(
            "Counted, not measured: where the forms of this work stand under the roofs of {who}."
        ),
        alt: format!("Analytic roofline of {}; the tables hold the same figures.", analytic.work.title),
        size: (1200.0, 750.0),
        x,
        y: Axis::log("Matrix operations per second", heights, 3.0, Number::Rate("FLOP/s")),
        series: if has_roofs { series } else { Vec::new() },
        marks: Vec::new(),
    }
}

/// The forms at what the roofs allow them.
fn points(analytic: &Analytic, roofs: Option<(f64, f64)>) -> Vec<Point> {
    let Some((peak, bandwidth)) = roofs else { return Vec::new() };
    let point = |name: &str, intensity: f64, here: bool| {
        let y = (intensity * bandwidth).min(peak);
        Point {
            x: intensity,
            y,
            emphasis: if here { Emphasis::Best } else { Emphasis::Other },
            label: Some(name.to_owned()),
            hover: format!(
                "{name}: {} FLOP/B, at most {}",
                units::significant(intensity, 4),
                units::flops_per_second(y)
            ),
        }
    };
    let here = analytic.work.intensity;
    let forms = analytic.forms.iter().filter_map(|form| {
        let intensity = form.intensity.filter(|x| usable(*x))?;
        Some(point(&form.name, intensity, Some(intensity) == here))
    });
    let mut points: Vec<Point> = forms.collect();
    if points.is_empty()
        && let Some(intensity) = here.filter(|x| usable(*x))
    {
        points.push(point("this work", intensity, true));
    }
    points
}
