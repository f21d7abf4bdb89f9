//! Compute's messages: jobs and their progress, work asked for and reported, and what a node asks of who keeps a job's keys
//! (`docs/design/compute.md` §4, §10).
//!
//! The center sees sizes, counts, steps and keyed hashes; links, arguments and names travel from keeper to node only.

use crate::addr::PeerAddr;
use crate::envelope::RefusalMsg;
use model::compute::{Check, FailKind, JobKind, JobState, Partitioning, Trust};
use model::{Alias, BucketId, JobId, NodeId, Region, Span, Stamp, Ucredit};
use serde::{Deserialize, Serialize};

/// A job as its member hands it in. What it runs and reads, the center is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSubmit {
    /// Client-made; the same id again is the same job.
    pub id: JobId,
    /// What it is.
    pub kind: JobKind,
    /// Its name, sealed for its member.
    pub label: Vec<u8>,
    /// Whose machines may run it.
    pub trust: Trust,
    /// How results are held against each other.
    pub check: Check,
    /// Somebody waits: more copies in the tail.
    pub is_interactive: bool,
    /// Only machines of these regions; empty: anywhere.
    pub regions: Vec<Region>,
    /// Nothing is handed out after this.
    pub deadline: Stamp,
    /// In order; each begins when the one before is complete.
    pub stages: Vec<JobStage>,
    /// Bucket of the results: the caller's own.
    pub bucket: BucketId,
    /// Machines that hold its keys, at most [`crate::limits::KEEPERS_MAX`].
    pub keepers: Vec<NodeId>,
    /// Engine, profile and host it runs on, the first 16 bytes of its name.
    pub engine: [u8; 16],
    /// Most it may cost; 0: as the cloud sets it.
    pub max_credits: Ucredit,
}

/// One stage of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStage {
    /// Items.
    pub items: u32,
    /// Memory of one attempt in MiB.
    pub memory_mib: u32,
    /// Scratch and output on disk in MiB.
    pub scratch_mib: u32,
    /// Steps an item may take; 0: found from the first ones.
    pub fuel_max: u64,
    /// Wall time an item may take.
    pub wall: Span,
    /// Bytes an item reads, on average.
    pub bytes_in: u64,
}

/// A job in its member's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLine {
    /// Which.
    pub id: JobId,
    /// What it is.
    pub kind: JobKind,
    /// Its name, sealed for its member.
    pub label: Vec<u8>,
    /// How it stands.
    pub state: JobState,
    /// Whose machines.
    pub trust: Trust,
    /// How it is checked.
    pub check: Check,
    /// When it was handed in.
    pub at: Stamp,
    /// When it ended, if it did.
    pub ended: Option<Stamp>,
    /// Items in all stages.
    pub items: u64,
    /// Items done.
    pub done: u64,
    /// Items given up.
    pub failed: u64,
    /// Bucket of its results.
    pub bucket: BucketId,
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDetail {
    /// As in the list.
    pub line: JobLine,
    /// Its stages.
    pub stages: Vec<StageDetail>,
    /// Attempts that run now.
    pub running: u32,
    /// Machines they run on.
    pub nodes: u32,
    /// Items handed out again because a machine went, parked too long, or lost them.
    pub moved: u64,
    /// Tasks begun a second time elsewhere because they took too long or their machine did not answer.
    pub copies: u64,
    /// Items tried again because they failed.
    pub retried: u64,
    /// Items held against a second result.
    pub checked: u64,
    /// Steps of accepted results.
    pub fuel: u64,
    /// Steps of copies, checks and what was lost.
    pub fuel_extra: u64,
    /// Expected until the end, where that can be said.
    pub eta: Option<Span>,
    /// Why nothing is handed out, as key of a sentence with its variables; empty while it is.
    pub waits: Vec<Waits>,
    /// Machines whose results were wrong, with what shows it.
    pub liars: Vec<Liar>,
    /// Machines that said something else than others and are not blamed: of a circle, or given other inputs than the rest.
    pub differ: Vec<Liar>,
    /// Items given up, the first of them, at most [`crate::limits::FAILURES_MAX`].
    pub failures: Vec<ItemFailure>,
    /// Until when results are handed out.
    pub deadline: Stamp,
    /// Most it may cost; 0 where nothing limits it.
    pub max_credits: Ucredit,
    /// What accepted results come to, those of one's own machines too, which cost nothing.
    pub worth: Ucredit,
}

/// One stage as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDetail {
    /// Items.
    pub items: u32,
    /// Done.
    pub done: u32,
    /// Of those: held against a second result and found equal, or needing none.
    pub verified: u32,
    /// Given up.
    pub failed: u32,
    /// Handed out now.
    pub running: u32,
}

/// One reason why a job waits, with how many machines it keeps out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Key of the sentence.
    pub why: String,
    /// Machines.
    pub nodes: u32,
}

/// A machine whose result was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liar {
    /// Number.
    pub node: Alias,
    /// As its owner calls it.
    pub name: String,
    /// Which item showed it: stage and item.
    pub stage: u8,
    /// See above.
    pub item: u32,
    /// What it said: hash and steps.
    pub said: ([u8; 32], u64),
    /// What others said.
    pub others: ([u8; 32], u64),
}

/// An item that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemFailure {
    /// Stage.
    pub stage: u8,
    /// Item.
    pub item: u32,
    /// Why, the last time.
    pub kind: FailKind,
    /// Tries.
    pub tries: u16,
}

/// Asks for accepted items of a stage: of one's own job, or under a live lease of a later stage of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobItemsAsk {
    /// The job.
    pub job: JobId,
    /// Its stage.
    pub stage: u8,
    /// Those after this one.
    pub after: Option<u32>,
    /// At most so many, at most [`crate::limits::PAGE_MAX`].
    pub limit: u16,
}

/// Accepted items in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobItemPage {
    /// Rows.
    pub items: Vec<JobItem>,
    /// More follow.
    pub more: bool,
}

/// An accepted item. To a worker of a later stage only number and attempt are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobItem {
    /// Its number.
    pub item: u32,
    /// Attempt whose output counts.
    pub serial: u64,
    /// Machine that made it.
    pub node: Alias,
    /// Hash of the result, under a key the center does not have.
    pub hash: [u8; 32],
    /// Steps.
    pub fuel: u64,
    /// Bytes of its output.
    pub bytes: u64,
    /// Another machine found the same, or nobody need.
    pub verified: bool,
}

/// A node asks for work and waits for it, a minute at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkAsk {
    /// Key of the endpoint it fetches with: permits are for it alone.
    pub session: NodeId,
    /// Free places, at most [`crate::limits::SLOTS_MAX`].
    pub slots: Vec<FreeSlot>,
    /// Whose work its owner takes, as bits by [`Trust`]'s number.
    pub trusts: u8,
    /// Level of its walls.
    pub walls: u8,
    /// Engines it runs, at most [`crate::limits::ENGINES_MAX`].
    pub engines: Vec<[u8; 16]>,
    /// Since when it is on without a break.
    pub session_age: Span,
    /// Longest task its owner's hours still allow.
    pub longest: Span,
}

/// A lease as a check-in tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTold {
    /// Which.
    pub serial: u64,
    /// Items finished.
    pub items: u16,
    /// Steps done.
    pub fuel: u64,
    /// The owner is back: it stands still.
    pub parked: bool,
}

/// A node shows leases that a center does not know, perhaps because it was started anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseShow {
    /// Who shows them.
    pub node: WorkAsk,
    /// Body and permit of each, at most [`crate::limits::SLOTS_MAX`].
    pub leases: Vec<(Vec<u8>, Vec<u8>)>,
}

/// One free place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeSlot {
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Disk in MiB.
    pub scratch_mib: u32,
}

/// Work, with leave to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkLease {
    /// What is to be run: [`crate::signed::LeaseBody`].
    pub body: Vec<u8>,
    /// Permit of op `task` whose target is the hash of the body.
    pub permit: Vec<u8>,
    /// How long it holds without being renewed.
    pub life: Span,
    /// Who keeps the job's keys and is on.
    pub keepers: Vec<PeerAddr>,
    /// Whose work it is.
    pub trust: Trust,
    /// Memory of an item in MiB.
    pub memory_mib: u32,
    /// Run in the class of deep stacks.
    pub deep_stack: bool,
    /// Who holds the parts of what it makes: part `p` goes to `p` modulo their number. Empty where they are stored instead, or
    /// where there are no parts. None for one that is not there.
    pub holders: Vec<Option<PeerAddr>>,
    /// Parts go through storage.
    pub spill: bool,
}

/// What a node says of one lease. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkReport {
    /// These were computed; answered by what to do with each.
    Computed(u64, Vec<ItemResult>),
    /// These were stored.
    Done(u64, Vec<ItemResult>),
    /// This one failed.
    Failed(u64, ItemTrouble),
    /// The owner came back: it waits.
    Parked(u64),
    /// What is left of it is given back.
    Over(u64),
    /// Blocks of these items of this earlier stage are nowhere to be had; the lease is given back. At most
    /// [`crate::limits::MISSING_MAX`].
    Missing(u64, u8, Vec<u32>),
}

/// A result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemResult {
    /// Item.
    pub item: u32,
    /// Hash under the job's check key of exit code and outputs.
    pub hash: [u8; 32],
    /// Steps.
    pub fuel: u64,
    /// Bytes of output.
    pub bytes: u64,
    /// Hash under the same key of engine, module, arguments, variables, seed and inputs: what was run.
    pub of: [u8; 32],
}

/// A failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemTrouble {
    /// Item.
    pub item: u32,
    /// What kind.
    pub kind: FailKind,
    /// Exit code, or the beginning of a hash of what was said; tells alike from unlike.
    pub detail: u64,
    /// Steps until then.
    pub fuel: u64,
}

/// What becomes of a reported item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemFate {
    /// Store it.
    Store,
    /// It is not needed.
    Drop,
    /// It counts.
    Accepted,
    /// It was there already.
    Duplicate,
    /// It does not count: the lease is not this node's, or is over.
    Refused,
    /// The lease is not known: it is to be shown, then this told again.
    Unknown,
}

/// Reports with a node's word for them. Signed together: one signature, however many items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkSaid {
    /// At most [`crate::limits::REPORTS_MAX`].
    pub reports: Vec<WorkReport>,
    /// Signature of the node's machine over [`crate::signed::work`] of the reports; empty where no result is among them.
    pub signature: Vec<u8>,
}

/// Answers to reports of one call, in order; each with the fates of its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkTaken {
    /// Per report, per item.
    pub fates: Vec<Vec<ItemFate>>,
}

/// Asks a keeper for what the items of a lease are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelAsk {
    /// The lease.
    pub lease: Vec<u8>,
    /// Its permit.
    pub permit: Vec<u8>,
    /// The caller has the job's brief.
    pub knows_brief: bool,
}

/// A keeper's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParcelAnswer {
    /// No.
    Refused(RefusalMsg),
    /// Here they are.
    Parcels(Box<Parcels>),
}

/// What a node needs to run the items of one lease. Never seen by the center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcels {
    /// What is the same for all items of the stage; none where the caller has it.
    pub brief: Option<Box<Brief>>,
    /// Links (`pmg1…`) to read by; items name them by place.
    pub links: Vec<String>,
    /// One per item, in order.
    pub items: Vec<Parcel>,
}

/// What is the same for all items of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Link to the folder of the job's modules.
    pub modules: String,
    /// Module of the stage.
    pub module: ModuleRef,
    /// Run over each part of a mapper's output, if anything is.
    pub combine: Option<ModuleRef>,
    /// Keyed hashes of results are made with this.
    pub check_key: [u8; 32],
    /// What the guest may use.
    pub limits: GuestLimits,
    /// How inputs reach the guest.
    pub input: InputForm,
    /// What becomes of its standard output.
    pub output: OutputForm,
    /// Items of the stage, for guests that want to know.
    pub count: u32,
    /// Guests are told their number.
    pub tells_index: bool,
    /// Keys of parts' blocks are made from it; only where the output is parted.
    pub shuffle: Option<[u8; 32]>,
}

/// A module with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRef {
    /// Name of the object below the folder of modules.
    pub name: String,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Seed of the guest's randomness.
    pub seed: [u8; 32],
}

/// What a guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestLimits {
    /// Linear memory.
    pub memory_bytes: u64,
    /// Standard output, and likewise files of `/out`.
    pub output_bytes: u64,
    /// Files of `/tmp`.
    pub scratch_bytes: u64,
    /// Wall time.
    pub wall: Span,
    /// Kept end of standard error.
    pub stderr_bytes: u64,
}

/// How inputs reach a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputForm {
    /// There are none.
    None,
    /// One after the other on standard input.
    Stdin,
    /// As files below `/in`.
    Files,
    /// Lines of a split, on standard input.
    Lines,
    /// Records of all blocks of a part, merged, on standard input.
    Merged {
        /// Stage whose accepted items made the blocks.
        stage: u8,
        /// Items of that stage.
        items: u32,
    },
}

/// What becomes of a guest's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputForm {
    /// It is the item's output, where the guest wrote no files to `/out`.
    Whole,
    /// Parted by key and sorted, one object a part.
    Parts(Partitioning),
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Its number.
    pub item: u32,
    /// The number its guest is told, where it is told one: that among all its member meant, also those that were known already.
    pub number: u32,
    /// What it reads.
    pub inputs: Vec<PartOf>,
    /// Where its output goes: place of a link, and the folder below which its attempts lie.
    pub out: (u16, String),
    /// Places of links to write a mapper's blocks by, one a part; empty where the link of `out` reaches them.
    pub parts: Vec<u16>,
    /// Key of the blocks it merges, where it merges any.
    pub block_key: Option<[u8; 32]>,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// Place of the link that reads it.
    pub link: u16,
    /// Name in its bucket.
    pub name: String,
    /// Name of the file it becomes, where it becomes one.
    pub file: String,
    /// From this byte …
    pub from: u64,
    /// … to before this one; 0: to the end.
    pub to: u64,
}
