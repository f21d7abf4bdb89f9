//! Bytes to bytes without keys: the erasure code, hash trees and their proofs, packs.
//!
//! A segment is a row of *columns*; a column is `k` data *cells* and the coded cells made from them. Piece `i` is cell `i` of
//! every column (`docs/design/storage.md` §2). Coding goes column by column, so that it stays in the processor's cache.
//! The root over all possible pieces, also of those not placed yet, is the segment's id: whoever holds 32 bytes can judge
//! any piece from anybody (§4).
//!
//! (A) Any `k` distinct whole pieces give the sealed bytes back; fewer are refused, never guessed.
//! (B) A piece, a path or a slice that is not what was committed is refused. (C) Same bytes and layout, same pieces, on every
//! machine. (D) Systematic: data piece `i` is a plain part of the sealed bytes. (E) No stream holds more than
//! [`Encoder::memory_bytes`] and two columns, whatever the segment's size.
//!
//! The ways through: write = [`Encoder`] (sealed bytes in, groups of the kept pieces out, [`Commitment`] at the end); read =
//! [`Layout::cells_of`] → holders → [`PieceProof::prove`] → [`KnownPiece::arrival`] → [`Decoder`]; expand = the same as far as
//! the cells, then [`Remaker`]; audit = [`Slice`]; small objects = [`pack`]; a fill test's data = [`fill`]. [`encode`], [`rebuild`] and [`remake`] do it in
//! one call for bytes that are in memory anyway.

pub mod blocks;
mod bytes;
mod code;
mod decode;
mod encode;
pub mod fill;
pub mod kernel;
mod known;
mod layout;
mod matrix;
mod merkle;
pub mod pack;
pub mod records;
mod remake;
mod roots;
mod set;
pub mod slice;
pub mod tree;

pub use code::{Encoded, encode, rebuild, remake};
pub use decode::Decoder;
pub use encode::{Commitment, Encoder, Group};
pub use known::{Arrival, KnownPiece};
pub use layout::{CellPart, Layout};
pub use remake::Remaker;
pub use roots::{PIECE_PATH_MAX, PieceProof, SegmentRoots, segment_id, verify_path};
pub use set::PieceSet;
pub use slice::{Slice, SliceProof};
pub use tree::GROUP_LEN;

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
    /// A range that is not within the segment.
    #[error("range {from}..{to} is not within the segment")]
    Range {
        /// First byte or column.
        from: u64,
        /// One past the last.
        to: u64,
    },
    /// A piece whose root is not the one the segment commits to.
    #[error("piece {index} does not lead to its segment's id")]
    WrongRoot {
        /// Which.
        index: u16,
    },
    /// Bytes that are not those of the piece.
    #[error("group {group} of piece {index} has wrong bytes")]
    WrongBytes {
        /// Whose.
        index: u16,
        /// Where.
        group: u64,
    },
    /// Proved pieces that, coded again, give another id: the writer coded the segment wrongly.
    #[error("segment {} was coded wrongly by its writer", .0.short())]
    Contradiction(model::SegmentId),
    /// Foreign bytes that do not read.
    #[error("not a {0}")]
    Format(&'static str),
    /// The member belongs into the next pack.
    #[error("the pack is full")]
    PackFull,
    /// The code library refused; with a sound layout it does not.
    #[error("erasure code: {0}")]
    Code(String),
}
