//! Libraries of others: shared ones loaded at run time, and crates behind cargo features. One file each, with safe
//! functions outside.
//!
//! [`crate::catalog`] lists those that `perfkit bench --peers` measures beside our own kernels. A library is loaded once and never
//! unloaded, since it may keep threads; what it reads from its environment it reads then, so that every setting of one
//! is tried in a process of its own.

mod blis;
mod c_library;
#[cfg(feature = "engine-candle")]
pub mod candle;
mod cblas;
#[cfg(feature = "peer-faer")]
mod faer;
#[cfg(feature = "peer-gemm")]
mod gemm;
mod library;
mod libxsmm;
#[cfg(feature = "peer-matrixmultiply")]
mod matrixmultiply;
mod mkl;
mod network;
#[cfg(not(all(feature = "engine-candle", feature = "engine-rten")))]
pub mod not_built;
mod onednn;
pub mod onnxruntime;
mod openblas;
pub mod openvino;
#[cfg(any(feature = "peer-faer", feature = "peer-gemm"))]
mod pool;
mod python;
#[cfg(feature = "engine-rten")]
pub mod rten;
mod search;
mod simsimd;

pub use library::{Absent, OpenError, Unsupported};
pub use network::{
    BertActivation, BertRequest, Network, NetworkError, NetworkRequest, Opened, TokenBatch, Vectors,
};
#[cfg(not(feature = "engine-candle"))]
pub use not_built as candle;
#[cfg(not(feature = "engine-rten"))]
pub use not_built as rten;

/// The extents of a matrix product: `C[m, n] = A[m, k] B[k, n]`, every matrix in rows without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extents {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Columns of B and C.
    pub n: usize,
}

impl Extents {
    /// Holds the slices of a call to the extents that the library is told; a slip of the caller is a panic, not a write
    /// beyond a buffer.
    fn hold<A, B, C>(self, a: &[A], b: &[B], c: &[C]) {
        let Self { m, k, n } = self;
        assert_eq!((a.len(), b.len(), c.len()), (m * k, k * n, m * n), "the slices are not of {m}x{k}x{n}");
    }
}

/// A matrix product over rows, of the extents that it was asked for. One whose B was packed before does not look at its B.
pub type Product<A, B, C> = Box<dyn Fn(&[A], &[B], &mut [C])>;
/// When B of a product is brought into the library's own layout.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'b, B> {
    /// By every call.
    EachCall,
    /// Once, here, as a program does whose weights never change.
    PackedOnce(&'b [B]),
}

/// A measure of two vectors of one length.
pub type Pair<T, R> = Box<dyn Fn(&[T], &[T]) -> R>;
/// Copies one buffer onto another of the same length.
pub type Copy = Box<dyn Fn(&[u8], &mut [u8])>;
/// Fills a buffer with one byte.
pub type Fill = Box<dyn Fn(u8, &mut [u8])>;

/// What a library says of itself, in this process and its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its version, as it says itself.
    pub version: String,
    /// The kernel or instruction set that it chose on this CPU, where it tells.
    pub dispatched: Option<String>,
    /// The file, where it is one.
    pub path: Option<std::path::PathBuf>,
    /// How it was found: `the loader`, `python3's packages`, `PERFKIT_OPENBLAS_LIBRARY`, `built in`.
    pub found_by: String,
}

/// A library that is loaded. What one does not offer is a missing symbol.
pub trait Peer {
    /// What it says of itself. May call it once, since some choose their kernel only then.
    fn identity(&self) -> Identity;
    /// Single precision.
    ///
    /// # Errors
    /// The library has no such function.
    fn float_product(
        &self,
        _: Extents,
        weights: Weights<'_, f32>,
    ) -> Result<Product<f32, f32, f32>, Unsupported> {
        Err(no_product("a product in single precision", weights))
    }
    /// Unsigned bytes times signed bytes.
    ///
    /// # Errors
    /// The library has no such function.
    fn unsigned_byte_product(
        &self,
        _: Extents,
        weights: Weights<'_, i8>,
    ) -> Result<Product<u8, i8, i32>, Unsupported> {
        Err(no_product("a product of u8 and s8", weights))
    }
    /// Signed bytes.
    ///
    /// # Errors
    /// The library has no such function.
    fn signed_byte_product(
        &self,
        _: Extents,
        weights: Weights<'_, i8>,
    ) -> Result<Product<i8, i8, i32>, Unsupported> {
        Err(no_product("a product of s8 and s8", weights))
    }
    /// Bfloat16 numbers, as their bits, summed in single precision.
    ///
    /// # Errors
    /// The library has no such function.
    fn bf16_product(
        &self,
        _: Extents,
        weights: Weights<'_, u16>,
    ) -> Result<Product<u16, u16, f32>, Unsupported> {
        Err(no_product("a product in bfloat16", weights))
    }
    /// Inner product in single precision.
    ///
    /// # Errors
    /// The library has no such function.
    fn dot(&self) -> Result<Pair<f32, f64>, Unsupported> {
        Err(Unsupported::not_offered("an inner product"))
    }
    /// Cosine in single precision.
    ///
    /// # Errors
    /// The library has no such function.
    fn cosine(&self) -> Result<Pair<f32, f64>, Unsupported> {
        Err(Unsupported::not_offered("a cosine"))
    }
    /// Inner product of signed bytes.
    ///
    /// # Errors
    /// The library has no such function.
    fn byte_dot(&self) -> Result<Pair<i8, i32>, Unsupported> {
        Err(Unsupported::not_offered("an inner product of bytes"))
    }
    /// The number of bits that differ.
    ///
    /// # Errors
    /// The library has no such function.
    fn hamming(&self) -> Result<Pair<u64, u64>, Unsupported> {
        Err(Unsupported::not_offered("a Hamming distance"))
    }
    /// Copies bytes.
    ///
    /// # Errors
    /// The library has no such function.
    fn copy(&self) -> Result<Copy, Unsupported> {
        Err(Unsupported::not_offered("a copy"))
    }
    /// Fills bytes.
    ///
    /// # Errors
    /// The library has no such function.
    fn fill(&self) -> Result<Fill, Unsupported> {
        Err(Unsupported::not_offered("a fill"))
    }
}

/// What a library without a product answers.
fn no_product<B>(what: &str, weights: Weights<'_, B>) -> Unsupported {
    match weights {
        Weights::EachCall => Unsupported::not_offered(what),
        Weights::PackedOnce(_) => Unsupported::not_offered(&format!("{what} with weights packed once")),
    }
}

/// Refuses weights that are packed once, for a library that packs by each call alone.
fn each_call<B>(weights: Weights<'_, B>) -> Result<(), Unsupported> {
    match weights {
        Weights::EachCall => Ok(()),
        Weights::PackedOnce(_) => Err(no_product("a product", weights)),
    }
}

/// A library by name, and how to load it.
pub struct Row {
    /// As in case names: `openblas`.
    pub name: &'static str,
    /// Loads it.
    pub open: fn() -> Result<Box<dyn Peer>, OpenError>,
}

/// Every library that can be loaded, or was built in.
pub static PEERS: &[Row] = &[
    Row { name: "openblas", open: openblas::open },
    Row { name: "mkl", open: mkl::open },
    Row { name: "blis", open: blis::open },
    Row { name: "onednn", open: onednn::open },
    Row { name: "libxsmm", open: libxsmm::open },
    Row { name: "simsimd", open: simsimd::open },
    Row { name: "numkong", open: simsimd::open_numkong },
    Row { name: "libc", open: c_library::open },
    #[cfg(all(feature = "peer-gemm", not(feature = "peer-gemm-x86-v4")))]
    Row { name: "gemm", open: || Ok(Box::new(gemm::Gemm("default features: AVX2 at most"))) },
    #[cfg(feature = "peer-gemm-x86-v4")]
    Row { name: "gemm", open: || Ok(Box::new(gemm::Gemm("feature x86-v4"))) },
    #[cfg(feature = "peer-matrixmultiply")]
    Row { name: "matrixmultiply", open: || Ok(Box::new(matrixmultiply::Matrixmultiply)) },
    #[cfg(feature = "peer-faer")]
    Row { name: "faer", open: || Ok(Box::new(faer::Faer)) },
];

/// Loads a library by its name.
///
/// # Errors
/// It is not here, or is no such library.
pub fn open(name: &str) -> Result<Box<dyn Peer>, OpenError> {
    match PEERS.iter().find(|row| row.name == name) {
        Some(row) => (row.open)(),
        None => Err(Absent { tried: "this perfkit was built without it".to_owned() }.into()),
    }
}

#[cfg(test)]
mod tests;
