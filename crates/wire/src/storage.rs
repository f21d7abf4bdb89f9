//! Storage's messages: leave to write, commit, leave to read, and the first frame of a data stream between a gateway
//! and a node. Thin in this version: one placement group of a circle, whole segments (`docs/design/storage.md`).

use crate::addr::PeerAddr;
use model::{PgId, Scheme, SegmentId, Stamp};
use serde::{Deserialize, Serialize};

/// Asks for a placement group to write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteOpen {
    /// Bytes that are going to be sent to nodes, all pieces together.
    pub bytes_max: u64,
}

/// A holder, or one to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Index of the piece.
    pub index: u16,
    /// Where; none while it is off.
    pub addr: PeerAddr,
    /// On at this moment.
    pub on: bool,
    /// Permit for this node, 224 bytes.
    pub permit: Vec<u8>,
}

/// Where to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteGrant {
    /// The group.
    pub pg: PgId,
    /// Its generation.
    pub generation: u64,
    /// Its code.
    pub scheme: Scheme,
    /// Its slots, in order.
    pub slots: Vec<Slot>,
}

/// A segment that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenSegment {
    /// The commitment.
    pub id: SegmentId,
    /// The group.
    pub pg: PgId,
    /// Sealed bytes.
    pub sealed_bytes: u64,
    /// Holders' receipts, 176 bytes each.
    pub receipts: Vec<Vec<u8>>,
}

/// Makes an object visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Client-made; the same id gives the same answer.
    pub commit_id: [u8; 16],
    /// The bucket.
    pub bucket: model::BucketId,
    /// Sealed name: only its writer can read it.
    pub name_sealed: Vec<u8>,
    /// Segments in order.
    pub segments: Vec<WrittenSegment>,
    /// Sealed manifest.
    pub manifest: Vec<u8>,
}

/// Committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// When.
    pub at: Stamp,
}

/// Asks to read an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadOpen {
    /// The bucket.
    pub bucket: model::BucketId,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
}

/// Where to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadGrant {
    /// Sealed manifest.
    pub manifest: Vec<u8>,
    /// Segments in order, with the holders of each.
    pub segments: Vec<ReadSegment>,
}

/// A segment to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSegment {
    /// The commitment.
    pub id: SegmentId,
    /// The group.
    pub pg: PgId,
    /// Sealed bytes.
    pub sealed_bytes: u64,
    /// Code.
    pub scheme: Scheme,
    /// Holders.
    pub slots: Vec<Slot>,
}

/// Asks for names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectList {
    /// The bucket.
    pub bucket: model::BucketId,
    /// Changes after this place.
    pub after: u64,
    /// At most so many.
    pub limit: u16,
}

/// Names in the bucket's order of change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// Rows.
    pub objects: Vec<ObjectLine>,
    /// More follow.
    pub more: bool,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLine {
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed manifest.
    pub manifest: Vec<u8>,
    /// When.
    pub at: Stamp,
}

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
}

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
    /// From here.
    pub offset: u64,
    /// So many; 0 means to the end.
    pub len: u64,
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
        /// Bytes of the whole piece.
        piece_len: u64,
        /// Bytes that follow.
        len: u64,
    },
    /// A probe's bytes follow.
    Probe,
    /// No.
    Refused(crate::envelope::RefusalMsg),
}
