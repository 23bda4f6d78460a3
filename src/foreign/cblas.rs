//! The C interface of BLAS: one function, under the names that its builders give it.

use std::ffi::c_int;

use super::library::Library;
use super::{MissingSymbol, Product};

/// `CblasRowMajor`.
const ROW_MAJOR: c_int = 101;
/// `CblasNoTrans`.
const AS_IT_IS: c_int = 111;

/// `cblas_sgemm` over indices of type `I`: order, two transpositions, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc.
type Sgemm<I> =
    unsafe extern "C" fn(c_int, c_int, c_int, I, I, I, f32, *const f32, I, *const f32, I, f32, *mut f32, I);

/// The library's product in single precision. `narrow` names the functions whose indices are 32 bits wide, `wide` those
/// of 64: builds for Python carry a prefix and a suffix, so that two of them can live in one process.
pub(super) fn float_product(
    library: Library,
    narrow: &[&str],
    wide: &[&str],
) -> Result<Product<f32, f32, f32>, MissingSymbol> {
    // SAFETY: the functions of these names are documented with this signature.
    let found = unsafe { library.function::<Sgemm<c_int>>(narrow) };
    let missing = match found {
        Ok(sgemm) => return Ok(product(sgemm)),
        Err(missing) => missing,
    };
    // SAFETY: as above, with wide indices.
    let found = unsafe { library.function::<Sgemm<i64>>(wide) };
    found.map(product).map_err(|_| missing)
}

fn product<I: TryFrom<usize> + Copy + 'static>(sgemm: Sgemm<I>) -> Product<f32, f32, f32> {
    Box::new(move |extents, a, b, c| {
        extents.hold(a, b, c);
        let index = |extent: usize| {
            I::try_from(extent).unwrap_or_else(|_| panic!("{extent} is beyond the library's indices"))
        };
        let [m, k, n] = [extents.m, extents.k, extents.n].map(index);
        // SAFETY: the pointers are to m x k, k x n and m x n numbers, as held above, in rows of k, n and n.
        unsafe {
            sgemm(
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
