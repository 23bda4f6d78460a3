//! Each rule with a document on which it speaks and one on which it is silent.

use super::*;
use crate::analysis::fixtures::{bandwidth, cost, document, library, measured, peak};

fn spoken(document: &Document, rule: &str) -> Option<Recommendation> {
    recommend(document).into_iter().find(|r| r.rule == rule)
}

fn pages(small: f64, mode: &str) -> Document {
    let mut document = document(vec![
        bandwidth("memory/read-dram-u8/load@avx512/1000/t1", 30e9),
        bandwidth("memory/read-dram-small-pages-u8/load@avx512/1000/t1", small),
    ]);
    document.machine.memory.huge_pages.transparent = Some(mode.to_owned());
    document
}

fn two_thread_memory(rate: f64) -> Document {
    document(vec![
        bandwidth("memory/read-dram-u8/load@avx512/1/t1", 30e9),
        bandwidth("memory/read-dram-u8/load@avx512/1/t2", rate),
        peak("peak/fma-f32/fma@avx512/1/t1", 200e9),
        measured("similarity/dot-f32/rows@avx512/1x1/t1", 5e-3, cost(5e7, 1e8, 0.0, 1e8)),
    ])
}

fn threads(count: usize, seconds: f64) -> Document {
    document(vec![
        measured("matmul/gemm-f32/packed@avx512/8x8x8/t2", 1e-3, cost(1.0, 1.0, 0.0, 1.0)),
        measured(&format!("matmul/gemm-f32/packed@avx512/8x8x8/t{count}"), seconds, cost(1.0, 1.0, 0.0, 1.0)),
    ])
}

fn disturbed(steal: f64) -> Document {
    let mut document = threads(1, 1e-3);
    document.conditions.steal_fraction = Some(steal);
    document
}

fn embed(batches: &[(usize, f64)]) -> Document {
    let measurement = |&(batch, seconds): &(usize, f64)| {
        let case = format!("embed/tiny-f32/native@avx512/{batch}x32/t1");
        let mut m = measured(&case, seconds, cost(1.0, 1.0, 0.0, 1.0));
        m.texts = Some(batch as u64);
        m
    };
    document(batches.iter().map(measurement).collect())
}

fn mixed(padded: f64) -> Document {
    let mut m = measured("embed/tiny-f32/native@avx512/32xmixed/t1", 1.0, cost(1.0, 1.0, 0.0, 1.0));
    m.tokens = Some(1000);
    m.facts.insert("padded_tokens".to_owned(), padded);
    document(vec![m])
}

fn peaks(bytes: f64) -> Document {
    document(vec![
        peak("peak/fma-f32/fma@avx512/1/t1", 200e9),
        peak("peak/dot-u8s8s32/dot@avx512vnni/1/t1", bytes),
        measured("matmul/gemm-f32/packed@avx512/8x8x8/t1", 1.0, cost(1.0, 1.0, 0.0, 1.0)),
    ])
}

fn widths(avx512: f64) -> Document {
    document(vec![
        measured("pool/mean-f32/rows@avx2/8x8/t1", 1e-3, cost(1.0, 1.0, 0.0, 1.0)),
        measured("pool/mean-f32/rows@avx512/8x8/t1", avx512, cost(1.0, 1.0, 0.0, 1.0)),
    ])
}

fn plain(seconds: f64) -> Document {
    document(vec![
        measured("pool/mean-f32/plain@baseline/8x8/t1", seconds, cost(1.0, 1.0, 0.0, 1.0)),
        measured("pool/mean-f32/rows@avx512/8x8/t1", 1e-3, cost(1.0, 1.0, 0.0, 1.0)),
    ])
}

/// A library as it comes in 4 ms, with its remedy, and another one; 2 ms are half of the peak.
fn libraries(remedy: f64, other: f64) -> Document {
    let cost = cost(1e8, 1e6, 0.3, 1e6);
    document(vec![
        peak("peak/fma-f32/fma@avx512/1/t1", 100e9),
        library("matmul/gemm-f32/blis-as-installed@peer/8x8x8/t1", 4e-3, cost, "generic"),
        library("matmul/gemm-f32/blis-arch-type-0@peer/8x8x8/t1", remedy, cost, "skx"),
        library("matmul/gemm-f32/onednn-as-installed@peer/8x8x8/t1", other, cost, "avx512_core"),
    ])
}

#[test]
fn each_rule_speaks_of_its_document_and_is_silent_on_the_other() {
    let table: Vec<(&str, Document, Document, Option<f64>)> = vec![
        ("huge-pages", pages(20e9, "madvise"), pages(29.5e9, "madvise"), Some(1.5)),
        ("memory-bound-threads", two_thread_memory(33e9), two_thread_memory(58e9), None),
        ("threads-above-quota", threads(4, 2e-3), threads(1, 2e-3), Some(2.0)),
        ("disturbed-host", disturbed(0.05), disturbed(0.001), None),
        (
            "batch-size",
            embed(&[(1, 1e-3), (8, 4e-3), (32, 15.9e-3)]),
            embed(&[(1, 1e-3), (8, 8e-3), (32, 32e-3)]),
            Some(2.0),
        ),
        ("sort-by-length", mixed(1500.0), mixed(1050.0), Some(1.5)),
        ("int8", peaks(800e9), peaks(210e9), Some(4.0)),
        ("library-dispatch", libraries(2e-3, 2e-3), libraries(3.9e-3, 2e-3), Some(2.0)),
        ("library-choice", libraries(3.6e-3, 1.2e-3), libraries(1.5e-3, 1.2e-3), Some(3.0)),
        ("widest-vectors", widths(0.5e-3), widths(0.95e-3), Some(2.0)),
        ("vector-kernels", plain(5e-3), plain(1.5e-3), Some(5.0)),
    ];
    assert_eq!(table.len(), RULES.len(), "every rule has its two documents");
    for (rule, speaks, silent, effect) in table {
        let said = spoken(&speaks, rule).unwrap_or_else(|| panic!("{rule} is silent where it should speak"));
        assert!(!said.evidence.is_empty(), "{rule} names no evidence");
        for case in &said.evidence {
            assert!(
                speaks.measured().any(|m| m.case == *case),
                "{rule} names {case}, which was not measured"
            );
        }
        match (said.expected_effect, effect) {
            (Some(got), Some(wanted)) => assert!((got / wanted - 1.0).abs() < 0.02, "{rule}: {got}"),
            (got, wanted) => assert_eq!(got.is_some(), wanted.is_some(), "{rule}"),
        }
        assert!(spoken(&silent, rule).is_none(), "{rule} speaks where it should be silent");
    }
}

#[test]
fn huge_pages_that_are_on_already_need_no_advice() {
    assert!(spoken(&pages(20e9, "always"), "huge-pages").is_none());
}

#[test]
fn avx512_that_does_not_pay_is_said() {
    let said = spoken(&widths(1.5e-3), "widest-vectors").unwrap();
    assert!(said.action.contains("AVX2"), "{}", said.action);
}

#[test]
fn the_largest_effect_comes_first() {
    let mut document = plain(5e-3);
    document.conditions.steal_fraction = Some(0.5);
    let rules: Vec<String> = recommend(&document).into_iter().map(|r| r.rule).collect();
    assert_eq!(rules, ["vector-kernels", "disturbed-host"]);
}
