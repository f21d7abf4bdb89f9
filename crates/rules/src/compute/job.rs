//! A job in memory: what is done, what waits, and the items that are not plain.
//!
//! (A) Everything a restart keeps changes only in [`Job::apply`], so a job built from its records is the job that wrote them.
//! (B) An item is in at most one of the queues of its stage. (C) An item without entry is either done, given up, beyond the
//! cursor, or (after a restart) not yet known. (D) Of an item whose output is cut into parts the result that counts is kept, also
//! while its lost blocks are made again. (E) Nothing of a stage is handed out while one before it lacks an output.

use super::bits::Bits;
use super::law::Law;
use super::limits::{ATTEMPTS_LOST_MAX, ATTEMPTS_MAX, LISTED_MAX, OTHER_INPUT_MAX};
use super::message::{Accepted, Checked, Evidence, Fold, Record, Strike, Vote};
use super::quorum::{Demand, agree};
use super::ready::Ready;
use model::{Alias, FailKind, JobState, MemberId, Stamp};
use std::collections::{BTreeMap, BTreeSet};

use super::facts::{JobFacts, StageFacts};

/// What becomes of the output behind a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// There is none.
    None,
    /// Its node was told to store it.
    Pending,
    /// It is stored.
    Stored,
}

/// A result, and what the scheduler made of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ballot {
    pub(super) vote: Vote,
    pub(super) output: Output,
    /// It is durable.
    pub(super) is_kept: bool,
    /// It has moved its node's count of checks.
    pub(super) is_counted: bool,
    /// What the ledger has heard of it.
    pub(super) paid: Option<super::message::PayAct>,
}

/// Whether an item's results are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Checking {
    /// One is enough so far.
    #[default]
    No,
    /// More are wanted or have to be judged.
    Open,
    /// It is settled.
    Closed,
}

/// An item that is not plain.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    /// Attempts that have said nothing of it yet.
    pub(super) live: Vec<u64>,
    pub(super) attempts: u8,
    pub(super) lost: u8,
    pub(super) strikes: Vec<Strike>,
    pub(super) ballots: Vec<Ballot>,
    /// The attempt whose output is the item's.
    pub(super) accepted: Option<u64>,
    pub(super) checking: Checking,
    /// Results still needed, as last ruled.
    pub(super) missing: u8,
    /// It gets twice the memory.
    pub(super) is_grown: bool,
    /// It gets a deep stack.
    pub(super) is_deep: bool,
    /// Not handed out before.
    pub(super) not_before: Stamp,
    /// Waits for a node since.
    pub(super) wanted_since: Option<Stamp>,
    /// Its results differ.
    pub(super) is_disputed: bool,
}

impl Item {
    /// Whether any node will do.
    pub(super) fn is_plain(&self) -> bool {
        let is_fresh = self.live.is_empty() && self.ballots.is_empty();
        is_fresh && self.strikes.is_empty() && !self.is_grown && !self.is_deep
    }

    pub(super) fn ballot(&self, serial: u64) -> Option<&Ballot> {
        self.ballots.iter().find(|ballot| ballot.vote.serial == serial)
    }

    pub(super) fn ballot_mut(&mut self, serial: u64) -> Option<&mut Ballot> {
        self.ballots.iter_mut().find(|ballot| ballot.vote.serial == serial)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.ballots.iter().any(|ballot| ballot.output == Output::Pending)
    }

    /// Whether its attempts are used up.
    pub(super) fn is_exhausted(&self) -> bool {
        let most = if self.attempts.saturating_sub(self.lost) > 1 { ATTEMPTS_MAX } else { ATTEMPTS_LOST_MAX };
        self.attempts >= most
    }

    /// An owner has one say: who made an output once more because it was lost says the same once more, in its place.
    pub(super) fn make_room(&mut self, vote: &Vote) {
        self.ballots.retain(|ballot| ballot.vote.owner != vote.owner || ballot.vote.serial == vote.serial);
    }

    /// Whether somebody who has said a result may make its output again: what it said is what most say, and it is not there.
    pub(super) fn may_repeat(&self, ballot: &Ballot) -> bool {
        let alike = self.ballots.iter().filter(|other| agree(&other.vote.result, &ballot.vote.result));
        let has_output = |ballot: &Ballot| ballot.output != Output::None || self.accepted == Some(ballot.vote.serial);
        !self.is_disputed && !alike.clone().any(has_output) && alike.count() * 2 > self.ballots.len()
    }

    fn put(&mut self, vote: &Vote) -> &mut Ballot {
        self.make_room(vote);
        let at = self.ballots.iter().position(|ballot| ballot.vote.serial == vote.serial).unwrap_or(self.ballots.len());
        if at == self.ballots.len() {
            self.ballots.push(Ballot {
                vote: vote.clone(),
                output: Output::None,
                is_kept: true,
                is_counted: false,
                paid: None,
            });
        }
        self.ballots[at].is_kept = true;
        &mut self.ballots[at]
    }
}

/// An item that was given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct GivenUp {
    pub(super) kind: FailKind,
    pub(super) detail: u64,
    pub(super) attempts: u8,
}

/// One stage.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) facts: StageFacts,
    /// Items below it have been handed out, or may have been before a restart.
    pub(super) cursor: u32,
    /// Items below it may have been handed out, as far as a restart knows.
    pub(super) reserved: u32,
    pub(super) done: Bits,
    pub(super) verified: Bits,
    pub(super) failed: BTreeMap<u32, GivenUp>,
    /// Plain items that are handed out again; of a stage that merges parts, all of them.
    pub(super) again: Ready,
    /// Items for which not every node will do.
    pub(super) special: BTreeSet<u32>,
    /// Items that wait for their time.
    pub(super) held: BTreeSet<(Stamp, u32)>,
    /// Items that may run somewhere since before a restart.
    pub(super) unknown: BTreeSet<u32>,
    /// They are handed out where nothing else is left.
    pub(super) risks_unknown: bool,
    pub(super) items: BTreeMap<u32, Item>,
    /// Items whose results are compared.
    pub(super) open: BTreeSet<u32>,
    pub(super) law: Law,
    pub(super) fuel: u64,
    pub(super) bytes: u64,
    pub(super) fuel_max: u64,
    pub(super) waived: u32,
    /// Known results that may be asked for again.
    pub(super) canaries: Vec<Vote>,
    /// Who holds the blocks of its parts.
    pub(super) holders: Vec<Alias>,
    /// When that was looked at last.
    pub(super) holders_at: Stamp,
    /// The first attempt whose blocks go through storage.
    pub(super) spill: Option<u64>,
    /// Waves in which lost blocks were made again.
    pub(super) waves: u32,
    /// (D) Results that count, where outputs are cut into parts.
    pub(super) kept: BTreeMap<u32, Accepted>,
}

impl Stage {
    fn new(facts: StageFacts) -> Self {
        let bits = Bits::new(facts.items);
        Self {
            cursor: 0,
            reserved: 0,
            done: bits.clone(),
            verified: bits,
            failed: BTreeMap::new(),
            again: Ready::default(),
            special: BTreeSet::new(),
            held: BTreeSet::new(),
            unknown: BTreeSet::new(),
            risks_unknown: false,
            items: BTreeMap::new(),
            open: BTreeSet::new(),
            law: Law::default(),
            fuel: 0,
            bytes: 0,
            fuel_max: facts.fuel_max,
            waived: 0,
            canaries: Vec::new(),
            holders: Vec::new(),
            holders_at: Stamp::EPOCH,
            spill: None,
            waves: 0,
            kept: BTreeMap::new(),
            facts,
        }
    }

    /// Items with an output, or given up.
    pub(super) fn ended(&self) -> u32 {
        self.done.ones() + u32::try_from(self.failed.len()).unwrap_or(u32::MAX)
    }

    /// Whether every item has ended; checks may still run.
    pub(super) fn is_full(&self) -> bool {
        self.ended() >= self.facts.items
    }

    /// Whether nothing of it is left to do. A repeated item whose result is known holds nobody up.
    pub(super) fn is_complete(&self) -> bool {
        self.is_full() && self.open.iter().all(|item| self.verified.get(*item))
    }

    /// Items that can be handed out now to whoever comes.
    pub(super) fn plain_ready(&self) -> u32 {
        let risked = if self.risks_unknown { self.unknown.len() } else { 0 };
        self.facts.items.saturating_sub(self.cursor) + u32::try_from(self.again.len() + risked).unwrap_or(u32::MAX)
    }

    /// Whether anything can be handed out now.
    pub(super) fn is_ready(&self) -> bool {
        self.plain_ready() > 0 || !self.special.is_empty()
    }

    /// Takes an item out of every queue. (B)
    pub(super) fn unqueue(&mut self, item: u32) {
        self.again.remove(item);
        self.special.remove(&item);
        self.unknown.remove(&item);
        if let Some(entry) = self.items.get(&item) {
            self.held.remove(&(entry.not_before, item));
        }
    }

    /// Forgets an item's entry when nothing is left to say of it.
    pub(super) fn tidy(&mut self, item: u32) {
        let has_ended = self.done.get(item) || self.failed.contains_key(&item);
        let is_idle = self
            .items
            .get(&item)
            .is_some_and(|entry| entry.live.is_empty() && !entry.is_pending() && entry.checking != Checking::Open);
        if has_ended && is_idle {
            self.items.remove(&item);
        }
    }

    fn open(&mut self, item: u32) {
        self.open.insert(item);
        self.items.entry(item).or_default().checking = Checking::Open;
    }

    fn close(&mut self, item: u32) {
        self.open.remove(&item);
        if let Some(entry) = self.items.get_mut(&item) {
            (entry.checking, entry.is_disputed, entry.missing) = (Checking::Closed, false, 0);
        }
    }

    fn accept(&mut self, item: u32, vote: &Vote, checked: Checked) {
        let was_done = self.done.get(item);
        if self.facts.parts > 0 {
            let is_same = self.kept.get(&item).is_some_and(|kept| kept.vote.serial == vote.serial);
            if !is_same {
                self.kept.insert(item, Accepted { vote: vote.clone(), was_verified: false });
            }
        }
        let entry = self.items.entry(item).or_default();
        let old = entry.accepted.and_then(|serial| entry.ballot(serial)).map(|ballot| ballot.vote.result);
        entry.put(vote).output = Output::Stored;
        (entry.accepted, entry.attempts, entry.lost) = (Some(vote.serial), 0, 0);
        let result = &vote.result;
        if self.done.set(item, true) {
            self.law.add(result.fuel);
            self.fuel = self.fuel.saturating_add(result.fuel);
            self.bytes = self.bytes.saturating_add(result.bytes);
        } else if let (true, Some(old)) = (was_done, old) {
            self.fuel = self.fuel.saturating_sub(old.fuel).saturating_add(result.fuel);
            self.bytes = self.bytes.saturating_sub(old.bytes).saturating_add(result.bytes);
        }
        match checked {
            Checked::Not => {}
            Checked::Drawn => self.open(item),
            Checked::Enough => {
                self.verified.set(item, true);
                self.close(item);
            }
        }
    }

    fn give_up(&mut self, item: u32, why: GivenUp) {
        self.unqueue(item);
        self.close(item);
        self.verified.set(item, false);
        self.done.set(item, false);
        self.kept.remove(&item);
        self.failed.insert(item, why);
        if let Some(entry) = self.items.get_mut(&item) {
            entry.accepted = None;
        }
    }

    fn reopen(&mut self, item: u32, compared: bool) {
        self.verified.set(item, false);
        if compared {
            self.open(item);
            return;
        }
        self.close(item);
        self.unqueue(item);
        self.done.set(item, false);
        self.kept.remove(&item);
        let live = self.items.remove(&item).map(|entry| entry.live).unwrap_or_default();
        self.items.insert(item, Item { live, ..Item::default() });
    }

    /// (D) The blocks of these items are lost, what they came to is not forgotten.
    fn rerun(&mut self, items: &[u32], wave: u32) {
        self.waves = self.waves.max(wave);
        let end = self.facts.items;
        for item in items.iter().copied().filter(|item| *item < end) {
            if !self.done.set(item, false) {
                continue;
            }
            let was_verified = self.verified.set(item, false);
            if let Some(kept) = self.kept.get_mut(&item) {
                kept.was_verified = was_verified;
                self.fuel = self.fuel.saturating_sub(kept.vote.result.fuel);
                self.bytes = self.bytes.saturating_sub(kept.vote.result.bytes);
            }
            self.unqueue(item);
            match self.items.get_mut(&item) {
                Some(entry) if entry.checking == Checking::Open => {
                    entry.accepted = None;
                    let stored = entry.ballots.iter_mut().filter(|ballot| ballot.output == Output::Stored);
                    stored.for_each(|ballot| ballot.output = Output::None);
                }
                entry => {
                    let live = entry.map(|entry| std::mem::take(&mut entry.live)).unwrap_or_default();
                    self.items.insert(item, Item { live, ..Item::default() });
                }
            }
        }
    }

    /// Whether an output that was not checked is still the item's, as far as that is known.
    pub(super) fn is_unchecked(&self, item: u32, serial: u64) -> bool {
        let is_its = self.kept.get(&item).is_none_or(|kept| kept.vote.serial == serial);
        self.done.get(item) && !self.verified.get(item) && is_its
    }

    /// (D) What an item that is run again came to before.
    pub(super) fn before(&self, item: u32) -> Option<&Accepted> {
        self.kept.get(&item).filter(|_| !self.done.get(item))
    }

    fn unfold(&mut self, fold: &Fold) {
        self.reserved = self.reserved.max(fold.cursor);
        self.fuel_max = self.fuel_max.max(fold.fuel_max);
        self.done = Bits::from_words(&fold.done, self.facts.items);
        self.verified = Bits::from_words(&fold.verified, self.facts.items);
        (self.fuel, self.bytes, self.waived) = (fold.fuel, fold.bytes, fold.waived);
        self.law.add_folded(self.done.ones(), fold.fuel, fold.largest);
        (self.holders, self.spill, self.waves) = (fold.holders.clone(), fold.spill, fold.waves);
        self.kept = fold.kept.iter().map(|kept| (kept.vote.result.item, kept.clone())).collect();
    }

    fn retry(&mut self) {
        for (item, _) in std::mem::take(&mut self.failed) {
            self.unqueue(item);
            let live = self.items.remove(&item).map(|entry| entry.live).unwrap_or_default();
            self.items.insert(item, Item { live, ..Item::default() });
        }
    }
}

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
                    apply_to_stage(stage, record);
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
                    apply_to_item(stage, item.item, record);
                }
            }
        }
    }
}

fn apply_to_stage(stage: &mut Stage, record: &Record) {
    match record {
        Record::Cursor { end, .. } => stage.reserved = stage.reserved.max(*end).min(stage.facts.items),
        Record::FuelMax { fuel, .. } => stage.fuel_max = *fuel,
        Record::Folded { fold, .. } => stage.unfold(fold),
        Record::Holders { nodes, .. } => stage.holders = nodes.clone(),
        Record::Spill { from, .. } => stage.spill = Some(stage.spill.map_or(*from, |first| first.min(*from))),
        Record::Rerun { items, wave, .. } => stage.rerun(items, *wave),
        _ => {}
    }
}

fn apply_to_item(stage: &mut Stage, item: u32, record: &Record) {
    match record {
        Record::Voted { vote, .. } => {
            stage.open(item);
            stage.items.entry(item).or_default().put(vote);
        }
        Record::Done { vote, checked, .. } => stage.accept(item, vote, *checked),
        Record::Verified { .. } => {
            stage.verified.set(item, true);
            stage.close(item);
        }
        Record::Waived { .. } => {
            stage.waived += 1;
            stage.close(item);
        }
        Record::Strike { strike, .. } => stage.items.entry(item).or_default().strikes.push(strike.clone()),
        Record::Failed { kind, detail, attempts, .. } => {
            stage.give_up(item, GivenUp { kind: *kind, detail: *detail, attempts: *attempts });
        }
        Record::Reopened { compared, .. } => stage.reopen(item, *compared),
        _ => {}
    }
}

/// What an item's results say, the accepted one first.
pub(super) fn result_of(item: &Item) -> Option<&Vote> {
    item.accepted.and_then(|serial| item.ballot(serial)).map(|ballot| &ballot.vote)
}

/// Whether a result is already stored, or about to be.
pub(super) fn is_kept_elsewhere(item: &Item, vote: &Vote) -> bool {
    item.ballots.iter().any(|ballot| ballot.output != Output::None && agree(&ballot.vote.result, &vote.result))
}

/// Whether a ballot says this.
pub(super) fn agree_with(ballot: &Ballot, result: &super::message::ItemResult) -> bool {
    agree(&ballot.vote.result, result)
}

impl Job {
    /// Whether all that is left of it runs already.
    pub(super) fn is_in_tail(&self) -> bool {
        !self.state.is_over()
            && !self.leases.is_empty()
            && self.ready_stages().all(|stage| self.stages[stage].plain_ready() == 0)
    }
}
