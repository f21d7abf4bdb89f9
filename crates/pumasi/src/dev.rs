//! For the project's own tests and measurements: a fleet of simulated nodes over the real wire protocol, and seeded
//! killings of real ones, and everything at once that may break.

pub mod agents;
pub mod chaos;
mod fleet;
pub mod massacre;
pub mod standard;
mod tally;
pub mod workers;
