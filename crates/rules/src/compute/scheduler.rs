//! The machine that hands out items, takes in results and knows what a job still lacks.
//!
//! (A) An item is accepted once: it gets its output with the first [`Record::Done`], and another one only when that is proved
//! wrong. (B) What a restart must know is a [`Record`]; a scheduler built from the records of another accepts nothing twice and
//! forgets nothing accepted. (C) Every lease ends: by its report, by silence ([`limits::LEASE`], renewed at most up to its life),
//! by its job's end. (D) Nobody is paid for a result that no output and no second result stands behind. (E) Two attempts of an
//! item never run on machines of one owner, the submitter's own machines apart; where three networks (strict: and regions) are
//! there, they differ in these too. (F) Nothing hangs for want of trusted machines: a check that no machine is left to do is
//! waived after [`limits::CHECK_WAIT`] and said so, a dispute without a third owner is given up; only strict waits until the job's
//! deadline. (G) Every answer that depends on time alone has asked to be woken for it. (H) A job that ended is forgotten when the
//! results of its nodes can no longer be taken back, a day later.
//!
//! Leases, requests and progress live in memory only. What it chooses stands in `super::choose`, leases in `super::attempt`,
//! reports in `super::report`, disputes in `super::judge`.

use super::attempt::Attempt;
use super::facts::{JobFacts, Lease, NodeFacts, SlotFacts};
use super::job::Job;
use super::limits;
use super::message::{Effect, Input, ItemResult, PayAct};
use super::record::{Record, Standing};
use super::stage::Stage;
use model::{Alias, FailKind, ItemRef, JobId, JobState, MemberId, Stamp};
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Number of a job in this life, in the order in which they came.
pub(super) type Key = u32;

/// A place in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) key: Key,
    pub(super) stage: u8,
    pub(super) item: u32,
}

/// What time alone may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Lease(u64),
    Item(At),
    Job(Key),
    Checks(Key),
    /// Items kept for holders; of no item in particular.
    Kept(At),
    Tail,
    Age,
}

/// An unchecked result, kept in case its node is found lying.
#[derive(Debug, Clone)]
pub(super) struct Unchecked {
    pub(super) at: At,
    pub(super) owner: MemberId,
    pub(super) network: u64,
    pub(super) serial: u64,
    pub(super) result: ItemResult,
    pub(super) said_at: Stamp,
    /// The how manyth of all.
    pub(super) nth: u64,
}

/// A node as the scheduler knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) facts: Option<NodeFacts>,
    pub(super) seen: Stamp,
    pub(super) is_suspect: bool,
    pub(super) ask: Option<u64>,
    pub(super) leases: BTreeSet<u64>,
    /// Leases it has named and not shown yet.
    pub(super) to_show: BTreeSet<u64>,
    pub(super) standing: Standing,
    pub(super) unchecked: VecDeque<Unchecked>,
}

/// A request that waits for work.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub(super) node: Alias,
    pub(super) slots: Vec<SlotFacts>,
}

/// The fleet in figures, as last counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread {
    pub(super) nodes: usize,
    pub(super) owners: usize,
    pub(super) networks: usize,
    pub(super) regions: usize,
    pub(super) at: Stamp,
}

/// One call of [`Scheduler::handle`].
pub(super) struct Turn<'a> {
    pub(super) now: Stamp,
    pub(super) rng: &'a mut dyn Rng,
    pub(super) out: Vec<Effect>,
    /// Jobs that may have something to hand out that they had not before.
    pub(super) hungry: BTreeSet<Key>,
    /// Leases by request.
    pub(super) grants: BTreeMap<u64, (Alias, Vec<Lease>)>,
}

/// All live jobs of a center, and who runs what.
#[derive(Debug, Clone)]
pub struct Scheduler {
    pub(super) life: u32,
    pub(super) now: Stamp,
    next_serial: u64,
    next_key: Key,
    pub(super) jobs: BTreeMap<Key, Job>,
    by_id: BTreeMap<JobId, Key>,
    pub(super) nodes: BTreeMap<Alias, Node>,
    pub(super) attempts: BTreeMap<u64, Attempt>,
    pub(super) parked: BTreeMap<u64, Parked>,
    /// Fuel handed out, by account: who has had least is next.
    pub(super) served: BTreeMap<MemberId, u64>,
    timers: BTreeSet<(Stamp, Timer)>,
    pub(super) watches_tails: bool,
    watches_age: bool,
    wake: Option<Stamp>,
    pub(super) spread: Spread,
    /// Unchecked results noted so far.
    noted: u64,
    /// Items made anew, with how many had been noted by then: what is noted of them before is not the item's any more.
    stale: BTreeMap<At, u64>,
}

impl Scheduler {
    /// An empty scheduler in a center's `life`-th life (24 bits count).
    pub fn new(life: u32) -> Self {
        Self {
            life: life & 0xff_ffff,
            now: Stamp::EPOCH,
            next_serial: 0,
            next_key: 0,
            jobs: BTreeMap::new(),
            by_id: BTreeMap::new(),
            nodes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            parked: BTreeMap::new(),
            served: BTreeMap::new(),
            timers: BTreeSet::new(),
            watches_tails: false,
            watches_age: false,
            wake: None,
            spread: Spread::default(),
            noted: 0,
            stale: BTreeMap::new(),
        }
    }

    /// Takes in what happens and returns everything that follows from it, in order.
    pub fn handle(&mut self, now: Stamp, input: Input, rng: &mut impl Rng) -> Vec<Effect> {
        let mut turn = Turn { now, rng, out: Vec::new(), hungry: BTreeSet::new(), grants: BTreeMap::new() };
        self.now = now;
        self.recount(now);
        self.pass_time(&mut turn);
        self.take_in(&mut turn, input);
        self.feed(&mut turn);
        self.forget_stale();
        for (ask, (node, leases)) in std::mem::take(&mut turn.grants) {
            turn.out.push(Effect::Grant { ask, node, leases });
        }
        self.ask_to_be_woken(&mut turn);
        turn.out
    }

    fn take_in(&mut self, turn: &mut Turn<'_>, input: Input) {
        match input {
            Input::Submit(facts) => self.submit(turn, facts),
            Input::Restore(facts, past) => self.restore(turn, facts, &past),
            Input::Known { node, standing } => self.nodes.entry(node).or_default().standing = standing,
            Input::Stop(job) => {
                if let Some(key) = self.key(job) {
                    self.end(turn, key, JobState::Stopped);
                }
            }
            Input::Retry(job) => self.retry(turn, job),
            Input::Resume(job) => self.resume(turn, job),
            Input::Budget(job, fuel) => {
                if let Some((key, job)) = self.by_id.get(&job).and_then(|key| Some((*key, self.jobs.get_mut(key)?))) {
                    job.facts.budget = fuel;
                    turn.hungry.insert(key);
                }
            }
            Input::Keeper { job, on } => {
                if let Some((key, job)) = self.by_id.get(&job).and_then(|key| Some((*key, self.jobs.get_mut(key)?))) {
                    job.keeper_off = !on;
                    turn.hungry.insert(key);
                }
            }
            Input::Ask { ask, node, slots } => self.ask(turn, ask, node, slots),
            Input::Unpark { ask } => self.unpark(turn, ask),
            Input::Report { node, report } => self.report(turn, node, report),
            Input::CheckIn { node, leases } => self.check_in(turn, node, &leases),
            Input::Announce { node, lease } => self.announce(turn, node, &lease),
            Input::Suspect { node } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.is_suspect = true;
                }
            }
            Input::Back { node } => self.is_there(turn.now, node),
            Input::Goodbye { node } => self.goodbye(turn, node),
            Input::Tick => {}
        }
    }

    pub(super) fn key(&self, job: JobId) -> Option<Key> {
        self.by_id.get(&job).copied()
    }

    /// The start number of the center, then a running number.
    pub(super) fn fresh_serial(&mut self) -> u64 {
        let serial = self.coming_serial();
        self.next_serial += 1;
        serial
    }

    /// Number of the next attempt.
    pub(super) fn coming_serial(&self) -> u64 {
        u64::from(self.life) << 40 | (self.next_serial + 1)
    }

    pub(super) fn stage(&mut self, at: At) -> Option<&mut Stage> {
        self.jobs.get_mut(&at.key)?.stages.get_mut(usize::from(at.stage))
    }

    pub(super) fn item_ref(&self, at: At) -> ItemRef {
        ItemRef { job: self.jobs[&at.key].facts.id, stage: at.stage, item: at.item }
    }

    /// Makes it so and says that it must be durable.
    pub(super) fn record(&mut self, turn: &mut Turn<'_>, record: Record) {
        self.apply(&record);
        turn.out.push(Effect::Record(record));
    }

    fn apply(&mut self, record: &Record) {
        if let Record::Standing { node, standing } = record {
            self.nodes.entry(*node).or_default().standing = standing.clone();
        }
        let Some((key, job)) =
            record.job().and_then(|job| self.by_id.get(&job)).and_then(|key| Some((*key, self.jobs.get_mut(key)?)))
        else {
            return;
        };
        job.apply(record);
        if let Record::Reopened { item, compared: false } = record {
            self.stale.insert(At { key, stage: item.stage, item: item.item }, self.noted);
        }
        if let (Record::Done { item, vote, checked: super::record::Checked::Not }, model::Trust::Public) =
            (record, job.facts.trust)
        {
            let at = At { key, stage: item.stage, item: item.item };
            self.noted += 1;
            self.nodes.entry(vote.node).or_default().unchecked.push_back(Unchecked {
                nth: self.noted,
                at,
                owner: vote.owner,
                network: vote.network,
                serial: vote.serial,
                result: vote.result,
                said_at: vote.at,
            });
        }
    }

    /// Results of items that were made anew since are nobody's window's any more.
    fn forget_stale(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        let stale = std::mem::take(&mut self.stale);
        for node in self.nodes.values_mut() {
            node.unchecked.retain(|old| stale.get(&old.at).is_none_or(|nth| old.nth > *nth));
        }
    }

    fn submit(&mut self, turn: &mut Turn<'_>, facts: JobFacts) {
        if self.by_id.contains_key(&facts.id) {
            return;
        }
        let key = self.add(facts);
        self.begin(turn, key);
    }

    fn add(&mut self, facts: JobFacts) -> Key {
        let key = self.next_key;
        self.next_key += 1;
        // Who comes anew is not owed for the time before. Accounts with live jobs say where that stands.
        let least = self.jobs.values().filter(|job| !job.state.is_over()).map(|job| job.facts.account);
        let least = least.filter_map(|account| self.served.get(&account)).min().copied().unwrap_or(0);
        let served = self.served.entry(facts.account).or_default();
        *served = least.max(*served);
        self.by_id.insert(facts.id, key);
        self.jobs.insert(key, Job::new(facts));
        key
    }

    fn begin(&mut self, turn: &mut Turn<'_>, key: Key) {
        let deadline = self.jobs[&key].facts.deadline;
        self.timer(deadline.max(turn.now), Timer::Job(key));
        turn.hungry.insert(key);
        self.advance(turn, key);
    }

    /// (B) The job as its records say; items below the cursor are unknown until nodes had time to show what they run.
    fn restore(&mut self, turn: &mut Turn<'_>, facts: JobFacts, past: &[Record]) {
        if self.by_id.contains_key(&facts.id) {
            return;
        }
        let key = self.add(facts);
        past.iter().for_each(|record| self.apply(record));
        let job = self.jobs.get_mut(&key).expect("just added");
        if job.state.is_over() {
            job.ended_at = Some(turn.now);
            self.timer(turn.now + limits::PENDING, Timer::Job(key));
        }
        let job = self.jobs.get_mut(&key).expect("just added");
        let mut entries = Vec::new();
        for (number, stage) in job.stages.iter_mut().enumerate() {
            stage.cursor = stage.reserved;
            let number = u8::try_from(number).expect("at most 32 stages");
            entries.extend(stage.items.keys().map(|item| At { key, stage: number, item: *item }));
        }
        for at in entries {
            self.judge(turn, at);
            if let Some(stage) = self.stage(at) {
                stage.tidy(at.item);
            }
        }
        self.begin(turn, key);
        self.await_workers(turn, key);
    }

    fn retry(&mut self, turn: &mut Turn<'_>, job: JobId) {
        let goes_on = |state: JobState| !state.is_over() || matches!(state, JobState::Partial | JobState::Failed);
        let Some(key) = self.key(job).filter(|key| goes_on(self.jobs[key].state)) else { return };
        let was_over = self.jobs[&key].state.is_over();
        let failed: Vec<At> = self.jobs[&key]
            .stages
            .iter()
            .enumerate()
            .flat_map(|(number, stage)| {
                let stage_number = u8::try_from(number).expect("at most 32 stages");
                stage.failed.keys().map(move |item| At { key, stage: stage_number, item: *item })
            })
            .collect();
        self.record(turn, Record::Retried { job });
        if was_over {
            self.record(turn, Record::State { job, state: JobState::Running });
            if let Some(job) = self.jobs.get_mut(&key) {
                job.ended_at = None;
            }
            let deadline = self.jobs[&key].facts.deadline;
            self.timer(deadline.max(turn.now), Timer::Job(key));
        }
        failed.into_iter().for_each(|at| self.settle(turn, at));
        turn.hungry.insert(key);
    }

    fn resume(&mut self, turn: &mut Turn<'_>, job: JobId) {
        let Some(key) = self.key(job).filter(|key| self.jobs[key].many_failed) else { return };
        self.record(turn, Record::ManyFailed { job, paused: false });
        turn.hungry.insert(key);
    }

    /// What follows when a stage may have come to its end.
    pub(super) fn advance(&mut self, turn: &mut Turn<'_>, key: Key) {
        loop {
            let Some(job) = self.jobs.get_mut(&key).filter(|job| !job.state.is_over()) else { return };
            // A stage that is run again may fail only now: then what comes after it cannot end either.
            let broken = job.stages[..job.at.min(job.stages.len())].iter().position(|stage| !stage.failed.is_empty());
            let at = broken.unwrap_or(job.at);
            let Some(stage) = job.stages.get(at) else { return self.end(turn, key, JobState::Done) };
            if !stage.is_complete() || !job.stages[..at].iter().all(Stage::is_complete) {
                return;
            }
            let failed = !stage.failed.is_empty();
            if job.at + 1 < job.stages.len() && !failed {
                job.at += 1;
                turn.hungry.insert(key);
                self.begin_merging(turn, key);
                continue;
            }
            let any_done = stage.done.ones() > 0 || stage.facts.items == 0;
            let state = match (failed, any_done) {
                (false, _) => JobState::Done,
                (true, true) => JobState::Partial,
                (true, false) => JobState::Failed,
            };
            return self.end(turn, key, state);
        }
    }

    pub(super) fn end(&mut self, turn: &mut Turn<'_>, key: Key, state: JobState) {
        let Some(job) = self.jobs.get(&key).filter(|job| !job.state.is_over()) else { return };
        let id = job.facts.id;
        for serial in job.leases.clone() {
            self.cancel(turn, serial);
        }
        self.record(turn, Record::State { job: id, state });
        if let Some(job) = self.jobs.get_mut(&key) {
            job.ended_at = Some(turn.now);
        }
        let progress = Box::new(self.progress(turn.now, id).expect("the job is known"));
        turn.out.push(Effect::JobEnded { job: id, state, progress });
        self.timer(turn.now + limits::PENDING, Timer::Job(key));
    }

    /// (H) A job that ended leaves the memory, and few records.
    fn forget(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(id) = self.jobs.get(&key).map(|job| job.facts.id) else { return };
        for serial in self.jobs[&key].leases.clone() {
            self.cancel(turn, serial);
        }
        // What waits of it has waited its day.
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            let all = self.nodes.get_mut(&node).map(|node| std::mem::take(&mut node.unchecked)).unwrap_or_default();
            let (ours, others): (VecDeque<_>, VecDeque<_>) = all.into_iter().partition(|old| old.at.key == key);
            ours.iter().for_each(|old| self.pay_unchecked(turn, PayAct::Post, node, old));
            self.nodes.entry(node).or_default().unchecked = others;
        }
        let records = self.fold(id);
        turn.out.push(Effect::Folded { job: id, records });
        let Some(job) = self.jobs.remove(&key) else { return };
        self.by_id.remove(&id);
        if !self.jobs.values().any(|other| other.facts.account == job.facts.account) {
            self.served.remove(&job.facts.account);
        }
    }

    /// (G) Asks for a call at this moment.
    pub(super) fn timer(&mut self, at: Stamp, timer: Timer) {
        self.timers.insert((at, timer));
    }

    fn pass_time(&mut self, turn: &mut Turn<'_>) {
        while let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= turn.now) {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Lease(serial) => self.lease_timer(turn, serial),
                Timer::Item(at) => self.settle(turn, at),
                Timer::Checks(key) => self.look_at_checks(turn, key),
                Timer::Job(key) => self.job_timer(turn, key),
                Timer::Kept(at) => self.release_kept(turn, at),
                Timer::Tail => self.feed_tails(turn),
                Timer::Age => self.age(turn),
            }
        }
    }

    fn job_timer(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if let Some(ended) = job.ended_at {
            let over = turn.now.since(ended).as_ms();
            let is_late = over >= limits::PENDING.as_ms() + limits::FORGET_WITHIN.as_ms();
            if is_late || (over >= limits::PENDING.as_ms() && job.is_quiet()) {
                self.forget(turn, key);
            } else if over >= limits::PENDING.as_ms() {
                self.timer(turn.now + limits::AGE_EVERY, Timer::Job(key));
            }
            return;
        }
        if job.facts.deadline <= turn.now {
            return self.end(turn, key, JobState::Expired);
        }
        self.look_at_unknown(turn, key);
    }

    fn ask_to_be_woken(&mut self, turn: &mut Turn<'_>) {
        let Some(first) = self.timers.first().map(|(at, _)| *at) else { return };
        if self.wake.is_none_or(|wake| wake <= turn.now || first < wake) {
            self.wake = Some(first);
            turn.out.push(Effect::WakeAt(first));
        }
    }

    /// Wakes up once more for copies in the tail, if any job may need them.
    pub(super) fn watch_tails(&mut self, now: Stamp) {
        if !self.watches_tails && !self.parked.is_empty() && self.jobs.values().any(Job::is_in_tail) {
            self.watches_tails = true;
            self.timer(now + limits::TAIL_EVERY, Timer::Tail);
        }
    }

    /// Counts the fleet anew, not at every call.
    fn recount(&mut self, now: Stamp) {
        let last = self.spread;
        let has_grown = self.nodes.len() > last.nodes + last.nodes / 8;
        if !has_grown && now.since(last.at) < limits::COUNT_EVERY {
            return;
        }
        let there = self.nodes.values().filter(|node| now.since(node.seen) < limits::NODE_THERE);
        let there: Vec<&NodeFacts> = there.filter_map(|node| node.facts.as_ref()).collect();
        let count = |all: BTreeSet<u64>| all.len();
        self.spread = Spread {
            nodes: self.nodes.len(),
            owners: there.iter().map(|node| node.owner).collect::<BTreeSet<_>>().len(),
            networks: count(there.iter().map(|node| node.network).collect()),
            regions: there.iter().filter_map(|node| node.region.as_ref()).collect::<BTreeSet<_>>().len(),
            at: now,
        };
    }

    /// The node has been heard of.
    pub(super) fn is_there(&mut self, now: Stamp, node: Alias) {
        if let Some(node) = self.nodes.get_mut(&node) {
            (node.seen, node.is_suspect) = (now, false);
        }
    }

    /// Earnings that have waited long enough, or that nobody could take back any more, are final.
    fn age(&mut self, turn: &mut Turn<'_>) {
        self.watches_age = false;
        let mut due = Vec::new();
        let mut is_left = false;
        for (alias, node) in &mut self.nodes {
            while node.unchecked.front().is_some_and(|first| turn.now.since(first.said_at) >= limits::PENDING) {
                due.extend(node.unchecked.pop_front().map(|old| (*alias, old)));
            }
            is_left |= !node.unchecked.is_empty();
        }
        for (node, old) in due {
            self.pay_unchecked(turn, PayAct::Post, node, &old);
        }
        if is_left {
            self.watch_age(turn.now);
        }
    }

    /// Wakes up once more for earnings that wait.
    pub(super) fn watch_age(&mut self, now: Stamp) {
        if !self.watches_age {
            self.watches_age = true;
            self.timer(now + limits::AGE_EVERY, Timer::Age);
        }
    }

    /// Gives an item up.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>, at: At, kind: FailKind, detail: u64) {
        let item = self.item_ref(at);
        let attempts = self.stage(at).and_then(|stage| stage.items.get(&at.item)).map_or(0, |entry| entry.attempts);
        self.record(turn, Record::Failed { item, kind, detail, attempts });
        let job = self.jobs.get_mut(&at.key).expect("the item's job is known");
        let stage = &job.stages[usize::from(at.stage)];
        let first = limits::FIRST_ITEMS.min(stage.facts.items);
        let failed = stage.failed.values().filter(|why| why.kind.is_the_jobs()).count() as u64;
        let asks = stage.facts.items >= limits::FIRST_ITEMS_LEAST
            && stage.ended() <= first
            && failed > limits::FIRST_FAILED_MAX.of(u64::from(first));
        if asks && !job.goes_on && !job.many_failed {
            let job = job.facts.id;
            self.record(turn, Record::ManyFailed { job, paused: true });
        }
        self.settle(turn, at);
        self.advance(turn, at.key);
    }
}
