//! libxsmm: machine code generated for one small product at a time. Distributions ship a static library alone;
//! `benches/peers/kernels` makes a shared one of it.

use std::ffi::c_int;
use std::ptr;

use super::cblas::index;
use super::library::Library;
use super::search::Search;
use super::{Extents, Identity, OpenError, Peer, Product, Unsupported, Weights, each_call};

const SEARCH: Search = Search {
    variable: "PERFKIT_LIBXSMM_LIBRARY",
    names: &["libxsmm.so.1", "libxsmm.so"],
    packages: &[("lib", "libxsmm")],
};

/// `libxsmm_smmdispatch`: m, n, k, the three rows, alpha, beta, flags, prefetch; every pointer may be null.
type Dispatch = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    *const c_int,
    *const c_int,
    *const c_int,
    *const f32,
    *const f32,
    *const c_int,
    *const c_int,
) -> Option<Kernel>;
/// `libxsmm_smmfunction`: A, B, C, and what is to be prefetched where that was asked for.
type Kernel = unsafe extern "C" fn(*const f32, *const f32, *mut f32, ...);

struct Libxsmm(Library);

/// Finds and loads it.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    let library = Library::find(&SEARCH)?;
    // SAFETY: `void libxsmm_init(void)`.
    if let Ok(set_up) = unsafe { library.function::<unsafe extern "C" fn()>(&["libxsmm_init"]) } {
        // SAFETY: it takes nothing, and may be called any number of times.
        unsafe { set_up() };
    }
    Ok(Box::new(Libxsmm(library)))
}

impl Peer for Libxsmm {
    fn identity(&self) -> Identity {
        Identity {
            // No function tells it; whoever builds the shared library may put it into the file's name.
            version: self.0.version_in_name().unwrap_or_else(|| "of an unknown version".to_owned()),
            dispatched: self.0.text(&["libxsmm_get_target_arch"]),
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
        // SAFETY: documented with this signature, its integers 32 bits wide unless built otherwise.
        let dispatch = unsafe { self.0.function::<Dispatch>(&["libxsmm_smmdispatch"]) }?;
        let [m, k, n] = [extents.m, extents.k, extents.n].map(index::<c_int>);
        let (alpha, beta) = (1.0_f32, 0.0_f32);
        // The library's matrices lie in columns: rows of C are columns of the transposed product, that of B and A.
        // SAFETY: the pointers are to numbers that live through the call, or null, which asks for the usual.
        let kernel = unsafe {
            dispatch(
                n,
                m,
                k,
                &raw const n,
                &raw const k,
                &raw const n,
                &raw const alpha,
                &raw const beta,
                ptr::null(),
                ptr::null(),
            )
        };
        let Extents { m, k, n } = extents;
        let kernel = kernel.ok_or_else(|| {
            Unsupported::refused(format!("libxsmm generates no kernel for {m}x{k}x{n} on this CPU"))
        })?;
        Ok(Box::new(move |a, b, c| {
            extents.hold(a, b, c);
            // SAFETY: the kernel was generated for m x k, k x n and m x n numbers in rows of k, n and n, as held above,
            // and without prefetching, so that it takes three pointers.
            unsafe { kernel(b.as_ptr(), a.as_ptr(), c.as_mut_ptr()) };
        }))
    }
}
