//! The catalog under criterion: the same cases, checked the same way.

fn main() {}
