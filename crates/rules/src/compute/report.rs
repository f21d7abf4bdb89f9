//! What nodes say of their leases.
//!
//! (A) Each report has one answer for each of its items, in its order, and the same report again has the same answer. (B) Whether
//! an item is checked is drawn here, after its first result was said. (C) A checker is answered in the same words as the first:
//! `store` when nobody has stored this very result, `drop` otherwise. (D) A failure of the machine never counts against the job.

use super::item::{Ballot, Checking, Output, is_kept_elsewhere, result_of};
use super::limits::{
    AUTO_FUEL_LEAST, AUTO_FUEL_TIMES, BUNDLE_ITEMS, HOST_AGAIN, INPUT_AGAIN, INPUT_TRIES, PILOTS, REDO_WINDOW,
    SAME_NODE_AGAIN, STORE_WITHIN, STRIKE_OWNERS, STRIKES,
};
use super::message::{Effect, ItemResult, PayAct, Refused, Report, Taken, Verdict};
use super::quorum::{self, agree};
use super::record::{Accepted, Checked, Record, Strike, Vote};
use super::scheduler::{At, Node, Scheduler, Timer, Turn};
use model::{Alias, FailKind, MemberId, Span, Trust};
use std::collections::BTreeSet;

impl Scheduler {
    pub(super) fn report(&mut self, turn: &mut Turn<'_>, node: Alias, report: Report) {
        self.is_there(turn.now, node);
        match report {
            Report::Computed { serial, items } => {
                let items = cut(items);
                self.learn_time(turn, serial, items.len());
                let verdicts = items.iter().map(|said| (said.item, self.computed(turn, node, serial, said))).collect();
                turn.out.push(Effect::Verdicts { node, serial, verdicts });
                self.renew(turn.now, serial, false);
            }
            Report::Done { serial, items } => {
                let items = cut(items);
                self.learn_time(turn, serial, items.len());
                let taken = items.iter().map(|said| (said.item, self.done(turn, node, serial, said))).collect();
                turn.out.push(Effect::Taken { node, serial, taken });
                self.renew(turn.now, serial, false);
            }
            Report::Failed { serial, item, kind, detail, fuel } => {
                self.failed(turn, (node, serial, item), (kind, detail, fuel));
                turn.out.push(Effect::Noted { node, serial });
            }
            Report::Parked { serial } => {
                if self.attempts.get(&serial).is_some_and(|attempt| attempt.node == node) {
                    self.renew(turn.now, serial, true);
                }
                turn.out.push(Effect::Noted { node, serial });
            }
            Report::Over { serial } => {
                if self.attempts.get(&serial).is_some_and(|attempt| attempt.node == node) {
                    self.lose(turn, serial, false);
                }
                turn.out.push(Effect::Noted { node, serial });
            }
            Report::Missing { serial, stage, items } => {
                self.missing(turn, node, serial, (stage, items));
                turn.out.push(Effect::Noted { node, serial });
            }
        }
        let key = self.attempts.get(&self.last_serial(&turn.out)).map(|attempt| attempt.key);
        if let Some(key) = key {
            self.advance(turn, key);
        }
    }

    /// The lease the last answer is about.
    fn last_serial(&self, out: &[Effect]) -> u64 {
        out.iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Verdicts { serial, .. } | Effect::Taken { serial, .. } | Effect::Noted { serial, .. } => {
                    Some(*serial)
                }
                _ => None,
            })
            .unwrap_or(0)
    }

    /// What items take, from the time since the last word of this lease.
    fn learn_time(&mut self, turn: &Turn<'_>, serial: u64, items: usize) {
        let Some(attempt) = self.attempts.get_mut(&serial).filter(|attempt| !attempt.is_over) else { return };
        let took = turn.now.since(attempt.mark);
        let teaches = !std::mem::take(&mut attempt.was_parked) && attempt.parked.is_none() && attempt.store == 0;
        attempt.mark = turn.now;
        let (at, speed) = (attempt.at(attempt.first), attempt.speed_milli);
        let items = u32::try_from(items).unwrap_or(0);
        if let (true, Some(stage)) = (teaches && items > 0, self.stage(at)) {
            stage.law.time(items, took, speed);
        }
    }

    /// Whether this node may say something of this item under this lease.
    fn may_say(&self, node: Alias, serial: u64, item: u32) -> Result<At, Refused> {
        let attempt = self.attempts.get(&serial).ok_or(Refused::UnknownLease)?;
        if attempt.node != node {
            return Err(Refused::NotYours);
        }
        attempt.bit(item).ok_or(Refused::NotInLease)?;
        let at = attempt.at(item);
        let job = self.jobs.get(&at.key).ok_or(Refused::JobOver)?;
        let is_out = self.nodes.get(&node).is_some_and(|node| node.standing.quarantined.is_some());
        if job.facts.trust == Trust::Public && is_out && attempt.owner != job.facts.account {
            return Err(Refused::Quarantined);
        }
        if job.stages[usize::from(at.stage)].failed.contains_key(&item) {
            return Err(Refused::GivenUp);
        }
        Ok(at)
    }

    fn computed(&mut self, turn: &mut Turn<'_>, node: Alias, serial: u64, said: &ItemResult) -> Verdict {
        let at = match self.may_say(node, serial, said.item) {
            Ok(at) => at,
            Err(refused) => {
                self.settle_in_lease(turn.now, serial, said.item);
                return Verdict::Refused(refused);
            }
        };
        if let Some(verdict) = self.said_before(serial, at, said) {
            return verdict;
        }
        if self.is_beyond(serial, said) {
            self.failed(turn, (node, serial, said.item), (FailKind::Fuel, said.fuel, said.fuel));
            return Verdict::Refused(Refused::Contradicts);
        }
        let verdict = self.vote(turn, serial, at, said);
        if verdict == Verdict::Drop {
            self.settle_in_lease(turn.now, serial, said.item);
        }
        self.judge(turn, at);
        verdict
    }

    /// Whether a result says more fuel than its lease allowed: nobody pays for that.
    fn is_beyond(&self, serial: u64, said: &ItemResult) -> bool {
        self.attempts.get(&serial).is_some_and(|attempt| said.fuel > attempt.max_fuel)
    }

    /// (A) The answer it had before.
    fn said_before(&self, serial: u64, at: At, said: &ItemResult) -> Option<Verdict> {
        let attempt = &self.attempts[&serial];
        let bit = attempt.bit(at.item).unwrap_or(0);
        if attempt.said & bit == 0 {
            return None;
        }
        let stage = &self.jobs[&at.key].stages[usize::from(at.stage)];
        let before = stage.items.get(&at.item).and_then(|entry| entry.ballot(serial));
        match before {
            Some(ballot) if !agree(&ballot.vote.result, said) => Some(Verdict::Refused(Refused::Contradicts)),
            _ if attempt.store & bit != 0 => Some(Verdict::Store),
            _ => Some(Verdict::Drop),
        }
    }

    /// (B) (C) Takes in a result and says whether its output is wanted.
    fn vote(&mut self, turn: &mut Turn<'_>, serial: u64, at: At, said: &ItemResult) -> Verdict {
        let (vote, bit) = self.vote_of(turn, serial, said);
        let attempt = self.attempts.get_mut(&serial).expect("the lease is known");
        attempt.said |= bit;
        let (demand, account) = (self.jobs[&at.key].demand(), self.jobs[&at.key].facts.account);
        let stage = self.stage(at).expect("the item's stage is known");
        let is_odd = demand.trust == Trust::Public && stage.law.is_odd(said.fuel);
        let is_done = stage.done.get(at.item);
        let before = stage.before(at.item).cloned();
        let is_paid = before.as_ref().is_some_and(|before| self.is_paid(at, before, demand.trust));
        let stage = self.stage(at).expect("just looked at");
        let Some(entry) = stage.items.get_mut(&at.item) else {
            // Done, and nobody knows with what any more.
            return Verdict::Drop;
        };
        if !entry.live.contains(&serial) {
            // Nobody asked this lease: its item was settled before it was shown again.
            return Verdict::Drop;
        }
        entry.live.retain(|live| *live != serial);
        if demand.trust == Trust::Own {
            // Its owner's machines are believed: one result is all there is.
            entry.ballots.retain(|ballot| ballot.output != Output::None);
        }
        let is_first = entry.ballots.is_empty();
        if is_first && is_done {
            stage.tidy(at.item);
            return Verdict::Drop;
        }
        let has_said = |ballot: &Ballot| ballot.vote.owner == vote.owner && ballot.output != Output::None;
        if demand.trust != Trust::Own && entry.ballots.iter().any(has_said) {
            // An owner has one say, and this one's output is there or on its way.
            return Verdict::Drop;
        }
        entry.make_room(&vote);
        let is_wanted = !is_kept_elsewhere(entry, &vote);
        let output = if is_wanted { Output::Pending } else { Output::None };
        let validated = vote.validated;
        let fuel = vote.result.fuel;
        // What the submitter's own machine says is believed as its own words are.
        let (is_own, is_open) = (vote.owner == account, entry.checking == Checking::Open);
        let again =
            before.filter(|_| is_first && demand.trust != Trust::Own).map(|before| Again::of(&before, &vote, is_paid));
        entry.ballots.push(Ballot { vote, output, is_kept: false, is_counted: false, paid: None });
        if let Some(Again::Joins(ballot)) = again {
            entry.ballots.push(*ballot);
            self.open_check(turn, at);
        } else if again == Some(Again::Contradicts) {
            self.open_check(turn, at);
        } else if is_first && again != Some(Again::Matches) {
            if is_open || (!is_own && (is_odd || quorum::is_checked(demand, validated, turn.rng))) {
                self.open_check(turn, at);
            }
        } else if !is_first {
            self.jobs.get_mut(&at.key).expect("known").extra_fuel += fuel;
            self.open_check(turn, at);
        }
        if is_wanted {
            self.await_output(turn, serial, bit);
        }
        if is_wanted { Verdict::Store } else { Verdict::Drop }
    }

    /// Whether what an item came to before has been paid for good: in a circle at once, else when it was checked or does not wait
    /// for a check any more.
    fn is_paid(&self, at: At, before: &Accepted, trust: Trust) -> bool {
        let waits = |node: &Node| node.unchecked.iter().any(|old| old.at == at && old.serial == before.vote.serial);
        before.was_verified || trust == Trust::Circle || !self.nodes.get(&before.vote.node).is_some_and(waits)
    }

    /// A result with all that comparing needs, and its bit in the lease.
    fn vote_of(&self, turn: &Turn<'_>, serial: u64, said: &ItemResult) -> (Vote, u64) {
        let attempt = &self.attempts[&serial];
        let vote = Vote {
            node: attempt.node,
            owner: attempt.owner,
            network: attempt.network,
            region: attempt.region.clone(),
            serial,
            result: *said,
            validated: self.validated_in(attempt.key, attempt.node),
            at: turn.now,
        };
        (vote, attempt.bit(said.item).unwrap_or(0))
    }

    fn await_output(&mut self, turn: &Turn<'_>, serial: u64, bit: u64) {
        let by = turn.now + STORE_WITHIN;
        let attempt = self.attempts.get_mut(&serial).expect("the lease is known");
        attempt.store |= bit;
        if attempt.store_by.is_none() {
            attempt.store_by = Some(by);
            self.timer(by, Timer::Lease(serial));
        }
    }

    /// Every result of an item that is compared is durable.
    fn open_check(&mut self, turn: &mut Turn<'_>, at: At) {
        let item = self.item_ref(at);
        let Some(entry) = self.stage(at).and_then(|stage| stage.items.get_mut(&at.item)) else { return };
        entry.checking = Checking::Open;
        let fresh: Vec<Vote> =
            entry.ballots.iter().filter(|ballot| !ballot.is_kept).map(|ballot| ballot.vote.clone()).collect();
        fresh.into_iter().for_each(|vote| self.record(turn, Record::Voted { item, vote }));
    }

    fn done(&mut self, turn: &mut Turn<'_>, node: Alias, serial: u64, said: &ItemResult) -> Taken {
        let at = match self.may_say(node, serial, said.item) {
            Ok(at) => at,
            Err(refused) => {
                self.settle_in_lease(turn.now, serial, said.item);
                return Taken::Refused(refused);
            }
        };
        match self.said_before(serial, at, said) {
            Some(Verdict::Refused(refused)) => return Taken::Refused(refused),
            Some(_) => {}
            None if self.is_beyond(serial, said) => {
                self.failed(turn, (node, serial, said.item), (FailKind::Fuel, said.fuel, said.fuel));
                return Taken::Refused(Refused::Contradicts);
            }
            None => drop(self.vote(turn, serial, at, said)),
        }
        self.settle_in_lease(turn.now, serial, said.item);
        let taken = self.stored(turn, serial, at);
        self.judge(turn, at);
        taken
    }

    /// An output is stored: it becomes the item's, waits for a ruling, or is one too many.
    fn stored(&mut self, turn: &mut Turn<'_>, serial: u64, at: At) -> Taken {
        let trust = self.jobs[&at.key].facts.trust;
        let stage = self.stage(at).expect("the item's stage is known");
        let is_done = stage.done.get(at.item);
        let before = stage.before(at.item).cloned();
        let Some(entry) = stage.items.get_mut(&at.item) else { return Taken::Duplicate };
        let checking = entry.checking;
        let Some(vote) = entry.ballot(serial).map(|ballot| ballot.vote.clone()) else { return Taken::Duplicate };
        if is_done {
            let differs = result_of(entry).is_some_and(|kept| !agree(&kept.result, &vote.result));
            let ballot = entry.ballot_mut(serial).expect("just looked at");
            ballot.output = if differs { Output::Stored } else { Output::None };
            let is_accepted = entry.accepted == Some(serial);
            return if differs || is_accepted { Taken::Accepted } else { Taken::Duplicate };
        }
        entry.ballot_mut(serial).expect("just looked at").output = Output::Stored;
        if entry.ballots.iter().any(|ballot| !agree(&ballot.vote.result, &vote.result)) {
            // Which one is right is not known yet.
            return Taken::Accepted;
        }
        let checked = match (checking, trust) {
            (Checking::Open, _) => Checked::Drawn,
            (_, Trust::Own) => Checked::Enough,
            _ if before.as_ref().is_some_and(|b| b.was_verified && agree(&b.vote.result, &vote.result)) => {
                Checked::Enough
            }
            _ => Checked::Not,
        };
        self.accept(turn, at, vote, checked);
        self.fix_fuel(turn, at);
        match trust {
            Trust::Own => {}
            Trust::Circle => self.pay(turn, PayAct::Post, at, serial),
            Trust::Public => self.pay(turn, PayAct::Pending, at, serial),
        }
        if checked == Checked::Enough && trust != Trust::Own {
            // It came out as it did when it was checked: that is one more check passed.
            let right: Vec<Ballot> = self.ballot(at, serial).into_iter().cloned().collect();
            self.credit(turn, at, &right);
        }
        if checked == Checked::Not && trust == Trust::Public {
            self.watch_window(turn, serial);
        }
        Taken::Accepted
    }

    fn ballot(&self, at: At, serial: u64) -> Option<&Ballot> {
        let stage = self.jobs.get(&at.key)?.stages.get(usize::from(at.stage))?;
        stage.items.get(&at.item).and_then(|entry| entry.ballot(serial))
    }

    /// The limit of fuel follows from the first items, and so does where blocks go.
    fn fix_fuel(&mut self, turn: &mut Turn<'_>, at: At) {
        let job = self.jobs[&at.key].facts.id;
        let Some(stage) = self.stage(at) else { return };
        if stage.law.items() == PILOTS.min(stage.facts.items) {
            self.judge_spill(turn, at.key, at.stage);
        }
        let Some(stage) = self.stage(at) else { return };
        if stage.fuel_max == 0 && stage.law.items() >= PILOTS {
            let fuel = stage.law.largest().saturating_mul(AUTO_FUEL_TIMES).max(AUTO_FUEL_LEAST);
            self.record(turn, Record::FuelMax { job, stage: at.stage, fuel });
        }
    }

    pub(super) fn failed(
        &mut self,
        turn: &mut Turn<'_>,
        (node, serial, item): (Alias, u64, u32),
        (kind, detail, fuel): (FailKind, u64, u64),
    ) {
        self.renew(turn.now, serial, false);
        let Ok(at) = self.may_say(node, serial, item) else {
            return self.settle_in_lease(turn.now, serial, item);
        };
        let attempt = self.attempts.get_mut(&serial).expect("the lease is known");
        let (owner, bit) = (attempt.owner, attempt.bit(item).unwrap_or(0));
        let is_output_lost = attempt.said & bit != 0;
        if attempt.settled & bit != 0 {
            return;
        }
        attempt.mark = turn.now;
        self.settle_in_lease(turn.now, serial, item);
        self.jobs.get_mut(&at.key).expect("known").retried += 1;
        let Some(entry) = self.stage(at).and_then(|stage| stage.items.get_mut(&item)) else { return };
        entry.live.retain(|live| *live != serial);
        if is_output_lost {
            // Its result was said, but the output could not be stored.
            if let Some(ballot) = entry.ballot_mut(serial) {
                ballot.output = Output::None;
            }
        }
        let strike = Strike { node, owner, kind, detail, fuel, at: turn.now };
        let item = self.item_ref(at);
        self.record(turn, Record::Strike { item, strike });
        self.after_strike(turn, at, kind, detail);
    }

    /// What a failure leads to: another try, later or with more, or the end of the item.
    fn after_strike(&mut self, turn: &mut Turn<'_>, at: At, kind: FailKind, detail: u64) {
        let trust = self.jobs[&at.key].facts.trust;
        let now = turn.now;
        let stage = self.stage(at).expect("the item's stage is known");
        let (is_done, grows) = (stage.done.get(at.item), stage.facts.grow);
        stage.unqueue(at.item);
        let Some(entry) = stage.items.get_mut(&at.item) else { return };
        let of = |kind: FailKind| entry.strikes.iter().filter(|strike| strike.kind == kind).count();
        let ends = match kind {
            FailKind::Stack => std::mem::replace(&mut entry.is_deep, true),
            FailKind::Memory if grows && !entry.is_grown => {
                entry.is_grown = true;
                // The smaller memory's failures prove nothing about the larger one.
                entry.strikes.retain(|strike| strike.kind != FailKind::Memory);
                false
            }
            FailKind::Input => of(kind) >= usize::from(INPUT_TRIES),
            _ if kind.is_the_jobs() => is_proved(&entry.strikes, trust),
            _ => false,
        };
        let wait = match kind {
            FailKind::Input => INPUT_AGAIN,
            FailKind::Host | FailKind::Store | FailKind::Key => HOST_AGAIN,
            _ => Span::ZERO,
        };
        // A node that failed may be asked again later: then the job is looked at once more.
        if wait == Span::ZERO {
            self.timer(now + SAME_NODE_AGAIN, Timer::Item(at));
        } else {
            entry.not_before = now + wait;
            self.timer(now + wait, Timer::Item(at));
        }
        if ends && !is_done {
            return self.give_up(turn, at, kind, detail);
        }
        self.judge(turn, at);
    }

    /// Pushes an unchecked result into its node's window; what falls out of it can never be taken back and is final.
    fn watch_window(&mut self, turn: &mut Turn<'_>, serial: u64) {
        let Some(node) = self.attempts.get(&serial).map(|attempt| attempt.node) else { return };
        let Some(window) = self.nodes.get_mut(&node).map(|node| &mut node.unchecked) else { return };
        if window.len() > REDO_WINDOW + REDO_WINDOW / 4 {
            // What others have checked since takes no room.
            let jobs = &self.jobs;
            window.retain(|old| {
                let stage = jobs.get(&old.at.key).and_then(|job| job.stages.get(usize::from(old.at.stage)));
                stage.is_some_and(|stage| !stage.verified.get(old.at.item))
            });
            let beyond: Vec<_> = window.drain(..window.len().saturating_sub(REDO_WINDOW)).collect();
            beyond.iter().for_each(|old| self.pay_unchecked(turn, PayAct::Post, node, old));
        }
        self.watch_age(turn.now);
    }
}

/// What the first new result of an item that is run again is beside the one it had before.
#[derive(Debug, PartialEq)]
enum Again {
    /// What was checked has come out again.
    Matches,
    /// Another owner's: the two are compared.
    Joins(Box<Ballot>),
    /// The same owner's, and another one: others have to say.
    Contradicts,
    /// The same owner's, which says as little as before.
    Same,
}

impl Again {
    fn of(before: &Accepted, vote: &Vote, is_paid: bool) -> Self {
        let agrees = agree(&before.vote.result, &vote.result);
        let is_counted = before.was_verified;
        match () {
            () if agrees && before.was_verified => Self::Matches,
            () if before.vote.owner != vote.owner => Self::Joins(Box::new(Ballot {
                vote: before.vote.clone(),
                output: Output::None,
                is_kept: false,
                is_counted,
                paid: Some(if is_paid { PayAct::Post } else { PayAct::Pending }),
            })),
            () if agrees => Self::Same,
            () => Self::Contradicts,
        }
    }
}

fn cut(mut items: Vec<ItemResult>) -> Vec<ItemResult> {
    items.truncate(BUNDLE_ITEMS as usize);
    items
}

/// Whether failures prove that the item cannot be done: two alike on machines of two owners, or [`STRIKES`] of them.
fn is_proved(strikes: &[Strike], trust: Trust) -> bool {
    let jobs: Vec<&Strike> = strikes.iter().filter(|strike| strike.kind.is_the_jobs()).collect();
    let owners: BTreeSet<MemberId> = jobs.iter().map(|strike| strike.owner).collect();
    let needed = if trust == Trust::Own { 1 } else { STRIKE_OWNERS };
    if jobs.len() >= STRIKES && owners.len() >= needed {
        return true;
    }
    let Some(last) = jobs.last().filter(|last| last.kind.is_repeatable()) else { return false };
    jobs.iter().any(|other| {
        let is_other = if trust == Trust::Own { other.node != last.node } else { other.owner != last.owner };
        is_other && (other.kind, other.detail, other.fuel) == (last.kind, last.detail, last.fuel)
    })
}
