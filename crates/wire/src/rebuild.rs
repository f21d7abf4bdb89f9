//! What brings a cloud back whose center lost its database (`docs/design/storage.md` §15): the center's own word on a machine,
//! kept by the machine; what holders say of their slots; an account from the pool; and a bucket's changes, told again.

use crate::signed::{CommitRecord, Head};
use crate::storage::{Locator, SegmentRun};
use model::{Arch, BucketId, Bytes, Os, PgId, Region, Scheme, SegmentId, Stamp};
use serde::{Deserialize, Serialize};

/// What a center says of a machine, for a center that knows it no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// The signed word ([`crate::signed::Voucher`]).
    pub voucher: Vec<u8>,
    /// When the center was rebuilt or restored, if it was: what a machine told before that is to be told again.
    pub rebuilt: Option<Stamp>,
}

/// A machine as a voucher describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchedFacts {
    /// Its name.
    pub name: String,
    /// Its member's.
    pub member_name: String,
    /// What it lends, if it does.
    pub lends: Option<VouchedNode>,
    /// Places it holds in groups, at most [`crate::limits::VOUCHED_SLOTS_MAX`].
    pub slots: Vec<(PgId, u16)>,
}

/// A node as a voucher describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchedNode {
    /// System.
    pub os: Os,
    /// Processor.
    pub arch: Arch,
    /// Where it stands, as far as is known.
    pub region: Option<Region>,
    /// Version of its program.
    pub program: u32,
    /// Lent.
    pub lent: Bytes,
    /// What its owner accepts, as bits.
    pub accepts: u32,
    /// The owner's signed statement that the machine is theirs.
    pub binding: Vec<u8>,
}

/// Pieces a node holds at one place of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotDigests {
    /// The group.
    pub pg: PgId,
    /// Index of the pieces.
    pub index: u16,
    /// Their code.
    pub scheme: Scheme,
    /// At most [`crate::limits::DIGESTS_MAX`], in the order they came.
    pub pieces: Vec<SlotPiece>,
}

/// A piece, as far as its segment's id is made of it: what is told wrong names another segment, which nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotPiece {
    /// Root over all piece roots of its segment.
    pub root: [u8; 32],
    /// Sealed bytes of the segment.
    pub sealed_bytes: u64,
    /// What its label shows in clear.
    pub locator: Option<Locator>,
}

/// An account as it was found in the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBring {
    /// The center's word on one of its machines, which names account and member.
    pub voucher: Vec<u8>,
    /// Its device log from the first entry, at most [`crate::limits::BRING_ENTRIES_MAX`]; others follow one by one.
    pub entries: Vec<Vec<u8>>,
    /// Its keys, sealed for who has its root.
    pub keybag: Vec<u8>,
    /// Locator and wrap of its recovery phrase, where it has one.
    pub slot: Option<(Locator, Vec<u8>)>,
}

/// Asks which segments a bucket's versions are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentIdsAsk {
    /// The bucket.
    pub bucket: BucketId,
    /// From the version at this place on …
    pub place: u64,
    /// … and of that from this segment on.
    pub first: u32,
}

/// Segments of versions, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentIdsPage {
    /// Place of a version, and ids of its next segments; together at most [`crate::limits::SEGMENT_IDS_MAX`].
    pub lines: Vec<(u64, Vec<SegmentId>)>,
    /// Where the next page begins.
    pub next: Option<(u64, u32)>,
}

/// Changes of a bucket, told again by its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The bucket.
    pub bucket: BucketId,
    /// Where its chain stands before them.
    pub before: Head,
    /// In order, at most [`crate::limits::REPLAY_MAX`].
    pub lines: Vec<ReplayLine>,
}

/// A change that is told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayLine {
    /// The writer's signed record, [`CommitRecord::LEN`] bytes.
    pub record: Vec<u8>,
    /// When the center took it.
    pub at: Stamp,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed manifest; empty for a marker and for what is gone for good.
    pub manifest: Vec<u8>,
    /// Its segments, as the center found them again; none where they are gone.
    pub segments: Vec<SegmentRun>,
    /// Segments nobody has any more: the version stays, and cannot be read.
    pub lost: Vec<SegmentId>,
}

const _: () = assert!(CommitRecord::LEN == 256);
