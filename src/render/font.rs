//! The embedded font of the picture files.
