//! Measuring on the smallest built-in model.

use super::*;
use crate::engines::builtin::{NOTE, Preset};
use crate::session::Silent;

fn plan(shapes: &[&str]) -> EmbedPlan {
    EmbedPlan {
        shapes: shapes.iter().map(|shape| shape.parse().unwrap()).collect(),
        sampling: Plan { min_samples: 3, max_samples: 3, ..Plan::QUICK.with_budget(0.0) },
        ..EmbedPlan::new(ModelSource::Builtin(Preset::Tiny))
    }
}

fn run(plan: &EmbedPlan, stop: &Stop) -> anyhow::Result<Vec<Outcome>> {
    measure(plan, &Arc::new(Machine::default()), &mut Silent, stop)
}

#[test]
fn every_batch_comes_out_with_stages_tokens_latency_and_the_note() {
    let outcomes = run(&plan(&["3x16", "4xmixed"]), &Stop::default()).unwrap();
    assert_eq!(outcomes.len(), 2);
    for outcome in &outcomes {
        let Outcome::Measured(measurement) = outcome else { panic!("{outcome:?}") };
        let stages = measurement.stages.as_ref().unwrap();
        assert!(
            ["tokenize", "prepare", "encode", "pool", "normalize"].iter().all(|s| stages.contains_key(*s))
        );
        assert!(measurement.tokens.is_some() && measurement.texts.is_some());
        assert_eq!(measurement.latency.as_ref().unwrap().calls, measurement.seconds.samples);
        assert!(measurement.notes.iter().any(|note| note == NOTE));
        assert!(measurement.facts.contains_key("cpu_seconds"));
    }
}

#[test]
fn a_case_tells_its_roofs_its_parts_and_its_counts_or_why_not() {
    let outcomes = run(&plan(&["2x16"]), &Stop::default()).unwrap();
    let Outcome::Measured(measurement) = &outcomes[0] else { panic!("{outcomes:?}") };
    let fact = |name: &str| measurement.facts.get(name).copied();
    assert!(fact("peak_flops_per_second").is_some_and(|peak| peak > 1e8), "{:?}", measurement.facts);
    assert!(fact("encode_up_bytes") > fact("encode_activation_bytes") && fact("workspace_bytes") > Some(0.0));
    assert!(fact("smaller_parts") == Some(0.0) && fact("pool_free_share").is_some_and(|share| share < 1.0));
    let noted = |words: &str| measurement.notes.iter().any(|note| note.starts_with(words));
    // A machine without known caches has no roof of theirs.
    for (name, words) in [
        ("l2_bytes_per_second", "l2_bytes_per_second is unknown"),
        ("allocations", "allocations are unknown"),
        ("cycles", "cycles, instructions"),
        ("package_joules", "energy is unknown"),
        ("processor_celsius", "the temperature is unknown"),
    ] {
        assert!(fact(name).is_some() != noted(words), "{name}: {:?}", measurement.notes);
    }
}

#[test]
fn every_precision_has_cases_of_its_own_and_says_how_well_it_agrees() {
    let plan = EmbedPlan {
        precisions: Precision::all().filter(|precision| precision.best_tier().is_some()).collect(),
        dimensions: NonZeroUsize::new(32),
        ..plan(&["3x16"])
    };
    let outcomes = run(&plan, &Stop::default()).unwrap();
    assert_eq!(outcomes.len(), plan.precisions.len());
    for (outcome, precision) in outcomes.iter().zip(&plan.precisions) {
        let Outcome::Measured(measurement) = outcome else { panic!("{outcome:?}") };
        assert_eq!(measurement.case.benchmark, format!("embed/tiny-d32-{precision}"));
        assert!(measurement.facts["encode_up_seconds"] > 0.0 && measurement.facts["encode_up_flops"] > 0.0);
        assert!(measurement.facts["peak_flops_per_second"] > 1e8, "{:?}", measurement.notes);
        let single = measurement.facts.get("f32_peak_flops_per_second");
        assert_eq!(single.is_none(), *precision == Precision::F32);
        let cosine = measurement.facts.get("cosine_minimum").copied();
        assert_eq!(cosine.is_none(), *precision == Precision::F32);
        assert!(cosine.is_none_or(|cosine| cosine > 0.99 && cosine <= 1.0 + 1e-9), "{precision}: {cosine:?}");
    }
}

#[test]
fn a_stop_leaves_reasons() {
    let stop = Stop::default();
    stop.request();
    let outcomes = run(&plan(&["3x16"]), &stop).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Skipped(omission) if omission.why.contains("interrupted")));
}

#[test]
fn a_shape_or_corpus_that_cannot_be_is_a_clear_error() {
    let error = run(&plan(&["1x100000"]), &Stop::default()).unwrap_err();
    assert!(error.to_string().contains("1x100000"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("blank", &b" \n\n"[..]), ("binary", &[0xFF, 0xFE, b'a'])] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let plan = EmbedPlan { corpus: Some(path), ..plan(&["1xmixed"]) };
        let error = format!("{:#}", run(&plan, &Stop::default()).unwrap_err());
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_worker_tells_its_own_size() {
    let task = WorkerTask {
        model: "builtin:tiny".to_owned(),
        precision: "f32".to_owned(),
        dimensions: None,
        prompt: None,
        case: "embed/tiny-f32/native@baseline/2x16/t1".parse().unwrap(),
        corpus: None,
        beside: Beside::default(),
        file: None,
        started_nanoseconds: None,
    };
    let json = serde_json::to_string(&task).unwrap();
    let answer = work(&serde_json::from_str(&json).unwrap()).unwrap();
    assert!(answer.peak_rss_bytes.is_some_and(|bytes| bytes > 1 << 20));
}
