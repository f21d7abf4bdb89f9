//! Bytes to bytes without keys: the erasure code, hash trees and their proofs.
//!
//! A segment is a row of *columns*; a column is `k` data *cells* and the coded cells made from them. Piece `i` is cell `i` of
//! every column (`docs/design/storage.md` §2). Coding goes column by column, so that it stays in the processor's cache.
//! The root over all possible pieces, also of those not placed yet, is the segment's id: whoever holds 32 bytes can judge
//! any piece from anybody (§4).
//!
//! (A) Any `k` distinct whole pieces give the sealed bytes back; fewer are refused, never guessed.
//! (B) A piece, a path or a slice that is not what was committed is refused. (C) Same bytes and layout, same pieces, on every
//! machine. (D) Systematic: data piece `i` is a plain part of the sealed bytes.

mod code;
mod layout;
pub mod tree;

pub use code::{Encoded, encode, rebuild, remake};
pub use layout::Layout;
pub use tree::{GROUP_LEN, SegmentRoots, SliceProof, segment_id, verify_path};

/// Why bytes cannot be coded or judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The scheme's numbers do not fit together.
    #[error("scheme {0} is not sound")]
    Scheme(model::Scheme),
    /// A segment has at least one byte and at most [`Layout::SEALED_MAX`].
    #[error("a segment cannot have {0} bytes")]
    Size(u64),
    /// Fewer distinct pieces than the code needs.
    #[error("{have} of {need} pieces are there")]
    TooFew {
        /// Distinct pieces given.
        have: usize,
        /// Pieces needed.
        need: usize,
    },
    /// A piece of another length, or an index beyond the scheme.
    #[error("piece {index} does not fit the layout")]
    Piece {
        /// Which.
        index: u16,
    },
    /// The code library refused; with a sound layout it does not.
    #[error("erasure code: {0}")]
    Code(String),
}
