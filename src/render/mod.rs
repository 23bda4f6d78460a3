//! What to say about a document, and the writers that say it.
//!
//! [`page`] decides what is said; [`terminal`], `markdown`, `csv`, `junit`, [`json`] and [`html`] say it, and
//! [`comparison`] says a verdict to those who gate on one; [`figure`] is the one model of a picture, with a writer for files and one for the page.

pub mod comparison;
pub mod figure;
pub mod html;
pub mod json;
pub mod machine;
pub mod page;
pub mod report;
pub mod terminal;

mod csv;
mod facts;
mod font;
mod junit;
mod markdown;
mod words;
