//! Which nodes hold a placement group. For now a circle: one group of everybody (`docs/design/DESIGN.md` §4.1).
//!
//! (A) No node stands twice. (B) The scheme is the circle's for the nodes that fit (at most [`CIRCLE_MAX`]), and there are exactly
//! `scheme.slots` of them. (C) A second node of an owner gets a slot only when every owner has one, and so on.
//! (D) Same facts, ask and seed, same plan; slots are in order of alias. (E) No more than [`CIRCLE_MAX`] slots.
//!
//! The short form of [`group::fill()`] for callers that know only owners and who is on; public pools need the long one.

use super::group::{self, FillAsk, RegionRule, Site, fill};
use super::scheme::{self, PoolKind, circle};
use crate::Refusal;
use crate::fleet::profile::WeeklyProfile;
use model::{Alias, Bytes, Class, MemberId, Os, Ppm, Scheme, Tier, errors};
use rand_core::Rng;
use std::collections::BTreeMap;

/// Most nodes of a circle's placement group.
pub const CIRCLE_MAX: usize = scheme::CIRCLE_MAX as usize;

/// A node as placement sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub alias: Alias,
    /// Whose it is.
    pub owner: MemberId,
    /// Capable of `store`, not quarantined, has not left.
    pub fit: bool,
    /// On at this moment.
    pub on: bool,
    /// On at least 95 % of the time.
    pub always_on: bool,
}

/// What placement knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaceFacts {
    /// Every node of the cloud.
    pub nodes: Vec<Candidate>,
}

/// What is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceAsk {
    /// Name of the class, for the refusal's sentence.
    pub class: String,
    /// Fewest nodes worth a group; 1 takes whoever is there.
    pub nodes_min: u16,
}

/// A placement group to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacePlan {
    /// How its segments are cut.
    pub scheme: Scheme,
    /// Holders, slot 0 first.
    pub slots: Vec<Alias>,
    /// Most slots that one owner got; above `o − k` this owner alone can lose a segment, and `status` says so.
    pub widest_owner_count: u16,
}

/// Chooses the holders of one placement group. E0306 when fewer than `nodes_min` nodes fit.
pub fn place(facts: &PlaceFacts, ask: &PlaceAsk, rng: &mut impl Rng) -> Result<PlacePlan, Refusal> {
    let fit: BTreeMap<Alias, Candidate> = facts.nodes.iter().filter(|c| c.fit).map(|c| (c.alias, *c)).collect();
    let need = usize::from(ask.nodes_min.max(1));
    if fit.len() < need {
        let live = facts.nodes.iter().filter(|c| c.on).count();
        let refusal = Refusal::new(errors::TOO_FEW_NODES).with("class", &ask.class).with("need", need);
        return Err(refusal.with("live", live).with("fit", fit.len()));
    }
    let members = u16::try_from(fit.len().min(CIRCLE_MAX)).expect("at most CIRCLE_MAX");
    let mut chosen = best(&fit, members, rng)?;
    let always_on = u16::try_from(chosen.iter().filter(|c| c.always_on).count()).expect("no more than chosen");
    let scheme = circle(members, always_on).expect("1 to CIRCLE_MAX members");
    // The last chosen go first.
    chosen.truncate(usize::from(scheme.slots));
    Ok(finish(scheme, &chosen))
}

/// The best `members` of them in the order of [`group::fill()`]: owners take turns, those always on first within a turn.
fn best(fit: &BTreeMap<Alias, Candidate>, members: u16, rng: &mut impl Rng) -> Result<Vec<Candidate>, Refusal> {
    let (always, now_and_then) = (WeeklyProfile::flat(Ppm::ONE), WeeklyProfile::flat(Ppm::percent(50)));
    let candidate = |c: &Candidate| group::Candidate {
        node: c.alias,
        site: Site { owner: c.owner, lan: None, prefix: None, network: None, os: Os::Other, version: 0, country: None },
        region: None,
        profile: if c.always_on { &always } else { &now_and_then },
        tier: Tier::T2,
        free: Bytes(0),
        quality: Ppm::ONE,
        debt: Ppm::ONE,
        on: c.on,
        is_flaky: false,
        is_young: false,
        unfit: None,
    };
    let candidates: Vec<group::Candidate<'_>> = fit.values().map(candidate).collect();
    let everybody = circle(members, members).expect("1 to CIRCLE_MAX members");
    let rule = RegionRule::default();
    let ask = FillAsk::open(PoolKind::Circle, Class::Standard, everybody, &rule, Bytes(0));
    let plan = fill(&candidates, &ask, rng)?;
    Ok(plan.picks.iter().map(|pick| fit[&pick.node]).collect())
}

/// Puts the slots in order of alias.
fn finish(scheme: Scheme, chosen: &[Candidate]) -> PlacePlan {
    let mut owned: BTreeMap<MemberId, u16> = BTreeMap::new();
    for c in chosen {
        *owned.entry(c.owner).or_default() += 1;
    }
    let mut slots: Vec<Alias> = chosen.iter().map(|c| c.alias).collect();
    slots.sort_unstable();
    debug_assert_eq!(slots.len(), usize::from(scheme.slots), "(B)");
    PlacePlan { scheme, slots, widest_owner_count: owned.into_values().max().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn node(alias: u32, owner: u8) -> Candidate {
        Candidate { alias: Alias(alias), owner: MemberId([owner; 16]), fit: true, on: true, always_on: true }
    }

    fn ask(nodes_min: u16) -> PlaceAsk {
        PlaceAsk { class: "circle".to_owned(), nodes_min }
    }

    fn run(nodes: Vec<Candidate>, nodes_min: u16, seed: u64) -> Result<PlacePlan, Refusal> {
        place(&PlaceFacts { nodes }, &ask(nodes_min), &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn eight_friends_are_three_of_eight() {
        let plan = run((0..8).map(|i| node(i, i as u8)).collect(), 1, 1).unwrap();
        assert_eq!((plan.scheme.k, plan.scheme.slots), (3, 8));
        assert_eq!(plan.slots, (0..8).map(Alias).collect::<Vec<_>>());
        assert_eq!(plan.widest_owner_count, 1);
    }

    #[test]
    fn too_few_says_how_many_are_live_and_fit() {
        let mut nodes = vec![node(1, 1), node(2, 2)];
        nodes[1].fit = false;
        let refusal = run(nodes, 2, 1).unwrap_err();
        assert_eq!(refusal.to_string(), "E0306 too_few_nodes class=circle fit=1 live=2 need=2");
        assert_eq!(run(vec![], 0, 1).unwrap_err().id, errors::TOO_FEW_NODES);
    }

    #[test]
    fn a_rich_owner_waits_for_the_others() {
        let mut nodes: Vec<Candidate> = (0..20).map(|i| node(i, 0)).collect();
        nodes.extend((20..30).map(|i| node(i, i as u8)));
        let plan = run(nodes, 1, 3).unwrap();
        assert_eq!(plan.widest_owner_count, 1, "(C)");
        assert_eq!(plan.slots.len(), CIRCLE_MAX);
    }

    proptest! {
        #[test]
        fn plans_keep_their_properties(
            shape in proptest::collection::vec((0u32..40, 0u8..6, any::<bool>(), any::<bool>()), 0..40), seed: u64,
        ) {
            let nodes: Vec<Candidate> = shape.iter().map(|(alias, owner, fit, always_on)| Candidate {
                fit: *fit, always_on: *always_on, ..node(*alias, *owner)
            }).collect();
            let Ok(plan) = run(nodes.clone(), 1, seed) else {
                prop_assert!(nodes.iter().all(|c| !c.fit));
                return Ok(());
            };
            prop_assert!(plan.slots.windows(2).all(|w| w[0] < w[1]), "(A) (D)");
            prop_assert_eq!(plan.slots.len(), usize::from(plan.scheme.slots), "(B)");
            prop_assert!(plan.scheme.is_sound() && plan.slots.len() <= CIRCLE_MAX, "(B) (E)");
            prop_assert_eq!(run(nodes, 1, seed).unwrap(), plan, "(D)");
        }
    }
}
