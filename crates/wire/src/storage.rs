//! Storage's messages: leave to write, commit, leave to read, and the first frame of a data stream between a gateway
//! and a node. Thin in this version: one placement group of a circle, whole segments (`docs/design/storage.md`).

mod audit;
mod fill;
mod stream;
mod upload;

pub use audit::{AuditDone, AuditOpen, AuditOutcome, AuditPick, AuditWork, Challenge};
pub use fill::{FillDone, FillSeed, FillWork};
pub use stream::{
    GetPiece, LABEL_ACCOUNT, LABEL_LEN, LABEL_LOCATED, Locate, LocatedPiece, Locator, PieceAnswer, PutPiece,
    StreamOpen, locator_of,
};
pub use upload::{PartLine, UploadAsk, UploadBegin, UploadComplete, UploadLine, UploadPage, UploadPart, notes_hash};

use crate::addr::PeerAddr;
use crate::signed::Head;
use model::{BucketId, Class, NodeId, PgId, Ppm, Region, Scheme, SegmentId, Stamp};
use serde::{Deserialize, Serialize};

/// Asks for a placement group to write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteOpen {
    /// The bucket it is for: its class and regions choose the group.
    pub bucket: BucketId,
    /// Bytes that are going to be sent to nodes, all pieces together.
    pub bytes_max: u64,
    /// Key of the endpoint that will send: permits are for it alone.
    pub session: NodeId,
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
    /// Permit for this node, 224 bytes; empty where the caller said that it has one.
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
    /// Indexes that get the first pieces, `accept` of them, best first.
    pub first: Vec<u16>,
    /// Indexes that stand in for those that stall, best first.
    pub spare: Vec<u16>,
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

/// Segments that were written, before the commit that names them. Unnamed they are collected after 7 d.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentsKeep {
    /// The bucket they are for.
    pub bucket: BucketId,
    /// In order, at most [`crate::limits::SEGMENTS_KEEP_MAX`].
    pub segments: Vec<WrittenSegment>,
}

/// Where segments stand: `count` of them in a row in their group's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRun {
    /// The group.
    pub pg: PgId,
    /// Place of the first.
    pub seq: u64,
    /// How many.
    pub count: u32,
}

/// Makes a bucket of the caller's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketMake {
    /// Its id, which its owner derives.
    pub id: BucketId,
    /// Tells a right content key from a wrong one.
    pub check: [u8; 16],
    /// Tells a right name key from a wrong one.
    pub name_check: [u8; 16],
    /// Its name, sealed for its owner, at most [`crate::limits::LABEL_MAX`] bytes.
    pub label: Vec<u8>,
    /// How much its pieces must outlive.
    pub class: Class,
    /// Its pieces stand in these regions only; empty: anywhere.
    pub regions: Vec<Region>,
    /// And in at least so many countries.
    pub regions_min: u16,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLine {
    /// Its id.
    pub id: BucketId,
    /// As it was made.
    pub check: [u8; 16],
    /// As it was made.
    pub name_check: [u8; 16],
    /// As it was made.
    pub label: Vec<u8>,
    /// When it was made.
    pub at: Stamp,
    /// Where its chain of commits stands.
    pub head: Head,
    /// Names that are there.
    pub objects: u64,
    /// Sealed bytes of all versions.
    pub sealed_bytes: u64,
    /// As it was made.
    pub class: Class,
    /// As it was made.
    pub regions: Vec<Region>,
    /// As it was made.
    pub regions_min: u16,
    /// Most sealed bytes of all versions together; 0: no limit.
    pub quota: u64,
}

/// What a bucket survives now, counted from the pieces that stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketReport {
    /// The weakest code of its segments.
    pub scheme: Scheme,
    /// Pieces of the weakest segment that stand.
    pub pieces: u16,
    /// Those whose holder is on.
    pub on: u16,
    /// Machines that hold them.
    pub nodes: u16,
    /// So many machines may go at once, whichever they are.
    pub any_nodes: u16,
    /// By kind of domain (`owner`, `network`, `country`, `os` …): how many hold pieces, how many may go at once.
    pub any: Vec<(String, u16, u16)>,
    /// Whole domains, the most dangerous first, at most [`crate::limits::FATES_MAX`]: in words, pieces left, whether enough.
    pub whole: Vec<(String, u16, bool)>,
    /// Largest share of the pool that may go at once at a loss of 1 segment in 1,000,000, in ppm.
    pub pool_ppm: u32,
    /// Fewer segments were looked at than there are.
    pub is_partial: bool,
    /// The pool is small, so that membership is the vetting.
    pub is_waived: bool,
}

/// What must be true of a name for a commit to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Nothing.
    Any,
    /// It is not there.
    Absent,
    /// This version is its newest.
    Version([u8; 16]),
}

/// Changes a name in a bucket. What is done, to which bucket and as which version stands in the signed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Client-made; the same id gives the same answer.
    pub commit_id: [u8; 16],
    /// The writer's signed record, 256 bytes.
    pub record: Vec<u8>,
    /// Sealed name: only its writer can read it.
    pub name_sealed: Vec<u8>,
    /// What must be true now.
    pub expect: Expect,
    /// Segments in order.
    pub segments: Vec<SegmentRun>,
    /// After them, segments of the batch this commit travels in, by their place in it.
    pub fresh: Vec<u16>,
    /// Sealed manifest; empty for a marker.
    pub manifest: Vec<u8>,
}

/// Segments and the commits that name them, all of one bucket, in one transaction and one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitBatch {
    /// The bucket.
    pub bucket: BucketId,
    /// Segments that were written, at most [`crate::limits::SEGMENTS_KEEP_MAX`].
    pub segments: Vec<WrittenSegment>,
    /// Commits in order, at most [`crate::limits::COMMITS_MAX`].
    pub commits: Vec<Commit>,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitAnswers {
    /// Where its segments stand, each by itself.
    pub segments: Vec<SegmentRun>,
    /// Each commit in order: a refused one leaves the others alone.
    pub commits: Vec<Result<Committed, crate::envelope::RefusalMsg>>,
}

/// Committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The bucket's head after it; its number is the commit's place in the bucket's order.
    pub head: Head,
    /// When.
    pub at: Stamp,
}

/// Asks to read an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadOpen {
    /// The bucket.
    pub bucket: BucketId,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Which version; none means the newest.
    pub version: Option<[u8; 16]>,
    /// First segment wanted.
    pub first: u32,
    /// At most so many segments; none are told with 0.
    pub limit: u16,
    /// Key of the endpoint that will read: permits are for it alone.
    pub session: NodeId,
    /// Groups, with their generations, for whose members this session has permits with something left.
    pub known: Vec<(PgId, u64)>,
    /// Bytes of leave asked for at each holder of the others; 0: what the page needs, up to a bound.
    pub units: u64,
}

/// Where to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadGrant {
    /// The version.
    pub version: [u8; 16],
    /// Sealed manifest.
    pub manifest: Vec<u8>,
    /// When it was committed.
    pub at: Stamp,
    /// It went out of its name's history.
    pub is_dropped: bool,
    /// Segments of the object in all.
    pub segments_count: u32,
    /// Segments from the first asked for, in order.
    pub segments: Vec<ReadSegment>,
    /// Their groups.
    pub groups: Vec<ReadGroup>,
}

/// A segment to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSegment {
    /// The commitment.
    pub id: SegmentId,
    /// The group.
    pub pg: PgId,
    /// Its place in the group's log.
    pub seq: u64,
    /// Sealed bytes.
    pub sealed_bytes: u64,
    /// Bit i: slot i holds its piece.
    pub have: Vec<u8>,
}

/// A group to read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadGroup {
    /// The group.
    pub pg: PgId,
    /// Its generation.
    pub generation: u64,
    /// Code.
    pub scheme: Scheme,
    /// Holders.
    pub slots: Vec<Slot>,
}

/// A steward asks for pieces to make anew (`docs/design/storage.md` §6, step 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StewardAsk {
    /// Key of the endpoint that will read and write: permits are for it alone.
    pub session: NodeId,
    /// These segments, which its machine wrote and keeps staged; where none are named, what the center wants done first.
    pub staged: Vec<SegmentRun>,
}

/// Work of a steward: segments of one group that lack pieces whose holders are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StewardWork {
    /// Number of the lease.
    pub lease: u64,
    /// Until when nobody else gets this work.
    pub until: Stamp,
    /// The group, with leave to read.
    pub group: ReadGroup,
    /// Slots whose pieces are to be made, with leave to write.
    pub targets: Vec<Slot>,
    /// Share of what the owner lends of the line that this work may take.
    pub line_share: Ppm,
    /// What is to be done, at most [`crate::limits::STEWARD_SEGMENTS_MAX`].
    pub segments: Vec<StewardSegment>,
}

/// A segment that lacks pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StewardSegment {
    /// The segment, and who has its pieces.
    pub segment: ReadSegment,
    /// Indexes to make and to send, each to its slot.
    pub wanted: Vec<u16>,
    /// Indexes of slots that lack their piece and are off: made with the others and kept until they come on.
    pub later: Vec<u16>,
}

/// Receipts of a steward's work; may come in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StewardDone {
    /// The lease.
    pub lease: u64,
    /// Nothing more comes under it.
    pub is_over: bool,
    /// Receivers' receipts by segment.
    pub segments: Vec<WrittenSegment>,
    /// Places of segments of which pieces are kept for holders that are off: this steward sends them when they come on.
    pub kept: Vec<u64>,
    /// Indexes whose pieces were read for this, each byte of them proved.
    pub read: Vec<u16>,
}

/// How a staged segment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedState {
    /// Pieces with receipts whose holders have neither left nor been away too long.
    pub pieces: u16,
    /// With so many its writer's copy is not needed any more.
    pub enough: u16,
    /// With so many everybody who is on has its own.
    pub full: u16,
    /// No version names it and none will: it was dropped, or never was.
    pub is_gone: bool,
}

/// Asks for names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectList {
    /// The bucket.
    pub bucket: BucketId,
    /// Only of this sealed name: its versions.
    pub name_sealed: Option<Vec<u8>>,
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
    /// Where the bucket's chain stands.
    pub head: Head,
}

/// A change of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLine {
    /// Place in the bucket's order.
    pub bucket_seq: u64,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// The version.
    pub version: [u8; 16],
    /// The writer's signed record.
    pub record: Vec<u8>,
    /// Sealed manifest; empty for a marker.
    pub manifest: Vec<u8>,
    /// When.
    pub at: Stamp,
}

/// Asks for what changed in a group after a place in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAsk {
    /// The group.
    pub pg: PgId,
    /// Changes after this place; 0 for all that is known.
    pub after: u64,
    /// At most so many, at most [`crate::limits::LOG_PAGE_MAX`].
    pub limit: u16,
}

/// Changes of a group, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Segments that were added, and that were dropped.
    pub entries: Vec<LogEntry>,
    /// Newest place of the log.
    pub head: u64,
    /// More follow.
    pub more: bool,
    /// As many slots stand as a repair refills to: only then is anything forgotten.
    pub is_whole: bool,
    /// Indexes whose pieces belong with the node that asks, those on their way to it included. One that was given to somebody
    /// else while it was away belongs with it no more.
    pub yours: Vec<u16>,
}

/// A place in a group's log. A segment has one place: that of its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The place.
    pub seq: u64,
    /// The segment.
    pub id: SegmentId,
    /// Nobody names it any more: its pieces go to the trash. Otherwise its pieces belong here.
    pub is_drop: bool,
}

/// How it stands with what a node hands over: all when it leaves, some when its owner lends less than it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// Slots on their way to a successor.
    pub moving: u32,
    /// Slots for which nobody was found yet.
    pub waiting: u32,
    /// What to send next, where it was asked for.
    pub work: Option<Box<HandOverWork>>,
}

/// Pieces of one slot, to be sent to the slot's next holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOverWork {
    /// The successor, with leave to write; the index is the slot's.
    pub target: Slot,
    /// Segments in order, at most [`crate::limits::STEWARD_SEGMENTS_MAX`]; who has their pieces is not told.
    pub segments: Vec<ReadSegment>,
}

/// A successor's receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOverDone {
    /// The group.
    pub pg: PgId,
    /// The slot.
    pub slot: u16,
    /// Segments up to this place were tried: what has no receipt is lost.
    pub up_to: u64,
    /// The successor's receipts, 176 bytes each.
    pub receipts: Vec<Vec<u8>>,
}

/// A piece that its holder found damaged or gone by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostPiece {
    /// The group.
    pub pg: PgId,
    /// The segment.
    pub segment: SegmentId,
    /// Index of the piece.
    pub index: u16,
}
