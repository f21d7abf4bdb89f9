//! What a job may cost at most: as fuel of accepted outputs for the scheduler, as credits that are set aside before anything runs.
//!
//! (A) The scheduler hands out nothing new that the budget would not cover; what its results come to is paid out of what was set
//! aside. (B) What is left of it comes back once the job has ended, no result of it can become final any more, and that is settled. (C) Among strangers a job that
//! names no limit may cost half of what its member can spend; in a circle nothing limits it: its ledger orders.

use super::{board, store};
use crate::access::api::who;
use crate::db::{StoreError, Tx};
use crate::ledger::seat::Escrow;
use crate::ledger::store as book;
use crate::ledger::{Ledger, Posting, settle};
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center};
use model::compute::{Check, Trust};
use model::{AccountNo, Code, JobId, Resource, Span, Stamp, TransferId, Ucredit, errors};
use rules::compute::Input;
use rules::compute::limits::{FORGET_WITHIN, PENDING};
use rules::fleet::tier::Trust as CloudTrust;
use rules::ledger::id::{job_hold_end_id, job_hold_id};
use rules::ledger::tariff::{Price, Variant};
use rules::ledger::{Act, Ask, Group, No, Starter};
use wire::compute::JobSubmit;
use wire::{RefusalMsg, Reply};

/// A hold outlives its job by so long: results are settled meanwhile.
const AFTER: Span = Span::days(10);
/// Holds given back in one transaction.
const PART: u32 = 256;

/// What a job may cost; nothing of both: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// As credits.
    pub most: Ucredit,
    /// As fuel of accepted outputs.
    pub fuel: u64,
}

/// What so much fuel costs, rounded up; nothing where there is no price.
pub async fn worth(center: &Center, check: Check, fuel: u64) -> Result<Ucredit, Refused> {
    let Some(price) = price(center, check).await? else { return Ok(Ucredit::ZERO) };
    Ok(rules::ledger::allowance::cost(fuel, 1, &price))
}

async fn price(center: &Center, check: Check) -> Result<Option<Price>, StoreError> {
    let tariff = settle::tariff(center.db(), center.now()).await?;
    Ok(tariff.at(center.now()).and_then(|book| book.price(Resource::Compute, Variant::of_check(check))).copied())
}

/// As fuel; at least the first step.
fn fuel_of(most: Ucredit, price: &Price) -> u64 {
    let wide = u128::from(most.0) * u128::from(price.per) / u128::from(price.consumer.0.max(1));
    u64::try_from(wide).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64)
}

/// (C) What a job that is handed in may cost.
pub async fn of(center: &Center, account: AccountNo, ask: &JobSubmit) -> Result<Budget, Refused> {
    // On its own machines work costs nothing.
    if ask.trust == Trust::Own {
        return Ok(Budget::default());
    }
    let most = match (ask.max_credits, center.settings().trust()) {
        (Ucredit::ZERO, CloudTrust::Circle) => return Ok(Budget::default()),
        (Ucredit::ZERO, CloudTrust::Public) => {
            let has = center.ledger().account(account).await?.map_or(0, |opened| opened.account.available().0);
            Ucredit(u64::try_from(has / 2).unwrap_or(0).max(1))
        }
        (most, _) => most,
    };
    let Some(price) = price(center, ask.check).await? else { return Ok(Budget::default()) };
    Ok(Budget { most, fuel: fuel_of(most, &price) })
}

/// Sets aside what a job may cost, or says why not. The same again changes nothing.
///
/// # Errors
/// Of the store.
pub fn set_aside(
    tx: &mut Tx<'_>,
    (job, deadline): (JobId, Stamp),
    account: AccountNo,
    (number, amount): (u32, Ucredit),
    now: Stamp,
) -> Result<Result<(), No>, StoreError> {
    let id = job_hold_id(&job, number);
    let act = Act::Hold { debit: account, escrow: Escrow::Compute.account(), amount, expires: deadline + AFTER };
    let ask = Ask { id, act, code: Code::Compute, reference: None };
    let group = Group { starter: Starter::System, asks: vec![ask] };
    match book::post_in(tx, &[Posting::from(group)], now)?.pop() {
        Some(Ok(_)) => {
            store::put_hold(tx, &job, number, account, id)?;
            Ok(Ok(()))
        }
        Some(Err(refused)) => Ok(Err(refused.no)),
        None => Err(StoreError::refused(errors::BUG, "a posting without an answer")),
    }
}

/// Sets aside what is left of a job's budget where nothing is any more: it ended, was settled, and is tried again.
pub async fn set_aside_again(center: &Center, row: &store::JobRow, used: u64) -> Result<(), Refused> {
    let left = row.max_credits.less(worth(center, row.facts.check, used).await?);
    if row.max_credits == Ucredit::ZERO {
        return Ok(());
    }
    let account = center.account_of(&row.member).await?;
    let (job, now) = ((row.facts.id, row.facts.deadline), center.now());
    let again = center.db().write(move |tx| cover_again(tx, job, account, left, now));
    Ok(again.await?.map_err(|no| no.refusal())?)
}

/// The same, of an account; nothing where something is set aside still, or nothing is left.
///
/// # Errors
/// Of the store.
pub fn cover_again(
    tx: &mut Tx<'_>,
    job: (JobId, Stamp),
    account: AccountNo,
    left: Ucredit,
    now: Stamp,
) -> Result<Result<(), No>, StoreError> {
    book::lock(tx)?;
    if store::has_hold(tx, &job.0)? || left == Ucredit::ZERO {
        return Ok(Ok(()));
    }
    let number = store::holds_count(tx, &job.0)?;
    set_aside(tx, job, account, (number, left), now)
}

/// Lets one of the caller's jobs cost more.
pub async fn raise(center: &Center, caller: &Caller, id: JobId, most: Ucredit) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let row = board::own_job(center, &member.id, id).await?;
    if row.ended_at.is_some() {
        let args = [("id", row.facts.id.to_string()), ("state", row.state.to_string())];
        return Err(RefusalMsg::new(errors::JOB_OVER, args).into());
    }
    if row.max_credits == Ucredit::ZERO {
        return Err(bad_value("max-credits", &most.to_string(), "nothing limits this job").into());
    }
    if most < row.max_credits {
        return Err(bad_value("max-credits", &most.to_string(), "less than it may cost already").into());
    }
    let account = center.account_of(&member.id).await?;
    let Some(price) = price(center, row.facts.check).await? else { return Ok(Reply::Done) };
    let (fuel, now, deadline) = (fuel_of(most, &price), center.now(), row.facts.deadline);
    let raised = center.db().write(move |tx| {
        book::lock(tx)?;
        let had = store::find(tx, &id)?.map_or(most, |row| row.max_credits);
        let more = most.less(had);
        if more > Ucredit::ZERO {
            let number = store::holds_count(tx, &id)?;
            if let Err(no) = set_aside(tx, (id, deadline), account, (number, more), now)? {
                return Ok(Err(no.refusal()));
            }
        }
        if most > had {
            store::raise(tx, &id, fuel, most)?;
        }
        Ok(Ok(()))
    });
    raised.await??;
    board::decide(center, Input::Budget(id, fuel), None)?.durable().await?;
    Ok(Reply::Done)
}

/// (B) Gives back what was set aside for jobs whose last result was final before `settled`: everything until then is settled. How
/// many holds.
///
/// # Errors
/// Of the store; what was done stays done.
pub async fn give_back(ledger: &Ledger, settled: Stamp) -> Result<u64, StoreError> {
    let now = ledger.now();
    // What nobody checked is final a day later, and forgotten within another.
    let settled = Stamp(settled.as_ms().saturating_sub((PENDING + FORGET_WITHIN).as_ms()));
    let write = move |tx: &mut Tx<'_>| {
        book::lock(tx)?;
        let ended = store::ended_holds(tx, settled, PART)?;
        let holds: Vec<TransferId> = ended.iter().map(|(.., hold)| *hold).collect();
        let open = book::hold::load(tx, &holds)?.into_iter().filter(|hold| hold.remaining() > Ucredit::ZERO);
        let posting = |hold: rules::ledger::Hold| {
            let act = Act::Void { hold: hold.id, amount: None };
            let ask = Ask { id: job_hold_end_id(hold.id), act, code: Code::Compute, reference: None };
            Posting::from(Group { starter: Starter::System, asks: vec![ask] })
        };
        let postings: Vec<Posting> = open.map(posting).collect();
        for answer in book::post_in(tx, &postings, now)? {
            if let Err(error) = answer {
                // Its time may be over: then it expires by itself.
                tracing::debug!(%error, "what was set aside for a job was not given back");
            }
        }
        for (job, number, _) in &ended {
            store::end_hold(tx, job, *number)?;
        }
        Ok(ended.len() as u64)
    };
    let mut all = 0;
    loop {
        let done = ledger.db().write(write).await?;
        all += done;
        if done < u64::from(PART) {
            return Ok(all);
        }
    }
}
