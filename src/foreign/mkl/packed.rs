//! Weights packed once: `cblas_*_pack` and `cblas_*_compute`, MKL's documented way for matrices that are used again.

use std::ffi::c_int;

use super::super::cblas::{AS_IT_IS, ROW_MAJOR, index};
use super::super::library::Library;
use super::super::{Extents, Product, Unsupported};
use crate::sys::memory::{AlignedBuffer, Plain};

/// `CblasPacked`, where a transposition is asked for.
pub(super) const PACKED: c_int = 151;
/// `CblasBMatrix`.
pub(super) const RIGHT: c_int = 162;

/// `cblas_*_pack_get_size`: which matrix, m, n, k; answers bytes.
pub(super) type Size = unsafe extern "C" fn(c_int, c_int, c_int, c_int) -> usize;

/// `cblas_*_compute`: order, two transpositions, m, n, k, A, lda, B, ldb, beta, C, ldc.
type Compute<T> = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    *const T,
    c_int,
    *const u8,
    c_int,
    f32,
    *mut f32,
    c_int,
);

/// As `cblas_gemm_bf16bf16f32_compute`, which has an alpha before A.
type ScaledCompute<T> = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    f32,
    *const T,
    c_int,
    *const u8,
    c_int,
    f32,
    *mut f32,
    c_int,
);

/// Memory for a right operand in the library's layout, as large as the library says.
pub(super) fn room(library: Library, name: &str, extents: Extents) -> Result<AlignedBuffer<u8>, Unsupported> {
    // SAFETY: every `cblas_*_pack_get_size` has this signature.
    let size = unsafe { library.function::<Size>(&[name]) }?;
    let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<c_int>);
    // SAFETY: it takes numbers alone.
    let bytes = unsafe { size(RIGHT, m, n, k) };
    Ok(AlignedBuffer::zeroed(bytes))
}

/// Holds B to the extents that the library is told.
pub(super) fn hold<B: Plain>(extents: Extents, b: &[B]) {
    assert_eq!(b.len(), extents.k * extents.n, "B is not of {}x{}", extents.k, extents.n);
}

/// In single precision.
pub(super) fn float_product(
    library: Library,
    extents: Extents,
    b: &[f32],
) -> Result<Product<f32, f32, f32>, Unsupported> {
    type Pack =
        unsafe extern "C" fn(c_int, c_int, c_int, c_int, c_int, c_int, f32, *const f32, c_int, *mut u8);
    hold(extents, b);
    // SAFETY: order, which matrix, transposition, m, n, k, alpha, from, its row, to.
    let pack = unsafe { library.function::<Pack>(&["cblas_sgemm_pack"]) }?;
    // SAFETY: the signature of `cblas_sgemm_compute`.
    let compute = unsafe { library.function::<Compute<f32>>(&["cblas_sgemm_compute"]) }?;
    let mut packed = room(library, "cblas_sgemm_pack_get_size", extents)?;
    let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<c_int>);
    // SAFETY: B is k x n numbers in rows of n, as held above, and the target as large as the library asked for.
    unsafe { pack(ROW_MAJOR, RIGHT, AS_IT_IS, m, n, k, 1.0, b.as_ptr(), n, packed.as_mut_ptr()) };
    Ok(Box::new(move |a, b, c| {
        extents.hold(a, b, c);
        // SAFETY: A and C are m x k and m x n numbers, as held above, and B what the library packed for this.
        unsafe {
            compute(
                ROW_MAJOR,
                AS_IT_IS,
                PACKED,
                m,
                n,
                k,
                a.as_ptr(),
                k,
                packed.as_ptr(),
                n,
                0.0,
                c.as_mut_ptr(),
                n,
            );
        }
    }))
}

/// In bfloat16, as bits.
pub(super) fn bf16_product(
    library: Library,
    extents: Extents,
    b: &[u16],
) -> Result<Product<u16, u16, f32>, Unsupported> {
    type Pack = unsafe extern "C" fn(c_int, c_int, c_int, c_int, c_int, c_int, *const u16, c_int, *mut u8);
    hold(extents, b);
    // SAFETY: as `cblas_sgemm_pack`, without alpha.
    let pack = unsafe { library.function::<Pack>(&["cblas_gemm_bf16bf16f32_pack"]) }?;
    // SAFETY: the signature of `cblas_gemm_bf16bf16f32_compute`.
    let compute = unsafe { library.function::<ScaledCompute<u16>>(&["cblas_gemm_bf16bf16f32_compute"]) }?;
    let mut packed = room(library, "cblas_gemm_bf16bf16f32_pack_get_size", extents)?;
    let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<c_int>);
    // SAFETY: B is k x n numbers in rows of n, as held above, and the target as large as the library asked for.
    unsafe { pack(ROW_MAJOR, RIGHT, AS_IT_IS, m, n, k, b.as_ptr(), n, packed.as_mut_ptr()) };
    Ok(Box::new(move |a, b, c| {
        extents.hold(a, b, c);
        // SAFETY: A and C are m x k and m x n numbers, as held above, and B what the library packed for this.
        unsafe {
            compute(
                ROW_MAJOR,
                AS_IT_IS,
                PACKED,
                m,
                n,
                k,
                1.0,
                a.as_ptr(),
                k,
                packed.as_ptr(),
                n,
                0.0,
                c.as_mut_ptr(),
                n,
            );
        }
    }))
}
