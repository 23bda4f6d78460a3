//! A shared library of another project: opened once, its functions by name.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library as Handle, RTLD_GLOBAL, RTLD_LAZY, RTLD_LOCAL};

use super::search::{self, Search};

/// Why a library is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not on this machine.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// It is, and cannot be used.
    #[error("{path}: {why}")]
    Broken {
        /// The file.
        path: String,
        /// The loader's words.
        why: String,
    },
}

/// A library that is not on this machine.
#[derive(Debug, thiserror::Error)]
#[error("not found: {tried}")]
pub struct Absent {
    /// Where it was looked for.
    pub tried: String,
}

/// Something that a library does not do: it has no such function, or refuses the type or the size here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(String);

impl Unsupported {
    /// The library offers no such thing.
    pub(super) fn not_offered(what: &str) -> Self {
        Self(format!("the library offers no {}", what.trim_start_matches("a ").trim_start_matches("an ")))
    }

    /// The library was asked and refused, in these words.
    pub(super) const fn refused(words: String) -> Self {
        Self(words)
    }
}

/// An open library. It is never closed: it may have started threads that run its code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library {
    handle: &'static Handle,
    path: &'static Path,
    found_by: &'static str,
}

impl Library {
    /// The first library of a search that opens.
    ///
    /// # Errors
    /// None is found, or the one that was named, or every one that was found, does not open.
    pub(super) fn find(search: &Search) -> Result<Self, OpenError> {
        let mut broken = None;
        for candidate in search::candidates(search) {
            match Self::open(&candidate.path, candidate.found_by) {
                Ok(library) => return Ok(library),
                // A bare name that the loader does not know is no library that is broken.
                Err(why) if candidate.path.is_absolute() => {
                    broken
                        .get_or_insert(OpenError::Broken { path: candidate.path.display().to_string(), why });
                }
                Err(_) => {}
            }
        }
        Err(broken.unwrap_or_else(|| Absent { tried: search.tried() }.into()))
    }

    /// Opens a file, or what the loader knows under a bare name.
    fn open(path: &Path, found_by: &'static str) -> Result<Self, String> {
        // SAFETY: the initialisers of a library that the user installed run here, as they would in any program that
        // is linked with it; what they do wrong ends this process, which is one of its own.
        let handle = unsafe { Handle::open(Some(path), RTLD_LAZY | RTLD_LOCAL) };
        let handle: &'static Handle = Box::leak(Box::new(handle.map_err(|error| error.to_string())?));
        let path = search::mapped_path(path).unwrap_or_else(|| path.to_path_buf());
        Ok(Self { handle, path: Box::leak(path.into_boxed_path()), found_by })
    }

    /// Opens a file so that libraries opened later find its symbols; whether it was there.
    pub(super) fn preload(path: &Path) -> bool {
        // SAFETY: as in `open`.
        let handle = unsafe { Handle::open(Some(path), RTLD_LAZY | RTLD_GLOBAL) };
        handle.map(|handle| Box::leak(Box::new(handle))).is_ok()
    }

    /// The file.
    pub(super) fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// How it was found.
    pub(super) fn found_by(&self) -> String {
        self.found_by.to_owned()
    }

    /// `6.5.16` of `libsimsimd-6.5.16.so`.
    pub(super) fn version_in_name(&self) -> Option<String> {
        let name = self.path.file_stem()?.to_str()?;
        let (_, version) = name.rsplit_once('-')?;
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
    }

    /// The first function of these names that the library has, as a pointer of type `F`.
    ///
    /// # Errors
    /// It has none of them.
    ///
    /// # Safety
    /// `F` must be the type of a pointer to a function with the signature that the library's documentation gives for
    /// every one of these names.
    pub(super) unsafe fn function<F: Copy + 'static>(&self, names: &[&str]) -> Result<F, Unsupported> {
        for name in names {
            // SAFETY: the caller vouches for the type.
            if let Ok(symbol) = unsafe { self.handle.get::<F>(name.as_bytes()) } {
                return Ok(*symbol);
            }
        }
        let file = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        Err(Unsupported(format!("{file} has no {}", names.join(", no "))))
    }

    /// What a function without arguments that answers a C string says.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        type Say = unsafe extern "C" fn() -> *const c_char;
        // SAFETY: the callers name functions that are documented to take nothing and to answer a C string.
        let say: Say = unsafe { self.function(names) }.ok()?;
        // SAFETY: it takes nothing.
        let text = unsafe { say() };
        c_text(text)
    }
}

/// A C string that a library owns, copied.
pub(super) fn c_text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and by the library's documentation a string that ends in zero and lives as long as the library.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().trim().to_owned())
}
