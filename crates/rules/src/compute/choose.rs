//! Which item runs where (`docs/design/compute.md` §7).
//!
//! (A) A node's own jobs come first, then circle, then public ones; among accounts of a lane the one that has been given least
//! fuel. (B) No job holds more than [`JOB_SHARE`] of the slots while another could use them. (C) Where nodes wait for work, the
//! one that is expected to finish soonest gets it; among equally fit ones their weights decide. (D) Items that need a chosen node
//! come before others of their job. (E) Copies of what runs too long go to slots nothing else wants.

use super::attempt::Task;
use super::facts::{NodeFacts, SlotFacts};
use super::item::{Ballot, Checking, Item, Output};
use super::job::Job;
use super::limits::{
    ARBITER_AFTER, ARBITER_WAIT, BUNDLE_BYTES, BUNDLE_ITEMS, BUNDLE_MIN, BUNDLED_BELOW, CANARY_SHARE,
    EQUALLY_FIT_PERCENT, GRANTS_MAX, HOST_AGAIN, JOB_SHARE, OWNER_CAP_FROM, OWNER_SHARE, PILOTS, PILOTS_PAID,
    SAME_NODE_AGAIN, SLOTS_MAX, SPECIAL_LOOK, SPREAD_FROM, STEADY_AGE, TAIL_COPIES, TAIL_COPIES_INTERACTIVE,
    TAIL_LEAST, TAIL_LOOK, TAIL_PERCENT, TASK_MAX,
};
use super::message::{Effect, PayAct};
use super::progress::WhyNot;
use super::quorum;
use super::scheduler::{At, Key, Node, Parked, Scheduler, Turn};
use super::survival::finish_score;
use model::{Alias, Check, Span, Stamp, Trust};
use std::collections::{BTreeMap, BTreeSet};

impl Scheduler {
    /// A node has room: it gets what there is, or waits.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>, ask: u64, facts: NodeFacts, mut slots: Vec<SlotFacts>) {
        slots.truncate(SLOTS_MAX);
        let alias = facts.alias;
        if let Some(old) = self.nodes.get(&alias).and_then(|node| node.ask) {
            self.unpark(turn, old);
        }
        self.outlive(turn, alias, facts.session_age);
        let node = self.nodes.entry(alias).or_default();
        (node.seen, node.is_suspect, node.ask) = (turn.now, false, Some(ask));
        node.facts = Some(facts);
        self.parked.insert(ask, Parked { node: alias, slots });
        self.serve(turn, ask);
        self.watch_tails(turn.now);
    }

    /// A request is over.
    pub(super) fn unpark(&mut self, turn: &mut Turn<'_>, ask: u64) {
        if self.forget_ask(ask) && !turn.grants.contains_key(&ask) {
            turn.out.push(Effect::Empty { ask });
        }
    }

    fn forget_ask(&mut self, ask: u64) -> bool {
        let Some(parked) = self.parked.remove(&ask) else { return false };
        if let Some(node) = self.nodes.get_mut(&parked.node).filter(|node| node.ask == Some(ask)) {
            node.ask = None;
        }
        true
    }

    /// Gives one request all it can get. Answered requests are no longer parked.
    fn serve(&mut self, turn: &mut Turn<'_>, ask: u64) {
        while let Some(parked) = self.parked.get(&ask) {
            let alias = parked.node;
            let mut tried: Option<SlotFacts> = None;
            let found = parked.slots.iter().enumerate().find_map(|(place, slot)| {
                // Slots are alike as a rule: one that found nothing speaks for its like.
                if tried.replace(*slot) == Some(*slot) {
                    return None;
                }
                Some((place, self.pick(turn.now, alias, *slot)?))
            });
            let Some((place, task)) = found else { break };
            if !self.give(turn, ask, place, task) {
                break;
            }
        }
        self.close_answered(turn, ask);
    }

    /// A request that got something is answered at the end of the call.
    fn close_answered(&mut self, turn: &Turn<'_>, ask: u64) {
        if turn.grants.contains_key(&ask) {
            self.forget_ask(ask);
        }
    }

    /// Leases a task to a parked request; whether it has room for more.
    fn give(&mut self, turn: &mut Turn<'_>, ask: u64, place: usize, task: Task) -> bool {
        let Some(parked) = self.parked.get_mut(&ask) else { return false };
        parked.slots.remove(place);
        let (alias, is_full) = (parked.node, parked.slots.is_empty());
        let task = self.or_canary(turn, alias, task);
        let Some(lease) = self.grant(turn, alias, task) else { return false };
        let leases = &mut turn.grants.entry(ask).or_insert((alias, Vec::new())).1;
        leases.push(lease);
        !is_full && leases.len() < GRANTS_MAX
    }

    /// Jobs that have something to hand out that they had not before.
    pub(super) fn feed(&mut self, turn: &mut Turn<'_>) {
        while let Some(key) = turn.hungry.pop_first() {
            if self.parked.is_empty() {
                turn.hungry.clear();
                return;
            }
            self.feed_job(turn, key);
        }
    }

    fn feed_job(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(job) = self.jobs.get(&key).filter(|job| job.is_open()) else { return };
        let Some(most) = job.ready_stages().map(|at| job.stages[at].plain_ready()).max() else { return };
        let room: usize = self.parked.values().map(|parked| parked.slots.len()).sum();
        if most as usize >= room.saturating_mul(BUNDLE_ITEMS as usize) {
            // More work than room: everybody who waits is asked in turn, from a drawn beginning.
            let asks: Vec<u64> = self.parked.keys().copied().collect();
            let from = usize::try_from(quorum::below(asks.len() as u64, turn.rng)).unwrap_or(0);
            asks[from..].iter().chain(&asks[..from]).for_each(|ask| self.serve(turn, *ask));
            return;
        }
        let mut served = BTreeSet::new();
        while let Some((ask, place, task)) = self.best_node(turn, key) {
            served.insert(ask);
            let has_room = self.give(turn, ask, place, task);
            if !has_room {
                self.close_answered(turn, ask);
            }
        }
        served.iter().for_each(|ask| self.close_answered(turn, *ask));
    }

    /// (C) The parked node that should get the next task of this job.
    fn best_node(&self, turn: &mut Turn<'_>, key: Key) -> Option<(u64, usize, Task)> {
        let mut fit = Vec::new();
        for (ask, parked) in &self.parked {
            let Some(node) = self.nodes.get(&parked.node) else { continue };
            let Some(facts) = node.facts.as_ref() else { continue };
            let given = turn.grants.get(ask).map_or(0, |(_, leases)| leases.len());
            if given >= GRANTS_MAX {
                continue;
            }
            let found = parked.slots.iter().enumerate().find_map(|(place, slot)| {
                Some((place, self.pick_in_job(turn.now, (node, facts), *slot, key).ok().flatten()?))
            });
            let Some((place, task)) = found else { continue };
            let stage = &self.jobs[&key].stages[usize::from(task.at.stage)];
            let length = stage
                .law
                .takes(task.count, facts.speed_milli)
                .unwrap_or(BUNDLE_MIN.scaled(1_000, u64::from(facts.speed_milli.max(1))));
            let score = finish_score(facts.session_age, length).saturating_mul(1 + given as u64);
            fit.push((score, facts.weight.0.max(1), *ask, place, task));
        }
        let best = fit.iter().map(|one| one.0).min()?;
        fit.retain(|one| one.0 <= best.saturating_mul(EQUALLY_FIT_PERCENT) / 100);
        let all: u64 = fit.iter().map(|one| u64::from(one.1)).sum();
        let mut drawn = quorum::below(all, turn.rng);
        let chosen = fit.iter().find(|one| {
            let is_it = drawn < u64::from(one.1);
            drawn = drawn.saturating_sub(u64::from(one.1));
            is_it
        })?;
        Some((chosen.2, chosen.3, chosen.4))
    }

    /// (A) (B) What a slot of this node runs next.
    fn pick(&self, now: Stamp, alias: Alias, slot: SlotFacts) -> Option<Task> {
        let node = self.nodes.get(&alias)?;
        let facts = node.facts.as_ref()?;
        let mut lanes: Vec<(u8, u64, Key)> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.is_open() && job.ready_stage().is_some())
            .map(|(key, job)| (lane(job, facts), self.served.get(&job.facts.account).copied().unwrap_or(0), *key))
            .collect();
        lanes.sort_unstable();
        let slots: usize = self.parked.values().map(|parked| parked.slots.len()).sum::<usize>() + self.live_leases();
        let most = JOB_SHARE.of(slots as u64).max(1);
        let mut greedy = None;
        for (lane, _, key) in lanes {
            let Ok(Some(task)) = self.pick_in_job(now, (node, facts), slot, key) else { continue };
            if lane == 0 || (self.jobs[&key].leases.len() as u64) < most {
                return Some(task);
            }
            greedy = greedy.or(Some(task));
        }
        greedy.or_else(|| self.pick_tail(now, (node, facts), slot))
    }

    fn live_leases(&self) -> usize {
        self.jobs.values().map(|job| job.leases.len()).sum()
    }

    /// What of one job this node could run in this slot; why not, if it may not run it at all.
    fn pick_in_job(
        &self,
        now: Stamp,
        (node, facts): (&Node, &NodeFacts),
        slot: SlotFacts,
        key: Key,
    ) -> Result<Option<Task>, WhyNot> {
        let Some(job) = self.jobs.get(&key).filter(|job| job.is_open()) else { return Ok(None) };
        let mut why = None;
        for at in job.ready_stages() {
            match self.pick_in_stage(now, (node, facts), slot, (key, at)) {
                Ok(Some(task)) => return Ok(Some(task)),
                Ok(None) => {}
                Err(not) => why = why.or(Some(not)),
            }
        }
        why.map_or(Ok(None), Err)
    }

    fn pick_in_stage(
        &self,
        now: Stamp,
        (node, facts): (&Node, &NodeFacts),
        slot: SlotFacts,
        (key, at_stage): (Key, usize),
    ) -> Result<Option<Task>, WhyNot> {
        let job = &self.jobs[&key];
        self.fits_job(now, node, job, at_stage)?;
        let stage = &job.stages[at_stage];
        fits_slot(stage.facts.memory_mib, stage.facts.scratch_mib, slot)?;
        let stage_number = u8::try_from(at_stage).expect("at most 32 stages");
        let at = |item| At { key, stage: stage_number, item };
        // (D)
        for item in stage.special.iter().take(SPECIAL_LOOK) {
            let is_grown = stage.items.get(item).is_some_and(|entry| entry.is_grown);
            let needs = if is_grown { stage.facts.memory_mib.saturating_mul(2) } else { 0 };
            if needs <= slot.memory_mib && self.fits_item(now, facts, job, at(*item), false).is_ok() {
                return Ok(Some(Task { at: at(*item), count: 1, is_copy: false }));
            }
        }
        self.fits_owner_share(facts, job, at_stage)?;
        let plain = self.plain_task(facts, job, at_stage);
        let risked = || {
            let all = stage.unknown.iter().take(if stage.risks_unknown { SPECIAL_LOOK } else { 0 });
            all.copied().find(|item| self.fits_item(now, facts, job, at(*item), false).is_ok()).map(|item| (item, 1))
        };
        Ok(plain.or_else(risked).map(|(first, count)| Task { at: at(first), count, is_copy: false }))
    }

    /// Fuel that a job's budget leaves beside what is used and what runs.
    fn left_of_budget(&self, job: &Job) -> u64 {
        if job.facts.budget == 0 {
            return u64::MAX;
        }
        let running = job.leases.iter().filter_map(|serial| self.attempts.get(serial));
        let reserved = running.fold(job.used(), |sum, attempt| sum.saturating_add(attempt.reserved()));
        job.facts.budget.saturating_sub(reserved)
    }

    /// The share of each of so many items that begin now.
    pub(super) fn share_of_budget(&self, key: Key, count: u32) -> u64 {
        let Some(job) = self.jobs.get(&key).filter(|job| job.facts.budget > 0) else { return u64::MAX };
        // While little is known another may begin beside it: half for each.
        let is_known = job.stages.iter().any(|stage| stage.law.items() >= PILOTS);
        let parts = if is_known { u64::from(count.max(1)) } else { PILOTS_PAID as u64 };
        self.left_of_budget(job) / parts.max(u64::from(count.max(1)))
    }

    /// A run of plain items, as long as its node and the other nodes allow.
    fn plain_task(&self, facts: &NodeFacts, job: &Job, at: usize) -> Option<(u32, u32)> {
        let stage = &job.stages[at];
        let takes = stage.law.takes(1, facts.speed_milli);
        let item = takes.filter(|_| stage.law.items() >= PILOTS.min(stage.facts.items)).map(Span::as_ms);
        let most = match item {
            Some(ms) if ms < BUNDLED_BELOW.as_ms() => {
                let wanted = BUNDLE_MIN.as_ms().div_ceil(ms.max(1));
                let allowed = facts.longest.as_ms() / ms.max(1);
                let carried = BUNDLE_BYTES / stage.facts.bytes_in.max(1);
                let shared = u64::from(stage.plain_ready()).div_ceil(self.spread.nodes.max(1) as u64);
                wanted.min(allowed).min(carried).min(shared).clamp(1, u64::from(BUNDLE_ITEMS))
            }
            _ => 1,
        };
        let most = u32::try_from(most).unwrap_or(1);
        let lane = job.merged(at).and_then(|merged| {
            let holders = job.stages[merged].holders.iter();
            holders.take(stage.again.lanes()).position(|holder| *holder == facts.alias)
        });
        let fresh = stage
            .facts
            .items
            .saturating_sub(stage.cursor)
            .min(most)
            .min(job.affordable(stage, self.left_of_budget(job)));
        stage.again.run(lane, most).or((fresh > 0).then_some((stage.cursor, fresh)))
    }

    /// Whether a node may run items of this stage at all.
    pub(super) fn fits_job(&self, _now: Stamp, node: &Node, job: &Job, at: usize) -> Result<(), WhyNot> {
        let facts = node.facts.as_ref().ok_or(WhyNot::Trust)?;
        let is_own = facts.owner == job.facts.account;
        if node.is_suspect {
            return Err(WhyNot::Suspect);
        }
        if !is_own && (job.facts.trust == Trust::Own || !facts.trusts.has(job.facts.trust)) {
            return Err(WhyNot::Trust);
        }
        if job.facts.trust == Trust::Public && !is_own {
            if !facts.may_public {
                return Err(WhyNot::Walls);
            }
            if node.standing.quarantined.is_some() {
                return Err(WhyNot::Quarantined);
            }
        }
        let lies_in = |chooser| facts.region.as_ref().is_some_and(|region| region.lies_in(chooser));
        if !job.facts.regions.is_empty() && !job.facts.regions.iter().any(lies_in) {
            return Err(WhyNot::Region);
        }
        let length = job.stages[at].law.takes(1, facts.speed_milli).unwrap_or(Span::ms(1));
        if length > facts.longest {
            return Err(WhyNot::Schedule);
        }
        if length > TASK_MAX && facts.session_age < STEADY_AGE && job.facts.trust != Trust::Own {
            return Err(WhyNot::TooYoung);
        }
        if job.merged(at).is_some() && Self::is_barred(job, facts.alias, facts.owner) {
            return Err(WhyNot::Failed);
        }
        Ok(())
    }

    fn fits_owner_share(&self, facts: &NodeFacts, job: &Job, at: usize) -> Result<(), WhyNot> {
        let most = OWNER_SHARE.of(u64::from(job.stages[at].facts.items)).max(1);
        let has = u64::from(job.by_owner.get(&facts.owner).copied().unwrap_or(0));
        let is_capped = job.facts.trust == Trust::Public && self.spread.owners >= OWNER_CAP_FROM;
        // What was lost counts too: when all owners have had their share, the rest goes to whoever comes.
        let is_shared_out = job.by_owner.len() >= OWNER_CAP_FROM
            && job.by_owner.values().map(|n| u64::from(*n)).sum::<u64>() > u64::from(job.stages[at].facts.items) * 2;
        if is_capped && has >= most && !is_shared_out { Err(WhyNot::OwnerShare) } else { Ok(()) }
    }

    /// Whether a node may run this very item, given who has run it. `anybody`: as if no better judge were there.
    pub(super) fn fits_item(
        &self,
        now: Stamp,
        facts: &NodeFacts,
        job: &Job,
        at: At,
        anybody: bool,
    ) -> Result<(), WhyNot> {
        let Some(entry) = job.stages[usize::from(at.stage)].items.get(&at.item) else { return Ok(()) };
        if !self.other_owners(job, entry, 0, facts) {
            return Err(WhyNot::SameOwner);
        }
        let is_alone = job.facts.trust == Trust::Own || self.spread.nodes < 2;
        let again = if is_alone { HOST_AGAIN } else { SAME_NODE_AGAIN };
        let failed = |strike: &super::record::Strike| strike.node == facts.alias && now.since(strike.at) < again;
        if entry.strikes.iter().any(failed) {
            return Err(WhyNot::Failed);
        }
        let may_wait = entry.wanted_since.is_some_and(|since| now.since(since) < ARBITER_WAIT);
        if entry.is_disputed && job.facts.trust == Trust::Public && !anybody && may_wait {
            let better = |node: &Node| {
                node.facts.as_ref().is_some_and(|facts| {
                    self.is_near(now, node)
                        && self.is_arbiter(node, facts, job)
                        && self.fits_job(now, node, job, usize::from(at.stage)).is_ok()
                        && self.other_owners(job, entry, 0, facts)
                })
            };
            let is_arbiter = self.nodes.get(&facts.alias).is_some_and(|node| self.is_arbiter(node, facts, job));
            if !is_arbiter && self.nodes.values().any(better) {
                return Err(WhyNot::SameOwner);
            }
        }
        Ok(())
    }

    fn is_arbiter(&self, node: &Node, facts: &NodeFacts, job: &Job) -> bool {
        facts.owner == job.facts.account || (node.standing.validated >= ARBITER_AFTER && !job.is_odd(facts.alias))
    }

    /// Whether no other attempt or result of the item is of this node, its owner, or where they must differ its network or region.
    pub(super) fn other_owners(&self, job: &Job, entry: &Item, serial: u64, facts: &NodeFacts) -> bool {
        let is_public = job.facts.trust == Trust::Public;
        let by_network = is_public && self.spread.networks >= SPREAD_FROM;
        let by_region = is_public && job.facts.check == Check::Strict && self.spread.regions >= SPREAD_FROM;
        let is_other = |node: Alias, owner, network: u64, region: &Option<model::Region>| {
            let same_owner = job.facts.trust != Trust::Own && owner == facts.owner;
            let same_region = by_region && region.is_some() && *region == facts.region;
            let same_network = by_network && network == facts.network;
            !(node == facts.alias || same_owner || same_network || same_region)
        };
        let live = entry.live.iter().filter(|live| **live != serial).filter_map(|live| self.attempts.get(live));
        let mut live = live.map(|attempt| is_other(attempt.node, attempt.owner, attempt.network, &attempt.region));
        let waits = entry.wanted_since.is_some_and(|since| self.now.since(since) >= SAME_NODE_AGAIN);
        let votes = entry.ballots.iter().filter(|ballot| ballot.vote.serial != serial);
        let mut votes = votes.map(|ballot| {
            let vote = &ballot.vote;
            is_other(vote.node, vote.owner, vote.network, &vote.region) || (waits && entry.may_repeat(ballot))
        });
        live.all(|is_other| is_other) && votes.all(|is_other| is_other)
    }

    /// (E) A copy of what runs too long.
    fn pick_tail(&self, now: Stamp, (node, facts): (&Node, &NodeFacts), slot: SlotFacts) -> Option<Task> {
        let mut best: Option<(u64, Task)> = None;
        for (key, job) in self.jobs.iter().filter(|(_, job)| job.is_in_tail() && job.is_open()) {
            let fits = |at: usize| {
                let stage = &job.stages[at];
                self.fits_job(now, node, job, at).is_ok()
                    && fits_slot(stage.facts.memory_mib, stage.facts.scratch_mib, slot).is_ok()
            };
            let all: Vec<bool> = (0..job.stages.len()).map(|at| at <= job.at && fits(at)).collect();
            let oldest = job.leases.iter().take(TAIL_LOOK);
            for serial in oldest.filter(|serial| all[usize::from(self.attempts[serial].stage)]) {
                if let Some((late, first, count)) = self.is_late(now, *serial, job, facts) {
                    let at = At { key: *key, stage: self.attempts[serial].stage, item: first };
                    if best.as_ref().is_none_or(|(latest, _)| late > *latest) {
                        best = Some((late, Task { at, count, is_copy: true }));
                    }
                }
            }
        }
        best.map(|(_, task)| task)
    }

    /// How late a lease is, in percent of what was expected, and which of its items a copy would take.
    fn is_late(&self, now: Stamp, serial: u64, job: &Job, facts: &NodeFacts) -> Option<(u64, u32, u32)> {
        let attempt = self.attempts.get(&serial)?;
        let stage = job.stages.get(usize::from(attempt.stage))?;
        let elapsed = now.since(attempt.granted);
        let expected = attempt.expected.or_else(|| stage.law.takes(u32::from(attempt.count), attempt.speed_milli));
        let percent = expected.map_or(0, |expected| elapsed.as_ms().saturating_mul(100) / expected.as_ms().max(1));
        let is_gone = attempt.parked.is_some() || self.nodes.get(&attempt.node).is_some_and(|node| node.is_suspect);
        if !is_gone && (percent <= TAIL_PERCENT || elapsed < TAIL_LEAST) {
            return None;
        }
        let most = if job.facts.interactive { TAIL_COPIES_INTERACTIVE } else { TAIL_COPIES };
        let may = |item: &u32| {
            let Some(entry) = stage.items.get(item) else { return false };
            let is_wanted = entry.live.contains(&serial) && (!stage.done.get(*item) || entry.missing > 0);
            // A copy of a check would be one result too many: a late one ends with its lease, one of a machine that is gone is
            // waited for by all that come after it.
            let is_work = is_gone || entry.ballots.is_empty();
            is_wanted
                && is_work
                && entry.live.len() < most.max(usize::from(entry.missing) + 1)
                && self.other_owners(job, entry, 0, facts)
        };
        let open = attempt.open_items();
        let first = *open.iter().find(|item| may(item))?;
        let count = open
            .iter()
            .skip_while(|item| **item != first)
            .zip(first..)
            .take_while(|(item, next)| *item == next && may(item))
            .count();
        Some((if is_gone { percent.max(u64::MAX / 2) } else { percent }, first, count as u32))
    }

    /// Looks once more at those who wait, for copies.
    pub(super) fn feed_tails(&mut self, turn: &mut Turn<'_>) {
        self.watches_tails = false;
        let asks: Vec<u64> = self.parked.keys().copied().collect();
        asks.into_iter().for_each(|ask| self.serve(turn, ask));
        self.watch_tails(turn.now);
    }

    /// Now and then an item whose result is known is leased instead: to its node it looks like any other.
    fn or_canary(&mut self, turn: &mut Turn<'_>, alias: Alias, task: Task) -> Task {
        let Some(job) = self.jobs.get(&task.at.key).filter(|job| job.facts.trust == Trust::Public && !task.is_copy)
        else {
            return task;
        };
        let stage = &job.stages[usize::from(task.at.stage)];
        let is_plain = !stage.special.contains(&task.at.item);
        if !is_plain || stage.canaries.is_empty() || !self.is_live(task.at.key) || !quorum::hits(CANARY_SHARE, turn.rng)
        {
            return task;
        }
        let Some(facts) = self.nodes.get(&alias).and_then(|node| node.facts.as_ref()) else { return task };
        let from = usize::try_from(quorum::below(stage.canaries.len() as u64, turn.rng)).unwrap_or(0);
        let known = &stage.canaries[from];
        let mut entry = Item { missing: 1, checking: Checking::Open, accepted: Some(known.serial), ..Item::default() };
        let paid = Some(PayAct::Post);
        entry.ballots.push(Ballot {
            vote: known.clone(),
            output: Output::Stored,
            is_kept: false,
            is_counted: true,
            paid,
        });
        let item = known.result.item;
        let is_free = stage.verified.get(item) && !stage.items.contains_key(&item);
        if !is_free || facts.owner == job.facts.account || !self.other_owners(job, &entry, 0, facts) {
            return task;
        }
        let at = At { item, ..task.at };
        let stage = self.stage(at).expect("just looked at");
        stage.open.insert(item);
        stage.items.insert(item, entry);
        Task { at, count: 1, is_copy: false }
    }

    /// Why nodes that are there cannot take what this job has to hand out now.
    pub(super) fn unfit(&self, now: Stamp, key: Key) -> Vec<(Alias, Option<WhyNot>)> {
        let Some(job) = self.jobs.get(&key) else { return Vec::new() };
        let at = job.ready_stage().unwrap_or(job.at.min(job.stages.len().saturating_sub(1)));
        let near = self.nodes.iter().filter(|(_, node)| node.facts.is_some() && self.is_near(now, node));
        near.map(|(alias, node)| (*alias, self.why_not(now, node, job, (key, at)).err())).collect()
    }

    fn why_not(&self, now: Stamp, node: &Node, job: &Job, (key, at): (Key, usize)) -> Result<(), WhyNot> {
        let facts = node.facts.as_ref().ok_or(WhyNot::Trust)?;
        let Some(stage) = job.stages.get(at) else { return Ok(()) };
        self.fits_job(now, node, job, at)?;
        if let Some(parked) = node.ask.and_then(|ask| self.parked.get(&ask)) {
            let fits =
                parked.slots.iter().map(|slot| fits_slot(stage.facts.memory_mib, stage.facts.scratch_mib, *slot));
            fits.reduce(|best, next| if best.is_ok() { best } else { next }).unwrap_or(Ok(()))?;
        }
        if stage.plain_ready() > 0 {
            return self.fits_owner_share(facts, job, at);
        }
        let stage_number = u8::try_from(at).expect("at most 32 stages");
        let items = stage.special.iter().take(SPECIAL_LOOK);
        let fits =
            items.map(|item| self.fits_item(now, facts, job, At { key, stage: stage_number, item: *item }, false));
        fits.reduce(|best, next| if best.is_ok() { best } else { next }).unwrap_or(Ok(()))
    }

    /// Suitable nodes by alias, and the reasons of the others.
    pub(super) fn grouped(unfit: &[(Alias, Option<WhyNot>)]) -> Vec<(WhyNot, u32)> {
        let mut groups = BTreeMap::<WhyNot, u32>::new();
        unfit.iter().filter_map(|(_, why)| *why).for_each(|why| *groups.entry(why).or_default() += 1);
        groups.into_iter().collect()
    }
}

/// (A) The lane of a job for this node.
fn lane(job: &Job, facts: &NodeFacts) -> u8 {
    if facts.owner == job.facts.account { 0 } else { job.facts.trust.code() + 1 }
}

fn fits_slot(memory_mib: u32, scratch_mib: u32, slot: SlotFacts) -> Result<(), WhyNot> {
    if slot.memory_mib < memory_mib {
        return Err(WhyNot::Memory);
    }
    if slot.scratch_mib < scratch_mib { Err(WhyNot::Scratch) } else { Ok(()) }
}
