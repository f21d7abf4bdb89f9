//! Who takes over a slot from a node that leaves by itself (`docs/design/storage.md` §12)? The piece keeps its index and goes
//! straight from the one to the other: once over the wire, where a repair reads k times as much.
//!
//! (A) Nobody gets a second slot of a group. (B) A successor that the owner named, its next machine, takes what it may hold;
//! otherwise [`super::group::fill()`] chooses, by the caps and the region rule of a repair. (C) Nobody is a lawful answer: the
//! slot is then missing once the node is gone, and repaired as any other.
//!
//! A node whose owner lent more before gives slots away by the same road, [`give_up`]: (D) what stays fits into what is lent, once
//! all that was chosen is gone. (E) As few as needed: none of the chosen could stay as well. (F) Slots of groups that have all they
//! need go before those of others, older groups before younger. (G) Same facts, same answer, and what is on its way stays on it.

use super::group::{Candidate, FillAsk, Held, fill};
use super::repair::{RepairFacts, RepairSlot};
use model::{Alias, Bytes, PgId, Ppm};
use rand_core::Rng;
use std::collections::BTreeSet;

/// Slots of one node that are on their way at a time.
pub const MOVES_MAX: u32 = 64;

/// Of what is lent, so much is filled with pieces by who gives slots away: logs take a little more than what is in them
/// (**assumed**).
pub const FILLED: Ppm = Ppm(950_000);

/// A slot of a node that holds more than its owner lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSlot {
    /// Its group.
    pub pg: PgId,
    /// Its index.
    pub slot: u16,
    /// Bytes of its pieces.
    pub bytes: u64,
    /// As many pieces of its group stand as a repair refills to.
    pub is_covered: bool,
    /// It is on its way to somebody.
    pub is_moving: bool,
}

/// The slots a node gives away, in the order they go, those on their way apart. Nothing where what stays fits.
pub fn give_up(slots: &[OwnSlot], lent: Bytes) -> Vec<(PgId, u16)> {
    let fits = FILLED.of(lent.0);
    let mut stays: u64 = slots.iter().filter(|slot| !slot.is_moving).map(|slot| slot.bytes).sum();
    // (F)
    let mut by_turn: Vec<&OwnSlot> = slots.iter().filter(|slot| !slot.is_moving && slot.bytes > 0).collect();
    by_turn.sort_by_key(|slot| (!slot.is_covered, slot.pg, slot.slot));
    let mut chosen: Vec<&OwnSlot> = Vec::new();
    for slot in by_turn {
        if stays <= fits {
            break;
        }
        stays -= slot.bytes;
        chosen.push(slot);
    }
    // (E) What was taken early may be too small to be needed beside what came later.
    let mut needed = Vec::new();
    for slot in chosen.into_iter().rev() {
        if stays + slot.bytes <= fits {
            stays += slot.bytes;
        } else {
            needed.push((slot.pg, slot.slot));
        }
    }
    needed.reverse();
    needed
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn own(pg: u32, bytes: u64, is_covered: bool) -> OwnSlot {
        OwnSlot { pg: PgId(pg), slot: 0, bytes, is_covered, is_moving: false }
    }

    #[test]
    fn covered_and_old_ones_go_first_and_no_more_than_needed() {
        let slots = [own(3, 40, true), own(1, 40, false), own(2, 40, true)];
        assert_eq!(give_up(&slots, Bytes(200)), []);
        assert_eq!(give_up(&slots, Bytes(100)), [(PgId(2), 0)]);
        assert_eq!(give_up(&slots, Bytes(50)), [(PgId(2), 0), (PgId(3), 0)]);
        assert_eq!(give_up(&slots, Bytes(0)), [(PgId(2), 0), (PgId(3), 0), (PgId(1), 0)]);
        // A small old one stays where a large young one has to go in any case.
        assert_eq!(give_up(&[own(1, 5, true), own(2, 90, true)], Bytes(10)), [(PgId(2), 0)]);
        let moving = OwnSlot { is_moving: true, ..own(2, 40, true) };
        assert_eq!(give_up(&[own(1, 40, true), moving], Bytes(50)), [], "(G) it counts as gone already");
    }

    proptest! {
        #[test]
        fn what_stays_fits_and_nothing_goes_without_need(
            all in proptest::collection::vec((0u64..1_000, any::<bool>(), any::<bool>()), 0..40),
            lent in 0u64..10_000,
        ) {
            let slot = |(pg, (bytes, is_covered, is_moving)): (u32, &(u64, bool, bool))| {
                OwnSlot { is_moving: *is_moving, ..own(pg, *bytes, *is_covered) }
            };
            let slots: Vec<OwnSlot> = (0u32..).zip(&all).map(slot).collect();
            let gone = give_up(&slots, Bytes(lent));
            let (fits, is_gone) = (FILLED.of(lent), |slot: &&OwnSlot| gone.contains(&(slot.pg, slot.slot)));
            let stays: u64 = slots.iter().filter(|slot| !slot.is_moving && !is_gone(slot)).map(|slot| slot.bytes).sum();
            prop_assert!(stays <= fits, "(D) {stays} of {fits}");
            for slot in slots.iter().filter(is_gone) {
                prop_assert!(stays + slot.bytes > fits, "(E) {slot:?} could stay");
                prop_assert!(!slot.is_moving, "(G)");
            }
            let covered = |at: &(PgId, u16)| slots[usize::try_from(at.0.0).unwrap()].is_covered;
            prop_assert!(gone.is_sorted_by_key(|at| (!covered(at), *at)), "(F) {gone:?}");
            prop_assert_eq!(&give_up(&slots, Bytes(lent)), &gone, "(G)");
        }
    }
}
