//! For the project's own tests and measurements: a fleet of simulated nodes over the real wire protocol.

pub mod agents;
mod fleet;
mod tally;
