//! The first frame of a data stream between a gateway and a node, or two nodes, and what is answered.

use super::AuditOpen;
use model::{PgId, Scheme, SegmentId};
use serde::{Deserialize, Serialize};

/// First frame of a stream to a node. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamOpen {
    /// A piece follows: its bytes, `len` of them, then the node answers with a [`PieceAnswer`].
    PutPiece(Box<PutPiece>),
    /// Answered by a [`PieceAnswer`], then `len` bytes from `offset`.
    GetPiece(GetPiece),
    /// Measure: the caller sends `up` bytes, the node answers with `down` bytes.
    Probe {
        /// Permit.
        permit: Vec<u8>,
        /// Bytes the caller will send.
        up: u64,
        /// Bytes the caller wants back.
        down: u64,
    },
    /// Answered by [`PieceAnswer::Located`]: pieces whose label shows a locator. Needs no permit: who knows a locator is an
    /// owner of what it stands for, or holds it.
    Locate(Locate),
    /// Asks for slices with proofs.
    Audit(Box<AuditOpen>),
    /// As [`Self::GetPiece`], of a piece whose label shows this locator: needs no permit, for the same reason, so that it is read
    /// without a center.
    GetLocated(Locator, GetPiece),
    /// Asks who keeps a job's keys for the items of a lease; answered by one [`crate::compute::ParcelAnswer`].
    Parcels(Box<crate::compute::ParcelAsk>),
    /// Hands over a mapper's blocks; answered by one [`crate::shuffle::BlockAnswer`].
    PutBlocks(Box<crate::shuffle::PutBlocks>),
    /// Asks for a part's blocks; answered by a [`crate::shuffle::BlockAnswer`] for each.
    GetBlocks(Box<crate::shuffle::GetBlocks>),
}

/// Which pieces bear a locator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locate {
    /// The locator.
    pub locator: Locator,
    /// Those after this one, in the order of segment and index.
    pub after: Option<(SegmentId, u16)>,
    /// At most so many, at most [`crate::limits::LOCATED_MAX`].
    pub limit: u16,
}

/// A piece that bears a locator, with all its header says of its segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocatedPiece {
    /// The commitment.
    pub segment: SegmentId,
    /// Index of the piece.
    pub index: u16,
    /// The group.
    pub pg: PgId,
    /// Code of the segment.
    pub scheme: Scheme,
    /// Sealed bytes of the whole segment.
    pub sealed_bytes: u64,
    /// Sealed label, 512 bytes.
    pub label: Vec<u8>,
}

/// What a label of a bucket log shows in clear, so that who knows it finds the log at holders without asking a center.
pub type Locator = [u8; 16];

/// Where the label of a piece shows a locator (`docs/design/security.md` §4.3): its format says that there is one.
pub fn locator_of(label: &[u8]) -> Option<Locator> {
    let (rest, locator) = label.split_last_chunk::<16>()?;
    (label.len() == LABEL_LEN && matches!(rest[0], LABEL_LOCATED | LABEL_ACCOUNT)).then_some(*locator)
}

/// Bytes of a sealed label.
pub const LABEL_LEN: usize = 512;
/// Format of a label that ends with a locator.
pub const LABEL_LOCATED: u8 = 2;
/// Format of the label of an account's copy, which ends with a locator too.
pub const LABEL_ACCOUNT: u8 = 3;

/// A piece to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutPiece {
    /// Permit.
    pub permit: Vec<u8>,
    /// The group.
    pub pg: PgId,
    /// The commitment.
    pub segment: SegmentId,
    /// Code of the segment.
    pub scheme: Scheme,
    /// Sealed bytes of the whole segment.
    pub sealed_bytes: u64,
    /// Root over all piece roots.
    pub segment_root: [u8; 32],
    /// Index of the piece.
    pub index: u16,
    /// Root of the piece.
    pub piece_root: [u8; 32],
    /// Path from the piece's root to the segment's.
    pub path: Vec<[u8; 32]>,
    /// Sealed label, 512 bytes.
    pub label: Vec<u8>,
    /// Bytes of the piece.
    pub len: u64,
}

/// A piece to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetPiece {
    /// Permit.
    pub permit: Vec<u8>,
    /// The group.
    pub pg: PgId,
    /// The commitment.
    pub segment: SegmentId,
    /// Index of the piece.
    pub index: u16,
    /// From here, a multiple of the 16 KiB of a group.
    pub offset: u64,
    /// So many, whole groups but at the piece's end; 0 means to the end.
    pub len: u64,
    /// Its sealed label is wanted too: who makes pieces anew gives it on.
    pub with_label: bool,
    /// The payer's newest receipt under the permit, 144 bytes. Others follow as frames while the piece comes; empty under a
    /// permit that is free.
    pub receipt: Vec<u8>,
}

/// A node's answer on a data stream. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PieceAnswer {
    /// Durable; the receipt, 176 bytes.
    Kept(Vec<u8>),
    /// The piece follows.
    Piece {
        /// Root over all piece roots.
        segment_root: [u8; 32],
        /// Root of the piece.
        piece_root: [u8; 32],
        /// Path from the piece's root to the segment's.
        path: Vec<[u8; 32]>,
        /// Hashes of the groups the range covers.
        groups: Vec<[u8; 32]>,
        /// What stands beside them in the piece's tree, up to its root.
        range_path: Vec<[u8; 32]>,
        /// Sealed label, where it was asked for.
        label: Vec<u8>,
        /// Bytes of the whole piece.
        piece_len: u64,
        /// Bytes that follow.
        len: u64,
    },
    /// A probe's bytes follow.
    Probe,
    /// No.
    Refused(crate::envelope::RefusalMsg),
    /// Pieces that bear the locator; fewer than asked for where no more follow.
    Located(Vec<LocatedPiece>),
    /// A slice with its proofs (`codec::Slice`); empty where the node does not hold the piece, by its own word.
    Slice(Vec<u8>),
    /// The node's signature over the challenge and the slices it gave, 64 bytes.
    Signed(Vec<u8>),
}
