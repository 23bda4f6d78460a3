//! The folder that perfkit keeps things in between runs: models, built revisions, the control's history.

use std::path::PathBuf;

use anyhow::Context as _;

/// `$XDG_CACHE_HOME/perfkit`, or `~/.cache/perfkit`.
///
/// # Errors
/// Neither variable is set.
pub fn folder() -> anyhow::Result<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let root = named.or_else(|| std::env::home_dir().and_then(absolute).map(|home| home.join(".cache")));
    Ok(root.context("no cache folder is known; set XDG_CACHE_HOME")?.join("perfkit"))
}
