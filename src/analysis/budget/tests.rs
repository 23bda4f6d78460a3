//! Limits against documents made for them.

use super::*;
use crate::analysis::fixtures::{cost, document, measured};
use crate::document::{Latency, Measurement};

fn embed() -> Measurement {
    let mut m = measured("embed/minilm-l6-f32/native@avx512/8x32/t1", 50e-3, cost(1.0, 1.0, 0.0, 1.0));
    m.stages = Some([("tokenize".to_owned(), 2e-3), ("encode".to_owned(), 45e-3)].into());
    m.tokens = Some(256);
    m.texts = Some(8);
    m.peak_rss_bytes = Some(200 << 20);
    m.latency = Some(Latency { calls: (0..400).map(|i| 1e-3 * (1.0 + 1e-4 * f64::from(i))).collect() });
    m
}

fn verdict_of(cases: &str, base: Option<&str>, measure: &str, limit: &str) -> BudgetResult {
    let unit = cost(1.0, 1.0, 0.0, 1.0);
    let (at_most, at_least) = match limit.split_once(' ') {
        Some(("most", limit)) => (Some(limit), None),
        Some(("least", limit)) => (None, Some(limit)),
        _ => (None, None),
    };
    let document = document(vec![
        embed(),
        measured("similarity/dot-f32/scalar@baseline/8x8/t1", 24e-6, unit),
        measured("similarity/dot-f32/rows@avx512/8x8/t1", 2e-6, unit),
        measured("similarity/dot-f32/call@avx512/8x8/t1", 2.05e-6, unit),
    ]);
    let budget = Budget::new("b", cases, base, measure, at_most, at_least).unwrap();
    judge(&document, &[budget]).pop().unwrap()
}

#[test]
fn every_quantity_is_judged_by_the_end_of_its_interval() {
    use BudgetVerdict::{Broken, Inconclusive, Met, NotMeasured};
    let dot = "similarity/dot-f32/rows";
    for (cases, base, measure, limit, verdict) in [
        ("embed", None, "seconds", "most 60 ms", Met),
        ("embed", None, "seconds", "most 40 ms", Broken),
        ("embed", None, "seconds", "most 50 ms", Inconclusive),
        ("embed", None, "encode", "most 100 ms", Met),
        ("embed", None, "pool", "most 100 ms", NotMeasured),
        // 2 ms for 256 tokens is 7.8 ms for 1000.
        ("embed", None, "tokenize per 1000 tokens", "most 10 ms", Met),
        ("embed", None, "tokenize per 1000 tokens", "most 7 ms", Broken),
        ("embed", None, "texts per second", "least 50 /s", Met),
        ("embed", None, "texts per second", "least 500 /s", Broken),
        ("embed", None, "peak rss", "most 2 GiB", Met),
        ("embed", None, "peak rss", "most 100 MiB", Broken),
        ("embed", None, "latency p95", "most 2 ms", Met),
        ("embed", None, "latency p99", "most 1 ms", Broken),
        (dot, Some("scalar"), "speedup", "least 11 x", Met),
        (dot, Some("scalar"), "speedup", "least 14 x", Broken),
        ("similarity/dot-f32/call", Some("rows"), "overhead", "most 5 %", Met),
        ("similarity/dot-f32/call", Some("rows"), "overhead", "most 1 %", Broken),
        ("pool", None, "seconds", "most 1 s", NotMeasured),
    ] {
        let result = verdict_of(cases, base, measure, limit);
        assert_eq!(result.verdict, verdict, "{measure} {limit}: {result:?}");
    }
}

#[test]
fn a_tail_without_enough_calls_is_inconclusive_and_says_how_many_it_needs() {
    let mut few = embed();
    few.latency = Some(Latency { calls: vec![1e-3; 30] });
    let budget = Budget::new("p99", "embed", None, "latency p99", Some("5 ms"), None).unwrap();
    let result = judge(&document(vec![few]), &[budget]).pop().unwrap();
    assert_eq!(result.verdict, BudgetVerdict::Inconclusive);
    assert!(result.detail.contains("368"), "{}", result.detail);
}

#[test]
fn of_several_cases_the_worst_decides() {
    let unit = cost(1.0, 1.0, 0.0, 1.0);
    let document = document(vec![
        measured("pool/mean-f32/rows@avx512/8x8/t1", 1e-3, unit),
        measured("pool/mean-f32/rows@avx512/9x9/t1", 3e-3, unit),
    ]);
    let budget = Budget::new("pool", "pool", None, "seconds", Some("2 ms"), None).unwrap();
    let results = judge(&document, &[budget]);
    assert!(any_broken(&results) && results[0].detail.contains("9x9"), "{results:?}");
}

#[test]
fn unreadable_budgets_say_what_is_wanted() {
    let new = |measure, base, at_most, at_least| {
        Budget::new("b", "embed", base, measure, at_most, at_least).unwrap_err().to_string()
    };
    assert!(new("speed", None, Some("1 s"), None).contains("texts per second"));
    assert!(new("encode", None, Some("10"), None).contains("10 ms"));
    assert!(new("encode", None, Some("10 GiB"), None).contains("10 ms"));
    assert!(new("encode", None, None, None).contains("at_most"));
    assert!(new("encode", Some("plain"), Some("1 s"), None).contains("base"));
    assert!(new("speedup", None, None, Some("12 x")).contains("base"));
}
