//! The fleet at the center: nodes, their presence, what is told about them.

pub mod api;
pub mod chore;
pub mod list;
pub mod memory;
pub mod page;
pub mod store;

/// Where a node's integrity starts: 1,000 good samples, × 2¹⁶ (`docs/design/fleet.md` §7).
pub const ALPHA_START: u32 = 1_000 << 16;
