//! A period that is over, settled: per resource payers are charged, what came in is shared, providers are paid
//! ([`rules::ledger::settle`]).
//!
//! Each [`step`] is one transaction that posts its transfers, keeps their carries and ends the due rows they are made of. (A) It
//! begins with what the rows say, behind all other settlements, so that a crash between any two of them, or a second center
//! process, finds the rest and nothing else. (B) What the ledger refuses is not taken in: it is told, and nobody else waits for it.
//! (C) Who signed for more than it had leave for starts nothing more.

use super::store::{self, DueRow, Side, Step, Taken};
use super::{Periods, meter};
use crate::compute::store as compute;
use crate::db::{StoreError, Tx};
use crate::ledger::allow;
use crate::ledger::seat::{self, Escrow};
use crate::ledger::store::{self as book, account, allowance, commons, hold, price};
use crate::ledger::{Ledger, Posting};
use model::{AccountClass, AccountNo, Code, Resource, Span, Stamp, TransferId, Ucredit};
use rules::ledger::settle::{Carries, Charged, Due, Earner, Factor, Payer, Round, Seats, charge, earned, pay, share};
use rules::ledger::tariff::Tariff;
use rules::ledger::{Account, Act, No, buffer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Accounts charged or paid in one transaction.
pub const PART: u32 = 256;
/// Beyond so much who signed more than it had leave for starts nothing more: readers that hurry ask one holder more.
const FREEZE_ABOVE: Ucredit = Ucredit(50_000);
/// Holds one charge is taken out of.
const HOLDS_MAX: u32 = 200;
/// For so long a member is new, and gives a part of what it earns to the commons.
const NEW_FOR: Span = Span::days(30);

/// What settling goes by, beside the rows.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Prices.
    pub tariff: Arc<Tariff>,
    /// Newcomers pay dues: in a cloud of strangers.
    pub has_dues: bool,
    /// A part of what holders earn by storage is held back: in a cloud of strangers.
    pub has_buffers: bool,
    /// Periods: what the reserve cannot pay is due of it in the next.
    pub periods: Periods,
}

/// What a settlement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Transactions that did something.
    pub steps: u64,
    /// Resources that are settled now and were not.
    pub resources: u64,
}

/// Settles every period that is over and metered; what was done is harmless to ask for again.
///
/// # Errors
/// Of the store; what was done stays done.
pub async fn settle(ledger: &Ledger, periods: Periods, terms: &Terms) -> Result<Done, StoreError> {
    let mut done = Done::default();
    loop {
        let over = periods.over(ledger.now());
        let next = ledger.db().read(move |q| {
            // What was stored in a period is counted before the period is settled.
            let metered = meter::metered(q)?.unwrap_or(0);
            Ok(store::next_period(q, over.min(metered))?)
        });
        let Some(period) = next.await? else { return Ok(done) };
        let rounds = begin(ledger, period).await?;
        if rounds.is_empty() {
            // Nothing is added to a period that was begun: rows left in one that is over are damage.
            tracing::error!(
                period,
                "units are due in a period that is settled; nothing more is settled until somebody looks"
            );
            return Ok(done);
        }
        for resource in rounds {
            while step(ledger, (period, resource), terms).await? {
                done.steps += 1;
            }
            done.resources += 1;
        }
    }
}

/// Begins the rounds of a period, which closes it; those that are not over.
///
/// # Errors
/// Of the store.
pub async fn begin(ledger: &Ledger, period: u64) -> Result<Vec<Resource>, StoreError> {
    let write = move |tx: &mut Tx<'_>| {
        store::lock(tx)?;
        let open = store::open_rounds(tx, period)?;
        if !open.is_empty() {
            return Ok(open);
        }
        for resource in store::resources(tx, period)? {
            store::begin(tx, period, resource)?;
        }
        Ok(store::open_rounds(tx, period)?)
    };
    ledger.db().write(write).await
}

/// One transaction of a round; false where the round is over.
///
/// # Errors
/// Of the store; nothing of the step stands then.
pub async fn step(ledger: &Ledger, at: (u64, Resource), terms: &Terms) -> Result<bool, StoreError> {
    let (terms, now) = (terms.clone(), ledger.now());
    let write = move |tx: &mut Tx<'_>| {
        store::lock(tx)?;
        book::lock(tx)?;
        let round = Round { resource: at.1, period: at.0, tariff: &terms.tariff, seats: seats(at.1) };
        let mut turn = Turn { tx, round, at, terms: &terms, now };
        match store::step(turn.tx, at.0, at.1)? {
            None | Some(Step::Done) => return Ok(false),
            Some(Step::Charging) => turn.charge()?,
            Some(Step::Summing { after, wanted }) => turn.sum(after, wanted)?,
            Some(Step::Paying { after, there, wanted }) => turn.pay(after, Factor { there, wanted })?,
        }
        Ok(true)
    };
    ledger.db().write(write).await
}

fn seats(resource: Resource) -> Seats {
    Seats {
        clearing: seat::clearing(resource),
        reserve: seat::only(AccountClass::Repair),
        insurance: seat::only(AccountClass::Insurance),
        write_off: seat::only(AccountClass::WriteOff),
        operator: seat::only(AccountClass::Operator),
        commons: seat::only(AccountClass::Commons),
        buffer: Escrow::Buffer.account(),
    }
}

/// A rule that says no here is a price that is not there, or a sum no balance holds: neither comes of lawful rows.
fn broken(no: &No) -> StoreError {
    let refusal = no.refusal();
    StoreError::refused(refusal.id, refusal.to_string())
}

/// Of what the reserve used, what it could not pay for: it owes that still.
fn unpaid(round: &Round<'_>, uses: &[Due], charged: &Charged) -> Vec<Due> {
    let moved = charged.group.iter().flat_map(|group| &group.asks).map(|ask| match ask.act {
        Act::Move { amount, .. } => amount.0,
        _ => 0,
    });
    let cost: u64 = charged.taken.values().map(|amount| amount.0).sum();
    let mut short = u128::from(cost.saturating_sub(moved.sum()));
    let mut out = Vec::new();
    for due in uses.iter().rev() {
        let Some(price) = round.tariff.price(due.version, round.resource, due.variant) else { continue };
        let units = (short * u128::from(price.per)).checked_div(price.consumer.0.into()).unwrap_or(0);
        let units = u64::try_from(units).unwrap_or(u64::MAX).min(due.units);
        short = short.saturating_sub(u128::from(units) * u128::from(price.consumer.0) / u128::from(price.per.max(1)));
        out.push(Due { units, ..*due });
    }
    out
}

/// Providers of one step.
struct Earners {
    all: Vec<Earner>,
    /// The last of them, also where its account is not there.
    last: Option<AccountNo>,
    /// There may be more.
    is_full: bool,
}

/// A step under way.
struct Turn<'t, 'd, 'r> {
    tx: &'t mut Tx<'d>,
    round: Round<'r>,
    at: (u64, Resource),
    terms: &'r Terms,
    now: Stamp,
}

impl Turn<'_, '_, '_> {
    fn accounts(
        &mut self,
        numbers: impl Iterator<Item = AccountNo>,
    ) -> Result<BTreeMap<AccountNo, Account>, StoreError> {
        let numbers: BTreeSet<AccountNo> = numbers.collect();
        let loaded = account::load(self.tx, &numbers.into_iter().collect::<Vec<_>>())?;
        Ok(loaded.into_iter().map(|account| (account.no, account)).collect())
    }

    fn seat(&mut self, no: AccountNo) -> Result<Account, StoreError> {
        let found = self.accounts(std::iter::once(no))?.remove(&no);
        found.ok_or_else(|| broken(&No::UnknownAccount(no)))
    }

    /// Charges the next payers; where there are none left, begins to sum up what providers earned.
    fn charge(&mut self) -> Result<(), StoreError> {
        let uses = store::due_of(self.tx, self.at, Side::Used, AccountNo(0), PART)?;
        if uses.is_empty() {
            return self.sum(AccountNo(0), Ucredit::ZERO);
        }
        let accounts = self.accounts(uses.keys().copied())?;
        let mut insurance = self.seat(self.round.seats.insurance)?;
        let mut charged: Vec<(AccountNo, Charged)> = Vec::with_capacity(uses.len());
        let (mut again, mut freeze) = (Vec::new(), BTreeSet::new());
        for (no, uses) in &uses {
            let Some(account) = accounts.get(no).copied() else {
                tracing::error!(account = %no, "units are due of an account that is not there; they are let go");
                continue;
            };
            let payer = Payer {
                account,
                uses: uses.clone(),
                carries: price::carries(self.tx, *no, self.at.1)?,
                allowances: self.set_aside(*no)?,
                may_owe: self.may_owe(*no)?,
                insurance,
            };
            let one = charge(&self.round, &payer).map_err(|no| broken(&no))?;
            if one.overspent > Ucredit::ZERO {
                tracing::warn!(account = %no, overspent = %one.overspent, "a payer signed more than it can pay; others bear it");
                // What it bears of the next ones it cannot bear twice.
                insurance.debits = insurance.debits.checked_add(one.overspent).unwrap_or(Ucredit::MAX);
            }
            // (C) Its own signatures are the evidence; where it has more set aside than one charge reaches, they are none.
            if one.overspent > FREEZE_ABOVE && payer.allowances.len() < HOLDS_MAX as usize {
                freeze.insert(*no);
            }
            if !no.is_of_people() {
                let (resource, account) = (self.at.1, *no);
                let unpaid = unpaid(&self.round, &payer.uses, &one).into_iter();
                again.extend(unpaid.map(|due| DueRow { resource, side: Side::Used, account, due }));
            }
            charged.push((*no, one));
        }
        let groups = charged.iter().map(|(no, one)| (*no, one.group.clone())).collect();
        let refused = self.post(groups)?;
        // What was refused is due again: who is owed for it waits, and nobody is let off.
        for no in &refused {
            let (resource, account) = (self.at.1, *no);
            let uses = uses.get(no).into_iter().flatten();
            again.extend(uses.map(|due| DueRow { resource, side: Side::Used, account, due: *due }));
        }
        for (no, one) in charged.iter().filter(|(no, _)| !refused.contains(no)) {
            if let Some(before) = accounts.get(no) {
                self.note_owed(before, one)?;
            }
            if freeze.contains(no) {
                account::freeze(self.tx, *no, true)?;
            }
            price::put_carries(self.tx, &one.carries)?;
            store::add_taken(self.tx, self.at, &one.taken)?;
        }
        store::consume(self.tx, self.at, Side::Used, uses.keys().copied())?;
        let next = self.terms.periods.after(store::last_begun(self.tx)?);
        Ok(store::add_due(self.tx, next, &again)?)
    }

    /// What an account has set aside for this, oldest first.
    fn set_aside(&mut self, no: AccountNo) -> Result<Vec<(TransferId, Ucredit)>, StoreError> {
        // Time in the book may be ahead of this clock.
        let now = self.now.max(book::head(self.tx)?.at);
        match self.at.1 {
            Resource::Egress | Resource::Relay => Ok(allowance::open(self.tx, (no, self.at.1), now, HOLDS_MAX)?),
            Resource::Compute => Ok(compute::open_holds(self.tx, no, now, HOLDS_MAX)?),
            _ => Ok(Vec::new()),
        }
    }

    /// What an account may owe beyond its limit for this. What was computed beyond what was set aside, an item or two, is its member's
    /// own debt: nobody else bears it.
    fn may_owe(&mut self, no: AccountNo) -> Result<Ucredit, StoreError> {
        match self.at.1 {
            Resource::Egress | Resource::Relay => allow::may_owe(self.tx, (no, self.at.1), self.now),
            _ => Ok(Ucredit::MAX),
        }
    }

    /// What was charged beyond the limit is no more to be owed.
    fn note_owed(&mut self, before: &Account, charged: &Charged) -> Result<(), StoreError> {
        let moved = charged.group.iter().flat_map(|group| &group.asks).find_map(|ask| match ask.act {
            Act::Move { debit, amount, .. } if debit == before.no => Some(amount),
            _ => None,
        });
        let has = Ucredit(u64::try_from(before.available().0).unwrap_or(0));
        match moved.map(|moved| moved.less(has)).filter(|beyond| *beyond > Ucredit::ZERO) {
            Some(beyond) if matches!(self.at.1, Resource::Egress | Resource::Relay) => {
                allow::note_charged(self.tx, (before.no, self.at.1), beyond, self.now)
            }
            _ => Ok(()),
        }
    }

    /// Posts groups of accounts; those that were refused. (B)
    fn post(
        &mut self,
        groups: Vec<(AccountNo, Option<rules::ledger::Group>)>,
    ) -> Result<BTreeSet<AccountNo>, StoreError> {
        let some: Vec<(AccountNo, Posting)> =
            groups.into_iter().filter_map(|(no, group)| Some((no, Posting::from(group?)))).collect();
        let (numbers, postings): (Vec<_>, Vec<_>) = some.into_iter().unzip();
        if postings.is_empty() {
            return Ok(BTreeSet::new());
        }
        let answers = book::post_in(self.tx, &postings, self.now)?;
        let mut refused = BTreeSet::new();
        for (no, answer) in numbers.into_iter().zip(answers) {
            if let Err(error) = answer {
                tracing::error!(account = %no, resource = %self.at.1, period = self.at.0, %error, "a settlement was refused");
                refused.insert(no);
            }
        }
        Ok(refused)
    }

    /// Providers after an account with what they served and are owed, at most [`PART`].
    fn earners(&mut self, after: AccountNo) -> Result<Earners, StoreError> {
        let mut served = store::due_of(self.tx, self.at, Side::Served, after, PART)?;
        let mut owed = store::arrears(self.tx, self.at.1, after, PART)?;
        let mut numbers: Vec<AccountNo> =
            served.keys().chain(owed.keys()).copied().collect::<BTreeSet<_>>().into_iter().collect();
        numbers.truncate(PART as usize);
        let mut out =
            Earners { last: numbers.last().copied(), is_full: numbers.len() == PART as usize, all: Vec::new() };
        for no in numbers {
            let Some(opened) = account::get(self.tx, no)? else {
                tracing::error!(account = %no, "an account that is not there has earned; it is let go");
                continue;
            };
            let served: Vec<Due> = served.remove(&no).unwrap_or_default();
            let carries: Carries = price::carries(self.tx, no, self.at.1)?;
            let arrears = owed.remove(&no).unwrap_or_default();
            // The operator earns by its relay, and is never new.
            let is_newcomer = self.terms.has_dues && no.is_of_people() && self.now.since(opened.opened_at) < NEW_FOR;
            // What buffers have room for only matters to who is paid.
            out.all.push(Earner { account: opened.account, served, carries, arrears, buffer: None, is_newcomer });
        }
        Ok(out)
    }

    /// MB that were held on average since the account was paid for storage last.
    fn held_mb(&mut self, no: AccountNo, served: &[Due]) -> Result<u64, StoreError> {
        let before = commons::held(self.tx, no)?.map(|(period, _)| period).filter(|period| *period < self.at.0);
        let hours = self.terms.periods.hours_between(before, self.at.0);
        let units = served.iter().fold(0u64, |sum, due| sum.saturating_add(due.units));
        Ok(units / hours)
    }

    /// Room in a holder's buffer, and until when a part is held.
    fn room(&mut self, no: AccountNo, served: &[Due]) -> Result<Option<(Ucredit, Stamp)>, StoreError> {
        if !self.terms.has_buffers || self.at.1 != Resource::Storage {
            return Ok(None);
        }
        let target = buffer::target(self.held_mb(no, served)?);
        let held_back = hold::sum_of(self.tx, no, Code::Buffer)?;
        Ok(Some((target.less(held_back), buffer::until(Stamp(self.at.0)))))
    }

    /// Keeps what was held, of those that were paid.
    fn keep_held(&mut self, earners: &[Earner]) -> Result<(), StoreError> {
        if self.at.1 != Resource::Storage {
            return Ok(());
        }
        for earner in earners {
            let held_mb = self.held_mb(earner.account.no, &earner.served)?;
            commons::put_held(self.tx, earner.account.no, (self.at.0, held_mb))?;
        }
        Ok(())
    }

    /// Adds what the next providers earned; where there are none left, shares what came in. Nothing is added to a period that was begun
    /// and nobody is paid before, so that it does not matter how many transactions this takes.
    fn sum(&mut self, after: AccountNo, before: Ucredit) -> Result<(), StoreError> {
        let (part, mut wanted) = (self.earners(after)?, before);
        for earner in &part.all {
            let (sum, _) = earned(&self.round, earner).map_err(|no| broken(&no))?;
            wanted = wanted.checked_add(sum).ok_or_else(|| broken(&No::AmountTooLarge))?;
        }
        match part.last.filter(|_| part.is_full) {
            Some(after) => Ok(store::set_step(self.tx, self.at.0, self.at.1, Step::Summing { after, wanted })?),
            None => self.share(wanted),
        }
    }

    /// Shares what came in, once.
    fn share(&mut self, wanted: Ucredit) -> Result<(), StoreError> {
        let (seats, resource) = (self.round.seats, self.at.1);
        let facts = rules::ledger::settle::Taken {
            taken: self.taken()?,
            wanted,
            clearing: self.seat(seats.clearing)?,
            reserve: self.seat(seats.reserve)?,
            // No forecast of repair is made yet.
            floor: Ucredit::ZERO,
            carries: price::carries(self.tx, seats.clearing, resource)?,
        };
        let shared = share(&self.round, &facts).map_err(|no| broken(&no))?;
        let is_refused = !self.post(vec![(seats.clearing, shared.group.clone())])?.is_empty();
        if !is_refused {
            price::put_carries(self.tx, &shared.carries)?;
        }
        let (there, wanted) = match is_refused {
            // Nobody is paid out of what was not shared: it waits in clearing.
            true => (Ucredit::ZERO, wanted.max(Ucredit(1))),
            false => (shared.factor.there, shared.factor.wanted),
        };
        tracing::info!(period = self.at.0, %resource, %there, %wanted, operator = %shared.operator, "what came in was shared");
        Ok(store::set_step(self.tx, self.at.0, resource, Step::Paying { after: AccountNo(0), there, wanted })?)
    }

    fn taken(&mut self) -> Result<Taken, StoreError> {
        Ok(store::taken(self.tx, self.at.0, self.at.1)?)
    }

    /// Pays the next providers; where there are none left, the round is over.
    fn pay(&mut self, after: AccountNo, factor: Factor) -> Result<(), StoreError> {
        let Earners { last, all: mut earners, .. } = self.earners(after)?;
        let Some(last) = last else {
            return Ok(store::set_step(self.tx, self.at.0, self.at.1, Step::Done)?);
        };
        let mut paid = Vec::with_capacity(earners.len());
        for earner in &mut earners {
            earner.buffer = self.room(earner.account.no, &earner.served)?;
            paid.push((earner.account.no, pay(&self.round, earner, factor).map_err(|no| broken(&no))?));
        }
        let groups = paid.iter().map(|(no, one)| (*no, one.group.clone())).collect();
        let refused = self.post(groups)?;
        for (no, one) in paid.iter().filter(|(no, _)| !refused.contains(no)) {
            price::put_carries(self.tx, &one.carries)?;
            store::set_arrears(self.tx, self.at.1, *no, one.arrears)?;
        }
        self.keep_held(&earners)?;
        store::consume(self.tx, self.at, Side::Served, earners.iter().map(|earner| earner.account.no))?;
        let next = Step::Paying { after: last, there: factor.there, wanted: factor.wanted };
        Ok(store::set_step(self.tx, self.at.0, self.at.1, next)?)
    }
}
