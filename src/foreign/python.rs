//! The folders of the `python3` on `PATH`: where wheels put the libraries that they carry.

use std::path::{Path, PathBuf};

use crate::sys::process::{Conversation, Start};

/// An interpreter that has not answered by then is taken to have no packages.
const PATIENCE_SECONDS: f64 = 20.0;
const QUESTION: &str = "import sys, sysconfig; \
     print('\\t'.join([sysconfig.get_path('platlib'), sysconfig.get_path('purelib'), sys.prefix]))";

/// Its folders of packages, then its prefix; none without a `python3`.
pub(super) fn folders() -> Vec<PathBuf> {
    let arguments = ["-c".to_owned(), QUESTION.to_owned()];
    let Ok(mut python) = Conversation::start(Path::new("python3"), &arguments, &Start::default()) else {
        return Vec::new();
    };
    let answer = python.hear(PATIENCE_SECONDS).unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        answer.split('\t').map(PathBuf::from).filter(|p| p.is_absolute()).collect();
    folders.dedup();
    folders
}
