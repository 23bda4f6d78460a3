//! `perfkit embed` and `perfkit model` as a user meets them: files in and out, exit codes, one clear line on bad input.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]
#![expect(clippy::print_stdout, reason = "a test that skips says what and why")]

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;

fn perfkit(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("perfkit").unwrap();
    command.args(arguments).env_remove("HF_TOKEN").env_remove("HF_ENDPOINT");
    command
}

fn embed(input: &str, output: &str) -> Command {
    perfkit(&["embed", "--model", "builtin:tiny", "--input", input, "--output", output])
}

#[derive(serde::Deserialize)]
struct Row {
    index: u64,
    embedding: Vec<f32>,
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Files in the folder, so that a test sees what was left behind.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn lines_objects_pipes_and_arrays_give_the_same_vectors_in_input_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("in.txt"), "first\n\nthird text\r\n").unwrap();
    let objects = "{\"text\": \"first\"}\n{\"text\": \"\"}\n{\"id\": 7, \"text\": \"third text\"}\n";
    embed(&path("in.txt"), &path("out.jsonl")).assert().success().stdout("");
    let from_lines = rows(&std::fs::read(path("out.jsonl")).unwrap());
    let piped = embed("-", "-").write_stdin(objects).assert().success();
    let from_pipe = rows(&piped.get_output().stdout);
    embed(&path("in.txt"), &path("out.npy")).arg("--batch").arg("1").assert().success();
    let array = std::fs::read(path("out.npy")).unwrap();
    let numbers: Vec<f32> =
        array[128..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(numbers.len(), 3 * 64);
    for (i, ((line, piped), array)) in from_lines.iter().zip(&from_pipe).zip(numbers.chunks(64)).enumerate() {
        assert_eq!((line.index, piped.index), (i as u64, i as u64));
        assert_eq!(line.embedding, piped.embedding);
        let far = line.embedding.iter().zip(array).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{far}");
        let length: f32 = line.embedding.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
    assert_eq!((from_lines.len(), from_pipe.len()), (3, 3));
    assert_eq!(names(folder.path()), ["in.txt", "out.jsonl", "out.npy"]);
}

#[test]
fn bad_input_is_one_clear_line_with_exit_2_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("invalid.txt"), b"fine\nbro\xFFken\n").unwrap();
    std::fs::write(path("objects.jsonl"), "{\"text\": \"a\"}\n{\"txt\": 1}\n").unwrap();
    std::fs::write(path("long.txt"), vec![b'a'; 100_000_000]).unwrap();
    let before = names(folder.path());
    for (input, output, words) in [
        (path("invalid.txt"), path("out.npy"), &["invalid.txt line 2", "UTF-8", "iconv"][..]),
        (path("objects.jsonl"), path("out.jsonl"), &["objects.jsonl line 2", "text"]),
        (path("long.txt"), path("out.jsonl"), &["long.txt line 1", "longer", "split"]),
        (path("absent.txt"), path("out.jsonl"), &["absent.txt", "cannot read"]),
        (folder.path().to_str().unwrap().to_owned(), path("out.jsonl"), &["folder"]),
        (path("objects.jsonl"), path("no/such/out.npy"), &["out.npy", "folder exists"]),
        (path("objects.jsonl"), folder.path().to_str().unwrap().to_owned(), &["it is a folder"]),
        (path("objects.jsonl"), path("objects.jsonl"), &["--input and --output name the same file"]),
    ] {
        let assert = embed(&input, &output).assert().code(2).stdout("");
        let error = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(words.iter().all(|word| error.contains(word)), "{input}: {error}");
        assert!(error.lines().count() == 1 && !error.contains("panicked"), "{error}");
        assert_eq!(names(folder.path()), before, "{input}");
    }
}

#[test]
fn a_device_is_written_to_as_it_is_and_a_full_one_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    std::fs::write(&input, "one\ntwo\n").unwrap();
    // What /dev/stdout leads to.
    let piped = embed(input.to_str().unwrap(), "/proc/self/fd/1").assert().success();
    assert_eq!(rows(&piped.get_output().stdout).len(), 2);
    if !Path::new("/dev/full").exists() {
        return println!("skipped: there is no /dev/full");
    }
    let assert = embed(input.to_str().unwrap(), "/dev/full").assert().code(2).stdout("");
    let error = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(error.contains("cannot write /dev/full: No space left"), "{error}");
    assert!(std::fs::write("/dev/full", "x").is_err(), "it is a device still");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for (arguments, words) in [
        (&["embed", "--model", "builtin:huge"][..], "minilm-l6"),
        (&["embed", "--model", "no model"], "names no model"),
        (&["embed", "--model", "./absent"], "no such folder"),
        (&["embed", "--engine", "magic"], "native"),
        (&["embed", "--precision", "f7"], "f32"),
        (&["embed", "--input", "x"], "--output"),
        (&["embed", "--threads", "0"], "1 to 4096"),
        (&["embed", "--batch", "0"], "'--batch <N>': a number, 1 or more"),
        (&["embed", "--model", "Cargo.toml"], "Cargo.toml is a file"),
        (&["embed", "--model", "builtin:tiny", "--batch", "99999999"], "65536 texts with --batch"),
        (&["embed", "--sequence", "long"], "mixed"),
        (&["embed", "--model", "builtin:tiny", "--batch", "1", "--sequence", "9999"], "1x9999"),
        (&["embed", "--model", "builtin:tiny", "--corpus", "/absent/corpus"], "/absent/corpus"),
        (&["model", "fetch", "builtin:tiny"], "needs no download"),
        (&["model", "inspect", "./absent"], "no such folder"),
    ] {
        let assert = perfkit(arguments).assert().code(2);
        let error = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(error.contains(words) && !error.contains("panicked"), "{arguments:?}: {error}");
    }
}

#[test]
fn measuring_prints_one_document_with_stages_memory_of_a_fresh_process_and_the_note() {
    let assert = perfkit(&[
        "embed",
        "--model",
        "builtin:tiny",
        "--batch",
        "1,4",
        "--sequence",
        "16",
        "--quick",
        "--json",
    ])
    .assert()
    .success();
    let document: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(document["schema"], "perfkit.results/1");
    let outcomes = document["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 2);
    for (outcome, texts) in outcomes.iter().zip([1, 4]) {
        assert_eq!(outcome["outcome"], "measured");
        assert_eq!((outcome["texts"].as_u64(), outcome["tokens"].as_u64()), (Some(texts), Some(16 * texts)));
        assert!(outcome["stages"]["encode"].as_f64().unwrap() > 0.0);
        assert!(outcome["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
        assert!(outcome["derived"]["median_seconds"].as_f64().unwrap() > 0.0);
        assert!(outcome["notes"].to_string().contains("mean nothing"));
    }
}

#[test]
fn precisions_dimensions_and_prompts_are_taken_and_their_cosine_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("in.txt"), "first\nsecond text\n").unwrap();
    embed(&path("in.txt"), &path("out.jsonl"))
        .args(["--precision", "f16", "--dimensions", "8"])
        .env("XDG_CACHE_HOME", folder.path())
        .assert()
        .success()
        .stderr(predicate::str::contains("cosine to f32").and(predicate::str::contains("on 500 texts")));
    let written = rows(&std::fs::read(path("out.jsonl")).unwrap());
    assert!(written.len() == 2 && written.iter().all(|row| row.embedding.len() == 8));
    let measure = ["--batch", "2", "--sequence", "16", "--quick", "--precision", "f32,bf16"];
    perfkit(&["embed", "--model", "builtin:tiny"]).args(measure).assert().success().stdout(
        predicate::str::contains("Least cosine")
            .and(predicate::str::is_match(r"tiny +bf16 +native").unwrap()),
    );
    for (arguments, words) in [
        (&["--prompt", "query"][..], "no prompt"),
        (&["--dimensions", "65"], "more than the 64"),
        (&["--dimensions", "0"], "--dimensions"),
        (&["--precision", "f32,bf16", "--input", "x", "--output", "y"], "one --precision"),
    ] {
        perfkit(&["embed", "--model", "builtin:tiny"])
            .args(arguments)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(words));
    }
}

/// The numbers of lines of JSON, in the order of their indices.
fn integers(bytes: &[u8]) -> Vec<Vec<i64>> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut rows: Vec<(u64, Vec<i64>)> = text
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let numbers = row["embedding"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
            (row["index"].as_u64().unwrap(), numbers)
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, numbers)| numbers).collect()
}

#[test]
fn vectors_come_in_fewer_bits_in_arrays_and_lines_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("in.txt"), "first\n\nthird text\n").unwrap();
    embed(&path("in.txt"), &path("f32.jsonl")).assert().success();
    let exact = rows(&std::fs::read(path("f32.jsonl")).unwrap());
    for (precision, columns, kind) in [("int8", 64, "|i1"), ("binary", 8, "|u1")] {
        for name in ["out.npy", "out.jsonl"] {
            embed(&path("in.txt"), &path(name)).args(["--output-precision", precision]).assert().success();
        }
        let array = std::fs::read(path("out.npy")).unwrap();
        let (header, body) = array.split_at(128);
        let header = String::from_utf8_lossy(header);
        assert!(header.contains(kind) && header.contains(&format!("(3, {columns})")), "{header}");
        let lines = integers(&std::fs::read(path("out.jsonl")).unwrap());
        for ((row, line), exact) in body.chunks_exact(columns).zip(&lines).zip(&exact) {
            let signed =
                |&byte: &u8| if kind == "|i1" { i64::from(byte.cast_signed()) } else { i64::from(byte) };
            assert_eq!(row.iter().map(signed).collect::<Vec<_>>(), *line);
            for (i, x) in exact.embedding.iter().enumerate().filter(|(_, x)| x.abs() > 1e-3) {
                let positive = match precision {
                    "binary" => row[i / 8] >> (7 - i % 8) & 1 == 1,
                    _ => line[i] > 0,
                };
                assert!(positive == (*x > 0.0) || line.get(i) == Some(&0), "{precision} {i}: {x}");
            }
        }
    }
    let measured =
        ["--batch", "1", "--sequence", "16", "--quick", "--output-precision", "int8,binary", "--json"];
    let assert = perfkit(&["embed", "--model", "builtin:tiny"]).args(measured).assert().success();
    let document: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let facts = &document["outcomes"][0]["facts"];
    assert_eq!(
        (facts["output_int8_vector_bytes"].as_f64(), facts["output_binary_vector_bytes"].as_f64()),
        (Some(64.0), Some(8.0))
    );
    let share = |name: &str| facts[name].as_f64().unwrap();
    assert!(share("output_int8_recall_at_10") > share("output_binary_recall_at_10"));
    assert!(share("output_binary_rescored_recall_at_10") > share("output_binary_recall_at_10"));
    assert_eq!(facts["output_int8_texts"].as_f64(), Some(500.0));
}

#[test]
fn streams_presets_levels_and_the_cache_change_no_vector() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let texts: Vec<String> = (0..500).map(|i| format!("text number {} of a few", i % 70)).collect();
    std::fs::write(path("in.txt"), texts.join("\n")).unwrap();
    embed(&path("in.txt"), &path("right.jsonl")).assert().success();
    let right = rows(&std::fs::read(path("right.jsonl")).unwrap());
    for (arguments, words) in [
        (&["--stream", "parallel", "--threads", "2", "--batch", "7", "--buffer", "1"][..], ""),
        (&["--stream", "timed", "--max-wait", "0"], ""),
        (&["--preset", "latency"], "preset latency: batch 1, all threads"),
        (&["--preset", "throughput", "--batch", "3", "--threads", "1"], "stream sequential, buffer 8"),
        (&["--threads", "4096"], "--threads 4096: this process may use"),
        (&["--optimization", "none"], "optimization none: the precision's narrowest"),
        (&["--optimisation", "basic"], "optimization basic"),
        (&["--cache", "1MiB", "--batch", "8"], "cache: "),
        (&["--bucketing", "length", "--batch", "7"], ""),
        (&["--bucketing", "length", "--batch", "3", "--stream", "parallel", "--threads", "2"], ""),
        (&["--part-tokens", "20"], ""),
    ] {
        let command = embed(&path("in.txt"), &path("out.jsonl")).args(arguments).assert().success();
        let said = String::from_utf8(command.get_output().stderr.clone()).unwrap();
        assert!(said.contains(words), "{arguments:?}: {said}");
        let mut got = rows(&std::fs::read(path("out.jsonl")).unwrap());
        if arguments.contains(&"parallel") {
            got.sort_by_key(|row| row.index);
        }
        assert_eq!(got.len(), right.len(), "{arguments:?}");
        for (got, right) in got.iter().zip(&right) {
            assert_eq!(got.index, right.index);
            let far =
                got.embedding.iter().zip(&right.embedding).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{arguments:?}: {far}");
        }
    }
    let report = embed(&path("in.txt"), &path("out.jsonl"))
        .args(["--cache", "1MiB", "--batch", "10", "--buffer", "2", "--json"])
        .assert()
        .success();
    let report: serde_json::Value = serde_json::from_slice(&report.get_output().stdout).unwrap();
    assert!((report["cache_hit_share"].as_f64().unwrap() - 430.0 / 500.0).abs() < 1e-9, "{report}");
    assert!(report["most_texts_held"].as_u64().unwrap() <= 30, "{report}");
    for (arguments, words) in [
        (&["--stream", "parallel", "--output", &path("out.npy")][..], "--stream sequential"),
        (&["--max-wait", "5", "--output", &path("o.jsonl")], "--stream timed"),
        (&["--output-precision", "int8,binary", "--output", &path("o.jsonl")], "one --output-precision"),
        (&["--cache", "much", "--output", &path("o.jsonl")], "size"),
        (&["--buffer", "0", "--output", &path("o.jsonl")], "--buffer"),
        (
            &["--trace", &path("o.jsonl"), "--output", &path("o.jsonl")],
            "--output and --trace name the same file",
        ),
        (&["--engine", "all", "--output", &path("o.jsonl")], "one --engine"),
        (&["--engine", "native,rten", "--output", &path("o.jsonl")], "one --engine"),
        (&["--stream", "random", "--output", &path("o.jsonl")], "sequential"),
        (&["--preset", "speed", "--output", &path("o.jsonl")], "throughput"),
        (&["--bucketing", "size", "--output", &path("o.jsonl")], "length"),
        (&["--part-tokens", "0", "--output", &path("o.jsonl")], "from 1 to"),
    ] {
        perfkit(&["embed", "--model", "builtin:tiny", "--input", &path("in.txt")])
            .args(arguments)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(words));
    }
    assert_eq!(names(folder.path()), ["in.txt", "out.jsonl", "right.jsonl"]);
    perfkit(&["embed", "--help"]).assert().success().stdout(
        predicate::str::contains("batch 64, all threads")
            .and(predicate::str::contains("aggressive  the fastest")),
    );
}

#[test]
fn a_trace_is_an_array_of_spans_that_lie_inside_their_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("in.txt"), "one\ntwo\nthree\nfour\nfive\n").unwrap();
    let read = |name: &str| -> Vec<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
    };
    embed(&path("in.txt"), &path("out.jsonl"))
        .args(["--batch", "2", "--trace", &path("file.json")])
        .assert()
        .success();
    perfkit(&["embed", "--model", "builtin:tiny", "--batch", "2", "--sequence", "16", "--quick"])
        .args(["--trace", &path("measured.json")])
        .assert()
        .success();
    for name in ["file.json", "measured.json"] {
        let events = read(name);
        let spans = |wanted: &str| -> Vec<(f64, f64)> {
            let of = events.iter().filter(|event| event["ph"] == "X" && event["name"] == wanted);
            of.map(|event| {
                (
                    event["ts"].as_f64().unwrap(),
                    event["ts"].as_f64().unwrap() + event["dur"].as_f64().unwrap(),
                )
            })
            .collect()
        };
        let batches = spans("batch");
        assert_eq!(batches.len(), 3, "{name}");
        // The tiny model has two layers.
        assert_eq!((spans("layer").len() % batches.len(), spans("layer").len() > batches.len()), (0, true));
        for part in
            ["tokenize", "prepare", "encode", "pool", "normalize", "layer", "attention", "up", "output_norm"]
        {
            let parts = spans(part);
            assert!(parts.len() >= batches.len(), "{name}: {part}");
            for (start, end) in parts {
                let inside = |batch: &&(f64, f64)| batch.0 <= start + 0.002 && end <= batch.1 + 0.002;
                assert!(batches.iter().any(|batch| inside(&batch)), "{name}: {part} at {start}");
            }
        }
        let tokens: u64 = events
            .iter()
            .filter(|event| event["ph"] == "C" && event["name"] == "tokens")
            .map(|event| event["args"]["tokens"].as_u64().unwrap())
            .sum();
        assert!(tokens >= 5 * 3, "{name}: {tokens}");
    }
    embed(&path("in.txt"), &path("out.jsonl"))
        .args(["--trace", &path("absent/trace.json")])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("trace.json"));
}

#[test]
fn the_terminal_says_that_built_in_vectors_mean_nothing() {
    perfkit(&["embed", "--model", "builtin:tiny", "--batch", "2", "--sequence", "16", "--quick"])
        .assert()
        .success()
        .stdout(predicate::str::contains("encode"))
        .stderr(predicate::str::contains("mean nothing"));
}

#[test]
fn models_are_listed_inspected_and_their_cache_cleared() {
    let home = tempfile::tempdir().unwrap();
    let in_home = |arguments: &[&str]| {
        let mut command = perfkit(arguments);
        command.env("HF_HOME", home.path()).env("XDG_CACHE_HOME", home.path().join("cache"));
        command
    };
    in_home(&["model", "list"]).assert().success().stdout(predicate::str::contains("builtin:minilm-l6"));
    let assert = in_home(&["model", "inspect", "builtin:minilm-l6", "--json"]).assert().success();
    let model: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!((model["layers"].as_u64(), model["hidden"].as_u64()), (Some(6), Some(384)));
    std::fs::create_dir_all(home.path().join("cache/perfkit/packed")).unwrap();
    in_home(&["model", "clear-cache"]).assert().success().stdout("deleted\n");
    in_home(&["model", "clear-cache"]).assert().success().stdout("nothing was kept\n");
    in_home(&["model", "fetch", "org/name"])
        .env("HF_HUB_OFFLINE", "1")
        .assert()
        .code(2)
        .stderr(predicate::str::contains("HF_HUB_OFFLINE"));
}

#[test]
fn sizes_chosen_by_limits_give_the_vectors_of_fixed_ones_and_say_how_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let texts: String = (0..200).map(|i| format!("text number {i}\n")).collect();
    std::fs::write(path("in.txt"), texts).unwrap();
    embed(&path("in.txt"), &path("fixed.jsonl")).assert().success();
    let adaptive = ["--adaptive", "--max-latency", "1000", "--json"];
    let said = embed(&path("in.txt"), &path("adapted.jsonl")).args(adaptive).assert().success();
    let said: serde_json::Value = serde_json::from_slice(&said.get_output().stdout).unwrap();
    assert_eq!(said["texts"], 200);
    let adapted = &said["adapted"];
    assert!(adapted["largest_batch"].as_u64().unwrap() > 1, "{adapted}");
    assert!(adapted["batches_in_time"].as_u64() <= adapted["batches"].as_u64(), "{adapted}");
    let read = |name: &str| rows(&std::fs::read(path(name)).unwrap());
    for (fixed, adapted) in read("fixed.jsonl").iter().zip(read("adapted.jsonl")) {
        let far =
            fixed.embedding.iter().zip(&adapted.embedding).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(fixed.index == adapted.index && far < 1e-6, "{}: {far}", fixed.index);
    }
    // A limit of memory that the process is beyond from the start leaves single texts, and says so.
    embed(&path("in.txt"), &path("small.jsonl"))
        .args(["--adaptive", "--max-latency", "1000", "--max-memory", "1MB"])
        .assert()
        .success()
        .stderr(
            predicate::str::contains("batches of 1 to 1 texts").and(predicate::str::contains("200 of them")),
        );
    for wrong in [&["--adaptive"][..], &["--max-latency", "5"], &["--adaptive", "--max-latency", "fast"]] {
        embed(&path("in.txt"), "-").args(wrong).assert().code(2);
    }
    perfkit(&["embed", "--adaptive", "--max-latency", "5"]).assert().code(2);
}

#[test]
fn tuning_names_a_setting_that_meets_the_limits_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("front.svg");
    let tune = |more: &[&str]| {
        let mut command = perfkit(&[
            "tune",
            "embed",
            "--model",
            "builtin:tiny",
            "--batch",
            "1,4",
            "--threads",
            "1",
            "--time",
            "2",
        ]);
        command.current_dir(folder.path()).args(more);
        command
    };
    let json = ["--json", "--precision", "f32", "--svg", svg.to_str().unwrap()];
    let answer = tune(&json).assert().success();
    let document: perfkit::document::Tuning = serde_json::from_slice(&answer.get_output().stdout).unwrap();
    assert_eq!(document.schema, perfkit::document::Tuning::SCHEMA);
    // One text has no order; four have two.
    assert_eq!(document.candidates.len(), 3);
    let chosen = document.choice.unwrap().settings;
    let row = document.candidates.iter().find(|row| row.settings == chosen).unwrap();
    assert!(
        row.on_front && row.meets_limits && row.rounds > 0 && row.texts_per_second > Some(0.0),
        "{row:?}"
    );
    let [line] = &document.memory[..] else { panic!("{:?}", document.memory) };
    assert!(line.points.len() == 3 && line.base_bytes > 1e6, "{line:?}");
    assert!(std::fs::read_to_string(&svg).unwrap().contains("</svg>"));
    tune(&["--precision", "f32", "--max-latency", "0.000001"])
        .assert()
        .code(3)
        .stdout(predicate::str::contains("none: no setting"));
    tune(&["--precision", "f32", "--max-memory", "1MB"]).assert().code(3);
    // What is below the quality that is asked for takes no part.
    let answer = tune(&["--json", "--precision", "int8,f32", "--min-cosine", "1"]).assert().success();
    let document: perfkit::document::Tuning = serde_json::from_slice(&answer.get_output().stdout).unwrap();
    assert_eq!(document.choice.unwrap().settings.precision, "f32");
    assert!(
        document
            .candidates
            .iter()
            .any(|row| row.dropped.as_deref().is_some_and(|why| why.contains("cosine")))
    );
    tune(&["--min-cosine", "2"]).assert().code(2);
}

#[test]
fn a_preset_joins_the_search_and_embed_reads_what_the_search_writes() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--batch", "1", "--precision", "f32", "--bucketing", "none", "--time", "1", "--json"];
    let mut tune = perfkit(&["tune", "embed", "--model", "builtin:tiny", "--threads", "1"]);
    let answer =
        tune.args(arguments).args(["--preset", "memory"]).current_dir(folder.path()).assert().success();
    let document: perfkit::document::Tuning = serde_json::from_slice(&answer.get_output().stdout).unwrap();
    let names: Vec<String> = document.candidates.iter().map(|row| row.settings.to_string()).collect();
    assert_eq!(names, ["f32, batch 1, t1", "f16, batch 8, t1, parts of 256, preset memory"]);
    // Each has a line of its own for its memory.
    assert_eq!(document.memory.iter().map(|line| line.part_tokens).collect::<Vec<_>>(), [None, Some(256)]);

    let settings = document.candidates[1].settings.clone();
    let file = folder.path().join("perfkit.toml");
    let settings =
        perfkit::document::EmbedSettings { by_length: true, optimization: "basic".to_owned(), ..settings };
    perfkit::session::settings::write_embed(&file, &settings).unwrap();
    std::fs::write(folder.path().join("in.txt"), "one\n\nthe third of them\n").unwrap();
    let vectors = |more: &[&str], output: &str| {
        let command = embed("in.txt", output).args(more).current_dir(folder.path()).assert().success();
        let said = String::from_utf8(command.get_output().stderr.clone()).unwrap();
        (rows(&std::fs::read(folder.path().join(output)).unwrap()), said)
    };
    let (chosen, said) = vectors(&[], "chosen.jsonl");
    for words in ["preset memory of perfkit.toml", "optimization basic", "f16: cosine to f32"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // What a flag says wins over the file.
    let flags = ["--optimization", "aggressive", "--precision", "f16", "--bucketing", "none", "--batch", "2"];
    let (flagged, said) = vectors(&flags, "flagged.jsonl");
    assert!(!said.contains("optimization"), "{said}");
    assert_eq!(chosen.len(), 3);
    for (chosen, flagged) in chosen.iter().zip(&flagged) {
        assert_eq!(chosen.index, flagged.index);
        for (a, b) in chosen.embedding.iter().zip(&flagged.embedding) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}

#[test]
fn too_little_address_space_for_a_model_is_an_error_and_not_an_abort() {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin!("perfkit");
    let mut refused = 0;
    for mebibytes in (100..=500).step_by(40) {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("ulimit -v {}; exec \"$0\" \"$@\"", mebibytes << 10)])
            .arg(program)
            .args(["embed", "--model", "builtin:minilm-l12", "--input", "-", "--output", "-"])
            .env("XDG_CACHE_HOME", folder.path())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 2)), "{mebibytes} MiB: {:?} {errors}", output.status);
        refused += usize::from(errors.contains("there is room for") || errors.contains("no memory for"));
    }
    assert!(refused > 0, "500 MiB are enough, 100 are not");
}
