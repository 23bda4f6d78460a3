//! The worker protocol's serving end: a program offers its own benchmarks to perfkit. Not served yet.
