//! Which groups get slots: the center's look at those of which a holder went missing.
//!
//! A group is judged by the real rule when its counts could make it low; the shortcut here leaves out only groups that the rule
//! would call full or thin, which are given nothing.

use super::{CANDIDATES_REPAIR, Durability, Event, Indexes};
use crate::check::Violation;
use crate::scene::durability::group::Job;
use crate::world::World;
use model::{Alias, PgId, Span, Stamp, Tier};
use rules::storage::chance::{Churn, yearly_loss};
use rules::storage::group::fill::PROBATION_SHARE;
use rules::storage::group::{Candidate, Coverage, RegionRule, SlotState};
use rules::storage::health::{Ranked, rank};
use rules::storage::regive::{regivable, regive_after};
use rules::storage::repair::{Repair, RepairFacts, RepairSlot, UNCOVERED_BELOW_MILLI, judged, repair_with};
use rules::storage::scheme::PoolKind;
use rules::storage::surge::fill_to;
use std::collections::BTreeMap;

/// What is assumed of the pool where groups are ranked.
const CHURN: Churn = Churn { life_days: 200.0, repair_days: 2.0 };
/// Time between two plans of one group.
const LOOK_EVERY: Span = Span::hours(6);
/// Pieces that must stand outside a domain, lest the group is low.
const OUTSIDE: u16 = 4;

impl Durability {
    /// Judges the groups that changed, the most urgent first, and gives slots.
    pub(super) fn mend(&mut self, world: &mut World<Event>) {
        let now = world.now();
        if now < self.begin() {
            self.dirty.clear();
            return;
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        // Once a day each is looked at whatever happened.
        dirty.extend((0..self.setup.groups).filter(|pg| u64::from(*pg) % 24 == now.hour() % 24));
        // A plan stands for some hours, but for groups near k.
        let (due, later): (Vec<u32>, Vec<u32>) = dirty.into_iter().partition(|pg| self.is_due(*pg, now));
        self.dirty.extend(later);
        let urgent: Vec<u32> = due.into_iter().filter(|pg| self.may_be_low(*pg)).collect();
        let ranked: Vec<Ranked> = urgent.iter().filter_map(|pg| self.ranked(*pg, now)).collect();
        for group in rank(ranked) {
            self.repair(world, group.pg.0);
        }
    }

    fn is_due(&self, pg: u32, now: Stamp) -> bool {
        let group = &self.groups[pg as usize];
        now.since(group.looked) >= LOOK_EVERY || group.alive <= self.scheme.k + PoolKind::Public.delta()
    }

    /// By the counts alone: at or below m, too few pieces outside of one domain, or a week not covered.
    fn may_be_low(&self, pg: u32) -> bool {
        let group = &self.groups[pg as usize];
        if group.lost_at.is_some() {
            return false;
        }
        let (mut d, mut coverage) = (0u16, Coverage::default());
        let mut systems = [0u16; 4];
        let mut countries: BTreeMap<Option<[u8; 2]>, u16> = BTreeMap::new();
        for (_, piece) in group.counted() {
            let machine = &self.fleet.machines[piece.node as usize];
            if !machine.known.is_missing {
                d += 1;
                coverage.add(&machine.known.profile);
                systems[usize::from(machine.site.os.code())] += 1;
                if machine.site.country.is_some() {
                    *countries.entry(machine.site.country).or_default() += 1;
                }
            }
        }
        let widest = systems.into_iter().chain(countries.values().copied()).max().unwrap_or(0);
        let outside = d - widest;
        let is_covered = || coverage.is_covered(self.scheme.k, UNCOVERED_BELOW_MILLI);
        d <= self.scheme.m || outside < self.scheme.k + OUTSIDE || !is_covered()
    }

    /// Slots whose holder is not missing.
    fn standing(&self, pg: u32) -> u16 {
        let counted = self.groups[pg as usize].counted().map(|(_, p)| &self.fleet.machines[p.node as usize]);
        u16::try_from(counted.filter(|m| !m.known.is_missing).count()).unwrap_or(u16::MAX)
    }

    fn ranked(&mut self, pg: u32, now: Stamp) -> Option<Ranked> {
        let candidates = self.some_fit(pg, 64);
        let health = self.with_facts(pg, now, &candidates, judged);
        let expected = yearly_loss(&self.scheme, health.standing.max(self.scheme.k), &CHURN);
        (health.standing >= self.scheme.k).then_some(Ranked {
            pg: PgId(pg),
            health,
            k: self.scheme.k,
            yearly_loss: expected,
        })
    }

    /// What repair is told of a group.
    fn with_facts<T>(&self, pg: u32, now: Stamp, among: &[u32], then: impl FnOnce(&RepairFacts<'_>) -> T) -> T {
        let slots: Vec<RepairSlot<'_>> = self.groups[pg as usize]
            .counted()
            .map(|(_, piece)| {
                let is_missing = self.fleet.machines[piece.node as usize].known.is_missing;
                let state = match piece.is_whole() {
                    _ if is_missing => SlotState::Missing,
                    true => SlotState::Held,
                    false => SlotState::Filling,
                };
                let node = self.fleet.candidate(piece.node, now);
                RepairSlot { index: piece.index, node, state, is_destroyed: false, on_holiday: false }
            })
            .collect();
        let candidates: Vec<Candidate<'_>> = among.iter().map(|alias| self.fleet.candidate(*alias, now)).collect();
        then(&RepairFacts {
            kind: PoolKind::Public,
            class: self.setup.class,
            scheme: self.scheme,
            region: &RegionRule::default(),
            slot: self.setup.slot,
            slots: &slots,
            candidates: &candidates,
        })
    }

    fn repair(&mut self, world: &mut World<Event>, pg: u32) {
        let now = world.now();
        let is_filled = || fill_to(&self.scheme, self.standing(pg), true) >= self.scheme.o;
        if self.surge.is_on() && self.groups[pg as usize].job.is_some() && is_filled() {
            // The first pass of a surge ends before the second begins.
            return;
        }
        self.groups[pg as usize].looked = now;
        let among = self.some_fit(pg, CANDIDATES_REPAIR);
        let spare = match self.setup.indexes {
            Indexes::Once => Vec::new(),
            Indexes::Regiven => self.with_facts(pg, now, &among, |facts| {
                let away = |node: Alias| self.fleet.machines[node.0 as usize].away_for(now);
                regivable(facts.slots, regive_after(&facts.scheme, facts.kind, &judged(facts)), away)
            }),
        };
        let mut draw = self.draw.clone();
        let plan = self.with_facts(pg, now, &among, |facts| repair_with(facts, &spare, &mut draw));
        self.draw = draw;
        let given = self.apply(world, pg, &plan);
        self.check_probation(now, pg, &plan.added[..given]);
    }

    /// Gives the slots of a plan, in a surge those of its first pass only; how many.
    fn apply(&mut self, world: &mut World<Event>, pg: u32, plan: &Repair) -> usize {
        let now = world.now();
        self.counts.note_plan(now, plan);
        let first_pass = fill_to(&self.scheme, plan.health.standing, self.surge.is_on());
        let most = usize::from(first_pass.saturating_sub(plan.health.standing));
        // Beyond o only coverage asks for slots; in the first pass of a surge nothing does.
        let most = if first_pass < self.scheme.o { most } else { plan.added.len() };
        for (index, node) in plan.added.iter().take(most) {
            let again =
                self.groups[pg as usize].pieces.iter_mut().flatten().find(|p| p.index == *index && !p.is_regiven);
            if let Some(old) = again {
                old.is_regiven = true;
                self.counts.regiven += 1;
            }
            self.give(world, pg, *index, node.0);
        }
        if plan.added.is_empty() {
            return 0;
        }
        let group = &mut self.groups[pg as usize];
        // New targets have nothing yet: all of it is gathered once more for them.
        let job = group.job.get_or_insert(Job { planned: now, moved: now, ..Job::default() });
        job.made = 0.0;
        self.working.insert(pg);
        most.min(plan.added.len())
    }

    /// (C) of the scene: probation's share, when slots are given.
    fn check_probation(&mut self, now: Stamp, pg: u32, given: &[(u16, Alias)]) {
        if given.is_empty() {
            return;
        }
        let standing = self.groups[pg as usize].counted().map(|(_, p)| &self.fleet.machines[p.node as usize]);
        let (mut all, mut young) = (0u64, 0u64);
        for machine in standing.filter(|m| !m.known.is_missing) {
            all += 1;
            young += u64::from(machine.known.tier <= Tier::T1);
        }
        self.counts.probation_max = self.counts.probation_max.max(young as f64 / all.max(1) as f64);
        let new = given.iter().filter(|(_, n)| self.fleet.machines[n.0 as usize].known.tier <= Tier::T1).count();
        if new > 0 && young > PROBATION_SHARE.of(all) {
            let what = format!("group {pg}: {young} of {all} slots with nodes on probation");
            self.broken = Some(Violation { rule: "probation_has_its_share", at: now, what });
        }
    }
}
