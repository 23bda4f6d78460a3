//! The C library of the system: its copies and fills of memory.

use std::ffi::{c_int, c_void};

use super::library::Library;
use super::search::Search;
use super::{Copy, Fill, Identity, OpenError, Peer, Unsupported};

const SEARCH: Search = Search { variable: "PERFKIT_LIBC_LIBRARY", names: &["libc.so.6"], packages: &[] };

struct CLibrary(Library);

/// Finds it; it is loaded already.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(CLibrary(Library::find(&SEARCH)?)))
}

impl Peer for CLibrary {
    fn identity(&self) -> Identity {
        let version = self.0.text(&["gnu_get_libc_version"]);
        Identity {
            version: version.unwrap_or_else(|| "of an unknown version".to_owned()),
            // The loader chooses among its copies, and tells nobody which.
            dispatched: None,
            path: Some(self.0.path()),
            found_by: self.0.found_by(),
        }
    }

    fn copy(&self) -> Result<Copy, Unsupported> {
        type Memcpy = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;
        // SAFETY: the signature of the C standard.
        let memcpy = unsafe { self.0.function::<Memcpy>(&["memcpy"]) }?;
        Ok(Box::new(move |from, to| {
            assert_eq!(from.len(), to.len(), "a copy between different lengths");
            // SAFETY: both slices have that many bytes, and a unique and a shared borrow do not overlap.
            unsafe { memcpy(to.as_mut_ptr().cast(), from.as_ptr().cast(), from.len()) };
        }))
    }

    fn fill(&self) -> Result<Fill, Unsupported> {
        type Memset = unsafe extern "C" fn(*mut c_void, c_int, usize) -> *mut c_void;
        // SAFETY: the signature of the C standard.
        let memset = unsafe { self.0.function::<Memset>(&["memset"]) }?;
        Ok(Box::new(move |byte, to| {
            // SAFETY: the slice has that many bytes.
            unsafe { memset(to.as_mut_ptr().cast(), c_int::from(byte), to.len()) };
        }))
    }
}
