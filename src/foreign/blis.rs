//! BLIS, by its BLAS interface in C.

use std::ffi::{c_char, c_uint};

use super::library::{Library, c_text};
use super::search::Search;
use super::{Extents, Identity, OpenError, Peer, Product, Unsupported, Weights, cblas, each_call};

const SEARCH: Search = Search {
    variable: "PERFKIT_BLIS_LIBRARY",
    names: &["libblis.so.4", "libblis.so.3", "libblis-mt.so", "libblis.so"],
    packages: &[("blis.libs", "libblis"), ("lib", "libblis")],
};

struct Blis(Library);

/// Finds and loads it.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(Blis(Library::find(&SEARCH)?)))
}

impl Blis {
    /// The configuration that it chose: `skx`, `zen3`, `generic`.
    fn architecture(&self) -> Option<String> {
        // SAFETY: `arch_t bli_arch_query_id(void)`; the enumeration is an unsigned int in C.
        let query =
            unsafe { self.0.function::<unsafe extern "C" fn() -> c_uint>(&["bli_arch_query_id"]) }.ok()?;
        type Say = unsafe extern "C" fn(c_uint) -> *const c_char;
        // SAFETY: `const char* bli_arch_string(arch_t id)`.
        let say = unsafe { self.0.function::<Say>(&["bli_arch_string"]) }.ok()?;
        // Asked before it is set up, with an architecture forced, it ends the process.
        // SAFETY: `void bli_init(void)`, which may be called any number of times.
        let set_up = unsafe { self.0.function::<unsafe extern "C" fn()>(&["bli_init"]) }.ok()?;
        // SAFETY: it takes nothing.
        unsafe { set_up() };
        // SAFETY: it takes nothing.
        let id = unsafe { query() };
        // SAFETY: the id is one that the library just gave.
        let text = unsafe { say(id) };
        c_text(text)
    }
}

impl Peer for Blis {
    fn identity(&self) -> Identity {
        let version = self.0.text(&["bli_info_get_version_str"]);
        Identity {
            version: version.unwrap_or_else(|| "of an unknown version".to_owned()),
            dispatched: self.architecture(),
            path: Some(self.0.path()),
            found_by: self.0.found_by(),
        }
    }

    fn float_product(
        &self,
        extents: Extents,
        weights: Weights<'_, f32>,
    ) -> Result<Product<f32, f32, f32>, Unsupported> {
        each_call(weights)?;
        cblas::float_product(self.0, extents, &["cblas_sgemm"], &["cblas_sgemm64_"])
    }
}
