//! Foreign work on this machine: asked for while the owner lends, run in the sandbox, stored sealed, reported.
//!
//! (A) The owner first: guests halt the moment the owner's loop says so, and nothing is asked for while it does not allow new
//! work. (B) Nothing of a job is kept here longer than its attempt but its modules, in memory, and sealed blocks of its shuffle,
//! until it is over. (C) An item is reported as done only after its output is durable, or, where it is blocks, kept here and
//! pushed to who holds them: those can be made again. (D) Every wait, queue and retry has a named limit.

mod attempt;
mod blocks;
mod guests;
mod input;
mod keeper;
mod leases;
mod output;
mod runner;
mod shuffle;
mod tidy;

pub use blocks::BlockStore;
pub use guests::Gate;
pub use keeper::Keeper;
pub use leases::Leases;
pub use runner::{Computing, ComputingParts};
pub use shuffle::Holding;
pub use tidy::{keep_blocks, open_blocks};
