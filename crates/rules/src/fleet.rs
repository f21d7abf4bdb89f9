//! The fleet: who is on, what each machine can carry, what its owner allows.

pub mod ask;
pub mod capability;
pub mod down;
pub mod fill_test;
pub mod history;
pub mod integrity;
pub mod lend;
pub mod owner;
pub mod presence;
pub mod profile;
pub mod region;
pub mod tier;
pub mod transfer;
