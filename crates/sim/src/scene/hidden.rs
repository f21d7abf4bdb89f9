//! One owner behind many names: how much of a group can it get, and what does it take when it goes?
//!
//! A pool of strangers, a share of which belongs to one hidden owner with an account for each machine; groups are filled by the real
//! `rules::storage::group::fill`, writers' first pieces chosen by the real `rules::storage::writer`. Three times: as newcomers on probation,
//! vetted, and vetted but found to be one (an owner cluster).
//!
//! (A) Nodes on probation hold at most a tenth of the slots and none of an ack. (B) A cluster that was found holds one slot a group.
//! (C) What one true owner could hold where nothing was found is reported, with the groups that its going would take.

use super::fleet::START;
use crate::check::{Figure, Outcome, Violation};
use crate::seed::{Draw, Seed, Stream};
use crate::trace::{Record, Sink, Trace};
use model::{Alias, Bytes, Class, MemberId, Os, Ppm, Tier};
use rules::fleet::profile::WeeklyProfile;
use rules::storage::group::fill::PROBATION_SHARE;
use rules::storage::group::{Candidate, FillAsk, NetPrefix, RegionRule, Site, SlotState, fill};
use rules::storage::scheme::{PoolKind, Ranks, public};
use rules::storage::writer::{SlotFacts, first_pieces};
use std::collections::BTreeSet;

/// Shares of the pool in percent.
const SHARES: [u64; 6] = [1, 5, 10, 20, 30, 40];
/// Machines among whom one group chooses.
const DRAWN: u64 = 1_000;
/// Ids: most slots in one group, mean of slots, groups lost when it goes; and of an ack.
const IDS: [[&str; 4]; 6] = [
    ["hidden_1_slots_max", "hidden_1_slots_mean", "hidden_1_lost", "hidden_1_of_ack_max"],
    ["hidden_5_slots_max", "hidden_5_slots_mean", "hidden_5_lost", "hidden_5_of_ack_max"],
    ["hidden_10_slots_max", "hidden_10_slots_mean", "hidden_10_lost", "hidden_10_of_ack_max"],
    ["hidden_20_slots_max", "hidden_20_slots_mean", "hidden_20_lost", "hidden_20_of_ack_max"],
    ["hidden_30_slots_max", "hidden_30_slots_mean", "hidden_30_lost", "hidden_30_of_ack_max"],
    ["hidden_40_slots_max", "hidden_40_slots_mean", "hidden_40_lost", "hidden_40_of_ack_max"],
];

/// How far the center sees through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All of its machines are on probation.
    Newcomers,
    /// They passed it; nobody sees that they are one.
    Vetted,
    /// They passed it and count as one owner.
    Found,
}

impl Stage {
    /// `newcomers`, `vetted` or `found`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "newcomers" => Some(Self::Newcomers),
            "vetted" => Some(Self::Vetted),
            "found" => Some(Self::Found),
            _ => None,
        }
    }
}

/// One machine of the pool.
struct Node {
    site: Site,
    tier: Tier,
    profile: WeeklyProfile,
    is_hidden: bool,
}

struct Group {
    hidden: u16,
    pieces: u16,
    of_ack: u16,
}

impl Record for Group {
    fn record(&self, sink: &mut Sink<'_>) {
        [self.hidden, self.pieces, self.of_ack].into_iter().for_each(|n| sink.u32(n.into()));
    }
}

/// `groups` groups at each share of a pool of `nodes`.
pub fn run(nodes: u32, groups: u32, stage: Stage, seed: Seed) -> Outcome {
    let (mut trace, mut figures, mut violation) = (Trace::default(), Vec::new(), None);
    let k = public(Class::Standard).k;
    for (percent, ids) in SHARES.into_iter().zip(IDS) {
        let pool: Vec<Node> = (0..nodes).map(|alias| node(alias, percent, stage, seed)).collect();
        let mut rng = seed.nth("hidden groups", percent);
        let all: Vec<Group> = (0..groups)
            .filter_map(|_| match open(&pool, stage, &mut rng) {
                Ok(group) => Some(group),
                Err(broken) => {
                    violation = violation.take().or(Some(broken));
                    None
                }
            })
            .collect();
        all.iter().for_each(|group| trace.event(START, group));
        let count = all.len().max(1) as f64;
        let most = all.iter().map(|g| g.hidden).max().unwrap_or(0);
        let mean = all.iter().map(|g| f64::from(g.hidden)).sum::<f64>() / count;
        let lost = all.iter().filter(|g| g.pieces - g.hidden < k).count() as f64;
        let of_ack = all.iter().map(|g| g.of_ack).max().unwrap_or(0);
        let values = [f64::from(most), mean, lost, f64::from(of_ack)];
        figures.extend(ids.into_iter().zip(values).map(|(id, value)| Figure { id, value, unit: "1" }));
    }
    let (hash, events) = (trace.hash(), trace.events());
    let faults = vec![match stage {
        Stage::Newcomers => "newcomers",
        Stage::Vetted => "vetted",
        Stage::Found => "found",
    }];
    Outcome { scenario: "hidden", seed, nodes, days: 0, mix: "strangers", hash, events, faults, figures, violation }
}

fn node(alias: u32, percent: u64, stage: Stage, seed: Seed) -> Node {
    let mut rng = seed.nth("hidden", u64::from(alias));
    let is_hidden = rng.below(100) < percent;
    let owned = if is_hidden && stage == Stage::Found { u32::MAX } else { alias };
    let mut owner = [0; 16];
    owner[..4].copy_from_slice(&owned.to_be_bytes());
    let [.., a, b, c] = rng.below(1 << 20).to_be_bytes();
    // Its machines are always on, so that placement likes them best; the others are on as homes are.
    let (always, on) = (rng.chance(0.15), rng.between(25, 60));
    let share = if always || is_hidden { 100 } else { u32::try_from(on).unwrap_or(0) };
    let os = match rng.below(100) {
        p if p < 74 => Os::Windows,
        p if p < 90 => Os::Linux,
        _ => Os::Macos,
    };
    let site = Site {
        owner: MemberId(owner),
        lan: None,
        prefix: Some(NetPrefix::V4([a, b, c])),
        network: u32::try_from(rng.below(12)).ok(),
        os,
        version: 1,
        country: None,
    };
    let tier = if is_hidden && stage == Stage::Newcomers { Tier::T1 } else { Tier::T2 };
    Node { site, tier, profile: WeeklyProfile::flat(Ppm::percent(share)), is_hidden }
}

/// One group, and the writer's first pieces in it.
fn open(pool: &[Node], stage: Stage, rng: &mut Stream) -> Result<Group, Violation> {
    let all = u64::try_from(pool.len()).unwrap_or(u64::MAX);
    let drawn: BTreeSet<usize> = (0..DRAWN).filter_map(|_| usize::try_from(rng.below(all)).ok()).collect();
    let candidates: Vec<Candidate<'_>> = drawn.iter().map(|at| candidate(*at, &pool[*at])).collect();
    let (scheme, region) = (public(Class::Standard), RegionRule::default());
    let ask = FillAsk::open(PoolKind::Public, Class::Standard, scheme, &region, Bytes::gib(1));
    let broken = |rule, what| Violation { rule, at: START, what };
    let plan = fill(&candidates, &ask, rng).map_err(|r| broken("groups_open", r.to_string()))?;
    let nodes = || plan.picks.iter().map(|pick| &pool[pick.node.0 as usize]);
    let pieces = u16::try_from(plan.picks.len()).unwrap_or(u16::MAX);
    let count = |f: fn(&&Node) -> bool| u16::try_from(nodes().filter(f).count()).unwrap_or(u16::MAX);
    let (hidden, young) = (count(|n| n.is_hidden), count(|n| n.tier <= Tier::T1));
    if u64::from(young) > PROBATION_SHARE.of(u64::from(pieces)) {
        return Err(broken("probation_has_its_share", format!("{young} of {pieces} slots")));
    }
    if stage == Stage::Found && hidden > 1 {
        return Err(broken("one_slot_an_owner", format!("{hidden} of {pieces} slots")));
    }
    let slots: Vec<SlotFacts<'_>> = plan.picks.iter().map(|pick| slot(pick.index, pick.node, pool)).collect();
    let first = first_pieces(&slots, &scheme, Class::Standard, PoolKind::Public, Ranks::Count)
        .map_err(|r| broken("a_writer_finds_holders", r.to_string()))?;
    let holder = |index: &u16| plan.picks.iter().find(|pick| pick.index == *index).map(|p| &pool[p.node.0 as usize]);
    let of_ack = first.send.iter().filter_map(holder).filter(|n| n.is_hidden).count();
    let of_ack = u16::try_from(of_ack).unwrap_or(u16::MAX);
    if stage == Stage::Newcomers && of_ack > 0 {
        return Err(broken("probation_never_counts_for_an_ack", format!("{of_ack} pieces")));
    }
    Ok(Group { hidden, pieces, of_ack })
}

fn candidate(at: usize, node: &Node) -> Candidate<'_> {
    Candidate {
        node: Alias(u32::try_from(at).expect("a pool has fewer than 2³² machines")),
        site: node.site,
        region: None,
        profile: &node.profile,
        tier: node.tier,
        free: Bytes::gib(20),
        quality: Ppm::ONE,
        debt: Ppm::ONE,
        on: true,
        is_flaky: false,
        is_young: false,
        unfit: None,
    }
}

fn slot(index: u16, alias: Alias, pool: &[Node]) -> SlotFacts<'_> {
    let node = &pool[alias.0 as usize];
    SlotFacts {
        index,
        node: alias,
        site: node.site,
        region: None,
        tier: node.tier,
        state: SlotState::Held,
        on: true,
        is_always_on: false,
        takes: true,
        stays: Ppm::percent(50),
        rtt_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probation_and_clusters_bound_what_one_owner_gets() {
        let of = |stage| run(2_000, 12, stage, Seed(3));
        let (young, vetted, found) = (of(Stage::Newcomers), of(Stage::Vetted), of(Stage::Found));
        assert_eq!((&young.violation, &vetted.violation, &found.violation), (&None, &None, &None));
        let at = |outcome: &Outcome, id| outcome.figure(id).unwrap();
        assert!(at(&young, "hidden_40_slots_max") <= 14.0 && at(&young, "hidden_40_of_ack_max") == 0.0, "(A)");
        assert_eq!(at(&found, "hidden_40_slots_max"), 1.0, "(B)");
        assert!(at(&vetted, "hidden_40_slots_mean") > 20.0, "(C)");
        assert_eq!(of(Stage::Vetted).hash, vetted.hash);
    }
}
