//! What goes through the commons once a day ([`rules::ledger::sweep`]): what operator and reserve do not need comes in, with what lies
//! idle; owners whose nodes were on share it, and who has free space is paid for it, as far as it is proved ([`rules::ledger::proved`]).
//!
//! In steps, each one transaction with the mark how far the day is. (A) After a crash, or beside a second center process, the rest is done
//! and nothing twice: a day that was begun is done to its end before the next begins. (B) What a day gives out is fixed in the
//! transaction of its first transfers, so that nothing that happens meanwhile changes a share. (C) In a public cloud owners behind one
//! network share alike once, and only vetted nodes count. (D) What the ledger refuses is told, and stays where it was.

use super::days::Days;
use super::standing;
use super::store::commons::{self as store, Day, Due, Step};
use super::store::{self as book, account, node_held, standing as kept};
use super::{Ledger, Posting, seat};
use crate::db::{StoreError, Tx};
use crate::fleet::store::{NodeRow, PRESENCE_BLOCK, PresenceHour, Standing, nodes_of_block, presence_hours, vetting};
use codec::fill::PIECE_BYTES;
use model::{AccountClass, AccountNo, Alias, Code, Stamp, Tier, Ucredit};
use rules::ledger::id::Purpose;
use rules::ledger::proved::Space;
use rules::ledger::sweep::{self, Policy};
use rules::ledger::{Account, Group};

/// Owners or accounts of one transaction.
pub const PART: u32 = 256;
/// Days that are known to be done.
const KEPT: u32 = 400;
/// Minutes of an hour in which a node is to be on, on average over the day.
const ON_MINUTES: u64 = 30;
/// Free space that standby pay aims at, of what is held, in percent.
const STANDBY_TARGET: u64 = 30;
const HOUR_MS: u64 = 3_600_000;
const MB: u64 = 1_000_000;

/// What the commons go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Days.
    pub days: Days,
    /// What the operator has of it.
    pub policy: Policy,
    /// Strangers' nodes count when they are vetted, strangers behind one network once.
    pub is_public: bool,
    /// For standing, by which the volume is summed up.
    pub standing: standing::Terms,
}

/// Does a day that is over to its end; how many transactions it took here.
///
/// # Errors
/// Of the store; what was done stays done.
pub async fn give_out(ledger: &Ledger, day: u32, terms: Terms) -> Result<u64, StoreError> {
    standing::sum_up(ledger, day, terms.standing).await?;
    let mut done = 0;
    while step(ledger, day, terms).await? {
        done += 1;
        tokio::time::sleep(super::chore::PART_PAUSE).await;
    }
    Ok(done)
}

/// One transaction; false where the day is over.
///
/// # Errors
/// Of the store; nothing of the step stands then.
pub async fn step(ledger: &Ledger, day: u32, terms: Terms) -> Result<bool, StoreError> {
    let now = ledger.now();
    let write = move |tx: &mut Tx<'_>| {
        book::lock(tx)?;
        let begun = match store::last(tx)? {
            Some(last) if last.step != Step::Done => last,
            Some(last) if last.day >= day => return Ok(false),
            _ => Day::begin(day),
        };
        let mut turn = Turn { tx, terms, now };
        let next = match begun.step {
            Step::Nodes => turn.nodes(begun)?,
            Step::Weigh => turn.weigh(begun)?,
            Step::Idle => turn.idle(begun)?,
            Step::Plan => turn.plan(begun)?,
            Step::Pay => turn.pay(begun)?,
            Step::Done => begun,
        };
        store::put(turn.tx, &next, now)?;
        Ok(true)
    };
    ledger.db().write(write).await
}

/// A step under way.
struct Turn<'t, 'd> {
    tx: &'t mut Tx<'d>,
    terms: Terms,
    now: Stamp,
}

impl Turn<'_, '_> {
    /// The next thousand nodes: what is free at those that were on for half of the day is noted for their owners.
    fn nodes(&mut self, at: Day) -> Result<Day, StoreError> {
        if at.after > store::last_alias(self.tx)? / u64::from(PRESENCE_BLOCK) {
            return Ok(at.at(Step::Weigh));
        }
        let block = u32::try_from(at.after).unwrap_or(u32::MAX);
        let [from, to] = [at.day, at.day.saturating_add(1)].map(|day| self.terms.days.begin(day).as_ms() / HOUR_MS);
        let hours = presence_hours(self.tx, block, from, to)?;
        let [first, last] = [block, block.saturating_add(1)].map(|block| Alias(block.saturating_mul(PRESENCE_BLOCK)));
        let held = node_held::between(self.tx, first, last)?;
        let fill = vetting::fill_counts(self.tx, first, last)?;
        for row in nodes_of_block(self.tx, block)? {
            let held = held.get(&row.alias).copied().unwrap_or_default().held;
            let space = Space {
                lent_mb: row.node.lent.0 / MB,
                held_mb: held.mb,
                most_mb: held.most_mb,
                fill_mb: fill.get(&row.alias).map_or(0, |pieces| pieces.saturating_mul(PIECE_BYTES) / MB),
            };
            if let Some(due) = self.counts(&row, (&hours, to.saturating_sub(from)), space) {
                let owner = account::of(self.tx, AccountClass::Member, row.node.owner.as_bytes())?;
                // Who has no account yet was never paid nor charged: its first day will come.
                if let Some(owner) = owner {
                    store::add(self.tx, at.day, owner.account.no, &due)?;
                }
            }
        }
        Ok(Day { after: at.after + 1, ..at })
    }

    /// What a node counts for: nothing where it was not on for half of the day, takes no work, or is not vetted. (C)
    fn counts(&self, row: &NodeRow, (hours, known): (&[PresenceHour], u64), space: Space) -> Option<Due> {
        let is_verified = !self.terms.is_public || row.tier >= Tier::T2;
        let place = (row.alias.0 % PRESENCE_BLOCK) as usize;
        let minutes: u64 = hours.iter().filter_map(|hour| hour.minutes.get(place)).map(|on| u64::from(*on)).sum();
        if row.standing != Standing::Active || !is_verified || known == 0 || minutes < known * ON_MINUTES {
            return None;
        }
        let (alpha, beta) = (u64::from(row.node.alpha), u64::from(row.node.beta));
        let audits_bps = (alpha * 10_000).checked_div(alpha + beta).unwrap_or(0);
        let quality = sweep::quality_bps(minutes * 10_000 / (known * 60), audits_bps, 10_000);
        let net = row.node.net_prefix.clone().filter(|_| self.terms.is_public);
        let (free_mb, held_mb) = (space.free(), space.held_mb);
        Some(Due { net, has_stipend: false, free_mb, held_mb, weight: free_mb.saturating_mul(quality) / 10_000 })
    }

    /// The next owners: what there is at all of them, and whether they share alike. (C)
    fn weigh(&mut self, at: Day) -> Result<Day, StoreError> {
        let page = store::dues(self.tx, at.day, AccountNo(at.after), PART)?;
        let Some((last, _)) = page.last() else { return Ok(at.at(Step::Idle)) };
        let mut out = Day { after: last.0, ..at };
        for (no, due) in &page {
            let is_second = match &due.net {
                Some(net) => store::is_of_another(self.tx, at.day, *no, net)?,
                None => false,
            };
            if !is_second {
                store::set_stipend(self.tx, at.day, *no)?;
                out.owners += 1;
            }
            out.weight = out.weight.saturating_add(due.weight);
            out.free_mb = out.free_mb.saturating_add(due.free_mb);
            out.held_mb = out.held_mb.saturating_add(due.held_mb);
        }
        Ok(out)
    }

    /// The next accounts: a part of what lies idle, all of what is forgotten.
    fn idle(&mut self, at: Day) -> Result<Day, StoreError> {
        let Policy { has_demurrage, has_dormant, .. } = self.terms.policy;
        let first = AccountNo::new(AccountClass::Member, 0);
        let mut page = account::after(self.tx, first.max(AccountNo(at.after)), PART)?;
        page.retain(|opened| opened.account.no.is_of_people());
        let Some(last) = page.last().filter(|_| has_demurrage || has_dormant) else { return Ok(at.at(Step::Plan)) };
        let after = last.account.no.0;
        let mut groups = Vec::new();
        for opened in page.iter().filter(|opened| opened.account.balance().0 > 0) {
            groups.extend(self.idle_of(&opened.account, at.day)?);
        }
        self.post(&groups)?;
        Ok(Day { after, ..at })
    }

    fn idle_of(&mut self, one: &Account, day: u32) -> Result<Vec<Group>, StoreError> {
        let Policy { has_demurrage, has_dormant, .. } = self.terms.policy;
        let Some(known) = kept::get(self.tx, one.no)? else { return Ok(Vec::new()) };
        let commons = seat::only(AccountClass::Commons);
        let end = self.terms.days.begin(day.saturating_add(1));
        let heard = self.terms.days.counted(known.heard, end);
        let (carry, notices) = store::idle(self.tx, one.no)?;
        let mut next = (carry, 0);
        if has_dormant && sweep::is_dormant_notice_due(heard, 0, end) {
            next.1 = notices + u8::from(sweep::is_dormant_notice_due(heard, notices, end));
        }
        let forgotten = if has_dormant { sweep::dormant(one, heard, notices, end) } else { Ucredit::ZERO };
        let (purpose, code, amount) = match forgotten {
            Ucredit::ZERO if has_demurrage => {
                let monthly = Ucredit(known.daily_use.0.saturating_mul(30));
                let slow = sweep::demurrage(one, monthly, carry).map_err(|no| standing::broken(&no))?;
                next.0 = slow.carry;
                (Purpose::Demurrage, Code::Demurrage, slow.amount)
            }
            amount => (Purpose::Dormant, Code::Dormant, amount),
        };
        if next != (carry, notices) {
            store::put_idle(self.tx, one.no, next)?;
        }
        Ok(sweep::daily(purpose, code, day, &[(one.no, commons, amount)]))
    }

    /// What is not needed comes in, and what goes out is fixed. (B)
    fn plan(&mut self, at: Day) -> Result<Day, StoreError> {
        let (operator, reserve) = (self.seat(AccountClass::Operator)?, self.seat(AccountClass::Repair)?);
        let commons = seat::only(AccountClass::Commons);
        let from = at.day.saturating_sub(u32::try_from(sweep::REPAIR_DAYS).unwrap_or(u32::MAX) - 1);
        let moved = kept::volume_since(self.tx, from)?;
        let days = kept::first_volume(self.tx)?.map_or(1, |first| u64::from(at.day.saturating_sub(first)) + 1);
        let floor = sweep::reserve_floor(moved.repair_in, moved.repair_out, days);
        let ways = [
            (operator.no, commons, sweep::operator_rest(&operator, self.terms.policy.costs_a_day)),
            (reserve.no, commons, sweep::reserve_rest(&reserve, floor)),
        ];
        let mut groups = sweep::daily(Purpose::Sweep, Code::Sweep, at.day, &ways);
        // What the insurance has again goes first to what others bore for it.
        let (insurance, beyond) = (self.seat(AccountClass::Insurance)?, self.seat(AccountClass::WriteOff)?);
        let owes = Ucredit(beyond.debits.0.saturating_sub(beyond.credits.0));
        groups.extend(sweep::pay_back(&insurance, owes, beyond.no, at.day).map(|(group, _)| group));
        self.post(&groups)?;
        let Policy { has_stipend, has_standby, .. } = self.terms.policy;
        let target = at.held_mb.saturating_mul(STANDBY_TARGET) / 100;
        // Where nothing that is free is proved, that part waits for another day.
        let bps = if has_standby && at.weight > 0 { sweep::standby_bps(at.free_mb, target) } else { 0 };
        let owners = if has_stipend { at.owners } else { 0 };
        let (stipend, standby) = sweep::pots(&self.seat(AccountClass::Commons)?, owners, bps);
        tracing::info!(day = at.day, owners, %stipend, %standby, "what the commons give out is fixed");
        Ok(Day { stipend, standby, ..at.at(Step::Pay) })
    }

    fn seat(&mut self, class: AccountClass) -> Result<Account, StoreError> {
        let no = seat::only(class);
        let found = account::load(self.tx, &[no])?.pop();
        found.ok_or_else(|| standing::broken(&rules::ledger::No::UnknownAccount(no)))
    }

    /// Gives the next owners their parts. (B)
    fn pay(&mut self, at: Day) -> Result<Day, StoreError> {
        let page = store::dues(self.tx, at.day, AccountNo(at.after), PART)?;
        let Some((last, _)) = page.last() else {
            store::forget(self.tx, at.day.saturating_sub(KEPT))?;
            return Ok(at.at(Step::Done));
        };
        let (commons, last) = (seat::only(AccountClass::Commons), *last);
        let mut groups = Vec::new();
        for (no, due) in &page {
            let alike = if due.has_stipend { at.stipend } else { Ucredit::ZERO };
            groups.extend(sweep::daily(Purpose::Stipend, Code::Stipend, at.day, &[(commons, *no, alike)]));
            let free = sweep::standby_part(at.standby, due.weight, at.weight);
            groups.extend(sweep::daily(Purpose::Standby, Code::Standby, at.day, &[(commons, *no, free)]));
        }
        self.post(&groups)?;
        store::clear(self.tx, at.day, last)?;
        Ok(Day { after: last.0, ..at })
    }

    /// (D)
    fn post(&mut self, groups: &[Group]) -> Result<(), StoreError> {
        let postings: Vec<Posting> = groups.iter().cloned().map(Posting::from).collect();
        if postings.is_empty() {
            return Ok(());
        }
        for answer in book::post_in(self.tx, &postings, self.now)? {
            if let Err(error) = answer {
                tracing::error!(%error, "a transfer of the commons was refused");
            }
        }
        Ok(())
    }
}
