//! The owner's side of the agent: what the sensors say, what the owner's file says, and the loop that obeys both
//! (`docs/design/fleet.md` §8, §9). Decisions are `rules::fleet::owner`'s; here stand readings, files and effects.
//!
//! (A) The owner's file and word are obeyed without asking any center. (B) No signal means in use. (C) A file that does
//! not hold leaves the last good one in force and says so. (D) Nothing here keeps the machine awake: no inhibitor, no
//! wake lock, no wake timer is ever taken.

pub mod lendfile;
pub mod owner_loop;
pub mod sensors;
