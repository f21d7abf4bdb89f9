//! Storage: by which code a segment is cut, which nodes hold the pieces, what a loss would cost.
//!
//! [`scheme`] says the code for the pool, [`group`] who gets the slots of a placement group, [`writer`] where a gateway
//! writes, [`expand`] who fills up what it wrote, [`log`] when its names are stored beside it, [`read`] where it reads,
//! [`audit`] who is asked whether it holds what it should, [`health`] how a group is, [`repair`] who takes the place of whom,
//! [`regive`] under which index when all are given, [`surge`] what changes when many go at once, [`hand_over`] of one that leaves
//! by itself, [`survives`] what the member is told. [`chance`] counts
//! for all of them.

pub mod audit;
pub mod chance;
pub mod collect;
pub mod expand;
pub mod group;
pub mod hand_over;
pub mod health;
pub mod log;
pub mod read;
pub mod rebuild;
pub mod receipt;
pub mod regive;
pub mod repair;
pub mod scheme;
pub mod scrub;
pub mod surge;
pub mod survives;
pub mod writer;
