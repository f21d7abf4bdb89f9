//! Leave to read that this session was given: the center signs it once per group, not once per object.

pub(crate) mod pay;

use crate::Client;
use model::{NodeId, PgId, Span};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use wire::limits::KNOWN_GROUPS_MAX;
use wire::signed::Permit;
use wire::storage::{ReadGroup, Slot};

/// A group is named as known while its permits hold at least so long.
const GOOD_FOR: Span = Span::hours(1);

/// A group's permits.
struct Group {
    generation: u64,
    until: model::Stamp,
    permits: BTreeMap<NodeId, Vec<u8>>,
}

/// Permits to read by group, at most [`KNOWN_GROUPS_MAX`] groups, and what was signed under them.
#[derive(Default)]
pub(crate) struct Permits {
    groups: BTreeMap<PgId, Group>,
    payers: pay::Payers,
}

impl Client {
    /// Groups whose permits are at hand, with their generations.
    pub(crate) fn known_groups(&self) -> Vec<(PgId, u64)> {
        let until = self.now() + GOOD_FOR;
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        permits.groups.retain(|_, group| group.until > until);
        permits.groups.iter().map(|(pg, group)| (*pg, group.generation)).collect()
    }

    /// Keeps the permits that came with groups.
    pub(crate) fn learn_groups(&self, groups: &[ReadGroup]) {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups {
            let of = |slot: &Slot| Permit::parse(&slot.permit).ok().map(|p| (slot.addr.id, p.not_after));
            let Some(until) = group.slots.iter().filter_map(of).map(|(_, until)| until).min() else { continue };
            if permits.groups.len() >= KNOWN_GROUPS_MAX && !permits.groups.contains_key(&group.pg) {
                permits.groups.pop_first();
            }
            let by_node = group.slots.iter().map(|slot| (slot.addr.id, slot.permit.clone())).collect();
            permits.groups.insert(group.pg, Group { generation: group.generation, until, permits: by_node });
        }
    }

    /// The permit that came with a slot, or the one at hand for its holder.
    pub(crate) fn permit_for(&self, pg: PgId, slot: &Slot) -> Vec<u8> {
        if !slot.permit.is_empty() {
            return slot.permit.clone();
        }
        let permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        permits.groups.get(&pg).and_then(|group| group.permits.get(&slot.addr.id)).cloned().unwrap_or_default()
    }

    /// A holder refused a permit: those of its group are asked for anew.
    pub(crate) fn forget_group(&self, pg: PgId) {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner).groups.remove(&pg);
    }
}
