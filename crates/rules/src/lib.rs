//! Every decision, pure: facts, time and randomness in, plans and refusals out.
//!
//! One file per decision, by subject. A decision is a function `facts, ask, rng → Result<Plan, Refusal>` or a machine
//! `handle(now, input) → effects`. Nothing here reads a clock, a file or a socket, and nothing here logs: a decision
//! returns why. Each file opens with its properties (A), (B) …, which its tests cite.

pub mod access;
pub mod compute;
pub mod fleet;
pub mod ledger;
pub mod refusal;
pub mod storage;

pub use refusal::Refusal;
