//! For the project's own tests and measurements: a fleet of simulated nodes over the real wire protocol, and seeded
//! killings of real ones.

pub mod agents;
mod fleet;
pub mod massacre;
pub mod standard;
mod tally;
