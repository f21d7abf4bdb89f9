//! What goes into the [`super::Scheduler`] and what comes out.
//!
//! (A) What must outlive the center is a [`Record`], everything else is not. (B) A record says what is so from now on; applying
//! it twice changes nothing. (C) Effects are carried out in order; the records among them are durable before anything else of
//! the same answer is sent.

use super::facts::{JobFacts, Lease, LeaseState, NodeFacts, SlotFacts};
use super::progress::Progress;
use super::record::{Evidence, Record, Standing};
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
    /// Its submitter lets it cost more: fuel of accepted outputs, in all.
    Budget(JobId, u64),
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
