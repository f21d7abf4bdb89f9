//! A placement group: its words, and who gets its slots (`docs/design/storage.md` §5).
//!
//! A group is an ordered list of slots; the index of a slot is the index of the piece it holds. [`fill()`] chooses holders,
//! [`Coverage`] counts the hours of the week, [`life()`] opens, closes, splits and merges, [`move_step`] moves one slot.

pub mod coverage;
pub mod domain;
pub mod explain;
pub mod fill;
pub mod life;

pub use coverage::Coverage;
pub use domain::{Domain, DomainKind, NetPrefix, RegionRule, Site};
pub use explain::{Pass, Pick, Unfit};
pub use fill::{Candidate, FillAsk, FillPlan, Held, Over, fill};
pub use life::{GroupFacts, LifeAct, MoveStep, life, move_step};

use model::{Alias, Class, PgId, Scheme, Stamp};

/// What a group does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupState {
    /// Takes new segments.
    Open,
    /// At capacity, or its members lend less: no new segments.
    Closed,
    /// Its slots move into another group.
    Merging,
    /// Empty; old addresses redirect for a while.
    Retired,
}

/// What a slot does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotState {
    /// Its holder pulls pieces and serves those it has.
    Filling,
    /// Its holder has the piece of every segment up to the slot's `base_seq`.
    Held,
    /// Its holder is missing or lost its pieces.
    Missing,
    /// Its holder serves while the next one pulls.
    Moving,
    /// Nobody's.
    Free,
}

impl SlotState {
    /// True when somebody holds it and is not missing.
    pub const fn stands(self) -> bool {
        matches!(self, Self::Filling | Self::Held | Self::Moving)
    }
}

/// A placement group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub pg: PgId,
    /// Class of its buckets.
    pub class: Class,
    /// How its segments are cut, for life.
    pub scheme: Scheme,
    /// Number of its plan; older ones are refused.
    pub generation: u32,
    /// Number of its next change: an addition or a drop.
    pub next_seq: u64,
    /// Sealed bytes in it.
    pub bytes: u64,
    /// What it does.
    pub state: GroupState,
}

/// A slot of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its place, and the index of its pieces.
    pub index: u16,
    /// Its holder.
    pub node: Alias,
    /// What it does.
    pub state: SlotState,
    /// It has its piece of every segment up to here, exceptions apart.
    pub base_seq: u64,
    /// In this state since.
    pub since: Stamp,
}

#[cfg(test)]
mod tests;
