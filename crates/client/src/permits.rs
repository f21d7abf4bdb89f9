//! Leave to read that this session was given: the center signs it once per group, cut to what is read, not once per object.

pub(crate) mod pay;

use crate::Client;
use model::{NodeId, PgId, Span};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use wire::limits::KNOWN_GROUPS_MAX;
use wire::signed::Permit;
use wire::storage::{ReadGroup, Slot};

/// A group is named as known while its permits hold at least so long …
const GOOD_FOR: Span = Span::mins(10);
/// … and while less than three of so many parts of what one of them allows were asked for.
const PARTS: u64 = 4;
/// What is asked for where leave was used up: so many times what it was.
const GROWTH: u64 = 4;

/// One holder's permit.
struct Held {
    bytes: Vec<u8>,
    serial: [u8; 16],
    /// Bytes it allows.
    units: u64,
}

/// A group's permits.
struct Group {
    generation: u64,
    until: model::Stamp,
    permits: BTreeMap<NodeId, Held>,
    /// More leave was needed than is left, so many bytes at one holder.
    wish: Option<u64>,
}

/// Permits to read by group, at most [`KNOWN_GROUPS_MAX`] groups, and what was asked and signed under them.
#[derive(Default)]
pub(crate) struct Permits {
    groups: BTreeMap<PgId, Group>,
    payers: pay::Payers,
}

impl Permits {
    fn asked(&self, serial: &[u8; 16]) -> u64 {
        self.payers.get(serial).map_or(0, |count| count.asked())
    }

    fn has_left(&self, group: &Group) -> bool {
        group.permits.values().all(|held| self.asked(&held.serial) / (PARTS - 1) <= held.units / PARTS)
    }

    /// Groups whose permits hold beyond a moment, with their generations; and how much leave to ask for at each holder of others.
    fn known(&mut self, until: model::Stamp) -> (Vec<(PgId, u64)>, u64) {
        self.groups.retain(|_, group| group.until > until);
        let is_known = |group: &Group| group.wish.is_none() && self.has_left(group);
        let (known, others): (Vec<_>, Vec<_>) = self.groups.iter().partition(|(_, group)| is_known(group));
        let units = others.iter().filter_map(|(_, group)| group.wish).max().unwrap_or(0);
        let known = known.into_iter().map(|(pg, group)| (*pg, group.generation)).collect();
        // Asked for once: what else is read meanwhile shall not be covered as widely.
        self.groups.values_mut().filter(|group| group.wish.is_some()).for_each(|group| group.wish = Some(0));
        (known, units)
    }
}

impl Client {
    /// Groups whose permits are at hand, with their generations; and how much leave to ask for at each holder of others.
    pub(crate) fn known_groups(&self) -> (Vec<(PgId, u64)>, u64) {
        let until = self.now() + GOOD_FOR;
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        permits.known(until)
    }

    /// Keeps the permits that came with groups, and takes them out: what is read is read under the newest ones.
    pub(crate) fn learn_groups(&self, groups: &mut [ReadGroup]) {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups {
            let held = |slot: &mut Slot| {
                let bytes = std::mem::take(&mut slot.permit);
                let permit = Permit::parse(&bytes).ok()?;
                let units = permit.max_units.min(permit.max_units_node);
                Some((permit.not_after, (slot.addr.id, Held { bytes, serial: permit.serial, units })))
            };
            let all: Vec<_> = group.slots.iter_mut().filter_map(held).collect();
            let Some(until) = all.iter().map(|(until, _)| *until).min() else { continue };
            if permits.groups.len() >= KNOWN_GROUPS_MAX && !permits.groups.contains_key(&group.pg) {
                permits.groups.pop_first();
            }
            let by_node = all.into_iter().map(|(_, held)| held).collect();
            let group_permits = Group { generation: group.generation, until, permits: by_node, wish: None };
            permits.groups.insert(group.pg, group_permits);
        }
    }

    /// The permit that came with a slot, or the one at hand for its holder.
    pub(crate) fn permit_for(&self, pg: PgId, slot: &Slot) -> Vec<u8> {
        if !slot.permit.is_empty() {
            return slot.permit.clone();
        }
        let permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        let held = permits.groups.get(&pg).and_then(|group| group.permits.get(&slot.addr.id));
        held.map(|held| held.bytes.clone()).unwrap_or_default()
    }

    /// Whether leave at hand is enough to read so many bytes at each of these holders. Where it is not, more is asked for next.
    pub(crate) fn has_leave(&self, pg: PgId, holders: &[Slot], bytes: u64) -> bool {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = permits.groups.get(&pg) else { return false };
        let is_enough = |held: &Held| permits.asked(&held.serial).saturating_add(bytes) <= held.units;
        let has = |slot: &Slot| group.permits.get(&slot.addr.id).is_some_and(is_enough);
        if holders.iter().all(has) {
            return true;
        }
        if let Some(group) = permits.groups.get_mut(&pg) {
            let most = group.permits.values().map(|held| held.units).max().unwrap_or(0);
            group.wish = Some(bytes.max(most.saturating_mul(GROWTH)));
        }
        false
    }

    /// A holder refused a permit: those of its group are asked for anew.
    pub(crate) fn forget_group(&self, pg: PgId) {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = permits.groups.get_mut(&pg) {
            group.wish = Some(group.wish.unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(wish: Option<u64>) -> Group {
        Group { generation: 3, until: model::Stamp(9), permits: BTreeMap::new(), wish }
    }

    #[test]
    fn more_leave_is_asked_for_once_and_makes_no_later_read_dear() {
        let groups = [(1, None), (2, Some(64 << 20)), (3, Some(5))].map(|(pg, wish)| (PgId(pg), group(wish))).into();
        let mut permits = Permits { groups, ..Permits::default() };
        let at = model::Stamp(8);
        assert_eq!(permits.known(at), (vec![(PgId(1), 3)], 64 << 20), "one large read");
        assert_eq!(permits.known(at), (vec![(PgId(1), 3)], 0), "others, before its permits came");
        permits.groups.insert(PgId(2), group(None));
        assert_eq!(permits.known(at), (vec![(PgId(1), 3), (PgId(2), 3)], 0));
        assert_eq!(permits.known(model::Stamp(9)), (Vec::new(), 0), "their time is over");
    }
}
