//! Readers of other tools' result formats, one file each. None yet.
