//! SimSIMD and its successor NumKong, which differ in the prefix of their functions: of a shared library built from their
//! sources, since the module in a wheel loads into Python alone.

use super::library::Library;
use super::search::Search;
use super::{Dot, Identity, MissingSymbol, OpenError, Peer};

/// What differs between the two.
struct Kind {
    search: Search,
    dot: &'static str,
    capabilities: &'static str,
    /// Bits of the capabilities that have an inner product of their own, the widest first.
    kernels: &'static [(u32, &'static str)],
}

const SIMSIMD: Kind = Kind {
    search: Search { variable: "PERFKIT_SIMSIMD_LIBRARY", names: &["libsimsimd.so"], packages: &[] },
    dot: "simsimd_dot_f32",
    capabilities: "simsimd_capabilities",
    kernels: &[(11, "skylake"), (10, "haswell"), (24, "sve"), (20, "neon"), (0, "serial")],
};

const NUMKONG: Kind = Kind {
    search: Search { variable: "PERFKIT_NUMKONG_LIBRARY", names: &["libnumkong.so"], packages: &[] },
    dot: "nk_dot_f32",
    capabilities: "nk_capabilities",
    kernels: &[(3, "skylake"), (2, "haswell"), (10, "sve"), (1, "neon"), (0, "serial")],
};

struct Simsimd(Library, &'static Kind);

/// Finds and loads SimSIMD.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(Simsimd(Library::find(&SIMSIMD.search)?, &SIMSIMD)))
}

/// Finds and loads NumKong.
pub(super) fn open_numkong() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(Simsimd(Library::find(&NUMKONG.search)?, &NUMKONG)))
}

impl Simsimd {
    fn kernels(&self) -> Option<String> {
        // Both answer a set of bits in one register, of 32 and of 64 bits; the low ones are all that is read.
        // SAFETY: both take nothing and answer an unsigned number.
        let ask = unsafe { self.0.function::<unsafe extern "C" fn() -> u32>(&[self.1.capabilities]) }.ok()?;
        // SAFETY: it takes nothing.
        let bits = unsafe { ask() };
        let known = self.1.kernels.iter().find(|(bit, _)| bits & (1 << bit) != 0);
        known.map(|(_, name)| (*name).to_owned())
    }
}

impl Peer for Simsimd {
    fn identity(&self) -> Identity {
        Identity {
            // No function tells it; whoever builds the library may put it into the file's name.
            version: self.0.version_in_name().unwrap_or_else(|| "of an unknown version".to_owned()),
            dispatched: self.kernels(),
            path: Some(self.0.path()),
            found_by: self.0.found_by(),
        }
    }

    fn dot(&self) -> Result<Dot, MissingSymbol> {
        type Dot32 = unsafe extern "C" fn(*const f32, *const f32, usize, *mut f64);
        // SAFETY: `void simsimd_dot_f32(f32 const*, f32 const*, size, f64*)`, and the other likewise.
        let dot = unsafe { self.0.function::<Dot32>(&[self.1.dot]) }?;
        Ok(Box::new(move |a, b| {
            assert_eq!(a.len(), b.len(), "vectors of different lengths");
            let mut out = 0.0;
            // SAFETY: both vectors have that many numbers, and one number is written.
            unsafe { dot(a.as_ptr(), b.as_ptr(), a.len(), &raw mut out) };
            out
        }))
    }
}
