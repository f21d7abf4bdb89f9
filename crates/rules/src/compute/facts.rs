//! What the scheduler is told of nodes and jobs, and what a lease says.

use model::{Alias, Check, JobId, MemberId, Ppm, Region, Span, Stamp, Trust, TrustSet};
use serde::{Deserialize, Serialize};

/// A node that asks for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its number.
    pub alias: Alias,
    /// Whose machine it is; the owner cluster's first member where several count as one.
    pub owner: MemberId,
    /// Equal for two nodes of one /24 (IPv4) or /48 (IPv6).
    pub network: u64,
    /// Where it stands, if known.
    pub region: Option<Region>,
    /// On since so long.
    pub session_age: Span,
    /// Its speed; 1,000 is the reference PC. 0 counts as 1.
    pub speed_milli: u32,
    /// Whose work it takes.
    pub trusts: TrustSet,
    /// Whether its walls and rank suffice for strangers' work.
    pub may_public: bool,
    /// Longest task its owner's schedule still allows.
    pub longest: Span,
    /// Weight among equally fit nodes, see [`crate::ledger::debt_first::factor`].
    pub weight: Ppm,
}

/// A free place for one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotFacts {
    /// Processor cores.
    pub cores: u8,
    /// Memory.
    pub memory_mib: u32,
    /// Scratch space.
    pub scratch_mib: u32,
}

/// A job as submitted. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFacts {
    /// Its id.
    pub id: JobId,
    /// Who pays, and whose own machines are its self class.
    pub account: MemberId,
    /// Whose machines may run it.
    pub trust: Trust,
    /// How far results are checked; counts for public only.
    pub check: Check,
    /// Three live copies in the tail instead of two.
    pub interactive: bool,
    /// Runs only in these, anywhere if empty.
    pub regions: Vec<Region>,
    /// Nothing runs after it.
    pub deadline: Stamp,
    /// One after the other: each begins when the one before is complete. 1 to [`super::limits::STAGES_MAX`].
    pub stages: Vec<StageFacts>,
    /// Most fuel of accepted outputs, so that it costs no more than its submitter allows; 0: no limit. The shell keeps it: it may be
    /// raised ([`super::Input::Budget`]).
    #[serde(skip)]
    pub budget: u64,
}

/// One stage of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFacts {
    /// Number of items, up to [`super::limits::ITEMS_MAX`].
    pub items: u32,
    /// Memory of an item.
    pub memory_mib: u32,
    /// Scratch space of an item.
    pub scratch_mib: u32,
    /// Whether an item that runs out of memory gets twice as much, once.
    pub grow: bool,
    /// Most fuel of an item; 0: found out with the first items.
    pub fuel_max: u64,
    /// Most wall time of an item.
    pub wall: Span,
    /// Mean input of an item.
    pub bytes_in: u64,
    /// Parts into which outputs are cut for the next stage, whose item p merges part p of all of them; 0: outputs are ordinary
    /// objects. Counts only where the next stage has exactly so many items.
    #[serde(default)]
    pub parts: u32,
}

/// The right to run a task: `count` items from `first` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Number of the attempt: the center's start number in the top 24 bits, so two lives of a center never collide.
    pub serial: u64,
    /// Of which job.
    pub job: JobId,
    /// Of which stage.
    pub stage: u8,
    /// First item.
    pub first: u32,
    /// Number of items, 1 to [`super::limits::BUNDLE_ITEMS`].
    pub count: u16,
    /// Fuel all items are expected to take; 0 where nothing is known yet.
    pub expected_fuel: u64,
    /// Most fuel of one item.
    pub max_fuel: u64,
    /// Memory of one item: more than the stage says on a retry with more.
    pub memory_mib: u32,
    /// Run in the class of deep stacks.
    pub deep_stack: bool,
    /// Ends then, unless a check-in renews it.
    pub not_after: Stamp,
    /// The node stores outputs before it reports and reports only once; otherwise it reports `computed` and is told what to store.
    pub direct: bool,
    /// Part p of each output goes to the p-th of these modulo their number, or to the next one where that is the machine itself.
    /// Empty where outputs are ordinary objects, and where blocks go through storage.
    pub holders: Vec<Alias>,
    /// Blocks go through storage.
    pub spill: bool,
}

/// How a lease stands, as a check-in says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseState {
    /// Which one.
    pub serial: u64,
    /// Items it has finished.
    pub items_done: u16,
    /// Fuel it has used.
    pub fuel: u64,
    /// Its owner is back, the guest stands still.
    pub parked: bool,
}
