//! Trains the vocabulary of the built-in models and writes it to `src/engines/builtin/vocabulary.txt`.
//!
//! Run it after a change of the texts under `corpus/`: `cargo run --release --example train_vocabulary`.
//! The same texts give the same file, byte for byte; `tests/corpus.rs` holds that the committed file is the one.

use std::io::Write;
use std::path::Path;

mod trainer;

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = trainer::train_from(&root.join("corpus"))?;
    let target = root.join("src/engines/builtin/vocabulary.txt");
    std::fs::write(&target, &file)?;
    writeln!(std::io::stdout(), "{} pieces in {}", file.lines().count(), target.display())?;
    Ok(())
}
