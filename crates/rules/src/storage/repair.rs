//! Which slots does a group get in place of those whose holders are gone (`docs/design/storage.md` §10)?
//!
//! A new holder gets an index that nobody has had yet: its pieces are made anew as a young segment's are ([`super::expand`]). What
//! the missing one holds stays its own under its own index and counts again when it returns, so that nothing is made twice for
//! a PC that was only away.
//!
//! (A) Nothing is planned for a group that has as many standing slots as its scheme wants, nor for one of which fewer than k
//! stand: there it is waited for whoever returns. (B) In public pools nothing is planned above the repair threshold; in small
//! ones everybody holds a slot anyway, and the first gap is filled. (C) No index is given twice; when all are given, the plan
//! says so and is empty. (D) Who gets a slot, [`super::group::fill()`] says, by the caps and the region rule of a new group.

use super::group::{Candidate, FillAsk, Held, RegionRule, SlotState, fill};
use super::health::{Health, HealthFacts, SlotFacts, State, health};
use super::scheme::PoolKind;
use model::{Alias, Bytes, Class, Scheme, Span};
use rand_core::Rng;
use std::collections::BTreeSet;

/// A slot of the group, with its holder as placement sees it.
#[derive(Debug, Clone, Copy)]
pub struct RepairSlot<'a> {
    /// Its index.
    pub index: u16,
    /// Its holder.
    pub node: Candidate<'a>,
    /// What it does.
    pub state: SlotState,
    /// Its holder is gone with all it held.
    pub is_destroyed: bool,
    /// Its holder is on holiday: it counts for durability, not for coverage.
    pub on_holiday: bool,
}

/// What a repair is planned by.
#[derive(Debug, Clone, Copy)]
pub struct RepairFacts<'a> {
    /// Kind of pool.
    pub kind: PoolKind,
    /// Class of the group's buckets.
    pub class: Class,
    /// The group's scheme.
    pub scheme: Scheme,
    /// Where its pieces may stand.
    pub region: &'a RegionRule,
    /// Room a slot needs.
    pub slot: Bytes,
    /// Every slot the group has given, in order.
    pub slots: &'a [RepairSlot<'a>],
    /// Nodes that may hold one more.
    pub candidates: &'a [Candidate<'a>],
}

/// What is to be done about one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    /// How it is.
    pub health: Health,
    /// Slots it gets, each with an index beyond those given.
    pub added: Vec<(u16, Alias)>,
    /// Slots it lacks still: nobody else may hold one, or no index is left.
    pub unmet: u16,
    /// Every index was given: slots are lacking that can be given to nobody.
    pub is_worn_out: bool,
}

/// Plans the repair of one group. A refusal of the fill is a repair that can add nobody: it is told by `unmet`.
pub fn repair(facts: &RepairFacts<'_>, rng: &mut impl Rng) -> Repair {
    let judged: Vec<SlotFacts> = facts.slots.iter().map(RepairSlot::judged).collect();
    let none = BTreeSet::new();
    // Caps and coverage that the pool cannot meet ask for no slots: only what is gone does.
    let judged = HealthFacts {
        scheme: facts.scheme,
        kind: facts.kind,
        slots: &judged,
        is_covered: true,
        short_for: Span::ZERO,
        unmet: &none,
    };
    let health = health(&judged);
    let mut repair = Repair { health, added: Vec::new(), unmet: health.wanted, is_worn_out: false };
    if !wants_slots(facts.kind, facts.scheme.k, &health) {
        return repair;
    }
    let standing = facts.slots.iter().filter(|slot| slot.stands());
    let held: Vec<Held<'_>> =
        standing.map(|s| Held { index: s.index, node: s.node, on_holiday: s.on_holiday }).collect();
    let ask = FillAsk::open(facts.kind, facts.class, facts.scheme, facts.region, facts.slot).refill(&held);
    // Who has had a slot of this group keeps that one: it comes back to it.
    let had: BTreeSet<Alias> = facts.slots.iter().map(|slot| slot.node.node).collect();
    let new: Vec<Candidate<'_>> = facts.candidates.iter().filter(|c| !had.contains(&c.node)).copied().collect();
    let Ok(plan) = fill(&new, &ask, rng) else { return repair };
    let first = facts.slots.iter().map(|slot| slot.index + 1).max().unwrap_or(0);
    repair.added = (first..facts.scheme.n_max).zip(plan.picks.iter().map(|pick| pick.node)).collect();
    repair.is_worn_out = repair.added.len() < plan.picks.len();
    repair.unmet = health.wanted.saturating_sub(u16::try_from(repair.added.len()).unwrap_or(u16::MAX));
    repair
}

/// (A), (B): whether slots are to be added now.
fn wants_slots(kind: PoolKind, k: u16, health: &Health) -> bool {
    let is_due = kind.waives_tiers() || matches!(health.state, State::Low | State::Critical);
    health.wanted > 0 && health.standing >= k && is_due
}

impl RepairSlot<'_> {
    fn judged(&self) -> SlotFacts {
        SlotFacts {
            node: self.node.node,
            site: self.node.site,
            state: self.state,
            on: self.node.on,
            is_destroyed: self.is_destroyed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::profile::WeeklyProfile;
    use crate::storage::group::Site;
    use crate::storage::scheme::{circle, public};
    use model::{MemberId, Os, Ppm, Tier};
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn candidate(n: u32, profile: &WeeklyProfile) -> Candidate<'_> {
        let mut owner = [0; 16];
        owner[..4].copy_from_slice(&n.to_be_bytes());
        let site = Site {
            owner: MemberId(owner),
            lan: None,
            prefix: None,
            network: Some(n % 30),
            os: Os::ALL[n as usize % 3],
            version: n % 3,
            country: Some([b'a', b'a' + (n % 20) as u8]),
        };
        Candidate {
            node: Alias(n),
            site,
            region: None,
            profile,
            tier: Tier::T3,
            free: Bytes::gib(10),
            quality: Ppm::ONE,
            debt: Ppm::ONE,
            on: true,
            is_flaky: false,
            is_young: false,
            unfit: None,
        }
    }

    fn slot(n: u16, state: SlotState, profile: &WeeklyProfile) -> RepairSlot<'_> {
        let node = candidate(u32::from(n), profile);
        RepairSlot { index: n, node, state, is_destroyed: false, on_holiday: false }
    }

    struct Case {
        kind: PoolKind,
        scheme: Scheme,
        /// Slots given, and which of them are missing.
        given: u16,
        missing: BTreeSet<u16>,
        /// Nodes beside the holders.
        others: u32,
    }

    fn plan(case: &Case, seed: u64) -> Repair {
        let profile = WeeklyProfile::flat(Ppm::ONE);
        let state = |n| if case.missing.contains(&n) { SlotState::Missing } else { SlotState::Held };
        let slots: Vec<RepairSlot<'_>> = (0..case.given).map(|n| slot(n, state(n), &profile)).collect();
        let all = (0..u32::from(case.given) + case.others).map(|n| candidate(n, &profile));
        let candidates: Vec<Candidate<'_>> =
            all.filter(|c| c.node.0 >= u32::from(case.given) || !case.missing.contains(&(c.node.0 as u16))).collect();
        let facts = RepairFacts {
            kind: case.kind,
            class: Class::Standard,
            scheme: case.scheme,
            region: &RegionRule::default(),
            slot: Bytes::mib(64),
            slots: &slots,
            candidates: &candidates,
        };
        repair(&facts, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    fn friends(missing: &[u16], others: u32) -> Case {
        let scheme = circle(8, 8).unwrap();
        Case { kind: PoolKind::Circle, scheme, given: 8, missing: missing.iter().copied().collect(), others }
    }

    #[test]
    fn a_new_friend_takes_up_what_one_who_left_held() {
        let found = plan(&friends(&[2], 1), 1);
        assert_eq!((found.added.as_slice(), found.unmet), (&[(8, Alias(8))][..], 0), "(C) an index nobody had");
        assert_eq!(plan(&friends(&[], 3), 1).added, [], "(A) nothing is missing");
        assert_eq!((plan(&friends(&[2], 0), 1).added, plan(&friends(&[2], 0), 1).unmet), (vec![], 1), "nobody else");
        assert_eq!(plan(&friends(&[1, 2, 3], 2), 1).added.len(), 2, "as many as there are");
        let short = plan(&friends(&[0, 1, 2, 3, 4, 5], 5), 1);
        assert_eq!((short.health.state, short.added.len()), (State::Waiting, 0), "(A) nothing to make pieces of");
    }

    #[test]
    fn indexes_wear_out_and_it_is_said() {
        let case = Case { given: 15, missing: (0..9).collect(), others: 6, ..friends(&[], 0) };
        let found = plan(&case, 1);
        assert_eq!((found.added.as_slice(), found.is_worn_out), (&[(15, Alias(15))][..], true), "(C)");
    }

    #[test]
    fn strangers_are_patient_until_the_threshold() {
        let case = |missing: u16| Case {
            kind: PoolKind::Public,
            scheme: public(Class::Standard),
            given: 104,
            missing: (0..missing).collect(),
            others: 2_000,
        };
        assert_eq!(plan(&case(23), 1).added.len(), 0, "(B) 81 of 104 stand");
        let due = plan(&case(24), 1);
        assert_eq!((due.health.state, due.added.len()), (State::Low, 24), "(B) 80 of 104 stand");
        let indexes: BTreeSet<u16> = due.added.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, (104..128).collect(), "(C)");
    }

    proptest! {
        #[test]
        fn no_plan_gives_an_index_or_a_node_twice(
            given in 3u16..16, missing in proptest::collection::btree_set(0u16..16, 0..12), others in 0u32..12, seed: u64,
        ) {
            let missing: BTreeSet<u16> = missing.into_iter().filter(|n| *n < given).collect();
            let scheme = circle(given.min(11), given.min(11)).unwrap();
            let case = Case { kind: PoolKind::Circle, scheme, given, missing, others };
            let found = plan(&case, seed);
            prop_assert_eq!(&found, &plan(&case, seed));
            let indexes: BTreeSet<u16> = found.added.iter().map(|(index, _)| *index).collect();
            let nodes: BTreeSet<Alias> = found.added.iter().map(|(_, node)| *node).collect();
            prop_assert_eq!((indexes.len(), nodes.len()), (found.added.len(), found.added.len()), "(C)");
            prop_assert!(indexes.iter().all(|index| *index >= given && *index < scheme.n_max), "(C)");
            prop_assert!(nodes.iter().all(|node| node.0 >= u32::from(given)), "who had a slot keeps that one");
            prop_assert!(found.added.len() <= usize::from(found.health.wanted), "(A)");
        }
    }
}
