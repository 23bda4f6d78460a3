//! The crate `matrixmultiply`.

use super::{Extents, Identity, Peer, Product, Unsupported, Weights, each_call};

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

    fn float_product(
        &self,
        extents: Extents,
        weights: Weights<'_, f32>,
    ) -> Result<Product<f32, f32, f32>, Unsupported> {
        each_call(weights)?;
        let Extents { m, k, n } = extents;
        Ok(Box::new(move |a, b, c| {
            extents.hold(a, b, c);
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
