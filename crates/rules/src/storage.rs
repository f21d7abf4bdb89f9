//! Storage: which nodes hold the pieces.

pub mod place;
