//! Predicted beside measured.

use super::{Block, Cell, Note, Section, Table, Tone, number_column, words_column};
use crate::analysis::analytic::{Prediction, median_error, predictions};
use crate::document::Document;
use crate::units;

/// The mixtures of logits that the arithmetic binds; nothing where none was measured.
#[must_use]
pub(super) fn predicted(document: &Document) -> Option<Section> {
    let predictions = predictions(document);
    if predictions.is_empty() {
        return None;
    }
    let table = Table {
        caption: "Time by the count and the ceilings of this run, beside the measured one".to_owned(),
        columns: vec![
            words_column("case", 0),
            number_column("predicted", 0),
            number_column("measured", 0),
            number_column("not predicted", 0),
        ],
        rows: predictions.iter().map(row).collect(),
        folded: false,
    };
    let text = match median_error(&predictions) {
        Some(error) => format!("the median error of prediction is {}", units::percent(error)),
        None => "nothing could be predicted: the ceilings that it takes were not measured".to_owned(),
    };
    let note = Note { tone: Tone::Normal, name: "prediction".to_owned(), text, remedy: None };
    Some(Section {
        id: "predicted",
        title: "Predicted beside measured".to_owned(),
        lead: Some(
            "Products at the rate of multiply-adds, other operations at half of it, exponentials at their own measured rate; the \
             rest is loads, stores, the ends of tiles and waiting."
                .to_owned(),
        ),
        blocks: vec![Block::Table(table), Block::Notes(vec![note])],
    })
}

fn row(prediction: &Prediction) -> Vec<Cell> {
    vec![
        Cell::text(prediction.case.to_string()),
        match &prediction.predicted_seconds {
            Ok(seconds) => Cell::number(*seconds, units::seconds(*seconds)),
            Err(why) => Cell::text(why).tone(Tone::Quiet),
        },
        Cell::number(prediction.measured_seconds, units::seconds(prediction.measured_seconds)),
        Cell::maybe(prediction.error(), units::percent),
    ]
}
