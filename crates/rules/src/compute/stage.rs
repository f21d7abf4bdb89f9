//! A stage in memory: what is done, what waits, and the items that are not plain.
//!
//! (A) What a restart keeps changes only in [`Stage::apply`] and [`Stage::apply_to_item`]. (B) An item is in at most one of the
//! queues. (C) An item without entry is either done, given up, beyond the cursor, or (after a restart) not yet known. (D) Of an
//! item whose output is cut into parts the result that counts is kept, also while its lost blocks are made again.

use super::bits::Bits;
use super::facts::StageFacts;
use super::item::{Checking, Item, Output};
use super::law::Law;
use super::ready::Ready;
use super::record::{Accepted, Checked, Fold, Record, Vote};
use model::{Alias, FailKind, Stamp};
use std::collections::{BTreeMap, BTreeSet};

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
    pub(super) fn new(facts: StageFacts) -> Self {
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

    /// Whether items that have begun wait to be handed out again.
    pub(super) fn again_waits(&self) -> bool {
        self.again.len() > 0 || !self.special.is_empty()
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

    pub(super) fn retry(&mut self) {
        for (item, _) in std::mem::take(&mut self.failed) {
            self.unqueue(item);
            let live = self.items.remove(&item).map(|entry| entry.live).unwrap_or_default();
            self.items.insert(item, Item { live, ..Item::default() });
        }
    }

    /// Makes it so, as far as it is the stage's.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Cursor { end, .. } => self.reserved = self.reserved.max(*end).min(self.facts.items),
            Record::FuelMax { fuel, .. } => self.fuel_max = *fuel,
            Record::Folded { fold, .. } => self.unfold(fold),
            Record::Holders { nodes, .. } => self.holders = nodes.clone(),
            Record::Spill { from, .. } => self.spill = Some(self.spill.map_or(*from, |first| first.min(*from))),
            Record::Rerun { items, wave, .. } => self.rerun(items, *wave),
            _ => {}
        }
    }

    /// Makes it so, as far as it is an item's.
    pub(super) fn apply_to_item(&mut self, item: u32, record: &Record) {
        match record {
            Record::Voted { vote, .. } => {
                self.open(item);
                self.items.entry(item).or_default().put(vote);
            }
            Record::Done { vote, checked, .. } => self.accept(item, vote, *checked),
            Record::Verified { .. } => {
                self.verified.set(item, true);
                self.close(item);
            }
            Record::Waived { .. } => {
                self.waived += 1;
                self.close(item);
            }
            Record::Strike { strike, .. } => self.items.entry(item).or_default().strikes.push(strike.clone()),
            Record::Failed { kind, detail, attempts, .. } => {
                self.give_up(item, GivenUp { kind: *kind, detail: *detail, attempts: *attempts });
            }
            Record::Reopened { compared, .. } => self.reopen(item, *compared),
            _ => {}
        }
    }
}
