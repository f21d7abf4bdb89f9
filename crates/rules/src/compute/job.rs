//! A job in memory.
//!
//! (A) Everything a restart keeps changes only in [`Job::apply`], so a job built from its records is the job that wrote them.
//! (E) Nothing of a stage is handed out while one before it lacks an output.

use super::facts::JobFacts;
use super::limits::{BUDGET_ROOM, LISTED_MAX, OTHER_INPUT_MAX, PILOTS, PILOTS_PAID, UNKNOWN_FUEL};
use super::quorum::Demand;
use super::record::{Evidence, Record};
use super::stage::Stage;
use model::{Alias, JobState, MemberId, Stamp};
use std::collections::{BTreeMap, BTreeSet};

/// A job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) facts: JobFacts,
    pub(super) state: JobState,
    pub(super) stages: Vec<Stage>,
    /// The stage that runs.
    pub(super) at: usize,
    pub(super) keeper_off: bool,
    pub(super) many_failed: bool,
    /// Its submitter let it go on.
    pub(super) goes_on: bool,
    /// Until then nodes show what they run.
    pub(super) unknown_until: Option<Stamp>,
    /// Nodes that have been given work of it.
    pub(super) workers: BTreeSet<Alias>,
    /// Of these, those that have not shown all they run since a restart.
    pub(super) awaited: BTreeSet<Alias>,
    pub(super) leases: BTreeSet<u64>,
    /// Items handed out, by owner.
    pub(super) by_owner: BTreeMap<MemberId, u32>,
    pub(super) retried: u32,
    pub(super) moved: u32,
    pub(super) copies: u32,
    pub(super) extra_fuel: u64,
    pub(super) liars: Vec<(Alias, Evidence)>,
    pub(super) differ: Vec<Evidence>,
    /// Items of which a node ran something else than two others who agree, a few of them.
    pub(super) odd: BTreeMap<Alias, BTreeSet<(u8, u32)>>,
    pub(super) ended_at: Option<Stamp>,
    /// Reports of missing blocks, by node.
    pub(super) says_missing: BTreeMap<Alias, u32>,
    /// It is looked through for checks nobody can do.
    pub(super) is_watched: bool,
}

impl Job {
    /// A job of which nothing has run. Stages and items beyond the limits are cut; parts that no next stage merges are none.
    pub(super) fn new(mut facts: JobFacts) -> Self {
        facts.stages.truncate(super::limits::STAGES_MAX);
        facts.stages.iter_mut().for_each(|stage| stage.items = stage.items.min(super::limits::ITEMS_MAX));
        for at in 0..facts.stages.len() {
            let next = facts.stages.get(at + 1).map_or(0, |next| next.items);
            let stage = &mut facts.stages[at];
            stage.parts = if stage.parts == next { stage.parts } else { 0 };
        }
        Self {
            stages: facts.stages.iter().cloned().map(Stage::new).collect(),
            facts,
            state: JobState::Queued,
            at: 0,
            keeper_off: false,
            many_failed: false,
            goes_on: false,
            unknown_until: None,
            workers: BTreeSet::new(),
            awaited: BTreeSet::new(),
            leases: BTreeSet::new(),
            by_owner: BTreeMap::new(),
            retried: 0,
            moved: 0,
            copies: 0,
            extra_fuel: 0,
            liars: Vec::new(),
            differ: Vec::new(),
            odd: BTreeMap::new(),
            ended_at: None,
            says_missing: BTreeMap::new(),
            is_watched: false,
        }
    }

    pub(super) fn demand(&self) -> Demand {
        Demand { trust: self.facts.trust, check: self.facts.check }
    }

    /// Whether nothing of it runs or is to be run.
    pub(super) fn is_quiet(&self) -> bool {
        let is_quiet = |stage: &Stage| !stage.is_ready() && stage.held.is_empty() && stage.open.is_empty();
        self.leases.is_empty() && (self.state != JobState::Done || self.stages.iter().all(is_quiet))
    }

    /// Whether it may hand out anything.
    pub(super) fn is_open(&self) -> bool {
        let may_redo = matches!(self.state, JobState::Done | JobState::Partial);
        (!self.state.is_over() || may_redo) && !self.keeper_off && !self.many_failed
    }

    /// Stages of which something may be handed out: the one that runs, and earlier ones whose items are run again. (E)
    pub(super) fn ready_stages(&self) -> impl Iterator<Item = usize> {
        let full = self.stages.iter().take_while(|stage| stage.is_full()).count();
        let begun = (self.at + 1).min(self.stages.len());
        (0..begun.min(full + 1)).filter(|at| self.stages[*at].is_ready())
    }

    /// The first of them.
    pub(super) fn ready_stage(&self) -> Option<usize> {
        self.ready_stages().next()
    }

    /// The stage whose parts the items of this one merge.
    pub(super) fn merged(&self, at: usize) -> Option<usize> {
        at.checked_sub(1).filter(|before| self.stages[*before].facts.parts > 0)
    }

    /// Whether an attempt's result has been told as another than the rest.
    pub(super) fn is_told(&self, serial: u64, item: u32) -> bool {
        self.differ.iter().any(|told| told.serial == serial && told.item.item == item)
    }

    /// Whether a node has run something else than the others too often in this job.
    pub(super) fn is_odd(&self, node: Alias) -> bool {
        self.odd.get(&node).is_some_and(|items| items.len() > OTHER_INPUT_MAX)
    }

    fn differ(&mut self, evidence: &Evidence) {
        let at = (evidence.item.stage, evidence.item.item);
        let mut has_counted = false;
        if evidence.said.of != evidence.found.of && evidence.by.len() >= 2 {
            let odd = self.odd.entry(evidence.node).or_default();
            has_counted = odd.len() <= OTHER_INPUT_MAX && odd.insert(at);
        }
        // What counts is kept in any case.
        if (has_counted || self.differ.len() < LISTED_MAX) && !self.is_told(evidence.serial, evidence.item.item) {
            self.differ.push(evidence.clone());
        }
    }

    /// (A) Makes it so. Records of nodes are not for jobs.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::State { state, .. } => self.state = *state,
            Record::ManyFailed { paused, .. } => (self.many_failed, self.goes_on) = (*paused, !*paused),
            Record::Differ { evidence } => self.differ(evidence),
            Record::Retried { .. } => {
                self.stages.iter_mut().for_each(Stage::retry);
                (self.many_failed, self.goes_on) = (false, false);
            }
            Record::Worker { node, .. } => {
                self.workers.insert(*node);
            }
            Record::Standing { .. } => {}
            Record::Cursor { stage, .. }
            | Record::FuelMax { stage, .. }
            | Record::Folded { stage, .. }
            | Record::Holders { stage, .. }
            | Record::Spill { stage, .. }
            | Record::Rerun { stage, .. } => {
                if let Some(stage) = self.stages.get_mut(usize::from(*stage)) {
                    stage.apply(record);
                }
            }
            Record::Voted { item, .. }
            | Record::Done { item, .. }
            | Record::Verified { item, .. }
            | Record::Waived { item }
            | Record::Strike { item, .. }
            | Record::Failed { item, .. }
            | Record::Reopened { item, .. } => {
                let stage = self.stages.get_mut(usize::from(item.stage));
                if let Some(stage) = stage.filter(|stage| item.item < stage.facts.items) {
                    stage.apply_to_item(item.item, record);
                }
            }
        }
    }

    /// Fuel of accepted outputs.
    pub(super) fn used(&self) -> u64 {
        self.stages.iter().fold(0u64, |sum, stage| sum.saturating_add(stage.fuel))
    }

    /// Items of a stage that have not begun and that so much fuel covers: of each twice the largest so far. While little is known of
    /// them, few run at a time, each with its share of what is left, so that none can take what was never set aside.
    pub(super) fn affordable(&self, stage: &Stage, left: u64) -> u32 {
        if self.facts.budget == 0 {
            return u32::MAX;
        }
        if stage.law.items() < PILOTS.min(stage.facts.items) {
            return u32::from(left >= UNKNOWN_FUEL.min(self.facts.budget) && self.leases.len() < PILOTS_PAID);
        }
        u32::try_from(left / stage.law.largest().saturating_mul(BUDGET_ROOM).max(1)).unwrap_or(u32::MAX)
    }

    /// Whether it waits for nothing but a larger budget.
    pub(super) fn is_out_of_budget(&self) -> bool {
        let left = self.facts.budget.saturating_sub(self.used());
        let stage = self.stages.get(self.at).filter(|stage| stage.cursor < stage.facts.items);
        self.leases.is_empty() && stage.is_some_and(|stage| !stage.again_waits() && self.affordable(stage, left) == 0)
    }

    /// Whether all that is left of it runs already.
    pub(super) fn is_in_tail(&self) -> bool {
        !self.state.is_over()
            && !self.leases.is_empty()
            && self.ready_stages().all(|stage| self.stages[stage].plain_ready() == 0)
    }
}
