//! The C interface of BLAS: one function a type of number, under the names that its builders give it.

use std::ffi::c_int;

use super::library::Library;
use super::{Extents, Product, Unsupported};

/// `CblasRowMajor`.
pub(super) const ROW_MAJOR: c_int = 101;
/// `CblasNoTrans`.
pub(super) const AS_IT_IS: c_int = 111;

/// `cblas_sgemm` and its like over inputs of type `T` and indices of type `I`: order, two transpositions, m, n, k, alpha,
/// A, lda, B, ldb, beta, C, ldc.
type Gemm<T, I> =
    unsafe extern "C" fn(c_int, c_int, c_int, I, I, I, f32, *const T, I, *const T, I, f32, *mut f32, I);

/// The library's product in single precision. `narrow` names the functions whose indices are 32 bits wide, `wide` those
/// of 64: builds for Python carry a prefix and a suffix, so that two of them can live in one process.
pub(super) fn float_product(
    library: Library,
    extents: Extents,
    narrow: &[&str],
    wide: &[&str],
) -> Result<Product<f32, f32, f32>, Unsupported> {
    // SAFETY: the functions of these names are documented with this signature.
    let found = unsafe { library.function::<Gemm<f32, c_int>>(narrow) };
    let missing = match found {
        Ok(gemm) => return Ok(product(gemm, extents)),
        Err(missing) => missing,
    };
    // SAFETY: as above, with wide indices.
    let found = unsafe { library.function::<Gemm<f32, i64>>(wide) };
    found.map(|gemm| product(gemm, extents)).map_err(|_| missing)
}

/// The library's product in bfloat16, as bits, summed in single precision; names as for [`float_product`].
pub(super) fn bf16_product(
    library: Library,
    extents: Extents,
    narrow: &[&str],
    wide: &[&str],
) -> Result<Product<u16, u16, f32>, Unsupported> {
    // SAFETY: the functions of these names are documented with this signature; a bfloat16 number is an unsigned short.
    let found = unsafe { library.function::<Gemm<u16, c_int>>(narrow) };
    let missing = match found {
        Ok(gemm) => return Ok(product(gemm, extents)),
        Err(missing) => missing,
    };
    // SAFETY: as above, with wide indices.
    let found = unsafe { library.function::<Gemm<u16, i64>>(wide) };
    found.map(|gemm| product(gemm, extents)).map_err(|_| missing)
}

/// An extent as an index of the library.
pub(super) fn index<I: TryFrom<usize>>(extent: usize) -> I {
    I::try_from(extent).unwrap_or_else(|_| panic!("{extent} is beyond the library's indices"))
}

fn product<T: 'static, I: TryFrom<usize> + Copy + 'static>(
    gemm: Gemm<T, I>,
    extents: Extents,
) -> Product<T, T, f32> {
    let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<I>);
    Box::new(move |a, b, c| {
        extents.hold(a, b, c);
        // SAFETY: the pointers are to m x k, k x n and m x n numbers, as held above, in rows of k, n and n.
        unsafe {
            gemm(
                ROW_MAJOR,
                AS_IT_IS,
                AS_IT_IS,
                m,
                n,
                k,
                1.0,
                a.as_ptr(),
                k,
                b.as_ptr(),
                n,
                0.0,
                c.as_mut_ptr(),
                n,
            );
        }
    })
}
