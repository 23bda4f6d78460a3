//! A figure as an SVG element of the page: coloured by the page's style sheet (so that it follows dark mode and print),
//! with a title on each thing that can tell more when pointed at.

use std::fmt::Write;

use super::Figure;
use super::scene::{Anchor, Item, Scene, Shape, Titles, compose};
use crate::render::html::escape;

pub(super) fn svg(figure: &Figure) -> String {
    let scene = compose(figure, Titles::Outside);
    let Scene { width, height, items } = &scene;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg class=\"figure\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">",
        escape(&figure.alt)
    );
    for item in items {
        write_item(&mut out, item);
    }
    out.push_str("</svg>");
    out
}

/// Writing to a string cannot fail, so the results are not looked at.
fn write_item(out: &mut String, item: &Item) {
    let class = item.ink.class();
    let opacity = if item.opacity < 1.0 { format!(" opacity=\"{}\"", item.opacity) } else { String::new() };
    let (name, attributes, text) = match &item.shape {
        Shape::Path { points, width } => {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let attributes =
                format!("class=\"k-{class}\" stroke-width=\"{width}\" points=\"{}\"", points.join(" "));
            ("polyline", attributes, None)
        }
        Shape::Rect { x, y, width, height } => (
            "rect",
            format!(
                "class=\"f-{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\""
            ),
            None,
        ),
        Shape::Marker { x, y, radius, marker, filled } => {
            let class = if *filled { format!("f-{class} point") } else { format!("k-{class} hollow") };
            let corners = marker.corners(*radius);
            if corners.is_empty() {
                ("circle", format!("class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\""), None)
            } else {
                let points: Vec<String> =
                    corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
                ("polygon", format!("class=\"{class}\" points=\"{}\"", points.join(" ")), None)
            }
        }
        Shape::Text { x, y, size, anchor, bold, text } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let weight = if *bold { " font-weight=\"600\"" } else { "" };
            let attributes = format!(
                "class=\"f-{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{weight}"
            );
            ("text", attributes, Some(text))
        }
    };
    let _ = write!(out, "<{name} {attributes}{opacity}");
    match (text, &item.hover) {
        (Some(text), _) => {
            let _ = writeln!(out, ">{}</{name}>", escape(text));
        }
        (None, Some(hover)) => {
            let _ = writeln!(out, "><title>{}</title></{name}>", escape(hover));
        }
        (None, None) => out.push_str("/>\n"),
    }
}
