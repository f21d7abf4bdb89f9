//! How members stand at the end of a day: earnings, limits, states, who is let go of and written off. By the real rules.

use super::member::{Phase, midnight};
use super::money::TRAFFIC_DAYS;
use super::{Economy, Midnight, seat};
use crate::world::World;
use model::{AccountClass, MemberState, Span, Ucredit};
use rules::ledger::limit::{self, Facts, Shown, Vouched};
use rules::ledger::sweep;

/// Data of who is released goes in so many days (10 % a day).
const DROP_DAYS: u64 = 10;
/// The last of three notices comes a day before grace ends.
const LAST_NOTICE_DAYS: u64 = 29;

impl Economy {
    /// Limits and states of everybody.
    pub(super) fn stand(&mut self, world: &mut World<Midnight>) {
        let insurance = seat(AccountClass::Insurance);
        let bound = sweep::insurance_limit(self.counts.volume(self.day, 90));
        self.books.set(insurance, bound, MemberState::Active);
        for at in self.open.clone() {
            self.move_on(world, at);
            self.stand_one(world, at);
        }
    }

    /// On the way out.
    fn move_on(&mut self, world: &mut World<Midnight>, at: usize) {
        let (day, settle) = (self.day, self.setup.policy.settle_days.max(TRAFFIC_DAYS));
        let member = &mut self.members[at];
        let balance = self.books.at(member.no).balance().0;
        match member.phase {
            Phase::Paying(since) if day - since >= settle && balance >= 0 => {
                member.phase = Phase::Leaving(day);
                member.held_mb = 0;
                (member.state, member.since) = (MemberState::Leaving, day);
                self.end_buffers(world, at, false);
            }
            Phase::Leaving(since) if day - since > settle => self.give_away(world, at),
            _ => {}
        }
    }

    fn stand_one(&mut self, world: &mut World<Midnight>, at: usize) {
        let facts = self.facts(at);
        let state = limit::next(&facts, self.now());
        let day = self.day;
        let member = &mut self.members[at];
        if state != member.state {
            member.since = day;
        }
        if state == MemberState::Released && member.state != state {
            member.drops_mb = member.stored_mb / DROP_DAYS + 1;
        }
        if state == MemberState::Released {
            member.stored_mb = member.stored_mb.saturating_sub(member.drops_mb);
        }
        let is_new_loss = state == MemberState::WrittenOff && member.state != state;
        member.state = state;
        let no = member.no;
        let limit = if state == MemberState::WrittenOff { Ucredit::ZERO } else { facts.limit };
        if state == MemberState::Closed {
            member.phase = Phase::Closed;
        }
        self.books.set(no, limit, state);
        if is_new_loss {
            self.members[at].stored_mb = 0;
            let account = self.books.at(no);
            self.write_off(world, &account);
        }
    }

    /// What the day showed of a member, and its limit.
    fn facts(&mut self, at: usize) -> Facts {
        let (day, now) = (self.day, self.now());
        let member = &mut self.members[at];
        member.mean = limit::mean(member.mean, std::mem::take(&mut member.earned));
        member.daily_use = limit::mean(member.daily_use, std::mem::take(&mut member.charged));
        let audited = member.first_held.map_or(0, |first| day - first);
        let shown = Shown { served: Span::hours(member.served_h), audited: Span::days(audited), is_private: false };
        let limit = limit::limit(self.setup.policy.l0(shown), member.mean, 10_000, Vouched::default());
        self.books.set(member.no, limit, member.state);
        let account = self.books.at(member.no);
        let heard = if let Phase::Gone(since) = member.phase { midnight(since + 1) } else { now };
        let in_grace = if member.state == MemberState::Grace { day - member.since } else { 0 };
        Facts {
            state: member.state,
            since: midnight(member.since + 1),
            available: account.available(),
            balance: account.balance(),
            limit,
            daily_use: member.daily_use,
            has_served: member.served_h > 0,
            has_data: member.stored_mb > 0,
            has_holds: account.held_debit > Ucredit::ZERO,
            notices: if in_grace >= LAST_NOTICE_DAYS { limit::NOTICES } else { 0 },
            heard,
            // What it was let off is not kept here: any credit of its own brings it back.
            written_off: Ucredit(u64::from(account.available().0 <= 0)),
            is_soft: false,
        }
    }
}
