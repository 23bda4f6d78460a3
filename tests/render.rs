//! Reports of a realistic document and of odd ones.

use std::path::{Path, PathBuf};

use perfkit::analysis::budget::{BudgetResult, BudgetVerdict};
use perfkit::analysis::compare::{ComparisonReport, Decision, Margin, compare};
use perfkit::analysis::recommend::Recommendation;
use perfkit::document::{Document, Outcome, read_document};
use perfkit::render::page::{Extras, page};
use perfkit::render::report::{FORMATS, Source, figures, format, write_all};
use perfkit::render::{figure, json, terminal};

fn sample_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample-results.json")
}

fn sample() -> Document {
    read_document(&sample_path()).expect("the fixture is a document")
}

fn empty() -> Document {
    Document { outcomes: Vec::new(), ..sample() }
}

/// The sample with the times of every seventh case a fifth longer.
fn slower() -> Document {
    let mut document = sample();
    for outcome in document.outcomes.iter_mut().step_by(7) {
        if let Outcome::Measured(measurement) = outcome {
            for seconds in &mut measurement.seconds.samples {
                *seconds *= 1.2;
            }
        }
    }
    document
}

fn compared(before: &Document, after: &Document) -> ComparisonReport {
    let margin = Margin { lower: 0.03, upper: 0.06 };
    let comparison = compare(before, after, margin);
    let decision = Decision::of(&comparison, false, false);
    ComparisonReport::new(&comparison, margin, Vec::new(), decision, false)
}

fn comparison() -> ComparisonReport {
    compared(&sample(), &slower())
}

fn budgets() -> Vec<BudgetResult> {
    let row = |name: &str, measured: Option<&str>, verdict, detail: &str| BudgetResult {
        name: name.to_owned(),
        budget: "at most 100 ms".to_owned(),
        measured: measured.map(str::to_owned),
        verdict,
        detail: detail.to_owned(),
    };
    vec![
        row(
            "encode-batch-8",
            Some("27.4 ms"),
            BudgetVerdict::Met,
            "embed/minilm-l6-f32/native@avx512/8x32/t1",
        ),
        row(
            "pipeline-batch",
            Some("454 ms"),
            BudgetVerdict::Broken,
            "embed/minilm-l6-f32/native@avx512/32x128/t1",
        ),
        row("latency-p99", None, BudgetVerdict::NotMeasured, "needs 368 calls"),
    ]
}

fn recommendations() -> Vec<Recommendation> {
    vec![Recommendation {
        rule: "batch-knee".to_owned(),
        action: "Embed 8 texts at a time".to_owned(),
        why: "batch 8 reaches 9,300 tokens/s against 6,600 with one text, and batch 32 adds 3 %".to_owned(),
        evidence: vec!["embed/minilm-l6-f32/native@avx512/8x16/t1".parse().expect("a case")],
        expected_effect: Some(1.4),
        effect_source: "measured".to_owned(),
    }]
}

#[test]
fn the_terminal_text_of_the_sample_is_stable_at_80_columns() {
    let (budgets, advice) = (budgets(), recommendations());
    let comparison = comparison();
    let extras =
        Extras { budgets: &budgets, recommendations: &advice, comparison: Some(&comparison), tunings: &[] };
    let text = terminal::document(&sample(), &extras, false, 80);
    insta::assert_snapshot!("terminal", text);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    assert!(!text.contains('\u{1b}'));
    assert!(terminal::document(&sample(), &extras, true, 80).contains('\u{1b}'));
}

#[test]
fn the_markdown_of_the_sample_is_stable() {
    let document = sample();
    let documents = [("sample".to_owned(), &document)];
    let (budgets, advice) = (budgets(), recommendations());
    let extras = Extras { budgets: &budgets, recommendations: &advice, comparison: None, tunings: &[] };
    let text = (format("markdown").unwrap().write)(&Source { documents: &documents, extras }).unwrap();
    insta::assert_snapshot!("markdown", text);
}

#[test]
fn several_documents_stand_side_by_side_with_their_ratio() {
    let (first, second) = (sample(), slower());
    let documents = [("before".to_owned(), &first), ("after".to_owned(), &second)];
    let source = Source { documents: &documents, extras: Extras::default() };
    let text = terminal::page(&source.page(), false, 120);
    assert!(text.contains("after / first"), "{text}");
    assert!(text.contains("1.200"), "{text}");
    for format in FORMATS {
        assert!(!(format.write)(&source).unwrap().is_empty(), "{}", format.name);
    }
}

#[test]
fn derived_figures_stand_beside_each_measured_outcome() {
    let value = json::with_derived(&sample()).unwrap();
    for outcome in value["outcomes"].as_array().unwrap() {
        let measured = outcome["outcome"] == "measured";
        assert_eq!(outcome.get("derived").is_some(), measured, "{}", outcome["case"]);
        if measured {
            assert!(outcome["derived"]["median_seconds"].as_f64().unwrap() > 0.0);
        }
    }
    // The stored part still reads as a document.
    let back: Document = serde_json::from_value(value).unwrap();
    assert_eq!(back, sample());
}

#[test]
fn junit_counts_what_failed_and_the_page_holds_its_data() {
    let (document, budgets, comparison) = (sample(), budgets(), comparison());
    let extras =
        Extras { budgets: &budgets, recommendations: &[], comparison: Some(&comparison), tunings: &[] };
    let documents = [("sample".to_owned(), &document)];
    let source = Source { documents: &documents, extras };
    let junit = (format("junit").unwrap().write)(&source).unwrap();
    assert!(
        junit.contains("<testsuite name=\"budgets\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\">"),
        "{junit}"
    );
    assert!(junit.contains("<testsuite name=\"comparison\""));
    let csv = (format("csv").unwrap().write)(&source).unwrap();
    assert_eq!(csv.lines().count(), document.outcomes.len() + 1);
    let html = (format("html").unwrap().write)(&source).unwrap();
    let data = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["schema"], Document::SCHEMA);
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn hostile_words_stay_words_in_every_format() {
    let evil = "</script><script>alert(1)</script><img onerror=x>\"'&\u{1b}[31m\u{0}";
    let mut document = sample();
    document.machine.cpu.brand = Some(evil.to_owned());
    document.run.command = evil.to_owned();
    document.conditions.notes = vec![evil.to_owned()];
    for outcome in &mut document.outcomes {
        match outcome {
            Outcome::Measured(m) => {
                m.case.implementation = evil.to_owned();
                m.notes.push(evil.to_owned());
            }
            Outcome::Skipped(omission) | Outcome::Failed(omission) => omission.why = evil.to_owned(),
        }
    }
    let documents = [(evil.to_owned(), &document)];
    let source = Source { documents: &documents, extras: Extras::default() };
    let html = (format("html").unwrap().write)(&source).unwrap();
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own script");
    assert!(!html.contains("<img") && !html.contains("<script>alert"));
    for name in ["markdown", "junit"] {
        let text = (format(name).unwrap().write)(&source).unwrap();
        assert!(!text.contains("<script") && !text.contains("<img"), "{name}");
        assert!(!text.contains('\u{1b}'), "{name}");
    }
    let text = terminal::document(&document, &Extras::default(), false, 100);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'));
    for figure in figures(&document) {
        let svg = figure.to_svg().unwrap();
        assert!(!svg.contains("<script") && !svg.contains("<img"), "{}", figure.name);
    }
}

/// Documents that no machine would write.
fn odd() -> Vec<(&'static str, Document)> {
    let one = {
        let mut document = sample();
        document
            .outcomes
            .retain(|o| o.case().to_string().starts_with("matmul/gemm-f32/packed@avx512/512x512x512/t1"));
        document
    };
    let scaled = |factor: f64| {
        let mut document = sample();
        for outcome in &mut document.outcomes {
            if let Outcome::Measured(m) = outcome {
                m.seconds.samples.iter_mut().for_each(|s| *s *= factor);
                m.cost.flops /= factor;
            }
        }
        document
    };
    let costless = {
        let mut document = sample();
        for outcome in &mut document.outcomes {
            if let Outcome::Measured(m) = outcome {
                m.cost = perfkit::document::Cost::default();
                (m.texts, m.tokens) = (Some(0), Some(0));
                m.stages = Some([("x".repeat(200), 0.0)].into());
            }
        }
        document
    };
    let many = {
        let mut document = sample();
        let outcomes = document.outcomes.clone();
        for i in 0..5 {
            document.outcomes.extend(outcomes.iter().cloned().map(|mut outcome| {
                if let Outcome::Measured(m) = &mut outcome {
                    m.case.benchmark = format!("{}{i}", m.case.benchmark);
                }
                outcome
            }));
        }
        document
    };
    let long = {
        let mut document = sample();
        for outcome in &mut document.outcomes {
            if let Outcome::Measured(m) = outcome {
                m.case.benchmark = format!("{}-{}", "pool/wide".repeat(22), m.case.dtype());
                m.case.implementation = "i".repeat(200);
            }
        }
        document
    };
    vec![
        ("empty", empty()),
        ("one", one),
        ("tiny", scaled(1e-200)),
        ("huge", scaled(1e200)),
        ("costless", costless),
        ("many", many),
        ("long", long),
    ]
}

#[test]
fn odd_documents_are_written_without_a_panic() {
    for (name, document) in odd() {
        let documents = [(name.to_owned(), &document)];
        let comparison = compared(&sample(), &document);
        let extras =
            Extras { budgets: &[], recommendations: &[], comparison: Some(&comparison), tunings: &[] };
        let source = Source { documents: &documents, extras };
        for format in FORMATS {
            let text = (format.write)(&source).unwrap_or_else(|e| panic!("{name} as {}: {e}", format.name));
            assert!(!text.contains("NaN") && !text.contains("inf "), "{name} as {}", format.name);
        }
        for width in [0, 40, 80, 1000] {
            assert!(!terminal::document(&document, &extras, false, width).is_empty(), "{name}");
        }
        for figure in figures(&document).iter().chain([&figure::comparison(&comparison)]) {
            let svg = figure.to_svg().unwrap();
            assert!(
                !svg.contains("NaN") && !figure.to_inline_svg().contains("NaN"),
                "{name} {}",
                figure.name
            );
        }
    }
}

#[test]
fn a_folder_gets_the_page_and_every_chart_as_png_and_svg() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/latest");
    let written = write_all(&sample(), &Extras::default(), &target).unwrap();
    for name in
        ["report.html", "roofline.png", "roofline.svg", "kernels.png", "pipeline.svg", "bandwidth.png"]
    {
        assert!(written.contains(&target.join(name)), "{name}: {written:?}");
    }
    let png = std::fs::read(target.join("roofline.png")).unwrap();
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), (2400, 1500));
    assert!(png.len() > 20_000, "something is drawn");
    let left: Vec<_> = std::fs::read_dir(&target).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), written.len(), "no temporary file stays: {left:?}");
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = write_all(&sample(), &Extras::default(), &blocked).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn no_two_labels_of_the_roofline_stand_on_each_other() {
    let svg = figure::roofline(&sample()).to_svg().unwrap();
    let mut ends: Vec<(i64, i64)> = Vec::new();
    for text in svg.lines().filter(|line| line.starts_with("<text") && line.contains("text-anchor=\"start\""))
    {
        let number = |name: &str| -> i64 {
            let rest = text.split(&format!(" {name}=\"")).nth(1).unwrap_or("0");
            rest.split('"').next().unwrap_or("0").parse().unwrap_or(0)
        };
        ends.push((number("x"), number("y")));
    }
    // Four units of the drawing are a pixel; texts that start at the same place are at least 15 pixels apart.
    for (i, a) in ends.iter().enumerate() {
        for b in &ends[..i] {
            assert!(a.0 != b.0 || (a.1 - b.1).abs() >= 60, "{a:?} {b:?}");
        }
    }
    assert!(ends.len() > 8);
}

#[test]
fn the_page_says_machine_and_best_results_in_one_sentence() {
    let page = page(&sample(), &Extras::default());
    assert!(page.headline.starts_with("AMD EPYC 9575F"), "{}", page.headline);
    assert!(page.headline.contains("texts/s of minilm-l6-f32"), "{}", page.headline);
    assert!(page.headline.ends_with("of its roof."), "{}", page.headline);
}

#[test]
fn an_unoptimised_build_is_named_before_any_figure() {
    let mut document = sample();
    document.run.optimised = false;
    for text in [
        page(&document, &Extras::default()).headline,
        terminal::document(&document, &Extras::default(), false, 80),
    ] {
        assert!(text.starts_with("Unoptimised build"), "{text}");
    }
}
