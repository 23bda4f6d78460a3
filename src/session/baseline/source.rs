//! Which revision was measured: what git says of the folder, where there is git and a repository.

use std::path::Path;

use crate::document::Source;
use crate::session::git::git;

/// The commit of the working tree around a folder, and whether the tree differs from it (stored baselines apart: they
/// are no part of what was measured). `None` without git or a repository.
#[must_use]
pub fn source_of(folder: &Path) -> Option<Source> {
    let commit = git(folder, &["rev-parse", "HEAD"]).ok()?;
    let hexadecimal = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let excluded = format!(":(exclude,glob)**/{}/**", super::FOLDER);
    // Where the state is not told, it is not called clean.
    let dirty = git(folder, &["status", "--porcelain", "--", ":/", &excluded])
        .map_or(true, |changes| !changes.is_empty());
    hexadecimal.then_some(Source { commit, dirty })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_in(folder: &Path, words: &str) {
        let arguments: Vec<&str> = words.split(' ').collect();
        assert!(git(folder, &arguments).is_ok(), "git {words}");
    }

    #[test]
    fn a_tree_is_dirty_by_anything_but_its_baselines() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert_eq!(source_of(at), None, "no repository");
        git_in(at, "init -q");
        assert_eq!(source_of(at), None, "no commit");
        git_in(at, "-c user.name=n -c user.email=e@x commit -q --allow-empty -m first");
        let clean = source_of(at).unwrap();
        assert!(!clean.dirty && clean.commit.len() >= 40, "{clean:?}");
        std::fs::create_dir_all(at.join("baselines/machine")).unwrap();
        std::fs::write(at.join("baselines/machine/ci.json"), "{}").unwrap();
        assert_eq!(source_of(at).unwrap(), clean);
        std::fs::write(at.join("code.rs"), "fn main() {}").unwrap();
        assert!(source_of(at).unwrap().dirty);
    }
}
