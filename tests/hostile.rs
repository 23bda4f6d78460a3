//! Every reader of foreign bytes on thousands of damaged files: cut off, bits turned, parts exchanged, odd tokens put in.
//!
//! The mutations come from a fixed seed, so that a failure is the same everywhere; `scripts/fuzz` looks further.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

mod readers;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use readers::{READERS, Reader};

/// Mutations of each reader's seeds.
const MUTATIONS: usize = 800;

/// What parsers trip over: numbers at the ends of their ranges, other kinds of values, nesting, other encodings.
const TOKENS: &[&[u8]] = &[
    b"1e308",
    b"-1e-308",
    b"1e999",
    b"-0",
    b"0",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"ffffffff",
    b"\"a\":1,\"a\":2,",
    b"\\ud800",
    b"\xff\xfe",
    b"\0",
    b"\r\n",
    b"\x1b[31m",
    "\u{202e}".as_bytes(),
    b"[[[[[[[[[[[[[[[[",
    b"}}}}",
    b",",
    b"=",
    b"&lt;",
    b"<!--",
    b"/t0",
];

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough to choose bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = (length - start).min(1 + length / 4);
        start..start + self.below(longest + 1)
    }
}

fn seeds(reader: &Reader) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seeds").join(reader.name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no seeds in {}", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let length = bytes.len();
    match random.below(7) {
        0 => bytes.truncate(random.below(length + 1)),
        1 if length > 0 => bytes[random.below(length)] ^= 1 << random.below(8),
        2 => drop(bytes.drain(random.range(length))),
        3 => {
            let part = bytes[random.range(length)].to_vec();
            let at = random.below(length + 1);
            bytes.splice(at..at, part);
        }
        4 => {
            let part = other[random.range(other.len())].to_vec();
            bytes.splice(random.range(length), part);
        }
        _ => {
            let token = TOKENS[random.below(TOKENS.len())].to_vec();
            let at = random.below(length + 1);
            // Over what stands there, or between.
            let end = if random.below(2) == 0 { at } else { (at + token.len()).min(length) };
            bytes.splice(at..end, token);
        }
    }
}

fn tried(reader: &Reader, bytes: &[u8], what: &str, failures: &mut Vec<String>) {
    if catch_unwind(AssertUnwindSafe(|| (reader.read)(bytes))).is_err() {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]);
        failures.push(format!("{}, {what}: {shown:?}", reader.name));
    }
}

#[test]
fn no_reader_panics_on_damaged_files() {
    let mut failures = Vec::new();
    for (number, reader) in READERS.iter().enumerate() {
        let mut random = Random(0x5eed + number as u64);
        let seeds = seeds(reader);
        for (i, seed) in seeds.iter().enumerate() {
            tried(reader, seed, &format!("seed {i}"), &mut failures);
        }
        for mutation in 0..MUTATIONS {
            let mut bytes = seeds[random.below(seeds.len())].clone();
            let other = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(4) {
                mutate(&mut bytes, &other, &mut random);
            }
            tried(reader, &bytes, &format!("mutation {mutation}"), &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_reader_has_its_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for Reader { name, .. } in READERS {
        let target = fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap_or_default();
        assert!(target.contains(&format!("reader(\"{name}\")")), "fuzz/targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no {name}");
    }
}

#[test]
fn some_mutations_are_still_read() {
    // A mutator that breaks everything at the first byte would test nothing behind it.
    let mut random = Random(7);
    let seeds = seeds(&READERS[1]);
    let read = (0..MUTATIONS).filter(|_| {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        mutate(&mut bytes, &seeds[0], &mut random);
        perfkit::interchange::hyperfine::parse(&bytes).is_ok()
    });
    let count = read.count();
    assert!((MUTATIONS / 50..MUTATIONS).contains(&count), "{count} of {MUTATIONS}");
}
