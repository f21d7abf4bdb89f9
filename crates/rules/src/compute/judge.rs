//! What an item still needs, whose result stands, and what follows for who was wrong.
//!
//! (A) A result stands only by [`quorum::rule`]. (B) Who is found lying is out of public computing at once, and its last
//! [`REDO_WINDOW`] unchecked items are run again before anything else of their jobs; circle machines are told, not punished.
//! (C) Agreeing results are paid when that is clear, wrong ones never; pay that waits is forfeited with its node.
//! (D) A check nobody is there for is waived, a dispute given up, both after [`CHECK_WAIT`]; a strict check waits.
//! (E) Who ran something else than the others is told and not blamed: a keeper can give one machine another input. So that saying so
//! is no way out of being checked, more than [`super::limits::OTHER_INPUT_MAX`] times in one job make every result of that node in
//! that job checked, and its unchecked ones run again. Its standing elsewhere is untouched: no keeper can spoil it.

use super::item::{Ballot, Checking, Output, agree_with, result_of};
use super::limits::{CANARIES_KEPT, CANCEL_UNLESS_WITHIN, CHECK_WAIT, REDO_WINDOW, SAME_NODE_AGAIN};
use super::message::{Effect, ItemResult, Pay, PayAct};
use super::quorum::{self, Ruling};
use super::record::{Checked, Evidence, Record, Standing, Vote};
use super::scheduler::{At, Key, Node, Scheduler, Timer, Turn, Unchecked};
use model::{Alias, Check, FailKind, Stamp, Trust};
use std::collections::VecDeque;

impl Scheduler {
    /// Rules on an item's results and does what follows.
    pub(super) fn judge(&mut self, turn: &mut Turn<'_>, at: At) {
        let Some(job) = self.jobs.get_mut(&at.key) else { return };
        let demand = job.demand();
        let stage = &mut job.stages[usize::from(at.stage)];
        let Some(entry) = stage.items.get_mut(&at.item).filter(|entry| entry.checking == Checking::Open) else {
            return self.settle(turn, at);
        };
        let votes: Vec<&Vote> = entry.ballots.iter().map(|ballot| &ballot.vote).collect();
        let ruling = quorum::rule(demand, &votes);
        entry.is_disputed = votes.iter().any(|vote| !quorum::agree(&vote.result, &votes[0].result));
        match ruling {
            Ruling::More(more) => entry.missing = more,
            Ruling::Stands(result) => return self.conclude(turn, at, &result),
            Ruling::Hopeless | Ruling::Unlike => return self.no_ruling(turn, at),
        }
        self.settle(turn, at);
    }

    /// A result stands: its output becomes or stays the item's, the others were wrong. (A)
    fn conclude(&mut self, turn: &mut Turn<'_>, at: At, stands: &ItemResult) {
        let item = self.item_ref(at);
        let stage = self.stage(at).expect("the item is known");
        let entry = stage.items.get_mut(&at.item).expect("it is being judged");
        let right: Vec<Ballot> = entry.ballots.iter().filter(|b| agree_with(b, stands)).cloned().collect();
        let others = entry.ballots.iter().filter(|b| !agree_with(b, stands)).cloned();
        let (wrong, aside): (Vec<Ballot>, Vec<Ballot>) = others.partition(|b| b.vote.result.of == stands.of);
        let copies = u8::try_from(right.len()).unwrap_or(u8::MAX);
        let is_kept = right.iter().any(|ballot| Some(ballot.vote.serial) == entry.accepted);
        if is_kept {
            self.record(turn, Record::Verified { item, copies });
        } else if let Some(stored) = right.iter().find(|ballot| ballot.output == Output::Stored) {
            self.replace(turn, at, stored, copies);
        } else {
            // The right output is on its way, or somebody has to make it once more.
            entry.is_disputed = false;
            entry.missing = u8::from(!right.iter().any(|ballot| ballot.output == Output::Pending));
            return self.settle(turn, at);
        }
        self.keep_canary(turn, at, &right);
        self.credit(turn, at, &right);
        for ballot in &aside {
            self.set_aside(turn, at, ballot, &right);
        }
        for ballot in &wrong {
            self.blame(turn, at, ballot, &right);
        }
        self.settle(turn, at);
        self.advance(turn, at.key);
    }

    /// (E) Its result was made from something else than the others': told, not blamed.
    fn set_aside(&mut self, turn: &mut Turn<'_>, at: At, other: &Ballot, right: &[Ballot]) {
        let job = &self.jobs[&at.key];
        let (node, owner, account) = (other.vote.node, other.vote.owner, job.facts.account);
        let was_odd = job.is_odd(node);
        if job.is_told(other.vote.serial, at.item) {
            return;
        }
        let evidence = self.evidence(turn, at, other, right);
        self.record(turn, Record::Differ { evidence });
        let is_odd = self.jobs[&at.key].is_odd(node);
        self.pay(turn, if is_odd { PayAct::Forfeit } else { PayAct::Post }, at, other.vote.serial);
        if is_odd && !was_odd && owner != account {
            self.redo(turn, node, Some(at.key));
        }
    }

    fn evidence(&self, turn: &Turn<'_>, at: At, wrong: &Ballot, right: &[Ballot]) -> Evidence {
        Evidence {
            item: self.item_ref(at),
            node: wrong.vote.node,
            serial: wrong.vote.serial,
            said: wrong.vote.result,
            found: right[0].vote.result,
            by: right.iter().map(|ballot| ballot.vote.node).collect(),
            at: turn.now,
        }
    }

    /// Another output than the one given out so far, or the first one.
    fn replace(&mut self, turn: &mut Turn<'_>, at: At, stored: &Ballot, copies: u8) {
        let item = self.item_ref(at);
        let was_done = self.stage(at).is_some_and(|stage| stage.done.get(at.item));
        let vote = stored.vote.clone();
        let (result, serial, node) = (vote.result, vote.serial, vote.node);
        if was_done {
            self.record(turn, Record::Done { item, vote, checked: Checked::Enough });
            turn.out.push(Effect::Replaced { item, result, serial, node });
            self.rerun_later_stages(turn, at);
        } else {
            self.accept(turn, at, vote, Checked::Enough);
        }
        self.record(turn, Record::Verified { item, copies });
    }

    /// An item has its output. Where one that was run again came to something else than before, so does what was made from it.
    pub(super) fn accept(&mut self, turn: &mut Turn<'_>, at: At, vote: Vote, checked: Checked) {
        let item = self.item_ref(at);
        let before = self.stage(at).and_then(|stage| stage.before(at.item)).map(|before| before.vote.result.hash);
        let (result, serial, node) = (vote.result, vote.serial, vote.node);
        self.record(turn, Record::Done { item, vote, checked });
        if before.is_some_and(|before| before != result.hash) {
            turn.out.push(Effect::Replaced { item, result, serial, node });
            self.rerun_later_stages(turn, at);
        }
    }

    /// What was made from a wrong output is made anew.
    fn rerun_later_stages(&mut self, turn: &mut Turn<'_>, at: At) {
        let job = &self.jobs[&at.key];
        let mut later = Vec::new();
        for (number, stage) in job.stages.iter().enumerate().skip(usize::from(at.stage) + 1) {
            let number = u8::try_from(number).expect("at most 32 stages");
            later.extend((0..stage.cursor).filter(|item| stage.done.get(*item)).map(|item| At {
                key: at.key,
                stage: number,
                item,
            }));
        }
        let leases: Vec<u64> =
            job.leases.iter().copied().filter(|serial| self.attempts[serial].stage > at.stage).collect();
        for serial in leases {
            turn.out.push(Effect::Cancel { node: self.attempts[&serial].node, serial });
            self.lose(turn, serial, false);
        }
        for later in later {
            let item = self.item_ref(later);
            self.record(turn, Record::Reopened { item, compared: false });
            self.settle(turn, later);
        }
    }

    /// Results that agree count for their nodes and are paid. (C)
    pub(super) fn credit(&mut self, turn: &mut Turn<'_>, at: At, right: &[Ballot]) {
        let job = &self.jobs[&at.key];
        let (trust, account) = (job.facts.trust, job.facts.account);
        for ballot in right {
            self.pay(turn, PayAct::Post, at, ballot.vote.serial);
            // A submitter's own machines could agree with each other for ever.
            let counts = trust == Trust::Public && ballot.vote.owner != account && !ballot.is_counted;
            let node = ballot.vote.node;
            let Some(known) = self.nodes.get(&node).filter(|node| counts && node.standing.quarantined.is_none()) else {
                continue;
            };
            let standing = Standing { validated: known.standing.validated.saturating_add(1), quarantined: None };
            self.record(turn, Record::Standing { node, standing });
            let entry = self.stage(at).and_then(|stage| stage.items.get_mut(&at.item));
            if let Some(ballot) = entry.and_then(|entry| entry.ballot_mut(ballot.vote.serial)) {
                ballot.is_counted = true;
            }
        }
    }

    /// A known result may be asked for again: some are kept, drawn so that each is as likely.
    fn keep_canary(&mut self, turn: &mut Turn<'_>, at: At, right: &[Ballot]) {
        let is_public = self.jobs[&at.key].facts.trust == Trust::Public;
        let Some(stage) = self.stage(at) else { return };
        let Some(kept) = stage.items.get(&at.item).and_then(result_of).cloned() else { return };
        if !is_public || right.len() < 2 || stage.canaries.iter().any(|vote| vote.result.item == at.item) {
            return;
        }
        if stage.canaries.len() < CANARIES_KEPT {
            stage.canaries.push(kept);
        } else {
            let place = quorum::below(u64::from(stage.verified.ones()), turn.rng);
            if let Some(old) = usize::try_from(place).ok().and_then(|place| stage.canaries.get_mut(place)) {
                *old = kept;
            }
        }
    }

    /// (B) A result was wrong.
    fn blame(&mut self, turn: &mut Turn<'_>, at: At, wrong: &Ballot, right: &[Ballot]) {
        let job = &self.jobs[&at.key];
        let (trust, account) = (job.facts.trust, job.facts.account);
        let (node, owner) = (wrong.vote.node, wrong.vote.owner);
        let evidence = self.evidence(turn, at, wrong, right);
        self.pay(turn, PayAct::Forfeit, at, wrong.vote.serial);
        if trust != Trust::Public || owner == account {
            if !self.jobs[&at.key].is_told(evidence.serial, at.item) {
                self.record(turn, Record::Differ { evidence });
            }
            return;
        }
        if self.nodes.get(&node).is_some_and(|node| node.standing.quarantined.is_some()) {
            return;
        }
        let standing = Standing { validated: 0, quarantined: Some(evidence.clone()) };
        self.record(turn, Record::Standing { node, standing });
        let job = self.jobs.get_mut(&at.key).expect("known");
        if job.liars.len() < super::limits::LISTED_MAX {
            job.liars.push((node, evidence.clone()));
        }
        turn.out.push(Effect::Quarantine { node, owner, why: evidence });
        self.take_work_back(turn, node);
        self.redo(turn, node, None);
    }

    /// A node out of public computing runs nothing of strangers any more.
    fn take_work_back(&mut self, turn: &mut Turn<'_>, node: Alias) {
        let leases = self.nodes.get(&node).map(|node| node.leases.clone()).unwrap_or_default();
        for serial in leases {
            let attempt = &self.attempts[&serial];
            let job = &self.jobs[&attempt.key];
            if job.facts.trust == Trust::Public && job.facts.account != attempt.owner {
                turn.out.push(Effect::Cancel { node, serial });
                self.lose(turn, serial, true);
            }
        }
    }

    /// (B) Its last unchecked items are run again; (E) of one job only, where nobody knows whether it lied.
    fn redo(&mut self, turn: &mut Turn<'_>, node: Alias, only: Option<Key>) {
        let all = self.nodes.get_mut(&node).map(|node| std::mem::take(&mut node.unchecked)).unwrap_or_default();
        let (all, kept): (VecDeque<_>, _) = all.into_iter().partition(|old| only.is_none_or(|key| key == old.at.key));
        self.nodes.entry(node).or_default().unchecked = kept;
        let (is_blamed, pay) = (only.is_none(), if only.is_none() { PayAct::Forfeit } else { PayAct::Pending });
        for old in all.into_iter().rev().take(REDO_WINDOW) {
            if is_blamed {
                self.pay_unchecked(turn, PayAct::Forfeit, node, &old);
            }
            let at = old.at;
            let Some(stage) = self.stage(at) else { continue };
            let is_open = stage.items.get(&at.item).is_some_and(|entry| entry.checking == Checking::Open);
            if !stage.is_unchecked(at.item, old.serial) || is_open {
                continue;
            }
            let region = self.nodes.get(&node).and_then(|node| node.facts.as_ref()).and_then(|f| f.region.clone());
            let vote = Vote {
                node,
                owner: old.owner,
                network: old.network,
                region,
                serial: old.serial,
                result: old.result,
                validated: 0,
                at: old.said_at,
            };
            let item = self.item_ref(at);
            self.record(turn, Record::Reopened { item, compared: true });
            self.record(turn, Record::Voted { item, vote });
            let entry = self.stage(at).and_then(|stage| stage.items.get_mut(&at.item)).expect("just opened");
            entry.accepted = Some(old.serial);
            if let Some(ballot) = entry.ballot_mut(old.serial) {
                (ballot.output, ballot.paid, ballot.is_counted) = (Output::Stored, Some(pay), is_blamed);
            }
            self.judge(turn, at);
        }
    }

    /// (E of `quorum`, D) Results differ and nobody can decide: a public item is given up, a circle's keeps what it has.
    fn no_ruling(&mut self, turn: &mut Turn<'_>, at: At) {
        let trust = self.jobs[&at.key].facts.trust;
        let is_done = self.stage(at).is_some_and(|stage| stage.done.get(at.item));
        // What a job that is over gave out stays given out.
        if is_done && (trust != Trust::Public || !self.is_live(at.key)) {
            return self.waive(turn, at);
        }
        let ballots = self.stage(at).and_then(|stage| stage.items.get(&at.item)).map(|entry| entry.ballots.clone());
        let ballots = ballots.unwrap_or_default();
        let votes: Vec<&Vote> = ballots.iter().map(|ballot| &ballot.vote).collect();
        if !quorum::is_unlike(&votes) {
            return self.give_up(turn, at, FailKind::Disputed, 0);
        }
        // What each was given to run is told.
        for (place, ballot) in ballots.iter().enumerate().skip(1) {
            let is_other = |other: &&Ballot| other.vote.result.of != ballot.vote.result.of;
            if let Some(other) = ballots[..place].iter().find(is_other) {
                let evidence = self.evidence(turn, at, ballot, std::slice::from_ref(other));
                self.record(turn, Record::Differ { evidence });
            }
        }
        self.give_up(turn, at, FailKind::Input, 0);
    }

    fn waive(&mut self, turn: &mut Turn<'_>, at: At) {
        let item = self.item_ref(at);
        let results: Vec<Ballot> = self
            .stage(at)
            .and_then(|stage| stage.items.get(&at.item))
            .map(|entry| entry.ballots.clone())
            .unwrap_or_default();
        self.record(turn, Record::Waived { item });
        let kept = self.stage(at).and_then(|stage| stage.items.get(&at.item)).and_then(result_of).cloned();
        for ballot in results.iter().filter(|ballot| kept.as_ref().is_some_and(|kept| agree_with(ballot, &kept.result)))
        {
            self.pay(turn, PayAct::Post, at, ballot.vote.serial);
        }
        self.settle(turn, at);
        self.advance(turn, at.key);
    }

    /// (D) Looks at this job's checks once more later.
    fn watch(&mut self, now: Stamp, key: Key) {
        let Some(job) = self.jobs.get_mut(&key).filter(|job| !job.is_watched) else { return };
        job.is_watched = true;
        self.timer(now + SAME_NODE_AGAIN, Timer::Checks(key));
    }

    /// (D) Looks which checks have waited long enough for a machine that is not there.
    pub(super) fn look_at_checks(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        job.is_watched = false;
        let mut waiting = Vec::new();
        for (number, stage) in job.stages.iter().enumerate() {
            let number = u8::try_from(number).expect("at most 32 stages");
            waiting.extend(stage.special.iter().map(|item| At { key, stage: number, item: *item }));
        }
        waiting.iter().for_each(|at| self.waive_if_nobody(turn, *at));
        if !waiting.is_empty() {
            self.watch(turn.now, key);
            // Some nodes may run by now what they might not before.
            turn.hungry.insert(key);
        }
    }

    fn waive_if_nobody(&mut self, turn: &mut Turn<'_>, at: At) {
        let Some(job) = self.jobs.get(&at.key) else { return };
        let stage = &job.stages[usize::from(at.stage)];
        let Some(entry) = stage.items.get(&at.item).filter(|entry| entry.checking == Checking::Open) else { return };
        let waits = entry.wanted_since.is_none_or(|since| turn.now.since(since) < CHECK_WAIT);
        let is_strict = job.facts.trust == Trust::Public && job.facts.check == Check::Strict;
        if waits || self.is_anybody_there(turn.now, at) {
            return;
        }
        if entry.is_disputed {
            return self.no_ruling(turn, at);
        }
        if stage.done.get(at.item) && !is_strict {
            self.waive(turn, at);
        }
    }

    /// Puts an item where it belongs: a queue, or nowhere.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>, at: At) {
        let now = turn.now;
        let Some(job) = self.jobs.get_mut(&at.key) else { return };
        let may_waive = job.facts.check != Check::Strict;
        let stage = &mut job.stages[usize::from(at.stage)];
        stage.unqueue(at.item);
        let (is_done, is_verified) = (stage.done.get(at.item), stage.verified.get(at.item));
        let is_given_up = stage.failed.contains_key(&at.item);
        let Some(entry) = stage.items.get_mut(&at.item) else { return };
        let is_open = entry.checking == Checking::Open;
        if is_open && is_verified && entry.live.is_empty() && entry.ballots.len() < 2 {
            // A repeated item whose result is known, and whose lease came to nothing.
            stage.open.remove(&at.item);
            stage.items.remove(&at.item);
            return;
        }
        if !is_open {
            let has_output = is_done || entry.ballots.iter().any(|ballot| ballot.output != Output::None);
            entry.missing = u8::from(!has_output && !is_given_up);
        }
        let wants = !is_given_up && usize::from(entry.missing) > entry.live.len();
        if !wants {
            entry.wanted_since = None;
            let is_idle = entry.missing == 0 && is_done && !entry.live.is_empty();
            if is_idle {
                self.release(turn, at);
            }
            if let Some(stage) = self.stage(at) {
                stage.tidy(at.item);
            }
            return;
        }
        if entry.is_exhausted() && (may_waive || !is_done) {
            // Its last attempt may still end well.
            if entry.live.is_empty() {
                self.exhausted(turn, at, is_done);
            }
            return;
        }
        entry.wanted_since.get_or_insert(now);
        let not_before = entry.not_before;
        let is_plain = entry.is_plain();
        if not_before > now {
            stage.held.insert((not_before, at.item));
            self.timer(not_before, Timer::Item(at));
        } else if is_plain {
            self.queue(now, at);
        } else {
            stage.special.insert(at.item);
        }
        if is_open {
            self.watch(now, at.key);
        }
        turn.hungry.insert(at.key);
    }

    /// An item's attempts are used up: it is given up, or a check of it waived.
    fn exhausted(&mut self, turn: &mut Turn<'_>, at: At, is_done: bool) {
        let entry = self.stage(at).and_then(|stage| stage.items.get(&at.item)).expect("it is settled");
        let last = entry.strikes.last().map_or((FailKind::Lost, 0), |strike| (strike.kind, strike.detail));
        if !is_done {
            return self.give_up(turn, at, last.0, last.1);
        }
        if entry.is_disputed { self.no_ruling(turn, at) } else { self.waive(turn, at) }
    }

    /// Copies that lost the race stop, unless they are about to end.
    fn release(&mut self, turn: &mut Turn<'_>, at: At) {
        let live = self.stage(at).and_then(|stage| stage.items.get(&at.item)).map(|entry| entry.live.clone());
        for serial in live.unwrap_or_default() {
            let Some(attempt) = self.attempts.get(&serial) else { continue };
            let is_suspect = self.nodes.get(&attempt.node).is_some_and(|node| node.is_suspect);
            let ends_soon = attempt.left(turn.now).is_some_and(|left| left <= CANCEL_UNLESS_WITHIN);
            let stage = &self.jobs[&at.key].stages[usize::from(at.stage)];
            let is_of_use = attempt.open_items().iter().any(|item| {
                !stage.done.get(*item)
                    || stage.items.get(item).is_some_and(|entry| entry.missing > 0 || entry.is_pending())
            });
            if !is_of_use && (!ends_soon || is_suspect) {
                self.cancel(turn, serial);
            }
        }
    }

    /// Tells the ledger, once each step. (C)
    pub(super) fn pay(&mut self, turn: &mut Turn<'_>, act: PayAct, at: At, serial: u64) {
        let job = &self.jobs[&at.key];
        let (trust, account) = (job.facts.trust, job.facts.account);
        let item = self.item_ref(at);
        let Some(ballot) =
            self.stage(at).and_then(|stage| stage.items.get_mut(&at.item)).and_then(|entry| entry.ballot_mut(serial))
        else {
            return;
        };
        let is_due = match (ballot.paid, act) {
            (None, PayAct::Forfeit) => false,
            (None, _) => true,
            (Some(PayAct::Pending), act) => act != PayAct::Pending,
            (Some(_), _) => false,
        };
        // What runs on the submitter's own machines costs nothing.
        if !is_due || trust == Trust::Own || ballot.vote.owner == account {
            return;
        }
        ballot.paid = Some(act);
        let vote = &ballot.vote;
        let (node, owner, fuel, bytes) = (vote.node, vote.owner, vote.result.fuel, vote.result.bytes);
        turn.out.push(Effect::Pay(Pay { act, node, owner, item, serial, fuel, bytes }));
    }

    /// The same for a result that is remembered only as unchecked.
    pub(super) fn pay_unchecked(&mut self, turn: &mut Turn<'_>, act: PayAct, node: Alias, old: &Unchecked) {
        let Some(job) = self.jobs.get(&old.at.key) else { return };
        let is_settled = job.stages[usize::from(old.at.stage)].verified.get(old.at.item);
        if is_settled || job.facts.account == old.owner {
            return;
        }
        let item = self.item_ref(old.at);
        let (fuel, bytes) = (old.result.fuel, old.result.bytes);
        turn.out.push(Effect::Pay(Pay { act, node, owner: old.owner, item, serial: old.serial, fuel, bytes }));
        let entry = self.stage(old.at).and_then(|stage| stage.items.get_mut(&old.at.item));
        if let Some(ballot) = entry.and_then(|entry| entry.ballot_mut(old.serial)) {
            ballot.paid = Some(act);
        }
    }

    /// Whether any node that is there could run this item, busy or not.
    fn is_anybody_there(&self, now: Stamp, at: At) -> bool {
        let Some(job) = self.jobs.get(&at.key) else { return false };
        self.nodes.values().filter(|node| !node.is_suspect && self.is_near(now, node)).any(|node| {
            node.facts.as_ref().is_some_and(|facts| {
                self.fits_job(now, node, job, usize::from(at.stage)).is_ok()
                    && self.fits_item(now, facts, job, at, true).is_ok()
            })
        })
    }

    /// (E) Checks that a node has passed in a row, as this job counts them.
    pub(super) fn validated_in(&self, key: Key, node: Alias) -> u32 {
        let is_odd = self.jobs.get(&key).is_some_and(|job| job.is_odd(node));
        self.nodes.get(&node).filter(|_| !is_odd).map_or(0, |node| node.standing.validated)
    }

    /// Whether a node was heard of lately.
    pub(super) fn is_near(&self, now: Stamp, node: &Node) -> bool {
        now.since(node.seen) < super::limits::NODE_THERE
    }

    /// The job's key is live.
    pub(super) fn is_live(&self, key: Key) -> bool {
        self.jobs.get(&key).is_some_and(|job| !job.state.is_over())
    }
}
