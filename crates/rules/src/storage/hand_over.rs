//! Who takes over a slot from a node that leaves by itself (`docs/design/storage.md` §12)? The piece keeps its index and goes
//! straight from the one to the other: once over the wire, where a repair reads k times as much.
//!
//! (A) Nobody gets a second slot of a group. (B) A successor that the owner named, its next machine, takes what it may hold;
//! otherwise [`super::group::fill()`] chooses, by the caps and the region rule of a repair. (C) Nobody is a lawful answer: the
//! slot is then missing once the node is gone, and repaired as any other.

use super::group::{Candidate, FillAsk, Held, fill};
use super::repair::{RepairFacts, RepairSlot};
use model::Alias;
use rand_core::Rng;
use std::collections::BTreeSet;

/// Slots of one node that are on their way at a time.
pub const MOVES_MAX: u32 = 64;

/// Chooses who takes slot `index`; `facts` are the group's as for a repair, the leaver's slot among them.
pub fn successor(facts: &RepairFacts<'_>, index: u16, named: Option<Alias>, rng: &mut impl Rng) -> Option<Alias> {
    // (A)
    let had: BTreeSet<Alias> = facts.slots.iter().map(|slot| slot.node.node).collect();
    let new: Vec<Candidate<'_>> = facts.candidates.iter().filter(|c| !had.contains(&c.node)).copied().collect();
    if let Some(named) = named {
        return new.iter().find(|c| c.node == named && c.unfit.is_none()).map(|c| c.node);
    }
    let others = facts.slots.iter().filter(|slot| slot.index != index && slot.stands());
    let held: Vec<Held<'_>> = others.map(|s| Held { index: s.index, node: s.node, on_holiday: s.on_holiday }).collect();
    let open = FillAsk::open(facts.kind, facts.class, facts.scheme, facts.region, facts.slot);
    let want = u16::try_from(held.len() + 1).unwrap_or(u16::MAX);
    let ask = FillAsk { want, ..open.refill(&held) };
    fill(&new, &ask, rng).ok()?.picks.first().map(|pick| pick.node)
}

impl RepairSlot<'_> {
    /// Its piece counts.
    pub(super) fn stands(&self) -> bool {
        self.state.stands() && !self.is_destroyed
    }
}
