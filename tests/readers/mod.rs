//! Every reader of bytes that come from elsewhere, each as a function that must neither panic nor take long, whatever it
//! is given. The mutations of `tests/hostile.rs` and the fuzz targets of `fuzz/` walk the same table; its seeds, and what
//! was once found, lie in `tests/data/seeds/<name>/`.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::fs;
use std::hint::black_box;
use std::path::Path;

use perfkit::analysis::compare::{Margin, compare};
use perfkit::analysis::recommend::recommend;
use perfkit::document::{Case, CasePattern, Machine, read_document, to_json};
use perfkit::interchange::{self, Benchmarks, Imported};
use perfkit::machine::{Source, detect, detect_archive, replace_gpus, snapshot};
use perfkit::measure::protocol::{self, Greeting, Offer};
use perfkit::render::page::Extras;
use perfkit::render::{comparison, terminal};
use perfkit::session::import::compare_import;
use perfkit::session::settings;
use perfkit::units::{CpuList, parse_bytes};

/// A reader, by the name of its fuzz target.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&[u8]),
}

pub(crate) static READERS: &[Reader] = &[
    Reader { name: "criterion_import", read: criterion_import },
    Reader { name: "hyperfine_import", read: hyperfine_import },
    Reader { name: "results_document", read: results_document },
    Reader { name: "case_text", read: case_text },
    Reader { name: "settings_toml", read: settings_toml },
    Reader { name: "worker_reply", read: worker_reply },
    Reader { name: "cpuid_dump", read: cpuid_dump },
    Reader { name: "gpu_report", read: gpu_report },
    Reader { name: "machine_root", read: machine_root },
    Reader { name: "machine_archive", read: machine_archive },
];

/// The reader with this name.
#[allow(dead_code, reason = "the fuzz targets look one up, the test walks them all")]
pub(crate) fn reader(name: &str) -> fn(&[u8]) {
    READERS.iter().find(|reader| reader.name == name).unwrap().read
}

/// `benchmark.json`, a line end, `sample.json`: what is usable goes through a tree, the comparison and every writer.
fn criterion_import(bytes: &[u8]) {
    let at = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (ids, sample) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let Ok((id, benchmark)) = interchange::criterion::parse(ids, sample) else { return };
    let root = tempfile::tempdir().unwrap();
    for set in ["main", "new"] {
        let folder = root.path().join("group").join(set);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("benchmark.json"), ids).unwrap();
        fs::write(folder.join("sample.json"), sample).unwrap();
    }
    let imported = interchange::criterion::read(root.path()).unwrap();
    assert_eq!(imported.sets["new"][&id], benchmark);
    compared("criterion", root.path(), "main");
}

fn hyperfine_import(bytes: &[u8]) {
    let Ok(imported) = interchange::hyperfine::parse(bytes) else { return };
    let commands = usable(&imported);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.json");
    fs::write(&path, bytes).unwrap();
    for baseline in [path.to_str().unwrap(), commands.keys().next().unwrap()] {
        compared("hyperfine", &path, baseline);
    }
}

/// What a reader promises of all that it lets through.
fn usable(imported: &Imported) -> &Benchmarks {
    let set = imported.sets.values().next().unwrap();
    for benchmark in set.values() {
        assert!(!benchmark.samples.is_empty());
        assert!(benchmark.samples.iter().all(|&seconds| interchange::plausible(seconds)));
    }
    set
}

/// An import never passes or fails, and every writer can say it.
fn compared(format: &str, path: &Path, baseline: &str) {
    let report =
        compare_import(&format!("{format}:{}", path.display()), baseline, Margin::default()).unwrap();
    assert!(matches!(report.exit_code, 3 | 5), "{report:?}");
    for format in comparison::FORMATS {
        let text = (format.write)(&report).unwrap();
        assert!(!text.contains("NaN"), "{}: {text}", format.name);
    }
    let text = terminal::comparison(&report, false, 80);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
}

fn results_document(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    fs::write(&path, bytes).unwrap();
    let Ok(document) = read_document(&path) else { return };
    fs::write(&path, to_json(&document).unwrap()).unwrap();
    assert_eq!(read_document(&path).unwrap().measured().count(), document.measured().count());
    let advice = recommend(&document);
    let extras = Extras { recommendations: &advice, ..Extras::default() };
    let text = terminal::document(&document, &extras, false, 80);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    black_box(compare(&document, &document, Margin::default()));
}

/// Lines that a worker may say, whatever was asked: each is a greeting, an offer, counts, a sample, or none of them.
fn worker_reply(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        if let Ok(greeting) = Greeting::parse(line) {
            assert_eq!(Greeting::parse(&greeting.line()).unwrap().version, greeting.version);
        }
        if let Ok(offer) = Offer::parse(line.strip_prefix("case ").unwrap_or(line)) {
            let again = Offer::parse(offer.line().strip_prefix("case ").unwrap()).unwrap();
            assert_eq!(again, offer);
        }
        for (_, value) in protocol::numbers(line).unwrap_or_default() {
            assert!(value.is_finite() && value >= 0.0);
        }
        if let Ok(sample) = protocol::parse_sample(line, 3) {
            assert_eq!(protocol::parse_sample(&protocol::sample_line(&sample), 3).unwrap(), sample);
            assert!(sample.seconds() > 0.0 && sample.running_seconds() > 0.0);
        }
        assert!(!protocol::shown(line).contains(char::is_control));
    }
}

/// A case, a pattern, a set of CPUs, a size: what people write on the command line.
fn case_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(case) = text.parse::<Case>() {
        assert_eq!(case.to_string().parse::<Case>().unwrap(), case);
        assert!(!case.family().is_empty() || text.starts_with('/'));
    }
    if let Ok(pattern) = CasePattern::new(text) {
        black_box(pattern.matches_text("pool/mean-f32/rows@avx512/128x384/t1"));
        black_box(pattern.matches_text(text));
    }
    if let Ok(cpus) = text.parse::<CpuList>() {
        assert_eq!(cpus.to_string().parse::<CpuList>().unwrap(), cpus);
    }
    let _ = parse_bytes(text);
}

fn settings_toml(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(settings::FILE_NAME), bytes).unwrap();
    if let Ok(settings) = settings::load(folder.path()) {
        let margin = settings.margin();
        assert!(margin.lower >= 0.0 && margin.upper > margin.lower && margin.upper.is_finite());
    }
}

fn cpuid_dump(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    for cpu in ["pu0", "pu1"] {
        fs::write(folder.path().join(cpu), bytes).unwrap();
    }
    let machine = detect(Source::Cpuid(folder.path()));
    black_box(terminal::machine(&machine, false, 80));
    to_json(&machine).unwrap();
}

fn gpu_report(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut machine = Machine::default();
    if replace_gpus(&mut machine, &text).is_ok() {
        black_box(terminal::machine(&machine, false, 80));
        to_json(&machine).unwrap();
    }
}

/// Files of a root: each `=path`, a line end, its text, up to the next line that begins with `=`.
fn machine_root(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    for part in bytes.split(|&byte| byte == b'=') {
        let at = part.iter().position(|&byte| byte == b'\n').unwrap_or(part.len());
        let (path, text) = (String::from_utf8_lossy(&part[..at]), part.get(at + 1..).unwrap_or_default());
        let inside = path
            .split('/')
            .all(|name| !matches!(name, "" | "." | "..") && name.len() < 100 && !name.contains('\0'));
        if !inside || path.len() > 1000 {
            continue;
        }
        let path = folder.path().join(&*path);
        // A path through a file, or onto a folder, makes nothing.
        let _ = fs::create_dir_all(path.parent().unwrap());
        let _ = fs::write(path, text);
    }
    let machine = detect(Source::Root(folder.path()));
    detected(&machine);
    let mut packed = Vec::new();
    let told = snapshot(Some(folder.path()), &mut packed).unwrap();
    let file = folder.path().join("packed");
    fs::write(&file, packed).unwrap();
    assert_eq!(detect_archive(&file).unwrap(), told);
}

fn machine_archive(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    fs::write(&path, bytes).unwrap();
    if let Ok(machine) = detect_archive(&path) {
        detected(&machine);
    }
}

/// What holds of every machine that was detected.
fn detected(machine: &Machine) {
    for field in machine.null_fields() {
        assert!(machine.unknown.iter().any(|unknown| unknown.field == field), "{field} has no reason");
    }
    assert!(machine.limits.effective_cpus >= 1);
    let style = perfkit::render::machine::Style { color: false, width: 80 };
    let text = perfkit::render::machine::view(machine, perfkit::render::machine::Detail::Verbose, style);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    black_box(perfkit::render::figure::topology(machine).map(|figure| figure.to_inline_svg()));
    to_json(machine).unwrap();
}
