//! What goes into the [`super::Scheduler`] and what comes out.
//!
//! (A) What must outlive the center is a [`Record`], everything else is not. (B) A record says what is so from now on; applying
//! it twice changes nothing. (C) Effects are carried out in order; the records among them are durable before anything else of
//! the same answer is sent.

use super::facts::{JobFacts, Lease, LeaseState, NodeFacts, SlotFacts};
use super::progress::Progress;
use model::{Alias, FailKind, ItemRef, JobId, JobState, MemberId, Stamp};
use serde::{Deserialize, Serialize};

/// Hash of a result, keyed with the job's check key.
pub type ResultHash = [u8; 32];

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A job begins.
    Submit(JobFacts),
    /// A job that began in an earlier life of the center, with its records in their order.
    Restore(JobFacts, Vec<Record>),
    /// What is known of a node from an earlier life. Comes before the jobs.
    Known {
        /// The node.
        node: Alias,
        /// How it stood.
        standing: Standing,
    },
    /// Its submitter stops it.
    Stop(JobId),
    /// Failed items are tried again, with all their strikes back; a pause for failures ends.
    Retry(JobId),
    /// A pause for failures ends, failed items stay failed.
    Resume(JobId),
    /// Whether anybody who holds its key can be reached.
    Keeper {
        /// The job.
        job: JobId,
        /// Reachable.
        on: bool,
    },
    /// A node has room. It is answered by [`Effect::Grant`] or [`Effect::Empty`], at once or later; a newer request of the
    /// same node empties the older one.
    Ask {
        /// Number of the request, the shell's.
        ask: u64,
        /// Who asks.
        node: NodeFacts,
        /// Room for how many tasks, at most [`super::limits::SLOTS_MAX`].
        slots: Vec<SlotFacts>,
    },
    /// A parked request is over: its time has passed or its link died.
    Unpark {
        /// Which.
        ask: u64,
    },
    /// A node says what came of a lease.
    Report {
        /// The node.
        node: Alias,
        /// What.
        report: Report,
    },
    /// A node says what it runs: renews these leases. Of nodes that [`super::Scheduler::awaits`] also when it runs nothing.
    CheckIn {
        /// The node.
        node: Alias,
        /// All its leases.
        leases: Vec<LeaseState>,
    },
    /// A node shows a valid permit for a lease this scheduler does not know.
    Announce {
        /// Who shows it: that of the permit.
        node: NodeFacts,
        /// The permit's body.
        lease: Lease,
    },
    /// A node's stream has been lost for [`super::limits::SUSPECT`].
    Suspect {
        /// The node.
        node: Alias,
    },
    /// It is there again.
    Back {
        /// The node.
        node: Alias,
    },
    /// It goes: everything it had is handed out anew at once.
    Goodbye {
        /// The node.
        node: Alias,
    },
    /// The moment that was asked for has come.
    Tick,
}

/// The result of one item, as its node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemResult {
    /// The item's number in its stage.
    pub item: u32,
    /// Hash of exit code, output and files.
    pub hash: ResultHash,
    /// Steps it took.
    pub fuel: u64,
    /// Bytes of output.
    pub bytes: u64,
    /// What was run: keyed hash of engine, module, arguments and inputs. Results of other inputs say nothing of each other.
    pub of: ResultHash,
}

/// What a node says of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Items are computed; nothing is stored yet. Answered by [`Effect::Verdicts`].
    Computed {
        /// Of which lease.
        serial: u64,
        /// Results, at most [`super::limits::BUNDLE_ITEMS`].
        items: Vec<ItemResult>,
    },
    /// Items are computed and their outputs stored. Answered by [`Effect::Taken`].
    Done {
        /// Of which lease.
        serial: u64,
        /// Results, at most [`super::limits::BUNDLE_ITEMS`].
        items: Vec<ItemResult>,
    },
    /// One item failed. Answered, as all that follow, by [`Effect::Noted`].
    Failed {
        /// Of which lease.
        serial: u64,
        /// Which item.
        item: u32,
        /// How.
        kind: FailKind,
        /// Exit code, trap or hash of the text: equal where two machines failed alike.
        detail: u64,
        /// Steps until then.
        fuel: u64,
    },
    /// Its owner is back: the attempt stands still.
    Parked {
        /// Which lease.
        serial: u64,
    },
    /// The node gives the rest of a lease back.
    Over {
        /// Which lease.
        serial: u64,
    },
    /// The node gives a lease back that merges parts: blocks of these items of the stage before are to be had nowhere.
    Missing {
        /// Which lease.
        serial: u64,
        /// Stage of the items.
        stage: u8,
        /// Items, at most [`super::limits::MISSING_MAX`].
        items: Vec<u32>,
    },
}

/// What a node does with an output it computed. A checker hears the same words as the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Store it, then report `done`.
    Store,
    /// Forget it; the work counts.
    Drop,
    /// It does not count.
    Refused(Refused),
}

/// What becomes of a stored output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    Accepted,
    /// Another one is; this one may be forgotten.
    Duplicate,
    /// It does not count.
    Refused(Refused),
}

/// Why a report of an item does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The lease is not known here: show its permit, then report again.
    UnknownLease,
    /// The lease is another node's.
    NotYours,
    /// The lease does not hold this item.
    NotInLease,
    /// Another result than the one it said before.
    Contradicts,
    /// The job is over.
    JobOver,
    /// The item has been given up.
    GivenUp,
    /// This node's results do not count any more.
    Quarantined,
}

/// Why a node is no longer trusted: what it said of an item and what others found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which item.
    pub item: ItemRef,
    /// Whose result it was.
    pub node: Alias,
    /// The attempt that was wrong.
    pub serial: u64,
    /// What it said.
    pub said: ItemResult,
    /// What the others found.
    pub found: ItemResult,
    /// Those who found it.
    pub by: Vec<Alias>,
    /// When that was clear.
    pub at: Stamp,
}

/// What a node's results are worth.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Checks passed in a row.
    pub validated: u32,
    /// Out of public computing since, with the reason.
    pub quarantined: Option<Evidence>,
}

/// What must be durable before anything else of the same answer is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Items below `end` may have been handed out.
    Cursor {
        /// Of which job.
        job: JobId,
        /// Of which stage.
        stage: u8,
        /// End of what is reserved.
        end: u32,
    },
    /// Most fuel of an item, found out with the first ones.
    FuelMax {
        /// Of which job.
        job: JobId,
        /// Of which stage.
        stage: u8,
        /// The limit.
        fuel: u64,
    },
    /// A result that is compared with others: a check has been drawn or is under way.
    Voted {
        /// Which item.
        item: ItemRef,
        /// Whose result.
        vote: Vote,
    },
    /// An item has its output: the first, or a better one in place of a wrong one.
    Done {
        /// Which item.
        item: ItemRef,
        /// Whose result.
        vote: Vote,
        /// How far it is checked.
        checked: Checked,
    },
    /// Results of so many owners agree with an item's output.
    Verified {
        /// Which item.
        item: ItemRef,
        /// Number of results that agree.
        copies: u8,
    },
    /// No machine was left to check an item: its output stands unchecked.
    Waived {
        /// Which item.
        item: ItemRef,
    },
    /// An attempt failed.
    Strike {
        /// Which item.
        item: ItemRef,
        /// How.
        strike: Strike,
    },
    /// An item is given up.
    Failed {
        /// Which item.
        item: ItemRef,
        /// Why.
        kind: FailKind,
        /// Exit code or the like of the last attempt.
        detail: u64,
        /// Attempts it had.
        attempts: u8,
    },
    /// An item's output is in doubt, because its node lied elsewhere or what it was made from was wrong: it is run again.
    Reopened {
        /// Which item.
        item: ItemRef,
        /// Whether the output it had is still compared.
        compared: bool,
    },
    /// Results of circle machines differ, or anybody's were made from other inputs: nobody is blamed, all are told.
    Differ {
        /// What one said and others found.
        evidence: Evidence,
    },
    /// Failed items of a job are tried again.
    Retried {
        /// The job.
        job: JobId,
    },
    /// What a job does.
    State {
        /// The job.
        job: JobId,
        /// Its state.
        state: JobState,
    },
    /// Too many of its first items failed (`true`), or its submitter lets it go on.
    ManyFailed {
        /// The job.
        job: JobId,
        /// Whether it waits for that.
        paused: bool,
    },
    /// What a node's results are worth. Belongs to the node, not to a job.
    Standing {
        /// The node.
        node: Alias,
        /// From now on.
        standing: Standing,
    },
    /// Everything before this, in short: see [`super::Scheduler::fold`].
    Folded {
        /// The job.
        job: JobId,
        /// The stage.
        stage: u8,
        /// What it came to.
        fold: Fold,
    },
    /// Who holds the blocks of a stage, part by part.
    Holders {
        /// The job.
        job: JobId,
        /// The stage whose outputs they are.
        stage: u8,
        /// Part p lies with the p-th modulo their number.
        nodes: Vec<Alias>,
    },
    /// Blocks of a stage go through storage from now on.
    Spill {
        /// The job.
        job: JobId,
        /// The stage whose outputs they are.
        stage: u8,
        /// The first attempt whose blocks lie there.
        from: u64,
    },
    /// Blocks of these items are to be had nowhere: the items are run again, and what they came to must come out again.
    Rerun {
        /// The job.
        job: JobId,
        /// The stage.
        stage: u8,
        /// Which time of this stage.
        wave: u32,
        /// Items.
        items: Vec<u32>,
    },
    /// A node has been given work of a job: after a restart it is asked what it still runs.
    Worker {
        /// The job.
        job: JobId,
        /// The node.
        node: Alias,
    },
}

impl Record {
    /// The job whose record this is; none for a node's.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Cursor { job, .. }
            | Self::FuelMax { job, .. }
            | Self::Retried { job }
            | Self::State { job, .. }
            | Self::ManyFailed { job, .. }
            | Self::Folded { job, .. }
            | Self::Holders { job, .. }
            | Self::Spill { job, .. }
            | Self::Rerun { job, .. }
            | Self::Worker { job, .. } => Some(*job),
            Self::Voted { item, .. }
            | Self::Done { item, .. }
            | Self::Verified { item, .. }
            | Self::Waived { item }
            | Self::Strike { item, .. }
            | Self::Failed { item, .. }
            | Self::Reopened { item, .. } => Some(item.job),
            Self::Differ { evidence } => Some(evidence.item.job),
            Self::Standing { .. } => None,
        }
    }
}

/// How far an output is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checked {
    /// It is not, and nobody is asked to.
    Not,
    /// Another result is waited for.
    Drawn,
    /// As far as its job asks.
    Enough,
}

/// One result of one item, with all that comparing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose.
    pub node: Alias,
    /// That node's owner.
    pub owner: MemberId,
    /// That node's network.
    pub network: u64,
    /// That node's region.
    pub region: Option<model::Region>,
    /// The attempt.
    pub serial: u64,
    /// What it said.
    pub result: ItemResult,
    /// Checks that node had passed in a row by then.
    pub validated: u32,
    /// When it was said.
    pub at: Stamp,
}

/// One failed attempt of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// Which node.
    pub node: Alias,
    /// Whose.
    pub owner: MemberId,
    /// How.
    pub kind: FailKind,
    /// Exit code or the like.
    pub detail: u64,
    /// Steps until then.
    pub fuel: u64,
    /// When.
    pub at: Stamp,
}

/// A stage in short.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fold {
    /// End of what is reserved.
    pub cursor: u32,
    /// Most fuel of an item; 0 while it is not known.
    pub fuel_max: u64,
    /// A bit an item: it has its output.
    pub done: Vec<u64>,
    /// A bit an item: it is checked as far as the job asks.
    pub verified: Vec<u64>,
    /// Fuel of all outputs.
    pub fuel: u64,
    /// Bytes of all outputs.
    pub bytes: u64,
    /// Largest fuel of an item.
    pub largest: u64,
    /// Checks waived.
    pub waived: u32,
    /// Who holds its blocks.
    pub holders: Vec<Alias>,
    /// The first attempt whose blocks lie in storage.
    pub spill: Option<u64>,
    /// Waves in which lost blocks were made again.
    pub waves: u32,
    /// Whose blocks count, where outputs are cut into parts.
    pub kept: Vec<Accepted>,
}

/// The result that counts of an item whose output is cut into parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Whose, which attempt, and what it said.
    pub vote: Vote,
    /// While it is run again because its blocks are lost: it was checked as far as its job asks.
    pub was_verified: bool,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Work for a node; the request is answered.
    Grant {
        /// Which request.
        ask: u64,
        /// Whose.
        node: Alias,
        /// At most [`super::limits::GRANTS_MAX`].
        leases: Vec<Lease>,
    },
    /// No work: the request is answered.
    Empty {
        /// Which request.
        ask: u64,
    },
    /// Answer to `computed`, item by item in the order of the report.
    Verdicts {
        /// Who reported.
        node: Alias,
        /// On which lease.
        serial: u64,
        /// Item and verdict.
        verdicts: Vec<(u32, Verdict)>,
    },
    /// Answer to `done`, item by item in the order of the report.
    Taken {
        /// Who reported.
        node: Alias,
        /// On which lease.
        serial: u64,
        /// Item and what became of it.
        taken: Vec<(u32, Taken)>,
    },
    /// Answer to the other reports.
    Noted {
        /// Who reported.
        node: Alias,
        /// On which lease.
        serial: u64,
    },
    /// A check-in names a lease that is not known here: the node shows its permit, then [`Input::Announce`] comes.
    Show {
        /// The node.
        node: Alias,
        /// Which lease.
        serial: u64,
    },
    /// A lease is over; the node stops what it runs under it.
    Cancel {
        /// The node.
        node: Alias,
        /// Which lease.
        serial: u64,
    },
    /// Durable first.
    Record(Record),
    /// A node is out of public computing.
    Quarantine {
        /// The node.
        node: Alias,
        /// Whose.
        owner: MemberId,
        /// Why.
        why: Evidence,
    },
    /// An output that had been given out was wrong; this one stands in its place.
    Replaced {
        /// Which item.
        item: ItemRef,
        /// The right result.
        result: ItemResult,
        /// The attempt whose stored output counts now.
        serial: u64,
        /// Whose.
        node: Alias,
    },
    /// A job is over.
    JobEnded {
        /// Which.
        job: JobId,
        /// How.
        state: JobState,
        /// What came of it.
        progress: Box<Progress>,
    },
    /// A job that ended is forgotten here: nothing of it can be run again unless its member asks. These records take the place of all
    /// it had, in one commit; [`Input::Restore`] makes the same job of them.
    Folded {
        /// Which.
        job: JobId,
        /// All that is left to keep, see [`super::Scheduler::fold`].
        records: Vec<Record>,
    },
    /// For the ledger.
    Pay(Pay),
    /// Call again with [`Input::Tick`] then, unless something happens before.
    WakeAt(Stamp),
}

/// What one accepted result does to the ledger. Nobody applies it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pay {
    /// What.
    pub act: PayAct,
    /// Who worked.
    pub node: Alias,
    /// That node's owner, who earns.
    pub owner: MemberId,
    /// For which item.
    pub item: ItemRef,
    /// The attempt.
    pub serial: u64,
    /// Steps.
    pub fuel: u64,
    /// Bytes of output.
    pub bytes: u64,
}

/// Stages of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PayAct {
    /// Accepted; waits for a check or a day.
    Pending,
    /// Final.
    Post,
    /// Proved wrong, or its node was found lying while it waited.
    Forfeit,
}
