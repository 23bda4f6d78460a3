//! How many threads a crate over rayon's global pool is told to use.

/// What `RAYON_NUM_THREADS` says, which the pool obeys too; one without it.
pub(super) fn threads() -> usize {
    let told = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    told.filter(|&threads| threads > 0).unwrap_or(1)
}
