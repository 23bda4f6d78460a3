//! Models that need no download: the shapes of known ones, weights and vocabulary of our own.

mod vocabulary;
