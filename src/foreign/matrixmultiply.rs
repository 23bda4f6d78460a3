//! The crate `matrixmultiply`.

use super::{Extents, Identity, MissingSymbol, Peer, Product};

/// As locked; a test holds it to the lockfile.
pub(super) const VERSION: &str = "0.3.11";

/// The crate.
pub(super) struct Matrixmultiply;

impl Peer for Matrixmultiply {
    fn identity(&self) -> Identity {
        Identity {
            version: VERSION.to_owned(),
            dispatched: None,
            path: None,
            found_by: "built in".to_owned(),
        }
    }

    fn float_product(&self) -> Result<Product<f32, f32, f32>, MissingSymbol> {
        Ok(Box::new(|extents, a, b, c| {
            extents.hold(a, b, c);
            let Extents { m, k, n } = extents;
            let [k_stride, n_stride] = [k, n].map(|extent| isize::try_from(extent).unwrap_or(isize::MAX));
            // SAFETY: the pointers are to m x k, k x n and m x n numbers, as held above, in rows of k, n and n.
            unsafe {
                matrixmultiply::sgemm(
                    m,
                    k,
                    n,
                    1.0,
                    a.as_ptr(),
                    k_stride,
                    1,
                    b.as_ptr(),
                    n_stride,
                    1,
                    0.0,
                    c.as_mut_ptr(),
                    n_stride,
                    1,
                );
            }
        }))
    }
}
