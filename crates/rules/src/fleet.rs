//! The fleet: who is on, what each machine can carry, what its owner allows.

pub mod lend;
pub mod owner;
pub mod presence;
pub mod transfer;
