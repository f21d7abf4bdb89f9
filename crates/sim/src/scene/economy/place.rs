//! Where bytes go: new pieces by the real `storage::group::fill`, in a circle to everybody alike; what is served from where.

use super::Economy;
use super::mix;
use super::policy::Placing;
use crate::seed::{Draw, Stream};
use model::{Alias, Bytes, Class, Tier};
use rules::ledger::debt_first;
use rules::storage::group::{Candidate, FillAsk, RegionRule, fill};
use rules::storage::scheme::{PoolKind, public};
use std::collections::BTreeSet;

/// A slot of a group, in MB: a laptop lends five.
const SLOT_MB: u64 = 10_000;
/// Candidates among whom a group chooses: all, as at a center, up to so many.
const CANDIDATES: u64 = 1_500;
/// Days on probation (`fleet.md`); the first members count as vetted.
const PROBATION_DAYS: u64 = 21;
/// Days a node is young for placement.
const YOUNG_DAYS: u64 = 14;
/// Rounds in which those who are not full take what others had no room for.
const ROUNDS: u32 = 20;
/// Groups opened in a day at most.
const GROUPS_A_DAY: u32 = 200;

impl Economy {
    /// Pieces are lost, let go of and made, until what is held is what is stored × expansion.
    pub(super) fn place(&mut self) {
        for at in &self.open {
            let member = &mut self.members[*at];
            member.held_mb -= member.held_mb * mix::PIECES_LOST_MONTHLY_BPS / 300_000;
        }
        let (wanted, held) = self.bytes();
        if held > wanted {
            self.let_go(held - wanted, held);
        }
        let lacks = wanted.saturating_sub(held);
        match self.setup.policy.placing {
            _ if self.setup.policy.is_circle => self.place_alike(lacks),
            Placing::Groups => self.place_groups(lacks),
            Placing::Anew => {
                self.open.iter().for_each(|at| self.members[*at].held_mb = 0);
                self.place_by_weight(wanted);
            }
        }
        let (wanted, held) = self.bytes();
        self.waits_mb = wanted.saturating_sub(held);
        self.check_places(wanted, held);
        for at in &self.open {
            let member = &mut self.members[*at];
            if member.held_mb > 0 {
                member.first_held.get_or_insert(self.day);
            }
            let computes = member.lends() && member.hours_left < member.kind().ncu_h_percent();
            if member.held_mb > 0 || computes {
                member.served_h += member.kind().on_bps() * 24 / 10_000;
            }
        }
    }

    /// MB that should be held, and that are.
    fn bytes(&self) -> (u64, u64) {
        let stored = self.open.iter().map(|at| self.members[*at].stored_mb).sum();
        (self.prices.physical_mb(stored), self.open.iter().map(|at| self.members[*at].held_mb).sum())
    }

    /// Nobody may write: what was written before has no place.
    pub(super) fn is_full(&self) -> bool {
        self.waits_mb > 5 * SLOT_MB * u64::from(public(Class::Standard).o)
    }

    /// Deleted data leaves every holder alike.
    fn let_go(&mut self, mb: u64, of: u64) {
        for at in &self.open {
            let member = &mut self.members[*at];
            member.held_mb -= Self::part(member.held_mb, mb, of);
        }
    }

    /// In a circle everybody holds a slot of each group.
    fn place_alike(&mut self, mb: u64) {
        let lends: Vec<usize> = self.open.iter().copied().filter(|at| self.members[*at].lends()).collect();
        let each = mb / (lends.len() as u64).max(1);
        for at in lends {
            let member = &mut self.members[at];
            member.held_mb += each.min(member.free_mb());
        }
    }

    /// To everybody by free × quality × debt first, whoever is full left out.
    fn place_by_weight(&mut self, mut mb: u64) {
        for _ in 0..ROUNDS {
            let open = self.open.iter().filter(|at| self.members[**at].lends() && self.members[**at].free_mb() > 0);
            let weigh = |at: &usize| {
                let member = &self.members[*at];
                (*at, u128::from(member.free_mb()) * u128::from(member.weight(self.position(member.no))))
            };
            let weights: Vec<(usize, u128)> = open.map(weigh).collect();
            let total: u128 = weights.iter().map(|(_, weight)| weight).sum();
            let mut given = 0;
            for (at, weight) in weights {
                let part = u64::try_from(u128::from(mb) * weight / total.max(1)).unwrap_or(0);
                let part = part.min(self.members[at].free_mb());
                self.members[at].held_mb += part;
                given += part;
            }
            mb -= given;
            if given == 0 {
                return;
            }
        }
    }

    fn place_groups(&mut self, mb: u64) {
        let scheme = public(Class::Standard);
        let mut slots = mb / SLOT_MB;
        for _ in 0..GROUPS_A_DAY {
            if slots < u64::from(scheme.o) {
                return;
            }
            let mut draw = self.setup.seed.nth("group", self.counts.groups);
            let drawn = self.some_who_lend(&mut draw);
            let candidates: Vec<Candidate<'_>> = drawn.into_iter().map(|at| self.candidate(at)).collect();
            let region = RegionRule::default();
            let slot = Bytes(SLOT_MB * 1_000_000);
            let ask = FillAsk::open(PoolKind::Public, Class::Standard, scheme, &region, slot);
            let plan = fill(&candidates, &ask, &mut draw);
            self.counts.groups += 1;
            let Ok(plan) = plan else {
                self.counts.unplaced += 1;
                return;
            };
            let picks: Vec<usize> = plan.picks.iter().map(|pick| pick.node.0 as usize).collect();
            self.counts.uncovered += u64::from(!plan.is_covered);
            for at in &picks {
                self.members[*at].held_mb += SLOT_MB;
            }
            slots = slots.saturating_sub(picks.len() as u64);
        }
    }

    /// Some of those who lend.
    fn some_who_lend(&self, draw: &mut Stream) -> BTreeSet<usize> {
        let lends: Vec<usize> = self.open.iter().copied().filter(|at| self.members[*at].lends()).collect();
        let all = lends.len() as u64;
        if all <= CANDIDATES {
            return lends.into_iter().collect();
        }
        (0..CANDIDATES).map(|_| lends[usize::try_from(draw.below(all)).expect("a place in a list")]).collect()
    }

    /// A member's machine as placement sees it.
    fn candidate(&self, at: usize) -> Candidate<'_> {
        let member = &self.members[at];
        let is_vetted = member.is_founder || member.age(self.day) >= PROBATION_DAYS;
        Candidate {
            node: Alias(u32::try_from(at).expect("far fewer members")),
            site: member.site,
            region: None,
            profile: &self.profiles[member.kind],
            tier: if is_vetted { Tier::T2 } else { Tier::T1 },
            free: member.free(),
            quality: member.quality(),
            debt: debt_first::factor(self.position(member.no)),
            on: true,
            is_flaky: false,
            is_young: member.age(self.day) < YOUNG_DAYS,
            unfit: None,
        }
    }

    /// Bytes that somebody reads come from holders by what they hold and how good they are.
    pub(super) fn spread_read(&mut self, bytes: u64) {
        self.read_today += bytes;
    }

    /// What is stored, held, read and repaired today.
    pub(super) fn meter(&mut self) {
        let weight = |member: &super::Member| member.held_mb * member.quality_bps();
        let total: u64 = self.open.iter().map(|at| weight(&self.members[*at])).sum();
        let stored: u64 = self.open.iter().map(|at| self.members[*at].stored_mb).sum();
        let repaired = stored * 1_000_000 / 3_000 * self.prices.repaired_percent;
        let read = std::mem::take(&mut self.read_today);
        for at in &self.open {
            let member = &mut self.members[*at];
            let weight = weight(member);
            member.due.stored += member.stored_mb * 24;
            member.due.held += member.held_mb * 24;
            member.due.sent += Self::part(read, weight, total);
            member.due.repaired += Self::part(repaired, weight, total);
        }
    }

    /// (C) Once placed, no more is held than is stored × expansion and the last group's slots, and by nobody more than it lends.
    fn check_places(&mut self, wanted: u64, held: u64) {
        let over = self.open.iter().map(|at| &self.members[*at]).find(|m| m.held_mb > m.kind().lent_gb * 1_000);
        let over = over.map(|member| member.no);
        if held > wanted + SLOT_MB * u64::from(public(Class::Standard).n_max) || over.is_some() {
            self.fail("held_is_stored", format!("{wanted} MB are to be held, {held} are, too much by {over:?}"));
        }
    }
}
