//! Cover for permits to read and to use the relay: credits that are set aside before anybody may sign for them
//! (`docs/design/ledger.md` §4, §8), as [`rules::ledger::allowance`] says.
//!
//! (A) No cover, no paid permit. (B) What is given out of a day's holds stands in the database before a permit of it is signed: this
//! process takes a portion and hands it out of memory, so that reads cost no transaction each. (C) Who cannot set anything aside reads
//! its own data as a rescue, up to what it stores in 90 days, and in a circle without that bound: what may be owed so is written
//! down before the permit, and no more of it is ever charged beyond a limit.

use super::Posting;
use super::seat::Escrow;
use super::store::{self as book, account, allowance};
use crate::db::{StoreError, Tx};
use crate::refuse::Refused;
use crate::storage::store::bucket;
use crate::{Center, ledger};
use model::{AccountNo, Code, MemberId, MemberState, Resource, Stamp, Ucredit, errors};
use rules::Refusal;
use rules::fleet::tier::Trust;
use rules::ledger::allowance::{Next, expires, next};
use rules::ledger::id::{Purpose, system_id};
use rules::ledger::limit::{Want, may};
use rules::ledger::row::day_of;
use rules::ledger::tariff::{Price, Variant};
use rules::ledger::{Act, Ask, Group, No, Starter};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Accounts of one part of the memory are looked up under one lock; each waits for the database by itself.
const PARTS: usize = 64;
/// Accounts one part remembers; what is forgotten counts as given.
const PART_MAX: usize = 4_096;
/// A price is looked up again after so long.
const PRICE_FOR: model::Span = model::Span::secs(60);
/// What is owed is written down for so many asks like this one at a time, where the bound allows it.
const OWED_AHEAD: u64 = 8;
/// Who stores less is rescued as if it stored so much: leave is given in steps.
const RESCUE_LEAST: u64 = 64 << 20;
/// Days whose rescue reads count together.
const RESCUE_DAYS: u32 = 90;

/// What is left of one account for one resource, under a lock of its own.
type Own = Arc<tokio::sync::Mutex<Left>>;

/// What this process has taken and not given yet, by account and resource.
pub(crate) struct Allowances {
    parts: Vec<Mutex<HashMap<(AccountNo, Resource), Own>>>,
    prices: Mutex<BTreeMap<Resource, (Stamp, Price)>>,
}

impl Default for Allowances {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect(), prices: Mutex::default() }
    }
}

impl Allowances {
    /// What is left of an account for a resource: its asks follow one another, and keep nobody else waiting.
    fn of(&self, account: AccountNo, resource: Resource) -> Own {
        let at = usize::try_from(account.0 % PARTS as u64).unwrap_or(0);
        let mut part = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
        if part.len() >= PART_MAX && !part.contains_key(&(account, resource)) {
            part.clear();
        }
        Arc::clone(part.entry((account, resource)).or_default())
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Left {
    day: u32,
    credit: Ucredit,
}

/// Who wants cover, for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whose account.
    pub account: AccountNo,
    /// Its member.
    pub member: MemberId,
    /// Of what.
    pub resource: Resource,
    /// What it costs at most.
    pub cost: Ucredit,
    /// How many bytes these are.
    pub bytes: u64,
    /// Whether it may be owed where nothing can be set aside: only for what the member itself reads.
    pub beyond: Beyond,
}

/// What may be owed beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Nothing, and nothing of the limit: somebody else reads at its cost.
    Nothing,
    /// Nothing beyond the limit: somebody works for it.
    Limit,
    /// Rescue reads.
    Rescue,
    /// All of it: the circle's ledger orders, it does not deny.
    All,
}

impl Center {
    /// What a byte read costs now; nothing where the book has no such price.
    pub(crate) async fn egress_price(&self) -> Result<Option<Price>, StoreError> {
        self.price_of(Resource::Egress).await
    }

    /// What a unit of a resource with one price costs now; nothing where the book has no such price.
    pub(crate) async fn price_of(&self, resource: Resource) -> Result<Option<Price>, StoreError> {
        let (now, cache) = (self.now(), &self.allowances().prices);
        let known = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&resource).copied();
        if let Some((_, price)) = known.filter(|(at, _)| now.since(*at) < PRICE_FOR) {
            return Ok(Some(price));
        }
        let tariff = ledger::settle::tariff(self.db(), now).await?;
        let price = tariff.at(now).and_then(|book| book.price(resource, Variant::Plain)).copied();
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        match price {
            Some(price) => drop(cache.insert(resource, (now, price))),
            None => drop(cache.remove(&resource)),
        }
        Ok(price)
    }

    /// What may be owed for a member's own reads.
    pub(crate) fn own_reads(&self) -> Beyond {
        match self.settings().trust() {
            Trust::Circle => Beyond::All,
            Trust::Public => Beyond::Rescue,
        }
    }

    /// What may be owed for what others read at a member's cost.
    pub(crate) fn others_reads(&self) -> Beyond {
        match self.settings().trust() {
            Trust::Circle => Beyond::All,
            Trust::Public => Beyond::Nothing,
        }
    }

    /// What may be owed for what machines read that compute for a member.
    pub(crate) fn workers_reads(&self) -> Beyond {
        match self.settings().trust() {
            Trust::Circle => Beyond::All,
            Trust::Public => Beyond::Limit,
        }
    }

    /// (A, B) Covers `wanted`, or says why not.
    pub(crate) async fn cover(&self, wanted: Wanted) -> Result<(), Refused> {
        let today = day_of(self.now());
        let left = self.allowances().of(wanted.account, wanted.resource);
        let mut left = left.lock().await;
        if left.day != today {
            *left = Left { day: today, credit: Ucredit::ZERO };
        }
        if left.credit < wanted.cost {
            let now = self.now();
            let taken = self.db().write(move |tx| take(tx, wanted, now)).await?;
            left.credit = Ucredit(left.credit.0.saturating_add(taken?.0));
        }
        left.credit = left.credit.less(wanted.cost);
        Ok(())
    }
}

/// Takes what covers `wanted`, and a portion more where there is: out of what is held, of a new hold, or as debt. What was taken.
///
/// # Errors
/// Of the store; inside, why there is no cover.
pub fn take(tx: &mut Tx<'_>, wanted: Wanted, now: Stamp) -> Result<Result<Ucredit, Refusal>, StoreError> {
    book::lock(tx)?;
    let key = (wanted.account, wanted.resource, day_of(now));
    let (mut day, yesterday) = (allowance::day(tx, key)?, allowance::day(tx, (key.0, key.1, key.2.saturating_sub(1)))?);
    let mut no = None;
    if let Next::Hold { amount, least } = next(day, yesterday.given, wanted.cost) {
        let steps = [1, 4, 16, 64, u64::MAX].map(|part| Ucredit(amount.0 / part).max(least));
        let number = allowance::holds_count(tx, key)?;
        let most = spendable(tx, wanted)?;
        for amount in steps {
            if most.is_some_and(|most| amount > most) {
                let account = wanted.account;
                let (available, needed, held) =
                    (most.unwrap_or_default().credits().unwrap_or_default(), amount, Ucredit::ZERO);
                no = Some(No::InsufficientCredit { account, available, needed, held });
                continue;
            }
            match set_aside(tx, key, (number, amount), now)? {
                Ok(()) => {
                    day.held = day.held.checked_add(amount).unwrap_or(Ucredit::MAX);
                    no = None;
                    break;
                }
                Err(refused) => no = Some(refused),
            }
        }
    }
    match (no, next(day, yesterday.given, wanted.cost)) {
        (None, Next::Take(part)) => {
            day.given = day.given.checked_add(part).unwrap_or(Ucredit::MAX);
            allowance::put_day(tx, key, day)?;
            Ok(Ok(part))
        }
        (Some(no), _) => owe(tx, key, wanted, &no),
        (None, Next::Hold { .. }) => Err(StoreError::refused(errors::BUG, "a hold that covers nothing")),
    }
}

/// What the account itself has, where its limit does not count.
fn spendable(tx: &mut Tx<'_>, wanted: Wanted) -> Result<Option<Ucredit>, StoreError> {
    if wanted.beyond != Beyond::Nothing {
        return Ok(None);
    }
    let has = account::get(tx, wanted.account)?.map_or(0, |opened| {
        opened.account.available().0.saturating_sub(i64::try_from(opened.account.limit.0).unwrap_or(i64::MAX))
    });
    Ok(Some(Ucredit(u64::try_from(has).unwrap_or(0))))
}

/// A hold, or why there is none for want of credit.
fn set_aside(
    tx: &mut Tx<'_>,
    key: allowance::Key,
    (number, amount): (u32, Ucredit),
    now: Stamp,
) -> Result<Result<(), No>, StoreError> {
    let (account, resource, day) = key;
    let id = system_id(Purpose::Allowance, day.into(), account, Some(resource), number);
    let escrow = Escrow::Allowance.account();
    let act = Act::Hold { debit: account, escrow, amount, expires: expires(day) };
    let ask = Ask { id, act, code: Code::Allowance, reference: None };
    let posting = Posting { group: Group { starter: Starter::System, asks: vec![ask] }, intents: Vec::new() };
    match book::post_in(tx, &[posting], now)?.pop() {
        Some(Ok(_)) => {
            allowance::put_hold(tx, key, number, id)?;
            Ok(Ok(()))
        }
        Some(Err(refused)) => Ok(Err(refused.no)),
        None => Err(StoreError::refused(errors::BUG, "a posting without an answer")),
    }
}

/// (C) What may be owed, written down before it is.
fn owe(tx: &mut Tx<'_>, key: allowance::Key, wanted: Wanted, no: &No) -> Result<Result<Ucredit, Refusal>, StoreError> {
    let is_soft = wanted.beyond == Beyond::All;
    let is_stopped = matches!(no, No::AccountFrozen(_)) && !is_soft;
    if is_stopped || matches!(wanted.beyond, Beyond::Nothing | Beyond::Limit) {
        return Ok(Err(no.refusal()));
    }
    let Some(opened) = account::get(tx, wanted.account)? else { return Ok(Err(no.refusal())) };
    // Who has no credit for this stands at its limit as far as reading goes.
    let state = match opened.account.state {
        MemberState::Newcomer | MemberState::Active | MemberState::Low | MemberState::Leaving => MemberState::AtLimit,
        other => other,
    };
    let from = key.2.saturating_sub(RESCUE_DAYS);
    let days = allowance::owed(tx, (key.0, key.1, from))?;
    let rescued_90d = days.iter().fold(0u64, |sum, (_, owed)| sum.saturating_add(owed.bytes));
    let stored = bucket::bytes_of(tx, &wanted.member)?.max(RESCUE_LEAST);
    let mut judged = Ok(());
    for ahead in [OWED_AHEAD, 1] {
        let bytes = wanted.bytes.saturating_mul(ahead);
        judged = may(state, Want::Read { bytes, rescued_90d, stored }, is_soft).map(drop);
        if judged.is_ok() {
            let given = Ucredit(wanted.cost.0.saturating_mul(ahead));
            let mut owed = days.iter().find(|(day, _)| *day == key.2).map_or_else(Default::default, |(_, owed)| *owed);
            owed.bytes = owed.bytes.saturating_add(bytes);
            owed.given = owed.given.checked_add(given).unwrap_or(Ucredit::MAX);
            allowance::put_owed(tx, key, owed)?;
            return Ok(Ok(given));
        }
    }
    Ok(judged.map(|()| Ucredit::ZERO))
}

/// What an account may owe beyond its limit for what it read or had relayed, until the last of it is settled.
///
/// # Errors
/// Of the database.
pub fn may_owe(tx: &mut Tx<'_>, of: (AccountNo, Resource), now: Stamp) -> Result<Ucredit, StoreError> {
    let open = open_days(tx, of, now)?;
    Ok(open.iter().fold(Ucredit::ZERO, |sum, (_, owed)| {
        Ucredit(sum.0.saturating_add(owed.given.less(owed.charged).0).min(Ucredit::MAX.0))
    }))
}

/// Notes that so much of it was charged, oldest first.
///
/// # Errors
/// Of the database.
pub fn note_charged(tx: &mut Tx<'_>, of: (AccountNo, Resource), amount: Ucredit, now: Stamp) -> Result<(), StoreError> {
    let mut left = amount;
    for (day, mut owed) in open_days(tx, of, now)? {
        let part = owed.given.less(owed.charged).min(left);
        if part > Ucredit::ZERO {
            owed.charged = owed.charged.checked_add(part).unwrap_or(Ucredit::MAX);
            left = left.less(part);
            allowance::put_owed(tx, (of.0, of.1, day), owed)?;
        }
    }
    Ok(())
}

/// Days whose permits may still be settled.
fn open_days(
    tx: &mut Tx<'_>,
    (account, resource): (AccountNo, Resource),
    now: Stamp,
) -> Result<Vec<(u32, allowance::Owed)>, StoreError> {
    let today = day_of(now);
    let from = (0..=today).rev().find(|day| expires(*day) <= now).map_or(0, |day| day + 1);
    Ok(allowance::owed(tx, (account, resource, from))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_the_database_keeps_nobody_else_waiting() {
        let all = Allowances::default();
        let [one, same, other] = [1, 1, 1 + PARTS as u64].map(|n| all.of(AccountNo(n), Resource::Egress));
        let waits = one.lock().await;
        assert!(same.try_lock().is_err(), "its own asks follow one another");
        assert!(other.try_lock().is_ok(), "an account of the same part");
        drop(waits);
        assert!(same.try_lock().is_ok());
        // What is forgotten is taken anew.
        for n in 0..=PART_MAX as u64 {
            all.of(AccountNo(1 + (n + 2) * PARTS as u64), Resource::Egress);
        }
        assert!(!Arc::ptr_eq(&one, &all.of(AccountNo(1), Resource::Egress)));
        assert!(all.parts.iter().all(|part| part.lock().unwrap().len() <= PART_MAX));
    }
}
