//! A member's side: upload, download, names. Sealing happens here, before a byte leaves the machine.
//!
//! Write = content → seal → segments → pieces → holders → kept → commit, as a stream: no more than [`flow::SEGMENTS_OPEN`]
//! segments are in memory. Read = manifest → pieces of a column at a time → judged → decoded → opened → out.
//!
//! (A) Wrong bytes are never delivered: every group of a piece is judged against the segment's id, and the seal judges the
//! rest. (B) A commit is sent only with receipts given after fsync. (C) Too few pieces is told with both numbers, never as
//! missing. (D) Memory is bounded, whatever the object's size. (E) A wrong key is told before anything is listed.

pub mod account;
mod bucket;
mod buffers;
mod cells;
mod column;
pub mod compute;
mod copy;
mod cut;
mod fill;
mod flow;
mod gather;
mod get;
mod history;
mod index;
mod keeper;
mod level;
mod located;
mod log;
mod names;
mod pack;
mod packer;
pub mod pair;
pub mod parts;
mod permits;
mod piece;
mod put;
mod rebuild;
mod relayed;
pub mod roots;
mod send;
mod settings;
mod snapshot;
mod stage;
mod unix;

pub use bucket::{Bucket, BucketAsk, BucketFacts};
pub use copy::Copied;
pub use fill::{FILL_BYTES_MAX, Filled};
pub use flow::SEGMENTS_OPEN;
pub use gather::{KEPT_FOR, SCRATCH_MIN, SCRATCH_SHARE, Scratch};
pub use get::{Found, Got, Shown, Wanted};
pub use history::{History, Past};
pub use index::{NameIndex, list_offline};
pub use keeper::{Looked, Standing};
pub use level::{Kid, Level};
pub use log::{LogCheck, Logged};
pub use names::{Entry, NewFacts, Version};
pub use pack::{PACK_BYTES, SMALL_MAX, Small};
pub use put::{ENDING_MAX, Ending, Put, PutAsk};
pub use rebuild::{RebuildAsk, Rebuilt};
pub use seal::{AccountRoot, Checksum, ChecksumKind, Etag, FACTS_MAX, Fact, Facts, LocalKey, SealError, ServedHeader};
pub use settings::{SETTING_MAX, SETTINGS};
pub use snapshot::{FoundSnapshot, SNAPSHOTS_KEPT};
pub use stage::{FREE_SHARE, STAGE_BYTES_MAX, Source, Stage};
pub use unix::{Unix, UnixTime};
pub use wire::RefusalMsg;
pub use wire::storage::Expect;

use model::{NodeId, SegmentId, Stamp};
use net::{Endpoint, NetError};
use rules::storage::writer::HOLDERS_WAIT;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::storage::LostPiece;
use wire::{Reply, Request};

/// Why storing or reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The center or a node said no.
    #[error("{}", .0.id)]
    Refused(RefusalMsg),
    /// Not enough holders took their piece.
    #[error("{have} of {need} holders took their piece ({})", .why.join("; "))]
    TooFewHolders {
        /// Receipts.
        have: usize,
        /// Receipts needed.
        need: usize,
        /// What the others said.
        why: Vec<String>,
    },
    /// Too few took a piece or hold its slot still, and the bucket writes with another code by now: the same call again codes anew.
    #[error("the code of the bucket's group changed during the upload")]
    CodeChanged,
    /// Not enough pieces can be read now.
    #[error("{have} of {need} pieces reachable")]
    Unreadable {
        /// Pieces that proved themselves.
        have: usize,
        /// Pieces needed.
        need: usize,
    },
    /// The keys here are not the bucket's.
    #[error("the keys of this account do not open the bucket")]
    WrongKey,
    /// The center shows an older state of the bucket than it did, or another history.
    #[error("the center shows {0}")]
    Head(&'static str),
    /// A range outside the object.
    #[error("range {from}..{to} is not within {size} bytes")]
    Range {
        /// First byte.
        from: u64,
        /// One past the last.
        to: u64,
        /// Bytes of the object.
        size: u64,
    },
    /// An account's device log does not hold.
    #[error("device log: {0}")]
    Log(#[from] wire::signed::LogFault),
    /// The seal refused.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The code refused.
    #[error(transparent)]
    Codec(#[from] codec::CodecError),
    /// A peer could not be reached.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A local file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The source of an upload that was cut off holds other bytes now.
    #[error("the source changed since the upload was cut off")]
    Changed,
    /// The content that came is not the one that was announced.
    #[error("another content than was announced: {0}")]
    Announced(&'static str),
    /// The center answered what was not asked, or a manifest does not read.
    #[error("unexpected answer: {0}")]
    Unexpected(&'static str),
}

impl ClientError {
    /// The same once more: what failed for a pack failed for each of its objects.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.clone()),
            Self::TooFewHolders { have, need, why } => {
                Self::TooFewHolders { have: *have, need: *need, why: why.clone() }
            }
            Self::Unreadable { have, need } => Self::Unreadable { have: *have, need: *need },
            Self::WrongKey => Self::WrongKey,
            Self::Head(why) => Self::Head(why),
            Self::Range { from, to, size } => Self::Range { from: *from, to: *to, size: *size },
            Self::Log(fault) => Self::Log(*fault),
            Self::Seal(error) => Self::Seal(error.clone()),
            Self::Codec(error) => Self::Codec(error.clone()),
            Self::Net(error) => Self::Net(error.clone()),
            Self::File { path, source } => {
                Self::File { path: path.clone(), source: std::io::Error::new(source.kind(), source.to_string()) }
            }
            Self::Changed => Self::Changed,
            Self::CodeChanged => Self::CodeChanged,
            Self::Announced(why) => Self::Announced(why),
            Self::Unexpected(why) => Self::Unexpected(why),
        }
    }
}

impl From<RefusalMsg> for ClientError {
    fn from(refusal: RefusalMsg) -> Self {
        Self::Refused(refusal)
    }
}

/// An answer of the center on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, ClientError>> + Send>>;

/// How this member's side asks its center: over its own link, or through the agent of its machine.
pub type AskCenter = Arc<dyn Fn(Request) -> Answering + Send + Sync>;

/// Hears that an upload waits for holders: so many are on, so many are needed.
pub type Waiting = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A member's side.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    device: Arc<Device>,
    ask: AskCenter,
    shunned: Arc<Mutex<BTreeMap<NodeId, Instant>>>,
    /// Pieces that the center was told of as wrong or gone.
    doubted: Arc<Mutex<BTreeSet<(SegmentId, u16)>>>,
    /// Round trips to holders, measured on their links, in ms.
    rtts: Arc<Mutex<BTreeMap<NodeId, u32>>>,
    permits: Arc<Mutex<permits::Permits>>,
    /// What goes over the relay, where it is paid for.
    relaying: Option<Arc<relayed::Relaying>>,
    packers: Arc<Mutex<packer::Packers>>,
    /// Bytes of pieces that were given to the transport.
    sent: Arc<AtomicU64>,
    /// Where uploads are staged, if they are.
    stage: Option<Stage>,
    /// Where a steward keeps pieces of segments whose holders are not on together, if it does.
    scratch: Option<Scratch>,
    /// Names of one's own buckets in true order, if they are kept.
    index: Option<NameIndex>,
    /// For so long an upload waits for holders to come on.
    holders_wait: Duration,
    /// Hears that an upload waits for holders: on, needed.
    waiting: Option<Waiting>,
    /// For so long a read waits for holders that do not answer.
    read_wait: Duration,
    /// Room for coded pieces that wait to be sent, in [`ROOM_UNIT`]s, of all uploads together.
    room: Arc<Semaphore>,
    /// Turns to make pieces for holders that stand in for others.
    stand_ins: Arc<Semaphore>,
    /// Of pieces and segments.
    buffers: buffers::Buffers,
}

/// Coded pieces in memory, all uploads of a client together. One segment alone may take more, when nothing else is there.
pub const PIECES_BYTES_MAX: usize = 64 << 20;
const ROOM_UNIT: usize = 64 << 10;
const ROOM_UNITS: u32 = 1_024;
const _: () = assert!(PIECES_BYTES_MAX / ROOM_UNIT == ROOM_UNITS as usize);

/// Pieces made at one time for holders that stand in, all uploads of a client together: when every disk halts for a moment, every
/// holder of every segment under way seems to stall.
const STAND_INS_MAX: usize = 4;

/// Without a step forward for so long, a read is given up.
pub const READ_WAIT: Duration = Duration::from_secs(30);
/// Pieces of which one client tells that they are wrong or gone.
const DOUBTED_MAX: usize = 256;
/// A holder that failed or stalled is asked after the others for so long.
const SHUN_FOR: Duration = Duration::from_secs(60);
/// Holders whose round trip is remembered.
const RTTS_MAX: usize = 4_096;
/// Holders remembered so.
const SHUNNED_MAX: usize = 4_096;

/// What signs for this machine, and its clock.
struct Device {
    secret: [u8; 32],
    now: fn() -> Stamp,
}

impl Client {
    /// With an endpoint whose key is the session key of permits, the machine's own key to sign commits, a clock, and a way to
    /// the center. The session's key is not the machine's: the agent beside it has that one, and may be a holder itself.
    pub fn new(endpoint: Endpoint, secret: [u8; 32], now: fn() -> Stamp, ask: AskCenter) -> Self {
        Self {
            endpoint,
            device: Arc::new(Device { secret, now }),
            ask,
            shunned: Arc::default(),
            doubted: Arc::default(),
            rtts: Arc::default(),
            permits: Arc::default(),
            relaying: None,
            packers: Arc::default(),
            sent: Arc::default(),
            stage: None,
            scratch: None,
            index: None,
            holders_wait: HOLDERS_WAIT.to_std(),
            waiting: None,
            read_wait: READ_WAIT,
            room: Arc::new(Semaphore::new(ROOM_UNITS as usize)),
            stand_ins: Arc::new(Semaphore::new(STAND_INS_MAX)),
            buffers: buffers::Buffers::default(),
        }
    }

    /// The same, with uploads staged on this machine's disk until the pool has filled up.
    #[must_use]
    pub fn with_stage(self, stage: Stage) -> Self {
        Self { stage: Some(stage), ..self }
    }

    /// The same, with an index of names on this machine's disk.
    #[must_use]
    pub fn with_index(self, index: NameIndex) -> Self {
        Self { index: Some(index), ..self }
    }

    /// The same, with another patience for holders to come on than the default, [`HOLDERS_WAIT`].
    #[must_use]
    pub fn with_holders_wait(self, wait: Duration) -> Self {
        Self { holders_wait: wait, ..self }
    }

    /// The same, with somebody who hears that an upload waits for holders.
    #[must_use]
    pub fn with_waiting(self, waiting: Waiting) -> Self {
        Self { waiting: Some(waiting), ..self }
    }

    /// The endpoint it reads and writes with.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same, with another patience for holders that do not answer than the default, [`READ_WAIT`].
    #[must_use]
    pub fn with_read_wait(self, wait: Duration) -> Self {
        Self { read_wait: wait, ..self }
    }

    /// Bytes of pieces, with what is said before them, that were given to the transport since the start.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Segments of a bucket of which this machine still has its own copy.
    pub fn copies_of(&self, bucket: &Bucket) -> usize {
        self.stage.as_ref().map_or(0, |stage| stage.copies_of(bucket.id()))
    }

    async fn ask(&self, request: Request) -> Result<Reply, ClientError> {
        Ok((self.ask)(request).await?.into_answer()?)
    }

    /// Waits for room for so many bytes of pieces; given back when dropped.
    pub(crate) async fn room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ClientError> {
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT as u64)).unwrap_or(u32::MAX).min(ROOM_UNITS);
        let room = Arc::clone(&self.room).acquire_many_owned(units).await;
        room.map_err(|_| ClientError::Unexpected("the client ended"))
    }

    /// Others are asked before this holder for a while.
    fn shun(&self, node: NodeId) {
        let mut shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        shunned.retain(|_, since| since.elapsed() < SHUN_FOR);
        if shunned.len() < SHUNNED_MAX {
            shunned.insert(node, Instant::now());
        }
    }

    /// Tells the center of a piece that its holder did not have or gave wrong bytes of; nobody waits for it. The center asks the
    /// holder for proofs: this word alone counts for nothing.
    pub(crate) fn doubt(&self, piece: LostPiece, error: &ClientError) {
        let is_gone = matches!(error, ClientError::Refused(no) if no.id == model::errors::OBJECT_UNKNOWN);
        if !is_gone && !matches!(error, ClientError::Codec(_)) {
            return;
        }
        let is_new = {
            let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
            doubted.len() < DOUBTED_MAX && doubted.insert((piece.segment, piece.index))
        };
        if is_new {
            let client = self.clone();
            tokio::spawn(async move { client.ask(Request::PiecesDoubted(vec![piece])).await.map(drop) });
        }
    }

    fn is_shunned(&self, node: &NodeId) -> bool {
        let shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        shunned.get(node).is_some_and(|since| since.elapsed() < SHUN_FOR)
    }

    /// The round trip to a holder, where it was measured.
    fn rtt_to(&self, node: &NodeId) -> Option<u32> {
        self.rtts.lock().unwrap_or_else(PoisonError::into_inner).get(node).copied()
    }

    /// What a link to a holder shows of its round trip; nothing before it has one.
    fn note_rtt(&self, node: NodeId, rtt: Duration) {
        let mut rtts = self.rtts.lock().unwrap_or_else(PoisonError::into_inner);
        if rtt > Duration::ZERO && (rtts.len() < RTTS_MAX || rtts.contains_key(&node)) {
            rtts.insert(node, u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX));
        }
    }

    fn now(&self) -> Stamp {
        (self.device.now)()
    }
}

/// How far a transfer is: phase key, bytes done, bytes in all.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Send + Sync);
