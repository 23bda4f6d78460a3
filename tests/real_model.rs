//! The real all-MiniLM-L6-v2 against its float64 reference.
//!
//! `scripts/fetch-test-model` brings the model. Without it these tests say that they did nothing; with
//! `PERFKIT_REQUIRE_MODEL=1` they fail then.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]
#![expect(clippy::print_stdout, reason = "a test that skips says what and why")]

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use perfkit::engines::agreement::{agreement, cosine};
use perfkit::engines::native::{Encoder, NativeEngine};
use perfkit::engines::{Engine, Model, ModelSource, Precision, corpus};
use perfkit::simd::Tier;
use perfkit::sys::Rng;
use perfkit::sys::Team;
use perfkit::telemetry::Stages;

/// The largest difference from the reference that an element may have.
const TOLERANCE: f64 = 1e-5;

#[derive(serde::Deserialize)]
struct Reference {
    items: Vec<Item>,
}

#[derive(serde::Deserialize)]
struct Item {
    text: String,
    ids: Vec<u32>,
    embedding: Vec<f64>,
}

fn reference() -> Vec<Item> {
    let text = include_str!("data/minilm-reference.json");
    serde_json::from_str::<Reference>(text).unwrap().items
}

fn folder() -> Option<PathBuf> {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".models/all-MiniLM-L6-v2");
    let folder = std::env::var_os("PERFKIT_TEST_MODEL").map_or_else(own, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("PERFKIT_REQUIRE_MODEL").is_some_and(|value| value == "1");
    assert!(!required, "{} is missing: run scripts/fetch-test-model", folder.display());
    println!("skipped: {} is missing; scripts/fetch-test-model brings it", folder.display());
    None
}

/// The model, loaded once for all tests of this file.
fn model() -> Option<Arc<Model>> {
    static MODEL: OnceLock<Option<Arc<Model>>> = OnceLock::new();
    let load = || folder().map(|folder| Arc::new(ModelSource::Folder(folder).load().unwrap()));
    MODEL.get_or_init(load).clone()
}

fn engine(model: &Arc<Model>, tier: Tier, threads: usize) -> NativeEngine {
    let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
    NativeEngine::new(Arc::new(Encoder::pack(model.clone(), tier).unwrap()), team)
}

/// Embeds the items in one batch and returns the largest difference from their references.
fn largest_difference(engine: &mut NativeEngine, items: &[&Item]) -> f64 {
    let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    let embeddings = engine.embed(&texts, &mut Stages::new()).unwrap();
    let differences = embeddings.rows().zip(items).flat_map(|(row, item)| {
        assert_eq!(row.len(), item.embedding.len());
        row.iter().zip(&item.embedding).map(|(got, want)| (f64::from(*got) - want).abs())
    });
    differences.fold(0.0, |largest, x| if x > largest || x.is_nan() { x } else { largest })
}

#[test]
fn token_ids_are_those_of_the_reference() {
    let Some(model) = model() else { return };
    for item in reference() {
        let ids = model.tokenizer.ids(&item.text).unwrap();
        assert_eq!(ids, item.ids, "{:?}", item.text.chars().take(60).collect::<String>());
    }
}

#[test]
fn embeddings_are_those_of_the_reference_on_every_tier_alone_together_and_in_any_order() {
    let Some(model) = model() else { return };
    let reference = reference();
    let tiers = [Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Neon];
    for tier in tiers.into_iter().filter(|tier| tier.is_available()) {
        // The best tier does all of it; the others, slower, the texts of ordinary length.
        let longest = if tier == Tier::best_f32() { usize::MAX } else { 48 };
        let mut items: Vec<&Item> = reference.iter().filter(|item| item.ids.len() <= longest).collect();
        let mut engine = engine(&model, tier, 1);
        let alone = items.iter().map(|item| largest_difference(&mut engine, &[item])).fold(0.0, f64::max);
        let together = largest_difference(&mut engine, &items);
        Rng::new(7).shuffle(&mut items);
        let shuffled = largest_difference(&mut engine, &items);
        println!(
            "{tier}: largest difference {alone:.2e} alone, {together:.2e} together, {shuffled:.2e} shuffled"
        );
        for difference in [alone, together, shuffled] {
            assert!(difference <= TOLERANCE, "{tier}: {difference}");
        }
    }
}

/// Precision, least cosine on the corpus, least on the reference texts.
const PROMISES: [(Precision, f64, f64); 3] = [
    (Precision::F16, 0.999_999, 0.999_999),
    (Precision::Bf16, 0.9999, 0.9999),
    // The reference texts are hard ones: six scripts that the model hardly knows, and noise.
    (Precision::Int8, 0.997, 0.996),
];

#[test]
fn every_precision_keeps_its_promise_on_the_corpus_and_on_hard_texts() {
    let Some(model) = model() else { return };
    let texts: Vec<&str> = corpus::lines().collect();
    let reference = reference();
    let mut failures = Vec::new();
    for (precision, on_corpus, on_hard) in PROMISES {
        let Some(tier) = precision.best_tier() else { continue };
        let encoder = Arc::new(Encoder::pack_as(model.clone(), precision, tier).unwrap());
        let mut engine = NativeEngine::new(encoder, Team::single());
        let found = agreement(&mut self::engine(&model, Tier::best_f32(), 1), &mut engine, &texts).unwrap();
        let ids: Vec<Vec<u32>> = reference.iter().map(|item| item.ids.clone()).collect();
        let embeddings = engine.embed_ids(&ids, &mut Stages::new()).unwrap();
        let hard = reference.iter().zip(embeddings.rows()).map(|(item, row)| {
            #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
            let want: Vec<f32> = item.embedding.iter().map(|&x| x as f32).collect();
            cosine(row, &want)
        });
        let hard = hard.fold(f64::INFINITY, f64::min);
        println!(
            "{precision} on {tier}: corpus minimum {:.6}, mean {:.6}; reference texts minimum {hard:.6}",
            found.minimum, found.mean
        );
        if !(found.minimum >= on_corpus && hard >= on_hard) {
            failures.push(format!("{precision} on {tier}: {found:?}, {hard}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn two_threads_give_the_reference_too() {
    let Some(model) = model() else { return };
    let items = reference();
    let items: Vec<&Item> = items.iter().collect();
    let difference = largest_difference(&mut engine(&model, Tier::best_f32(), 2), &items);
    assert!(difference <= TOLERANCE, "{difference}");
}

#[test]
fn our_own_double_precision_reference_is_the_published_one() {
    let Some(model) = model() else { return };
    for item in reference().iter().filter(|item| item.ids.len() <= 24).take(4) {
        let ours = perfkit::engines::reference::embed(&model, &item.ids).unwrap();
        let far = ours.iter().zip(&item.embedding).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // The file has nine digits after the point.
        assert!(far < 2e-9, "{far}");
    }
}

#[test]
fn no_intermediate_is_denormal_infinite_or_not_a_number() {
    let Some(model) = model() else { return };
    let ids: Vec<Vec<u32>> = reference().into_iter().map(|item| item.ids).collect();
    let mut bad = Vec::new();
    engine(&model, Tier::best_f32(), 1)
        .embed_probed(&ids, &mut Stages::new(), &mut |layer, place, numbers| {
            let count = numbers.iter().filter(|x| !(x.is_normal() || **x == 0.0)).count();
            if count > 0 {
                bad.push(format!("layer {layer}, {place:?}: {count} of {}", numbers.len()));
            }
        })
        .unwrap();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
