//! Computing: which items run where, what becomes of lost ones, whose result stands (`docs/design/compute.md`).
//!
//! [`Scheduler`] is the machine that decides everything about the live jobs of a center: a shell keeps its [`Record`]s, then
//! sends its other [`Effect`]s. [`facts`] says what it is told of nodes and jobs, [`message`] what goes in and comes out,
//! [`limits`] names every limit. [`progress`] is what a
//! member reads.

pub mod facts;
pub mod limits;
pub mod message;
pub mod progress;
pub mod scheduler;

pub use facts::{JobFacts, Lease, LeaseState, NodeFacts, SlotFacts, StageFacts};
pub use message::{
    Checked, Effect, Evidence, Fold, Input, ItemResult, Pay, PayAct, Record, Refused, Report, ResultHash, Standing,
    Strike, Taken, Verdict, Vote,
};
pub use progress::{Failure, Progress, StageProgress, Waiting, WhyNot};
pub use scheduler::Scheduler;
