//! A deterministic world: virtual time, churn and faults around the real rules.
//!
//! One thread, one heap of (virtual ms, sequence), one seed. `(commit, scenario, seed, size)` is everything a run depends
//! on; the trace hash tells two runs apart (`docs/design/testing.md` §4).
//!
//! | part | what it gives |
//! |---|---|
//! | [`seed`] | one seed, a stream by name for every purpose |
//! | [`world`] | the clock, the plan, the loop: generic over the events of a [`world::Scene`] |
//! | [`trace`] | BLAKE3 over every event and effect |
//! | [`hosts`], [`avt`] | when hosts are on: published laws, mixes, layers; recorded traces |
//! | [`fabric`], [`faults`] | the network; which faults a seed switches on |
//! | [`center`] | what a center keeps: ordered maps with begin, commit and crash |
//! | [`scene`] | the scenarios: what is driven and which invariants are checked |
//! | [`check`] | violations, figures, outcomes |
//!
//! A new subject (durability, compute, economy) is one more file in [`scene`]: its own event type, a `Scene` that drives
//! its rules with the same world, hosts and fabric, its changes as one more [`center::Change`], and a row in
//! [`scene::SCENARIOS`]. The engine knows nothing of fleets.
//!
//! Draws use the platform's `ln`, `exp` and `cos`: hashes are equal on one platform, not promised across two.

pub mod avt;
pub mod center;
pub mod check;
pub mod fabric;
pub mod faults;
pub mod hosts;
pub mod scene;
pub mod seed;
pub mod trace;
pub mod world;

pub use check::{Figure, Outcome, Violation};
pub use seed::{Draw, Seed};
