//! The fleet at the center: nodes, their presence, what is told about them.

pub mod api;
pub mod chore;
pub mod learn;
pub mod list;
pub mod memory;
pub mod page;
pub mod store;
pub mod surge;
pub mod vet;

/// Hours after which a node of which nothing is known counts as missing (`docs/design/fleet.md` §3).
pub const TAU_START_H: u16 = 72;
/// Where a node's integrity starts: 1,000 good samples, × 2¹⁶ (`docs/design/fleet.md` §7).
pub const ALPHA_START: u32 = 1_000 * 1_000_000;
