//! SimSIMD, by its C functions: of a shared library built from its sources: the module in its wheel loads
//! into Python alone.

use super::library::Library;
use super::search::Search;
use super::{Dot, Identity, MissingSymbol, OpenError, Peer};

const SEARCH: Search =
    Search { variable: "PERFKIT_SIMSIMD_LIBRARY", names: &["libsimsimd.so"], packages: &[] };

struct Simsimd(Library);

/// Finds and loads it.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(Simsimd(Library::find(&SEARCH)?)))
}

impl Peer for Simsimd {
    fn identity(&self) -> Identity {
        Identity {
            version: "of an unknown version".to_owned(),
            dispatched: None,
            path: Some(self.0.path()),
            found_by: self.0.found_by(),
        }
    }

    fn dot(&self) -> Result<Dot, MissingSymbol> {
        type Dot32 = unsafe extern "C" fn(*const f32, *const f32, usize, *mut f64);
        // SAFETY: `void simsimd_dot_f32(f32 const*, f32 const*, size, f64*)`.
        let dot = unsafe { self.0.function::<Dot32>(&["simsimd_dot_f32"]) }?;
        Ok(Box::new(move |a, b| {
            assert_eq!(a.len(), b.len(), "vectors of different lengths");
            let mut out = 0.0;
            // SAFETY: both vectors have that many numbers, and one number is written.
            unsafe { dot(a.as_ptr(), b.as_ptr(), a.len(), &raw mut out) };
            out
        }))
    }
}
