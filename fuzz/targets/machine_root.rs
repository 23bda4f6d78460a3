//! Feeds arbitrary bytes to the reader of this name in `tests/readers`.
#![no_main]

#[path = "../../tests/readers/mod.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::reader("machine_root")(bytes));
