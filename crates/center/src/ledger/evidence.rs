//! What a line of a statement is made of, who served whom or for which job, and statements that bear the center's word.
//!
//! (A) A line of a settlement is found again by its id, which is made from period, account and resource: nothing but the readings that
//! made it can stand behind it. (B) A member sees its own account; the operator sees all.

use super::api::{asked, shown};
use super::settle::store::Side;
use super::settle::store::evidence::{self, Of};
use super::store::{self, row, statement};
use crate::db::{Reader, StoreError};
use crate::refuse::{Refused, bad_value};
use crate::{Caller, Center};
use model::{AccountNo, DeviceId, Resource, Stamp};
use rules::ledger::Row;
use rules::ledger::amount::amount;
use rules::ledger::id::{Purpose, system_id};
use rules::ledger::settle::{Due, WHOLE_BPS};
use rules::ledger::tariff::Tariff;
use std::collections::BTreeMap;
use wire::Reply;
use wire::ledger::{LineDetail, PartLine, PartOf, PartsAsk, Reading, SealAsk, SettledOf};
use wire::limits::{LEDGER_PARTS, SEALED_LINES};
use wire::signed::StatementSeal;

/// Periods and resources among which a line's is looked for.
const LOOKED_MAX: u32 = 64;
/// Holds out of which one charge may be paid.
const HOLDS_MAX: u32 = 255;

/// (A) Which side of a settlement a row is.
fn side_of(row: &Row, (period, resource): (u64, Resource), no: AccountNo) -> Option<Side> {
    let is = |purpose, part| system_id(purpose, period, no, Some(resource), part) == row.id;
    if is(Purpose::Settle, 0) || (row.hold.is_some() && (0..HOLDS_MAX).any(|part| is(Purpose::SettleHold, part))) {
        return Some(Side::Used);
    }
    (is(Purpose::Settle, 1) || is(Purpose::Buffer, 0) || is(Purpose::Dues, 0)).then_some(Side::Served)
}

fn reading(tariff: &Tariff, resource: Resource, side: Side, due: &Due) -> Option<Reading> {
    let price = tariff.price(due.version, resource, due.variant)?;
    let per_unit = if side == Side::Used { price.consumer } else { price.provider };
    let quality = if side == Side::Served && resource == Resource::Storage { due.quality_bps } else { WHOLE_BPS };
    let weighed = u128::from(due.units).saturating_mul(quality.into());
    let counted = amount(weighed, per_unit, price.per.checked_mul(WHOLE_BPS)?, 0).ok()?;
    Some(Reading {
        variant: due.variant.to_string(),
        version: due.version,
        units: due.units,
        quality_bps: quality,
        price: per_unit,
        per: price.per,
        amount: counted.amount,
    })
}

fn part(row: evidence::PartRow) -> PartLine {
    let of = match row.of {
        Of::Node(node) => PartOf::Node(node),
        Of::Job(job) => PartOf::Job(job),
        Of::Account(account) => PartOf::Account(account),
    };
    PartLine { resource: row.resource, is_served: row.side == Side::Served, of, units: row.units }
}

/// The readings behind a row, where it is of a settlement.
fn settled(q: &mut Reader<'_>, row: &Row, no: AccountNo, tariff: &Tariff) -> Result<Option<SettledOf>, StoreError> {
    for (period, resource) in evidence::settled(q, no, row.at, LOOKED_MAX)? {
        let Some(side) = side_of(row, (period, resource), no) else { continue };
        let due = evidence::readings(q, (period, resource), side, no)?;
        let at = (Stamp(period), Stamp(period));
        let parts = evidence::parts(q, no, at, u32::try_from(LEDGER_PARTS).unwrap_or(u32::MAX))?;
        let is_of = |part: &evidence::PartRow| part.resource == resource && part.side == side;
        return Ok(Some(SettledOf {
            period: Stamp(period),
            resource,
            is_served: side == Side::Served,
            readings: due.iter().filter_map(|due| reading(tariff, resource, side, due)).collect(),
            parts: parts.into_iter().filter(is_of).map(part).collect(),
            factor: evidence::factor(q, period, resource)?.filter(|_| side == Side::Served),
        }));
    }
    Ok(None)
}

/// A line, and what it is made of.
pub async fn line(center: &Center, caller: &Caller, account: Option<AccountNo>, seq: u64) -> Result<Reply, Refused> {
    let no = asked(center, caller, account).await?;
    let tariff = super::settle::tariff(center.db(), center.now()).await?;
    let found = center.db().read(move |q| {
        let row = row::between(q, seq, seq)?.pop().and_then(|(_, row)| row);
        let Some(row) = row.filter(|row| row.debit == no || row.credit == no) else { return Ok(None) };
        let block = row::block_of(q, seq)?.map(|found| (found.block.no, found.block.hash));
        let signer = row::intent(q, row.id)?.map(|intent| DeviceId(intent.key));
        let settled = settled(q, &row, no, &tariff)?;
        let line = shown(q, &row, no, &mut BTreeMap::new())?;
        Ok(Some(LineDetail { line, block: block.unwrap_or_default(), signer, settled }))
    });
    let unknown = || Refused::from(bad_value("line", &seq.to_string(), "the account has no such line"));
    Ok(Reply::LedgerLine(Box::new(found.await?.ok_or_else(unknown)?)))
}

/// Who served an account, whom it served, and which jobs used what, over a time.
pub async fn parts(center: &Center, caller: &Caller, ask: PartsAsk) -> Result<Reply, Refused> {
    let no = asked(center, caller, ask.account).await?;
    let limit = u32::try_from(LEDGER_PARTS).unwrap_or(u32::MAX);
    let found = center.db().read(move |q| Ok(evidence::parts(q, no, (ask.from, ask.until), limit)?)).await?;
    Ok(Reply::LedgerParts(found.into_iter().map(part).collect()))
}

/// The center's signed word on an account's lines over a time.
pub async fn seal(center: &Center, caller: &Caller, ask: SealAsk) -> Result<Reply, Refused> {
    let no = asked(center, caller, ask.account).await?;
    let (cloud, at) = (center.keys().cloud_key(), center.now());
    let made = center.db().read(move |q| {
        let first = row::block_before(q, ask.from)?.map_or(0, |found| found.block.last_seq);
        let opening = statement::balance(q, no, first)?;
        let (mut closing, mut lines, mut after) = (opening, 0_u64, first);
        let (mut hasher, page) = (blake3::Hasher::new(), super::PAGE_MAX);
        'all: loop {
            let rows = row::lines(q, no, after, page)?;
            for row in &rows {
                if row.at >= ask.until {
                    break 'all;
                }
                lines += 1;
                if lines > SEALED_LINES {
                    return Ok(None);
                }
                hasher.update(&row.bytes());
                closing.0 = closing.0.saturating_add(row.effect(no).0.0);
                after = row.seq;
            }
            if rows.len() < page as usize {
                break;
            }
        }
        let head = store::head(q)?;
        let (from, until, hash) = (ask.from, ask.until, *hasher.finalize().as_bytes());
        let head = (head.seq, head.hash);
        Ok(Some(StatementSeal { cloud, account: no, from, until, opening, closing, lines, hash, head, at }))
    });
    let why = format!("it has more than {SEALED_LINES} lines: choose a shorter time");
    let made = made.await?.ok_or_else(|| bad_value("since", &ask.from.to_string(), &why))?;
    Ok(Reply::StatementSeal(made.sign(&center.keys().cloud).to_vec()))
}
