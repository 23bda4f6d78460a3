//! The crate `gemm`.

use super::{Extents, Identity, Peer, Product, Unsupported, Weights, each_call, pool};

/// As locked; a test holds it to the lockfile.
pub(super) const VERSION: &str = "0.19.0";

/// The crate with the kernels that it was built with.
pub(super) struct Gemm(pub(super) &'static str);

impl Peer for Gemm {
    fn identity(&self) -> Identity {
        Identity {
            version: VERSION.to_owned(),
            dispatched: Some(self.0.to_owned()),
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
        let threads = pool::threads();
        let Extents { m, k, n } = extents;
        Ok(Box::new(move |a, b, c| {
            extents.hold(a, b, c);
            let parallelism =
                if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
            let [k_stride, n_stride] = [k, n].map(|extent| isize::try_from(extent).unwrap_or(isize::MAX));
            // SAFETY: the pointers are to m x k, k x n and m x n numbers, as held above, in rows of k, n and n.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    c.as_mut_ptr(),
                    1,
                    n_stride,
                    false,
                    a.as_ptr(),
                    1,
                    k_stride,
                    b.as_ptr(),
                    1,
                    n_stride,
                    0.0_f32,
                    1.0_f32,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        }))
    }
}
