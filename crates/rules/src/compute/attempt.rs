//! Leases: how they begin, live and end.
//!
//! (A) A lease nobody renews ends [`LEASE`] after the last word of it, a parked one [`PARK_GRACE`] after parking, and none lives
//! longer than its life. (B) What a lease has not said when it ends is handed out anew, at once. (C) A lease this center has
//! never heard of counts as if it had, once its node shows the permit.

use super::facts::{Lease, LeaseState, NodeFacts};
use super::item::{Checking, Output};
use super::limits::{
    BUDGET_ROOM, BUNDLE_ITEMS, CURSOR_BLOCK, LEASE, LEASE_LIFE, LIFE_SLACK, OVER_KEPT, PARK_GRACE, PILOT_FUEL,
    UNKNOWN_FUEL,
};
use super::message::Effect;
use super::quorum::check_share;
use super::record::Record;
use super::scheduler::{At, Key, Scheduler, Timer, Turn};
use model::{Alias, JobState, MemberId, Ppm, Span, Stamp, Trust};
use std::collections::BTreeSet;

/// A lease as the scheduler keeps it. Sets of items are bits, the first item's the lowest.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) key: Key,
    pub(super) stage: u8,
    pub(super) first: u32,
    pub(super) count: u16,
    pub(super) node: Alias,
    pub(super) owner: MemberId,
    pub(super) network: u64,
    pub(super) region: Option<model::Region>,
    pub(super) speed_milli: u32,
    pub(super) granted: Stamp,
    /// Ends then if nothing is heard.
    pub(super) until: Stamp,
    /// Ends then in any case.
    pub(super) life_end: Stamp,
    /// Last time a result was said, or it began.
    pub(super) mark: Stamp,
    /// What it was expected to take; none where nothing was known.
    pub(super) expected: Option<Span>,
    /// Most fuel of an item: more is not believed.
    pub(super) max_fuel: u64,
    /// Items of which a result was said.
    pub(super) said: u64,
    /// … that are to be stored.
    pub(super) store: u64,
    /// Items of which nothing more is to come.
    pub(super) settled: u64,
    /// Outputs are awaited until then.
    pub(super) store_by: Option<Stamp>,
    pub(super) parked: Option<Stamp>,
    pub(super) was_parked: bool,
    /// It has ended, and is kept for reports whose answer was lost.
    pub(super) is_over: bool,
}

impl Attempt {
    /// The bit of an item, if the lease holds it.
    pub(super) fn bit(&self, item: u32) -> Option<u64> {
        let place = item.checked_sub(self.first)?;
        (place < u32::from(self.count)).then(|| 1 << place)
    }

    fn all(&self) -> u64 {
        u64::MAX >> (64 - u32::from(self.count.clamp(1, 64)))
    }

    /// Items of which more is to come.
    pub(super) fn open_items(&self) -> Vec<u32> {
        let open = self.all() & !self.settled;
        (0..u32::from(self.count)).filter(|place| open >> place & 1 == 1).map(|place| self.first + place).collect()
    }

    /// Whether nothing more is to come.
    pub(super) fn is_settled(&self) -> bool {
        self.all() & !self.settled == 0
    }

    pub(super) fn at(&self, item: u32) -> At {
        At { key: self.key, stage: self.stage, item }
    }

    /// Most fuel of what is still to come.
    pub(super) fn reserved(&self) -> u64 {
        let open = (self.all() & !self.settled).count_ones();
        if self.is_over { 0 } else { self.max_fuel.saturating_mul(open.into()) }
    }

    /// Until it ends, if it goes as expected.
    pub(super) fn left(&self, now: Stamp) -> Option<Span> {
        Some(Span(self.expected?.as_ms().saturating_sub(now.since(self.granted).as_ms())))
    }
}

/// A task to be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) at: At,
    pub(super) count: u32,
    /// It runs elsewhere already.
    pub(super) is_copy: bool,
}

impl Scheduler {
    /// Leases a task to a node whose facts are known.
    pub(super) fn grant(&mut self, turn: &mut Turn<'_>, alias: Alias, task: Task) -> Option<Lease> {
        let facts = self.nodes.get(&alias)?.facts.clone()?;
        let (at, now) = (task.at, turn.now);
        self.reserve(turn, at, task.count);
        self.tend_holders(turn, at.key, at.stage);
        let serial = self.fresh_serial();
        let share = self.share_of_budget(at.key, task.count);
        let validated = self.validated_in(at.key, alias);
        let job = self.jobs.get_mut(&at.key)?;
        let (trust, account, id) = (job.facts.trust, job.facts.account, job.facts.id);
        job.leases.insert(serial);
        job.copies += u32::from(task.is_copy);
        *job.by_owner.entry(facts.owner).or_default() += task.count;
        let is_first = job.state == JobState::Queued;
        // What will be checked in any case need not wait for its first result.
        let is_pair = !task.is_copy && facts.owner != account && check_share(job.demand(), validated) == Ppm::ONE;
        let stage = &mut job.stages[usize::from(at.stage)];
        let (mut memory_mib, mut deep_stack) = (stage.facts.memory_mib, false);
        for item in at.item..at.item + task.count {
            stage.unqueue(item);
            let entry = stage.items.entry(item).or_default();
            entry.live.push(serial);
            entry.attempts = entry.attempts.saturating_add(1);
            (entry.wanted_since, deep_stack) = (None, deep_stack | entry.is_deep);
            let is_known = stage.kept.contains_key(&item);
            if is_pair && !is_known && entry.ballots.is_empty() && entry.checking == Checking::No {
                (entry.checking, entry.missing) = (Checking::Open, 2);
                stage.open.insert(item);
            }
            if entry.is_grown {
                memory_mib = stage.facts.memory_mib.saturating_mul(2);
            }
        }
        let expected_fuel = stage.law.mean_fuel().unwrap_or(0).saturating_mul(u64::from(task.count));
        let charged =
            if expected_fuel == 0 { UNKNOWN_FUEL.saturating_mul(u64::from(task.count)) } else { expected_fuel };
        let expected = stage.law.takes(task.count, facts.speed_milli);
        let walls = stage.facts.wall.scaled(u64::from(task.count), 1);
        let life = LEASE_LIFE.max(walls).max(expected.unwrap_or(Span::ZERO).scaled(3, 1));
        let most = if stage.fuel_max == 0 { PILOT_FUEL } else { stage.fuel_max };
        // Under a budget an item takes no more than its share of what is left; what has begun is finished in any case.
        let max_fuel = most.min(share.max(stage.law.largest().saturating_mul(BUDGET_ROOM)).max(1));
        let served = self.served.entry(account).or_default();
        *served = served.saturating_add(charged);
        let count = u16::try_from(task.count).expect("a task has at most 64 items");
        let until = now + LEASE;
        let attempt = Attempt {
            key: at.key,
            stage: at.stage,
            first: at.item,
            count,
            node: alias,
            owner: facts.owner,
            network: facts.network,
            region: facts.region,
            speed_milli: facts.speed_milli,
            granted: now,
            until,
            life_end: now + life,
            mark: now,
            expected,
            max_fuel,
            said: 0,
            store: 0,
            settled: 0,
            store_by: None,
            parked: None,
            was_parked: false,
            is_over: false,
        };
        self.attempts.insert(serial, attempt);
        self.nodes.entry(alias).or_default().leases.insert(serial);
        self.timer(until, Timer::Lease(serial));
        if is_pair {
            (at.item..at.item + task.count).for_each(|item| self.settle(turn, At { item, ..at }));
        }
        if is_first {
            self.record(turn, Record::State { job: id, state: JobState::Running });
        }
        if !self.jobs[&at.key].workers.contains(&alias) {
            self.record(turn, Record::Worker { job: id, node: alias });
        }
        let direct = trust != Trust::Public;
        let given = &self.jobs[&at.key].stages[usize::from(at.stage)];
        let spill = given.spill.is_some();
        let holders = if spill { Vec::new() } else { given.holders.clone() };
        let (stage, first) = (at.stage, at.item);
        let not_after = until;
        Some(Lease {
            serial,
            job: id,
            stage,
            first,
            count,
            expected_fuel,
            max_fuel,
            memory_mib,
            deep_stack,
            not_after,
            direct,
            holders,
            spill,
        })
    }

    /// Moves the cursor over a task, and what is reserved with it.
    pub(super) fn reserve(&mut self, turn: &mut Turn<'_>, at: At, count: u32) {
        let Some(stage) = self.stage(at) else { return };
        let end = at.item + count;
        if end <= stage.cursor {
            return;
        }
        stage.cursor = end;
        if end > stage.reserved {
            let block = (stage.facts.items / 32).clamp(16, CURSOR_BLOCK).max(count);
            let end = (stage.reserved + block).max(end).min(stage.facts.items);
            let job = self.jobs[&at.key].facts.id;
            self.record(turn, Record::Cursor { job, stage: at.stage, end });
        }
    }

    /// (A) Looks whether a lease has ended.
    pub(super) fn lease_timer(&mut self, turn: &mut Turn<'_>, serial: u64) {
        let Some(attempt) = self.attempts.get(&serial) else { return };
        if attempt.is_over {
            if attempt.until <= turn.now {
                self.attempts.remove(&serial);
            } else {
                self.timer(attempt.until, Timer::Lease(serial));
            }
            return;
        }
        let end = attempt.until.min(attempt.store_by.unwrap_or(attempt.until));
        if end > turn.now {
            return self.timer(end, Timer::Lease(serial));
        }
        let node = attempt.node;
        // Whoever still runs it hears that it is over.
        turn.out.push(Effect::Cancel { node, serial });
        self.lose(turn, serial, true);
    }

    /// (B) A lease ends before all of it was said. Lost ones count as lost, given back ones do not count.
    pub(super) fn lose(&mut self, turn: &mut Turn<'_>, serial: u64, is_lost: bool) {
        let Some(attempt) = self.attempts.get(&serial).filter(|attempt| !attempt.is_over).cloned() else { return };
        self.drop_attempt(serial);
        let mut moved = false;
        for item in attempt.open_items() {
            let at = attempt.at(item);
            let Some(stage) = self.stage(at) else { continue };
            let Some(entry) = stage.items.get_mut(&item) else { continue };
            if entry.live.contains(&serial) {
                entry.live.retain(|live| *live != serial);
                if is_lost {
                    entry.lost = entry.lost.saturating_add(1);
                } else {
                    entry.attempts = entry.attempts.saturating_sub(1);
                }
                moved = true;
            }
            if let Some(ballot) = entry.ballot_mut(serial).filter(|ballot| ballot.output == Output::Pending) {
                ballot.output = Output::None;
            }
            self.judge(turn, at);
        }
        if let Some(job) = self.jobs.get_mut(&attempt.key) {
            job.moved += u32::from(moved && is_lost);
        }
        self.advance(turn, attempt.key);
    }

    /// Ends a lease whose work is not wanted any more; its node is told, and what it has said stands.
    pub(super) fn cancel(&mut self, turn: &mut Turn<'_>, serial: u64) {
        let Some(attempt) = self.attempts.get(&serial).filter(|attempt| !attempt.is_over).cloned() else { return };
        turn.out.push(Effect::Cancel { node: attempt.node, serial });
        self.drop_attempt(serial);
        for item in attempt.open_items() {
            let Some(stage) = self.stage(attempt.at(item)) else { continue };
            if let Some(entry) = stage.items.get_mut(&item) {
                entry.live.retain(|live| *live != serial);
                if let Some(ballot) = entry.ballot_mut(serial).filter(|ballot| ballot.output == Output::Pending) {
                    ballot.output = Output::None;
                }
            }
            stage.tidy(item);
        }
    }

    /// Forgets a lease.
    pub(super) fn drop_attempt(&mut self, serial: u64) {
        let Some(attempt) = self.attempts.remove(&serial) else { return };
        if let Some(node) = self.nodes.get_mut(&attempt.node) {
            node.leases.remove(&serial);
        }
        if let Some(job) = self.jobs.get_mut(&attempt.key) {
            job.leases.remove(&serial);
        }
    }

    /// Nothing more is to come of an item under this lease.
    pub(super) fn settle_in_lease(&mut self, now: Stamp, serial: u64, item: u32) {
        let Some(attempt) = self.attempts.get_mut(&serial) else { return };
        let Some(bit) = attempt.bit(item) else { return };
        attempt.settled |= bit;
        let at = attempt.at(item);
        if let Some(stage) = self.stage(at) {
            if let Some(entry) = stage.items.get_mut(&item) {
                entry.live.retain(|live| *live != serial);
            }
            stage.tidy(item);
        }
        let attempt = self.attempts.get_mut(&serial).expect("just looked at");
        if attempt.store & !attempt.settled == 0 {
            attempt.store_by = None;
        }
        if !attempt.is_settled() || attempt.is_over {
            return;
        }
        (attempt.is_over, attempt.until) = (true, now + OVER_KEPT);
        let (node, key) = (attempt.node, attempt.key);
        if let Some(node) = self.nodes.get_mut(&node) {
            node.leases.remove(&serial);
        }
        if let Some(job) = self.jobs.get_mut(&key) {
            job.leases.remove(&serial);
        }
    }

    pub(super) fn check_in(&mut self, turn: &mut Turn<'_>, node: Alias, leases: &[LeaseState]) {
        self.is_there(turn.now, node);
        let mut to_show = BTreeSet::new();
        for state in leases {
            let serial = state.serial;
            match self.attempts.get(&serial) {
                None => {
                    to_show.insert(serial);
                    turn.out.push(Effect::Show { node, serial });
                }
                Some(attempt) if attempt.node != node => turn.out.push(Effect::Cancel { node, serial }),
                Some(attempt) if attempt.is_over => {}
                Some(_) => self.renew(turn.now, serial, state.parked),
            }
        }
        self.told(turn, node, to_show);
    }

    /// (A) A word of a lease: it lives on.
    pub(super) fn renew(&mut self, now: Stamp, serial: u64, is_parked: bool) {
        let Some(attempt) = self.attempts.get_mut(&serial).filter(|attempt| !attempt.is_over) else { return };
        let until = if is_parked {
            attempt.was_parked = true;
            *attempt.parked.get_or_insert(now) + PARK_GRACE
        } else {
            attempt.parked = None;
            now + LEASE
        };
        attempt.until = until.min(attempt.life_end);
        let end = attempt.until;
        // A timer that comes too early looks again; one is enough unless this end is sooner than the one it waits for.
        if is_parked {
            self.timer(end, Timer::Lease(serial));
        }
    }

    /// A node that began to run so long ago asks for work: leases of its earlier lives are nobody's, whatever their time.
    pub(super) fn outlive(&mut self, turn: &mut Turn<'_>, alias: Alias, age: Span) {
        let Some(node) = self.nodes.get(&alias).filter(|node| !node.leases.is_empty()) else { return };
        let is_earlier = |serial: &u64| {
            let granted = self.attempts.get(serial).map(|attempt| attempt.granted);
            granted.is_some_and(|granted| turn.now.since(granted) > age + LIFE_SLACK)
        };
        let earlier: Vec<u64> = node.leases.iter().copied().filter(is_earlier).collect();
        for serial in earlier {
            self.lose(turn, serial, true);
        }
    }

    pub(super) fn goodbye(&mut self, turn: &mut Turn<'_>, alias: Alias) {
        let Some(node) = self.nodes.get_mut(&alias) else { return };
        (node.is_suspect, node.seen) = (true, Stamp(0));
        let (ask, leases) = (node.ask, node.leases.clone());
        if let Some(ask) = ask {
            self.unpark(turn, ask);
        }
        for serial in leases {
            self.lose(turn, serial, true);
        }
        self.told(turn, alias, BTreeSet::new());
    }

    /// (C) Takes up a lease of an earlier life, or one that was given up too early.
    pub(super) fn announce(&mut self, turn: &mut Turn<'_>, facts: NodeFacts, lease: &Lease) {
        let (alias, serial) = (facts.alias, lease.serial);
        let now = turn.now;
        let node = self.nodes.entry(alias).or_default();
        (node.seen, node.is_suspect) = (now, false);
        node.facts = Some(facts.clone());
        self.take_up(turn, &facts, lease);
        self.shown(turn, alias, serial);
    }

    fn take_up(&mut self, turn: &mut Turn<'_>, facts: &NodeFacts, lease: &Lease) {
        let (alias, serial, now) = (facts.alias, lease.serial, turn.now);
        if let Some(attempt) = self.attempts.get(&serial) {
            if attempt.node != alias {
                turn.out.push(Effect::Cancel { node: alias, serial });
            } else {
                self.renew(now, serial, false);
            }
            return;
        }
        if !self.may_take_up(facts, lease) {
            turn.out.push(Effect::Cancel { node: alias, serial });
            return;
        }
        let key = self.key(lease.job).expect("just looked at");
        let job = self.jobs.get_mut(&key).expect("just looked at");
        job.leases.insert(serial);
        job.workers.insert(alias);
        let stage = &mut job.stages[usize::from(lease.stage)];
        let (takes, walls) = (
            stage.law.takes(u32::from(lease.count), facts.speed_milli),
            stage.facts.wall.scaled(u64::from(lease.count), 1),
        );
        let mut wanted = false;
        for item in lease.first..lease.first + u32::from(lease.count) {
            let is_open = stage.items.get(&item).is_some_and(|entry| entry.checking == Checking::Open);
            let is_known = stage.verified.get(item) || stage.failed.contains_key(&item);
            if is_known || (stage.done.get(item) && !is_open) {
                continue;
            }
            let entry = stage.items.entry(item).or_default();
            // It said so before, and only its output is missing.
            if let Some(ballot) = entry.ballot_mut(serial) {
                ballot.output = if ballot.output == Output::None { Output::Pending } else { ballot.output };
            } else {
                entry.live.push(serial);
                entry.attempts = entry.attempts.saturating_add(1);
            }
            wanted = true;
        }
        let attempt = Attempt {
            key,
            stage: lease.stage,
            first: lease.first,
            count: lease.count,
            node: alias,
            owner: facts.owner,
            network: facts.network,
            region: facts.region.clone(),
            speed_milli: facts.speed_milli,
            granted: now,
            until: now + LEASE,
            life_end: now + LEASE_LIFE.max(walls),
            mark: now,
            expected: takes,
            max_fuel: lease.max_fuel,
            said: 0,
            store: 0,
            settled: 0,
            store_by: None,
            parked: None,
            // What it did before is not known: its time teaches nothing.
            was_parked: true,
            is_over: false,
        };
        self.attempts.insert(serial, attempt);
        self.nodes.entry(alias).or_default().leases.insert(serial);
        self.timer(now + LEASE, Timer::Lease(serial));
        for item in lease.first..lease.first + u32::from(lease.count) {
            let at = At { key, stage: lease.stage, item };
            self.mark_said(serial, at);
            self.settle(turn, at);
        }
        if !wanted {
            // It still may report what it has, and hears that others were first.
            turn.out.push(Effect::Cancel { node: alias, serial });
        }
    }

    /// A lease that is taken up again knows which of its items have been said.
    fn mark_said(&mut self, serial: u64, at: At) {
        let is_said = self
            .stage(at)
            .and_then(|stage| stage.items.get(&at.item))
            .is_some_and(|entry| entry.ballot(serial).is_some());
        if let (true, Some(attempt)) = (is_said, self.attempts.get_mut(&serial)) {
            let bit = attempt.bit(at.item).unwrap_or(0);
            (attempt.said, attempt.store) = (attempt.said | bit, attempt.store | bit);
        }
    }

    /// Whether a shown lease fits a live job and no other attempt of this owner, or of a node out of public computing.
    fn may_take_up(&self, facts: &NodeFacts, lease: &Lease) -> bool {
        let Some(job) = self.key(lease.job).and_then(|key| self.jobs.get(&key)) else { return false };
        let Some(stage) = job.stages.get(usize::from(lease.stage)) else { return false };
        let end = lease.first.checked_add(u32::from(lease.count));
        let fits = lease.count > 0
            && u32::from(lease.count) <= BUNDLE_ITEMS
            && end.is_some_and(|end| end <= stage.facts.items.min(stage.cursor));
        let is_out = job.facts.trust == Trust::Public
            && facts.owner != job.facts.account
            && self.nodes.get(&facts.alias).is_some_and(|node| node.standing.quarantined.is_some());
        if !fits || is_out || job.state.is_over() {
            return false;
        }
        (lease.first..lease.first + u32::from(lease.count)).all(|item| {
            let Some(entry) = stage.items.get(&item) else { return true };
            self.other_owners(job, entry, lease.serial, facts)
        })
    }
}
