//! How members stand, worked out once a day: what they earned, served and used by the rows of the book, how far they may owe, in which
//! state they are ([`rules::ledger::limit`]), and what of a lost debt the insurance bears.
//!
//! In pages of [`PART`] accounts, each one transaction with the mark how far the day is. (A) An account's day counts once: after a crash,
//! or beside a second center process, the rest is worked out and nothing else. (B) A day's rows are those of blocks made before its end,
//! so that it does not matter when it is worked out. Days nobody looked at are counted together. (C) Limit, state, notice and what is
//! written off stand with what they follow from, and so does what becomes of a holder's buffer. (D) A private cloud keeps everybody's limit, and lets nobody go for being at it.

mod pledge;

use super::days::Days;
use super::store::account::{self, Opened};
use super::store::standing::{self as kept, Moved, Node, Standing, Volume};
use super::store::{self as book, row};
use super::{Ledger, Posting, seat};
use crate::db::{DbError, Reader, StoreError, Tx, meta};
use model::{AccountClass, AccountNo, MemberId, MemberState, Span, Stamp, Ucredit};
use rules::ledger::limit::{self, Facts, Shown, Why};
use rules::ledger::{Account, No, sweep};
use std::collections::HashSet;
use std::sync::PoisonError;

/// Accounts worked out in one transaction.
pub const PART: u32 = 256;
/// Members that are remembered as heard of until that is written.
pub const CALLED_MAX: usize = 1 << 20;
/// Days over which volume is summed up.
pub const VOLUME_DAYS: u32 = 90;
/// Days whose volume is kept.
const VOLUME_KEPT: u32 = 400;
/// Where a limit moves by less than this part, it is let be: so that not every day is a change.
const WORTH: u64 = 100;

/// What is known of who was seen is so much behind.
pub(super) const SEEN_LAG: Span = Span::hours(3);

/// What standing goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Days.
    pub days: Days,
    /// Length of a settle period, of days of 24 hours.
    pub period: Span,
    /// A private cloud.
    pub is_private: bool,
}

/// How far a day is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    day: u32,
    after: AccountNo,
    is_done: bool,
}

impl Mark {
    const NONE: Self = Self { day: 0, after: AccountNo(0), is_done: false };

    fn read(q: &mut Reader<'_>) -> Result<Self, DbError> {
        let Some(bytes) = meta::get(q, meta::STANDING)? else { return Ok(Self::NONE) };
        let parts = bytes.split_first_chunk::<4>().and_then(|(day, rest)| Some((day, rest.split_first_chunk::<8>()?)));
        let Some((day, (after, rest))) = parts else { return Ok(Self::NONE) };
        let after = AccountNo(u64::from_le_bytes(*after));
        Ok(Self { day: u32::from_le_bytes(*day), after, is_done: rest == [1] })
    }

    fn write(self, tx: &mut Tx<'_>) -> Result<(), DbError> {
        let (day, after) = (self.day.to_le_bytes(), self.after.0.to_le_bytes());
        meta::put(tx, meta::STANDING, &[&day[..], &after[..], &[u8::from(self.is_done)]].concat())
    }
}

/// The last row made before a moment.
pub(super) fn last_row(q: &mut Reader<'_>, before: Stamp) -> Result<u64, DbError> {
    Ok(row::block_before(q, before)?.map_or(0, |found| found.block.last_seq))
}

/// Works out a day that is over, to its end; how many accounts this process looked at.
///
/// # Errors
/// Of the store; what was done stays done.
pub async fn work_out(ledger: &Ledger, day: u32, terms: Terms) -> Result<u64, StoreError> {
    ledger.write_called().await?;
    sum_up(ledger, day, terms).await?;
    let mut done = 0;
    while let Some(count) = step(ledger, day, terms).await? {
        done += count;
        tokio::time::sleep(super::chore::PART_PAUSE).await;
    }
    Ok(done)
}

/// Notes what moved until a day's end, and how far the insurance may owe by it. Harmless twice.
///
/// # Errors
/// Of the store.
pub async fn sum_up(ledger: &Ledger, day: u32, terms: Terms) -> Result<(), StoreError> {
    let end = terms.days.begin(day.saturating_add(1));
    // Rows are never changed: they are read beside whatever is written meanwhile.
    let read = move |q: &mut Reader<'_>| {
        let before = kept::last_volume(q)?;
        if before.is_some_and(|(last, _)| last >= day) {
            return Ok(None);
        }
        let last = last_row(q, end)?;
        Ok(Some((before, kept::volume_between(q, before.map_or(0, |(_, seq)| seq), last)?)))
    };
    let Some((before, moved)) = ledger.db().read(read).await? else { return Ok(()) };
    let now = ledger.now();
    let write = move |tx: &mut Tx<'_>| {
        book::lock(tx)?;
        if kept::last_volume(tx)? != before {
            return Ok(());
        }
        kept::put_volume(tx, day, &moved, day.saturating_sub(VOLUME_KEPT))?;
        let Volume { volume, .. } = kept::volume_since(tx, day.saturating_sub(VOLUME_DAYS - 1))?;
        let insurance = seat::only(AccountClass::Insurance);
        account::set_limit(tx, insurance, sweep::insurance_limit(volume), "volume", now).map(drop)
    };
    ledger.db().write(write).await
}

/// One page of a day; how many accounts, nothing where the day is worked out, or a later one was begun.
///
/// # Errors
/// Of the store; nothing of the page stands then.
pub async fn step(ledger: &Ledger, day: u32, terms: Terms) -> Result<Option<u64>, StoreError> {
    let now = ledger.now();
    let write = move |tx: &mut Tx<'_>| {
        book::lock(tx)?;
        let mark = Mark::read(tx)?;
        if mark.day > day || (mark.day == day && mark.is_done) {
            return Ok(None);
        }
        let first = AccountNo::new(AccountClass::Member, 0);
        let after = if mark.day == day { mark.after } else { first };
        let mut page = account::after(tx, after, PART)?;
        page.retain(|opened| opened.account.no.is_of_people());
        let is_done = page.len() < PART as usize;
        let last = last_row(tx, terms.days.begin(day.saturating_add(1)))?;
        let mut turn = Turn { tx, terms, day, last, now };
        for opened in &page {
            turn.one(opened)?;
        }
        let after = page.last().map_or(after, |opened| opened.account.no);
        Mark { day, after, is_done }.write(turn.tx)?;
        Ok(Some(page.len() as u64))
    };
    ledger.db().write(write).await
}

/// A page under way.
struct Turn<'t, 'd> {
    tx: &'t mut Tx<'d>,
    terms: Terms,
    day: u32,
    last: u64,
    now: Stamp,
}

/// What is known of a member beside what was kept.
struct Seen {
    moved: Moved,
    nodes: Vec<Node>,
    has_data: bool,
}

impl Turn<'_, '_> {
    /// Works out one account's day. (A)
    fn one(&mut self, opened: &Opened) -> Result<(), StoreError> {
        let (no, state) = (opened.account.no, opened.account.state);
        let old = kept::get(self.tx, no)?.unwrap_or_else(|| self.first(opened));
        if old.day >= self.day || state == MemberState::Closed {
            return Ok(());
        }
        let seen = self.seen(opened, &old)?;
        let mut new = self.follow(&old, &seen);
        let account = self.paid_back(&opened.account, &mut new)?;
        let (limit, why) = self.limit(&new, state);
        let account = Account { limit, ..account };
        let next = limit::next(&self.facts(&account, &new, &seen), self.end());
        if next != state {
            (new.since, new.notices, new.noticed) = (self.end(), 0, None);
            tracing::info!(account = %no, from = %state, to = %next, "a member stands otherwise");
            account::set_state(self.tx, no, next)?;
        }
        let since = self.terms.days.counted(new.since, self.end());
        if limit::is_notice_due(next, since, new.notices, self.end()) {
            (new.notices, new.noticed) = (new.notices + 1, Some(self.now));
            tracing::warn!(account = %no, notice = new.notices, "a member is told that its data will be let go of");
        }
        // What was refused the day before is tried again.
        if next == MemberState::WrittenOff && new.written_off == Ucredit::ZERO && account.balance().0 < 0 {
            self.write_off(&account, &mut new)?;
        } else if next != MemberState::Leaving {
            self.keep_limit(&opened.account, limit, why)?;
        }
        self.pledge(no, &seen.nodes)?;
        Ok(kept::put(self.tx, no, &new)?)
    }

    /// The end of the day.
    fn end(&self) -> Stamp {
        self.terms.days.begin(self.day.saturating_add(1))
    }

    /// What is kept of who was never looked at: everything since its account was opened counts.
    fn first(&self, opened: &Opened) -> Standing {
        let day = self.terms.days.of(opened.opened_at);
        Standing {
            day: day.saturating_sub(1).min(self.day.saturating_sub(1)),
            seq: 0,
            mean: Ucredit::ZERO,
            daily_use: Ucredit::ZERO,
            served: Span::ZERO,
            proven: Span::ZERO,
            audits_bps: 10_000,
            since: opened.opened_at,
            // Nobody noted when it asked for something before.
            heard: self.end(),
            notices: 0,
            noticed: None,
            written_off: Ucredit::ZERO,
        }
    }

    fn seen(&mut self, opened: &Opened, old: &Standing) -> Result<Seen, StoreError> {
        let moved = kept::moved(self.tx, opened.account.no, (old.seq, self.last))?;
        let owner = <[u8; 16]>::try_from(opened.owner.as_slice()).map(MemberId);
        let Ok(owner) = owner else { return Ok(Seen { moved, nodes: Vec::new(), has_data: false }) };
        Ok(Seen { moved, nodes: kept::nodes(self.tx, &owner)?, has_data: kept::has_data(self.tx, &owner)? })
    }

    /// What was kept, one day or several further. (B)
    fn follow(&self, old: &Standing, seen: &Seen) -> Standing {
        let (days, moved) = (u64::from(self.day - old.day), seen.moved);
        let whole = Span::days(days).as_ms();
        let served = Span::ms(moved.periods.saturating_mul(self.terms.period.as_ms()).min(whole));
        let (has_bad, is_audited) =
            (seen.nodes.iter().any(Node::is_bad), seen.nodes.iter().any(|node| node.is_audited));
        // A node that is not trusted begins the time with audits passed anew.
        let proven = match (has_bad, is_audited) {
            (true, _) => Span::ZERO,
            (false, true) => old.proven + served,
            (false, false) => old.proven,
        };
        let of_those_in = seen.nodes.iter().filter(|node| node.is_in()).map(|node| node.audits_bps);
        let (count, sum) = of_those_in.fold((0u64, 0u64), |(count, sum), bps| (count + 1, sum + bps));
        let heard = seen.nodes.iter().map(|node| self.heard(node)).max();
        Standing {
            day: self.day,
            seq: self.last,
            mean: limit::mean_over(old.mean, moved.earned, days),
            daily_use: limit::mean_over(old.daily_use, moved.charged, days),
            served: old.served + served,
            proven,
            audits_bps: sum.checked_div(count).unwrap_or(10_000),
            heard: old.heard.max(heard.unwrap_or(Stamp(0))),
            ..*old
        }
    }

    /// When a node was last heard of: that is written once an hour, so what is younger than [`SEEN_LAG`] counts as now.
    fn heard(&self, node: &Node) -> Stamp {
        let seen = Stamp(node.seen_hour.saturating_mul(Span::hours(1).as_ms()));
        if self.now.since(seen) < SEEN_LAG { self.end() } else { seen }
    }

    fn limit(&self, new: &Standing, state: MemberState) -> (Ucredit, Why) {
        let is_private = self.terms.is_private;
        match state {
            MemberState::WrittenOff if new.written_off > Ucredit::ZERO => (Ucredit::ZERO, Why::WrittenOff),
            _ => limit::why::decide(shown(new, is_private), new.mean, new.audits_bps),
        }
    }

    fn facts(&self, account: &Account, new: &Standing, seen: &Seen) -> Facts {
        let counted = |at| self.terms.days.counted(at, self.end());
        Facts {
            state: account.state,
            since: counted(new.since),
            available: account.available(),
            balance: account.balance(),
            limit: account.limit,
            daily_use: new.daily_use,
            has_served: new.served > Span::ZERO,
            has_data: seen.has_data,
            has_holds: account.held_debit > Ucredit::ZERO,
            notices: new.notices,
            heard: counted(new.heard),
            written_off: new.written_off,
            is_soft: self.terms.is_private,
        }
    }

    fn keep_limit(&mut self, old: &Account, limit: Ucredit, why: Why) -> Result<(), StoreError> {
        let before = account::limit_changes(self.tx, old.no, 1)?.pop();
        let is_same =
            before.is_some_and(|change| change.reason.parse::<Why>().is_ok_and(|old| old.word() == why.word()));
        let moved = old.limit.0.abs_diff(limit.0);
        if is_same && moved.saturating_mul(WORTH) < old.limit.0 {
            return Ok(());
        }
        account::set_limit(self.tx, old.no, limit, &why.to_string(), self.now).map(drop)
    }

    /// Posts a group; the account as it is then. What the ledger refuses is told, and waits for the next day.
    fn post(&mut self, no: AccountNo, group: rules::ledger::Group) -> Result<Option<Account>, StoreError> {
        let answer = book::post_in(self.tx, &[Posting::from(group)], self.now)?.pop();
        if let Some(Err(error)) = answer {
            tracing::error!(account = %no, day = self.day, %error, "a debt was not written off, or not paid back");
            return Ok(None);
        }
        Ok(account::load(self.tx, &[no])?.pop())
    }

    /// (C) What was written off is paid back out of what it has again.
    fn paid_back(&mut self, account: &Account, new: &mut Standing) -> Result<Account, StoreError> {
        if new.written_off == Ucredit::ZERO {
            return Ok(*account);
        }
        let insurance = seat::only(AccountClass::Insurance);
        let Some((group, paid)) = sweep::pay_back(account, new.written_off, insurance, self.day) else {
            return Ok(*account);
        };
        let Some(after) = self.post(account.no, group)? else { return Ok(*account) };
        new.written_off = new.written_off.less(paid);
        Ok(after)
    }

    /// (C) What nobody will pay is borne by the insurance, what is beyond its limit by the account for it.
    fn write_off(&mut self, account: &Account, new: &mut Standing) -> Result<(), StoreError> {
        let seats = [AccountClass::Insurance, AccountClass::WriteOff].map(seat::only);
        let Some(insurance) = account::load(self.tx, &seats[..1])?.pop() else { return Ok(()) };
        let Some((group, debt)) = sweep::write_off(account, &insurance, seats[1], self.day) else { return Ok(()) };
        if self.post(account.no, group)?.is_some() {
            new.written_off = Ucredit(new.written_off.0.saturating_add(debt.0));
            let why = Why::WrittenOff.to_string();
            account::set_limit(self.tx, account.no, Ucredit::ZERO, &why, self.now)?;
        }
        Ok(())
    }
}

/// A rule that says no here is a sum no balance holds, or a seat that is not open: neither comes of lawful rows.
pub(super) fn broken(no: &No) -> StoreError {
    let refusal = no.refusal();
    StoreError::refused(refusal.id, refusal.to_string())
}

/// What a member has shown, as its limit counts it.
pub fn shown(kept: &Standing, is_private: bool) -> Shown {
    Shown { served: kept.served, audited: kept.proven, is_private }
}

impl Ledger {
    /// A member asked for something: it is still there.
    pub fn called(&self, member: &MemberId) {
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        if called.len() < CALLED_MAX {
            called.insert(*member);
        }
    }

    /// Writes who asked for something since the last time.
    ///
    /// # Errors
    /// Of the store; who was not written is not forgotten.
    pub async fn write_called(&self) -> Result<(), StoreError> {
        let called = std::mem::take(&mut *self.called.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.now();
        let mut left: Vec<MemberId> = called.into_iter().collect();
        while !left.is_empty() {
            let part = left.split_off(left.len().saturating_sub(PART as usize));
            let members = part.clone();
            let write = move |tx: &mut Tx<'_>| {
                // Whoever works a day out changes the same rows, in another order.
                book::lock(tx)?;
                members.iter().try_for_each(|member| kept::heard(tx, member, now))?;
                Ok(())
            };
            if let Err(error) = self.db().write(write).await {
                let back: HashSet<MemberId> = left.into_iter().chain(part).collect();
                self.called.lock().unwrap_or_else(PoisonError::into_inner).extend(back);
                return Err(error);
            }
        }
        Ok(())
    }
}
