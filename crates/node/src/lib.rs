//! The agent on a PC: session, owner's limits, sensors, piece store, meter.
//!
//! (A) The owner's file and the owner's word are obeyed first and told to the center after; the center can only ask for less.
//! (B) A receipt is given after fsync. (C) Every stream shows a permit, and the node judges it by itself. (D) Nothing here
//! keeps the machine awake.

pub mod agent;
mod audit;
pub mod compute;
pub mod control;
pub mod fill;
pub mod fleet;
pub mod give_way;
mod hand_over;
pub mod machine;
pub mod probe;
pub mod receipts;
pub mod rejoin;
mod roots;
mod serve;
mod session;
mod settle;
mod steward;
pub mod storage;
mod tend;
