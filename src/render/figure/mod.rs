//! One model of a picture, with a writer for files and one for the page.

use crate::document::Document;

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {}

impl Figure {
    /// A standalone SVG file.
    #[must_use]
    pub fn to_svg(&self) -> String {
        String::new()
    }

    /// A PNG file at twice the size.
    pub fn to_png(&self) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// The roofline of a document: every measured roof, every placed kernel.
#[must_use]
pub fn roofline(document: &Document) -> Figure {
    let _ = document;
    Figure {}
}
