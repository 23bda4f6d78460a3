//! Shared libraries of others, loaded at run time, one file each, with safe functions outside.
//!
//! None yet: the peers of part C (OpenBLAS, oneDNN, ...) enter here.
