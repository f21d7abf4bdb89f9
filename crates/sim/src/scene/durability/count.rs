//! What is counted in a run, from the first day judged.

use super::group::Group;
use super::snapshot::{EVERY_DAYS, FROM_DAY, Snapshots};
use super::{Durability, Setup};
use model::{Alias, Scheme, Span, Stamp, Tier};
use rules::storage::group::{Candidate, FillPlan};
use rules::storage::health::State;
use rules::storage::repair::Repair;
use std::collections::BTreeMap;

/// Buckets of the histogram of pieces that exist.
const ALIVE_MAX: usize = Scheme::MAX_PIECES as usize + 1;

/// All counts.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) is_open: bool,
    pub(super) opened: Stamp,
    pub(super) closed: Stamp,
    /// Bytes gathered by stewards, and pushed to holders.
    pub(super) gathered: f64,
    pub(super) pushed: f64,
    pub(super) leaves: u64,
    pub(super) pieces_died: u64,
    pub(super) called_missing: u64,
    pub(super) returned: u64,
    /// From the threshold to whole again, and from the plan, in days.
    pub(super) low_days: Vec<f64>,
    pub(super) plan_days: Vec<f64>,
    pub(super) plans: u64,
    /// Of them: at or below m; above it, for one domain that holds too much; for an uncovered week.
    pub(super) causes: [u64; 3],
    pub(super) added: u64,
    pub(super) regiven: u64,
    pub(super) worn_out: u64,
    pub(super) first_worn_out: Option<Stamp>,
    pub(super) unmet: u64,
    pub(super) without_steward: u64,
    pub(super) probation_max: f64,
    pub(super) young_added: u64,
    pub(super) uncovered_new: u64,
    pub(super) slots_new: u64,
    pub(super) over_new: u64,
    /// Hours counted, and sums over them.
    pub(super) hours: u64,
    pub(super) surge_hours: u64,
    pub(super) piece_hours: f64,
    pub(super) alive_days: Vec<u64>,
    /// Days counted, and sums over them.
    pub(super) days: u64,
    pub(super) nodes_days: u64,
    pub(super) always_days: u64,
    pub(super) on_days: u64,
    pub(super) vetted_days: u64,
    pub(super) windows_days: u64,
    /// Machines when the blow fell, those struck, groups lost by the blow itself.
    pub(super) struck_of: usize,
    pub(super) struck: usize,
    pub(super) lost_at_once: u64,
    pub(super) snapshot: Snapshots,
    /// Days after the blow until every group that is not lost is above m again.
    pub(super) above_m: Option<Stamp>,
}

impl Counts {
    pub(super) fn new(setup: &Setup, scheme: Scheme) -> Self {
        Self {
            is_open: false,
            opened: Stamp::EPOCH,
            closed: Stamp::EPOCH,
            gathered: 0.0,
            pushed: 0.0,
            leaves: 0,
            pieces_died: 0,
            called_missing: 0,
            returned: 0,
            low_days: Vec::new(),
            plan_days: Vec::new(),
            plans: 0,
            causes: [0; 3],
            added: 0,
            regiven: 0,
            worn_out: 0,
            first_worn_out: None,
            unmet: 0,
            without_steward: 0,
            probation_max: 0.0,
            young_added: 0,
            uncovered_new: 0,
            slots_new: 0,
            over_new: 0,
            hours: 0,
            surge_hours: 0,
            piece_hours: 0.0,
            alive_days: vec![0; ALIVE_MAX],
            days: 0,
            nodes_days: 0,
            always_days: 0,
            on_days: 0,
            vetted_days: 0,
            windows_days: 0,
            struck_of: 0,
            struck: 0,
            lost_at_once: 0,
            snapshot: Snapshots::new(setup.seed, scheme),
            above_m: None,
        }
    }

    pub(super) fn open(&mut self, now: Stamp) {
        (self.is_open, self.opened) = (true, now);
    }

    pub(super) fn close(&mut self, now: Stamp) {
        self.closed = now;
    }

    pub(super) fn note_fill(&mut self, plan: &FillPlan, candidates: &[Candidate<'_>]) {
        let tiers: BTreeMap<Alias, Tier> = candidates.iter().map(|c| (c.node, c.tier)).collect();
        let young = plan.picks.iter().filter(|pick| tiers[&pick.node] <= Tier::T1).count();
        self.young_added += u64::try_from(young).unwrap_or(0);
        self.slots_new += u64::try_from(plan.picks.len()).unwrap_or(0);
        self.uncovered_new += u64::from(!plan.is_covered);
        self.over_new += u64::from(!plan.over.is_empty());
    }

    pub(super) fn note_plan(&mut self, now: Stamp, plan: &Repair) {
        self.plans += u64::from(!plan.added.is_empty());
        let (is_low, is_thin) = (plan.health.standing <= plan.health.repair_at, plan.health.state < State::Low);
        let cause = if is_thin { 2 } else { usize::from(!is_low) };
        self.causes[cause] += u64::from(!plan.added.is_empty());
        if plan.is_worn_out {
            self.first_worn_out.get_or_insert(now);
        }
        self.added += u64::try_from(plan.added.len()).unwrap_or(0);
        self.worn_out += u64::from(plan.is_worn_out);
        self.unmet += u64::from(plan.unmet);
    }

    pub(super) fn moved(&mut self, gathered: f64, pushed: f64) {
        self.gathered += gathered;
        self.pushed += pushed;
    }

    pub(super) fn after_blow(&mut self, groups: &[Group], k: u16) {
        self.lost_at_once = groups.iter().map(|g| u64::from(g.alive < k)).sum();
    }

    /// Days judged.
    pub(super) fn judged_days(&self) -> f64 {
        days(self.closed.since(self.opened))
    }
}

/// A span in days.
pub(super) fn days(span: Span) -> f64 {
    span.as_ms() as f64 / Span::days(1).as_ms() as f64
}

impl Durability {
    /// Once an hour: sums over groups; once a day: over machines.
    pub(super) fn tally(&mut self, now: Stamp) {
        if !self.counts.is_open {
            return;
        }
        self.counts.hours += 1;
        self.counts.surge_hours += u64::from(self.surge.is_on());
        self.counts.piece_hours += self.groups.iter().map(|g| f64::from(g.alive)).sum::<f64>();
        if !now.since(self.counts.opened).as_ms().is_multiple_of(Span::days(1).as_ms()) {
            return;
        }
        self.groups.iter().for_each(|g| self.counts.alive_days[usize::from(g.alive)] += 1);
        let counts = &mut self.counts;
        counts.days += 1;
        for (_, machine) in self.fleet.alive() {
            counts.nodes_days += 1;
            counts.always_days += u64::from(machine.kind == "steward");
            counts.on_days += u64::from(machine.on);
            counts.vetted_days += u64::from(machine.known.tier >= Tier::T2);
            counts.windows_days += u64::from(machine.site.os == model::Os::Windows);
        }
        let low = self.groups.iter().any(|g| g.lost_at.is_none() && g.alive <= self.scheme.m);
        if self.counts.struck > 0 && !low && self.counts.above_m.is_none() {
            self.counts.above_m = Some(now);
        }
        // Snapshots of the average state begin when groups have come apart from their common start.
        let day = now.since(self.counts.opened).as_ms() / Span::days(1).as_ms();
        let is_due = day >= FROM_DAY && (day - FROM_DAY).is_multiple_of(EVERY_DAYS);
        if is_due && self.counts.struck == 0 {
            let alive: Vec<u32> = self.fleet.alive().map(|(alias, _)| alias).collect();
            self.counts.snapshot.take(&self.groups, &self.fleet, &alive);
        }
    }
}
