//! Intel's Math Kernel Library, by its single dynamic library.

use std::ffi::{c_char, c_int};

use super::library::Library;
use super::search::{Search, mapped_files};
use super::{Extents, Identity, OpenError, Peer, Product, Unsupported, Weights, cblas};

mod bytes;
mod packed;

const SEARCH: Search = Search {
    variable: "PERFKIT_MKL_LIBRARY",
    names: &["libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so"],
    packages: &[("lib", "libmkl_rt")],
};
/// The library of its threads, which a wheel puts beside it and the loader does not know.
const THREADS: &str = "libiomp5.so";

struct Mkl(Library);

/// Finds and loads it, with its threads.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    let library = Library::find(&SEARCH)?;
    let threads = library.path().with_file_name(THREADS);
    // Where it is not there the library looks for it itself.
    let _ = threads.is_file() && Library::preload(&threads);
    Ok(Box::new(Mkl(library)))
}

impl Mkl {
    fn version(&self) -> Option<String> {
        type Say = unsafe extern "C" fn(*mut c_char, c_int);
        // SAFETY: `void MKL_Get_Version_String(char* buffer, int length)`.
        let say =
            unsafe { self.0.function::<Say>(&["MKL_Get_Version_String", "mkl_get_version_string"]) }.ok()?;
        let mut buffer = [0_u8; 200];
        // The last byte stays zero.
        let length = c_int::try_from(buffer.len() - 1).ok()?;
        // SAFETY: the buffer has room for as many bytes as are said.
        unsafe { say(buffer.as_mut_ptr().cast(), length) };
        let text = String::from_utf8_lossy(&buffer);
        let text = text.trim_end_matches('\0').trim();
        // `Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build 20260801 for Intel(R) 64 ...`
        let version = text.split_once("Version ").map_or(text, |(_, rest)| rest);
        Some(version.split([' ', '-']).next().unwrap_or(version).to_owned())
    }

    /// The library of kernels that its first product had it load: `avx512` of `libmkl_avx512.so.2`. No function tells.
    fn kernels(&self) -> Option<String> {
        let product = self.float_product(Extents { m: 16, k: 16, n: 16 }, Weights::EachCall).ok()?;
        product(&[1.0; 256], &[1.0; 256], &mut [0.0; 256]);
        mapped_files().iter().find_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix("libmkl_")?.split('.').next()?.to_owned();
            let of_processors = name.starts_with("avx") || name.starts_with("mc") || name == "def";
            of_processors.then_some(name)
        })
    }
}

impl Peer for Mkl {
    fn identity(&self) -> Identity {
        Identity {
            version: self.version().unwrap_or_else(|| "of an unknown version".to_owned()),
            dispatched: self.kernels(),
            path: Some(self.0.path()),
            found_by: self.0.found_by(),
        }
    }

    fn float_product(
        &self,
        extents: Extents,
        weights: Weights<'_, f32>,
    ) -> Result<Product<f32, f32, f32>, Unsupported> {
        match weights {
            Weights::EachCall => cblas::float_product(self.0, extents, &["cblas_sgemm"], &["cblas_sgemm_64"]),
            Weights::PackedOnce(b) => packed::float_product(self.0, extents, b),
        }
    }

    fn bf16_product(
        &self,
        extents: Extents,
        weights: Weights<'_, u16>,
    ) -> Result<Product<u16, u16, f32>, Unsupported> {
        match weights {
            Weights::EachCall => cblas::bf16_product(
                self.0,
                extents,
                &["cblas_gemm_bf16bf16f32"],
                &["cblas_gemm_bf16bf16f32_64"],
            ),
            Weights::PackedOnce(b) => packed::bf16_product(self.0, extents, b),
        }
    }

    fn unsigned_byte_product(
        &self,
        extents: Extents,
        weights: Weights<'_, i8>,
    ) -> Result<Product<u8, i8, i32>, Unsupported> {
        match weights {
            Weights::EachCall => bytes::product(self.0, extents),
            Weights::PackedOnce(b) => bytes::packed_product(self.0, extents, b),
        }
    }
}
