//! The house rules that a compiler does not hold: layers, doors of third-party packages, `unsafe`, and stray words.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its sources has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our modules each module may use. Imports run down only; the list is exhaustive.
const LAYERS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("stats", &[]),
    ("simd", &[]),
    ("sys", &[]),
    ("workload", &[]),
    ("kernels", &["simd", "sys", "tensor"]),
    ("document", &["units", "stats", "simd"]),
    ("tensor", &["sys"]),
    ("telemetry", &["sys", "stats", "units"]),
    ("foreign", &["sys"]),
    ("engines", &["kernels", "tensor", "foreign", "telemetry", "simd", "sys", "units"]),
    ("gpu", &["units", "sys"]),
    ("machine", &["document", "units", "sys", "gpu", "simd"]),
    ("measure", &["workload", "stats", "units", "sys"]),
    (
        "catalog",
        &["engines", "kernels", "gpu", "foreign", "workload", "document", "tensor", "units", "simd", "sys"],
    ),
    ("analysis", &["document", "stats", "units"]),
    ("interchange", &["document", "stats", "units"]),
    ("worker", &["measure", "catalog", "document", "workload", "units"]),
    (
        "session",
        &[
            "machine",
            "measure",
            "catalog",
            "analysis",
            "interchange",
            "engines",
            "gpu",
            "document",
            "tensor",
            "telemetry",
            "stats",
            "units",
            "sys",
        ],
    ),
    ("render", &["analysis", "document", "stats", "units"]),
];

/// The only modules that may name a package.
const DOORS: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("ctrlc", &["cli"]),
    ("raw_cpuid", &["machine"]),
    ("sysinfo", &["sys"]),
    ("nvml_wrapper", &["gpu"]),
    ("rayon", &["sys"]),
    ("libc", &["sys"]),
    ("libloading", &["foreign"]),
    ("gemm", &["foreign"]),
    ("matrixmultiply", &["foreign"]),
    ("faer", &["foreign"]),
    ("candle_core", &["foreign"]),
    ("candle_nn", &["foreign"]),
    ("candle_transformers", &["foreign"]),
    ("ort", &["foreign"]),
    ("rten", &["foreign"]),
    ("rten_tensor", &["foreign"]),
    ("memmap2", &["sys"]),
    ("hf_hub", &["engines"]),
    ("tokenizers", &["engines"]),
    ("aho_corasick", &["engines"]),
    ("regex_syntax", &["engines"]),
    ("unicode_categories", &["engines"]),
    ("unicode_normalization_alignments", &["engines"]),
    ("safetensors", &["engines"]),
    ("shell_words", &["session"]),
    ("toml_edit", &["session"]),
    ("comfy_table", &["render"]),
    ("plotters", &["render"]),
    ("statrs", &["analysis", "stats"]),
    ("flate2", &["document", "machine"]),
    ("tar", &["machine"]),
];

/// The only modules with `unsafe`.
const UNSAFE: &[&str] = &["simd", "sys", "foreign", "gpu"];

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_path_buf();
                let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
                let module = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source { path: relative, module, text });
            }
        }
    }
    assert!(sources.len() > 40, "the walk found too little: {}", sources.len());
    sources
}

/// The lines that are code for users: comments dropped, and everything from the file's test module on.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The modules named after `crate::` on a line, braces included (`use crate::{stats, units::seconds};`).
fn crate_modules(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        };
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = 0;
            for (i, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        found.push(word(&list[start..i]));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.push(word(&list[start..i]));
                        start = i + 1;
                    }
                    _ => {}
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found.retain(|module| !module.is_empty());
    found
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

#[test]
fn imports_run_down_the_layers() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut offences = Vec::new();
    for source in sources().iter().filter(|s| !is_test_file(&s.path)) {
        if matches!(&*source.module, "lib" | "main" | "cli") {
            continue;
        }
        let Some(may_use) = allowed.get(&*source.module) else {
            offences.push(format!("{}: module `{}` has no layer", source.path.display(), source.module));
            continue;
        };
        for (number, line) in code_lines(&source.text) {
            for used in crate_modules(line) {
                if used != source.module && !may_use.contains(&&*used) {
                    offences.push(format!(
                        "{}:{number}: {} may not use {used}",
                        source.path.display(),
                        source.module
                    ));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn the_layer_test_sees_what_it_should() {
    assert_eq!(crate_modules("use crate::{stats, units::{seconds, bytes}, sys};"), ["stats", "units", "sys"]);
    assert_eq!(
        crate_modules("let x = crate::kernels::pool::mean(crate::simd::Tier::Avx2);"),
        ["kernels", "simd"]
    );
    assert!(crate_modules("use super::Case;").is_empty());
}

/// Whether a path on the line begins with the package: `ort::Session`, and neither `report::page` nor `foreign::ort::open`.
fn names_package(line: &str, package: &str) -> bool {
    let word = |text: &str| text.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(&format!("{package}::")).any(|(at, _)| {
        let before = &line[..at];
        !word(before) && !before.strip_suffix("::").is_some_and(word)
    })
}

#[test]
fn a_package_is_told_from_modules_whose_names_end_alike() {
    for (line, named) in [
        ("use ort::session::Session;", true),
        ("    let x = ort::init();", true),
        ("use ::ort::init;", true),
        ("Command::Report(args) => report::run(args),", false),
        ("open: foreign::ort::open,", false),
        ("use import::read;", false),
    ] {
        assert_eq!(names_package(line, "ort"), named, "{line}");
    }
}

#[test]
fn packages_enter_by_their_one_door() {
    let mut offences = Vec::new();
    for source in sources() {
        for (number, line) in code_lines(&source.text) {
            for (package, doors) in DOORS {
                if names_package(line, package) && !doors.contains(&&*source.module) {
                    offences.push(format!(
                        "{}:{number}: {package} belongs to {}",
                        source.path.display(),
                        doors.join(", ")
                    ));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn unsafe_stands_behind_its_doors() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|s| !UNSAFE.contains(&&*s.module)) {
        for (number, line) in code_lines(&source.text) {
            if line.contains("unsafe ") || line.contains("allow(unsafe_code") {
                offences.push(format!("{}:{number}", source.path.display()));
            }
        }
    }
    assert!(offences.is_empty(), "unsafe outside its doors:\n{}", offences.join("\n"));
}

#[test]
fn every_file_says_what_story_it_tells() {
    let silent: Vec<_> =
        sources().into_iter().filter(|s| !s.text.starts_with("//!")).map(|s| s.path).collect();
    assert!(silent.is_empty(), "files without a `//!` line: {silent:?}");
}

#[test]
fn nothing_is_left_to_do_later() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimplemented", "!"),
        "not written yet",
        concat!("XX", "X"),
    ];
    let mut offences = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                offences.push(format!("{}:{}: {}", source.path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}
