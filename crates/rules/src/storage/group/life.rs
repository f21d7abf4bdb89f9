//! When groups open, close, split and merge, and how one slot moves (`docs/design/storage.md` §5).
//!
//! (A) A group at capacity or whose members lend less is closed. (B) There is room: an open group is asked for while
//! too few are open or too little room is left, one at a time. (C) A merge takes two closed groups of one class and scheme
//! that fit into one; no group is in two acts. (D) A slot's `base_seq` never goes back, and its old holder is let go only
//! when the new one has everything. (E) At most one slot of a group moves at a time.

use super::{GroupState, Slot, SlotState};
use crate::storage::scheme::PoolKind;
use model::{Bytes, Class, PgId, Ppm, Scheme, Span};
use std::collections::BTreeSet;

/// Room of a slot.
pub const SLOT: Bytes = Bytes::gib(1);
/// Most sealed bytes of a group in small pools.
pub const SMALL_GROUP_MAX: Bytes = Bytes::gib(8);
/// Open groups of a class in a big pool.
pub const OPEN_MIN: usize = 4;
/// Least room of the open groups together.
pub const ROOM_MIN: Ppm = Ppm::percent(20);
/// Fill below which a closed group may merge.
pub const MERGE_BELOW: Ppm = Ppm::percent(25);
/// Time for which addresses of a merged group redirect.
pub const REDIRECT: Span = Span::days(60);

/// Sealed bytes a group takes: a slot each for k data pieces, 1 … 8 GiB in small pools.
pub fn capacity(kind: PoolKind, scheme: &Scheme) -> Bytes {
    let whole = u64::from(scheme.k) * SLOT.0;
    Bytes(if kind == PoolKind::Public { whole } else { whole.min(SMALL_GROUP_MAX.0) })
}

/// A group as its life is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its number.
    pub pg: PgId,
    /// Its class.
    pub class: Class,
    /// Its scheme.
    pub scheme: Scheme,
    /// What it does.
    pub state: GroupState,
    /// Sealed bytes in it, and those leased to writers.
    pub bytes: Bytes,
    /// Members lend less than the group takes of them.
    pub has_shrunk: bool,
    /// Its members and scheme are those that would be chosen now; a circle opens a new group when they are not.
    pub is_current: bool,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeAct {
    /// Open a group of the class.
    Create(Class),
    /// Take no new segments.
    Close(PgId),
    /// Close, and shed slots to other nodes.
    Split(PgId),
    /// Move the slots of `from` into `into`.
    Merge {
        /// The smaller one.
        from: PgId,
        /// The one that stays.
        into: PgId,
    },
}

/// What to do with the groups of one class.
pub fn life(kind: PoolKind, class: Class, groups: &[GroupFacts]) -> Vec<LifeAct> {
    let mut acts = Vec::new();
    let mut open: Vec<&GroupFacts> = Vec::new();
    for group in groups.iter().filter(|g| g.class == class && g.state == GroupState::Open) {
        if group.has_shrunk {
            acts.push(LifeAct::Split(group.pg));
        } else if group.bytes >= capacity(kind, &group.scheme) || !group.is_current {
            acts.push(LifeAct::Close(group.pg));
        } else {
            open.push(group);
        }
    }
    if lacks_room(kind, &open) {
        acts.push(LifeAct::Create(class));
    }
    acts.extend(merges(kind, class, groups));
    acts
}

/// (B) Fewer open than wanted, or less than a fifth of their room left.
fn lacks_room(kind: PoolKind, open: &[&GroupFacts]) -> bool {
    let wanted = if kind == PoolKind::Public { OPEN_MIN } else { 1 };
    let room: u64 = open.iter().map(|g| capacity(kind, &g.scheme).0).sum();
    let used: u64 = open.iter().map(|g| g.bytes.0).sum();
    // A small pool has everybody in one group: the next one opens when this one is full.
    open.len() < wanted || kind == PoolKind::Public && room.saturating_sub(used) < ROOM_MIN.of(room)
}

/// (C) Pairs of small closed groups, smallest first.
fn merges(kind: PoolKind, class: Class, groups: &[GroupFacts]) -> Vec<LifeAct> {
    let small = |g: &&GroupFacts| {
        g.class == class && g.state == GroupState::Closed && g.bytes.0 < MERGE_BELOW.of(capacity(kind, &g.scheme).0)
    };
    let mut small: Vec<&GroupFacts> = groups.iter().filter(small).collect();
    small.sort_by_key(|g| (g.bytes, g.pg));
    let mut paired: BTreeSet<PgId> = BTreeSet::new();
    let mut acts = Vec::new();
    for (at, from) in small.iter().enumerate() {
        let is_mate = |into: &&&GroupFacts| into.scheme == from.scheme && !paired.contains(&into.pg);
        if paired.contains(&from.pg) {
            continue;
        }
        if let Some(into) = small[at + 1..].iter().find(is_mate) {
            paired.extend([from.pg, into.pg]);
            acts.push(LifeAct::Merge { from: from.pg, into: into.pg });
        }
    }
    acts
}

/// Next step of a slot on its way to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStep {
    /// The new holder pulls the pieces of these changes, in order: after `after`, up to and with `up_to`.
    Pull {
        /// The last one it has.
        after: u64,
        /// The last one there is.
        up_to: u64,
    },
    /// It has everything: the slot is its, with this `base_seq`, and the old holder is let go.
    Switch {
        /// The new value.
        base_seq: u64,
    },
}

/// How a moving slot goes on, when the new holder has reported every change up to `pulled` (0: none yet) and the group's
/// next change is `next_seq`.
pub fn move_step(slot: &Slot, pulled: u64, next_seq: u64) -> MoveStep {
    let last = next_seq.saturating_sub(1);
    let has = pulled.min(last);
    if has >= last && has >= slot.base_seq {
        MoveStep::Switch { base_seq: has }
    } else {
        MoveStep::Pull { after: has, up_to: last.max(slot.base_seq) }
    }
}

/// (E) Whether a move may begin in a group with these slots.
pub fn may_move(slots: &[Slot]) -> bool {
    slots.iter().all(|slot| slot.state != SlotState::Moving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::scheme::{circle, public};
    use model::{Alias, Stamp};

    fn group(pg: u32, state: GroupState, percent: u32) -> GroupFacts {
        let scheme = public(Class::Standard);
        let bytes = Bytes(Ppm::percent(percent).of(Bytes::gib(32).0));
        GroupFacts { pg: PgId(pg), class: Class::Standard, scheme, state, bytes, has_shrunk: false, is_current: true }
    }

    fn acts(groups: &[GroupFacts]) -> Vec<LifeAct> {
        life(PoolKind::Public, Class::Standard, groups)
    }

    #[test]
    fn a_group_is_a_slot_for_each_data_piece() {
        assert_eq!(capacity(PoolKind::Public, &public(Class::Eco)), Bytes::gib(32));
        assert_eq!(capacity(PoolKind::Circle, &circle(8, 8).unwrap()), Bytes::gib(3));
        assert_eq!(capacity(PoolKind::Neighborhood, &crate::storage::scheme::neighborhood(96, 99)), Bytes::gib(8));
    }

    #[test]
    fn four_open_groups_with_room_are_enough() {
        let four: Vec<GroupFacts> = (0..4).map(|i| group(i, GroupState::Open, 79)).collect();
        assert_eq!(acts(&four), [], "(B)");
        assert_eq!(acts(&four[1..]), [LifeAct::Create(Class::Standard)], "(B) too few");
        let tight: Vec<GroupFacts> = (0..4).map(|i| group(i, GroupState::Open, 81)).collect();
        assert_eq!(acts(&tight), [LifeAct::Create(Class::Standard)], "(B) too little room");
        assert_eq!(life(PoolKind::Public, Class::Eco, &four), [LifeAct::Create(Class::Eco)], "each class its own");
    }

    #[test]
    fn full_and_shrunk_groups_close() {
        let mut groups: Vec<GroupFacts> = (0..6).map(|i| group(i, GroupState::Open, 10)).collect();
        groups[0].bytes = Bytes::gib(32);
        groups[1].has_shrunk = true;
        assert_eq!(acts(&groups), [LifeAct::Close(PgId(0)), LifeAct::Split(PgId(1))], "(A)");
        let stale = GroupFacts { is_current: false, ..group(7, GroupState::Open, 10) };
        let acts = life(PoolKind::Circle, Class::Standard, &[stale]);
        assert_eq!(acts, [LifeAct::Close(PgId(7)), LifeAct::Create(Class::Standard)], "the circle has changed");
    }

    #[test]
    fn small_closed_groups_merge_in_pairs() {
        let mut groups: Vec<GroupFacts> = (0..4).map(|i| group(i, GroupState::Open, 10)).collect();
        groups.extend([(10, 24), (11, 3), (12, 5), (13, 30)].map(|(pg, fill)| group(pg, GroupState::Closed, fill)));
        assert_eq!(acts(&groups), [LifeAct::Merge { from: PgId(11), into: PgId(12) }], "(C) 24 % finds no mate");
        groups[5].scheme = public(Class::Eco);
        assert_eq!(acts(&groups), [LifeAct::Merge { from: PgId(12), into: PgId(10) }], "(C) one scheme");
    }

    #[test]
    fn a_slot_moves_when_the_new_holder_has_everything() {
        let slot = Slot { index: 3, node: Alias(1), state: SlotState::Moving, base_seq: 7, since: Stamp::EPOCH };
        assert_eq!(move_step(&slot, 0, 10), MoveStep::Pull { after: 0, up_to: 9 });
        assert_eq!(move_step(&slot, 8, 10), MoveStep::Pull { after: 8, up_to: 9 }, "(D)");
        assert_eq!(move_step(&slot, 9, 10), MoveStep::Switch { base_seq: 9 }, "(D)");
        assert_eq!(
            move_step(&slot, 99, 10),
            MoveStep::Switch { base_seq: 9 },
            "no report is believed beyond the group"
        );
        assert!(!may_move(&[slot]) && may_move(&[Slot { state: SlotState::Held, ..slot }]), "(E)");
    }
}
