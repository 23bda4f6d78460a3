//! From a revision to a program: a worktree of the user's repository in the cache, built by the user's own command.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

use crate::measure::Program;
use crate::session::cache;
use crate::session::git::git;
use crate::session::settings::ProgramSettings;

/// Lines of a failed build that are shown.
const SHOWN_LINES: usize = 12;

/// Why a side has no program.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct NotBuilt(pub anyhow::Error);

/// A repository whose revisions can be built.
pub struct Builder<'a> {
    settings: &'a ProgramSettings,
    /// The folder of the settings file: commands run there.
    project: PathBuf,
    /// Where this repository's builds lie.
    store: PathBuf,
    /// Held while a build goes on, and while its programs are used: two comparisons must not pull the tree from under
    /// each other.
    _lock: File,
}

impl<'a> Builder<'a> {
    /// The repository around `project`.
    ///
    /// # Errors
    /// There is none, or the cache cannot be written.
    pub fn new(settings: &'a ProgramSettings, project: &Path) -> anyhow::Result<Self> {
        let project = std::path::absolute(project).context("cannot tell the project's folder")?;
        let top = git(&project, &["rev-parse", "--show-toplevel"])
            .context("--base names a revision, and there is no git repository here")?;
        let store = cache::folder()?.join("builds").join(name_of(&top));
        std::fs::create_dir_all(&store).with_context(|| format!("cannot make {}", store.display()))?;
        let lock = OpenOptions::new().create(true).append(true).open(store.join("lock"));
        let lock = lock.with_context(|| format!("cannot write in {}", store.display()))?;
        lock.lock().context("cannot wait for another comparison of this repository")?;
        Ok(Self { settings, project, store, _lock: lock })
    }

    /// The commit that a revision names; `None` where git knows no such revision.
    #[must_use]
    pub fn commit(&self, revision: &str) -> Option<String> {
        let whole = format!("{revision}^{{commit}}");
        git(&self.project, &["rev-parse", "--verify", "--quiet", "--end-of-options", &whole]).ok()
    }

    /// The program of a commit, built where it was not built before.
    ///
    /// # Errors
    /// It does not build.
    pub fn program_of(&self, commit: &str) -> anyhow::Result<Program> {
        let kept = self.kept(commit).join(self.file_name()?);
        if !kept.is_file() {
            let tree = self.tree_at(commit)?;
            self.build(&self.settings.build, &tree).with_context(|| format!("revision {}", short(commit)))?;
            self.keep(&tree, &kept)?;
        }
        Ok(self.program(kept))
    }

    /// The program of the working tree as it stands.
    ///
    /// # Errors
    /// It does not build.
    pub fn program_here(&self) -> anyhow::Result<Program> {
        self.build(&self.settings.build, &self.project).context("the working tree")?;
        // A copy: somebody may build again while it is measured.
        let kept = self.store.join("working-tree").join(self.file_name()?);
        self.keep(&self.project, &kept)?;
        Ok(self.program(kept))
    }

    /// The program of a commit linked again, its functions in as many other orders as there are seeds. Empty where the
    /// settings do not say how.
    ///
    /// # Errors
    /// A link fails.
    pub fn relinked(&self, commit: &str, seeds: std::ops::Range<u32>) -> anyhow::Result<Vec<Program>> {
        let Some(command) = &self.settings.relink else { return Ok(Vec::new()) };
        let mut programs = Vec::new();
        for seed in seeds {
            let kept = self.kept(commit).join(format!("layout-{seed}")).join(self.file_name()?);
            if !kept.is_file() {
                let tree = self.tree_at(commit)?;
                self.build(&command.replace("{seed}", &seed.to_string()), &tree)
                    .with_context(|| format!("linking revision {} again", short(commit)))?;
                self.keep(&tree, &kept)?;
            }
            programs.push(self.program(kept));
        }
        Ok(programs)
    }

    fn kept(&self, commit: &str) -> PathBuf {
        self.store.join("commits").join(commit)
    }

    fn file_name(&self) -> anyhow::Result<&std::ffi::OsStr> {
        let name = Path::new(&self.settings.binary).file_name();
        name.with_context(|| format!("binary {:?} in perfkit.toml names no file", self.settings.binary))
    }

    fn program(&self, path: PathBuf) -> Program {
        Program { path, arguments: self.settings.arguments.clone() }
    }

    /// The one worktree in the cache, with this commit checked out. It stays between runs, and what was built in it
    /// with it: the next revision builds only what differs.
    fn tree_at(&self, commit: &str) -> anyhow::Result<PathBuf> {
        let tree = self.store.join("tree");
        let shown = tree.to_string_lossy();
        if tree.join(".git").exists() {
            git(&tree, &["checkout", "--quiet", "--force", "--detach", commit])?;
        } else {
            let _ = git(&self.project, &["worktree", "prune"]);
            git(&self.project, &["worktree", "add", "--quiet", "--force", "--detach", &shown, commit])?;
        }
        // The project may be a folder below the repository's top.
        let below = git(&self.project, &["rev-parse", "--show-prefix"]).unwrap_or_default();
        Ok(tree.join(below))
    }

    fn build(&self, command: &str, folder: &Path) -> anyhow::Result<()> {
        let log = self.store.join("build.log");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot share the log")?;
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .status()
            .context("cannot start sh")?;
        if status.success() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n  ");
        bail!("`{command}` failed ({status}); the end of what it said:\n  {end}")
    }

    fn keep(&self, tree: &Path, kept: &Path) -> anyhow::Result<()> {
        let built = tree.join(&self.settings.binary);
        ensure!(
            built.is_file(),
            "the build made no {}: set `binary` in perfkit.toml to what `build` makes",
            self.settings.binary
        );
        let folder = kept.parent().context("the cache has no folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // Copied beside its place and renamed: an interruption leaves no half a program.
        let partial = folder.join(format!(".{}.partial", std::process::id()));
        std::fs::copy(&built, &partial).with_context(|| format!("cannot write in {}", folder.display()))?;
        std::fs::rename(&partial, kept).with_context(|| format!("cannot write {}", kept.display()))
    }
}

/// A folder name for a repository: its own name and a hash of its place.
fn name_of(top: &str) -> String {
    let word: String = Path::new(top)
        .file_name()
        .map(|name| {
            name.to_string_lossy().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
        })
        .unwrap_or_default();
    // FNV-1a: the same place has the same name in every run, which the standard library's hasher does not promise.
    let hash = top.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{word}-{hash:016x}")
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
