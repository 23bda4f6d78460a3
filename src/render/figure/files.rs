//! A figure as a file, drawn by plotters.
//!
//! plotters has integer coordinates, which make slopes wobble. So a figure is drawn several times as large: the SVG says
//! that its units are fractions of a pixel, and the PNG is averaged down to twice the figure's size.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::scene::{Anchor, Item, Scene, Shape, Titles, compose};
use super::{Figure, Ink};
use crate::render::font;
use crate::render::html::escape;

/// Units of the drawing in one CSS pixel.
const UNITS: f64 = 4.0;
/// Units averaged into one pixel of the PNG, each way.
const AVERAGED: usize = 2;

/// How a backend places and sizes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// The rasteriser's size is the height from ascender to descender, 1.172 em in Roboto, and its texts' baselines lie half
    /// a size below the position.
    Drawn,
    /// The SVG writer divides sizes by 1.24 and puts the baseline 0.76 em below the position.
    Named,
}

pub(super) fn svg(figure: &Figure) -> std::io::Result<String> {
    font::register()?;
    let scene = compose(figure, Titles::Inside);
    let mut text = String::new();
    let (width, height) = (to_size(scene.width), to_size(scene.height));
    {
        let root = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        draw(&root, &scene, Letters::Named)?;
    }
    let outer = format!("width=\"{width}\" height=\"{height}\"");
    let inner = format!("width=\"{}\" height=\"{}\" role=\"img\"", scene.width, scene.height);
    let text = text.replacen(&outer, &inner, 1);
    // The words for those who cannot see it stand first in the root element.
    let Some(end) = text.find("<svg").and_then(|start| text[start..].find('>').map(|end| start + end + 1))
    else {
        return Ok(text);
    };
    Ok(format!(
        "{}\n<title>{}</title>\n<desc>{}</desc>{}",
        &text[..end],
        escape(&figure.title),
        escape(&figure.alt),
        &text[end..]
    ))
}

pub(super) fn png(figure: &Figure) -> std::io::Result<Vec<u8>> {
    font::register()?;
    let scene = compose(figure, Titles::Inside);
    let (width, height) = (to_size(scene.width), to_size(scene.height));
    let mut large = vec![255; width as usize * height as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut large, (width, height)).into_drawing_area();
        draw(&root, &scene, Letters::Drawn)?;
    }
    let (pixels, width, height) = average(&large, width as usize, height as usize);
    encode(&pixels, width, height)
}

/// The image at a fraction of its size, each pixel the mean of those it replaces.
fn average(large: &[u8], width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    const COUNT: u32 = 4;
    const { assert!(AVERAGED == 2) };
    let (small_width, small_height) = (width / AVERAGED, height / AVERAGED);
    let mut out = Vec::with_capacity(small_width * small_height * 3);
    for y in 0..small_height {
        for x in 0..small_width {
            for channel in 0..3 {
                let mut sum = 0_u32;
                for dy in 0..AVERAGED {
                    for dx in 0..AVERAGED {
                        let at = (y * AVERAGED + dy) * width + x * AVERAGED + dx;
                        sum += u32::from(large[at * 3 + channel]);
                    }
                }
                out.push(u8::try_from((sum + COUNT / 2) / COUNT).unwrap_or(u8::MAX));
            }
        }
    }
    (out, small_width, small_height)
}

fn encode(pixels: &[u8], width: usize, height: usize) -> std::io::Result<Vec<u8>> {
    let side = |n: usize| u32::try_from(n).map_err(std::io::Error::other);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Best);
    encoder.set_filter(png::FilterType::Up);
    // 192 dots per inch: viewers that look show it at its CSS size.
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: 7559, yppu: 7559, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

type Area<B> = DrawingArea<B, Shift>;

fn draw<B: DrawingBackend>(root: &Area<B>, scene: &Scene, letters: Letters) -> std::io::Result<()> {
    root.fill(&color(Ink::Surface)).map_err(io)?;
    for item in &scene.items {
        draw_item(root, item, letters).map_err(io)?;
    }
    root.present().map_err(io)
}

fn io(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::other(format!("cannot draw: {error}"))
}

fn draw_item<B: DrawingBackend>(
    root: &Area<B>,
    item: &Item,
    letters: Letters,
) -> Result<(), plotters::drawing::DrawingAreaErrorKind<B::ErrorType>> {
    let fill = color(item.ink).mix(item.opacity).filled();
    let stroke =
        |width: f64| ShapeStyle { color: fill.color, filled: false, stroke_width: to_size(width).max(1) };
    match &item.shape {
        Shape::Path { points, width } => {
            let points: Vec<_> = points.iter().map(|&point| unit(point)).collect();
            root.draw(&PathElement::new(points, stroke(*width)))
        }
        Shape::Rect { x, y, width, height } => {
            root.draw(&Rectangle::new([unit((*x, *y)), unit((x + width, y + height))], fill))
        }
        Shape::Marker { x, y, radius, marker, filled } => {
            let corners: Vec<_> =
                marker.corners(*radius).iter().map(|(dx, dy)| unit((x + dx, y + dy))).collect();
            let style = if *filled { fill } else { stroke(1.8) };
            match (corners.is_empty(), *filled) {
                (true, _) => root.draw(&Circle::new(unit((*x, *y)), to_size(*radius), style)),
                (false, true) => root.draw(&Polygon::new(corners, style)),
                // Side by side: the rasteriser loses the joints of a closed path.
                (false, false) => {
                    let ends = corners.iter().cycle().skip(1);
                    for (&from, &to) in corners.iter().zip(ends) {
                        root.draw(&PathElement::new([from, to], style))?;
                    }
                    Ok(())
                }
            }
        }
        Shape::Text { x, y, size, anchor, bold, text } => {
            let em = size * UNITS;
            let (size, rise) = match letters {
                Letters::Drawn => (em * 1.172, em * 1.172 / 2.0),
                Letters::Named => (em * 1.24, em * 0.76),
            };
            let weight = if *bold { FontStyle::Bold } else { FontStyle::Normal };
            let anchor = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let ink = color(item.ink);
            let style = TextStyle::from(FontDesc::new(FontFamily::SansSerif, size, weight))
                .color(&ink)
                .pos(Pos::new(anchor, VPos::Top));
            root.draw(&Text::new(text.clone(), unit((*x, y - rise / UNITS)), style))
        }
    }
}

fn color(ink: Ink) -> RGBColor {
    let (red, green, blue) = ink.rgb();
    RGBColor(red, green, blue)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "positions lie in or near the picture; the cast saturates"
)]
fn unit((x, y): (f64, f64)) -> (i32, i32) {
    ((x * UNITS).round() as i32, (y * UNITS).round() as i32)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of pictures; the cast saturates"
)]
fn to_size(pixels: f64) -> u32 {
    (pixels * UNITS).round() as u32
}
