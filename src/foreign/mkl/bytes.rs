//! `cblas_gemm_s8u8s32`, which takes unsigned bytes on the left and signed ones on the right where matrices lie in rows.

use std::ffi::c_int;

use super::super::cblas::{AS_IT_IS, ROW_MAJOR, index};
use super::super::library::Library;
use super::super::{Extents, Product, Unsupported};
use super::packed::{PACKED, RIGHT, hold, room};

/// `CblasFixOffset`: one offset for all of C.
const FIXED: c_int = 173;

/// Order, two transpositions, what C's offset is of, m, n, k, alpha, A, lda, its offset, B, ldb, its offset, beta, C, ldc,
/// its offset. `cblas_gemm_s8u8s32_compute` has the same.
type Gemm = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    f32,
    *const u8,
    c_int,
    i8,
    *const i8,
    c_int,
    i8,
    f32,
    *mut i32,
    c_int,
    *const i32,
);

/// With B as it lies.
pub(super) fn product(library: Library, extents: Extents) -> Result<Product<u8, i8, i32>, Unsupported> {
    // SAFETY: documented with this signature.
    let gemm = unsafe { library.function::<Gemm>(&["cblas_gemm_s8u8s32"]) }?;
    Ok(Box::new(move |a, b, c| {
        extents.hold(a, b, c);
        call(gemm, AS_IT_IS, extents, a, b.as_ptr(), c);
    }))
}

/// With B packed once.
pub(super) fn packed_product(
    library: Library,
    extents: Extents,
    b: &[i8],
) -> Result<Product<u8, i8, i32>, Unsupported> {
    type Pack = unsafe extern "C" fn(c_int, c_int, c_int, c_int, c_int, c_int, *const i8, c_int, *mut u8);
    hold(extents, b);
    // SAFETY: order, which matrix, transposition, m, n, k, from, its row, to.
    let pack = unsafe { library.function::<Pack>(&["cblas_gemm_s8u8s32_pack"]) }?;
    // SAFETY: documented with the signature of the product.
    let compute = unsafe { library.function::<Gemm>(&["cblas_gemm_s8u8s32_compute"]) }?;
    let mut packed = room(library, "cblas_gemm_s8u8s32_pack_get_size", extents)?;
    let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<c_int>);
    // SAFETY: B is k x n bytes in rows of n, as held above, and the target as large as the library asked for.
    unsafe { pack(ROW_MAJOR, RIGHT, AS_IT_IS, m, n, k, b.as_ptr(), n, packed.as_mut_ptr()) };
    Ok(Box::new(move |a, b, c| {
        extents.hold(a, b, c);
        call(compute, PACKED, extents, a, packed.as_ptr().cast(), c);
    }))
}

/// `b` is k x n bytes in rows, or what the library packed of them, as `how` says.
fn call(gemm: Gemm, how: c_int, extents: Extents, a: &[u8], b: *const i8, c: &mut [i32]) {
    let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<c_int>);
    let offset = 0_i32;
    // SAFETY: A and C are m x k and m x n numbers and B as said, which both callers hold; the offset is one number.
    unsafe {
        gemm(
            ROW_MAJOR,
            AS_IT_IS,
            how,
            FIXED,
            m,
            n,
            k,
            1.0,
            a.as_ptr(),
            k,
            0,
            b,
            n,
            0,
            0.0,
            c.as_mut_ptr(),
            n,
            &raw const offset,
        );
    }
}
