//! Jobs: taken in, handed out, checked and kept. Every decision is [`rules::compute::Scheduler`]'s; here its inputs are gathered,
//! its records made durable, its answers sent.
//!
//! (A) What a record says is durable before anybody is told what follows from it. (B) No payload, no key and no name in clear of a
//! job comes here. (C) A restart loses no accepted item: jobs and their records make the scheduler anew.

pub mod api;
pub mod blocks;
pub mod board;
pub mod budget;
mod journal;
mod progress;
pub mod store;
pub mod work;

pub use board::Board;
pub use journal::{Journal, Written, run as keep_journal};
