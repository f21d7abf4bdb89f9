//! Runs foreign WebAssembly under limits, and nothing else does.
//!
//! An [`Attempt`] goes in, an [`Outcome`] comes out, and on the way [`Progress`]. In between stands one child process per
//! attempt or bundle of up to [`ITEMS_MAX`] items, and one more where the module was not compiled before. The child raises the
//! [`walls`] of its system around itself before it gets a foreign byte, says how high they stand, and gets none if they are too
//! low for whose work it is. It computes while nobody else wants to.
//!
//! - (A) Same module, arguments, inputs and seed: same bytes, same steps, on every machine with the same [`engine_id`].
//! - (B) A guest has no file, socket, clock or randomness of the machine; what it may import is a list, [`OFFERED`].
//! - (C) Everything has a limit, [`Limits`], and reaching it has a name of its own, [`End`].
//! - (D) Compiled code is made here, kept here and never taken from elsewhere.
//!
//! Not here yet: a cgroup, an own user, walls of other systems. Guests to try it with: [`samples`].

mod attempt;
mod cache;
pub mod child;
mod folder;
mod frame;
mod guest;
mod host;
mod profile;
mod runner;
mod running;
pub mod samples;
mod trusted;
pub mod walls;
mod weights;

pub use attempt::{
    ARGS_BYTES_MAX, ARGS_MAX, Attempt, AttemptError, BadAttempt, BadModule, End, INPUTS_MAX, ITEMS_MAX, Item, Limits,
    MIB, MODULE_BYTES_MAX, Outcome, Progress, Trust,
};
pub use cache::{CACHE_BYTES, Cache, CodeKey};
pub use profile::{ENGINE_VERSION, OFFERED, PROFILE, engine_id};
pub use runner::Runner;
pub use running::Handle;
