//! Computing: which items run where, what becomes of lost ones, whose result stands (`docs/design/compute.md`).
//!
//! [`Scheduler`] is the machine that decides everything about the live jobs of a center: a shell keeps its [`Record`]s, then
//! sends its other [`Effect`]s. [`facts`] says what it is told of nodes and jobs, [`message`] what goes in and comes out,
//! [`limits`] names every limit. [`quorum`] judges results, [`survival`] says how likely a PC stays on, [`shuffle`] where
//! blocks lie between map and reduce, [`progress`] is what a
//! member reads.

mod attempt;
mod bits;
mod choose;
pub mod facts;
mod item;
mod job;
mod judge;
mod law;
pub mod limits;
pub mod message;
pub mod progress;
mod query;
pub mod quorum;
mod ready;
mod record;
mod report;
mod restart;
pub mod scheduler;
pub mod shuffle;
mod stage;
pub mod survival;
#[cfg(test)]
mod tests;

pub use facts::{JobFacts, Lease, LeaseState, NodeFacts, SlotFacts, StageFacts};
pub use message::{Effect, Input, ItemResult, Pay, PayAct, Refused, Report, ResultHash, Taken, Verdict};
pub use progress::{Failure, Progress, StageProgress, Waiting, WhyNot};
pub use record::{Accepted, Checked, Evidence, Fold, Record, Standing, Strike, Vote};
pub use scheduler::Scheduler;
pub use shuffle::Shuffle;
