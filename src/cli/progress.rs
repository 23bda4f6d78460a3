//! The progress bar: the session's observer on a terminal.
