//! One row a case.
