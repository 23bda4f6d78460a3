//! The texts under `corpus/`, and the vocabulary trained on them.

use std::collections::HashSet;
use std::path::Path;

#[path = "../examples/train_vocabulary/trainer.rs"]
mod trainer;

const MIXED: &str = include_str!("../corpus/mixed.txt");
const VOCABULARY: &str = include_str!("../src/engines/builtin/vocabulary.txt");

#[test]
fn training_again_gives_the_committed_vocabulary() {
    let trained = trainer::train_from(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap();
    let different = trained.lines().zip(VOCABULARY.lines()).position(|(new, old)| new != old);
    assert_eq!(different, None, "`cargo run --release --example train_vocabulary` writes it anew");
    assert_eq!(trained, VOCABULARY);
}

#[test]
fn every_line_of_the_corpus_is_a_text_of_its_own() {
    let mut seen = HashSet::new();
    for (number, line) in MIXED.lines().enumerate() {
        let number = number + 1;
        assert!(!line.trim().is_empty(), "line {number} is empty");
        assert_eq!(line, line.trim(), "line {number} begins or ends with a space");
        assert!(seen.insert(line.to_lowercase()), "line {number} stands there twice");
    }
}
