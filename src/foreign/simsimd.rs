//! SimSIMD and its successor NumKong, which differ in the names of their functions and in the types of some answers: of a shared library built from their
//! sources, since the module in a wheel loads into Python alone.

use super::library::Library;
use super::search::Search;
use super::{Identity, OpenError, Pair, Peer, Unsupported};

/// What differs between the two.
struct Kind {
    search: Search,
    dot: &'static str,
    distance: &'static str,
    byte_dot: &'static str,
    hamming: &'static str,
    /// Sums of bytes and bits are integers; else all answers are in double precision.
    counts_in_whole_numbers: bool,
    capabilities: &'static str,
    /// Bits of the capabilities that have an inner product of their own, the widest first.
    kernels: &'static [(u32, &'static str)],
}

const SIMSIMD: Kind = Kind {
    search: Search { variable: "PERFKIT_SIMSIMD_LIBRARY", names: &["libsimsimd.so"], packages: &[] },
    dot: "simsimd_dot_f32",
    distance: "simsimd_cos_f32",
    byte_dot: "simsimd_dot_i8",
    hamming: "simsimd_hamming_b8",
    counts_in_whole_numbers: false,
    capabilities: "simsimd_capabilities",
    kernels: &[(11, "skylake"), (10, "haswell"), (24, "sve"), (20, "neon"), (0, "serial")],
};

const NUMKONG: Kind = Kind {
    search: Search { variable: "PERFKIT_NUMKONG_LIBRARY", names: &["libnumkong.so"], packages: &[] },
    dot: "nk_dot_f32",
    distance: "nk_angular_f32",
    byte_dot: "nk_dot_i8",
    hamming: "nk_hamming_u1",
    counts_in_whole_numbers: true,
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

    fn dot(&self) -> Result<Pair<f32, f64>, Unsupported> {
        // SAFETY: `void simsimd_dot_f32(f32 const*, f32 const*, size, f64*)`, and the other likewise.
        unsafe { pair::<f32, f64>(self.0, self.1.dot, |numbers| numbers) }
    }

    fn cosine(&self) -> Result<Pair<f32, f64>, Unsupported> {
        // SAFETY: `void simsimd_cos_f32(f32 const*, f32 const*, size, f64*)`, and the other likewise.
        let distance = unsafe { pair::<f32, f64>(self.0, self.1.distance, |numbers| numbers) }?;
        // Both answer how far the cosine is from one.
        Ok(Box::new(move |a, b| 1.0 - distance(a, b)))
    }

    fn byte_dot(&self) -> Result<Pair<i8, i32>, Unsupported> {
        if self.1.counts_in_whole_numbers {
            // SAFETY: `void nk_dot_i8(i8 const*, i8 const*, size, i32*)`.
            return unsafe { pair::<i8, i32>(self.0, self.1.byte_dot, |bytes| bytes) };
        }
        // SAFETY: `void simsimd_dot_i8(i8 const*, i8 const*, size, f64*)`.
        let dot = unsafe { pair::<i8, f64>(self.0, self.1.byte_dot, |bytes| bytes) }?;
        #[expect(clippy::cast_possible_truncation, reason = "a sum of 32 bits in double precision")]
        Ok(Box::new(move |a, b| dot(a, b) as i32))
    }

    fn hamming(&self) -> Result<Pair<u64, u64>, Unsupported> {
        if self.1.counts_in_whole_numbers {
            // SAFETY: `void nk_hamming_u1(u8 const*, u8 const*, size, u32*)`, the size in bits.
            let bits = unsafe { pair::<u64, u32>(self.0, self.1.hamming, |words| 64 * words) }?;
            return Ok(Box::new(move |a, b| u64::from(bits(a, b))));
        }
        // SAFETY: `void simsimd_hamming_b8(u8 const*, u8 const*, size, f64*)`, the size in bytes.
        let bits = unsafe { pair::<u64, f64>(self.0, self.1.hamming, |words| 8 * words) }?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bits")]
        Ok(Box::new(move |a, b| bits(a, b) as u64))
    }
}

/// A function of two vectors of `T`, of a size that `size` makes of their length, that writes an `R`.
///
/// # Safety
/// The function of this name must be of these types and read as many bytes of both vectors as they have.
unsafe fn pair<T: 'static, R: Copy + Default + 'static>(
    library: Library,
    name: &str,
    size: fn(usize) -> usize,
) -> Result<Pair<T, R>, Unsupported> {
    type Function<T, R> = unsafe extern "C" fn(*const T, *const T, usize, *mut R);
    // SAFETY: the caller vouches for the types; what a pointer points to does not change how it is passed.
    let function = unsafe { library.function::<Function<T, R>>(&[name]) }?;
    Ok(Box::new(move |a, b| {
        assert_eq!(a.len(), b.len(), "vectors of different lengths");
        let mut out = R::default();
        // SAFETY: both vectors have that many numbers, and one number is written.
        unsafe { function(a.as_ptr(), b.as_ptr(), size(a.len()), &raw mut out) };
        out
    }))
}
