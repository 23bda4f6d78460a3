//! Where a shared library is looked for: a variable that names it, the loader, and the packages of `python3`.

use std::path::{Path, PathBuf};

use super::python;

/// A library to look for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// `PERFKIT_OPENBLAS_LIBRARY`.
    pub(super) variable: &'static str,
    /// Names that the loader may know.
    pub(super) names: &'static [&'static str],
    /// Files below the packages of `python3` (`numpy.libs/`) or its prefix (`lib/`): folder, and how the name begins.
    pub(super) packages: &'static [(&'static str, &'static str)],
}

impl Search {
    /// Where it was looked for, in words.
    pub(super) fn tried(&self) -> String {
        let mut words = vec![format!("{} is not set", self.variable)];
        if !self.names.is_empty() {
            words.push(format!("the loader knows no {}", self.names.join(", no ")));
        }
        if !self.packages.is_empty() {
            words.push("python3 on PATH has no package with it".to_owned());
        }
        words.join("; ")
    }
}

/// A file that may be the library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) found_by: &'static str,
}

/// What may be the library, the best first. The variable, where it is set, is all there is: whoever names a file wants
/// no other. The packages are asked for last, since that starts a `python3`.
pub(super) fn candidates(search: &Search) -> Box<dyn Iterator<Item = Candidate>> {
    if let Some(path) = std::env::var_os(search.variable).filter(|path| !path.is_empty()) {
        let path = std::path::absolute(&path).unwrap_or_else(|_| path.into());
        return Box::new(std::iter::once(Candidate { path, found_by: search.variable }));
    }
    let known = search.names.iter().map(|name| Candidate { path: name.into(), found_by: "the loader" });
    let packages = search.packages;
    let packaged = std::iter::once(packages).flat_map(|packages| {
        let folders = if packages.is_empty() { Vec::new() } else { python::folders() };
        packages
            .iter()
            .flat_map(move |&(folder, start)| in_folders(&folders, folder, start))
            .collect::<Vec<_>>()
    });
    Box::new(known.chain(packaged))
}

fn in_folders(folders: &[PathBuf], below: &str, start: &str) -> Vec<Candidate> {
    folders
        .iter()
        .flat_map(|folder| files(&folder.join(below), start))
        .map(|path| Candidate { path, found_by: "python3's packages" })
        .collect()
}

/// Shared libraries of a folder whose names begin so; the shortest first, which is the one without a version.
fn files(folder: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(start) && name.contains(".so")
        })
        .map(|entry| entry.path())
        .collect();
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    found
}

/// The whole path of a library that the loader found by its bare name, from the files that are mapped.
pub(super) fn mapped_path(name: &Path) -> Option<PathBuf> {
    if name.is_absolute() {
        return Some(name.to_path_buf());
    }
    let stem = name.to_str()?.split(".so").next()?;
    mapped_files().into_iter().find(|path| {
        path.file_name().is_some_and(|file| {
            let file = file.to_string_lossy();
            // A library `libblis.so.4` is the file `libblis.so.4.0.0`, and `libopenblas.so.0` is often a link to
            // `libopenblasp-r0.3.21.so`.
            file.starts_with(stem) && file.contains(".so")
        })
    })
}

/// The files that are mapped into this process.
pub(super) fn mapped_files() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut files: Vec<PathBuf> =
        maps.lines().filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..]))).collect();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_are_found_by_how_they_begin_the_plainest_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["libdnnl.so.3.2", "libdnnl.so", "libdnnl.a", "libother.so", "libdnnl.so.3"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<String> = files(folder.path(), "libdnnl")
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["libdnnl.so", "libdnnl.so.3", "libdnnl.so.3.2"]);
        assert!(files(Path::new("/nowhere"), "lib").is_empty());
    }

    #[test]
    fn what_is_mapped_is_told() {
        assert!(mapped_files().iter().any(|path| path == &std::env::current_exe().unwrap()));
        assert_eq!(mapped_path(Path::new("libnowhere.so.9")), None);
    }

    #[test]
    fn an_absent_library_says_where_it_was_looked_for() {
        let search = Search {
            variable: "PERFKIT_NOWHERE_LIBRARY",
            names: &["libnowhere.so.9"],
            packages: &[("nowhere.libs", "libnowhere")],
        };
        let tried = search.tried();
        assert!(tried.contains("PERFKIT_NOWHERE_LIBRARY") && tried.contains("libnowhere.so.9"), "{tried}");
    }
}
