//! Which indexes of a group may be given a second time, when no fresh one is left (`docs/design/storage.md` §10)?
//!
//! A group has n_max indexes for life, and each repair takes as many as there are holders gone: with 144 of them a group of
//! 104 wears out within months. What a holder that will not return held is worth nothing under its index, so the index is free.
//!
//! (A) Never an index whose holder stands. (B) First those destroyed or left, by index; then those missing for [`GONE_AFTER`] or
//! longer, the longest first: absences end within three weeks, and whoever is away for longer hardly returns. (C) Those missing for less only where the group is
//! critical or one domain holds nearly all: pieces that stand are worth more than pieces that may return. (D) The piece of an
//! old holder that returns is the same as the new one's: the two are never counted twice. A caller that cannot count the old one's
//! any more must see to it that no segment needs it (a center does, in the store of its rows).

use super::health::{Health, State};
use super::repair::RepairSlot;
use super::scheme::PoolKind;
use model::{Alias, Scheme, Span};

/// Silence after which nobody counts on a holder any more. Nothing is called lost by it ([`super::health::LOST_AFTER`] is for that);
/// with 60 d here a pool that turns over in months has no index left for weeks (`docs/durability.md`).
pub const GONE_AFTER: Span = Span::days(21);

/// (B), (C): how long a holder of a group in this state must have been missing for its index to be given again.
pub fn regive_after(scheme: &Scheme, kind: PoolKind, health: &Health) -> Span {
    let is_wide = health.outside < scheme.k + kind.delta() / 2;
    if health.state == State::Critical || is_wide { Span::ZERO } else { GONE_AFTER }
}

/// Indexes that may be given again, in the order in which they should be: of holders missing for `at_least`, see
/// [`regive_after`]. `away_for` tells for how long a holder has been away.
pub fn regivable(slots: &[RepairSlot<'_>], at_least: Span, away_for: impl Fn(Alias) -> Span) -> Vec<u16> {
    let waits = |slot: &&RepairSlot<'_>| slot.is_destroyed || !slot.state.stands();
    let mut free: Vec<(bool, std::cmp::Reverse<Span>, u16)> = Vec::new();
    for slot in slots.iter().filter(waits) {
        let away = if slot.is_destroyed { Span::ZERO } else { away_for(slot.node.node) };
        if slot.is_destroyed || away >= at_least {
            free.push((!slot.is_destroyed, std::cmp::Reverse(away), slot.index));
        }
    }
    free.sort_unstable();
    free.into_iter().map(|(_, _, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::profile::WeeklyProfile;
    use crate::storage::group::{Candidate, Site, SlotState};
    use crate::storage::scheme::public;
    use model::{Bytes, Class, MemberId, Os, Ppm, Tier};
    use proptest::prelude::*;

    fn slot(index: u16, state: SlotState, is_destroyed: bool, profile: &WeeklyProfile) -> RepairSlot<'_> {
        let site = Site {
            owner: MemberId([0; 16]),
            lan: None,
            prefix: None,
            network: None,
            os: Os::Linux,
            version: 1,
            country: None,
        };
        let node = Candidate {
            node: Alias(index.into()),
            site,
            region: None,
            profile,
            tier: Tier::T2,
            free: Bytes::gib(1),
            quality: Ppm::ONE,
            debt: Ppm::ONE,
            on: false,
            is_flaky: false,
            is_young: false,
            unfit: None,
        };
        RepairSlot { index, node, state, is_destroyed, on_holiday: false }
    }

    #[test]
    fn those_who_left_come_first_and_then_who_is_away_longest() {
        let profile = WeeklyProfile::flat(Ppm::ONE);
        let missing = |index, destroyed| slot(index, SlotState::Missing, destroyed, &profile);
        let slots = [
            slot(0, SlotState::Held, false, &profile),
            missing(1, false),
            missing(2, false),
            missing(3, true),
            missing(4, false),
            slot(5, SlotState::Held, true, &profile),
        ];
        let days = [0, 22, 90, 0, 20, 0];
        let away = |node: Alias| Span::days(days[node.0 as usize]);
        assert_eq!(regivable(&slots, GONE_AFTER, away), [3, 5, 2, 1], "(A), (B)");
        assert_eq!(regivable(&slots, Span::ZERO, away), [3, 5, 2, 1, 4], "(C)");
    }

    #[test]
    fn a_pressing_group_does_not_wait_for_those_who_may_return() {
        let scheme = public(Class::Standard);
        let health =
            |state, outside| Health { state, standing: 90, on: 40, outside, widest: None, repair_at: 80, wanted: 14 };
        let after = |state, outside| regive_after(&scheme, PoolKind::Public, &health(state, outside));
        assert_eq!([after(State::Low, 60), after(State::Low, 35)], [GONE_AFTER, Span::ZERO], "(B), (C)");
        assert_eq!(after(State::Critical, 60), Span::ZERO, "(C)");
    }

    proptest! {
        #[test]
        fn nobody_who_stands_loses_its_index(
            shape in proptest::collection::vec((any::<bool>(), any::<bool>(), 0u64..120), 0..30), critical: bool,
        ) {
            let profile = WeeklyProfile::flat(Ppm::ONE);
            let state = |stands| if stands { SlotState::Held } else { SlotState::Missing };
            let slots: Vec<RepairSlot<'_>> = (0u16..).zip(&shape)
                .map(|(index, (stands, destroyed, _))| slot(index, state(*stands), *destroyed, &profile)).collect();
            let at_least = if critical { Span::ZERO } else { GONE_AFTER };
            for index in regivable(&slots, at_least, |node| Span::days(shape[node.0 as usize].2)) {
                let (stands, destroyed, days) = shape[usize::from(index)];
                prop_assert!(destroyed || !stands, "(A)");
                prop_assert!(destroyed || critical || days >= 21, "(B) (C)");
            }
        }
    }
}
