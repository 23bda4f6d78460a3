//! Stands for an engine that is a feature of ours, where that is off.

use super::Absent;
use super::network::{NetworkError, NetworkRequest, Opened};

/// Says that it is not here.
///
/// # Errors
/// Always.
pub fn open(_: &NetworkRequest) -> Result<Opened, NetworkError> {
    Err(NetworkError::Absent(Absent { tried: "this perfkit was built without it".to_owned() }))
}
