//! What `tune matmul` learned, kept in the cache for the kernels: one file a machine. A file that is torn, of another machine
//! or another version is left alone and said so; nothing depends on it being there.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::catalog::{self, Crossover};
use crate::document::{Machine, Tier, write_atomically};
use crate::session::cache;

const SCHEMA: &str = "perfkit.matmul-profile/1";
/// A profile is no larger.
const LIMIT_BYTES: u64 = 64 << 10;

/// What was learned on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    schema: String,
    tool: String,
    machine: String,
    tier: String,
    threads: usize,
    /// Rows from which packing pays, by the kind of operand; null where it never does.
    small: Option<usize>,
    aligned: Option<usize>,
    ragged: Option<usize>,
    large: Option<usize>,
    competing: Option<usize>,
    /// Multiply-adds from which threads pay; null where they never do.
    parallel_work: Option<usize>,
}

impl Profile {
    pub(super) fn of(
        machine: &Machine,
        tier: Tier,
        threads: NonZeroUsize,
        crossover: &Crossover,
        parallel_work: Option<usize>,
    ) -> Self {
        let Crossover { small, aligned, ragged, large, competing } = *crossover;
        let known = |rows: usize| (rows < usize::MAX).then_some(rows);
        Self {
            schema: SCHEMA.to_owned(),
            tool: tool(),
            machine: machine.fingerprint.clone(),
            tier: tier.to_string(),
            threads: threads.get(),
            small: known(small),
            aligned: known(aligned),
            ragged: known(ragged),
            large: known(large),
            competing: known(competing),
            parallel_work,
        }
    }

    fn crossover(&self) -> Crossover {
        let rows = |rows: Option<usize>| rows.unwrap_or(usize::MAX);
        Crossover {
            small: rows(self.small),
            aligned: rows(self.aligned),
            ragged: rows(self.ragged),
            large: rows(self.large),
            competing: rows(self.competing),
        }
    }

    /// Hands it to the kernels of this process.
    pub(super) fn install(&self) {
        if let Some(tier) = Tier::all().find(|tier| tier.to_string() == self.tier) {
            catalog::learn_crossover(tier, self.crossover());
        }
        // A profile of one thread says nothing of more.
        if self.threads > 1 {
            catalog::set_parallel_work(self.parallel_work.unwrap_or(usize::MAX));
        }
    }

    /// Whether it is of this machine and this version.
    fn check(&self, machine: &Machine) -> anyhow::Result<()> {
        ensure!(
            self.schema == SCHEMA,
            "it has schema {:?}",
            self.schema.chars().take(40).collect::<String>()
        );
        ensure!(self.tool == tool(), "another version of perfkit wrote it");
        ensure!(self.machine == machine.fingerprint, "it is of another machine");
        Ok(())
    }
}

fn tool() -> String {
    format!("perfkit {}", env!("CARGO_PKG_VERSION"))
}

/// The file of a machine: its fingerprint, with nothing in it that a path could take for more than a name.
fn path(fingerprint: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = fingerprint.chars().take(80).map(plain).collect();
    ensure!(!name.is_empty(), "this machine has no fingerprint");
    Ok(cache::folder()?.join("matmul").join(format!("{name}.json")))
}

/// Keeps a profile.
pub(super) fn keep(profile: &Profile) -> anyhow::Result<()> {
    let path = path(&profile.machine)?;
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    write_atomically(&path, &serde_json::to_vec_pretty(profile)?).with_context(cannot)
}

/// Hands what `tune matmul` learned on this machine to the kernels, where it did; answers a sentence where there is a file that
/// is no such profile.
#[must_use]
pub fn use_profile(machine: &Machine) -> Option<String> {
    let path = path(&machine.fingerprint).ok()?;
    match read(&path, machine) {
        Ok(profile) => {
            profile?.install();
            None
        }
        Err(error) => Some(format!(
            "the profile of matrix products {} is not used: {error:#}; `perfkit tune matmul` writes a new one",
            path.display()
        )),
    }
}

/// The profile of a file; none where there is no file.
fn read(path: &std::path::Path, machine: &Machine) -> anyhow::Result<Option<Profile>> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT_BYTES).read_to_end(&mut bytes)?;
    let profile: Profile = serde_json::from_slice(&bytes)?;
    profile.check(machine)?;
    Ok(Some(profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_back_and_anything_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine.json");
        let machine = Machine { fingerprint: "abc".to_owned(), ..Machine::default() };
        assert_eq!(read(&path, &machine).unwrap(), None);
        let crossover = Crossover { small: usize::MAX, aligned: 128, ragged: 90, large: 40, competing: 1 };
        let two = NonZeroUsize::new(2).unwrap();
        let profile = Profile::of(&machine, Tier::Avx2, two, &crossover, Some(1 << 20));
        assert_eq!(profile.crossover(), crossover);
        let whole = serde_json::to_vec(&profile).unwrap();
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path, &machine).unwrap(), Some(profile.clone()));
        let other = Machine { fingerprint: "abd".to_owned(), ..Machine::default() };
        assert!(format!("{:#}", read(&path, &other).unwrap_err()).contains("another machine"));
        let newer = Profile { tool: "perfkit 99".to_owned(), ..profile.clone() };
        let foreign = Profile { schema: "perfkit.results/1".to_owned(), ..profile };
        let torn = |length: usize| whole[..length].to_vec();
        for bytes in [
            serde_json::to_vec(&newer).unwrap(),
            serde_json::to_vec(&foreign).unwrap(),
            torn(0),
            torn(1),
            torn(whole.len() - 1),
            b"[1,2]".to_vec(),
            vec![0xff; 100],
            vec![b'['; 200_000],
        ] {
            std::fs::write(&path, &bytes).unwrap();
            assert!(read(&path, &machine).is_err());
        }
    }

    #[test]
    fn a_fingerprint_is_a_name_and_no_path() {
        let folder = cache::folder().map(|folder| folder.join("matmul"));
        if let (Ok(folder), Ok(path)) = (folder, path("../../etc/x y")) {
            assert_eq!(path.parent(), Some(folder.as_path()));
        }
        assert!(path("").is_err());
    }
}
