//! The agent on a PC: session, owner's limits, sensors, piece store, meter.

pub mod storage;
