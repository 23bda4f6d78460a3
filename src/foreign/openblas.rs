//! OpenBLAS: of the system, or the copy in a wheel of numpy or scipy.

use super::library::Library;
use super::search::Search;
use super::{Extents, Identity, OpenError, Peer, Product, Unsupported, Weights, cblas, each_call};

const SEARCH: Search = Search {
    variable: "PERFKIT_OPENBLAS_LIBRARY",
    names: &["libopenblas.so.0", "libopenblas.so"],
    packages: &[
        ("numpy.libs", "libscipy_openblas"),
        ("numpy.libs", "libopenblas"),
        ("scipy.libs", "libscipy_openblas"),
        ("scipy_openblas32/lib", "libscipy_openblas"),
        ("scipy_openblas64/lib", "libscipy_openblas"),
    ],
};

struct Openblas(Library);

/// Finds and loads it.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(Openblas(Library::find(&SEARCH)?)))
}

impl Openblas {
    /// What `openblas_get_...` says, under any of the names that builds give it.
    fn text(&self, what: &str) -> Option<String> {
        let names = [
            format!("openblas_get_{what}"),
            format!("openblas_get_{what}64_"),
            format!("scipy_openblas_get_{what}"),
            format!("scipy_openblas_get_{what}64_"),
        ];
        self.0.text(&names.each_ref().map(String::as_str))
    }
}

impl Peer for Openblas {
    fn identity(&self) -> Identity {
        // `OpenBLAS 0.3.31.188.0 USE64BITINT DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64`
        let config = self.text("config").unwrap_or_default();
        let version = config.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Identity {
            version: version.unwrap_or("of an unknown version").to_owned(),
            dispatched: self.text("corename"),
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
        cblas::float_product(
            self.0,
            extents,
            &["cblas_sgemm", "scipy_cblas_sgemm"],
            &["cblas_sgemm64_", "scipy_cblas_sgemm64_"],
        )
    }

    /// Only in builds with `BUILD_BFLOAT16`.
    fn bf16_product(
        &self,
        extents: Extents,
        weights: Weights<'_, u16>,
    ) -> Result<Product<u16, u16, f32>, Unsupported> {
        each_call(weights)?;
        cblas::bf16_product(
            self.0,
            extents,
            &["cblas_sbgemm", "scipy_cblas_sbgemm"],
            &["cblas_sbgemm64_", "scipy_cblas_sbgemm64_"],
        )
    }
}
