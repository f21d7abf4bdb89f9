//! What a member reads of a job, and why it waits.

use super::record::Evidence;
use model::{Alias, FailKind, ItemRef, JobId, JobPause, JobState, Span};

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which job.
    pub job: JobId,
    /// What it does.
    pub state: JobState,
    /// Why it hands out nothing new.
    pub pauses: Vec<JobPause>,
    /// Stage by stage.
    pub stages: Vec<StageProgress>,
    /// Nodes that run something of it now.
    pub nodes: u32,
    /// Attempts that failed and were tried again.
    pub retried: u32,
    /// Attempts that were lost and moved to another node.
    pub moved: u32,
    /// Copies started because a task took too long.
    pub copies: u32,
    /// Fuel of all accepted outputs.
    pub fuel: u64,
    /// Fuel of checks and of outputs that were dropped or wrong.
    pub extra_fuel: u64,
    /// Expected until its end, at the pace of what runs now.
    pub eta: Option<Span>,
    /// Nodes found lying in it, at most [`super::limits::LISTED_MAX`].
    pub liars: Vec<(Alias, Evidence)>,
    /// Circle machines whose results differ, and any that were given other inputs than the rest.
    pub differ: Vec<Evidence>,
    /// Items given up, at most [`super::limits::LISTED_MAX`].
    pub failures: Vec<Failure>,
}

/// How a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageProgress {
    /// All items.
    pub items: u32,
    /// With an output.
    pub done: u32,
    /// Checked as far as the job asks.
    pub checked: u32,
    /// Handed out now.
    pub running: u32,
    /// Given up.
    pub failed: u32,
    /// Waiting to be handed out.
    pub unsent: u32,
    /// With an output that is being compared.
    pub checking: u32,
    /// Whose check no machine was left to do.
    pub waived: u32,
}

/// An item that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub item: ItemRef,
    /// Why.
    pub kind: FailKind,
    /// Exit code or the like.
    pub detail: u64,
    /// Attempts it had.
    pub attempts: u8,
}

/// Why a job waits for machines: of the nodes that are there, how many cannot take its next item, by first reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Nodes that are there.
    pub considered: u32,
    /// Of these, suitable ones.
    pub suitable: u32,
    /// Of these, with a free slot now.
    pub free: u32,
    /// Owners of suitable nodes.
    pub owners: u32,
    /// Owners its checks need.
    pub owners_needed: u32,
    /// The others.
    pub unfit: Vec<(WhyNot, u32)>,
}

/// Why a node cannot take an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyNot {
    /// Its owner takes no work of this class, or it is not the submitter's.
    Trust,
    /// Its walls or its rank do not suffice for strangers' work.
    Walls,
    /// It was found lying.
    Quarantined,
    /// It stands in another region.
    Region,
    /// Its free slots have too little memory.
    Memory,
    /// Its free slots have too little scratch space.
    Scratch,
    /// Its owner's schedule ends sooner.
    Schedule,
    /// It has not been on long enough for so long a task.
    TooYoung,
    /// Its owner, or its network or region where these must differ, has a copy already.
    SameOwner,
    /// It has failed this item.
    Failed,
    /// Its owner has its share of the job.
    OwnerShare,
    /// Its link is lost.
    Suspect,
}
