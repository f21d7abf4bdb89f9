//! Verified results of jobs as due rows: the job's member pays an item's fuel once, whoever's results of it were accepted each
//! earn their own; a result proved wrong earns nothing.
//!
//! (A) A result counts once, also where it is told again. Same owner on both sides is no pay at all, as the scheduler says. (B) Workers
//! of a job together get no more than its member pays for ([`rules::ledger::settle::Copies`]); where that is less than they did, each
//! gets its part, and the rest when more of the job was charged.

use super::Periods;
use super::store::evidence::{self, Of, PartRow};
use super::store::paid::{self, By};
use super::store::{self, DueRow, Side};
use crate::db::{StoreError, Tx};
use crate::ledger::store::{account, price};
use model::{AccountClass, AccountNo, JobId, MemberId, MemberState, Resource, Stamp, Ucredit};
use rules::compute::Pay;
use rules::ledger::settle::{Due, WHOLE_BPS};
use rules::ledger::tariff::{Variant, WHOLE_PPM};
use std::collections::BTreeMap;

/// A result that is to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Who pays.
    pub member: MemberId,
    /// At which of computing's prices.
    pub variant: Variant,
    /// What the scheduler said.
    pub pay: Pay,
}

/// What noting results goes by.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Periods.
    pub periods: Periods,
    /// Limit of an account that has to be opened.
    pub limit: Ucredit,
    /// Now.
    pub now: Stamp,
}

/// Notes results, in the transaction that makes them final.
///
/// # Errors
/// Of the store.
pub fn note(tx: &mut Tx<'_>, results: &[Paid], terms: Terms) -> Result<(), StoreError> {
    if results.is_empty() {
        return Ok(());
    }
    store::lock(tx)?;
    let tariff = price::tariff(tx)?;
    let version = tariff.as_ref().and_then(|tariff| tariff.at(terms.now)).map_or(1, |book| book.version);
    let (mut rows, mut parts) = (Vec::with_capacity(results.len() * 2), Vec::new());
    for (job, fresh) in told(tx, results)? {
        let variant = fresh.first().map_or(Variant::Plain, |(one, _)| one.variant);
        let price = tariff.as_ref().and_then(|tariff| tariff.price(version, Resource::Compute, variant));
        let (resource, of) = (Resource::Compute, Of::Job(job));
        let mut add = |side, account, units| {
            let due = Due { variant, version, units, quality_bps: WHOLE_BPS };
            rows.push(DueRow { resource, side, account, due });
            parts.push(PartRow { account, resource, side, of, units });
        };
        let (mut copies, mut claims) = (paid::copies(tx, &job)?, paid::claims(tx, &job)?);
        for (one, is_first) in fresh {
            let claim = claims.entry(one.pay.owner).or_default();
            *claim = claim.saturating_add(one.pay.fuel);
            if is_first {
                copies.charge(one.pay.fuel);
                add(Side::Used, open(tx, &one.member, terms)?, one.pay.fuel);
            }
        }
        // (B)
        let paid = copies.pay(&claims, price.map_or(WHOLE_PPM, |price| price.copies_ppm));
        for (owner, units) in paid.into_iter().filter(|(_, units)| *units > 0) {
            add(Side::Served, open(tx, &owner, terms)?, units);
            claims.entry(owner).and_modify(|claim| *claim = claim.saturating_sub(units));
        }
        paid::put_copies(tx, &job, copies)?;
        paid::put_claims(tx, &job, &claims)?;
    }
    let (last, period) = (store::last_begun(tx)?, terms.periods.of(terms.now));
    let period = if last < period { period } else { terms.periods.after(last) };
    store::add_due(tx, period, &rows)?;
    Ok(evidence::add_parts(tx, period, &parts)?)
}

/// Results of one job, and whether each is the first of its item.
type Told<'a> = Vec<(&'a Paid, bool)>;

/// (A) Notes results that were not known, by job.
fn told<'a>(tx: &mut Tx<'_>, results: &'a [Paid]) -> Result<BTreeMap<JobId, Told<'a>>, StoreError> {
    let mut out: BTreeMap<JobId, Told<'a>> = BTreeMap::new();
    for one in results {
        let (is_new, is_first) = (!paid::is_paid(tx, &one.pay, By::This)?, !paid::is_paid(tx, &one.pay, By::Any)?);
        if !is_new {
            continue;
        }
        paid::put(tx, &one.pay)?;
        out.entry(one.pay.item.job).or_default().push((one, is_first));
    }
    Ok(out)
}

fn open(tx: &mut Tx<'_>, member: &MemberId, terms: Terms) -> Result<AccountNo, StoreError> {
    let as_new = (MemberState::Newcomer, terms.limit);
    Ok(account::open(tx, AccountClass::Member, member.as_bytes(), as_new, terms.now)?.account.no)
}
