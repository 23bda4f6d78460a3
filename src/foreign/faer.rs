//! The crate `faer`.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::{Extents, Identity, Peer, Product, Unsupported, Weights, each_call, pool};

/// As locked; a test holds it to the lockfile.
pub(super) const VERSION: &str = "0.24.4";

/// The crate.
pub(super) struct Faer;

impl Peer for Faer {
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
        let threads = pool::threads();
        let Extents { m, k, n } = extents;
        Ok(Box::new(move |a, b, c| {
            extents.hold(a, b, c);
            let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
            matmul(
                MatMut::from_row_major_slice_mut(c, m, n),
                Accum::Replace,
                MatRef::from_row_major_slice(a, m, k),
                MatRef::from_row_major_slice(b, k, n),
                1.0,
                par,
            );
        }))
    }
}
