//! How well a precision agrees with single precision: cosines of the embeddings of the same texts.

use super::config::Architecture;
use super::{Engine, EngineError, Model, Stages, corpus};

/// Operations that may be spent on comparing: a few seconds.
const MOST_FLOPS: f64 = 5e11;
/// Texts that are compared even where they take more.
const FEWEST_TEXTS: usize = 16;
/// Texts of a batch.
const BATCH: usize = 32;

/// Cosines between the embeddings of two engines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Of the text that fared worst.
    pub minimum: f64,
    /// Over all texts.
    pub mean: f64,
    /// How many there were.
    pub texts: usize,
}

/// Texts of the corpus that ships, or of `own`, spread evenly over it: all of them, or as many as a few seconds allow for
/// a model of this size.
///
/// # Errors
/// The tokenizer refuses a text.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a count of texts"
)]
pub fn texts<'a>(model: &Model, own: Option<&'a [String]>) -> Result<Vec<&'a str>, EngineError> {
    let all: Vec<&str> = match own {
        Some(own) => own.iter().map(String::as_str).collect(),
        None => corpus::lines().collect(),
    };
    let lengths: Vec<usize> =
        all.iter().map(|text| model.tokenizer.ids(text).map(|ids| ids.len())).collect::<Result<_, _>>()?;
    let shape: &Architecture = &model.architecture;
    let share = MOST_FLOPS / shape.flops(lengths).max(1.0);
    let count = ((share * all.len() as f64) as usize).max(FEWEST_TEXTS);
    Ok(corpus::spread(&all, count).copied().collect())
}

/// Embeds the texts with both engines and compares.
///
/// # Errors
/// An engine refuses a text.
pub fn agreement(
    reference: &mut dyn Engine,
    other: &mut dyn Engine,
    texts: &[&str],
) -> Result<Agreement, EngineError> {
    let (mut minimum, mut sum) = (f64::INFINITY, 0.0);
    for batch in texts.chunks(BATCH) {
        let right = reference.embed(batch, &mut Stages::new())?;
        let got = other.embed(batch, &mut Stages::new())?;
        for (a, b) in right.rows().zip(got.rows()) {
            let cosine = cosine(a, b);
            minimum = if cosine < minimum || cosine.is_nan() { cosine } else { minimum };
            sum += cosine;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of texts")]
    let mean = sum / texts.len() as f64;
    Ok(Agreement { minimum, mean, texts: texts.len() })
}

/// Of two vectors of one length; 1 where both are zero.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 {
        return f64::from(u8::from(dot(a, a) == dot(b, b)));
    }
    dot(a, b) / lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_of_directions() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 1.0]), 0.0);
        assert_eq!((cosine(&[0.0], &[0.0]), cosine(&[0.0], &[1.0])), (1.0, 0.0));
        assert!(cosine(&[f32::NAN], &[1.0]).is_nan());
    }
}
