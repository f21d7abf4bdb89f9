//! Foreign work on this machine: asked for while the owner lends, run in the sandbox, stored sealed, reported.
//!
//! (A) The owner first: guests halt the moment the owner's loop says so, and nothing is asked for while it does not allow new
//! work. (B) Nothing of a job is kept here longer than its attempt but its modules, in memory. (C) An item is reported as done
//! only after its output is durable. (D) Every wait, queue and retry has a named limit.

mod attempt;
mod guests;
mod input;
mod keeper;
mod output;
mod runner;

pub use guests::Gate;
pub use keeper::Keeper;
pub use runner::{Computing, ComputingParts};
