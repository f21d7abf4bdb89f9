//! The envelope of every call to the center, and the two lists of what can be asked and answered.
//!
//! Both enums are append-only: a variant is never moved, removed or given another meaning. `alias` lets many simulated
//! nodes share one connection; a center takes it in `dev` mode only.

use crate::frame::{WireError, decode, encode};
use crate::limits::{REPLY_MAX, REQUEST_MAX, SETTLE_MAX};
use crate::{access, account, compute, fleet, ledger, rebuild, settle, shuffle, storage};
use model::Alias;
use model::errors::ErrorId;
use model::program::WIRE_VERSION;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is sent to the center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Wire version of the sender.
    pub version: u16,
    /// The node meant, where it is not the one whose key the connection proves (`dev` centers only).
    pub alias: Option<Alias>,
    /// What is asked.
    pub request: Request,
}

/// What can be asked of the center. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// What cloud is this, and what time has it?
    Cloud,
    /// Take this machine in.
    Join(Box<access::JoinAsk>),
    /// Periodic call of a node.
    CheckIn(Box<fleet::CheckIn>),
    /// The node goes off now.
    Goodbye(fleet::Goodbye),
    /// What the node measured at join or since.
    Measured(Box<fleet::Measured>),
    /// Who can help me measure? With a ticket's secret, also before joining.
    ProbePeers(Option<[u8; 16]>),
    /// Make a ticket.
    TicketCreate(access::TicketAsk),
    /// List tickets.
    TicketList,
    /// End a ticket.
    TicketRevoke(model::TicketId),
    /// List members.
    MemberList,
    /// List nodes.
    NodeList(fleet::NodeFilter),
    /// One node, by name, alias or unique prefix of its id.
    NodeShow(String),
    /// Change what the operator may change of a node.
    NodeSet(fleet::NodeSet),
    /// A placement group to write to, with permits.
    WriteOpen(storage::WriteOpen),
    /// Make an object visible.
    Commit(Box<storage::Commit>),
    /// An object's manifest, with the holders that are on and permits to read.
    ReadOpen(storage::ReadOpen),
    /// Names in a bucket.
    ObjectList(storage::ObjectList),
    /// Declare an absence, or leave the cloud.
    Absence(fleet::Absence),
    /// Make a bucket.
    BucketMake(Box<storage::BucketMake>),
    /// One's own buckets.
    BucketList,
    /// One of them.
    BucketShow(model::BucketId),
    /// Remove an empty one.
    BucketRemove(model::BucketId),
    /// Segments that were written, before the commit that names them.
    SegmentsKeep(Box<storage::SegmentsKeep>),
    /// What a bucket survives now.
    BucketReport(model::BucketId),
    /// Segments and the commits that name them.
    CommitBatch(Box<storage::CommitBatch>),
    /// Work of a steward.
    StewardAsk(storage::StewardAsk),
    /// Receipts of a steward's work.
    StewardDone(Box<storage::StewardDone>),
    /// How segments stand that this machine wrote and keeps staged.
    Staged(Vec<storage::SegmentRun>),
    /// What changed in a placement group.
    GroupLog(storage::LogAsk),
    /// Pieces this node found damaged or gone by itself.
    PiecesLost(Vec<storage::LostPiece>),
    /// Make the caller's account.
    AccountMake(Box<account::AccountMake>),
    /// The caller's account.
    AccountShow,
    /// The next entry of an account's device log; who may is said by the log itself.
    DeviceLogPush(Vec<u8>),
    /// Keep a wrap of the account's root.
    SlotPut(Box<account::SlotPut>),
    /// What stands at a locator, which only a phrase's holder knows.
    SlotGet([u8; 16]),
    /// Let a second device be added with the ticket of this secret's hash, for so many ms.
    PairOpen([u8; 32], u64),
    /// Say something to the other device.
    PairSay(Box<account::PairSay>),
    /// What the other device said in this step.
    PairHear([u8; 16], u8),
    /// Note a grant that was given.
    GrantNote(Box<account::GrantNote>),
    /// Grants the caller's account gave.
    GrantList,
    /// End a grant, and all that were narrowed from it.
    GrantRevoke([u8; 16]),
    /// A call under a grant.
    Granted(Box<account::Granted>),
    /// Most sealed bytes a bucket may hold; 0: no limit.
    BucketQuota(model::BucketId, u64),
    /// Begin an object that comes in parts.
    UploadBegin(Box<storage::UploadBegin>),
    /// Keep one of its parts.
    UploadPart(Box<storage::UploadPart>),
    /// Open uploads of a bucket, or the parts of one.
    UploadList(storage::UploadAsk),
    /// Make an object of the parts.
    UploadComplete(Box<storage::UploadComplete>),
    /// Give an upload up.
    UploadAbort(model::BucketId, [u8; 16]),
    /// An audit to carry out; the key of the endpoint that will ask.
    AuditAsk(model::NodeId),
    /// What came of it.
    AuditDone(Box<storage::AuditDone>),
    /// Pieces of which a reader got wrong bytes, or that their holders did not have: they are audited.
    PiecesDoubted(Vec<storage::LostPiece>),
    /// How the caller's leaving stands; with the key of the endpoint that will send, also what to send next.
    HandOverAsk(Option<model::NodeId>),
    /// What the successor took.
    HandOverDone(Box<storage::HandOverDone>),
    /// The center's word on the calling machine, to be kept for a center that knows it no more.
    Vouch,
    /// A center without its database takes this machine in again, by the word it once gave.
    Enrol(Vec<u8>),
    /// What a node holds at a place of a group.
    SlotDigests(Box<rebuild::SlotDigests>),
    /// Nodes that said they hold pieces that show a locator.
    Holders(storage::Locator),
    /// An account as it was found in the pool.
    AccountBring(Box<rebuild::AccountBring>),
    /// Locator and wrap of the caller's recovery phrase.
    SlotMine,
    /// Ids of the segments of a bucket's versions.
    SegmentIds(rebuild::SegmentIdsAsk),
    /// Where these segments stand.
    SegmentsFind(Vec<model::SegmentId>),
    /// Changes of a bucket, told again by its owner.
    Replay(Box<rebuild::Replay>),
    /// Data of a fill test to be sent; the key of the endpoint that will send.
    FillAsk(model::NodeId),
    /// What the tested node took.
    FillDone(Box<storage::FillDone>),
    /// Take a job in.
    JobSubmit(Box<compute::JobSubmit>),
    /// The caller's jobs, the newest first.
    JobList,
    /// One of them.
    JobShow(model::JobId),
    /// Hand nothing more of it out.
    JobStop(model::JobId),
    /// Try its failed items again.
    JobRetry(model::JobId),
    /// Its accepted items.
    JobItems(compute::JobItemsAsk),
    /// A node asks for work; the answer may take a minute.
    WorkAsk(Box<compute::WorkAsk>),
    /// What became of work.
    WorkReports(Box<compute::WorkSaid>),
    /// Leases the center does not know.
    LeaseShow(Box<compute::LeaseShow>),
    /// Where the blocks of a stage lie: under a live lease of a later stage.
    JobBlocks(compute::JobItemsAsk),
    /// Which of these jobs still run: a node holds blocks of theirs. At most [`crate::limits::JOBS_LIVE_MAX`].
    JobsLive(Vec<model::JobId>),
    /// Move or set aside credits: a member's signed word ([`crate::signed::Spend`]).
    Spend(Vec<u8>),
    /// An account; none: the caller's.
    Wallet(Option<model::AccountNo>),
    /// The account of a member, by a unique name or the beginning of an id.
    Payee(String),
    /// Lines of an account.
    Statement(ledger::StatementAsk),
    /// Rows of the book behind this place.
    LedgerRows(u64),
    /// How the book stands.
    LedgerState,
    /// What payers signed for at the calling node in one window.
    Settle(Box<settle::SettleBatch>),
    /// Lets a job cost more: in all.
    JobRaise(model::JobId, model::Ucredit),
    /// Prices in force.
    Prices,
    /// Days of the book that have a root, behind this one.
    LedgerDays(Option<u32>),
    /// A line of an account by its place in the book, and what it is made of.
    LedgerLine(Option<model::AccountNo>, u64),
    /// Who served an account, whom it served, which jobs used what.
    LedgerParts(ledger::PartsAsk),
    /// The center's signed word on lines of an account.
    StatementSeal(ledger::SealAsk),
    /// The calling node's signed word on the newest daily root.
    RootSigned(Vec<u8>),
    /// How far a member may owe, and why; the operator also asks about others.
    Limit(Option<model::AccountNo>),
    /// The operator looked at a frozen account, and lets it go on.
    AccountThaw(model::AccountNo),
    /// Leave to use the relay.
    RelayAsk(settle::RelayAsk),
    /// What a session signed for at the relay, with its permit.
    RelaySigned(settle::SettleReceipt),
}

impl Request {
    /// Whether asking the same again, when no answer came, changes nothing that the first time did not: it only reads, or what
    /// it makes is known again by its own id.
    pub const fn may_repeat(&self) -> bool {
        match self {
            Self::Join(_)
            | Self::CheckIn(_)
            | Self::Goodbye(_)
            | Self::Measured(_)
            | Self::ProbePeers(_)
            | Self::TicketCreate(_)
            | Self::TicketRevoke(_)
            | Self::NodeSet(_)
            | Self::Absence(_)
            | Self::BucketRemove(_)
            | Self::StewardAsk(_)
            | Self::StewardDone(_)
            | Self::PiecesLost(_)
            | Self::GrantRevoke(_)
            | Self::UploadAbort(..)
            | Self::AuditAsk(_)
            | Self::AuditDone(_)
            | Self::PiecesDoubted(_)
            | Self::HandOverAsk(_)
            | Self::HandOverDone(_)
            | Self::FillAsk(_)
            | Self::FillDone(_)
            | Self::WorkAsk(_)
            | Self::AccountThaw(_) => false,
            Self::Cloud
            | Self::TicketList
            | Self::MemberList
            | Self::NodeList(_)
            | Self::NodeShow(_)
            | Self::WriteOpen(_)
            | Self::Commit(_)
            | Self::ReadOpen(_)
            | Self::ObjectList(_)
            | Self::BucketMake(_)
            | Self::BucketList
            | Self::BucketShow(_)
            | Self::SegmentsKeep(_)
            | Self::BucketReport(_)
            | Self::CommitBatch(_)
            | Self::Staged(_)
            | Self::GroupLog(_)
            | Self::AccountMake(_)
            | Self::AccountShow
            | Self::DeviceLogPush(_)
            | Self::SlotPut(_)
            | Self::SlotGet(_)
            | Self::PairOpen(..)
            | Self::PairSay(_)
            | Self::PairHear(..)
            | Self::GrantNote(_)
            | Self::GrantList
            | Self::Granted(_)
            | Self::BucketQuota(..)
            | Self::UploadBegin(_)
            | Self::UploadPart(_)
            | Self::UploadList(_)
            | Self::UploadComplete(_)
            | Self::Vouch
            | Self::Enrol(_)
            | Self::SlotDigests(_)
            | Self::Holders(_)
            | Self::AccountBring(_)
            | Self::SlotMine
            | Self::SegmentIds(_)
            | Self::SegmentsFind(_)
            | Self::Replay(_)
            | Self::JobSubmit(_)
            | Self::JobList
            | Self::JobShow(_)
            | Self::JobStop(_)
            | Self::JobRetry(_)
            | Self::JobItems(_)
            | Self::WorkReports(_)
            | Self::LeaseShow(_)
            | Self::JobBlocks(_)
            | Self::JobsLive(_)
            | Self::Spend(_)
            | Self::Wallet(_)
            | Self::Payee(_)
            | Self::Statement(_)
            | Self::LedgerRows(_)
            | Self::LedgerState
            | Self::Settle(_)
            | Self::JobRaise(..)
            | Self::Prices
            | Self::LedgerDays(_)
            | Self::LedgerLine(..)
            | Self::LedgerParts(_)
            | Self::StatementSeal(_)
            | Self::RootSigned(_)
            | Self::Limit(_)
            | Self::RelayAsk(_)
            | Self::RelaySigned(_) => true,
        }
    }
}

/// What the center answers. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; nothing more to say.
    Done,
    /// A lawful no, or a fault of the center.
    Refused(RefusalMsg),
    /// About the cloud.
    Cloud(access::CloudInfo),
    /// Taken in.
    Joined(Box<access::JoinReply>),
    /// Checked in.
    CheckedIn(Box<fleet::CheckInReply>),
    /// Nodes that can help to measure.
    ProbePeers(Vec<fleet::ProbePeer>),
    /// The measurement's consequences.
    Capabilities(Vec<fleet::CapabilityLine>),
    /// A new ticket.
    TicketMade(access::TicketMade),
    /// Tickets.
    Tickets(Vec<access::TicketLine>),
    /// Members.
    Members(Vec<access::MemberLine>),
    /// Nodes.
    Nodes(fleet::NodePage),
    /// One node.
    Node(Box<fleet::NodeDetail>),
    /// Where to write.
    WriteGrant(Box<storage::WriteGrant>),
    /// Committed.
    Committed(storage::Committed),
    /// Where to read.
    ReadGrant(Box<storage::ReadGrant>),
    /// Names.
    Objects(storage::ObjectPage),
    /// Buckets.
    Buckets(Vec<storage::BucketLine>),
    /// Segments are kept, each at its place.
    SegmentsKept(Vec<storage::SegmentRun>),
    /// What a bucket survives; nothing where it has no segments.
    BucketReport(Option<Box<storage::BucketReport>>),
    /// What came of each commit.
    CommitBatch(storage::CommitAnswers),
    /// Work of a steward, where there is any.
    StewardWork(Option<Box<storage::StewardWork>>),
    /// Staged segments in the order asked for.
    Staged(Vec<storage::StagedState>),
    /// Changes of a placement group.
    GroupLog(storage::LogPage),
    /// The caller's account, where it has one.
    Account(Option<Box<account::AccountInfo>>),
    /// What stands at a locator.
    Slot(Box<account::SlotInfo>),
    /// What the other device said, once it did.
    Pair(Option<Vec<u8>>),
    /// Grants that were given.
    Grants(Vec<account::GrantLine>),
    /// Open uploads, or one with its parts.
    Uploads(storage::UploadPage),
    /// An audit to carry out, where there is one.
    AuditWork(Option<Box<storage::AuditWork>>),
    /// How the caller's leaving stands; nothing where it does not leave.
    HandOver(Option<Box<storage::HandOver>>),
    /// The center's word on a machine.
    Vouched(rebuild::Vouched),
    /// So many pieces of a page of digests count now.
    SlotDigests(u16),
    /// Nodes that are on.
    Holders(Vec<crate::addr::PeerAddr>),
    /// Locator and wrap of a recovery phrase, where there is one.
    SlotMine(Option<(storage::Locator, Vec<u8>)>),
    /// Ids of segments.
    SegmentIds(rebuild::SegmentIdsPage),
    /// Each in the order asked for: its place, where it is known.
    SegmentsFound(Vec<Option<(model::PgId, u64)>>),
    /// Where a bucket's chain stands after changes were told again.
    Replayed(crate::signed::Head),
    /// What was handed over counts; true when the slot is its successor's now.
    HandedOver(bool),
    /// Data of a fill test to be sent, where there is any.
    FillWork(Option<Box<storage::FillWork>>),
    /// Jobs.
    Jobs(Vec<compute::JobLine>),
    /// One job.
    Job(Box<compute::JobDetail>),
    /// Accepted items.
    JobItems(compute::JobItemPage),
    /// Work; none where a minute is over without any.
    Work(Vec<compute::WorkLease>),
    /// What became of what was reported.
    WorkTaken(compute::WorkTaken),
    /// Where blocks lie.
    JobBlocks(Box<shuffle::BlocksPage>),
    /// In the order asked for.
    JobsLive(Vec<bool>),
    /// It stands in the book.
    Spent(ledger::Spent),
    /// An account.
    Wallet(Box<ledger::Wallet>),
    /// A member who can be given credits.
    Payee(ledger::Payee),
    /// Lines of an account.
    Statement(Box<ledger::StatementPage>),
    /// Rows of the book.
    LedgerRows(ledger::LedgerPage),
    /// How the book stands.
    LedgerState(Box<ledger::LedgerState>),
    /// A node's batch counts.
    Settled(settle::Settled),
    /// Prices in force.
    Prices(Box<ledger::Prices>),
    /// Days of the book, oldest first.
    LedgerDays(Vec<ledger::DayLine>),
    /// A line, and what it is made of.
    LedgerLine(Box<ledger::LineDetail>),
    /// Most units first.
    LedgerParts(Vec<ledger::PartLine>),
    /// Signed bytes.
    StatementSeal(Vec<u8>),
    /// How far a member may owe, and why.
    Limit(Box<ledger::LimitPage>),
    /// A permit for the relay; none where nothing is owed for it.
    RelayPermit(Option<Vec<u8>>),
}

/// A lawful no: its registered id and the variables of its text, in the reader's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalMsg {
    /// Which.
    pub id: ErrorId,
    /// Variables of the text.
    pub args: BTreeMap<String, String>,
}

/// A reply, or the refusal in its place.
pub type Answer = Result<Reply, RefusalMsg>;

impl RefusalMsg {
    /// A refusal with the given variables.
    pub fn new<const N: usize>(id: ErrorId, args: [(&str, String); N]) -> Self {
        Self { id, args: args.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() }
    }
}

impl Envelope {
    /// A request from the node whose key the connection proves.
    pub const fn new(request: Request) -> Self {
        Self { version: WIRE_VERSION, alias: None, request }
    }

    /// Bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an envelope; a version newer than ours is told apart from garbage by its first field.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        if let Ok((have, _)) = postcard::take_from_bytes::<u16>(bytes)
            && have != WIRE_VERSION
        {
            return Err(WireError::Version { have, need: WIRE_VERSION });
        }
        decode(bytes, Self::max_of(bytes))
    }

    /// Most bytes a request of this kind has, by its first bytes.
    fn max_of(bytes: &[u8]) -> usize {
        let kind_of =
            |bytes: &[u8]| postcard::take_from_bytes::<(u16, Option<Alias>, u32)>(bytes).map(|(head, _)| head.2);
        let settles = bytes.len() > REQUEST_MAX && {
            let one = Self::new(Request::Settle(Box::default())).to_bytes();
            kind_of(bytes).is_ok_and(|kind| kind_of(&one) == Ok(kind))
        };
        if settles { SETTLE_MAX } else { REQUEST_MAX }
    }
}

impl Reply {
    /// Bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a reply.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode(bytes, REPLY_MAX)
    }

    /// The reply, or the refusal as an error.
    pub fn into_answer(self) -> Answer {
        match self {
            Self::Refused(refusal) => Err(refusal),
            reply => Ok(reply),
        }
    }
}
