//! Readers on what the real tools wrote, and on what nobody should.

use std::fs;

use super::*;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A tree with one benchmark, made of the two texts.
fn tree(ids: &str, sample: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("group/new");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("benchmark.json"), ids).unwrap();
    fs::write(folder.join("sample.json"), sample).unwrap();
    root
}

fn read_text(text: &str) -> Result<Imported, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.json");
    fs::write(&path, text).unwrap();
    hyperfine::read(&path)
}

#[test]
fn a_real_tree_of_criterion_has_its_sets_ids_and_times() {
    let imported = criterion::read(&data("criterion")).unwrap();
    let sets: Vec<(&str, usize)> =
        imported.sets.iter().map(|(name, set)| (name.as_str(), set.len())).collect();
    assert_eq!(sets, [("base", 5), ("main", 4), ("new", 5)]);
    assert!(imported.notes.is_empty(), "{:?}", imported.notes);
    let new = &imported.sets["new"];
    assert!(new.contains_key("mix by length/xor/multiply/100") && new.contains_key("a\"b<c>*|d"), "{new:?}");
    let spin = &imported.sets["main"]["flat/spin"];
    // The first of its samples: 14,865,101 ns for 458 iterations.
    assert_eq!(spin.samples.len(), 20);
    assert!((spin.samples[0] / (14_865_101e-9 / 458.0) - 1.0).abs() < 1e-12, "{}", spin.samples[0]);
    let pairs = pairs(&imported.sets["main"], new);
    assert_eq!((pairs.both.len(), pairs.missing.len(), pairs.new), (4, 0, vec!["a\"b<c>*|d"]));
}

#[test]
fn real_files_of_hyperfine_have_their_commands_and_times() {
    let two = hyperfine::read(&data("hyperfine-two.json")).unwrap();
    let commands = &two.sets[hyperfine::SET];
    assert_eq!(commands.keys().collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(commands["old"].samples.len(), 12);
    assert!((commands["old"].samples[0] - 0.010_969_161).abs() < 1e-9);
    let failing = hyperfine::read(&data("hyperfine-failing.json")).unwrap();
    let notes = &failing.sets[hyperfine::SET]["false"].notes;
    assert_eq!(notes, &["6 of 6 runs ended with an error"]);
    let newer = hyperfine::read(&data("hyperfine-1.20.json")).unwrap();
    let ids: Vec<&String> = newer.sets[hyperfine::SET].keys().collect();
    assert_eq!(ids, ["pause (ms=5)", "pause (ms=8)"], "one name for two parameters tells nobody which");
}

#[test]
fn every_format_says_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("garbage"), [0u8, 159, 146, 150, 255]).unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    fs::create_dir(folder.path().join("nothing")).unwrap();
    for format in FORMATS {
        for name in ["garbage", "empty", "nothing", "absent"] {
            let error = (format.read)(&folder.path().join(name)).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains('\n'), "{}: {error}", format.name);
        }
        assert_eq!(super::format(format.name).map(|f| f.about), Some(format.about));
    }
}

#[test]
fn a_tree_that_criterion_did_not_write_is_refused_or_left_out() {
    let ids = r#"{"full_id":"a"}"#;
    for (ids, sample, words) in [
        ("", "{}", "benchmark.json"),
        (r#"{"full_id":7}"#, r#"{"iters":[],"times":[]}"#, "benchmark.json"),
        (ids, "", "sample.json"),
        (ids, r#"{"iters":[1],"times":[1"#, "sample.json"),
        (ids, r#"{"iters":[1],"times":[1,2]}"#, "1 counts of iterations for 2 times"),
        (ids, r#"{"iters":[1],"iters":[1],"times":[1]}"#, "duplicate field"),
        (ids, r#"{"iters":[NaN],"times":[1]}"#, "sample.json"),
        (ids, r#"{"iters":[null],"times":[1]}"#, "sample.json"),
        (ids, r#"{"iters":[1e999],"times":[1]}"#, "sample.json"),
        (ids, r#"{"iters":[],"times":[]}"#, "no samples"),
        (ids, r#"{"iters":[0],"times":[1]}"#, "over 0e0 iterations"),
        (ids, r#"{"iters":[1e-300],"times":[1e300]}"#, "no time of an iteration"),
        (ids, r#"{"iters":[5],"times":[-3]}"#, "no time of an iteration"),
        (ids, r#"{"iters":[5],"times":[0]}"#, "no time of an iteration"),
    ] {
        let error = criterion::read(tree(ids, sample).path()).unwrap_err().to_string();
        assert!(error.contains(words), "{sample}: {error}");
    }
    // Nesting without end in a field that nobody reads is passed over without recursion.
    let deep = format!(r#"{{"full_id":"a","x":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let imported = criterion::read(tree(&deep, r#"{"iters":[1],"times":[1]}"#).path()).unwrap();
    assert_eq!(imported.sets["new"].len(), 1);
}

#[test]
fn one_unusable_benchmark_does_not_hide_the_others() {
    let root = tree(r#"{"full_id":"good"}"#, r#"{"iters":[2],"times":[10]}"#);
    for (name, sample) in [("zero", Some(r#"{"iters":[0],"times":[10]}"#)), ("gone", None)] {
        let folder = root.path().join(name).join("new");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("benchmark.json"), r#"{"full_id":"bad"}"#).unwrap();
        if let Some(text) = sample {
            fs::write(folder.join("sample.json"), text).unwrap();
        }
    }
    let twice = root.path().join("twice/new");
    fs::create_dir_all(&twice).unwrap();
    fs::write(twice.join("benchmark.json"), r#"{"full_id":"good"}"#).unwrap();
    fs::write(twice.join("sample.json"), r#"{"iters":[1],"times":[1]}"#).unwrap();
    let imported = criterion::read(root.path()).unwrap();
    assert_eq!(imported.sets["new"].keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(imported.sets["new"]["good"].samples, [5e-9]);
    assert_eq!(imported.notes.len(), 3, "{:?}", imported.notes);
    assert!(
        imported.notes.iter().all(|note| !note.contains("tmp")),
        "no path of this machine: {:?}",
        imported.notes
    );
}

#[test]
fn a_walk_ends_whatever_the_tree() {
    let root = tree(r#"{"full_id":"good"}"#, r#"{"iters":[2],"times":[10]}"#);
    let deep = root.path().join("d/".repeat(40));
    fs::create_dir_all(&deep).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(root.path(), root.path().join("group/loop")).unwrap();
        // A pipe that nobody writes to: opening it would wait for ever.
        let pipe = root.path().join("pipe");
        if std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
            let error = hyperfine::read(&pipe).unwrap_err().to_string();
            assert!(error.contains("no regular file"), "{error}");
        }
    }
    let imported = criterion::read(root.path()).unwrap();
    assert_eq!(imported.sets.len(), 1);
    assert_eq!(imported.notes.len(), 1, "{:?}", imported.notes);
}

#[test]
fn files_that_hyperfine_did_not_write_are_refused() {
    for (text, words) in [
        ("[]", "hyperfine's JSON"),
        ("{}", "missing field `results`"),
        (r#"{"results":[]}"#, "no results"),
        (r#"{"results":[{"command":"a"}]}"#, "no times"),
        (r#"{"results":[{"command":"a","times":[]}]}"#, "no times"),
        (r#"{"results":[{"command":"a","times":[0]}]}"#, "no time of a run"),
        (r#"{"results":[{"command":"a","times":[-1]}]}"#, "no time of a run"),
        (r#"{"results":[{"command":"a","times":[1e99]}]}"#, "no time of a run"),
        (r#"{"results":[{"command":"a","times":[1e999]}]}"#, "out of range"),
        (r#"{"results":[{"command":"a","times":[NaN]}]}"#, "expected value"),
        (r#"{"results":[{"command":"a","command":"b","times":[1]}]}"#, "duplicate field"),
        (r#"{"results":[],"results":[]}"#, "duplicate field"),
        (r#"{"results":[{"command":"a","times":[1"#, "EOF"),
        (&"[".repeat(100_000), "hyperfine's JSON"),
    ] {
        let error = read_text(text).unwrap_err().to_string();
        assert!(error.contains(words), "{:.80}: {error}", text);
        assert!(error.contains("--export-json"), "the remedy: {error}");
    }
}

#[test]
fn a_command_that_is_there_twice_is_taken_once_and_said() {
    let text = r#"{"results":[{"command":"a","times":[1]},{"command":"a","times":[2]},{"command":"b","times":[0]}]}"#;
    let imported = read_text(text).unwrap();
    assert_eq!(imported.sets[hyperfine::SET]["a"].samples, [1.0]);
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.json");
    let file = fs::File::create(&path).unwrap();
    // A hole: it takes no room on the disk.
    file.set_len(65 << 20).unwrap();
    let error = hyperfine::read(&path).unwrap_err().to_string();
    assert!(error.contains("more than 64 MiB"), "{error}");
}
