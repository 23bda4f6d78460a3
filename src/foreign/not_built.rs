//! Stands for an engine that is a feature of ours, where that is off.

use super::Absent;
use super::network::{NetworkError, Opened};

/// Whether it is part of this build.
pub const BUILT: bool = false;

/// Says that it is not here, whatever it is asked to open.
///
/// # Errors
/// Always.
pub fn open<R>(_: &R) -> Result<Opened, NetworkError> {
    Err(NetworkError::Absent(Absent { tried: "this perfkit was built without it".to_owned() }))
}
