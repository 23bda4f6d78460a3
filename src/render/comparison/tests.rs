//! Every format of a comparison with all there can be in it, of the smallest, and of hostile ones.

use super::*;
use crate::analysis::budget::{BudgetResult, BudgetVerdict};
use crate::analysis::compare::{
    CaseFailure, Change, ControlReport, CountChange, CountVerdict, Layout, Mode, RatioInterval, Sequential,
    TailChange, Verdict,
};
use crate::analysis::sequential::control::ControlVerdict;
use crate::render::terminal;

const POOL: &str = "pool/mean-f32/rows@avx512/128x384/t1";

fn change(case: &str, verdict: Verdict, [low, value, high]: [f64; 3]) -> Change {
    Change {
        case: case.to_owned(),
        verdict,
        ratio: RatioInterval { value, low, high },
        minimum_detectable_effect: Some(high / value - 1.0 + 0.005),
        evidence: "12 blocks of 30 rounds".to_owned(),
        sequential: Some(Sequential {
            blocks: 12,
            rounds_per_block: 30,
            sampling_seconds: 0.48,
            seconds: 2.5,
            preempted_fraction: 0.021,
            ..Sequential::default()
        }),
        ..Change::default()
    }
}

fn count(counter: &str, base: f64, candidate: f64, verdict: CountVerdict) -> CountChange {
    let source = if counter == "instructions" { "valgrind" } else { "allocator" };
    let tier = (counter == "instructions").then(|| "avx2".to_owned());
    CountChange { counter: counter.to_owned(), source: source.to_owned(), tier, base, candidate, verdict }
}

/// A paired run with a case of every verdict, counts, tails, budgets and notes.
fn rich() -> ComparisonReport {
    let mut slower = change(POOL, Verdict::Slower, [1.0189, 1.0312, 1.0441]);
    slower.counts = vec![
        count("instructions", 1_204_551.0, 1_251_007.0, CountVerdict::Grew),
        count("allocated_bytes", 4096.0, 4096.0, CountVerdict::Same),
        count("peak_rss_bytes", 41_000_000.0, 41_200_000.0, CountVerdict::Unsteady),
    ];
    let ratio = RatioInterval { value: 1.052, low: 1.021, high: 1.09 };
    slower.tails = vec![TailChange { quantile: 0.99, verdict: Verdict::Slower, ratio }];
    let mut layout =
        change("similarity/dot-f32/vectors@avx512/1024x384/t1", Verdict::Inconclusive, [1.002, 1.011, 1.02]);
    layout.reason = Some("layout".to_owned());
    layout.layout = Some(Layout { builds: 10, low: 0.992, high: 1.017 });
    let mut budget =
        change("memory/read-dram-u8/stream@avx512/134217728/t1", Verdict::Inconclusive, [0.97, 1.004, 1.04]);
    budget.reason = Some("budget".to_owned());
    if let Some(sequential) = &mut budget.sequential {
        (sequential.blocks, sequential.merged, sequential.unsettled_blocks) = (31, true, 2);
    }
    let faster = change("norm/layernorm-f32/rows@avx512/128x384/t1", Verdict::Faster, [0.91, 0.925, 0.941]);
    let same = change("softmax/rows-f32/rows@avx512/128x128/t1", Verdict::Equivalent, [0.998, 1.001, 1.004]);
    let broken = BudgetResult {
        name: "encode".to_owned(),
        budget: "at most 100 ms".to_owned(),
        measured: Some("104 ms".to_owned()),
        verdict: BudgetVerdict::Broken,
        detail: "embed/minilm-l6-f32/native@avx512/8x32/t1".to_owned(),
    };
    ComparisonReport {
        schema: ComparisonReport::SCHEMA.to_owned(),
        mode: Mode::Paired,
        verdict: "slower".to_owned(),
        exit_code: 1,
        seed: Some(42),
        lower_margin: 0.005,
        upper_margin: 0.015,
        changes: vec![same, budget, slower, faster, layout],
        missing: vec!["activation/gelu-f32/plain@baseline/1024/t1".to_owned()],
        new: vec!["activation/gelu-erf-f32/plain@baseline/1024/t1".to_owned()],
        machines: ["0123456789abcdef".to_owned(), "0123456789abcdef".to_owned()],
        control: Some(ControlReport {
            verdict: ControlVerdict::Holds,
            blocks: 15,
            host_blocks: 240,
            ln_e: 0.31,
        }),
        budgets: vec![broken],
        notes: vec!["no performance counters here: instructions were counted by valgrind".to_owned()],
        ..ComparisonReport::default()
    }
}

/// One case of two documents that is as it was.
fn minimal() -> ComparisonReport {
    let same = Change {
        sequential: None,
        evidence: String::new(),
        minimum_detectable_effect: None,
        ..change(POOL, Verdict::Equivalent, [0.999, 1.0, 1.001])
    };
    ComparisonReport {
        schema: ComparisonReport::SCHEMA.to_owned(),
        verdict: "equivalent".to_owned(),
        lower_margin: 0.0375,
        upper_margin: 0.0625,
        changes: vec![same],
        notes: vec![crate::analysis::compare::ONE_RUN_NOTE.to_owned()],
        ..ComparisonReport::default()
    }
}

fn written(name: &str, report: &ComparisonReport) -> String {
    (format(name).unwrap().write)(report).unwrap()
}

/// The part of a page that is about the comparison, without the pictures' shapes.
fn body(html: &str) -> String {
    let main = html.split("<body>").nth(1).unwrap().split("<footer>").next().unwrap();
    let mut out = String::new();
    for (i, part) in main.split("<svg").enumerate() {
        let rest = if i == 0 { part } else { part.split_once("</svg>").unwrap().1 };
        out.push_str(if i == 0 { "" } else { "<svg/>" });
        out.push_str(rest);
    }
    out
}

#[test]
fn a_terminal_shows_no_heading_over_tables_that_are_folded() {
    let mut report = minimal();
    report.changes[0].counts = vec![count("allocations", 3.0, 3.0, CountVerdict::Same)];
    assert!(!terminal::comparison(&report, false, 100).contains("Counts"));
    report.changes[0].counts.push(count("allocated_bytes", 3.0, 4.0, CountVerdict::Grew));
    assert!(terminal::comparison(&report, false, 100).contains("Counts that differ"));
}

#[test]
fn every_format_of_a_rich_and_of_the_smallest_comparison_is_stable() {
    for (name, report) in [("rich", rich()), ("minimal", minimal())] {
        for format in FORMATS {
            let text = (format.write)(&report).unwrap();
            let text = if format.name == "html" { body(&text) } else { text };
            insta::assert_snapshot!(format!("{name}_{}", format.name), text);
        }
        let text = terminal::comparison(&report, false, 100);
        for width in [80, 100] {
            let text = terminal::comparison(&report, false, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        }
        insta::assert_snapshot!(format!("{name}_terminal"), text);
    }
}

#[test]
fn what_is_said_of_intervals_is_true_of_the_mode() {
    for (mode, words) in [
        (Mode::Documents, "95 % in a run"),
        (Mode::Import, "95 % in a run"),
        (Mode::Stored, "95 % prediction"),
        (Mode::Paired, "95 % each end"),
        (Mode::Commands, "95 % each end"),
    ] {
        let report = ComparisonReport { mode, ..rich() };
        for text in [written("markdown", &report), terminal::comparison(&report, false, 200)] {
            assert!(text.contains(words), "{mode:?}: {text}");
            let anytime = text.contains("anytime-valid");
            assert_eq!(anytime, matches!(mode, Mode::Paired | Mode::Commands), "{mode:?}: {text}");
        }
    }
}

#[test]
fn what_an_inconclusive_case_could_have_shown_is_always_said() {
    for width in [40, 80, 200] {
        let text = terminal::comparison(&rich(), false, width);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains("could have shown +1.39 %") && words.contains("could have shown +4.09 %"),
            "{text}"
        );
    }
}

#[test]
fn the_headline_says_what_the_exit_code_says() {
    let none = || ComparisonReport { changes: Vec::new(), budgets: Vec::new(), ..rich() };
    let only = |verdict: Verdict| -> Vec<Change> {
        rich().changes.into_iter().filter(|change| change.verdict == verdict).collect()
    };
    let crashed =
        CaseFailure { case: POOL.to_owned(), why: "the candidate was ended by signal 11".to_owned() };
    let tail = |report: ComparisonReport| {
        let changes = report.changes.into_iter().map(|change| match change.verdict {
            Verdict::Slower => Change { verdict: Verdict::Equivalent, ..change },
            Verdict::Faster | Verdict::Equivalent | Verdict::Inconclusive => change,
        });
        ComparisonReport { changes: changes.collect(), ..rich() }
    };
    let failed = ControlReport { verdict: ControlVerdict::Failed, blocks: 30, host_blocks: 0, ln_e: 4.2 };
    let verdict = |name: &str, exit_code, changes| ComparisonReport {
        verdict: name.to_owned(),
        exit_code,
        changes,
        ..rich()
    };
    for (report, sign, words) in [
        (rich(), '\u{274c}', "Slower: 1 of 5 cases shown to be more than 0.5 % slower"),
        (verdict("faster", 0, only(Verdict::Faster)), '\u{2705}', "Faster: 1 of 1 case shown"),
        (verdict("equivalent", 0, only(Verdict::Equivalent)), '\u{2705}', "differ by less than 1.5 %"),
        (verdict("equivalent", 1, only(Verdict::Equivalent)), '\u{274c}', "Over budget: 1 budget is broken"),
        (
            verdict("inconclusive", 3, only(Verdict::Inconclusive)),
            '\u{1f7e1}',
            "2 of 2 cases could not be decided",
        ),
        (verdict("inconclusive", 0, only(Verdict::Inconclusive)), '\u{1f7e1}', "passes here, as asked"),
        (verdict("inconclusive", 1, only(Verdict::Inconclusive)), '\u{274c}', "fails here, as asked"),
        (
            tail(rich()),
            '\u{274c}',
            "Worse: no case is slower by its median, but 1 tail is slower and 1 count grew",
        ),
        (
            ComparisonReport { failed: vec![crashed], verdict: "failed".to_owned(), exit_code: 2, ..rich() },
            '\u{26d4}',
            "Failed: 1 case could not be judged",
        ),
        (ComparisonReport { advisory: true, exit_code: 3, ..rich() }, '\u{1f7e1}', "advice"),
        (ComparisonReport { control: Some(failed), exit_code: 4, ..rich() }, '\u{26d4}', "Void: "),
        (
            ComparisonReport { refused: Some("no baseline".to_owned()), exit_code: 5, ..none() },
            '\u{26d4}',
            "Not compared: no baseline",
        ),
    ] {
        let text = written("markdown", &report);
        let head = text.lines().nth(1).unwrap();
        assert!(head.contains(sign) && head.contains(words), "{head}");
        assert!(
            terminal::comparison(&report, false, 400).contains(&format!("Exit code {}.", report.exit_code))
        );
    }
}

/// The numbers of an attribute over all elements of a name.
fn attributes(xml: &str, element: &str, attribute: &str) -> Vec<usize> {
    let opening = format!("<{element} ");
    let of = |part: &str| {
        let tag = part.split('>').next().unwrap();
        let value = tag.split(&format!(" {attribute}=\"")).nth(1)?;
        value.split('"').next()?.parse().ok()
    };
    xml.split(&opening).skip(1).filter_map(of).collect()
}

#[test]
fn the_counts_of_junit_are_those_of_its_tests_and_fail_only_where_the_gate_does() {
    let advice = ComparisonReport { advisory: true, exit_code: 3, ..rich() };
    let refused = ComparisonReport { refused: Some("other machine".to_owned()), exit_code: 5, ..minimal() };
    let failure = CaseFailure { case: "a".to_owned(), why: "it hung".to_owned() };
    let failed = ComparisonReport { failed: vec![failure], exit_code: 2, ..rich() };
    let strict = ComparisonReport { verdict: "inconclusive".to_owned(), ..rich() };
    let of =
        [(rich(), 4, 0), (advice, 0, 0), (minimal(), 0, 0), (refused, 0, 1), (failed, 0, 1), (strict, 6, 0)];
    for (report, failures, errors) in of {
        let xml = written("junit", &report);
        for (attribute, element) in [
            ("failures", "<failure "),
            ("errors", "<error "),
            ("skipped", "<skipped "),
            ("tests", "<testcase "),
        ] {
            let told: usize = attributes(&xml, "testsuite", attribute).iter().sum();
            assert_eq!(told, xml.matches(element).count(), "{attribute}: {xml}");
        }
        assert_eq!(attributes(&xml, "testsuites", "failures"), [failures], "{xml}");
        assert_eq!(attributes(&xml, "testsuites", "errors"), [errors], "{xml}");
        assert_eq!(attributes(&xml, "testsuites", "tests"), [xml.matches("<testcase ").count()]);
    }
}

#[test]
fn annotations_are_one_line_each_and_no_more_than_a_step_shows() {
    let mut report = rich();
    report.changes = (0..40)
        .map(|i| {
            let mut change =
                change(&format!("case {i}: 50 %, a\nb\r::error::x"), Verdict::Slower, [1.1, 1.2, 1.3]);
            change.evidence = "::set-output name=x::y\n::error::z".to_owned();
            change
        })
        .collect();
    let text = written("github", &report);
    assert!(
        text.lines().all(|line| line.starts_with("::error title=") || line.starts_with("::warning title="))
    );
    assert_eq!(text.lines().count(), 10, "the summary, eight cases, and how many more: {text}");
    assert!(text.contains("33 more like these"), "40 cases and a budget less eight: {text}");
    assert!(text.contains("case 0%3A 50 %25%2C a%0Ab%0D%3A%3Aerror%3A%3Ax::"), "{text}");
}

#[test]
fn a_comment_fits_whatever_the_number_of_cases() {
    let mut report = rich();
    let long = "x".repeat(5000);
    report.changes =
        (0..3000).map(|i| change(&format!("{i}{long}"), Verdict::Slower, [1.1, 1.2, 1.3])).collect();
    report.notes = vec![long];
    let text = written("markdown", &report);
    assert!(text.len() <= 62_000 && text.contains("more rows are in the JSON"), "{}", text.len());
    report.notes = vec!["y ".repeat(200_000)];
    let text = written("markdown", &report);
    assert!(text.len() <= 62_000 && text.starts_with("<!-- perfkit regress -->"), "{}", text.len());
}

#[test]
fn hostile_words_and_numbers_stay_inside_their_format() {
    let evil = "</script><img onerror=x>|`]]>-->\u{1b}[31m\u{0}\u{ffff}\n\n# head";
    let mut report = rich();
    for change in &mut report.changes {
        change.case = evil.to_owned();
        change.evidence = evil.to_owned();
        change.reason = Some(evil.to_owned());
        change.ratio = RatioInterval { value: f64::NAN, low: f64::INFINITY, high: -1e308 };
        change.minimum_detectable_effect = Some(f64::NAN);
    }
    report.notes = vec![evil.to_owned()];
    report.refused = Some(evil.to_owned());
    report.failed = vec![CaseFailure { case: evil.to_owned(), why: evil.to_owned() }];
    report.control = Some(ControlReport { ln_e: f64::NAN, ..ControlReport::default() });
    (report.lower_margin, report.upper_margin) = (f64::NAN, f64::INFINITY);
    for format in FORMATS {
        let text = (format.write)(&report).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf "), "{}: {text}", format.name);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'), "{}", format.name);
        if !matches!(format.name, "json" | "github") {
            assert!(!text.contains("<img"), "{}: {text}", format.name);
        }
        if format.extension == "md" {
            assert!(!text.contains("\n# head"), "{}: {text}", format.name);
        }
    }
    assert_eq!(written("markdown", &report).matches("-->").count(), 1, "the marker alone is a comment");
    for width in [0, 40, 80, 1000] {
        let text = terminal::comparison(&report, false, width);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'));
    }
}

#[test]
fn the_json_reads_back_as_what_was_written() {
    let report: ComparisonReport = serde_json::from_str(&written("json", &rich())).unwrap();
    assert_eq!(report, rich());
}
