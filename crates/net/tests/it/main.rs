//! Two machines on loopback: calls, streams, limits, relay, peers that die and come back. No test needs root or a network.
#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

mod calls;
mod child;
mod hostile;
mod limits;
mod relay;
mod streams;
mod vanish;
mod world;
