//! What the scheduler keeps: records, durable before anything else of the same answer is sent, and what stands in them.

use super::message::ItemResult;
use model::{Alias, FailKind, ItemRef, JobId, JobState, MemberId, Stamp};
use serde::{Deserialize, Serialize};

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
